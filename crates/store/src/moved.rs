//! When a reader's view of an object and its parts last changed, and which id a reader's number stands for.
//!
//! The rule: only the reader's own log is looked at, and nothing of an object leaves; so nothing is entered in the ledger.

use std::collections::{BTreeMap, BTreeSet};

use polder_release::{Held as _, Origin, Realm};
use polder_stix::time::Version;
use polder_stix::{Id, IdRef};

use crate::columns::{AsOf, Columns, Row};
use crate::engine::lock;
use crate::viewlog::ViewLog;
use crate::{Error, Store};

/// Something that a reader was sent and that left its view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What.
    pub id: Id,
    /// Its row, of which the reader has had all that was sent.
    pub row: u32,
    /// What it referred to, as far as the reader knew.
    pub refers_to: Vec<Id>,
    /// A number of a second: it grows whenever it leaves, comes again, or is changed.
    pub at_s: i64,
    /// It is in view again, perhaps in another version or without saying what it refers to.
    pub is_back: bool,
}

/// One reader's log, looked at for one origin.
struct Seen<'a> {
    log: &'a ViewLog,
    columns: &'a Columns,
    origin: &'a Origin,
    skipped: Vec<u16>,
}

impl Seen<'_> {
    fn counts(&self, row: &Row) -> bool {
        let of_origin = self.columns.sources.get(usize::from(row.source)).is_some_and(|s| s.origin == *self.origin);
        of_origin && !self.skipped.contains(&self.columns.object_kind(row.object))
    }

    fn counted(&self, rows: impl Iterator<Item = u32>) -> impl Iterator<Item = (u32, &Row)> {
        rows.filter_map(|number| self.columns.row(number).filter(|r| self.counts(r)).map(|r| (number, r)))
    }

    /// What a reader could have noticed of a row: the acts by which it came and went, oldest first.
    fn noticed(&self, row: u32) -> impl Iterator<Item = Stay> + '_ {
        let gone = self.log.left(row).filter(|(_, gone)| gone.noticed).map(|(position, gone)| (position, Some(gone.act)));
        let stays = gone.chain(self.log.position(row).map(|position| (position, None)));
        stays.map(|(position, left)| Stay { position, came: self.log.act_at(position), left })
    }

    /// From which act to which a reader had an object; what came by an act between could say that it refers to it.
    fn held(&self, object: u32) -> Held {
        let mut all = Vec::new();
        for (row, _) in self.counted(self.columns.rows_of(object)) {
            all.extend(self.log.left(row).map(|(position, gone)| (self.log.act_at(position), gone.act)));
            all.extend(self.log.position(row).map(|position| (self.log.act_at(position), u32::MAX)));
        }
        Held(all)
    }

    /// The number of a second of something with all that the reader knows to refer to it. What came with the first counts with its own version. Each
    /// later act that the reader could notice makes it grow: to the version that something new says of itself if that is later, by one if it is not.
    fn moved_s(&self, object: u32) -> Option<i64> {
        let mut told = Told::default();
        for (number, row) in self.counted(self.columns.rows_of(object)) {
            self.noticed(number).for_each(|stay| told.stay(stay, second(row)));
        }
        told.number_s()?;
        let held = self.held(object);
        for (number, row) in self.counted(self.columns.referrers(object)) {
            self.noticed(number).filter(|stay| held.at(stay.came)).for_each(|stay| told.stay(stay, second(row)));
        }
        told.number_s()
    }

    /// The same of a part by itself. One without versions was last told with a second that had passed when it came.
    fn part_s(&self, object: u32) -> Option<i64> {
        let mut told = Told::default();
        for (number, row) in self.counted(self.columns.rows_of(object)) {
            let came_s = |position: u32| self.log.entries.get(position as usize).map_or(0, |e| e.date_us / 1_000_000 + 1);
            self.noticed(number).for_each(|stay| told.stay(stay, row.version().map_or_else(|| came_s(stay.position), |_| second(row))));
        }
        told.number_s()
    }

    fn is_in_view(&self, object: u32) -> bool {
        self.counted(self.columns.rows_of(object)).any(|(n, _)| self.log.position(n).is_some())
    }

    /// A row that was sent and left, if the reader knew then that it refers to an object, where one is named.
    fn has_left(&self, number: u32, of: Option<&Held>) -> Option<Left> {
        let row = self.columns.row(number).filter(|r| self.counts(r))?;
        let knew = |stay: &Stay| stay.left.is_some() && self.log.sent.get(stay.position) && of.is_none_or(|of| of.at(stay.came));
        let came = self.noticed(number).filter(knew).map(|stay| stay.came).last()?;
        let all = AsOf::now(self.columns);
        let known = all.references(number).iter().map(|(object, _)| *object).filter(|object| self.held(*object).at(came));
        let refers_to = known.map(|object| self.columns.id(object)).collect();
        Some(Left { id: self.columns.id(row.object), row: number, refers_to, at_s: self.part_s(row.object)?, is_back: self.is_in_view(row.object) })
    }
}

/// When a reader had an object: by which acts it came and went.
struct Held(Vec<(u32, u32)>);

impl Held {
    fn at(&self, act: u32) -> bool {
        self.0.iter().any(|(came, left)| (*came..*left).contains(&act))
    }
}

