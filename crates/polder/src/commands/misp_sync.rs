//! Other MISPs: which there are, pulling from them and pushing to them.
//!
//! The rule: what comes is taken as from the source the operator named; what goes is the view of the recipient the operator named, and nothing more.

use std::collections::BTreeMap;
use std::path::PathBuf;

use polder_misp::client::{Listed, Local, Pushed, Receiver, Remote, State, There, is_withdrawn};
use polder_misp::limits;
use polder_misp::map::{Folk, Offer, Stopped, Taker};
use polder_peer::Document;
use polder_release::Origin;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::intake::{Report, prepare_all};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::request::Answer;

/// A MISP this node is in step with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Server {
    url: String,
    key: String,
    source: String,
    #[serde(default)]
    pub(super) to: Option<String>,
    #[serde(default)]
    ca: Option<String>,
    #[serde(default)]
    state: State,
    #[serde(default)]
    pub(super) last: BTreeMap<String, String>,
    /// What is there by our hand.
    #[serde(default)]
    pub(super) pushed: BTreeMap<String, Pushed>,
    /// What is said there besides events by our hand, by its UUID.
    #[serde(default)]
    pub(super) said: BTreeMap<String, There>,
    /// Events of which something could not be taken back there, and why.
    #[serde(default)]
    pub(super) standing: BTreeMap<String, String>,
    /// What was taken back, by its UUID, and when that was seen there.
    #[serde(default)]
    pub(super) withdrawn: BTreeMap<String, String>,
}

fn path(node: &Node) -> PathBuf {
    node.dir.join("misp.json")
}

fn servers(node: &Node) -> Result<BTreeMap<String, Server>, Failure> {
    match std::fs::read(path(node)) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|e| Failure::configuration(format!("`misp.json` cannot be read: {e}"), "restore it, or remove it and add the servers again")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(e) => Err(crate::failure::file_failure(&path(node), "read", &e)),
    }
}

fn keep(node: &Node, servers: &BTreeMap<String, Server>) -> Result<(), Failure> {
    crate::config::write(&path(node), &json!(servers).to_string())
}

pub(super) fn server(node: &Node, name: &str) -> Result<Server, Failure> {
    servers(node)?.remove(name).ok_or_else(|| Failure::not_found("MISP", name, "see `polder misp status`"))
}

/// Who a source stands for.
pub(super) fn origin_of(node: &Node, source: &str) -> Result<Option<Origin>, Failure> {
    Ok(node.directory().store_sources()?.into_iter().find(|s| *s.name == *source).map(|s| s.origin))
}

fn hold(node: &Node) -> std::sync::MutexGuard<'_, ()> {
    node.misp_file.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Changes what is kept of a server.
pub(super) fn note(node: &Node, name: &str, change: impl FnOnce(&mut Server)) -> Result<(), Failure> {
    let _held = hold(node);
    let mut all = servers(node)?;
    if let Some(server) = all.get_mut(name) {
        change(server);
    }
    keep(node, &all)
}

pub(super) fn remote(server: &Server) -> Result<Remote, Failure> {
    Ok(Remote::new(&server.url, &server.key, server.ca.as_ref().map(Into::into))?)
}

impl From<polder_peer::Error> for Failure {
    fn from(error: polder_peer::Error) -> Self {
        Self::new(exit::PEER, error.to_string(), error.help())
    }
}

/// Notes a MISP.
pub(super) fn add(node: &Node, name: &str, url: String, key: String, source: String, to: Option<String>, ca: Option<String>) -> Result<Answer, Failure> {
    let _held = hold(node);
    let mut all = servers(node)?;
    if all.contains_key(name) {
        return Err(Failure::new(exit::NO, format!("there is a MISP `{name}` already"), "choose another name, or remove it first"));
    }
    node.directory().need_sources(std::slice::from_ref(&source))?;
    if let Some(to) = &to {
        node.directory().need_recipients(std::slice::from_ref(to))?;
    }
    let shown = json!({"misp": {"name": name, "url": url, "source": source, "to": to}});
    all.insert(
        name.to_owned(),
        Server {
            url,
            key,
            source,
            to,
            ca,
            state: State::default(),
            last: BTreeMap::new(),
            pushed: BTreeMap::new(),
            said: BTreeMap::new(),
            standing: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
        },
    );
    keep(node, &all)?;
    Ok(Answer::ok(shown))
}

