//! Questions of the node's own people about what is held: explanations, audiences, holders, the queue. None of this goes to a recipient.

use std::collections::{BTreeSet, HashMap};

use polder_release::{Judge, Judgement, Label, Level, Mark, Origin, Policy, Realm, Verdict};
use polder_stix::Id;
use polder_stix::time::Version;

use crate::columns::{AsOf, Known, Row};
use crate::engine::{Engine, lock};
use crate::{Error, Store};

/// A row, as the owner's tools show it.
#[derive(Debug, Clone)]
pub struct RowView {
    /// Its number, for acts.
    pub row: u32,
    /// Its object.
    pub id: Id,
    /// Its version.
    pub version: Option<Version>,
    /// Where it came from.
    pub source: Box<str>,
    /// Who that is.
    pub origin: Origin,
    /// Its effective label.
    pub label: Label,
    /// Its markings.
    pub markings: Vec<Id>,
    /// It was lifted from STIX 2.0.
    pub lifted: bool,
    /// Length of its bytes.
    pub bytes: u32,
    /// What is marked for itself in it: marking and selectors.
    pub granular: Vec<(Id, Box<[Box<str>]>)>,
}

/// A verdict with its reason and what would be removed.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The row.
    pub row: RowView,
    /// The recipient's id.
    pub recipient: Box<str>,
    /// The judgement.
    pub judgement: Judgement,
    /// Ids of objects whose references would be removed.
    pub removed_references: Vec<Id>,
    /// Markings of the properties that would be removed.
    pub removed_for: Vec<Id>,
}

/// What people here tightened the copies of an object to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tightened {
    /// Where the copies came from.
    pub source: Box<str>,
    /// A level.
    pub level: Option<Level>,
    /// They stay with the holder's organisation.
    pub in_house: bool,
}

/// What went to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharing {
    /// The recipient's id.
    pub recipient: Box<str>,
    /// The object.
    pub id: Id,
    /// Its version.
    pub version: Option<Version>,
    /// Where the copy that went out came from.
    pub source: Box<str>,
    /// What went out.
    pub what: Mark,
    /// It is still in the recipient's view.
    pub in_view: bool,
    /// Its place in the recipient's view log.
    pub(crate) position: u32,
}

impl<R: Realm> Store<R> {
    /// The live rows of an object, in order of arrival.
    #[must_use]
    pub fn rows_of(&self, id: &Id) -> Vec<RowView> {
        let engine = self.engine();
        let Some(object) = engine.columns.find_object(id.as_ref()) else { return Vec::new() };
        engine.columns.live_rows_of(object).filter_map(|row| view(&engine, row)).collect()
    }

    /// What people here tightened the copies of an object to, by source.
    #[must_use]
    pub fn tightened(&self, id: &Id) -> Vec<Tightened> {
        let engine = self.engine();
        let columns = &engine.columns;
        let Some(object) = columns.find_object(id.as_ref()) else { return Vec::new() };
        let source = |number: u16| columns.sources.get(usize::from(number)).map(|s| s.name.clone());
        columns.tightened(object).filter_map(|(n, o)| Some(Tightened { source: source(n)?, level: o.level, in_house: !o.audience.is_any() })).collect()
    }

    /// Did people here tighten what comes of an object from elsewhere, from whatever source?
    #[must_use]
    pub fn is_tightened_elsewhere(&self, id: &Id) -> bool {
        let engine = self.engine();
        engine.columns.find_object(id.as_ref()).is_some_and(|object| engine.columns.is_tightened_elsewhere(object))
    }

    /// The latest live row of an object from a source: of the highest version, and of those the last that came.
    #[must_use]
    pub fn latest_row(&self, source: &str, id: &Id) -> Option<u32> {
        let engine = self.engine();
        let object = engine.columns.find_object(id.as_ref())?;
        let source = engine.source(source)?;
        let rows = engine.columns.live_rows_of(object).filter_map(|n| Some((n, engine.columns.row(n)?)));
        rows.filter(|(_, row)| row.source == source).max_by_key(|(n, row)| (row.version().map(Version::ns), *n)).map(|(n, _)| n)
    }

