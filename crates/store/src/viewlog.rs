//! The view log of one recipient: the ordered history of what entered and left its view.
//!
//! INVARIANT (exact history): a log extended late is the log that would have been had it been extended after every commit. Commits are
//! processed one by one as of their horizon; whatever changes decisions about rows already there first brings every log up to date.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use polder_release::{Held as _, Judge, LabelCache, Policy};
use polder_stix::time::Version;

use crate::columns::{AsOf, Columns};

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) date_us: i64,
    pub(crate) row: u32,
    pub(crate) gone: bool,
}

/// An entry as it is kept on disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) entry: LogEntry,
    /// Of what is removed; zero if that is nothing.
    pub(crate) fingerprint: u64,
    /// What took it out.
    pub(crate) left: Option<Gone>,
    /// The act that began with it.
    pub(crate) begins: Option<u32>,
}

/// What took an entry out of the view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    /// The number of the act.
    pub(crate) act: u32,
    /// The reader had been sent the entry by then, or something that it refers to, and could notice.
    pub(crate) noticed: bool,
}

/// A set of numbers, one bit each.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn get(&self, n: u32) -> bool {
        let (word, bit) = (n / 64, n % 64);
        self.0.get(word as usize).is_some_and(|w| w >> bit & 1 == 1)
    }

    pub(crate) fn set(&mut self, n: u32, on: bool) {
        let (word, bit) = ((n / 64) as usize, n % 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(w) = self.0.get_mut(word) {
            *w = if on { *w | 1 << bit } else { *w & !(1 << bit) };
        }
    }
}

const PAGE_ROWS: usize = 1024;

/// Positions by row: four bytes a row where most rows are in view, next to nothing where few are.
#[derive(Debug, Default)]
struct Positions {
    pages: Vec<Box<[u32]>>,
    count: usize,
}

impl Positions {
    fn place(row: u32) -> (usize, usize) {
        let row = row as usize;
        (row / PAGE_ROWS, row % PAGE_ROWS)
    }

    fn get(&self, row: u32) -> Option<u32> {
        let (page, at) = Self::place(row);
        self.pages.get(page)?.get(at).copied().filter(|p| *p != u32::MAX)
    }

    fn insert(&mut self, row: u32, position: u32) {
        let (page, at) = Self::place(row);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, Box::default);
        }
        let Some(page) = self.pages.get_mut(page) else { return };
        if page.is_empty() {
            *page = vec![u32::MAX; PAGE_ROWS].into();
        }
        if let Some(slot) = page.get_mut(at) {
            self.count += usize::from(*slot == u32::MAX);
            *slot = position;
        }
    }

    fn remove(&mut self, row: u32) {
        let (page, at) = Self::place(row);
        if let Some(slot) = self.pages.get_mut(page).and_then(|p| p.get_mut(at)) {
            self.count -= usize::from(*slot != u32::MAX);
            *slot = u32::MAX;
        }
    }
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct ViewLog {
    pub(crate) entries: Vec<LogEntry>,
    pub(crate) fingerprints: HashMap<u32, u64>,
    positions: Positions,
    /// What took each gone entry out, by row and position.
    left: BTreeMap<(u32, u32), Gone>,
    /// The first position of each act that entered something, and the act's number: what a commit, a decision or a window changed at once.
    acts: Vec<(u32, u32)>,
    last_act: u32,
    holdable: Bits,
    pub(crate) last_date_us: i64,
    /// Nothing is dated earlier.
    pub(crate) floor_us: i64,
    pub(crate) commits_done: u32,
    pub(crate) windows_done_us: i64,
    pub(crate) cache: LabelCache,
    pub(crate) listed: Bits,
    pub(crate) sent: Bits,
    pub(crate) redacted: HashMap<u32, [u8; 32]>,
    /// Chunks changed since they were last written.
    pub(crate) dirty_chunks: BTreeSet<u32>,
}

/// What the logs read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) columns: &'a Columns,
    pub(crate) policy: &'a Policy,
    pub(crate) epoch: u64,
}

impl ViewLog {
    /// An empty log of a recipient that begins now.
    pub(crate) fn starting(stamp_us: i64, commits_done: u32) -> Self {
        Self { floor_us: stamp_us, last_date_us: stamp_us.saturating_sub(1), windows_done_us: stamp_us, commits_done, ..Self::default() }
    }

