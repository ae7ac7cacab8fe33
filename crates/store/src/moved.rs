//! When a reader's view of an object and its parts last changed, and which id a reader's number stands for.
//!
//! The rule: only the reader's own log is looked at, and nothing of an object leaves; so nothing is entered in the ledger.

use polder_release::{Origin, Realm};
use polder_stix::Id;
use polder_stix::time::Version;

use crate::columns::Row;
use crate::engine::lock;
use crate::{Error, Store};

impl<R: Realm> Store<R> {
    /// The second in which a reader's view of an object, or of what refers to it, last changed; none if the object is not in view.
    ///
    /// Counted are rows of that origin whose type is not among `others`. What came into view with the object counts with its own version,
    /// what came later with the time it came, so that the number grows whenever there is something new to read.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn changed_s(&self, recipient: &str, id: &Id, origin: &Origin, others: &[&str]) -> Result<Option<i64>, Error> {
        let now_us = self.now_us();
        let engine = self.engine();
        let unknown = || Error::Unknown { kind: "recipient", name: recipient.to_owned() };
        let number = engine.recipient(recipient).ok_or_else(unknown)?;
        let mut log = lock(engine.logs.get(number as usize).ok_or_else(unknown)?);
        log.extend(&engine.ground(), number, now_us);
        let columns = &engine.columns;
        let Some(object) = columns.find_object(id.as_ref()) else { return Ok(None) };
        let skipped: Vec<u16> = others.iter().filter_map(|kind| columns.kind_known(kind)).collect();
        let seen = |number: u32| {
            let entry = log.entries.get(log.position(number)? as usize).filter(|e| !e.gone)?;
            let row = columns.row(number)?;
            let of_origin = columns.sources.get(usize::from(row.source)).is_some_and(|s| s.origin == *origin);
            let counts = of_origin && !skipped.contains(&columns.object_kind(row.object));
            counts.then(|| (row.version().map_or(0, |v: Version| v.ns() / 1_000_000_000), entry.date_us / 1_000_000))
        };
        let own: Vec<(i64, i64)> = columns.rows_of(object).filter_map(seen).collect();
        let Some(first_s) = own.iter().map(|(_, date_s)| *date_s).min() else { return Ok(None) };
        let at = |(version_s, date_s): (i64, i64)| if date_s > first_s { version_s.max(date_s) } else { version_s };
        Ok(own.into_iter().chain(columns.referrers(object).filter_map(seen)).map(at).max())
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