    /// An object and what refers to it, the latest live row of each from a source, in order of arrival. For the source's own writer only:
    /// nobody was asked whether somebody may read them.
    #[must_use]
    pub fn family(&self, source: &str, id: &Id) -> Vec<u32> {
        let engine = self.engine();
        let columns = &engine.columns;
        let (Some(object), Some(source)) = (columns.find_object(id.as_ref()), engine.source(source)) else { return Vec::new() };
        let mut latest: std::collections::BTreeMap<u32, (Option<i64>, u32)> = std::collections::BTreeMap::new();
        let rows = columns.rows_of(object).chain(columns.referrers(object));
        for (number, row) in rows.filter_map(|n| Some((n, columns.row(n)?))).filter(|(_, row)| row.source == source && row.is_live()) {
            let key = (row.version().map(Version::ns), number);
            let best = latest.entry(row.object).or_insert(key);
            *best = key.max(*best);
        }
        // What has a later version that no longer refers to it has left the family.
        let live = |n: &u32| columns.row(*n).is_some_and(|row| row.source == source && row.is_live());
        let newest = |of: u32| columns.rows_of(of).filter(live).map(|n| (columns.row(n).and_then(Row::version).map(Version::ns), n)).max();
        let mut rows: Vec<u32> = latest.into_iter().filter(|(of, key)| newest(*of) == Some(*key)).map(|(_, (_, n))| n).collect();
        rows.sort_unstable();
        rows
    }

    /// The ids of that UUID that are known here, in whatever source.
    #[must_use]
    pub fn named(&self, uuid: u128) -> Vec<Id> {
        self.engine().columns.namesakes(uuid)
    }

    /// Live rows of a type that refer to an object and came from other sources than one.
    #[must_use]
    pub fn referring(&self, id: &Id, kind: &str, besides: &str) -> Vec<u32> {
        let engine = self.engine();
        let columns = &engine.columns;
        let (Some(object), Some(kind)) = (columns.find_object(id.as_ref()), columns.kind_known(kind)) else { return Vec::new() };
        let own = engine.source(besides);
        let wanted = |row: &Row| columns.object_kind(row.object) == kind && row.is_live() && Some(row.source) != own;
        columns.referrers(object).filter(|n| columns.row(*n).is_some_and(wanted)).collect()
    }

    /// Every live row of an object, and of what refers to it, from a source.
    #[must_use]
    pub fn family_all(&self, source: &str, id: &Id) -> Vec<u32> {
        let engine = self.engine();
        let columns = &engine.columns;
        let (Some(object), Some(source)) = (columns.find_object(id.as_ref()), engine.source(source)) else { return Vec::new() };
        let mut rows: Vec<u32> = columns.rows_of(object).chain(columns.referrers(object)).collect();
        rows.retain(|n| columns.row(*n).is_some_and(|row| row.source == source && row.is_live()));
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// The source a row came from.
    #[must_use]
    pub fn source_of(&self, row: u32) -> Option<Box<str>> {
        let engine = self.engine();
        let source = engine.columns.row(row)?.source;
        engine.columns.sources.get(usize::from(source)).map(|s| s.name.clone())
    }

    /// Every live row from a source of the objects that have the UUID of one of these rows under one of these types.
    #[must_use]
    pub fn namesakes(&self, source: &str, rows: &[u32], types: &[&str]) -> Vec<u32> {
        let engine = self.engine();
        let columns = &engine.columns;
        let Some(source) = engine.source(source) else { return Vec::new() };
        let uuids: BTreeSet<u128> = rows.iter().filter_map(|n| columns.row(*n)).map(|row| columns.id(row.object).uuid).collect();
        let ids = uuids.into_iter().flat_map(|uuid| types.iter().map(move |kind| Id { kind: (*kind).into(), uuid }));
        let objects = ids.filter_map(|id| columns.find_object(id.as_ref()));
        objects.flat_map(|o| columns.live_rows_of(o)).filter(|n| columns.row(*n).is_some_and(|row| row.source == source)).collect()
    }

    /// What the decision says of every live row of an object for a recipient.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn explain(&self, id: &Id, recipient: &str) -> Result<Vec<Explained>, Error> {
        self.explain_known(id, recipient, None)
    }

