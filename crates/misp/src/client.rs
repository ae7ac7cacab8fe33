//! Another MISP, asked as MISPs ask each other.
//!
//! The rule: what it answers is an attacker's; it is bounded, and an answer of the wrong shape is the peer's fault, told with its place.

mod beside;
mod receive;
mod unsaid;
mod withdraw;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use polder_peer::{Answer, Ask, Client, Document, Error, Target, clip};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::audit::Connected;
use crate::limits;
use crate::map::aside::ANALYST_DATA;
use crate::map::fields::{flag, number, text};
use crate::map::ids::uuid;
pub use crate::map::left::WITHDRAWN;
pub use beside::Beside;
pub use receive::{Receiver, is_withdrawn, lowered};
pub use unsaid::There;
pub use withdraw::{Part, Pushed};

/// How an event is asked for: whole, withdrawn parts too, without what only means something there.
const WHOLE: &str = "deleted[]:0/deleted[]:1/excludeGalaxy:1/includeEventCorrelations:0/includeFeedCorrelations:0/includeWarninglistHits:0/excludeLocalTags:";

/// Where a pull stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The ETag of the last list of events of which every event was taken.
    pub etag: Option<String>,
    /// The time of each event when it was taken.
    pub events: BTreeMap<String, i64>,
    /// The time of each note, opinion and relationship when it was taken, as MISP writes it.
    pub analyst_data: BTreeMap<String, String>,
    /// The newest proposal that was taken, seconds since 1970.
    pub proposed_s: i64,
    /// The version of each custom cluster when it was taken.
    pub clusters: BTreeMap<String, i64>,
}

/// What a MISP says of itself and of us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// Its version.
    pub version: String,
    /// May we send?
    pub may_send: bool,
    /// Our login there.
    pub user: String,
    /// Our organisation there.
    pub organisation: String,
    /// The UUID it has there.
    pub organisation_uuid: String,
}

/// Tags that only mean something there: of a MISP of one's own they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    /// Asked for too.
    Kept,
    /// Left there.
    Left,
}

/// A list of published events, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The events.
    pub events: Vec<Listed>,
    /// By which it can be asked whether anything has changed.
    pub etag: Option<String>,
}

/// An event of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its UUID.
    pub uuid: String,
    /// When it was changed, seconds since 1970.
    pub at_s: i64,
}

/// What became of an event that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It is there as it was sent.
    Kept,
    /// It is there, and reaches fewer than it should: what was sent and what came of it.
    Narrowed(String),
    /// It was refused: the peer's words.
    Refused(String),
}

/// A MISP.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    prefix: String,
    gzip: bool,
}

fn odd(what: &str, why: impl std::fmt::Display) -> Error {
    Error::Peer(format!("the answer to `{}` is not what a MISP answers: {}", clip(what), clip(&why.to_string())))
}

/// An event in the short list; what else is said of it is not kept.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    uuid: Value,
    #[serde(default)]
    timestamp: Value,
    published: Option<Value>,
}

fn event_path(uuid: &str, local: Local) -> String {
    format!("/events/view/{uuid}/{WHOLE}{}", u8::from(local == Local::Left))
}

impl Remote {
    /// The MISP at a URL, asked with a key.
    ///
    /// # Errors
    /// [`Error::Setup`].
    pub fn new(url: &str, key: &str, ca_file: Option<PathBuf>) -> Result<Self, Error> {
        let target = Target { url: url.to_owned(), authorization: Some(key.to_owned()), ca_file, insecure_http: false };
        let (client, path) = Client::new(&target)?;
        Ok(Self { client, prefix: path.trim_end_matches('/').to_owned(), gzip: false })
    }

