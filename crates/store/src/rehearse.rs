//! What an import or an act would do: tried on a copy of the columns, against everything the node holds, and thrown away.
//!
//! The rule: nothing is written, in the store or beside it.

use std::collections::{HashMap, HashSet, VecDeque};

use polder_release::{Judge, LabelCache, Operations, Policy, Realm, Verdict};
use polder_stix::Id;

use crate::backend::Record;
use crate::columns::{AsOf, Columns, Known, Row};
use crate::engine::{Act, Engine};
use crate::ingest::{Outcome, Prepared};
use crate::look::{Explained, explained_in, knowing};
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
    /// Whose knowledge it is tried against, if not all there is.
    reader: Option<Box<str>>,
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

/// Other objects that one recipient would gain or lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The recipient's id.
    pub recipient: Box<str>,
    /// Objects that it may not hold now and could then.
    pub gains: Vec<Id>,
    /// Objects that it may hold now and could not then.
    pub loses: Vec<Id>,
    /// Objects that name it themselves, and that it may hold now and then.
    pub keeps: Vec<Id>,
}

impl<R: Realm> Store<R> {
    /// Begins to try an import from a source; if a reader is named, as if there were nothing that it may not hold.
    ///
    /// # Errors
    /// [`Error::Unknown`] source.
    pub fn rehearse(&self, source: &str, reader: Option<&str>) -> Result<Rehearsal<'_, R>, Error> {
        let trial = self.engine().trial();
        let unknown = || Error::Unknown { kind: "source", name: source.to_owned() };
        let number = trial.source(source).ok_or_else(unknown)?;
        let first = trial.columns.len();
        Ok(Rehearsal { store: self, trial, source: number, first, records: Vec::new(), pending: HashMap::new(), reader: reader.map(Into::into) })
    }
}

impl<R: Realm> Rehearsal<'_, R> {
    /// What would become of each object of a commit.
    ///
    /// # Errors
    /// The disk's, when what is held cannot be read.
    pub fn ingest(&mut self, objects: Vec<Prepared>) -> Result<Vec<Outcome>, Error> {
        if let Some(reader) = &self.reader {
            let ids: Vec<Id> = objects.iter().map(|o| o.header.id.clone()).collect();
            let hidden = self.store.hidden_rows(&ids, reader)?;
            self.trial.columns.hidden.extend(hidden.into_iter().filter(|row| *row < self.first));
        }
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

    /// The bytes of a row that is only tried; none of another one.
    #[must_use]
    pub fn bytes_of(&self, row: u32) -> Option<Vec<u8>> {
        let body = self.records.iter().find_map(|record| match record {
            Record::Row(r) if r.number == row => Some(r.body),
            _ => None,
        })?;
        let tried = self.records.iter().find_map(|record| match record {
            Record::Body { number, bytes, .. } if *number == body => Some(bytes.clone()),
            _ => None,
        });
        tried.or_else(|| self.store.with_reader(|reader| reader.body(body)).ok())
    }

    /// What the decision would say of every live row of an object for a recipient.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn explain(&self, id: &Id, recipient: &str) -> Result<Vec<Explained>, Error> {
        self.explain_at(id, recipient, self.store.now_us())
    }

    /// The same, of another moment.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn explain_at(&self, id: &Id, recipient: &str, at_us: i64) -> Result<Vec<Explained>, Error> {
        let number = self.trial.recipient(recipient).ok_or_else(|| Error::Unknown { kind: "recipient", name: recipient.to_owned() })?;
        self.explain_under(id, (&self.trial.policy, number), at_us)
    }

    /// The same for a recipient of a policy that is not in force, by number. What the one in force calls by a number is the same there.
    ///
    /// # Errors
    /// [`Error::Unknown`] reader.
    pub fn explain_under(&self, id: &Id, to: (&Policy, u32), at_us: i64) -> Result<Vec<Explained>, Error> {
        let (now, now_us) = self.store.moment();
        knowing(&now, self.reader.as_deref(), now_us, |known| Ok(explained_in(&self.trial, id, to, at_us, known)))
    }

    /// What would come and go with an object, since it leads to it by references, however far; of so many objects, and whether there are more.
    ///
    /// # Errors
    /// [`Error::Unknown`] reader.
    pub fn moved_with(&self, id: &Id, most: usize) -> Result<(Vec<Moved>, bool), Error> {
        let (now, now_us) = self.store.moment();
        knowing(&now, self.reader.as_deref(), now_us, |known| {
            let (objects, near, cut) = self.leading_to(id, most, known);
            let mut out = Vec::new();
            for (number, recipient) in self.trial.policy.recipients.iter().enumerate().filter(|(_, r)| r.active) {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                let (before, after) = (may_hold(&now, number, now_us, known, &objects), may_hold(&self.trial, number, now_us, known, &objects));
                let named = |of: usize, is_it: &dyn Fn(bool, bool) -> bool| -> Vec<Id> {
                    let pairs = objects.iter().zip(before.iter().zip(&after)).take(of);
                    pairs.filter(|(_, (b, a))| is_it(**b, **a)).map(|(object, _)| self.trial.columns.id(*object)).collect()
                };
                let all = objects.len();
                let (gains, loses, keeps) = (named(all, &|b, a| !b && a), named(all, &|b, a| b && !a), named(near, &|b, a| b && a));
                let moved = Moved { recipient: recipient.id.clone(), gains, loses, keeps };
                if !moved.gains.is_empty() || !moved.loses.is_empty() || !moved.keeps.is_empty() {
                    out.push(moved);
                }
            }
            Ok((out, cut))
        })
    }

    /// Objects that lead to one by references, the nearest first, as far as they are known; how many of them name it themselves; whether there are more.
    fn leading_to(&self, id: &Id, most: usize, known: Option<&Known<'_>>) -> (Vec<u32>, usize, bool) {
        let columns = &self.trial.columns;
        let Some(start) = columns.find_object(id.as_ref()) else { return (Vec::new(), 0, false) };
        let (mut seen, mut order, mut near) = (HashSet::from([start]), Vec::new(), 0);
        let mut next = VecDeque::from([start]);
        while let Some(object) = next.pop_front() {
            // What is cut out of the reader's copy of a referrer may be this very reference.
            for row in columns.referrers(object).filter(|r| columns.row(*r).is_some_and(Row::is_live) && known.is_none_or(|k| k.holds_whole(*r))) {
                let Some(referrer) = columns.row(row).map(|r| r.object).filter(|o| seen.insert(*o)) else { continue };
                if order.len() >= most {
                    return (order, near, true);
                }
                near += usize::from(object == start);
                order.push(referrer);
                next.push_back(referrer);
            }
        }
        (order, near, false)
    }

    /// What all of it would mean, recipient by recipient.
    ///
    /// # Errors
    /// [`Error::Unknown`] reader.
    pub fn effects(&self) -> Result<Vec<Effect>, Error> {
        let (now, now_us) = self.store.moment();
        knowing(&now, self.reader.as_deref(), now_us, |known| {
            let mut out = Vec::new();
            for (number, recipient) in self.trial.policy.recipients.iter().enumerate().filter(|(_, r)| r.active) {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                let before = permitted(&now, number, self.first, now_us, known);
                let mut effect = Effect { recipient: recipient.id.clone(), verdicts: Vec::new(), gains: 0, loses: 0 };
                let mut counts = [Verdict::Release, Verdict::Redact, Verdict::Withhold, Verdict::Hold].map(|v| (v, 0));
                each(&self.trial, number, now_us, known, |row, verdict| {
                    let may = matches!(verdict, Verdict::Release | Verdict::Redact);
                    if row >= self.first {
                        counts.iter_mut().filter(|(v, _)| *v == verdict).for_each(|(_, n)| *n += 1);
                    } else {
                        let could = before.get(row as usize).copied().unwrap_or(false);
                        effect.gains += usize::from(may && !could);
                        effect.loses += usize::from(!may && could);
                    }
                });
                effect.verdicts = counts.into_iter().filter(|(_, n)| *n > 0).collect();
                out.push(effect);
            }
            Ok(out)
        })
    }
}