    /// The same, if a reader is named of rows that it may hold, and as far as it may know.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn explain_known(&self, id: &Id, recipient: &str, reader: Option<&str>) -> Result<Vec<Explained>, Error> {
        self.explain_at(id, recipient, reader, self.now_us())
    }

    /// The same, of another moment with what is here now.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn explain_at(&self, id: &Id, recipient: &str, reader: Option<&str>, at_us: i64) -> Result<Vec<Explained>, Error> {
        let (engine, now_us) = self.moment();
        let number = engine.recipient(recipient).ok_or_else(|| Error::Unknown { kind: "recipient", name: recipient.to_owned() })?;
        knowing(&engine, reader, now_us, |known| Ok(explained_in(&engine, id, (&engine.policy, number), at_us, known)))
    }

    /// The same for a recipient of a policy that is not in force, by number. What the one in force calls by a number is the same there.
    ///
    /// # Errors
    /// [`Error::Unknown`] reader.
    pub fn explain_under(&self, id: &Id, to: (&Policy, u32), reader: Option<&str>, at_us: i64) -> Result<Vec<Explained>, Error> {
        let (engine, now_us) = self.moment();
        knowing(&engine, reader, now_us, |known| Ok(explained_in(&engine, id, to, at_us, known)))
    }

    /// Objects of a source that carry one of these markings, as a whole or in a part.
    ///
    /// # Errors
    /// [`Error::Unknown`] source.
    pub fn marked_with(&self, markings: &BTreeSet<Id>, source: &str) -> Result<Vec<Id>, Error> {
        let engine = self.engine();
        let number = engine.source(source).ok_or_else(|| Error::Unknown { kind: "source", name: source.to_owned() })?;
        let objects = engine.columns.marked_with(markings, Some(number));
        Ok(objects.into_iter().map(|o| engine.columns.id(o)).filter(|id| !markings.contains(id)).collect())
    }

    /// Which of these rows, removed ones too, a reader may hold.
    ///
    /// # Errors
    /// [`Error::Unknown`] reader.
    pub fn held(&self, rows: &[u32], reader: &str) -> Result<BTreeSet<u32>, Error> {
        let (engine, now_us) = self.moment();
        knowing(&engine, Some(reader), now_us, |known| Ok(rows.iter().copied().filter(|r| known.is_some_and(|k| k.holds(*r))).collect()))
    }

    /// Own rows that wait for a person, with the recipients they wait for.
    #[must_use]
    pub fn queue(&self) -> Vec<Explained> {
        self.queue_known(None).unwrap_or_default()
    }

    /// The same, if a reader is named, of rows that it may hold, and as far as it may know.
    ///
    /// # Errors
    /// [`Error::Unknown`] reader.
    pub fn queue_known(&self, reader: Option<&str>) -> Result<Vec<Explained>, Error> {
        let (engine, now_us) = self.moment();
        knowing(&engine, reader, now_us, |known| {
            let held = AsOf::known_to(&engine.columns, known);
            let mut out = Vec::new();
            for (n, recipient) in engine.policy.recipients.iter().enumerate() {
                let cache = polder_release::LabelCache::default();
                let Some(judge) = u32::try_from(n).ok().and_then(|n| Judge::new(&held, &engine.policy, n, now_us, engine.epoch, &cache)) else { continue };
                for row in (0..engine.columns.len()).filter(|r| engine.columns.row(*r).is_some_and(Row::is_live)) {
                    let answered = engine.columns.is_answered(row, u32::try_from(n).unwrap_or(u32::MAX));
                    if !answered && judge.judge(row).verdict == Verdict::Hold && known.is_none_or(|k| k.holds(row)) {
                        out.extend(explained(&engine, &judge, row, &recipient.id));
                    }
                }
            }
            Ok(out)
        })
    }

    /// How many rows of each verdict a recipient meets now: release, redact, withhold, hold.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn verdicts(&self, recipient: &str) -> Result<Vec<(Id, Option<Version>, Judgement)>, Error> {
        let now_us = self.now_us();
        let engine = self.engine();
        let number = engine.recipient(recipient).ok_or_else(|| Error::Unknown { kind: "recipient", name: recipient.to_owned() })?;
        let held = AsOf::now(&engine.columns);
        let cache = polder_release::LabelCache::default();
        let Some(judge) = Judge::new(&held, &engine.policy, number, now_us, engine.epoch, &cache) else { return Ok(Vec::new()) };
        let live = (0..engine.columns.len()).filter_map(|r| engine.columns.row(r).filter(|x| x.is_live()).map(|x| (r, x)));
        Ok(live.map(|(n, row)| (engine.columns.id(row.object), row.version(), judge.judge(n))).collect())
    }

    /// The bytes of a row as served to its originator, or as received before the lift.
    ///
    /// # Errors
    /// [`Error::Damaged`], or the disk's.
    pub fn row_bytes(&self, row: u32, original: bool) -> Result<Vec<u8>, Error> {
        let body = self.engine().columns.row(row).map_or(u32::MAX, |r| r.body);
        self.with_reader(|reader| match original {
            true => Ok(reader.original(body)?.map_or_else(|| reader.body(body), Ok)?),
            false => reader.body(body),
        })
    }

    /// A row as a recipient would be served it; none if it may not hold the row. For the holder's own people, who may hold it themselves: nothing is sent,
    /// so nothing is entered in the ledger.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient, [`Error::Damaged`], or the disk's.
    pub fn copy_for(&self, row: u32, recipient: &str, reader: Option<&str>) -> Result<Option<Vec<u8>>, Error> {
        let (body, removal, denied, derived_by) = {
            let (engine, now_us) = self.moment();
            let number = engine.recipient(recipient).ok_or_else(|| Error::Unknown { kind: "recipient", name: recipient.to_owned() })?;
            let judged = knowing(&engine, reader, now_us, |known| {
                let held = AsOf::known_to(&engine.columns, known);
                let cache = polder_release::LabelCache::default();
                Ok(Judge::new(&held, &engine.policy, number, now_us, engine.epoch, &cache).map(|judge| judge.judge(row)))
            })?;
            let Some(judgement) = judged.filter(Judgement::permits) else { return Ok(None) };
            let denied: BTreeSet<Id> = judgement.removal.targets.iter().map(|t| engine.columns.id(*t)).collect();
            let body = engine.columns.row(row).map_or(u32::MAX, |r| r.body);
            (body, judgement.removal, denied, engine.policy.alliance.holder_identity().map(str::to_owned))
        };
        let bytes = self.with_reader(|reader| reader.body(body))?;
        if removal.is_empty() {
            return Ok(Some(bytes));
        }
        Ok(polder_release::redact(&bytes, &removal.granular, &denied, removal.author, derived_by.as_deref()).ok())
    }

    /// Who was sent an object, and which of its versions.
    #[must_use]
    pub fn who_has(&self, id: &Id) -> Vec<Sharing> {
        self.who_has_known(id, None).unwrap_or_default()
    }

    /// The same, if a reader is named of rows that it may hold.
    ///
    /// # Errors
    /// [`Error::Unknown`] reader.
    pub fn who_has_known(&self, id: &Id, reader: Option<&str>) -> Result<Vec<Sharing>, Error> {
        let (engine, now_us) = self.moment();
        let Some(object) = engine.columns.find_object(id.as_ref()) else { return Ok(Vec::new()) };
        knowing(&engine, reader, now_us, |known| {
            let rows: Vec<u32> = engine.columns.rows_of(object).filter(|r| known.is_none_or(|k| k.holds(*r))).collect();
            let mut out = Vec::new();
            for (n, (recipient, log)) in (0u32..).zip(engine.policy.recipients.iter().zip(&engine.logs)) {
                let log = lock(log);
                let positions: Vec<usize> = log.entries.iter().enumerate().filter(|(_, e)| rows.contains(&e.row)).map(|(p, _)| p).collect();
                out.extend(sharings(&engine, &log, &positions, (n, &recipient.id), (known, now_us)));
            }
            Ok(out)
        })
    }

    /// What a recipient was sent.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn what_has(&self, recipient: &str) -> Result<Vec<Sharing>, Error> {
        self.what_has_known(recipient, None)
    }

    /// The same, if a reader is named of rows that it may hold.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient.
    pub fn what_has_known(&self, recipient: &str, reader: Option<&str>) -> Result<Vec<Sharing>, Error> {
        let (engine, now_us) = self.moment();
        let number = engine.recipient(recipient).ok_or_else(|| Error::Unknown { kind: "recipient", name: recipient.to_owned() })?;
        let Some(log) = engine.logs.get(number as usize) else { return Ok(Vec::new()) };
        knowing(&engine, reader, now_us, |known| {
            let log = lock(log);
            let meant = |p: &usize| known.is_none_or(|k| log.entries.get(*p).is_some_and(|e| k.holds(e.row)));
            let positions: Vec<usize> = (0..log.entries.len()).filter(meant).collect();
            Ok(sharings(&engine, &log, &positions, (number, recipient), (known, now_us)))
        })
    }

    /// When each of these went out first, microseconds since 1970, as the ledger says.
    ///
    /// # Errors
    /// The disk's.
    pub fn first_sent_us(&self, sharings: &[Sharing]) -> Result<Vec<Option<i64>>, Error> {
        let mut wanted: HashMap<(&str, u32), Option<i64>> = sharings.iter().map(|s| ((&*s.recipient, s.position), None)).collect();
        let recipients: BTreeSet<&str> = sharings.iter().map(|s| &*s.recipient).collect();
        self.with_reader(|reader| {
            for recipient in recipients {
                reader.releases(recipient, &mut |stamp_us, positions| {
                    for position in positions {
                        if let Some(first) = wanted.get_mut(&(recipient, *position)) {
                            first.get_or_insert(stamp_us);
                        }
                    }
                })?;
            }
            Ok(())
        })?;
        Ok(sharings.iter().map(|s| wanted.get(&(&*s.recipient, s.position)).copied().flatten()).collect())
    }

    /// Rows that a DELETE by this recipient removes, and whether any version asked for is visible but not its own.
    ///
    /// # Errors
    /// [`Error::Unknown`] recipient, or [`Error::ClockBehind`].
    pub fn deletable(&self, recipient: &str, query: &crate::Query) -> Result<(Vec<u32>, usize), Error> {
        let visible = self.select(recipient, query)?;
        let now_us = self.now_us();
        let engine = self.engine();
        let own = engine.own_sources(recipient);
        let held = AsOf::now(&engine.columns);
        let (number, cache) = (engine.recipient(recipient).unwrap_or(u32::MAX), polder_release::LabelCache::default());
        let Some(judge) = Judge::new(&held, &engine.policy, number, now_us, engine.epoch, &cache) else { return Ok((Vec::new(), 0)) };
        let mut mine = Vec::new();
        for number in &visible {
            let Some(shown) = engine.columns.row(*number) else { continue };
            // Variants and copies that another one hides go too, or the next would take the deleted one's place. What the caller may not hold is
            // not there for it, whoever brought it in.
            let same = engine
                .columns
                .live_rows_of(shown.object)
                .filter(|r| engine.columns.row(*r).is_some_and(|x| x.version() == shown.version() && own.contains(&x.source)))
                .filter(|r| judge.judge(*r).permits());
            mine.extend(same);
        }
        mine.sort_unstable();
        mine.dedup();
        Ok((mine, visible.len()))
    }

    /// Counts, for `doctor`: live rows, objects, labels, sources.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, usize); 4] {
        let engine = self.engine();
        let live = (0..engine.columns.len()).filter(|r| engine.columns.row(*r).is_some_and(Row::is_live)).count();
        [("rows", live), ("types", engine.columns.kinds()), ("labels", engine.columns.label_count()), ("sources", engine.columns.sources.len())]
    }

    /// A number that moves when, and only when, a recipient's view does. It stays inside.
    ///
    /// # Errors
    /// As [`Store::page`].
    pub fn view_mark(&self, recipient: &str) -> Result<u64, Error> {
        self.view_size(recipient)?;
        let engine = self.engine();
        let number = engine.recipient(recipient).unwrap_or(u32::MAX);
        // What enters is appended and what leaves is counted, so the sum of both rises with each.
        Ok(engine.logs.get(number as usize).map_or(0, |l| lock(l).moves()))
    }

    /// How much waits to be fetched by a recipient: of the rows that the reader may hold those that it may have, as far as the reader may know,
    /// and of which nothing was sent yet.
    ///
    /// # Errors
    /// As [`Store::page`].
    pub fn waiting(&self, recipient: &str, reader: &str) -> Result<usize, Error> {
        let (engine, now_us) = self.moment();
        let number = engine.recipient(recipient).ok_or_else(|| Error::Unknown { kind: "recipient", name: recipient.to_owned() })?;
        let Some(log) = engine.logs.get(number as usize) else { return Ok(0) };
        let sent: std::collections::HashSet<u32> = {
            let log = lock(log);
            let sent = |p: u32| log.sent.get(p) || log.redacted.contains_key(&p);
            log.entries.iter().enumerate().filter(|(p, _)| u32::try_from(*p).is_ok_and(sent)).map(|(_, e)| e.row).collect()
        };
        knowing(&engine, Some(reader), now_us, |known| {
            let held = AsOf::known_to(&engine.columns, known);
            let cache = polder_release::LabelCache::default();
            let Some(judge) = Judge::new(&held, &engine.policy, number, now_us, engine.epoch, &cache) else { return Ok(0) };
            let unsent = |r: &u32| engine.columns.row(*r).is_some_and(Row::is_live) && !sent.contains(r) && known.is_none_or(|k| k.holds(*r));
            Ok((0..engine.columns.len()).filter(unsent).filter(|r| judge.judge(*r).permits()).count())
        })
    }

    /// What the decision says to a recipient of every live row that the reader may hold, as far as it may know.
    ///
    /// # Errors
    /// As [`Store::page`].
    pub fn verdicts_known(&self, recipient: &str, reader: &str) -> Result<Vec<Judgement>, Error> {
        let (engine, now_us) = self.moment();
        let number = engine.recipient(recipient).ok_or_else(|| Error::Unknown { kind: "recipient", name: recipient.to_owned() })?;
        knowing(&engine, Some(reader), now_us, |known| {
            let held = AsOf::known_to(&engine.columns, known);
            let cache = polder_release::LabelCache::default();
            let Some(judge) = Judge::new(&held, &engine.policy, number, now_us, engine.epoch, &cache) else { return Ok(Vec::new()) };
            let meant = |r: &u32| engine.columns.row(*r).is_some_and(Row::is_live) && known.is_none_or(|k| k.holds(*r));
            Ok((0..engine.columns.len()).filter(meant).map(|n| judge.judge(n)).collect())
        })
    }

    /// The rows of an object, removed ones too, that a reader may not hold.
    pub(crate) fn hidden_rows(&self, ids: &[Id], reader: &str) -> Result<Vec<u32>, Error> {
        let (engine, now_us) = self.moment();
        knowing(&engine, Some(reader), now_us, |known| {
            let objects = ids.iter().filter_map(|id| engine.columns.find_object(id.as_ref()));
            Ok(objects.flat_map(|o| engine.columns.rows_of(o)).filter(|r| known.is_some_and(|k| !k.holds(*r))).collect())
        })
    }

    /// Rows in a recipient's view now.
    ///
    /// # Errors
    /// As [`Store::page`].
    pub fn view_size(&self, recipient: &str) -> Result<usize, Error> {
        self.select(recipient, &crate::Query { limit: Some(0), ..crate::Query::default() })?;
        let engine = self.engine();
        let number = engine.recipient(recipient).unwrap_or(u32::MAX);
        Ok(engine.logs.get(number as usize).map_or(0, |l| lock(l).in_view()))
    }
}

