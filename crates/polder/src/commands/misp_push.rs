//! Pushing to another MISP: events, what is said about them, and taking back what may no longer be there.
//!
//! The rule: what goes is the view of the recipient the operator named; what that recipient may no longer have is withdrawn, and what cannot be is told.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use polder_misp::client::{Beside, Listed, Local, Part, Pushed, Remote, Sent, WITHDRAWN};
use polder_misp::map::{Peer, Reader, Said, Unwritten, View, Wanted};
use polder_stix::Id;
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
}

fn unwritten(e: Unwritten<Failure>) -> Failure {
    match e {
        Unwritten::Page(failure) => failure,
        Unwritten::Store(e) => e.into(),
        Unwritten::Disk(e) => Failure::configuration(format!("an event cannot be written: {e}"), "see `polder doctor`"),
    }
}

/// Pushes the events that the other side wants, then what is said about them.
pub(super) fn push(node: &Node, by: &str, name: &str, progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let started = Instant::now();
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
    let unknown = || Failure::not_found("recipient", &to, "see `polder recipient list`");
    let entry = policy.recipients.iter().find(|r| *r.id == *to).ok_or_else(unknown)?;
    let alliance = &policy.alliance;
    let reader = Reader { store: &node.store, peer: Peer::of(entry, alliance).pushed(), alliance, secret: node.store.secret(), recipient: &to };
    let mut pages = |query: &polder_store::Query, form| page(node, &to, query, form);
    let mut view = View::new(&reader, &mut pages);
    let heads = view.events().map_err(unwritten)?;
    let mut pushed = server.pushed.clone();
    let own_s = |head: &serde_json::Map<String, Value>| Some((head.get("uuid")?.as_str()?.to_owned(), number(head.get("timestamp"))?));
    let own: BTreeMap<String, i64> = heads.iter().filter_map(own_s).collect();
    let offered_s = |uuid: &str, own_s: i64| pushed.get(uuid).map_or(own_s, |p| p.offered_s(own_s));
    let ours: Vec<Listed> = own.iter().map(|(uuid, own_s)| Listed { uuid: uuid.clone(), at_s: offered_s(uuid, *own_s) }).collect();
    let wanted = if ours.is_empty() { Vec::new() } else { remote.wanted(&ours)? };
    // What a peer asks for beyond what was offered is not its business.
    let mut wanted: BTreeSet<String> = wanted.into_iter().filter(|u| own.contains_key(u)).collect();
    let mut course = Course::default();
    // A part that went out of view does not make its event newer.
    let mut visible: HashSet<u128> = HashSet::new();
    node.store.find_in_view(&to, &[], &mut |id| {
        visible.insert(id.uuid);
        false
    })?;
    let is_seen = |part: &str| Id::parse(&format!("x--{part}")).is_some_and(|id| visible.contains(&id.uuid));
    let differs = |uuid: &str, p: &Pushed| p.gone == own.contains_key(uuid) || (!p.gone && p.differs(&is_seen));
    let changed: Vec<String> = pushed.iter().filter(|(uuid, p)| differs(uuid, p)).map(|(uuid, _)| uuid.clone()).collect();
    let (there, gone): (Vec<String>, Vec<String>) = changed.into_iter().partition(|uuid| own.contains_key(uuid));
    wanted.extend(there);
    let total = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
    let mut noted = Instant::now();
    let went = (|| {
        for (n, uuid) in wanted.iter().enumerate() {
            let mut out = Vec::new();
            let part = Wanted { local_tags: false, galaxies: false, ..Wanted::ALL };
            if view.event(uuid, part, &mut out).map_err(unwritten)? {
                one((node, &remote), (uuid, own.get(uuid).copied().unwrap_or_default()), &out, &mut pushed, &mut course)?;
            }
            if noted.elapsed() > NOTED_EACH {
                noted = Instant::now();
                note(node, name, |s| s.pushed.clone_from(&pushed))?;
            }
            progress(u64::try_from(n + 1).unwrap_or(u64::MAX), total);
        }
        gone.iter().try_for_each(|uuid| withdraw(node, &remote, uuid, &mut pushed, &mut course))
    })();
    // Whatever became of the rest, what is there by our hand is not forgotten.
    note(node, name, |s| s.pushed.clone_from(&pushed))?;
    went?;
    let said = view.said_all().map_err(unwritten)?;
    let beside = beside(&remote, said, &mut course.problems)?;
    let Course { kept, withdrawn, problems, standing } = course;
    let of = wanted.len();
    note(node, name, |s| {
        s.standing = standing.clone();
        s.last.insert("push".to_owned(), format!("{}, {kept} of {of} events", now(node)));
    })?;
    let seconds = (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    let exit = if problems.is_empty() { exit::OK } else { exit::PARTIAL };
    let value =
        json!({"pushed": kept, "offered": ours.len(), "wanted": of, "withdrawn": withdrawn, "beside": beside, "problems": problems, "seconds": seconds});
    Ok(Answer { value, bytes: None, exit })
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
    let before = all.get(uuid).cloned().unwrap_or_default();
    let Some(fields) = event.get_mut("Event").and_then(Value::as_object_mut) else { return Ok(()) };
    fields.insert("locked".to_owned(), true.into());
    fields.insert("published".to_owned(), true.into());
    let differs = before.next(&mut fields.clone(), 0).0.parts != before.parts;
    let mut at_s = before.offered_s(own_s);
    // Only what takes something back, or gives it again, is newer there than here.
    if differs && !before.parts.is_empty() && own_s == before.own_s {
        at_s = at_s.saturating_add(1).max(node.store.now_us() / 1_000_000);
    }
    let (mut state, gone) = before.next(fields, at_s);
    state.own_s = own_s;
    fields.insert("timestamp".to_owned(), at_s.to_string().into());
    match remote.send(uuid, &event)? {
        Sent::Kept => course.kept += 1,
        Sent::Narrowed(why) => course.problems.push(json!({"event": uuid, "what": "narrowed", "why": why})),
        Sent::Refused(why) => {
            course.problems.push(json!({"event": uuid, "what": "refused", "why": why}));
            // What was there before is there still.
            if !gone.is_empty() {
                course.standing.insert(uuid.to_owned(), why);
            }
            return Ok(());
        }
    }
    verify(remote, uuid, &gone, &before, &mut state, course)?;
    all.insert(uuid.to_owned(), state);
    Ok(())
}

/// Reads back whether parts were withdrawn there.
fn verify(remote: &Remote, uuid: &str, gone: &[String], before: &Pushed, state: &mut Pushed, course: &mut Course) -> Result<(), Failure> {
    if gone.is_empty() {
        return Ok(());
    }
    let back = remote.event(uuid, Local::Left)?.unwrap_or_default();
    let standing = Pushed::standing(&back, gone);
    course.withdrawn += gone.len() - standing.len();
    for part in gone {
        let there = standing.contains(part);
        let kept = before.parts.get(part).cloned().filter(|_| there);
        state.parts.insert(part.clone(), kept.unwrap_or(Part::Withdrawn));
    }
    if !standing.is_empty() {
        let why = format!("{} of {} parts still stand there", standing.len(), gone.len());
        course.problems.push(json!({"event": uuid, "what": "cannot be withdrawn", "why": why}));
        course.standing.insert(uuid.to_owned(), why);
    }
    Ok(())
}

/// Takes back a whole event.
fn withdraw(node: &Node, remote: &Remote, uuid: &str, all: &mut BTreeMap<String, Pushed>, course: &mut Course) -> Result<(), Failure> {
    let Some(known) = all.get_mut(uuid) else { return Ok(()) };
    let before = known.clone();
    let at_s = before.sent_s.saturating_add(1).max(node.store.now_us() / 1_000_000);
    let mut event = before.nothing(uuid, at_s);
    let Some(fields) = event.get_mut("Event").and_then(Value::as_object_mut) else { return Ok(()) };
    let (mut state, gone) = before.next(fields, at_s);
    match remote.send(uuid, &event)? {
        Sent::Kept | Sent::Narrowed(_) => {
            verify(remote, uuid, &gone, &before, &mut state, course)?;
            state.gone = is_withdrawn(remote, uuid)? && !course.standing.contains_key(uuid);
            if !state.gone && !course.standing.contains_key(uuid) {
                let why = "the event still stands there".to_owned();
                course.problems.push(json!({"event": uuid, "what": "cannot be withdrawn", "why": why}));
                course.standing.insert(uuid.to_owned(), why);
            }
            *known = state;
        }
        Sent::Refused(why) => {
            course.problems.push(json!({"event": uuid, "what": "cannot be withdrawn", "why": why}));
            course.standing.insert(uuid.to_owned(), why);
        }
    }
    Ok(())
}

/// Does the other side have nothing of what the event said?
fn is_withdrawn(remote: &Remote, uuid: &str) -> Result<bool, Failure> {
    let back = remote.event(uuid, Local::Left)?;
    Ok(back.is_none_or(|e| e.get("Event").and_then(|e| e.get("info")).and_then(Value::as_str) == Some(WITHDRAWN)))
}

/// Sends what is said besides: clusters, sightings, proposals, what analysts wrote.
fn beside(remote: &Remote, said: Vec<Said>, problems: &mut Vec<Value>) -> Result<Value, Failure> {
    let mut by_kind: BTreeMap<&'static str, Vec<Said>> = BTreeMap::new();
    for one in said {
        let kind = match one.name.as_str() {
            "Sighting" => "sightings",
            "ShadowAttribute" => "proposals",
            "GalaxyCluster" => "clusters",
            _ => "analyst_data",
        };
        by_kind.entry(kind).or_default().push(one);
    }
    let mut told = serde_json::Map::new();
    for (kind, all) in by_kind {
        let went = match kind {
            "clusters" => remote.send_clusters(&all)?,
            "analyst_data" => remote.send_analyst_data(&all)?,
            _ => {
                let mut went = Beside::default();
                let mut events: BTreeMap<&str, Vec<&Said>> = BTreeMap::new();
                for one in all.iter().filter(|s| !s.event.is_empty()) {
                    events.entry(&one.event).or_default().push(one);
                }
                for (event, ours) in events {
                    if kind == "sightings" {
                        remote.send_sightings(event, &ours, &mut went)?;
                    } else {
                        remote.send_proposals(event, &ours, &mut went)?;
                    }
                }
                went
            }
        };
        told.insert(kind.to_owned(), went.sent.into());
        if let Some(why) = went.refused.first() {
            problems.push(json!({"event": null, "what": format!("{} {kind} refused", went.refused.len()), "why": why}));
        }
    }
    Ok(told.into())
}
