//! Pushing to another MISP: events, what is said about them, and taking back what may no longer be there.
//!
//! The rule: what goes is the view of the recipient the operator named; what that recipient may no longer have is withdrawn, and what cannot be is told.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Write};
use std::time::Instant;

use polder_misp::client::{Beside, Listed, Local, Part, Pushed, Remote, Sent, There, WITHDRAWN};
use polder_misp::limits;
use polder_misp::map::{Peer, Reader, Said, Unwritten, View, Wanted};
use serde_json::{Value, json};

use super::lookup::page;
use super::misp_sync::{NOTED_EACH, note, now, number, remote, server};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::request::Answer;

/// How a push went so far.
#[derive(Default)]
struct Course {
    kept: usize,
    withdrawn: usize,
    problems: Vec<Value>,
    /// Of which event what could not be taken back, and why.
    standing: BTreeMap<String, String>,
    /// UUIDs of what was taken back, and when that was seen there.
    receipts: BTreeMap<String, String>,
}

/// What is written, if it is not long.
#[derive(Default)]
struct Short {
    held: Vec<u8>,
    long: bool,
}

impl Short {
    fn whole(&self) -> Option<&[u8]> {
        (!self.long).then_some(&self.held)
    }
}

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.long |= self.held.len() + bytes.len() > limits::PUSHED_BYTES_MAX;
        if self.long {
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unwritten(e: Unwritten<Failure>) -> Failure {
    match e {
        Unwritten::Page(failure) => failure,
        Unwritten::Store(e) => e.into(),
        Unwritten::Disk(e) => Failure::configuration(format!("an event cannot be written: {e}"), "see `polder doctor`"),
    }
}

/// Pushes the events that the other side wants, then what is said about them.
pub(super) fn push(node: &Node, by: &str, (name, only): (&str, Option<&str>), progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let started = Instant::now();
    // Two at one time would each forget what the other one sent.
    let _alone = node.begin_push(name).ok_or_else(|| Failure::new(exit::PARTIAL, format!("a push to `{name}` is under way"), "try again when it has ended"))?;
    let server = server(node, name)?;
    let help = "add the MISP again with `--to RECIPIENT`: what is pushed is what that recipient may have";
    let to = server.to.clone().ok_or_else(|| Failure::usage(format!("`{name}` was added without a recipient"), help))?;
    let mut remote = remote(&server)?;
    let about = remote.about()?;
    if !about.may_send {
        return Err(Failure::new(exit::PEER, format!("our login `{}` may not send there", about.user), "ask its operator for a sync user"));
    }
    tracing::info!(by, name, to, "misp push");
    let policy = node.directory().policy()?;
    let alliance = &policy.alliance;
    // Whoever was suspended or removed may have nothing: what is there by our hand is taken back.
    let entry = policy.recipients.iter().find(|r| *r.id == *to && r.active);
    let peer = entry.map(|entry| Peer::of(entry, alliance).pushed());
    let unexported = node.directory().words.unexported();
    let reader = peer.map(|peer| Reader { store: &node.store, peer, alliance, secret: node.store.secret(), recipient: &to, unexported: &unexported });
    let mut pages = |query: &polder_store::Query, form| page(node, &to, query, form);
    let mut view = reader.as_ref().map(|reader| View::new(reader, &mut pages));
    let mut course = Course { standing: server.standing.clone(), ..Course::default() };
    if view.is_none() {
        let why = format!("recipient `{to}` is suspended or removed; nothing is sent to it");
        course.problems.push(json!({"event": null, "what": "not pushed", "why": why}));
    }
    let mut all = view.as_mut().map_or_else(|| Ok(Vec::new()), View::said_all).map_err(unwritten)?;
    // A proposal that was taken back stays, marked so; there it is to go.
    all.retain(|one| !one.is_deleted());
    all.retain(|one| is_about(only, &one.event, &one.fields));
    let (mut said, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
        server.said.clone().into_iter().partition(|(_, there)| is_about(only, &there.event, &there.fields));
    // Before the events: nobody takes back what is said about one that is no longer there for us.
    let went = unsay((node, &remote), &all, &mut said, &mut course)
        .and_then(|()| events((node, &remote), (name, only), view.as_mut(), &server.pushed, &mut course, progress))
        .and_then(|counts| Ok((counts, say(&remote, &all, &mut said, &mut course)?)));
    said.extend(rest);
    note(node, name, |s| {
        s.said = said;
        s.standing.clone_from(&course.standing);
        s.withdrawn.extend(course.receipts.clone());
    })?;
    let ((offered, wanted), beside) = went?;
    let Course { kept, withdrawn, problems, .. } = course;
    note(node, name, |s| drop(s.last.insert("push".to_owned(), format!("{}, {kept} of {wanted} events", now(node)))))?;
    let seconds = (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    let exit = if problems.is_empty() { exit::OK } else { exit::PARTIAL };
    let value =
        json!({"pushed": kept, "offered": offered, "wanted": wanted, "withdrawn": withdrawn, "beside": beside, "problems": problems, "seconds": seconds});
    Ok(Answer { value, bytes: None, exit })
}

/// Is what is said one that is meant, or said about it? Everything is, where none is named.
fn is_about(only: Option<&str>, event: &str, fields: &serde_json::Map<String, Value>) -> bool {
    let named = |key| fields.get(key).and_then(Value::as_str);
    only.is_none_or(|only| only == event || [named("uuid"), named("object_uuid")].contains(&Some(only)))
}

/// Sends the events that the other side wants and takes back what may no longer be there; how many were offered, and how many wanted.
fn events(
    (node, remote): (&Node, &Remote),
    (name, only): (&str, Option<&str>),
    mut view: Option<&mut View<'_, Failure>>,
    before: &BTreeMap<String, Pushed>,
    course: &mut Course,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(usize, usize), Failure> {
    let heads = view.as_mut().map_or_else(|| Ok(Vec::new()), |view| view.events()).map_err(unwritten)?;
    let mut pushed = before.clone();
    let own_s = |head: &serde_json::Map<String, Value>| Some((head.get("uuid")?.as_str()?.to_owned(), number(head.get("timestamp"))?));
    let own: BTreeMap<String, i64> = heads.iter().filter_map(own_s).collect();
    let offered_s = |uuid: &str, own_s: i64| pushed.get(uuid).map_or(own_s, |p| p.offered_s(own_s));
    let ours: Vec<Listed> = own.iter().map(|(uuid, own_s)| Listed { uuid: uuid.clone(), at_s: offered_s(uuid, *own_s) }).collect();
    let wanted = if ours.is_empty() { Vec::new() } else { remote.wanted(&ours)? };
    // What a peer asks for beyond what was offered is not its business.
    let mut wanted: BTreeSet<String> = wanted.into_iter().filter(|u| own.contains_key(u)).collect();
    // What the other side has under a later time is sent too, if something of it came or went here.
    let differs = |uuid: &str, p: &Pushed| p.gone == own.contains_key(uuid) || own.get(uuid).is_some_and(|own_s| *own_s != p.own_s);
    let changed: Vec<String> = pushed.iter().filter(|(uuid, p)| differs(uuid, p)).map(|(uuid, _)| uuid.clone()).collect();
    let (there, gone): (Vec<String>, Vec<String>) = changed.into_iter().partition(|uuid| own.contains_key(uuid));
    wanted.extend(there);
    let is_meant = |event: &String| only.is_none_or(|uuid| event == uuid || before.get(event).is_some_and(|p| p.parts.contains_key(uuid)));
    wanted.retain(is_meant);
    let gone: Vec<String> = gone.into_iter().filter(is_meant).collect();
    let total = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
    // A push that is killed does not forget what it may have sent.
    for uuid in &wanted {
        pushed.entry(uuid.clone()).or_insert_with(|| Pushed::unseen(own.get(uuid).copied().unwrap_or_default()));
    }
    if pushed.len() > before.len() {
        note(node, name, |s| s.pushed.clone_from(&pushed))?;
    }
    let mut noted = Instant::now();
    let went = (|| {
        for (n, uuid) in wanted.iter().enumerate() {
            let mut out = Short::default();
            // What is said about an event goes by itself, as MISPs send it, and can be taken back by itself.
            let part = Wanted { local_tags: false, galaxies: false, sightings: false, said: false, ..Wanted::ALL };
            let there = match &mut view {
                Some(view) => view.event(uuid, part, &mut out).map_err(unwritten)?,
                None => false,
            };
            match out.whole() {
                Some(out) if there => one((node, remote), (uuid, own.get(uuid).copied().unwrap_or_default()), out, &mut pushed, course)?,
                None if there => {
                    let why = format!("the event is longer than {} bytes; that MISP can pull it from here", limits::PUSHED_BYTES_MAX);
                    if before.contains_key(uuid) {
                        cannot(course, uuid, why);
                    } else {
                        course.problems.push(json!({"event": uuid, "what": "not pushed", "why": why}));
                    }
                }
                _ => {}
            }
            if noted.elapsed() > NOTED_EACH {
                noted = Instant::now();
                note(node, name, |s| s.pushed.clone_from(&pushed))?;
            }
            progress(u64::try_from(n + 1).unwrap_or(u64::MAX), total);
        }
        gone.iter().try_for_each(|uuid| withdraw(node, remote, uuid, &mut pushed, course))
    })();
    // Whatever became of the rest, what is there by our hand is not forgotten; what was never sent is.
    pushed.retain(|uuid, p| p.is_known() || before.contains_key(uuid));
    note(node, name, |s| s.pushed = pushed)?;
    went.map(|()| (ours.len(), wanted.len()))
}

/// Sends one event as it is now, without what may no longer be there.
fn one(
    (node, remote): (&Node, &Remote),
    (uuid, own_s): (&str, i64),
    written: &[u8],
    all: &mut BTreeMap<String, Pushed>,
    course: &mut Course,
) -> Result<(), Failure> {
    let mut event: Value = serde_json::from_slice(written).unwrap_or_default();
    course.standing.remove(uuid);
    let before = all.get(uuid).cloned().unwrap_or_default();
    let Some(fields) = event.get_mut("Event").and_then(Value::as_object_mut) else { return Ok(()) };
    fields.insert("locked".to_owned(), true.into());
    fields.insert("published".to_owned(), true.into());
    let mut at_s = before.offered_s(own_s);
    // Only what takes something back, or gives it again, is newer there than here.
    if own_s == before.own_s && !before.parts.is_empty() && !before.is_as_sent(fields) {
        at_s = at_s.saturating_add(1).max(node.store.now_us() / 1_000_000);
    }
    let (mut state, gone) = before.next(fields, at_s);
    state.own_s = own_s;
    fields.insert("timestamp".to_owned(), at_s.to_string().into());
    let there = remote.has(uuid)?;
    // If the answer is lost, all of it may be there.
    all.insert(uuid.to_owned(), before.or(&state));
    match remote.send(uuid, there, &event)? {
        Sent::Kept => course.kept += 1,
        Sent::Narrowed(why) => course.problems.push(json!({"event": uuid, "what": "narrowed", "why": why})),
        Sent::Refused(why) => {
            course.problems.push(json!({"event": uuid, "what": "refused", "why": why}));
            // What was there before is there still.
            if !gone.is_empty() {
                course.standing.insert(uuid.to_owned(), why);
            }
            // A try whose answer was lost may have been taken, and this is what another got.
            let is_theirs = there && !before.is_known();
            let back = if is_theirs { None } else { remote.event(uuid, Local::Left)? };
            all.insert(uuid.to_owned(), back.map_or_else(|| before.clone(), |back| before.or_there(&state, &back)));
            return Ok(());
        }
    }
    if !gone.is_empty() || before.has_fewer_tags(&state) {
        let back = remote.event(uuid, Local::Left)?;
        verify((node, back.as_ref()), uuid, &gone, &before, &mut state, course);
        let tags = back.as_ref().map(|back| before.tags_standing(&state, back)).unwrap_or_default();
        if !tags.is_empty() {
            cannot(course, uuid, format!("MISP takes no tag off: {}", tags.join(", ")));
            state.tags.extend(tags);
        }
    }
    all.insert(uuid.to_owned(), state);
    Ok(())
}

/// Were parts withdrawn, by what the other side has now?
fn verify((node, back): (&Node, Option<&Value>), uuid: &str, gone: &[String], before: &Pushed, state: &mut Pushed, course: &mut Course) {
    let standing = back.map(|back| Pushed::standing(back, gone)).unwrap_or_default();
    course.withdrawn += gone.len() - standing.len();
    for part in gone {
        let there = standing.contains(part);
        if !there {
            course.receipts.insert(part.clone(), now(node));
        }
        let kept = before.parts.get(part).cloned().filter(|_| there);
        state.parts.insert(part.clone(), kept.unwrap_or(Part::Withdrawn));
    }
    if !standing.is_empty() {
        cannot(course, uuid, format!("{} of {} parts still stand there", standing.len(), gone.len()));
    }
}

/// Tells that something of an event cannot be taken back, and why.
fn cannot(course: &mut Course, uuid: &str, why: String) {
    course.problems.push(json!({"event": uuid, "what": "cannot be withdrawn", "why": why}));
    course.standing.insert(uuid.to_owned(), why);
}

/// Takes back a whole event.
fn withdraw(node: &Node, remote: &Remote, uuid: &str, all: &mut BTreeMap<String, Pushed>, course: &mut Course) -> Result<(), Failure> {
    let Some(known) = all.get_mut(uuid) else { return Ok(()) };
    course.standing.remove(uuid);
    let before = known.clone();
    if !before.is_known() {
        if remote.has(uuid)? {
            cannot(course, uuid, "a push was cut off, and what it sent of the event is not known".to_owned());
        } else {
            all.remove(uuid);
        }
        return Ok(());
    }
    let at_s = before.sent_s.saturating_add(1).max(node.store.now_us() / 1_000_000);
    let mut event = before.nothing(uuid, at_s);
    let Some(fields) = event.get_mut("Event").and_then(Value::as_object_mut) else { return Ok(()) };
    let (mut state, gone) = before.next(fields, at_s);
    match remote.send(uuid, remote.has(uuid)?, &event)? {
        Sent::Kept | Sent::Narrowed(_) => {
            let back = remote.event(uuid, Local::Left)?;
            verify((node, back.as_ref()), uuid, &gone, &before, &mut state, course);
            let parts_stand = course.standing.contains_key(uuid);
            let title = back.as_ref().map(|back| back.get("Event").and_then(|e| e.get("info")).and_then(Value::as_str).unwrap_or_default());
            state.gone = !parts_stand && title.is_none_or(|title| title == WITHDRAWN);
            if !state.gone && !parts_stand {
                cannot(course, uuid, "the event still stands there".to_owned());
            }
            if state.gone {
                course.receipts.insert(uuid.to_owned(), now(node));
            }
            *known = state;
        }
        Sent::Refused(why) => cannot(course, uuid, why),
    }
    Ok(())
}

fn named(one: &Said) -> String {
    one.fields.get("uuid").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Takes back what is said besides events and may no longer be there.
fn unsay((node, remote): (&Node, &Remote), all: &[Said], said: &mut BTreeMap<String, There>, course: &mut Course) -> Result<(), Failure> {
    let seen: HashSet<String> = all.iter().map(named).collect();
    let gone: Vec<(String, There)> = said.iter().filter(|(uuid, _)| !seen.contains(*uuid)).map(|(u, t)| (u.clone(), t.clone())).collect();
    course.standing.retain(|uuid, _| !said.contains_key(uuid));
    for (uuid, there) in gone {
        match remote.take_back(&there, node.store.now_us() / 1_000_000)? {
            Some(why) if there.told => drop(course.standing.insert(uuid, format!("{}: {why}", there.name))),
            Some(why) => {
                cannot(course, &uuid, format!("{}: {why}", there.name));
                said.entry(uuid).and_modify(|there| there.told = true);
            }
            None => {
                course.withdrawn += 1;
                said.remove(&uuid);
                course.receipts.insert(uuid, now(node));
            }
        }
    }
    Ok(())
}

/// Sends what is said besides events: clusters, sightings, proposals, what analysts wrote.
fn say(remote: &Remote, all: &[Said], said: &mut BTreeMap<String, There>, course: &mut Course) -> Result<Value, Failure> {
    let mut by_kind: BTreeMap<&'static str, Vec<Said>> = BTreeMap::new();
    for one in all {
        let kind = match one.name.as_str() {
            "Sighting" => "sightings",
            "ShadowAttribute" => "proposals",
            "GalaxyCluster" => "clusters",
            _ => "analyst_data",
        };
        by_kind.entry(kind).or_default().push(one.clone());
    }
    let mut told = serde_json::Map::new();
    for (kind, ours) in by_kind {
        let mut went = Beside::default();
        let sent = send(remote, kind, &ours, &mut went);
        let arrived: HashSet<&String> = went.named.iter().collect();
        said.extend(ours.iter().map(|one| (named(one), There::of(one))).filter(|(uuid, _)| arrived.contains(uuid)));
        sent?;
        told.insert(kind.to_owned(), went.sent.into());
        if let Some(why) = went.refused.first() {
            course.problems.push(json!({"event": null, "what": format!("{} {kind} refused", went.refused.len()), "why": why}));
        }
    }
    Ok(told.into())
}

fn send(remote: &Remote, kind: &str, all: &[Said], went: &mut Beside) -> Result<(), Failure> {
    match kind {
        "clusters" => return Ok(remote.send_clusters(all, went)?),
        "analyst_data" => return Ok(remote.send_analyst_data(all, went)?),
        _ => {}
    }
    let mut events: BTreeMap<&str, Vec<&Said>> = BTreeMap::new();
    for one in all.iter().filter(|s| !s.event.is_empty()) {
        events.entry(&one.event).or_default().push(one);
    }
    for (event, ours) in events {
        if kind == "sightings" {
            remote.send_sightings(event, &ours, went)?;
        } else {
            remote.send_proposals(event, &ours, went)?;
        }
    }
    Ok(())
}
