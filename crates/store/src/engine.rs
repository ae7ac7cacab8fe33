//! The state of a node and how requests change it: first in memory, then in one durable transaction, under one lock.
//!
//! The rule: what a request changes is recorded by the same code that changes it, so that a reload gives the same state.

mod restore;
mod tightening;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

use polder_release::{Alliance, Level, Origin, Policy, Reader as Relation, Readers, meaning_of_content};
use polder_stix::time::Version;
use polder_stix::{Id, canonical};
use serde_json::Value;

use crate::Error;
use crate::backend::{Reader, Record, RowRecord};
use crate::columns::{Columns, Commit, ELSEWHERE, NewRow, Source};
use crate::ingest::{Outcome, Prepared, Refusal, sorted};
use crate::limits;
use crate::logs;
use crate::viewlog::{Ground, ViewLog};

pub use tightening::Tightening;
use tightening::lift_record;

/// What one person or program does to the node besides bringing objects in.
#[derive(Debug, Clone)]
pub enum Act {
    /// Members, recipients, standing releases, sources: a new policy epoch.
    Policy(Policy, Vec<Source>),
    /// A definition for every source.
    Pin(Vec<u8>),
    /// One object of one source is tightened, or of [`Act::ELSEWHERE`].
    Overlay(Id, Box<str>, Tightening),
    /// What people tightened one object of one source to counts no more, besides a level if one is named.
    Lift(Id, Box<str>, Option<Level>),
    /// A yes to a held row.
    Grant(u32, Box<str>),
    /// One of several yeses that a held row takes; the last of them is the grant.
    Approve(u32, Box<str>),
    /// A no to a held row: it leaves the queue and stays withheld.
    Refuse(u32, Box<str>),
    /// Nothing but that somebody did something, in words, for the log of acts.
    Note(String),
    /// Rows leave.
    Remove(Vec<u32>),
}

impl Act {
    /// Stands for every source but the holder's own, those that come later too. No source is called so.
    pub const ELSEWHERE: &str = "*";
}

