//! What a recipient asks for, answered from its view log through the one door.
//!
//! The rule: everything here is counted, ordered and dated over the recipient's own log; nothing else is looked at.

use std::sync::Arc;

use polder_release::{Decided, Entry, Form, Gate, Item, Judge, Ledger, Level, Mark, Origin, Page, Realm, Released, commit, decide};
use polder_stix::Id;
use polder_stix::time::Version;

use crate::backend::LedgerRecord;
use crate::columns::{AsOf, Columns, Row, Source};
use crate::engine::{Engine, lock};
use crate::search::Find;
use crate::viewlog::ViewLog;
use crate::{Error, Store, limits, logs};

/// Which versions of an object are meant (TAXII 2.1 section 3.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    /// Every one.
    pub all: bool,
    /// The earliest in view.
    pub first: bool,
    /// The latest in view.
    pub last: bool,
    /// These.
    pub at: Vec<Version>,
}

impl Versions {
    /// Only the latest: what is meant when nothing is said.
    #[must_use]
    pub fn last() -> Self {
        Self { last: true, ..Self::default() }
    }
}

/// A question.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of what was posted to this collection, and what its stored query takes in.
    pub collection: Option<Box<str>>,
    /// Sources the collection's stored query takes in; none means all.
    pub sources: Option<Vec<Box<str>>>,
    /// Types the collection's stored query takes in; none means all.
    pub collection_types: Option<Vec<Box<str>>>,
    /// Later than this, microseconds since 1970.
    pub added_after_us: Option<i64>,
    /// Earlier than this, microseconds since 1970.
    pub added_before_us: Option<i64>,
    /// The newest entry first; then `after` means before.
    pub newest_first: bool,
    /// After this position of the log.
    pub after: Option<u32>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only these objects.
    pub ids: Option<Vec<Id>>,
    /// Only these rows, where all versions are meant.
    pub rows: Option<Vec<u32>>,
    /// Only objects that refer to this one, as they were received.
    pub refers_to: Option<Id>,
    /// Only what this origin introduced.
    pub origin: Option<Origin>,
    /// Only these types.
    pub types: Option<Vec<Box<str>>>,
    /// Only rows whose label in force has one of these TLP levels as its strictest; none among them means without a level. For the holder's people alone:
    /// a level that was raised by what a reader may not hold would tell of it.
    pub levels: Option<Vec<Option<Level>>>,
    /// Which versions.
    pub versions: Versions,
    /// Where one page holds all: in the order in which the reader first saw each, also under another of these types with the same UUID.
    pub in_order_of_first: Option<Vec<Box<str>>>,
    /// Oldest version last, as the versions resource wants it.
    pub newest_version_first: bool,
    /// Only what is found in the copy that is served.
    pub find: Option<Arc<Find>>,
}

struct OnDisk<'s, R: Realm> {
    store: &'s Store<R>,
    recipient: Box<str>,
}

impl<R: Realm> Ledger for OnDisk<'_, R> {
    type Realm = R;
    type Error = Error;

    fn record(&mut self, recipient: u32, epoch: u64, page: &Page) -> Result<(), Error> {
        let mut entry = LedgerRecord {
            recipient: self.recipient.clone(),
            epoch,
            stamp_us: self.store.now_us(),
            listed: Vec::new(),
            full: Vec::new(),
            redacted: Vec::new(),
        };
        {
            let engine = self.store.engine();
            let Some(log) = engine.logs.get(recipient as usize) else { return Ok(()) };
            let log = lock(log);
            for Item { entry: at, mark, .. } in &page.items {
                match mark {
                    Mark::Listed if !log.listed.get(at.position) && !log.sent.get(at.position) => entry.listed.push(at.position),
                    Mark::Full if !log.sent.get(at.position) => entry.full.push(at.position),
                    Mark::Redacted(digest) if log.redacted.get(&at.position) != Some(digest) => entry.redacted.push((at.position, *digest)),
                    _ => {}
                }
            }
        }
        if entry.listed.is_empty() && entry.full.is_empty() && entry.redacted.is_empty() {
            return Ok(());
        }
        self.store.writer.ledger(recipient, entry.clone())?;
        if let Some(log) = self.store.engine().logs.get(recipient as usize) {
            logs::mark(&mut lock(log), &entry);
        }
        Ok(())
    }
}