/// Changes how a MISP is reached, or whose view is pushed to it.
pub(super) fn set(node: &Node, name: &str, url: Option<String>, key: Option<String>, to: Option<String>, ca: Option<String>) -> Result<Answer, Failure> {
    if url.is_none() && key.is_none() && to.is_none() && ca.is_none() {
        return Err(Failure::usage("nothing is to be changed".to_owned(), "name what is: `--url`, `--key-file`, `--to` or `--ca`"));
    }
    if let Some(to) = &to {
        node.directory().need_recipients(std::slice::from_ref(to))?;
    }
    server(node, name)?;
    note(node, name, |s| {
        s.url = url.unwrap_or_else(|| s.url.clone());
        s.key = key.unwrap_or_else(|| s.key.clone());
        s.to = to.or_else(|| s.to.take());
        s.ca = ca.or_else(|| s.ca.take());
    })?;
    let now = server(node, name)?;
    Ok(Answer::ok(json!({"misp": {"name": name, "url": now.url, "source": now.source, "to": now.to}})))
}

/// Forgets a MISP; what came from it stays. What is there by our hand is counted: nobody will take it back.
pub(crate) fn remove(node: &Node, name: &str) -> Result<Answer, Failure> {
    let _held = hold(node);
    let mut all = servers(node)?;
    let gone = all.remove(name).ok_or_else(|| Failure::not_found("MISP", name, "see `polder misp status`"))?;
    keep(node, &all)?;
    let left = gone.pushed.values().filter(|p| !p.gone).count();
    Ok(Answer::ok(json!({"removed": name, "events_left_there": left})))
}

/// Notes whether a pull or a push came to its end.
pub(super) fn noted(node: &Node, name: &str, what: &str, went: Result<Answer, Failure>) -> Result<Answer, Failure> {
    let failed = went.as_ref().err().map(|f| format!("{}, {what}: {}", now(node), f.message));
    let known = server(node, name).is_ok_and(|s| failed.is_some() || s.last.contains_key("failed"));
    if !known {
        return went;
    }
    // What went wrong is told by itself; that it could not be noted is not told besides.
    let noted = note(node, name, |s| {
        match failed {
            Some(failed) => drop(s.last.insert("failed".to_owned(), failed)),
            None => drop(s.last.remove("failed")),
        };
    });
    went.and_then(|answer| noted.map(|()| answer))
}

/// The MISPs, as their administrators over MISP's paths see them.
pub(crate) fn listed(node: &Node) -> Result<Vec<polder_misp::server::Server>, Failure> {
    let shown =
        |(name, s): (String, Server)| polder_misp::server::Server { organisation: whose(node, &s.source).into(), name, url: s.url, pushes: s.to.is_some() };
    Ok(servers(node)?.into_iter().map(shown).collect())
}

/// The member whose MISP sends into a source.
fn whose(node: &Node, source: &str) -> String {
    let directory = node.directory();
    let member = directory.sources.sources.iter().find(|s| s.name == source).and_then(|s| s.member.clone());
    member.unwrap_or_else(|| directory.holder.clone())
}

/// Adds a MISP of an organisation, or changes one: its source is the organisation's, and what is pushed the organisation's view. What the operator
/// chose otherwise for one that is there stays.
pub(crate) fn keep_server(node: &Node, by: &str, before: Option<&str>, server: &polder_misp::server::Server, key: Option<String>) -> Result<String, Failure> {
    let Some(before) = before else {
        let key = key.ok_or_else(|| Failure::usage("a server needs the key it gave us".to_owned(), "send `authkey`"))?;
        Remote::new(&server.url, &key, None)?;
        let to = if server.pushes { Some(recipient_of(node, &server.organisation)?) } else { None };
        let source = node.source_of(&server.organisation, by)?.to_string();
        add(node, &server.name, server.url.clone(), key, source, to, None)?;
        return Ok(server.name.clone());
    };
    let _held = hold(node);
    let mut all = servers(node)?;
    let mut known = all.remove(before).ok_or_else(|| Failure::not_found("MISP", before, "see `polder misp status`"))?;
    if all.contains_key(&server.name) {
        return Err(Failure::new(exit::NO, format!("there is a MISP `{}` already", server.name), "choose another name"));
    }
    if known.url != server.url || *whose(node, &known.source) != *server.organisation {
        let help = "add it as another one; what was pushed to this one is remembered under its name";
        return Err(Failure::new(exit::NO, "another URL or organisation is another MISP".to_owned(), help));
    }
    known.to = match (server.pushes, known.to) {
        (false, _) => None,
        (true, Some(to)) => Some(to),
        (true, None) => Some(recipient_of(node, &server.organisation)?),
    };
    known.key = key.unwrap_or(known.key);
    all.insert(server.name.clone(), known);
    keep(node, &all)?;
    Ok(server.name.clone())
}