    /// Position of the row's entry, if it is in the view.
    pub(crate) fn position(&self, row: u32) -> Option<u32> {
        self.positions.get(row)
    }

    /// How often something entered or left.
    pub(crate) fn moves(&self) -> u64 {
        let entered = self.entries.len();
        let left = entered.saturating_sub(self.positions.count);
        u64::try_from(entered.saturating_add(left)).unwrap_or(u64::MAX)
    }

    /// Rows in view.
    pub(crate) fn in_view(&self) -> usize {
        self.positions.count
    }

    /// Positions that a row had before it was taken out of the view, with what did it; oldest first.
    pub(crate) fn left(&self, row: u32) -> impl Iterator<Item = (u32, Gone)> + '_ {
        self.left.range((row, 0)..=(row, u32::MAX)).map(|((_, position), gone)| (*position, *gone))
    }

    /// Was the reader ever sent a row of an object?
    fn was_sent(&self, columns: &Columns, object: u32) -> bool {
        let positions = |row| self.left(row).map(|(position, _)| position).chain(self.position(row));
        columns.rows_of(object).flat_map(positions).any(|position| self.sent.get(position))
    }

    /// What took out what was at a position, if something did.
    pub(crate) fn left_at(&self, row: u32, position: u32) -> Option<Gone> {
        self.left.get(&(row, position)).copied()
    }

    /// Rows that were ever taken out of the view.
    pub(crate) fn all_left(&self) -> impl Iterator<Item = u32> + '_ {
        let mut last = None;
        self.left.keys().map(|(row, _)| *row).filter(move |row| last.replace(*row) != Some(*row))
    }

    /// The act that entered what is at a position.
    pub(crate) fn act_at(&self, position: u32) -> u32 {
        let after = self.acts.partition_point(|(start, _)| *start <= position);
        after.checked_sub(1).and_then(|n| self.acts.get(n)).map_or(0, |(_, act)| *act)
    }

    /// The act that began with what is at a position, if one did.
    pub(crate) fn act_begins(&self, position: u32) -> Option<u32> {
        self.acts.binary_search_by_key(&position, |(start, _)| *start).ok().and_then(|n| self.acts.get(n)).map(|(_, act)| *act)
    }

    pub(crate) fn fingerprint(&self, position: u32) -> u64 {
        self.fingerprints.get(&position).copied().unwrap_or(0)
    }

    pub(crate) fn is_current(&self, ground: &Ground<'_>, now_us: i64) -> bool {
        self.commits_done as usize == ground.columns.commits.len() && next_edge(ground, self.windows_done_us, now_us).is_none()
    }

    /// Brings the log up to the last commit and to the windows that have opened or closed by now.
    pub(crate) fn extend(&mut self, ground: &Ground<'_>, recipient: u32, now_us: i64) {
        loop {
            let commit = ground.columns.commits.get(self.commits_done as usize).copied();
            let until = commit.map_or(now_us, |c| c.stamp_us.min(now_us));
            if let Some((edge_us, labels)) = next_edge(ground, self.windows_done_us, until) {
                let horizon = self.horizon(ground);
                let dirty = labels.iter().flat_map(|l| ground.columns.objects_with_label(*l, horizon)).collect();
                self.process(ground, recipient, dirty, (horizon, horizon), edge_us, true);
                self.windows_done_us = edge_us;
                continue;
            }
            let Some(commit) = commit else {
                self.windows_done_us = self.windows_done_us.max(now_us);
                return;
            };
            let start = self.horizon(ground);
            let dirty = (start..commit.rows_end).filter_map(|r| ground.columns.row(r).map(|x| x.object)).collect();
            self.commits_done += 1;
            self.windows_done_us = self.windows_done_us.max(commit.stamp_us);
            self.process(ground, recipient, dirty, (start, commit.rows_end), commit.stamp_us, false);
        }
    }

    /// Rows below this number have been looked at.
    fn horizon(&self, ground: &Ground<'_>) -> u32 {
        self.commits_done.checked_sub(1).and_then(|c| ground.columns.commits.get(c as usize)).map_or(0, |c| c.rows_end)
    }

    /// Processes the last commit together with objects it relabelled. The log must have been brought up to the commit before.
    pub(crate) fn advance(&mut self, ground: &Ground<'_>, recipient: u32, relabelled: &[u32], first: u32, stamp_us: i64) {
        let end = ground.columns.len();
        let mut dirty: BTreeSet<u32> = relabelled.iter().copied().collect();
        dirty.extend((first..end).filter_map(|r| ground.columns.row(r).map(|x| x.object)));
        self.commits_done += 1;
        self.process(ground, recipient, dirty.into_iter().collect(), (first, end), stamp_us, true);
    }

    /// Looks again at these objects after an act. The log must have been brought up to date before the act.
    pub(crate) fn reconsider(&mut self, ground: &Ground<'_>, recipient: u32, dirty: Vec<u32>, stamp_us: i64) {
        let horizon = self.horizon(ground);
        self.process(ground, recipient, dirty, (horizon, horizon), stamp_us, true);
    }

    fn process(&mut self, ground: &Ground<'_>, recipient: u32, dirty: Vec<u32>, (before, horizon): (u32, u32), stamp_us: i64, act: bool) {
        let held = AsOf::new(ground.columns, horizon);
        let cache = std::mem::take(&mut self.cache);
        let Some(judge) = Judge::new(&held, ground.policy, recipient, stamp_us, ground.epoch, &cache) else { return };
        let initial: HashSet<u32> = if act { dirty.iter().copied().collect() } else { HashSet::new() };
        let mut visited = HashSet::with_capacity(dirty.len());
        let mut work = dirty;
        let mut entering: Vec<(u32, u64)> = Vec::new();
        let act_number = self.last_act.saturating_add(1);
        while let Some(object) = work.pop() {
            if !visited.insert(object) {
                continue;
            }
            let referred = ground.columns.has_referrers(object);
            let was = if referred { self.status(ground.columns, object, before) } else { Vec::new() };
            let mut permitted = Vec::new();
            for row in ground.columns.rows_of(object).take_while(|r| *r < horizon) {
                let judgement = judge.judge(row);
                self.holdable.set(row, judgement.permits());
                if judgement.permits() && ground.columns.row(row).is_some_and(crate::columns::Row::is_live) {
                    permitted.push((row, judgement.removal.fingerprint()));
                }
            }
            if referred && (initial.contains(&object) || was != self.status(ground.columns, object, horizon)) {
                let rows = ground.columns.referrers(object).filter(|r| *r < horizon);
                work.extend(rows.filter_map(|r| ground.columns.row(r).map(|x| x.object)));
            }
            self.show(ground.columns, object, &permitted, act_number, &mut entering);
        }
        entering.sort_unstable();
        if !entering.is_empty() {
            self.begin(act_number);
        }
        for (row, fingerprint) in entering {
            self.enter(row, fingerprint, stamp_us);
        }
        self.cache = cache;
    }

    /// Per source: is there a row, and may one be held? What referrers can notice.
    fn status(&self, columns: &Columns, object: u32, horizon: u32) -> Vec<(u16, bool)> {
        let mut sources: Vec<(u16, bool)> = Vec::new();
        for row in columns.rows_of(object).take_while(|r| *r < horizon) {
            let Some(source) = columns.row(row).map(|r| r.source) else { continue };
            let holdable = self.holdable.get(row);
            match sources.iter_mut().find(|(s, _)| *s == source) {
                Some((_, h)) => *h |= holdable,
                None => sources.push((source, holdable)),
            }
        }
        sources.sort_unstable();
        sources
    }

    /// Chooses what is shown of an object, marks gone what no longer is, and collects what enters.
    fn show(&mut self, columns: &Columns, object: u32, permitted: &[(u32, u64)], act: u32, entering: &mut Vec<(u32, u64)>) {
        let shown = self.choose(columns, permitted);
        let leaving: Vec<(u32, u32)> = columns
            .rows_of(object)
            .filter_map(|row| self.position(row).map(|p| (row, p)))
            .filter(|(row, p)| shown.iter().all(|(r, f)| r != row || *f != self.fingerprint(*p)))
            .collect();
        for (row, position) in leaving {
            if let Some(entry) = self.entries.get_mut(position as usize) {
                entry.gone = true;
            }
            self.dirty_chunks.insert(position / chunk_entries());
            self.positions.remove(row);
            let held = AsOf::now(columns);
            let refers = || held.references(row).iter().any(|(object, _)| self.was_sent(columns, *object));
            let noticed = self.sent.get(position) || refers();
            self.take_leave(row, position, Gone { act, noticed });
        }
        entering.extend(shown.into_iter().filter(|(row, _)| self.position(*row).is_none()));
    }

    /// Of several rows with the same version one is shown: authenticated sources before feeds, then what is shown already, then the earliest.
    fn choose(&self, columns: &Columns, permitted: &[(u32, u64)]) -> Vec<(u32, u64)> {
        if permitted.len() < 2 {
            return permitted.to_vec();
        }
        let rank = |row: u32| {
            let source = columns.row(row).map_or(u16::MAX, |r| r.source);
            let feed = columns.sources.get(usize::from(source)).is_none_or(|s| s.origin == polder_release::Origin::Feed);
            (feed, self.position(row).is_none(), row)
        };
        let version = |row: u32| columns.row(row).and_then(crate::columns::Row::version).map(Version::ns);
        let mut ranked: Vec<(u32, u64)> = permitted.to_vec();
        ranked.sort_unstable_by_key(|(row, _)| rank(*row));
        let source = |row: u32| columns.row(row).map(|r| r.source);
        let best_unversioned = ranked.iter().find(|(r, _)| version(*r).is_none()).map(|(r, _)| source(*r));
        let mut seen = HashSet::new();
        let keep = |(row, _): &(u32, u64)| match version(*row) {
            Some(ns) => seen.insert(ns),
            None => best_unversioned == Some(source(*row)),
        };
        ranked.into_iter().filter(keep).collect()
    }

    fn take_leave(&mut self, row: u32, position: u32, gone: Gone) {
        self.last_act = self.last_act.max(gone.act);
        self.left.insert((row, position), gone);
    }

    /// What enters from now on does so by that act.
    fn begin(&mut self, act: u32) {
        self.last_act = self.last_act.max(act);
        self.acts.push((u32::try_from(self.entries.len()).unwrap_or(u32::MAX), act));
    }

    fn enter(&mut self, row: u32, fingerprint: u64, stamp_us: i64) {
        let date_us = stamp_us.max(self.floor_us).max(self.last_date_us.saturating_add(1));
        let position = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.last_date_us = date_us;
        self.entries.push(LogEntry { date_us, row, gone: false });
        self.positions.insert(row, position);
        if fingerprint != 0 {
            self.fingerprints.insert(position, fingerprint);
        }
        self.dirty_chunks.insert(position / chunk_entries());
    }

    /// Puts back entries read from disk, in order.
    pub(crate) fn restore(&mut self, kept: Kept) {
        let Kept { entry, fingerprint, left, begins } = kept;
        let position = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        if let Some(act) = begins {
            self.begin(act);
        }
        if entry.gone {
            self.take_leave(entry.row, position, left.unwrap_or_default());
        } else {
            self.positions.insert(entry.row, position);
        }
        if fingerprint != 0 {
            self.fingerprints.insert(position, fingerprint);
        }
        self.last_date_us = self.last_date_us.max(entry.date_us);
        self.entries.push(entry);
    }

    /// Works out again which rows may be held, after the entries were restored.
    pub(crate) fn restore_holdable(&mut self, ground: &Ground<'_>, recipient: u32) {
        let horizon = self.horizon(ground);
        let held = AsOf::new(ground.columns, horizon);
        let cache = std::mem::take(&mut self.cache);
        if let Some(judge) = Judge::new(&held, ground.policy, recipient, self.windows_done_us, ground.epoch, &cache) {
            for row in 0..horizon {
                self.holdable.set(row, judge.judge(row).permits());
            }
        }
        self.cache = cache;
    }
}

fn chunk_entries() -> u32 {
    u32::try_from(crate::limits::LOG_CHUNK_ENTRIES).unwrap_or(u32::MAX)
}

/// The next moment after `after_us`, up to `until_us`, at which a window opens or closes, with the labels it concerns.
fn next_edge(ground: &Ground<'_>, after_us: i64, until_us: i64) -> Option<(i64, Vec<u32>)> {
    let mut edges: Vec<(i64, u32)> = Vec::new();
    for (label, terms) in ground.columns.windowed_labels() {
        let times = [terms.not_before_us, terms.not_after_us];
        edges.extend(times.into_iter().flatten().filter(|t| *t > after_us && *t <= until_us).map(|t| (t, label)));
    }
    let first = edges.iter().map(|(t, _)| *t).min()?;
    Some((first, edges.into_iter().filter(|(t, _)| *t == first).map(|(_, l)| l).collect()))
}