impl<R: Realm> Gate for Store<R> {
    type Realm = R;

    fn epoch(&self) -> u64 {
        self.engine().epoch
    }

    fn may_receive(&self, recipient: u32) -> bool {
        self.engine().policy.recipients.get(recipient as usize).is_some_and(|r| r.active)
    }
}

impl<R: Realm> Store<R> {
    /// A page for a recipient: decided, entered in the ledger, released.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient, [`Error::ClockBehind`], or the disk's; nothing leaves then.
    pub fn page(&self, recipient: &str, query: &Query, form: Form) -> Result<Released<Page, R>, Error> {
        loop {
            let decided = self.decided(recipient, query, form)?;
            match commit(decided, &mut OnDisk { store: self, recipient: recipient.into() }) {
                // Somebody acted meanwhile: what was decided before is neither sent nor entered as sent.
                Err(Error::Stale) => {}
                result => return result,
            }
        }
    }

    /// Does a recipient's view hold anything of what is asked for? This sends nothing, so nothing is entered in the ledger.
    ///
    /// # Errors
    /// As [`Store::page`].
    pub fn shows(&self, recipient: &str, query: &Query) -> Result<bool, Error> {
        self.clock_is_right()?;
        Ok(!self.select(recipient, &Query { limit: Some(1), ..query.clone() })?.is_empty())
    }

    fn clock_is_right(&self) -> Result<(), Error> {
        let behind = self.clock_behind_us();
        if behind > limits::CLOCK_BEHIND_US_MAX { Err(Error::ClockBehind { behind_s: behind / 1_000_000 }) } else { Ok(()) }
    }

    /// Numbers of the rows a question means. They stay inside.
    pub(crate) fn select(&self, recipient: &str, query: &Query) -> Result<Vec<u32>, Error> {
        let now_us = self.now_us();
        let engine = self.engine();
        let unknown = || Error::Unknown { kind: "recipient", name: recipient.to_owned() };
        let number = engine.recipient(recipient).ok_or_else(unknown)?;
        let mut log = lock(engine.logs.get(number as usize).ok_or_else(unknown)?);
        log.extend(&engine.ground(), number, now_us);
        let (entries, _) = Selection { engine: &engine, log: &log, query }.entries();
        Ok(entries.into_iter().map(|e| e.row).collect())
    }

    fn decided(&self, recipient: &str, query: &Query, form: Form) -> Result<Decided<Page, R>, Error> {
        self.clock_is_right()?;
        let now_us = self.now_us();
        // The reader first: with none left the writing thread makes one, and that thread may be waiting for readers of the state to finish.
        self.with_reader(|reader| {
            let engine = self.engine();
            let unknown = || Error::Unknown { kind: "recipient", name: recipient.to_owned() };
            let number = engine.recipient(recipient).ok_or_else(unknown)?;
            let mut log = lock(engine.logs.get(number as usize).ok_or_else(unknown)?);
            let ground = engine.ground();
            if !log.is_current(&ground, now_us) {
                log.extend(&ground, number, now_us);
            }
            let (entries, next) = Selection { engine: &engine, log: &log, query }.entries();
            let held = AsOf::now(&engine.columns);
            let judge = Judge::new(&held, &engine.policy, number, now_us, engine.epoch, &log.cache).ok_or_else(unknown)?;
            reader.begin_page()?;
            let mut body_of = |row: u32| match reader.body(engine.columns.row(row).map_or(u32::MAX, |r| r.body)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(Error::Damaged(what)) => {
                    tracing::error!(damaged = what, "not served; restore the store from a backup");
                    Ok(None)
                }
                Err(e) => Err(e),
            };
            let decided = decide(&judge, entries, next, form, &|object| engine.columns.id(object), &mut body_of);
            reader.end_page();
            let mut decided = decided?;
            if let Some(find) = &query.find {
                decided.retain(|item| find.is_timely(item.entry.date_us) && find.is_in(&item.bytes));
            }
            Ok(decided)
        })
    }

    /// The number a recipient has in `Outbound`.
    #[must_use]
    pub fn recipient_number(&self, recipient: &str) -> Option<u32> {
        self.engine().recipient(recipient)
    }
}

struct Selection<'a> {
    engine: &'a Engine,
    log: &'a ViewLog,
    query: &'a Query,
}

