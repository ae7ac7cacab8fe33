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
    /// What it referred to.
    pub refers_to: Vec<Id>,
    /// A number of a second: it grows whenever it leaves, comes again, or is changed.
    pub at_s: i64,
    /// It is in view again, perhaps in another version.
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

    /// The acts by which a row came, oldest first.
    fn came(&self, row: u32) -> impl Iterator<Item = u32> + '_ {
        let positions = self.log.left(row).map(|(position, _)| position).chain(self.log.position(row));
        positions.map(|p| self.log.act_at(p))
    }

    /// The number of a second of something with all that refers to it, or of a part by itself. What came with the first counts with its own version.
    /// Each later act that a reader could notice makes it grow: to the version that something new says of itself if that is later, by one if it is not.
    fn number_s(&self, object: u32, with_referrers: bool) -> Option<i64> {
        let first = self.counted(self.columns.rows_of(object)).flat_map(|(n, _)| self.came(n)).min()?;
        let mut at_s = 0;
        let mut later: BTreeMap<u32, i64> = BTreeMap::new();
        let mut change = |act: u32, least_s: i64| {
            if act > first {
                let known = later.entry(act).or_default();
                *known = least_s.max(*known);
            } else {
                at_s = at_s.max(least_s);
            }
        };
        let referrers = with_referrers.then(|| self.columns.referrers(object));
        for (number, row) in self.counted(self.columns.rows_of(object).chain(referrers.into_iter().flatten())) {
            self.came(number).for_each(|act| change(act, second(row)));
            self.log.left(number).for_each(|(_, act)| change(act, 0));
        }
        Some(later.into_values().fold(at_s, |at_s, least_s| at_s.saturating_add(1).max(least_s)))
    }

    fn is_in_view(&self, object: u32) -> bool {
        self.columns.rows_of(object).any(|n| self.log.position(n).is_some())
    }

    fn has_left(&self, number: u32) -> Option<Left> {
        self.log.left(number).find(|(position, _)| self.log.sent.get(*position))?;
        let row = self.columns.row(number).filter(|r| self.counts(r))?;
        let held = AsOf { columns: self.columns, horizon: self.columns.len() };
        let refers_to = held.references(number).iter().map(|(object, _)| self.columns.id(*object)).collect();
        Some(Left { id: self.columns.id(row.object), refers_to, at_s: self.number_s(row.object, false)?, is_back: self.is_in_view(row.object) })
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
        self.seen(recipient, origin, others, |seen| seen.columns.find_object(id.as_ref()).and_then(|object| seen.number_s(object, true)))
    }

    /// What was sent to a reader of the rows that refer to an object, and left its view. Ids and times of what it has had alone.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn left_of(&self, recipient: &str, id: &Id, origin: &Origin, others: &[&str]) -> Result<Vec<Left>, Error> {
        self.seen(recipient, origin, others, |seen| {
            let Some(object) = seen.columns.find_object(id.as_ref()) else { return Vec::new() };
            let mut all: Vec<Left> = seen.columns.referrers(object).filter_map(|n| seen.has_left(n)).collect();
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
                let mut here: Vec<Left> = seen.log.all_left().filter(of_kind).filter_map(|n| seen.has_left(n)).filter(|l| !l.is_back).collect();
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