/// A row in the view, from one act to another.
#[derive(Clone, Copy)]
struct Stay {
    position: u32,
    came: u32,
    left: Option<u32>,
}

/// Seconds by the acts that told of them.
#[derive(Default)]
struct Told(BTreeMap<u32, i64>);

impl Told {
    fn stay(&mut self, stay: Stay, version_s: i64) {
        let known_s = self.0.entry(stay.came).or_default();
        *known_s = version_s.max(*known_s);
        if let Some(left) = stay.left {
            self.0.entry(left).or_default();
        }
    }

    fn number_s(&self) -> Option<i64> {
        let mut seconds = self.0.values();
        let first_s = *seconds.next()?;
        Some(seconds.fold(first_s, |at_s, least_s| at_s.saturating_add(1).max(*least_s)))
    }
}

fn second(row: &Row) -> i64 {
    row.version().map_or(0, |v: Version| v.ns() / 1_000_000_000)
}

/// Of each id the latest alone, in order.
fn latest(all: &mut Vec<Left>) {
    all.sort_by(|a, b| (&a.id, b.at_s).cmp(&(&b.id, a.at_s)));
    all.dedup_by(|a, b| a.id == b.id);
}

impl<R: Realm> Store<R> {
    fn seen<T>(&self, recipient: &str, origin: &Origin, others: &[&str], look: impl FnOnce(&Seen<'_>) -> T) -> Result<T, Error> {
        let now_us = self.now_us();
        let engine = self.engine();
        let unknown = || Error::Unknown { kind: "recipient", name: recipient.to_owned() };
        let number = engine.recipient(recipient).ok_or_else(unknown)?;
        let mut log = lock(engine.logs.get(number as usize).ok_or_else(unknown)?);
        log.extend(&engine.ground(), number, now_us);
        let skipped = others.iter().filter_map(|kind| engine.columns.kind_known(kind)).collect();
        Ok(look(&Seen { log: &log, columns: &engine.columns, origin, skipped }))
    }

    /// The second in which a reader's view of an object, or of what refers to it, last changed; none if the object never was in view.
    ///
    /// Counted are rows of that origin whose type is not among `others`. What came into view with the object counts with its own version; each later
    /// commit that changes, adds or takes out something makes the number grow, also within one second.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn changed_s(&self, recipient: &str, id: &Id, origin: &Origin, others: &[&str]) -> Result<Option<i64>, Error> {
        self.seen(recipient, origin, others, |seen| seen.columns.find_object(id.as_ref()).and_then(|object| seen.moved_s(object)))
    }

    /// What was sent to a reader of the rows that refer to an object, and left its view. Ids and times of what it has had alone.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn left_of(&self, recipient: &str, id: &Id, origin: &Origin, others: &[&str]) -> Result<Vec<Left>, Error> {
        self.seen(recipient, origin, others, |seen| {
            let Some(object) = seen.columns.find_object(id.as_ref()) else { return Vec::new() };
            let held = seen.held(object);
            let mut all: Vec<Left> = seen.columns.referrers(object).filter_map(|n| seen.has_left(n, Some(&held))).collect();
            latest(&mut all);
            all
        })
    }

    /// Objects of a type that were sent to a reader and are no longer in its view, if they have a namesake of another type; with where each came from.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn left_all(&self, recipient: &str, kind: &str, namesake: &str) -> Result<Vec<(Left, Origin)>, Error> {
        let origins: BTreeSet<Origin> = self.engine().columns.sources.iter().map(|s| s.origin.clone()).collect();
        let mut all = Vec::new();
        for origin in origins {
            let mut left = self.seen(recipient, &origin, &[], |seen| {
                let Some(kind) = seen.columns.kind_known(kind) else { return Vec::new() };
                let of_kind = |number: &u32| seen.columns.row(*number).is_some_and(|r| seen.columns.object_kind(r.object) == kind);
                let mut here: Vec<Left> = seen.log.all_left().filter(of_kind).filter_map(|n| seen.has_left(n, None)).filter(|l| !l.is_back).collect();
                here.retain(|left| seen.columns.find_object(IdRef { kind: namesake, uuid: left.id.uuid }).is_some());
                here
            })?;
            latest(&mut left);
            all.extend(left.into_iter().map(|l| (l, origin.clone())));
        }
        Ok(all)
    }

    /// The first id in a reader's view that the question says yes to, of one of the types if any are named.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn find_in_view(&self, recipient: &str, types: &[&str], asked: &mut dyn FnMut(&Id) -> bool) -> Result<Option<Id>, Error> {
        let now_us = self.now_us();
        let engine = self.engine();
        let unknown = || Error::Unknown { kind: "recipient", name: recipient.to_owned() };
        let number = engine.recipient(recipient).ok_or_else(unknown)?;
        let mut log = lock(engine.logs.get(number as usize).ok_or_else(unknown)?);
        log.extend(&engine.ground(), number, now_us);
        let kinds: Vec<u16> = types.iter().filter_map(|kind| engine.columns.kind_known(kind)).collect();
        let wanted = |row: &&Row| types.is_empty() || kinds.contains(&engine.columns.object_kind(row.object));
        let rows = log.entries.iter().filter(|e| !e.gone).filter_map(|e| engine.columns.row(e.row)).filter(wanted);
        Ok(rows.map(|row| engine.columns.id(row.object)).find(|id| asked(id)))
    }
}
