//! What changes a collection: POST brings objects in, DELETE takes the caller's own out.
//!
//! The rule: one request is one transaction, and its answer is sent when it is on disk. No answer depends on rows of other sources.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::MutexGuard;

use axum::http::StatusCode;
use axum::response::Response;
use polder_stix::Id;
use polder_stix::time::{Version, from_us};
use polder_store::{Act, Outcome, Prepared, Query, Refusal, Versions, prepare};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::access::{Caller, Collection, Rights, find};
use crate::ask::Ask;
use crate::error::Failure;
use crate::read::{query_of, readable};
use crate::{App, limits, sink};

/// The collection, if the caller may add to it.
pub(crate) fn writable(app: &App, caller: &Caller, name: &str) -> Result<Collection, Failure> {
    let (collection, rights) = find(app.access.collections(), caller, name).ok_or_else(Failure::no_collection)?;
    match rights {
        Rights { write: true, .. } => Ok(collection),
        Rights { read: true, .. } => Err(Failure::forbidden("this collection can be read and not added to; ask the operator for the right to write")),
        Rights { .. } => Err(Failure::no_collection()),
    }
}

/// Takes in an envelope.
pub(crate) fn add(app: &App, caller: &Caller, collection: &Collection, body: &[u8]) -> Result<Response, Failure> {
    let objects = envelope(body)?;
    let max = polder_store::limits::COMMIT_OBJECTS_MAX;
    if objects.len() > max {
        return Err(Failure::too_large(format!("{} objects, the limit is {max} in one request; send several", objects.len())));
    }
    let now_us = app.store.now_us();
    let stamp = from_us(now_us);
    let mut ready: Vec<Prepared> = Vec::with_capacity(objects.len());
    let mut failures = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        match prepare(object.get(), now_us) {
            Ok(prepared) if prepared.header().lacks_version() => {
                let id = &prepared.header().id;
                return Err(Failure::unprocessable(format!("object {n} of the envelope, `{id}`, has no `modified` and no `created`; nothing was kept")));
            }
            Ok(prepared) => ready.push(prepared),
            Err(refusal) => failures.push(refused(n, object.get(), &refusal, &stamp)?),
        }
    }
    let source = if ready.is_empty() { Box::default() } else { app.access.poster_source(&caller.login)? };
    let (objections, mut turn) = objections(app, caller, &source, &ready)?;
    let mut permitted = Vec::with_capacity(ready.len());
    for (prepared, objection) in ready.into_iter().zip(objections) {
        match objection {
            None => permitted.push(prepared),
            Some(why) => {
                let version = prepared.header().version().map_or_else(|| stamp.clone(), |v| v.to_string());
                failures.push(json!({"id": prepared.header().id.to_string(), "version": version, "message": why}));
            }
        }
    }
    let ready = permitted;
    let names: Vec<(Id, Option<Version>)> = ready.iter().map(|p| (p.header().id.clone(), p.header().version())).collect();
    // Before they are kept: afterwards the poster would see its own.
    let shown = shown(app, caller, collection, &names)?;
    let posted_to = if collection.takes_everything() { None } else { Some(&*collection.id) };
    let outcomes = if ready.is_empty() { Vec::new() } else { app.store.ingest(&source, posted_to, ready)? };
    if let Some(turn) = &mut turn {
        **turn += 1;
    }
    drop(turn);
    let mut successes = Vec::new();
    for (((id, version), outcome), shown) in names.into_iter().zip(outcomes).zip(shown) {
        let version = version.map_or_else(|| stamp.clone(), |v| v.to_string());
        let mut detail = json!({"id": id.to_string(), "version": version});
        // Which success it was says what is held, and the poster may not be allowed to know: it hears only of what it is shown.
        let (list, message) = match outcome {
            Outcome::New | Outcome::Known | Outcome::Variant | Outcome::Conflict => (&mut successes, shown.then(|| HELD.to_owned())),
            Outcome::Refused(refusal) => (&mut failures, Some(format!("{}; {}", refusal.reason, refusal.help))),
        };
        if let (Some(map), Some(message)) = (detail.as_object_mut(), message) {
            map.insert("message".to_owned(), json!(message));
        }
        list.push(detail);
    }
    let id = random_uuid()?;
    let status = json!({
        "id": id,
        "status": "complete",
        "request_timestamp": stamp,
        "total_count": objects.len(),
        "success_count": successes.len(),
        "successes": successes,
        "failure_count": failures.len(),
        "failures": failures,
        "pending_count": 0,
        "pendings": [],
    })
    .to_string();
    app.store.keep_status(&id, &caller.login.recipient, status.clone())?;
    Ok(sink::resource(StatusCode::ACCEPTED, status))
}

type Turn<'a> = Option<MutexGuard<'a, u64>>;