/// With what one reader may know, or with all of it.
pub(crate) fn knowing<T>(engine: &Engine, reader: Option<&str>, now_us: i64, use_it: impl FnOnce(Option<&Known<'_>>) -> Result<T, Error>) -> Result<T, Error> {
    let Some(reader) = reader else { return use_it(None) };
    let unknown = || Error::Unknown { kind: "recipient", name: reader.to_owned() };
    let held = AsOf::now(&engine.columns);
    let cache = polder_release::LabelCache::default();
    let number = engine.recipient(reader).ok_or_else(unknown)?;
    let judge = Judge::new(&held, &engine.policy, number, now_us, engine.epoch, &cache).ok_or_else(unknown)?;
    use_it(Some(&Known::new(judge)))
}

/// What the decision says in any state, as in one that is only tried, to a recipient of a policy, by number.
pub(crate) fn explained_in(engine: &Engine, id: &Id, (policy, number): (&Policy, u32), now_us: i64, known: Option<&Known<'_>>) -> Vec<Explained> {
    let recipient = usize::try_from(number).ok().and_then(|n| policy.recipients.get(n));
    let (Some(object), Some(recipient)) = (engine.columns.find_object(id.as_ref()), recipient) else { return Vec::new() };
    let held = AsOf::known_to(&engine.columns, known);
    let cache = polder_release::LabelCache::default();
    let Some(judge) = Judge::new(&held, policy, number, now_us, engine.epoch, &cache) else { return Vec::new() };
    let rows = engine.columns.live_rows_of(object).filter(|r| known.is_none_or(|k| k.holds(*r)));
    rows.filter_map(|row| explained(engine, &judge, row, &recipient.id)).collect()
}

fn view(engine: &Engine, number: u32) -> Option<RowView> {
    let row = engine.columns.row(number)?;
    Some(RowView {
        row: number,
        id: engine.columns.id(row.object),
        version: row.version(),
        source: engine.columns.sources.get(usize::from(row.source)).map(|s| s.name.clone()).unwrap_or_default(),
        origin: engine.columns.sources.get(usize::from(row.source)).map_or(Origin::Feed, |s| s.origin.clone()),
        label: engine.columns.label_of_row(number).cloned().unwrap_or(Label::Top),
        markings: engine.columns.set(row.set).to_vec(),
        lifted: row.is_lifted(),
        bytes: row.body_bytes,
        granular: engine.columns.granular_of(number).iter().map(|m| (m.marking.clone(), m.selectors.clone())).collect(),
    })
}

fn explained(engine: &Engine, judge: &Judge<'_, AsOf<'_>>, row: u32, recipient: &str) -> Option<Explained> {
    let judgement = judge.judge(row);
    let removed_references = judgement.removal.targets.iter().map(|t| engine.columns.id(*t)).collect();
    let marks = engine.columns.granular_of(row);
    let removed_for = judgement.removal.granular.iter().filter_map(|n| marks.get(*n as usize)).map(|m| m.marking.clone()).collect();
    Some(Explained { row: view(engine, row)?, recipient: recipient.into(), judgement, removed_references, removed_for })
}

/// What was sent of these entries of a log. Whether a recipient may still have it is told as far as it may be known: the log itself follows all there is.
fn sharings(
    engine: &Engine,
    log: &crate::viewlog::ViewLog,
    positions: &[usize],
    (number, recipient): (u32, &str),
    (known, now_us): (Option<&Known<'_>>, i64),
) -> Vec<Sharing> {
    let held = AsOf::known_to(&engine.columns, known);
    let cache = polder_release::LabelCache::default();
    let judge = known.and_then(|_| Judge::new(&held, &engine.policy, number, now_us, engine.epoch, &cache));
    let in_view = |row: u32| match &judge {
        Some(judge) => engine.columns.row(row).is_some_and(Row::is_live) && judge.judge(row).permits(),
        None => log.position(row).is_some(),
    };
    positions.iter().filter_map(|p| sharing(engine, log, *p, recipient, &in_view)).collect()
}

fn sharing(engine: &Engine, log: &crate::viewlog::ViewLog, position: usize, recipient: &str, in_view: &dyn Fn(u32) -> bool) -> Option<Sharing> {
    let entry = log.entries.get(position)?;
    let number = u32::try_from(position).ok()?;
    let what = match (log.redacted.get(&number), log.sent.get(number), log.listed.get(number)) {
        (Some(digest), _, _) => Mark::Redacted(*digest),
        (None, true, _) => Mark::Full,
        (None, false, true) => Mark::Listed,
        (None, false, false) => return None,
    };
    let row = engine.columns.row(entry.row)?;
    let source = engine.columns.sources.get(usize::from(row.source)).map(|s| s.name.clone()).unwrap_or_default();
    let (id, version) = (engine.columns.id(row.object), row.version());
    Some(Sharing { recipient: recipient.into(), id, version, source, what, in_view: in_view(entry.row), position: number })
}