    /// The servers it is connected to and the organisations on it; none where our login may not know.
    ///
    /// # Errors
    /// [`Error`].
    pub fn connections(&self) -> Result<(Vec<Connected>, Vec<String>), Error> {
        let listed = |path: &str| -> Result<Vec<Value>, Error> {
            let answer = self.ask("GET", path, None, &[], &[200, 302, 403, 404, 405])?;
            // A login that may not look is sent elsewhere, or told so.
            let read: Option<Value> = if answer.status == 200 { serde_json::from_slice(&answer.body).ok() } else { None };
            Ok(if let Some(Value::Array(list)) = read { list } else { Vec::new() })
        };
        let servers = listed("/servers/index")?.into_iter().filter_map(|one| {
            let server = one.get("Server").unwrap_or(&one).as_object()?.clone();
            let remote = one.get("RemoteOrg").and_then(Value::as_object).cloned().unwrap_or_default();
            let named = |map: &Map<String, Value>| [text(map, "name"), text(map, "url")].into_iter().find(|n| !n.is_empty()).unwrap_or_default().to_owned();
            let rules: Value = serde_json::from_str(text(&server, "push_rules")).unwrap_or_default();
            let is_rule = |kind: &Value| kind.as_object().is_some_and(|k| k.values().any(|l| l.as_array().is_some_and(|l| !l.is_empty())));
            let has_rules = rules.as_object().is_some_and(|r| r.values().any(is_rule));
            let pushes = flag(server.get("push"));
            Some(Connected {
                name: named(&server),
                organisation: named(&remote),
                organisation_uuid: text(&remote, "uuid").to_owned(),
                pushes,
                has_rules,
                ..Connected::default()
            })
        });
        let servers = servers.collect();
        let organisations = listed("/organisations/index/scope:local")?;
        let named = organisations.iter().filter_map(|o| Some(o.get("Organisation").unwrap_or(o).get("name")?.as_str()?.to_owned()));
        Ok((servers, named.collect()))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>, more: &[(&str, &str)], judged: &[u16]) -> Result<Answer, Error> {
        let whole = format!("{}{path}", self.prefix);
        let mut bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let mut headers = vec![("Accept", "application/json"), ("Content-Type", "application/json")];
        headers.extend_from_slice(more);
        if self.gzip && bytes.len() > limits::PLAIN_BODY_BYTES_MAX {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            let packed = packer.write_all(&bytes).and_then(|()| packer.finish());
            bytes = packed.map_err(|e| Error::Setup(format!("cannot pack a request: {e}")))?;
            headers.push(("Content-Encoding", "gzip"));
        }
        self.client.ask(&Ask { method, path: &whole, headers: &headers, body: &bytes, bytes_max: limits::LIST_BYTES_MAX, judged })
    }

    fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let answer = self.ask(method, path, body, &[], &[])?;
        serde_json::from_slice(&answer.body).map_err(|e| odd(path, e))
    }

    /// Its version and what we may do there; after this, requests are packed if it takes that.
    ///
    /// # Errors
    /// [`Error`].
    pub fn about(&mut self) -> Result<About, Error> {
        let answer = self.ask("GET", "/servers/getVersion", None, &[], &[404])?;
        if answer.status == 404 {
            return Err(Error::Peer("no MISP answers at this URL (404); of a Polder node give the whole path, `https://HOST/misp/`".to_owned()));
        }
        let version: Value = serde_json::from_slice(&answer.body).map_err(|e| odd("/servers/getVersion", e))?;
        let said = version.get("version").and_then(Value::as_str).ok_or_else(|| odd("/servers/getVersion", "no `version`"))?;
        if !(said.starts_with("2.4.") || said.starts_with("2.5.")) {
            return Err(Error::Peer(format!("the peer speaks MISP `{}`; 2.4 and 2.5 are spoken here", clip(said))));
        }
        let encodings = version.get("request_encoding").and_then(Value::as_array);
        self.gzip = encodings.is_some_and(|list| list.iter().any(|e| e == "gzip"));
        let me = self.json("GET", "/users/view/me.json", None)?;
        let of = |whose: &str, key: &str| clip(me.get(whose).and_then(|o| o.get(key)).and_then(Value::as_str).unwrap_or_default());
        // Newer ones nest it.
        let nested = |key: &str| clip(me.get("User").and_then(|u| u.get("Organisation")).and_then(|o| o.get(key)).and_then(Value::as_str).unwrap_or_default());
        let either = |key: &str| Some(of("Organisation", key)).filter(|n| !n.is_empty()).unwrap_or_else(|| nested(key));
        Ok(About {
            version: clip(said),
            may_send: flag(version.get("perm_sync")),
            user: of("User", "email"),
            organisation: either("name"),
            organisation_uuid: either("uuid"),
        })
    }

    /// The published events, with the list's ETag; none when nothing has changed since the ETag.
    ///
    /// # Errors
    /// [`Error`].
    pub fn index(&self, etag: Option<&str>) -> Result<Option<List>, Error> {
        let path = "/events/index";
        let known = etag.unwrap_or("\"\"");
        let answer = self.ask("POST", path, Some(&json!({"minimal": 1, "published": 1})), &[("If-None-Match", known)], &[304])?;
        if answer.status == 304 {
            return Ok(None);
        }
        let list: Vec<Row> = serde_json::from_slice(&answer.body).map_err(|e| odd(path, e))?;
        let mut events: Vec<Listed> = list
            .iter()
            .filter(|e| e.published.as_ref().is_none_or(|p| flag(Some(p))))
            .filter_map(|e| Some(Listed { uuid: uuid(e.uuid.as_str()?)?, at_s: number(Some(&e.timestamp))? }))
            .collect();
        events.sort_by(|a, b| (a.at_s, &a.uuid).cmp(&(b.at_s, &b.uuid)));
        Ok(Some(List { events, etag: answer.header("etag").map(str::to_owned) }))
    }

    /// A whole event as it came, which may be long; none if it is not there, or no longer for us.
    ///
    /// # Errors
    /// [`Error`].
    pub fn document(&self, uuid: &str, local: Local) -> Result<Option<Document>, Error> {
        let whole = format!("{}{}", self.prefix, event_path(uuid, local));
        let headers = [("Accept", "application/json")];
        let ask = Ask { method: "GET", path: &whole, headers: &headers, body: &[], bytes_max: limits::ANSWER_BYTES_MAX, judged: &[403, 404] };
        let answer = self.client.fetch(&ask, limits::HELD_BYTES_MAX)?;
        Ok(Some(answer.body).filter(|_| answer.status == 200))
    }

    /// A whole event; none if it is not there, or no longer for us.
    ///
    /// # Errors
    /// [`Error`].
    pub fn event(&self, uuid: &str, local: Local) -> Result<Option<Value>, Error> {
        let path = event_path(uuid, local);
        let answer = self.ask("GET", &path, None, &[], &[403, 404])?;
        if answer.status != 200 {
            return Ok(None);
        }
        let event: Value = serde_json::from_slice(&answer.body).map_err(|e| odd(&path, e))?;
        let is_it = event.get("Event").and_then(|e| e.get("uuid")).and_then(Value::as_str).is_some_and(|u| u.eq_ignore_ascii_case(uuid));
        if is_it { Ok(Some(event)) } else { Err(odd(&path, "another event")) }
    }

    /// Sightings of events, twenty at most.
    ///
    /// # Errors
    /// [`Error`].
    pub fn sightings(&self, events: &[String]) -> Result<Vec<Value>, Error> {
        let path = "/sightings/restSearch/event";
        let body = json!({"returnFormat": "json", "last": 0, "includeUuid": true, "uuid": events});
        let answer = self.ask("POST", path, Some(&body), &[], &[403, 404])?;
        if answer.status != 200 {
            return Ok(Vec::new());
        }
        let found: Value = serde_json::from_slice(&answer.body).map_err(|e| odd(path, e))?;
        let list = found.get("response").and_then(Value::as_array).ok_or_else(|| odd(path, "no `response`"))?;
        Ok(list.iter().filter_map(|s| s.get("Sighting").cloned()).collect())
    }

    /// Proposals since then, page by page.
    ///
    /// # Errors
    /// [`Error`].
    pub fn proposals(&self, since_s: i64) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        for page in 1..=limits::PROPOSAL_PAGES_MAX {
            let path = format!("/shadow_attributes/index/all:1/timestamp:{since_s}/limit:{}/page:{page}/deleted[]:0/deleted[]:1.json", limits::PROPOSALS_ASKED);
            let list = self.list(&path)?;
            let whole = list.len() >= limits::PROPOSALS_ASKED;
            all.extend(list.into_iter().map(|one| one.get("ShadowAttribute").cloned().unwrap_or(one)));
            if !whole {
                break;
            }
        }
        Ok(all)
    }

    /// Analyst data that is new or has changed, by the times that are known: what each is called, and itself.
    ///
    /// # Errors
    /// [`Error`].
    pub fn analyst_data(&self, known: &BTreeMap<String, String>) -> Result<Vec<(&'static str, Value)>, Error> {
        let path = "/analyst_data/indexMinimal";
        let answer = self.ask("POST", path, Some(&json!({})), &[], &[200, 403, 404])?;
        let listed: Value = if answer.status == 200 { serde_json::from_slice(&answer.body).map_err(|e| odd(path, e))? } else { Value::Null };
        let mut all = Vec::new();
        for name in ANALYST_DATA {
            let there = listed.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
            let new: Vec<String> = there.iter().filter(|(id, at)| known.get(*id).map(String::as_str) != at.as_str()).filter_map(|(id, _)| uuid(id)).collect();
            for some in new.chunks(limits::ANALYST_DATA_ASKED) {
                let named: Vec<String> = some.iter().map(|id| format!("uuid[]:{id}")).collect();
                let list = self.list(&format!("/analyst_data/index/{name}/{}.json", named.join("/")))?;
                all.extend(list.into_iter().map(|one| (name, one.get(name).cloned().unwrap_or(one))));
            }
        }
        Ok(all)
    }

    /// A list; an empty one where our login may not have it, or an old MISP does not know it.
    fn list(&self, path: &str) -> Result<Vec<Value>, Error> {
        let answer = self.ask("GET", path, None, &[], &[200, 403, 404])?;
        if answer.status != 200 {
            return Ok(Vec::new());
        }
        let read: Value = serde_json::from_slice(&answer.body).map_err(|e| odd(path, e))?;
        match read.get("response").cloned().unwrap_or(read) {
            Value::Array(list) => Ok(list),
            _ => Err(odd(path, "no list")),
        }
    }

    /// Which of our events it wants.
    ///
    /// # Errors
    /// [`Error`].
    pub fn wanted(&self, ours: &[Listed]) -> Result<Vec<String>, Error> {
        let path = "/events/filterEventIdsForPush";
        let body: Vec<Value> = ours.iter().map(|e| json!({"Event": {"uuid": e.uuid, "timestamp": e.at_s}})).collect();
        let answer = self.json("POST", path, Some(&Value::Array(body)))?;
        let list = answer.as_array().ok_or_else(|| odd(path, "no list"))?;
        Ok(list.iter().filter_map(|u| uuid(u.as_str()?)).collect())
    }

    /// Does it show us an event?
    ///
    /// # Errors
    /// [`Error`].
    pub fn has(&self, uuid: &str) -> Result<bool, Error> {
        Ok(self.ask("HEAD", &format!("/events/view/{uuid}"), None, &[], &[403, 404])?.status == 200)
    }

    /// Sends an event that is there or not, and reads back what became of it: a sharing group that a MISP does not know is refused without a word.
    ///
    /// # Errors
    /// [`Error`]; it may have been taken all the same.
    pub fn send(&self, uuid: &str, there: bool, event: &Value) -> Result<Sent, Error> {
        let path = if there { format!("/events/edit/{uuid}/metadata:1") } else { "/events/add/metadata:1".to_owned() };
        let answer = self.ask("POST", &path, Some(event), &[], &[400, 403, 404, 405])?;
        if answer.status != 200 {
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let errors = said.get("errors").map(Value::to_string);
            let why = errors.or_else(|| said.get("message").and_then(Value::as_str).map(str::to_owned)).unwrap_or_default();
            return Ok(Sent::Refused(clip(&format!("{} {why}", answer.status))));
        }
        let answer: Value = serde_json::from_slice(&answer.body).map_err(|e| odd(&path, e))?;
        let back = self.event(uuid, Local::Left)?.unwrap_or(answer);
        let of = |v: &Value| number(v.get("Event").and_then(|e| e.get("distribution")));
        Ok(match (of(event), of(&back)) {
            (Some(sent), Some(came)) if sent != came => Sent::Narrowed(format!("distribution {sent} became {came}")),
            _ => Sent::Kept,
        })
    }
}