/// The state.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) columns: Columns,
    pub(crate) policy: Policy,
    pub(crate) epoch: u64,
    pub(crate) logs: Vec<Mutex<ViewLog>>,
    pub(crate) posted: HashMap<Box<str>, HashSet<u32>>,
    pub(crate) bodies: u32,
    pub(crate) journal: u32,
    pub(crate) last_stamp_us: i64,
    pub(crate) damaged: Vec<String>,
    pub(crate) meta: HashMap<Box<str>, Vec<u8>>,
    /// The configuration changed while the node was stopped, so nothing decided before still counts.
    pub(crate) unsettled: bool,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A thread that died holding a log left it unfinished at worst; the next extension finishes it.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Engine {
    pub(crate) fn empty(policy: Policy) -> Self {
        let alliance: Alliance = policy.alliance.clone();
        let logs = policy.recipients.iter().map(|_| Mutex::new(ViewLog::default())).collect();
        Self {
            columns: Columns::new(alliance),
            policy,
            epoch: 1,
            logs,
            posted: HashMap::new(),
            bodies: 0,
            journal: 0,
            last_stamp_us: 0,
            damaged: Vec::new(),
            meta: HashMap::new(),
            unsettled: false,
        }
    }

    /// A copy to try something on: no logs, nothing that is written.
    pub(crate) fn trial(&self) -> Self {
        Self {
            columns: self.columns.clone(),
            policy: self.policy.clone(),
            logs: Vec::new(),
            posted: HashMap::new(),
            damaged: Vec::new(),
            meta: HashMap::new(),
            ..*self
        }
    }

    pub(crate) fn ground(&self) -> Ground<'_> {
        Ground { columns: &self.columns, policy: &self.policy, epoch: self.epoch }
    }

    pub(crate) fn recipient(&self, id: &str) -> Option<u32> {
        self.policy.recipients.iter().position(|r| *r.id == *id).and_then(|n| u32::try_from(n).ok())
    }

    /// Sources that the recipient's organisation is the originator of.
    pub(crate) fn own_sources(&self, recipient: &str) -> Vec<u16> {
        let organisation = self.policy.recipients.iter().find(|r| *r.id == *recipient).and_then(|r| r.organisation.as_deref());
        let mine = |origin: &Origin| organisation.is_some() && origin.originator(&self.policy.alliance) == organisation;
        let sources = self.columns.sources.iter().enumerate();
        sources.filter(|(_, s)| mine(&s.origin)).filter_map(|(n, _)| u16::try_from(n).ok()).collect()
    }

    /// A source whose copies are tightened, or all of them but the holder's own.
    fn tightened_source(&self, name: &str) -> Option<u16> {
        if name == Act::ELSEWHERE { Some(ELSEWHERE) } else { self.source(name) }
    }

    pub(crate) fn source(&self, name: &str) -> Option<u16> {
        self.columns.sources.iter().position(|s| *s.name == *name).and_then(|n| u16::try_from(n).ok())
    }

    /// Brings every log up to the last commit.
    fn catch_up(&mut self, now_us: i64) {
        let ground = Ground { columns: &self.columns, policy: &self.policy, epoch: self.epoch };
        for (n, log) in self.logs.iter_mut().enumerate() {
            let log = log.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
            log.extend(&ground, u32::try_from(n).unwrap_or(u32::MAX), now_us);
        }
    }

    /// The log records of every recipient that changed since they were last written.
    pub(crate) fn log_records(&mut self, records: &mut Vec<Record>) {
        for (recipient, log) in self.policy.recipients.iter().zip(&mut self.logs) {
            let log = log.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
            // A failed write is followed by a reload from disk, so nothing has to be marked again.
            drop(logs::write(&recipient.id, log, records));
        }
    }

    /// One commit. Returns what became of each object, in order. `pending`: where in `records` bodies wait that are not on disk yet.
    pub(crate) fn ingest(
        &mut self,
        source: u16,
        collection: Option<&str>,
        objects: Vec<Prepared>,
        stamp_us: i64,
        reader: &mut dyn Reader,
        (records, pending): (&mut Vec<Record>, &mut HashMap<u32, usize>),
    ) -> Result<Vec<Outcome>, Error> {
        let tightened = self.redefinitions(source, &objects);
        if !tightened.is_empty() {
            self.catch_up(stamp_us);
        }
        let first = self.columns.len();
        let commit = u32::try_from(self.columns.commits.len()).unwrap_or(u32::MAX);
        self.columns.commits.push(Commit { stamp_us, rows_end: first });
        let mut outcomes = Vec::with_capacity(objects.len());
        for object in objects {
            let (outcome, row) = self.take(source, commit, object, pending, reader, records)?;
            if let (Some(collection), Some(row)) = (collection, row)
                && self.posted.entry(collection.into()).or_default().insert(row)
            {
                records.push(Record::Posted { collection: collection.into(), row });
            }
            outcomes.push(outcome);
        }
        let end = self.columns.len();
        if end == first {
            self.columns.commits.pop();
            return Ok(outcomes);
        }
        if let Some(last) = self.columns.commits.last_mut() {
            last.rows_end = end;
        }
        for row in first..end {
            self.columns.label_new(row);
        }
        self.last_stamp_us = stamp_us;
        self.journal += 1;
        records.push(Record::Journal { number: self.journal, stamp_us, kind: "arrive".into(), rows_end: end, detail: String::new() });
        if !tightened.is_empty() {
            self.relabel_after_definitions(source, &tightened, first, stamp_us, records);
        }
        Ok(outcomes)
    }

    /// Ids of definitions in this request that marked rows of the source are already waiting for, or read otherwise.
    fn redefinitions(&self, source: u16, objects: &[Prepared]) -> BTreeSet<Id> {
        let definitions: BTreeSet<Id> = objects.iter().filter(|o| o.meaning.is_some()).map(|o| o.header.id.clone()).collect();
        if definitions.is_empty() || self.columns.marked_with(&definitions, Some(source)).is_empty() { BTreeSet::new() } else { definitions }
    }

    fn relabel_after_definitions(&mut self, source: u16, definitions: &BTreeSet<Id>, first: u32, stamp_us: i64, records: &mut Vec<Record>) {
        self.columns.forget_compiled();
        let objects = self.columns.marked_with(definitions, Some(source));
        for object in &objects {
            self.columns.relabel(*object);
        }
        self.epoch += 1;
        let ground = Ground { columns: &self.columns, policy: &self.policy, epoch: self.epoch };
        for (n, log) in self.logs.iter_mut().enumerate() {
            let log = log.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
            log.cache.take();
            log.advance(&ground, u32::try_from(n).unwrap_or(u32::MAX), &objects, first, stamp_us);
        }
        self.log_records(records);
    }

    /// Takes one object in; the row it is held as, unless it was refused.
    fn take(
        &mut self,
        source: u16,
        commit: u32,
        object: Prepared,
        pending: &mut HashMap<u32, usize>,
        reader: &mut dyn Reader,
        records: &mut Vec<Record>,
    ) -> Result<(Outcome, Option<u32>), Error> {
        let version = object.header.version();
        let sha32 = u32::from_be_bytes([object.sha256[0], object.sha256[1], object.sha256[2], object.sha256[3]]);
        let (known, mut outcome, body) = match self.columns.find_object(object.header.id.as_ref()) {
            Some(number) => self.compare(source, number, version, sha32, &object.bytes, (pending, records), reader)?,
            None => (None, Outcome::New, None),
        };
        if let Some(row) = known {
            return Ok((Outcome::Known, Some(row)));
        }
        // Before anything of it is kept: what is refused leaves no id and no type behind.
        if let Some(refusal) = self.beyond_limits(source, &object) {
            return Ok((Outcome::Refused(Box::new(refusal)), None));
        }
        let number = self.object_number(&object.header.id, records);
        let authenticated = self.columns.sources.get(usize::from(source)).is_some_and(|s| s.origin != Origin::Feed);
        if outcome == Outcome::Conflict && !authenticated {
            outcome = Outcome::Variant;
        }
        let references = object.header.references.iter().map(|r| (self.object_number(&r.target, records), r.kind)).collect();
        let references = sorted(references);
        let (set, new_set) = self.columns.set_number(&object.header.markings);
        if new_set {
            let ids: Vec<String> = object.header.markings.iter().map(Id::to_string).collect();
            records.push(Record::Set { number: set, ids: ids.join(" ") });
        }
        let body_bytes = u32::try_from(object.bytes.len()).unwrap_or(u32::MAX);
        let lifted = object.original.is_some();
        let body = body.unwrap_or_else(|| {
            let body = self.bodies;
            self.bodies += 1;
            pending.insert(body, records.len());
            records.push(Record::Body { number: body, sha256: object.sha256, bytes: object.bytes, original: object.original });
            body
        });
        let record = RowRecord {
            number: self.columns.len(),
            object: number,
            source,
            set,
            body,
            body_bytes,
            sha32,
            version: version.map(|v| (v.ns(), v.decimals())),
            lifted,
            commit,
            references: references.clone(),
            outline: object.outline.as_ref().map(Value::to_string).unwrap_or_default(),
            dead: false,
            damaged: false,
        };
        let meaning = object.meaning;
        let new = NewRow { object: number, source, set, version, lifted, commit, body, body_bytes, sha32, references, outline: object.outline, meaning };
        let row = self.columns.push(new);
        records.push(Record::Row(Box::new(record)));
        Ok((outcome, Some(row)))
    }

    /// Why the store has no room for an object, if it has none.
    fn beyond_limits(&self, source: u16, object: &Prepared) -> Option<Refusal> {
        let refusal = |reason: String, help| Some(Refusal { id: Some(object.header.id.clone()), reason, help });
        let names = object.header.references.iter().map(|r| &r.target.kind).chain([&object.header.id.kind]);
        let new: BTreeSet<&Box<str>> = names.filter(|kind| self.columns.kind_known(kind).is_none()).collect();
        if !new.is_empty() && self.columns.kinds().saturating_add(new.len()) > limits::TYPES_MAX {
            let reason = format!("the store knows {} object types, and this would add {}", self.columns.kinds(), new.len());
            return refusal(reason, "use the types that STIX has; this many are no vocabulary");
        }
        let plain = object.meaning.is_none() && object.outline.as_ref().is_none_or(|o| o.get("granular_markings").is_none());
        let labelled = plain && self.columns.is_labelled(source, &object.header.markings);
        if !labelled && self.columns.labels_of_source(source) >= limits::LABELS_PER_SOURCE_MAX {
            let reason = format!("the source has {} distinct labels, and this would add one", limits::LABELS_PER_SOURCE_MAX);
            return refusal(reason, "split the source, or send fewer different markings");
        }
        (self.columns.len() as usize >= limits::ROWS_MAX).then(|| Refusal {
            id: Some(object.header.id.clone()),
            reason: format!("the store holds {} rows", limits::ROWS_MAX),
            help: "remove what is no longer needed, or use a node of its own for this source",
        })
    }

    fn object_number(&mut self, id: &Id, records: &mut Vec<Record>) -> u32 {
        let (kind, new_kind) = self.columns.kind_number(&id.kind);
        if new_kind {
            records.push(Record::Kind { number: kind, name: id.kind.clone() });
        }
        let (number, new) = self.columns.object_number(kind, id.uuid);
        if new {
            records.push(Record::Object { number, kind, uuid: id.uuid });
        }
        number
    }

    /// Compares with what is held: the row that is the same, else what the object is, and a body with the same bytes.
    #[expect(clippy::too_many_arguments, reason = "one comparison, everything it compares")]
    fn compare(
        &self,
        source: u16,
        object: u32,
        version: Option<Version>,
        sha32: u32,
        bytes: &[u8],
        (pending, records): (&HashMap<u32, usize>, &[Record]),
        reader: &mut dyn Reader,
    ) -> Result<(Option<u32>, Outcome, Option<u32>), Error> {
        let mut outcome = Outcome::New;
        let mut body = None;
        let mine: Vec<u32> = self.columns.live_rows_of(object).collect();
        // Of an unversioned object only the latest content from this source counts as held.
        let latest_here = mine.iter().rev().copied().find(|r| self.columns.row(*r).is_some_and(|x| x.source == source));
        for row in mine {
            let Some(held) = self.columns.row(row) else { continue };
            let same_source = held.source == source;
            if held.version() != version || (version.is_none() && same_source && Some(row) != latest_here) {
                continue;
            }
            let waiting = pending.get(&held.body).and_then(|at| records.get(*at));
            let theirs = match waiting {
                Some(Record::Body { bytes, .. }) => Cow::Borrowed(bytes.as_slice()),
                _ => match reader.body(held.body) {
                    Ok(bytes) => Cow::Owned(bytes),
                    // A damaged copy is no reason to refuse a sound one: keep the sound one beside it.
                    Err(Error::Damaged(_)) => continue,
                    Err(e) => return Err(e),
                },
            };
            let identical = held.sha32 == sha32 && *theirs == *bytes;
            // Two that cannot be read are not the same for that.
            let same = identical || matches!((canonical::digest(&theirs), canonical::digest(bytes)), (Ok(held), Ok(new)) if held == new);
            match (same_source, same) {
                (true, true) => return Ok((Some(row), Outcome::Known, None)),
                (true, false) if version.is_some() => outcome = Outcome::Conflict,
                (false, false) if version.is_some() && outcome == Outcome::New => outcome = Outcome::Variant,
                _ => {}
            }
            if identical {
                body = Some(held.body);
            }
        }
        Ok((None, outcome, body))
    }

    /// Carries out an act and looks again at what it touches, for every recipient.
    pub(crate) fn act(&mut self, act: Act, by: &str, stamp_us: i64, records: &mut Vec<Record>) -> Result<(), Error> {
        self.check(&act)?;
        let unsettled = std::mem::take(&mut self.unsettled);
        if unsettled {
            for log in &mut self.logs {
                log.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).floor_us = stamp_us;
            }
        }
        self.catch_up(stamp_us);
        let before = self.label_verdicts(stamp_us);
        let standing = self.policy.standing.clone();
        let (kind, detail, dirty) = self.apply(act, stamp_us, records)?;
        self.epoch += 1;
        self.last_stamp_us = stamp_us;
        self.journal += 1;
        let detail = serde_json::json!({"by": by, "what": detail}).to_string();
        records.push(Record::Journal { number: self.journal, stamp_us, kind: kind.into(), rows_end: self.columns.len(), detail });
        for log in &mut self.logs {
            log.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).cache.take();
        }
        let after = if kind == "policy" { self.label_verdicts(stamp_us) } else { Vec::new() };
        let standing_moved = standing != self.policy.standing;
        let ground = Ground { columns: &self.columns, policy: &self.policy, epoch: self.epoch };
        for (n, log) in self.logs.iter_mut().enumerate() {
            let log = log.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut mine: BTreeSet<u32> = dirty.iter().copied().collect();
            if unsettled {
                mine.extend((0..self.columns.len()).filter_map(|r| self.columns.row(r).map(|x| x.object)));
            } else if kind == "policy" {
                let moved = moved_labels(before.get(n), after.get(n), standing_moved);
                mine.extend(self.columns.objects_with_labels(&moved));
            }
            log.reconsider(&ground, u32::try_from(n).unwrap_or(u32::MAX), mine.into_iter().collect(), stamp_us);
        }
        self.log_records(records);
        Ok(())
    }

    fn check(&self, act: &Act) -> Result<(), Error> {
        let unknown = |kind, name: String| Err(Error::Unknown { kind, name });
        match act {
            Act::Overlay(id, source, _) | Act::Lift(id, source, _) => match (self.columns.find_object(id.as_ref()), self.tightened_source(source)) {
                (None, _) => unknown("object", id.to_string()),
                (_, None) => unknown("source", source.to_string()),
                _ => Ok(()),
            },
            Act::Grant(row, recipient) | Act::Approve(row, recipient) | Act::Refuse(row, recipient) => {
                match (self.columns.row(*row), self.recipient(recipient)) {
                    (Some(r), Some(_)) if r.is_live() => Ok(()),
                    (_, None) => unknown("recipient", recipient.to_string()),
                    _ => unknown("row", row.to_string()),
                }
            }
            Act::Policy(..) | Act::Pin(_) | Act::Note(_) | Act::Remove(_) => Ok(()),
        }
    }

    /// Changes the state; returns the act's name, what to log of it, and the objects it touches for everyone.
    fn apply(&mut self, act: Act, stamp_us: i64, records: &mut Vec<Record>) -> Result<(&'static str, String, Vec<u32>), Error> {
        match act {
            Act::Policy(policy, sources) => {
                let dirty = self.set_policy(policy, sources, stamp_us, records);
                Ok(("policy", String::new(), dirty))
            }
            Act::Pin(bytes) => {
                let value: Value = serde_json::from_slice(&bytes).map_err(|e| Error::Damaged(e.to_string()))?;
                let id = value.get("id").and_then(Value::as_str).and_then(Id::parse);
                let Some(id) = id else { return Err(Error::Unknown { kind: "marking-definition", name: "without id".to_owned() }) };
                records.push(Record::Pin { id: id.to_string().into(), bytes });
                self.columns.pin(id.clone(), meaning_of_content(&value));
                self.columns.forget_compiled();
                let dirty = self.columns.marked_with(&BTreeSet::from([id.clone()]), None);
                dirty.iter().for_each(|o| self.columns.relabel(*o));
                Ok(("pin", id.to_string(), dirty))
            }
            Act::Overlay(id, source, to) => {
                let number = self.tightened_source(&source).unwrap_or(ELSEWHERE);
                let object = self.columns.find_object(id.as_ref()).unwrap_or(u32::MAX);
                records.push(Record::Overlay { object, source: number, level: to.record() });
                self.columns.tighten(object, number, to);
                self.columns.relabel(object);
                Ok(("overlay", format!("{id} of {source} to {}", to.words()), vec![object]))
            }
            Act::Lift(id, source, left) => {
                let number = self.tightened_source(&source).unwrap_or(ELSEWHERE);
                let object = self.columns.find_object(id.as_ref()).unwrap_or(u32::MAX);
                records.push(Record::Overlay { object, source: number, level: Some(lift_record(left)) });
                self.columns.lift(object, number, left);
                self.columns.relabel(object);
                Ok(("lift", format!("{id} of {source} to {}", left.map_or("nothing", Level::label)), vec![object]))
            }
            Act::Grant(row, recipient) => {
                let ids = self.columns.opaque_of(row);
                let text: Vec<String> = ids.iter().map(Id::to_string).collect();
                records.push(Record::Grant { row, recipient: recipient.clone(), ids: text.join(" ") });
                let object = self.columns.row(row).map_or(u32::MAX, |r| r.object);
                self.columns.grant(row, self.recipient(&recipient).unwrap_or(u32::MAX), ids);
                Ok(("grant", format!("{} to {recipient} ({row})", self.columns.id(object)), vec![object]))
            }
            Act::Approve(row, recipient) => {
                let object = self.columns.row(row).map_or(u32::MAX, |r| r.object);
                Ok(("approve", format!("{} to {recipient} ({row})", self.columns.id(object)), Vec::new()))
            }
            Act::Refuse(row, recipient) => {
                // A grant that covers nothing: the decision stays what it was, and the queue knows that somebody has answered.
                records.push(Record::Grant { row, recipient: recipient.clone(), ids: String::new() });
                let object = self.columns.row(row).map_or(u32::MAX, |r| r.object);
                self.columns.grant(row, self.recipient(&recipient).unwrap_or(u32::MAX), Vec::new());
                Ok(("refuse", format!("{} to {recipient} ({row})", self.columns.id(object)), vec![object]))
            }
            Act::Note(what) => Ok(("note", what, Vec::new())),
            Act::Remove(rows) => Ok(self.remove(rows, records)),
        }
    }

    /// Rows leave; what to log of it, and the objects it touches.
    fn remove(&mut self, rows: Vec<u32>, records: &mut Vec<Record>) -> (&'static str, String, Vec<u32>) {
        let mut dirty: Vec<u32> = rows.iter().filter_map(|r| self.columns.row(*r).map(|x| x.object)).collect();
        rows.iter().for_each(|r| self.columns.kill(*r));
        dirty.sort_unstable();
        dirty.dedup();
        let mut marked = BTreeSet::new();
        for object in &dirty {
            let id = self.columns.id(*object);
            if &*id.kind == "marking-definition" {
                marked.insert(id);
            }
        }
        let bodies = self.unneeded_bodies(&rows, &dirty);
        self.columns.forget_compiled();
        let mut touched: BTreeSet<u32> = dirty.iter().copied().collect();
        if !marked.is_empty() {
            touched.extend(self.columns.marked_with(&marked, None));
        }
        touched.iter().for_each(|o| self.columns.relabel(*o));
        let named = |r: &u32| Some(format!("{} ({r})", self.columns.id(self.columns.row(*r)?.object)));
        let detail = rows.iter().filter_map(named).collect::<Vec<_>>().join(" ");
        records.push(Record::Remove { rows, bodies });
        ("remove", detail, touched.into_iter().collect())
    }

    fn unneeded_bodies(&self, rows: &[u32], objects: &[u32]) -> Vec<u32> {
        let needed: BTreeSet<u32> = objects.iter().flat_map(|o| self.columns.live_rows_of(*o)).filter_map(|r| self.columns.row(r).map(|x| x.body)).collect();
        let freed: BTreeSet<u32> = rows.iter().filter_map(|r| self.columns.row(*r).map(|x| x.body)).collect();
        freed.difference(&needed).copied().collect()
    }

    /// Puts a new policy in force; returns the objects whose labels changed.
    fn set_policy(&mut self, policy: Policy, sources: Vec<Source>, stamp_us: i64, records: &mut Vec<Record>) -> Vec<u32> {
        // Recipients keep their numbers: known ones in their old order, then the new ones.
        let mut recipients = policy.recipients;
        let order: HashMap<Box<str>, usize> = self.policy.recipients.iter().enumerate().map(|(n, r)| (r.id.clone(), n)).collect();
        for old in &self.policy.recipients {
            if recipients.iter().all(|r| r.id != old.id) {
                let mut gone = old.clone();
                gone.active = false;
                recipients.push(gone);
            }
        }
        recipients.sort_by_key(|r| order.get(&r.id).copied().unwrap_or(usize::MAX));
        for _ in self.logs.len()..recipients.len() {
            let commits_done = u32::try_from(self.columns.commits.len()).unwrap_or(u32::MAX);
            self.logs.push(Mutex::new(ViewLog::starting(stamp_us, commits_done)));
        }
        self.columns.set_alliance(policy.alliance.clone());
        self.policy = Policy { recipients, ..policy };
        let mut changed = Vec::new();
        for source in sources {
            match self.source(&source.name) {
                None => {
                    let number = u16::try_from(self.columns.sources.len()).unwrap_or(u16::MAX);
                    records.push(Record::Source { number, name: source.name.clone() });
                    self.columns.sources.push(source);
                }
                Some(number) => {
                    let slot = self.columns.sources.get_mut(usize::from(number));
                    if let Some(slot) = slot.filter(|s| **s != source) {
                        *slot = source;
                        changed.push(number);
                    }
                }
            }
        }
        self.columns.forget_compiled();
        let dirty: BTreeSet<u32> = changed.iter().flat_map(|s| self.columns.objects_of_source(*s)).collect();
        dirty.iter().for_each(|o| self.columns.relabel(*o));
        dirty.into_iter().collect()
    }

    /// What every label says to every recipient now.
    fn label_verdicts(&self, now_us: i64) -> Vec<Vec<polder_release::LabelVerdict>> {
        let each: Vec<Relation<'_>> = self.policy.recipients.iter().map(|r| Relation::new(r, &self.policy.alliance)).collect();
        let all = Readers::named_by(&each);
        let mut out = vec![Vec::with_capacity(self.columns.label_count()); each.len()];
        for (label, origin) in self.columns.labels() {
            out.iter_mut().zip(all.test(label, origin, now_us)).for_each(|(list, verdict)| list.push(verdict));
        }
        out
    }
}

/// Labels that say something else than before.
fn moved_labels(before: Option<&Vec<polder_release::LabelVerdict>>, after: Option<&Vec<polder_release::LabelVerdict>>, standing_moved: bool) -> BTreeSet<u32> {
    let after = after.map(Vec::as_slice).unwrap_or_default();
    let moved = |(n, now): (usize, &polder_release::LabelVerdict)| {
        let was = before.and_then(|b| b.get(n));
        let by_standing = standing_moved && matches!(now, polder_release::LabelVerdict::IfStanding(..));
        (was != Some(now) || by_standing).then(|| u32::try_from(n).unwrap_or(u32::MAX))
    };
    after.iter().enumerate().filter_map(moved).collect()
}
