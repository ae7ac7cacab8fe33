//! A plain pull: everything a peer's TAXII 2.1 collection has that is newer than the last time.
//!
//! The rule: whatever the peer sends is bounded and judged; a pull that breaks off goes on from the last page that was taken in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{MEDIA_TYPE, limits};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use polder_peer::{Answer, Ask, Client, Target, clip};

/// Why a pull ended early, by blame.
pub use polder_peer::Error as PullError;

/// Where to pull from.
#[derive(Clone)]
pub struct PullTarget {
    /// URL of a discovery resource, an API root or a collection.
    pub url: String,
    /// What to show the peer.
    pub credentials: Credentials,
    /// Id, alias or title of the collection; none means the first one that can be read.
    pub collection: Option<String>,
    /// Certificates (PEM) the peer's certificate is judged by, instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Allow `http` to other machines: everything, the credentials too, can then be read on the way.
    pub insecure_http: bool,
}

/// What to show a peer.
#[derive(Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// HTTP Basic.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// A bearer token.
    Bearer(String),
}

impl std::fmt::Debug for PullTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullTarget").field("url", &self.url).field("collection", &self.collection).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// How far a pull has come; to be kept for the next one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullState {
    /// Only what the peer added after this.
    pub added_after: Option<String>,
    /// The peer's cursor, in the middle of a pull; it belongs to `added_after`.
    pub next: Option<String>,
    /// The latest date of what was taken in; the next pull begins after it.
    pub reached: Option<String>,
}

/// What a pull has done so far.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Pages taken in.
    pub pages: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// A pull that begins with this goes on after the last page that was taken in.
    pub state: &'a PullState,
}

/// Why a pull ended early: itself, or whoever takes the pages in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped<E> {
    /// The pull.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// A page could not be taken in.
    #[error("a page could not be taken in: {0}")]
    Each(E),
}

/// Pulls every version of everything after `state`, and hands each envelope over as it came.
///
/// # Errors
/// [`Stopped`]; what was handed over before stays with the caller, and `progress` has told where to go on.
pub fn pull<E>(
    target: &PullTarget,
    state: PullState,
    per_page: usize,
    each: &mut dyn FnMut(Vec<u8>) -> Result<(), E>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PullState, Stopped<E>> {
    let (client, collection) = locate(target)?;
    let mut bytes = 0u64;
    let mut take = |body: Vec<u8>, pages: u64, state: &PullState| {
        bytes = bytes.saturating_add(body.len() as u64);
        each(body).map_err(Stopped::Each)?;
        progress(Progress { pages, bytes, state });
        Ok(())
    };
    pages(&client, &format!("{collection}objects/"), state, per_page, &mut take)
}

/// Ids and versions of everything the peer shows now, so that what has left can be told.
///
/// # Errors
/// [`PullError`].
pub fn manifest_ids(target: &PullTarget, per_page: usize) -> Result<Vec<(String, String)>, PullError> {
    let (client, collection) = locate(target)?;
    let mut found = Vec::new();
    let mut take = |body: Vec<u8>, _: u64, _: &PullState| {
        let value: Value = serde_json::from_slice(&body).map_err(|e| PullError::Peer(format!("the peer's manifest is not JSON: {e}")))?;
        for record in value.get("objects").and_then(Value::as_array).into_iter().flatten() {
            let text = |name| record.get(name).and_then(Value::as_str).map(str::to_owned);
            let (Some(id), Some(version)) = (text("id"), text("version")) else {
                return Err(PullError::Peer("a record of the peer's manifest has no id or no version".to_owned()));
            };
            found.push((id, version));
        }
        if found.len() > limits::PULL_MANIFEST_RECORDS_MAX {
            return Err(PullError::Peer(format!("the peer's manifest has more than {} records", limits::PULL_MANIFEST_RECORDS_MAX)));
        }
        Ok(())
    };
    pages(&client, &format!("{collection}manifest/"), PullState::default(), per_page, &mut take)?;
    Ok(found)
}

type Take<'t, E> = &'t mut dyn FnMut(Vec<u8>, u64, &PullState) -> Result<(), E>;

/// Goes through the pages of a resource until the peer says there is no more.
fn pages<E: From<PullError>>(client: &Client, resource: &str, mut state: PullState, per_page: usize, take: Take<'_, E>) -> Result<PullState, E> {
    for page in 1..=limits::PULL_PAGES_MAX {
        // A cursor may have died at the peer; then the pull goes on by date.
        let judged: &[u16] = if state.next.is_some() { &[400, 404, 410, 422] } else { &[] };
        let answer = get(client, &question(resource, &state, per_page), limits::PULL_PAGE_BYTES_MAX, judged)?;
        if answer.status != 200 {
            tracing::warn!(status = answer.status, "the peer no longer knows its cursor, going on by date");
            state = PullState { added_after: state.reached.clone().or(state.added_after), next: None, reached: state.reached };
            continue;
        }
        let (more, next) = more_of(&answer.body)?;
        let dated = answer.header("x-taxii-date-added-last").map(str::to_owned).filter(|d| polder_stix::time::to_us(d).is_some());
        let before = state.clone();
        state.reached = later(state.reached, dated);
        match (more, next) {
            (true, Some(next)) => state.next = Some(next),
            _ => state = PullState { added_after: later(state.added_after, state.reached.clone()), next: None, reached: state.reached },
        }
        take(answer.body, page, &state)?;
        if !more {
            return Ok(state);
        }
        if (&state.added_after, &state.next) == (&before.added_after, &before.next) {
            return Err(PullError::Peer("the peer says there is more, and gives the same page again".to_owned()).into());
        }
    }
    Err(PullError::Peer(format!("the peer sends more than {} pages", limits::PULL_PAGES_MAX)).into())
}

fn question(resource: &str, state: &PullState, per_page: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &per_page.max(1).to_string()).append_pair("match[version]", "all");
    if let Some(date) = &state.added_after {
        query.append_pair("added_after", date);
    }
    if let Some(next) = &state.next {
        query.append_pair("next", next);
    }
    format!("{resource}?{}", query.finish())
}

