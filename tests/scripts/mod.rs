//! Scripts: what happens to a node, in order, told so that steps can be dropped, added or changed one by one.
//! The rule: a script names rows by the step that brought them, never by number, so the other steps keep their meaning.

mod differ;
mod drive;
mod generate;
mod random;

use serde_json::Value;

use crate::oracle::{self, Audience, DefaultLabel, Directory, Event, Level, Place, Source, SourceKind, What};

pub(crate) use differ::altered;
pub(crate) use drive::{Node, page, policy, principals, read_all, temporary, to_level};
pub(crate) use generate::{IDS, object, script};
pub(crate) use random::Random;

/// The moment at which scripts begin: 2026-01-01T00:00:00Z.
pub(crate) const START_US: i64 = 1_767_225_600_000_000;

/// A row, by the step that brought it and its place there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowRef {
    pub(crate) key: u32,
    pub(crate) nth: usize,
}

/// What is done in a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Do {
    Commit {
        source: usize,
        objects: Vec<Value>,
    },
    Directory(Directory),
    Default {
        source: usize,
        default: Option<DefaultLabel>,
    },
    Pin(Value),
    Overlay {
        source: usize,
        object: String,
        /// None: it stays in the house.
        level: Option<Level>,
    },
    Lift {
        source: usize,
        object: String,
        left: Option<Level>,
    },
    Grant {
        recipient: String,
        row: RowRef,
    },
    Remove(Vec<RowRef>),
    /// The recipient asks for everything; its log is brought up to date.
    Poll(String),
    /// The store is closed and opened again.
    Reopen,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) key: u32,
    pub(crate) at_us: i64,
    pub(crate) what: Do,
}

/// A step with rows by number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plain {
    Event(Event),
    Poll { at_us: i64, recipient: String },
    Reopen { at_us: i64 },
}

/// The sources of every script.
pub(crate) fn sources() -> Vec<Source> {
    let member = |id: &str| SourceKind::Member(id.to_owned());
    let kinds =
        [("own", SourceKind::Own), ("bravo", member("bravo")), ("charlie", member("charlie")), ("feed-1", SourceKind::Feed), ("feed-2", SourceKind::Feed)];
    kinds.map(|(name, kind)| Source { name: name.to_owned(), kind }).to_vec()
}

/// The events of a script; steps about rows that are not there are left out.
pub(crate) fn plain(steps: &[Step]) -> Vec<Plain> {
    let mut out: Vec<Plain> = Vec::new();
    let mut events: Vec<Event> = Vec::new();
    let mut commits: Vec<u32> = Vec::new();
    for step in steps {
        let at_us = step.at_us;
        let what = match &step.what {
            Do::Poll(recipient) => {
                out.push(Plain::Poll { at_us, recipient: recipient.clone() });
                continue;
            }
            Do::Reopen => {
                out.push(Plain::Reopen { at_us });
                continue;
            }
            what => lower(what, &events, &commits),
        };
        if let Some(what) = what {
            if matches!(what, What::Commit { .. }) {
                commits.push(step.key);
            }
            let event = Event { stamp_us: at_us, what };
            events.push(event.clone());
            out.push(Plain::Event(event));
        }
    }
    out
}

/// The events alone, as the oracle takes them.
pub(crate) fn events(steps: &[Step]) -> Vec<Event> {
    let event = |plain| match plain {
        Plain::Event(event) => Some(event),
        Plain::Poll { .. } | Plain::Reopen { .. } => None,
    };
    plain(steps).into_iter().filter_map(event).collect()
}

fn lower(what: &Do, events: &[Event], commits: &[u32]) -> Option<What> {
    let name = |source: usize| sources().get(source).map(|source| source.name.clone());
    // One beyond the sources is every one from elsewhere.
    let tightened = |source: usize| name(source).unwrap_or_else(|| oracle::ELSEWHERE.to_owned());
    Some(match what {
        Do::Commit { source, objects } => What::Commit { source: sources().get(*source)?.clone(), objects: objects.clone() },
        Do::Directory(directory) => What::SetDirectory(directory.clone()),
        Do::Default { source, default } => What::SetDefault { source: name(*source)?, default: default.clone() },
        Do::Pin(definition) => What::Pin(definition.clone()),
        Do::Overlay { source, object, level } => {
            oracle::places(events).iter().find(|place| place.id == *object)?;
            let house = Audience { members: ["alpha".to_owned()].into(), ..Audience::default() };
            What::Overlay { source: tightened(*source), object: object.clone(), level: *level, audience: level.is_none().then_some(house) }
        }
        Do::Lift { source, object, left } => {
            oracle::places(events).iter().find(|place| place.id == *object)?;
            What::Lift { source: tightened(*source), object: object.clone(), left: *left }
        }
        Do::Grant { recipient, row } => {
            let known = |event: &Event| matches!(&event.what, What::SetDirectory(it) if it.recipients.iter().any(|r| r.id == *recipient));
            events.iter().rev().find(|event| known(event))?;
            What::Grant { recipient: recipient.clone(), row: number(row, &oracle::places(events), commits)? }
        }
        Do::Remove(rows) => {
            let places = oracle::places(events);
            let rows: Vec<usize> = rows.iter().filter_map(|row| number(row, &places, commits)).collect();
            if rows.is_empty() {
                return None;
            }
            What::Remove { rows }
        }
        Do::Poll(_) | Do::Reopen => return None,
    })
}

fn number(row: &RowRef, places: &[Place], commits: &[u32]) -> Option<usize> {
    let commit = commits.iter().position(|key| *key == row.key)?;
    places.iter().position(|place| place.live && place.commit == commit && place.nth == row.nth)
}

/// Drops steps one after the other as long as the script still fails; the first step stays.
pub(crate) fn shrink(mut steps: Vec<Step>, fails: &dyn Fn(&[Step]) -> bool) -> Vec<Step> {
    let mut at = steps.len();
    while at > 1 {
        at -= 1;
        let mut fewer = steps.clone();
        fewer.remove(at);
        if fails(&fewer) {
            steps = fewer;
            continue;
        }
        steps = fewer_objects(steps, at, fails);
    }
    steps
}

/// Drops objects of one commit as long as the script still fails.
fn fewer_objects(mut steps: Vec<Step>, at: usize, fails: &dyn Fn(&[Step]) -> bool) -> Vec<Step> {
    let mut nth = match steps.get(at).map(|step| &step.what) {
        Some(Do::Commit { objects, .. }) => objects.len(),
        _ => 0,
    };
    while nth > 0 {
        nth -= 1;
        let mut fewer = steps.clone();
        if let Some(Step { what: Do::Commit { objects, .. }, .. }) = fewer.get_mut(at) {
            objects.remove(nth);
        }
        if fails(&fewer) {
            steps = fewer;
        }
    }
    steps
}