/// The recipient by which an organisation's systems receive.
fn recipient_of(node: &Node, organisation: &str) -> Result<String, Failure> {
    let directory = node.directory();
    let of =
        |kind: &str| directory.recipients.recipients.iter().find(|r| r.kind == kind && r.organisation.as_deref() == Some(organisation)).map(|r| r.id.clone());
    let help = format!("add one: `polder recipient add {organisation}-misp --kind partner-system --organisation {organisation}`");
    of("partner-system").or_else(|| of("organisation")).ok_or_else(|| Failure::new(exit::NO, format!("`{organisation}` has no recipient here"), help))
}

/// Asks a MISP who it is and who we are to it.
pub(super) fn test(node: &Node, name: &str) -> Result<Answer, Failure> {
    let server = server(node, name)?;
    let about = remote(&server)?.about()?;
    let directory = node.directory();
    let ours = directory.alliance.members.iter().find(|m| m.id == directory.holder).and_then(|m| m.identity.clone()).unwrap_or_default();
    // What is for a sharing group with our organisation in it is for us only if it has there the UUID it has here.
    let known = about.organisation_uuid.is_empty() || ours == format!("identity--{}", about.organisation_uuid.to_lowercase());
    let mut told = json!({"name": name, "url": server.url, "version": about.version, "login": about.user, "organisation": about.organisation,
        "organisation_uuid": about.organisation_uuid, "may_send": about.may_send});
    if let (false, Some(map)) = (known, told.as_object_mut()) {
        let why = format!(
            "our organisation has another UUID there than here ({}); sharing groups that name it will not reach us",
            ours.trim_start_matches("identity--")
        );
        map.insert("warning".to_owned(), why.into());
    }
    Ok(Answer::ok(json!({"misp": told})))
}

/// The MISPs, and how the last pull and push of each went.
pub(super) fn status(node: &Node) -> Result<Answer, Failure> {
    let told = |(name, s): (String, Server)| {
        let last = |what: &str| s.last.get(what).cloned().unwrap_or_default();
        json!({"name": name, "url": s.url, "source": s.source, "to": s.to, "events": s.state.events.len(), "pulled": last("pull"), "pushed": last("push"), "failed": last("failed")})
    };
    let all = servers(node)?;
    let standing = all.iter().flat_map(|(name, s)| s.standing.iter().map(move |(event, why)| json!({"misp": name, "event": event, "why": why})));
    let standing: Vec<Value> = standing.collect();
    let mut answer = json!({"misps": all.into_iter().map(told).collect::<Vec<_>>()});
    if let (false, Some(map)) = (standing.is_empty(), answer.as_object_mut()) {
        map.insert("cannot_be_withdrawn".to_owned(), standing.into());
    }
    Ok(Answer::ok(answer))
}

/// What became of an object at each MISP that it was pushed to: it stands there, was seen gone there, or cannot be taken back.
pub(super) fn standing_of(node: &Node, id: &polder_stix::Id) -> Result<Vec<Value>, Failure> {
    let uuid = id.to_string().split_once("--").map(|(_, uuid)| uuid.to_owned()).unwrap_or_default();
    let mut rows = Vec::new();
    for (name, s) in servers(node)? {
        let event = s.pushed.iter().find(|(event, p)| **event == uuid || p.parts.contains_key(&uuid)).map(|(event, _)| event.clone());
        let stands = event.as_ref().is_some_and(|event| s.pushed.get(event).is_some_and(|p| p.stands(&uuid))) || s.said.contains_key(&uuid);
        let when = s.withdrawn.get(&uuid).filter(|_| !stands);
        if !stands && when.is_none() {
            continue;
        }
        let why = s.standing.get(event.as_deref().unwrap_or(&uuid)).filter(|_| stands);
        rows.push(json!({"misp": name, "to": s.to, "stands": stands, "withdrawn": when, "why": why}));
    }
    Ok(rows)
}