impl Selection<'_> {
    fn entries(&self) -> (Vec<Entry>, Option<u32>) {
        let limit = self.query.limit.unwrap_or(limits::PAGE_OBJECTS_MAX).min(limits::PAGE_OBJECTS_MAX);
        let mut found: Vec<Entry> = Vec::new();
        let mut bytes = 0usize;
        let filter = self.filter();
        for position in self.candidates() {
            let Some(row) = self.matching(position, &filter) else { continue };
            if found.len() >= limit || (bytes > limits::PAGE_BYTES_MAX && !found.is_empty()) {
                let last = found.last().map(|e| e.position);
                return (found, last);
            }
            bytes = bytes.saturating_add(row.body_bytes as usize);
            let date_us = self.log.entries.get(position as usize).map_or(0, |e| e.date_us);
            let number = self.log.entries.get(position as usize).map_or(u32::MAX, |e| e.row);
            found.push(Entry {
                position,
                row: number,
                id: self.engine.columns.id(row.object),
                version: row.version(),
                date_us,
                fingerprint: self.log.fingerprint(position),
            });
        }
        if self.query.after.is_none() {
            self.in_order_of_first(&mut found);
        }
        (found, None)
    }

    /// What is found at once stands in the order in which this reader first saw it, in whichever version, under any of the types that one thing
    /// may have had.
    fn in_order_of_first(&self, found: &mut [Entry]) {
        let Some(types) = &self.query.in_order_of_first else { return };
        let columns = &self.engine.columns;
        let first = |e: &Entry| {
            let others = types.iter().filter_map(|kind| columns.find_object(Id { kind: kind.clone(), uuid: e.id.uuid }.as_ref()));
            let all = columns.row(e.row).map(|row| row.object).into_iter().chain(others);
            all.flat_map(|object| columns.rows_of(object)).filter_map(|n| self.log.position(n)).min()
        };
        found.sort_by_cached_key(|e| (first(e), e.position));
    }

    fn candidates(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        let by_date = self.query.added_after_us.map_or(0, |after| self.log.entries.partition_point(|e| e.date_us <= after));
        // Pages in order of version are cut by version, below.
        let forward = self.query.after.filter(|_| !self.query.newest_version_first && !self.query.newest_first);
        let start = by_date.max(forward.map_or(0, |p| (p as usize).saturating_add(1)));
        let end = self.query.added_before_us.map_or(self.log.entries.len(), |before| self.log.entries.partition_point(|e| e.date_us < before));
        let end = self.query.after.filter(|_| self.query.newest_first).map_or(end, |p| end.min(p as usize));
        let columns = &self.engine.columns;
        let rows: Box<dyn Iterator<Item = u32>> = match (&self.query.refers_to, &self.query.ids) {
            _ if self.query.rows.is_some() => Box::new(self.query.rows.iter().flatten().copied()),
            (None, None) => {
                let all = u32::try_from(start).unwrap_or(u32::MAX)..u32::try_from(end).unwrap_or(u32::MAX);
                return if self.query.newest_first { Box::new(all.rev()) } else { Box::new(all) };
            }
            (Some(target), ids) => {
                let referrers = columns.find_object(target.as_ref()).into_iter().flat_map(|o| columns.referrers(o));
                let wanted = |row: &u32| ids.as_ref().is_none_or(|ids| columns.row(*row).is_some_and(|r| ids.contains(&columns.id(r.object))));
                Box::new(referrers.filter(wanted))
            }
            (None, Some(ids)) => Box::new(ids.iter().filter_map(|id| columns.find_object(id.as_ref())).flat_map(|o| columns.rows_of(o))),
        };
        let mut positions: Vec<u32> = rows.filter_map(|r| self.log.position(r)).filter(|p| (start..end).contains(&(*p as usize))).collect();
        positions.sort_unstable();
        positions.dedup();
        if self.query.newest_first {
            positions.reverse();
        }
        if self.query.newest_version_first {
            let key = |p: &u32| self.log.entries.get(*p as usize).map(|e| (self.engine.columns.row(e.row).and_then(Row::version).map(Version::ns), e.date_us));
            positions.retain(|p| self.query.after.is_none_or(|last| key(p) < key(&last)));
            positions.sort_by_key(|p| std::cmp::Reverse(key(p)));
        }
        Box::new(positions.into_iter())
    }

    fn filter(&self) -> Filter<'_> {
        let kinds = |names: &Option<Vec<Box<str>>>| names.as_ref().map(|n| n.iter().filter_map(|k| self.engine.columns.kind_known(k)).collect());
        let sources = self.query.sources.as_ref().map(|n| n.iter().filter_map(|s| self.engine.source(s)).collect());
        let number = |(n, _): (usize, &Source)| u16::try_from(n).ok();
        let of = |origin: &Origin| self.engine.columns.sources.iter().enumerate().filter(|(_, s)| s.origin == *origin).filter_map(number).collect();
        let origin = self.query.origin.as_ref().map(of);
        let posted = self.query.collection.as_ref().and_then(|c| self.engine.posted.get(c));
        Filter {
            columns: &self.engine.columns,
            types: kinds(&self.query.types),
            collection_types: kinds(&self.query.collection_types),
            sources,
            origin,
            posted,
            levels: self.query.levels.as_ref().map(|levels| self.engine.columns.labels_with(levels)),
        }
    }

    /// The row at a position, if the question means it.
    fn matching(&self, position: u32, filter: &Filter<'_>) -> Option<&Row> {
        let entry = self.log.entries.get(position as usize).filter(|e| !e.gone)?;
        let row = self.engine.columns.row(entry.row)?;
        let kind = self.engine.columns.object_kind(row.object);
        let levelled = filter.levels.as_ref().is_none_or(|known| known.get(self.engine.columns.label_number(entry.row) as usize).copied().unwrap_or(false));
        (levelled && filter.takes(entry.row, row, kind) && self.version_meant(position, entry.row, row, filter)).then_some(row)
    }

    fn version_meant(&self, position: u32, number: u32, row: &Row, filter: &Filter<'_>) -> bool {
        let wanted = &self.query.versions;
        let date = || self.log.entries.get(position as usize).map_or(0, |e| e.date_us);
        let exact = |v: &Version| match row.version() {
            Some(version) => version == *v,
            None => v.ns() == date().saturating_mul(1000),
        };
        wanted.all
            || wanted.at.iter().any(exact)
            || (wanted.first && self.is_extreme(number, row, filter, false))
            || (wanted.last && self.is_extreme(number, row, filter, true))
    }

    /// Is the row the latest (or earliest) version of its object in this view and collection?
    fn is_extreme(&self, number: u32, row: &Row, filter: &Filter<'_>, latest: bool) -> bool {
        let key = |n: u32, r: &Row| (r.version().map(Version::ns), self.log.position(n));
        let mine = key(number, row);
        let kind = self.engine.columns.object_kind(row.object);
        self.engine.columns.rows_of(row.object).filter(|n| *n != number && self.log.position(*n).is_some()).all(|n| {
            let Some(other) = self.engine.columns.row(n).filter(|r| filter.takes(n, r, kind)) else { return true };
            if latest { key(n, other) < mine } else { key(n, other) > mine }
        })
    }
}