/// Of each object why it may not be kept, and the turn in which that holds. A look may be long, so it is made before the turn is taken.
fn objections<'a>(app: &'a App, caller: &Caller, source: &str, ready: &[Prepared]) -> Result<(Vec<Option<String>>, Turn<'a>), Failure> {
    let looked = app.access.turn(&caller.login).map(|turn| *turn);
    let found = app.access.objections(&caller.login, source, ready)?;
    let turn = app.access.turn(&caller.login);
    let found = if turn.as_deref().copied() == looked { found } else { app.access.objections(&caller.login, source, ready)? };
    Ok((found, turn))
}

/// What a poster hears of an id and version that the collection shows it already.
const HELD: &str = "already held; content that differs is kept as a variant";

/// Of each object: does the collection show its id and version to the poster already, or did it come earlier in the request?
fn shown(app: &App, caller: &Caller, collection: &Collection, names: &[(Id, Option<Version>)]) -> Result<Vec<bool>, Failure> {
    let Ok((_, Rights { read: true, .. })) = readable(app, caller, &collection.id) else { return Ok(vec![false; names.len()]) };
    let ask = Ask::parse(None)?;
    let mut earlier = HashSet::new();
    let mut all = Vec::with_capacity(names.len());
    for (id, version) in names {
        let versions = Versions { all: version.is_none(), at: version.iter().copied().collect(), ..Versions::default() };
        let query = Query { limit: Some(1), ..query_of(collection, &ask, Some(id), versions) };
        let again = !earlier.insert((id, version.map(Version::ns)));
        all.push(again || app.store.deletable(&caller.login.recipient, &query)?.1 > 0);
    }
    Ok(all)
}

/// Takes the caller's own rows of an object out.
pub(crate) fn delete(app: &App, caller: &Caller, name: &str, object: &str, query: Option<&str>) -> Result<Response, Failure> {
    let (collection, rights) = readable(app, caller, name)?;
    if !rights.write {
        return Err(Failure::forbidden("deleting takes the right to write to this collection; ask the operator for it"));
    }
    let ask = Ask::parse(query)?;
    let id = Id::parse(object).ok_or_else(Failure::no_object)?;
    let versions = ask.versions.clone().unwrap_or(Versions { all: true, ..Versions::default() });
    let chosen = Query { added_after_us: None, ..query_of(&collection, &ask, Some(&id), versions) };
    let (rows, visible) = app.store.deletable(&caller.login.recipient, &chosen)?;
    if visible == 0 {
        return Err(Failure::no_object());
    }
    if rows.is_empty() {
        return Err(Failure::forbidden("the object came from somebody else; only who brought it in can delete it"));
    }
    if &*id.kind == "marking-definition" && app.access.keeps_definitions(&caller.login) {
        return Err(Failure::forbidden("a definition of a marking is taken out by who may downgrade: what carries it would lose what it says"));
    }
    let mut turn = app.access.turn(&caller.login);
    app.store.act(Act::Remove(rows), &caller.login.user)?;
    if let Some(turn) = &mut turn {
        **turn += 1;
    }
    Ok(sink::resource(StatusCode::OK, "{}".to_owned()))
}

/// The objects of an envelope, each with its text as received. Text that breaks off keeps nothing.
fn envelope(body: &[u8]) -> Result<Vec<&RawValue>, Failure> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // The text is checked to its end before its shape is, so that a request cut short is always a malformed one.
    let parsed: Result<&RawValue, _> = serde_json::from_slice(body);
    let whole = parsed.map_err(|e| Failure::bad(format!("not JSON: {e}; nothing was kept")))?;
    let shape = || Failure::unprocessable("the content is an envelope: a JSON object with a list `objects`; nothing was kept");
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(whole.get()).map_err(|_| shape())?;
    let objects = members.get("objects").ok_or_else(shape)?;
    serde_json::from_str(objects.get()).map_err(|_| shape())
}

/// An object that is refused becomes a failure; one without id or type refuses the request.
fn refused(at: usize, text: &str, refusal: &Refusal, stamp: &str) -> Result<Value, Failure> {
    let nameless = |what: &str| Failure::unprocessable(format!("object {at} of the envelope has no `{what}`; nothing was kept"));
    let members: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(text).map_err(|_| Failure::unprocessable(format!("entry {at} of `objects` is not an object; nothing was kept")))?;
    let said = |name: &str| members.get(name).map(|raw| serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned()));
    let id = said("id").ok_or_else(|| nameless("id"))?;
    said("type").ok_or_else(|| nameless("type"))?;
    let version = said("modified").or_else(|| said("created")).filter(|v| Version::parse(v).is_some());
    Ok(json!({
        "id": clipped(&refusal.id.as_ref().map_or(id, Id::to_string)),
        "version": version.unwrap_or_else(|| stamp.to_owned()),
        "message": clipped(&format!("{}; {}", refusal.reason, refusal.help)),
    }))
}

fn clipped(text: &str) -> String {
    text.chars().take(limits::MESSAGE_CHARS_MAX).collect()
}

fn random_uuid() -> Result<String, Failure> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| Failure::internal())?;
    // Version 4, variant of RFC 9562.
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    Ok(Id { kind: "x".into(), uuid: bits }.to_string().trim_start_matches("x--").to_owned())
}
