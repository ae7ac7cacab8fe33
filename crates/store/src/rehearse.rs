//! What an import or an act would do: tried on a copy of the columns, against everything the node holds, and thrown away.
//!
//! The rule: nothing is written, in the store or beside it.

use std::collections::HashMap;

use polder_release::{Judge, LabelCache, Operations, Realm, Verdict};
use polder_stix::Id;

use crate::backend::Record;
use crate::columns::{AsOf, Columns, Row};
use crate::engine::{Act, Engine};
use crate::ingest::{Outcome, Prepared};
use crate::look::{Explained, explained_in};
use crate::{Error, Store};

/// An import that is only tried.
#[derive(Debug)]
pub struct Rehearsal<'s, R: Realm = Operations> {
    store: &'s Store<R>,
    trial: Engine,
    source: u16,
    first: u32,
    records: Vec<Record>,
    pending: HashMap<u32, usize>,
}

/// What it would mean for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The recipient's id.
    pub recipient: Box<str>,
    /// How many of the new objects are decided how.
    pub verdicts: Vec<(Verdict, usize)>,
    /// Objects held already that it may not hold now and could then.
    pub gains: usize,
    /// Objects held already that it may hold now and could not then.
    pub loses: usize,
}

impl<R: Realm> Store<R> {
    /// Begins to try an import from a source.
    ///
    /// # Errors
    /// [`Error::Unknown`] source.
    pub fn rehearse(&self, source: &str) -> Result<Rehearsal<'_, R>, Error> {
        let trial = self.engine().trial();
        let unknown = || Error::Unknown { kind: "source", name: source.to_owned() };
        let number = trial.source(source).ok_or_else(unknown)?;
        let first = trial.columns.len();
        Ok(Rehearsal { store: self, trial, source: number, first, records: Vec::new(), pending: HashMap::new() })
    }
}

impl<R: Realm> Rehearsal<'_, R> {
    /// What would become of each object of a commit.
    ///
    /// # Errors
    /// The disk's, when what is held cannot be read.
    pub fn ingest(&mut self, objects: Vec<Prepared>) -> Result<Vec<Outcome>, Error> {
        let stamp_us = self.store.now_us().max(self.trial.last_stamp_us.saturating_add(1));
        let Self { trial, source, records, pending, .. } = self;
        self.store.with_reader(|reader| trial.ingest(*source, None, objects, stamp_us, reader, (records, pending)))
    }

    /// What an act would change.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn act(&mut self, act: Act) -> Result<(), Error> {
        let stamp_us = self.store.now_us().max(self.trial.last_stamp_us.saturating_add(1));
        self.trial.act(act, "", stamp_us, &mut self.records)
    }

    /// What the decision would say of every live row of an object for a recipient.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn explain(&self, id: &Id, recipient: &str) -> Result<Vec<Explained>, Error> {
        explained_in(&self.trial, id, recipient, self.store.now_us())
    }

    /// What all of it would mean, recipient by recipient; of what is held already only objects in a reader's view are counted, if one is named.
    ///
    /// # Errors
    /// [`Error::Unknown`] reader.
    pub fn effects(&self, reader: Option<&str>) -> Result<Vec<Effect>, Error> {
        let known = reader.map(|r| self.store.objects_in_view(r)).transpose()?;
        let counts_here = |row: u32| known.as_ref().is_none_or(|k| self.trial.columns.row(row).is_some_and(|r| k.contains(&r.object)));
        let now_us = self.store.now_us();
        let now = self.store.engine();
        let mut out = Vec::new();
        for (number, recipient) in self.trial.policy.recipients.iter().enumerate().filter(|(_, r)| r.active) {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let before = permitted(&now, number, self.first, now_us);
            let mut effect = Effect { recipient: recipient.id.clone(), verdicts: Vec::new(), gains: 0, loses: 0 };
            let mut counts = [Verdict::Release, Verdict::Redact, Verdict::Withhold, Verdict::Hold].map(|v| (v, 0));
            each(&self.trial, number, now_us, |row, verdict| {
                let may = matches!(verdict, Verdict::Release | Verdict::Redact);
                if row >= self.first {
                    counts.iter_mut().filter(|(v, _)| *v == verdict).for_each(|(_, n)| *n += 1);
                } else if counts_here(row) {
                    let could = before.get(row as usize).copied().unwrap_or(false);
                    effect.gains += usize::from(may && !could);
                    effect.loses += usize::from(!may && could);
                }
            });
            effect.verdicts = counts.into_iter().filter(|(_, n)| *n > 0).collect();
            out.push(effect);
        }
        Ok(out)
    }
}

fn permitted(engine: &Engine, recipient: u32, end: u32, now_us: i64) -> Vec<bool> {
    let mut out = vec![false; end as usize];
    each(engine, recipient, now_us, |row, verdict| {
        if let Some(slot) = out.get_mut(row as usize) {
            *slot = matches!(verdict, Verdict::Release | Verdict::Redact);
        }
    });
    out
}

/// The verdict for every live row.
fn each(engine: &Engine, recipient: u32, now_us: i64, mut tell: impl FnMut(u32, Verdict)) {
    let columns: &Columns = &engine.columns;
    let held = AsOf { columns, horizon: columns.len() };
    let cache = LabelCache::default();
    let Some(judge) = Judge::new(&held, &engine.policy, recipient, now_us, engine.epoch, &cache) else { return };
    for row in (0..columns.len()).filter(|r| columns.row(*r).is_some_and(Row::is_live)) {
        tell(row, judge.judge(row).verdict);
    }
}