/// The later of two dates.
fn later(a: Option<String>, b: Option<String>) -> Option<String> {
    let us = |t: &Option<String>| t.as_deref().and_then(polder_stix::time::to_us);
    if us(&b) > us(&a) { b } else { a }
}

/// Whether an envelope says there is more, and its cursor.
fn more_of(body: &[u8]) -> Result<(bool, Option<String>), PullError> {
    let members: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_slice(body).map_err(|e| PullError::Peer(format!("the peer's page is not a TAXII envelope: {e}")))?;
    let more = members.get("more").is_some_and(|raw| raw.get() == "true");
    let next = members.get("next").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok()).filter(|n| !n.is_empty());
    if next.as_ref().is_some_and(|n| n.len() > limits::PULL_NEXT_CHARS_MAX) {
        return Err(PullError::Peer(format!("the peer's cursor is longer than {} characters", limits::PULL_NEXT_CHARS_MAX)));
    }
    Ok((more, next))
}

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

fn connect(target: &PullTarget) -> Result<(Client, String), PullError> {
    let authorization = match &target.credentials {
        Credentials::None => None,
        Credentials::Basic { user, password } => Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))),
        Credentials::Bearer(token) => Some(format!("Bearer {token}")),
    };
    Client::new(&Target { url: target.url.clone(), authorization, ca_file: target.ca_file.clone(), insecure_http: target.insecure_http })
}

fn get(client: &Client, path: &str, bytes_max: u64, judged: &[u16]) -> Result<Answer, PullError> {
    client.ask(&Ask { method: "GET", path, headers: &[("Accept", MEDIA_TYPE)], body: &[], bytes_max, judged })
}

/// The collection meant, as a path that ends in a slash.
fn locate(target: &PullTarget) -> Result<(Client, String), PullError> {
    let (client, mut path) = connect(target)?;
    if !path.ends_with('/') {
        path.push('/');
    }
    if let Some(collection) = path.strip_suffix("objects/") {
        path = collection.to_owned();
    }
    // Discovery, API root, collections, collection: three steps at most.
    for _ in 0..4 {
        let answer = get(&client, &path, limits::PULL_RESOURCE_BYTES_MAX, &[])?;
        let found: Value = serde_json::from_slice(&answer.body).map_err(|e| PullError::Peer(format!("what is at `{path}` is not JSON: {e}")))?;
        let strings = |name: &str| found.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        if found.get("api_roots").is_some() || found.get("default").is_some() {
            let root = found.get("default").and_then(Value::as_str).or_else(|| strings("api_roots").next());
            path = slashed(client.path_of(root.ok_or_else(|| PullError::Peer("the peer's discovery resource names no API root".to_owned()))?)?);
        } else if found.get("versions").is_some() {
            path.push_str("collections/");
        } else if found.get("can_read").is_some() {
            return Ok((client, path));
        } else {
            let list = found.get("collections").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            path.push_str(&format!("{}/", utf8_percent_encode(chosen(list, target.collection.as_deref())?, SEGMENT)));
            return Ok((client, path));
        }
    }
    Err(PullError::Peer(format!("`{}` leads to no collection", target.url)))
}

fn slashed(mut path: String) -> String {
    if !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// The id of the collection that was named, or of the first one that can be read.
fn chosen<'v>(list: &'v [Value], named: Option<&str>) -> Result<&'v str, PullError> {
    let is = |c: &&Value| match named {
        Some(name) => ["id", "alias", "title"].iter().any(|k| c.get(k).and_then(Value::as_str) == Some(name)),
        None => c.get("can_read").and_then(Value::as_bool) == Some(true),
    };
    let found = list.iter().find(is).and_then(|c| c.get("id")).and_then(Value::as_str);
    found.ok_or_else(|| match named {
        Some(name) => PullError::Peer(format!("the peer shows no collection `{}`", clip(name))),
        None => PullError::Peer("the peer shows no collection that can be read".to_owned()),
    })
}
