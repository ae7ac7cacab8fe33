//! The naive oracle of the release decision: who may hold which row, and when it came into view.
//! Written from docs/decision.md alone; it recomputes everything from plain values and shares no line with the product.

pub(crate) mod alliance;
pub(crate) mod first;
mod granular;
mod judge;
mod label;
mod marking;
mod references;
mod removal;
mod rules;
mod sanity;
mod view;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(crate) use marking::{Meaning, meaning};
pub(crate) use view::{Entry, history};

/// A TLP level, or a PAP level (which has no `AmberStrict`), weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Clear,
    Green,
    Amber,
    AmberStrict,
    Red,
}

/// Who is named: all lists empty is nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Audience {
    pub(crate) members: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) persons: BTreeSet<String>,
    pub(crate) nodes: BTreeSet<String>,
}

/// A member of the alliance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) client_of: Vec<String>,
}

/// A named set of members and persons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) members: Vec<String>,
    pub(crate) persons: Vec<String>,
}

/// The kind of a recipient; the least of them is the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    Organisation,
    Node,
    Person,
    PartnerSystem,
    #[default]
    Public,
}

/// One that may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recipient {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) organisation: Option<String>,
    pub(crate) person: Option<String>,
    pub(crate) active: bool,
}

/// A standing release of own rows. No types is every type; no levels is no level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) levels: Vec<Level>,
    pub(crate) types: Vec<String>,
    pub(crate) members: Vec<String>,
    pub(crate) recipients: Vec<String>,
}

/// Everyone this node knows of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) holder: String,
    pub(crate) holder_identity: String,
    pub(crate) members: Vec<Member>,
    /// Organisations that are no members, each with whose client it is.
    pub(crate) other_clients: Vec<(String, Vec<String>)>,
    pub(crate) groups: Vec<Group>,
    pub(crate) recipients: Vec<Recipient>,
    pub(crate) standing: Vec<Standing>,
}

/// How a source came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Own,
    Member(String),
    Feed,
}

/// Names every source but the holder's own, in a tightening.
pub(crate) const ELSEWHERE: &str = "*";

/// Where a copy came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) kind: SourceKind,
}

/// What stands in for the marking of unmarked rows of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DefaultLabel {
    pub(crate) level: Option<Level>,
    pub(crate) audience: Option<Audience>,
}

/// A thing that happened, and when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) stamp_us: i64,
    pub(crate) what: What,
}

/// A commit or an act.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Commit { source: Source, objects: Vec<Value> },
    SetDirectory(Directory),
    SetDefault { source: String, default: Option<DefaultLabel> },
    Pin(Value),
    Overlay { source: String, object: String, level: Option<Level>, audience: Option<Audience> },
    Lift { source: String, object: String, left: Option<Level> },
    Grant { recipient: String, row: usize },
    Remove { rows: Vec<usize> },
}

/// The answer for one row and one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Release,
    Redact,
    Withhold,
    Hold,
}

/// A row, live or not, as the tests name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which commit brought it, counted from 0, and as which of its objects.
    pub(crate) commit: usize,
    pub(crate) nth: usize,
    pub(crate) id: String,
    pub(crate) live: bool,
}

/// All rows after all events, by number.
pub(crate) fn places(events: &[Event]) -> Vec<Place> {
    let mut world = world::World::default();
    events.iter().for_each(|event| world.apply(event));
    let place = |row: &world::Row| Place { commit: row.commit, nth: row.nth, id: row.id().to_owned(), live: row.live };
    world.rows.iter().map(place).collect()
}

/// The verdicts on all live rows after all events up to `now_us`.
pub(crate) fn verdicts(events: &[Event], recipient: &str, now_us: i64) -> BTreeMap<usize, Verdict> {
    let mut world = world::World::default();
    for event in events.iter().filter(|event| event.stamp_us <= now_us) {
        world.apply(event);
    }
    let all = judge::all(&world, recipient, now_us);
    all.into_iter().map(|(row, (verdict, _))| (row, verdict)).collect()
}

/// A label put together by hand, on a row without content.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) directory: Directory,
    pub(crate) source: Source,
    pub(crate) object_type: &'static str,
    pub(crate) level: Option<Level>,
    pub(crate) reach: Option<Level>,
    pub(crate) audiences: Vec<Audience>,
    pub(crate) opaque: BTreeSet<String>,
    pub(crate) granted: Vec<BTreeSet<String>>,
    pub(crate) not_before_us: Option<i64>,
    pub(crate) not_after_us: Option<i64>,
    pub(crate) now_us: i64,
}

/// What tests 1 to 7 say of the case.
pub(crate) fn of_label(case: &Case, recipient: &str) -> Verdict {
    judge::of_label(case, recipient)
}

/// The verdict on a row after all events up to `now_us`, and what is served. A row that is not live is withheld.
pub(crate) fn verdict(events: &[Event], recipient: &str, row: usize, now_us: i64) -> (Verdict, Option<Value>) {
    let mut world = world::World::default();
    for event in events.iter().filter(|event| event.stamp_us <= now_us) {
        world.apply(event);
    }
    judge::all(&world, recipient, now_us).remove(&row).unwrap_or((Verdict::Withhold, None))
}