pub(super) fn now(node: &Node) -> String {
    polder_stix::time::from_us(node.store.now_us()).chars().take(19).collect::<String>() + "Z"
}

/// Pulls what is new or changed, oldest first; a pull that breaks off goes on with the next event.
pub(super) fn pull(node: &Node, by: &str, name: &str, full: bool, progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let started = std::time::Instant::now();
    let server = server(node, name)?;
    let mut remote = remote(&server)?;
    remote.about()?;
    tracing::info!(by, name, "misp pull");
    let mut state = if full { State::default() } else { server.state.clone() };
    let own = origin_of(node, &server.source)? == Some(Origin::Own);
    let mut report = Report::default();
    let Some(polder_misp::client::List { events: listed, etag }) = remote.index(state.etag.as_deref())? else {
        said(node, &remote, &server.source, own, &mut state, &mut report)?;
        note(node, name, |s| s.state = state)?;
        note(node, name, |s| drop(s.last.insert("pull".to_owned(), format!("{}, nothing new", now(node)))))?;
        return Ok(told(report, &server.source, started, (0, 0, 0)));
    };
    let due: Vec<Listed> = listed.iter().filter(|e| state.events.get(&e.uuid).is_none_or(|at| *at != e.at_s)).cloned().collect();
    let (mut done, mut withdrawn, mut gone) = (0u64, 0usize, 0usize);
    let (mut noted, mut whole) = (started, true);
    let total = u64::try_from(due.len()).unwrap_or(u64::MAX);
    for batch in due.chunks(limits::SIGHTINGS_EVENTS) {
        let names: Vec<String> = batch.iter().map(|e| e.uuid.clone()).collect();
        // A MISP of our own is another window on the same house: nothing is narrowed on the way in.
        let receiver = Receiver::new(&names, own, remote.sightings(&names)?);
        let mut documents = Vec::with_capacity(batch.len());
        for event in batch {
            match remote.document(&event.uuid, if own { Local::Kept } else { Local::Left })? {
                // As a node or MISP says it that can no longer give it to us.
                Some(document) if is_withdrawn(&document) => withdrawn += withdraw_event(node, by, &server.source, &event.uuid)?,
                Some(document) => documents.push((event.uuid.clone(), document)),
                None => gone += 1,
            }
            done += 1;
            progress(done, total);
        }
        let (taken, broken) = take_all(node, &server.source, &receiver, &documents, &mut report)?;
        withdrawn += taken;
        whole &= broken.is_empty();
        state.events.extend(batch.iter().filter(|e| !broken.contains(&e.uuid)).map(|e| (e.uuid.clone(), e.at_s)));
        // A pull that breaks off asks again for what it took since; the file is as long as the list of events.
        if noted.elapsed() > NOTED_EACH {
            noted = std::time::Instant::now();
            note(node, name, |s| s.state = State { etag: None, ..state.clone() })?;
        }
    }
    // What is no longer listed was deleted there, or is no longer for us.
    let there: std::collections::BTreeSet<&str> = listed.iter().map(|e| e.uuid.as_str()).collect();
    let missing: Vec<String> = state.events.keys().filter(|u| !there.contains(u.as_str())).cloned().collect();
    for uuid in missing {
        if remote.document(&uuid, Local::Left)?.is_none_or(|document| is_withdrawn(&document)) {
            withdrawn += withdraw_event(node, by, &server.source, &uuid)?;
            state.events.remove(&uuid);
        }
    }
    // What could not be read is asked for again.
    state.etag = etag.filter(|_| whole);
    // What was taken is not asked for again, whatever becomes of the rest.
    note(node, name, |s| s.state.clone_from(&state))?;
    said(node, &remote, &server.source, own, &mut state, &mut report)?;
    note(node, name, |s| {
        s.state = state;
        s.last.insert("pull".to_owned(), format!("{}, {done} events", now(node)));
    })?;
    Ok(told(report, &server.source, started, (done, withdrawn, gone)))
}