struct Filter<'a> {
    columns: &'a Columns,
    types: Option<Vec<u16>>,
    collection_types: Option<Vec<u16>>,
    sources: Option<Vec<u16>>,
    origin: Option<Vec<u16>>,
    posted: Option<&'a std::collections::HashSet<u32>>,
    /// By number of a label, whether it has a level that is meant.
    levels: Option<Vec<bool>>,
}

impl Filter<'_> {
    /// Of rows that are the same to the byte one is shown, and it stands for the others.
    fn is_also_from(&self, row: &Row, sources: &[u16]) -> bool {
        let same = |other: &Row| {
            other.is_live() && sources.contains(&other.source) && (other.sha32, other.body_bytes, other.version()) == (row.sha32, row.body_bytes, row.version())
        };
        self.columns.rows_of(row.object).filter_map(|n| self.columns.row(n)).any(same)
    }

    fn takes(&self, number: u32, row: &Row, kind: u16) -> bool {
        let stored = self.sources.as_ref().is_none_or(|s| s.contains(&row.source)) && self.collection_types.as_ref().is_none_or(|t| t.contains(&kind));
        let introduced = self.origin.as_ref().is_none_or(|s| s.contains(&row.source) || self.is_also_from(row, s));
        introduced && (stored || self.posted.is_some_and(|p| p.contains(&number))) && self.types.as_ref().is_none_or(|t| t.contains(&kind))
    }
}