/// Of each object, whether a recipient may hold any of its rows.
fn may_hold(engine: &Engine, recipient: u32, now_us: i64, known: Option<&Known<'_>>, objects: &[u32]) -> Vec<bool> {
    let held = AsOf::known_to(&engine.columns, known);
    let cache = LabelCache::default();
    let Some(judge) = Judge::new(&held, &engine.policy, recipient, now_us, engine.epoch, &cache) else { return vec![false; objects.len()] };
    let holds = |object: &u32| engine.columns.live_rows_of(*object).filter(|r| known.is_none_or(|k| k.holds(*r))).any(|row| judge.judge(row).permits());
    objects.iter().map(holds).collect()
}

fn permitted(engine: &Engine, recipient: u32, end: u32, now_us: i64, known: Option<&Known<'_>>) -> Vec<bool> {
    let mut out = vec![false; end as usize];
    each(engine, recipient, now_us, known, |row, verdict| {
        if let Some(slot) = out.get_mut(row as usize) {
            *slot = matches!(verdict, Verdict::Release | Verdict::Redact);
        }
    });
    out
}

/// The verdict for every live row that is known.
fn each(engine: &Engine, recipient: u32, now_us: i64, known: Option<&Known<'_>>, mut tell: impl FnMut(u32, Verdict)) {
    let columns: &Columns = &engine.columns;
    let held = AsOf::known_to(columns, known);
    let cache = LabelCache::default();
    let Some(judge) = Judge::new(&held, &engine.policy, recipient, now_us, engine.epoch, &cache) else { return };
    let meant = |r: &u32| columns.row(*r).is_some_and(Row::is_live) && known.is_none_or(|k| k.holds(*r));
    for row in (0..columns.len()).filter(meant) {
        tell(row, judge.judge(row).verdict);
    }
}