pub(super) fn told(report: Report, source: &str, started: std::time::Instant, (events, withdrawn, gone): (u64, usize, usize)) -> Answer {
    let mut answer = report.answer(started.elapsed().as_secs_f64(), source);
    if let Some(map) = answer.value.as_object_mut() {
        let before = map.get("misp").cloned().unwrap_or_default();
        let counted = |key: &str| before.get(key).cloned().unwrap_or(0.into());
        map.insert(
            "misp".to_owned(),
            json!({"events": events, "withdrawn": withdrawn, "gone": gone, "unchanged": counted("unchanged"), "older": counted("older")}),
        );
    }
    answer
}

/// Takes the proposals and what analysts wrote that is new, about what the source has.
fn said(node: &Node, remote: &Remote, source: &str, own: bool, state: &mut State, report: &mut Report) -> Result<(), Failure> {
    let mut new: Vec<(&'static str, serde_json::Map<String, Value>)> = Vec::new();
    for proposal in remote.proposals(state.proposed_s)? {
        let Value::Object(mut fields) = proposal else { continue };
        fields.remove("email");
        let at_s = fields.get("timestamp").and_then(|t| t.as_i64().or_else(|| t.as_str()?.parse().ok())).unwrap_or_default();
        state.proposed_s = state.proposed_s.max(at_s);
        new.push(("ShadowAttribute", fields));
    }
    for (name, datum) in remote.analyst_data(&state.analyst_data)? {
        let Value::Object(mut fields) = datum else { continue };
        let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        state.analyst_data.insert(text("uuid"), text("modified"));
        if !own {
            polder_misp::client::lowered(&mut fields);
        }
        new.push((name, fields));
    }
    for mut fields in remote.clusters(&state.clusters)? {
        let id = fields.get("uuid").and_then(Value::as_str).unwrap_or_default().to_owned();
        state.clusters.insert(id, number(fields.get("version")).unwrap_or_default());
        if !own {
            polder_misp::client::lowered(&mut fields);
        }
        new.push(("GalaxyCluster", fields));
    }
    let folk = Folk::of(&node.directory().policy()?.alliance);
    let mut keep = |offers: Vec<Offer>| keep_offers(node, source, "said", &offers, report);
    let mut taker = Taker::new(&node.store, source, &folk, &mut keep);
    let mut refused = Vec::new();
    for (name, fields) in new {
        refused.extend(taker.listed(name, fields).map_err(stopped)?.refused);
    }
    let told = |(at, reason): (String, String)| json!({"place": format!("said: {at}"), "id": null, "reason": reason, "help": "tell the operator of that MISP"});
    report.refused.extend(refused.into_iter().map(told));
    Ok(())
}

fn stopped(why: Stopped<Failure>) -> Failure {
    match why {
        Stopped::Keep(failure) => failure,
        Stopped::Store(e) => e.into(),
        other => Failure::new(exit::PEER, other.to_string(), "tell the operator of that MISP"),
    }
}

/// How long a pull goes on before it notes where it stands.
pub(super) const NOTED_EACH: std::time::Duration = std::time::Duration::from_secs(3);

/// Takes events together, for the disk's sake; one by one where one of them cannot be read. How many parts were withdrawn, and which could not be read.
fn take_all(node: &Node, source: &str, receiver: &Receiver, documents: &[(String, Document)], report: &mut Report) -> Result<(usize, Vec<String>), Failure> {
    let (mut joined, mut withdrawn, mut alone, mut broken) = (Vec::new(), 0, Vec::new(), Vec::new());
    for (uuid, document) in documents {
        match document {
            Document::Held(bytes) => {
                joined.push(if joined.is_empty() { b'[' } else { b',' });
                joined.extend_from_slice(bytes);
            }
            Document::Laid(_) => alone.push((uuid, document)),
        }
    }
    joined.push(b']');
    let held = documents.len() - alone.len();
    let together = if held > 1 { take_readable(node, source, receiver, ("events", &Document::Held(joined)), report)? } else { None };
    match together {
        Some(taken) => withdrawn += taken,
        None => alone.extend(documents.iter().filter(|(_, d)| matches!(d, Document::Held(_))).map(|(uuid, document)| (uuid, document))),
    }
    for (uuid, document) in alone {
        match take(node, source, receiver, (uuid, document), report)? {
            Some(taken) => withdrawn += taken,
            None => broken.push(uuid.clone()),
        }
    }
    Ok((withdrawn, broken))
}

/// Takes a document as another MISP or a feed gave it: how many parts were withdrawn; none if it cannot be read, which says nothing of others.
pub(super) fn take(
    node: &Node,
    source: &str,
    receiver: &Receiver,
    (place, document): (&str, &Document),
    report: &mut Report,
) -> Result<Option<usize>, Failure> {
    let taken = take_readable(node, source, receiver, (place, document), report)?;
    if taken.is_none() {
        report.refused.push(json!({"place": place, "id": null, "reason": "the event cannot be read", "help": "tell the operator of that MISP"}));
    }
    Ok(taken)
}

/// Puts objects into a source; those that cannot be are told with their places.
fn keep_offers(node: &Node, source: &str, place: &str, offers: &[Offer], report: &mut Report) -> Result<(), Failure> {
    let texts: Vec<&str> = offers.iter().map(|o| o.text.as_str()).collect();
    let mut batch = Vec::with_capacity(offers.len());
    let mut places = Vec::with_capacity(offers.len());
    for (offer, prepared) in offers.iter().zip(prepare_all(&texts, node.store.now_us())) {
        match prepared {
            Ok(prepared) => {
                places.push(format!("{place}: {}", offer.place));
                batch.push(prepared);
            }
            Err(refusal) => report.refuse(&format!("{place}: {}", offer.place), &refusal),
        }
    }
    let outcomes = node.store.ingest(source, None, batch)?;
    report.count(places.into_iter().zip(outcomes));
    Ok(())
}

/// Takes a document; none if it cannot be read.
fn take_readable(node: &Node, source: &str, receiver: &Receiver, (place, document): (&str, &Document), report: &mut Report) -> Result<Option<usize>, Failure> {
    let folk = Folk::of(&node.directory().policy()?.alliance);
    let mut keep = |offers: Vec<Offer>| keep_offers(node, source, place, &offers, report);
    let origin = origin_of(node, source)?;
    let member = match &origin {
        Some(Origin::Member(member)) => Some(member.clone()),
        _ => None,
    };
    let mut fit = |part, fields: &mut serde_json::Map<String, Value>| receiver.receive(part, fields);
    let taker = Taker::new(&node.store, source, &folk, &mut keep).complete().fitted(&mut fit);
    // What the operator's own MISP says of a protected event it has checked; of another's nobody has.
    let taken = if origin == Some(Origin::Own) { taker.of_house() } else { taker.unsigned().from_other(member.as_deref(), true) }.take(&|| document.open());
    let taken = match taken {
        Ok(taken) => taken,
        Err(Stopped::Keep(failure)) => return Err(failure),
        Err(Stopped::Store(e)) => return Err(e.into()),
        Err(Stopped::Disk(e)) => return Err(Failure::configuration(format!("a long event cannot be read from disk: {e}"), "see `polder doctor`")),
        Err(Stopped::Unread(_)) => return Ok(None),
    };
    report.misp(&taken);
    for (at, reason) in &taken.refused {
        report.refused.push(json!({"place": format!("{place}: {at}"), "id": null, "reason": reason, "help": "tell the operator of that MISP"}));
    }
    Ok(Some(taken.withdrawn))
}

/// Takes out what is held of an event that is gone at its source.
fn withdraw_event(node: &Node, by: &str, source: &str, uuid: &str) -> Result<usize, Failure> {
    let Some(id) = polder_stix::Id::parse(&format!("report--{uuid}")) else { return Ok(0) };
    let rows = node.store.family_all(source, &id);
    let count = rows.len();
    if count > 0 {
        node.store.act(polder_store::Act::Remove(rows), by)?;
    }
    Ok(count)
}

pub(super) fn number(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.parse().ok(),
        _ => None,
    }
}
