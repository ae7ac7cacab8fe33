//! What the decision needs of every row, in memory: a few dozen bytes per row, rebuilt at start from the rows on disk.
//!
//! INVARIANT (as of): what is asked with a horizon answers as if rows from that number on had not arrived.
//! Labels are derived here from marking sets, definitions, defaults and overlays; none is stored.

mod labels;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;
use polder_release::{Alliance, Audience, DefaultLabel, Granular, Held, Judge, Label, Level, Meaning, Origin, Principal, RawGranular, RowFacts, Verdict};
use polder_stix::time::Version;
use polder_stix::{Id, IdRef, RefKind};
use serde_json::Value;

use crate::engine::Tightening;

/// No row, no reference.
const NONE: u32 = u32::MAX;
/// Stands for every source but the holder's own, those that come later too.
pub(crate) const ELSEWHERE: u16 = u16::MAX;
const DEAD: u8 = 1;
const VERSIONED: u8 = 2;
const LIFTED: u8 = 4;
/// Not what was written: nobody may hold it, and it tightens every copy of its object from its source.
const DAMAGED: u8 = 8;

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) object: u32,
    next: u32,
    label: u32,
    pub(crate) set: u32,
    pub(crate) source: u16,
    decimals: u8,
    flags: u8,
    ns: i64,
    pub(crate) commit: u32,
    pub(crate) body: u32,
    pub(crate) body_bytes: u32,
    pub(crate) sha32: u32,
}

/// A commit: its rows appear together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    pub(crate) stamp_us: i64,
    pub(crate) rows_end: u32,
}

impl Row {
    pub(crate) fn version(&self) -> Option<Version> {
        (self.flags & VERSIONED != 0).then(|| Version::from_parts(self.ns, self.decimals))
    }

    pub(crate) fn is_live(&self) -> bool {
        self.flags & DEAD == 0
    }

    pub(crate) fn is_lifted(&self) -> bool {
        self.flags & LIFTED != 0
    }
}

#[derive(Debug, Clone)]
struct Object {
    uuid: u128,
    kind: u16,
    first: u32,
    last: u32,
    referrers: u32,
}

/// A source of copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, as in `--source NAME`.
    pub name: Box<str>,
    /// Who introduced what comes from it.
    pub origin: Origin,
    /// What its unmarked rows are taken to be marked with.
    pub default: DefaultLabel,
}

#[derive(Debug, Clone)]
pub(crate) struct GranularColumn {
    pub(crate) marking: Id,
    pub(crate) whole: bool,
    pub(crate) selectors: Box<[Box<str>]>,
    label: u32,
}

/// What a new row brings.
#[derive(Debug)]
pub(crate) struct NewRow {
    pub(crate) object: u32,
    pub(crate) source: u16,
    pub(crate) set: u32,
    pub(crate) version: Option<Version>,
    pub(crate) lifted: bool,
    pub(crate) commit: u32,
    pub(crate) body: u32,
    pub(crate) body_bytes: u32,
    pub(crate) sha32: u32,
    pub(crate) references: Vec<(u32, RefKind)>,
    pub(crate) outline: Option<Value>,
    pub(crate) meaning: Option<Meaning>,
}

impl GranularColumn {
    pub(crate) fn new(mark: RawGranular) -> Self {
        Self { marking: mark.marking, whole: mark.whole, selectors: mark.selectors, label: NONE }
    }
}

/// The columns.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    alliance: Alliance,
    kinds: Vec<Box<str>>,
    kind_numbers: HashMap<Box<str>, u16>,
    objects: Vec<Object>,
    object_numbers: HashTable<u32>,
    rows: Vec<Row>,
    reference_ends: Vec<u32>,
    references: Vec<(u32, RefKind)>,
    reference_rows: Vec<u32>,
    next_referrer: Vec<u32>,
    sets: Vec<Box<[Id]>>,
    set_numbers: HashMap<Box<[Id]>, u32>,
    pub(crate) sources: Vec<Source>,
    labels: Vec<(Label, Origin)>,
    label_numbers: HashMap<(Label, Origin), u32>,
    label_of: HashMap<(u32, u16), u32>,
    labels_of_source: HashMap<u16, BTreeSet<u32>>,
    effective: HashMap<u32, Vec<(u32, u32)>>,
    granular: HashMap<u32, Vec<GranularColumn>>,
    /// Objects with a row in `granular`, so that all others pass without a look at their rows.
    granular_objects: HashSet<u32>,
    outlines: HashMap<u32, Value>,
    meanings: HashMap<u32, Meaning>,
    overlays: HashMap<(u32, u16), DefaultLabel>,
    pinned: HashMap<Id, Meaning>,
    grants: HashMap<(u32, u32), Vec<Id>>,
    windowed: Vec<u32>,
    dead: Vec<u32>,
    pub(crate) commits: Vec<Commit>,
    /// Rows that a rehearsal does as if they were not there, since its reader may not hold them.
    pub(crate) hidden: HashSet<u32>,
}

fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(NONE)
}

impl Columns {
    pub(crate) fn new(alliance: Alliance) -> Self {
        Self {
            alliance,
            kinds: Vec::new(),
            kind_numbers: HashMap::new(),
            objects: Vec::new(),
            object_numbers: HashTable::new(),
            rows: Vec::new(),
            reference_ends: Vec::new(),
            references: Vec::new(),
            reference_rows: Vec::new(),
            next_referrer: Vec::new(),
            sets: Vec::new(),
            set_numbers: HashMap::new(),
            sources: Vec::new(),
            labels: Vec::new(),
            label_numbers: HashMap::new(),
            label_of: HashMap::new(),
            labels_of_source: HashMap::new(),
            effective: HashMap::new(),
            granular: HashMap::new(),
            granular_objects: HashSet::new(),
            outlines: HashMap::new(),
            meanings: HashMap::new(),
            overlays: HashMap::new(),
            pinned: HashMap::new(),
            grants: HashMap::new(),
            windowed: Vec::new(),
            dead: Vec::new(),
            commits: Vec::new(),
            hidden: HashSet::new(),
        }
    }

    // ---- numbers for names ----

    pub(crate) fn kind_number(&mut self, kind: &str) -> (u16, bool) {
        if let Some(known) = self.kind_numbers.get(kind) {
            return (*known, false);
        }
        let new = u16::try_from(self.kinds.len()).unwrap_or(u16::MAX);
        self.kinds.push(kind.into());
        self.kind_numbers.insert(kind.into(), new);
        (new, true)
    }

    pub(crate) fn kind_known(&self, kind: &str) -> Option<u16> {
        self.kind_numbers.get(kind).copied()
    }

    /// Every object of that UUID of which there is a row, whatever its type.
    pub(crate) fn namesakes(&self, uuid: u128) -> Vec<Id> {
        let held = |object: &u32| self.rows_of(*object).next().is_some();
        let of = |kind: &str| self.find_object(IdRef { kind, uuid }).filter(held).map(|_| Id { kind: kind.into(), uuid });
        self.kinds.iter().filter_map(|kind| of(kind)).collect()
    }

    pub(crate) fn kinds(&self) -> usize {
        self.kinds.len()
    }

    fn hash(kind: u16, uuid: u128) -> u64 {
        // The UUID is an attacker's choice, so the hash is keyed per process.
        use std::hash::{BuildHasher, RandomState};
        use std::sync::LazyLock;
        static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        STATE.hash_one((kind, uuid))
    }

    pub(crate) fn object_number(&mut self, kind: u16, uuid: u128) -> (u32, bool) {
        let objects = &self.objects;
        let same = |n: &u32| objects.get(at(*n)).is_some_and(|o| o.uuid == uuid && o.kind == kind);
        let rehash = |n: &u32| objects.get(at(*n)).map_or(0, |o| Self::hash(o.kind, o.uuid));
        match self.object_numbers.entry(Self::hash(kind, uuid), same, rehash) {
            TableEntry::Occupied(known) => (*known.get(), false),
            TableEntry::Vacant(vacant) => {
                let new = number(self.objects.len());
                vacant.insert(new);
                self.objects.push(Object { uuid, kind, first: NONE, last: NONE, referrers: NONE });
                (new, true)
            }
        }
    }

    pub(crate) fn find_object(&self, id: IdRef<'_>) -> Option<u32> {
        let kind = self.kind_known(id.kind)?;
        let same = |n: &u32| self.objects.get(at(*n)).is_some_and(|o| o.uuid == id.uuid && o.kind == kind);
        self.object_numbers.find(Self::hash(kind, id.uuid), same).copied()
    }

    pub(crate) fn id(&self, object: u32) -> Id {
        let (kind, uuid) = self.objects.get(at(object)).map_or((u16::MAX, 0), |o| (o.kind, o.uuid));
        Id { kind: self.kinds.get(usize::from(kind)).cloned().unwrap_or_default(), uuid }
    }

    pub(crate) fn object_kind(&self, object: u32) -> u16 {
        self.objects.get(at(object)).map_or(u16::MAX, |o| o.kind)
    }

    pub(crate) fn set_number(&mut self, set: &[Id]) -> (u32, bool) {
        if let Some(known) = self.set_numbers.get(set) {
            return (*known, false);
        }
        let new = number(self.sets.len());
        self.sets.push(set.into());
        self.set_numbers.insert(set.into(), new);
        (new, true)
    }

    pub(crate) fn set(&self, set: u32) -> &[Id] {
        self.sets.get(at(set)).map(|s| &**s).unwrap_or_default()
    }

    // ---- rows ----

    pub(crate) fn len(&self) -> u32 {
        number(self.rows.len())
    }

    pub(crate) fn row(&self, row: u32) -> Option<&Row> {
        self.rows.get(at(row))
    }

    /// Bodies of live rows, each once.
    pub(crate) fn live_bodies(&self) -> BTreeSet<u32> {
        self.rows.iter().filter(|r| r.is_live()).map(|r| r.body).collect()
    }

    /// Rows of an object in order of arrival, dead ones too.
    pub(crate) fn rows_of(&self, object: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.objects.get(at(object)).map_or(NONE, |o| o.first);
        let all = std::iter::successors((first != NONE).then_some(first), |row| self.rows.get(at(*row)).map(|r| r.next).filter(|n| *n != NONE));
        all.filter(|row| self.hidden.is_empty() || !self.hidden.contains(row))
    }

    pub(crate) fn live_rows_of(&self, object: u32) -> impl Iterator<Item = u32> + '_ {
        self.rows_of(object).filter(|r| self.rows.get(at(*r)).is_some_and(Row::is_live))
    }

    /// Rows that refer to an object, newest first, dead ones too.
    pub(crate) fn referrers(&self, object: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.objects.get(at(object)).map_or(NONE, |o| o.referrers);
        std::iter::successors((first != NONE).then_some(first), |r| self.next_referrer.get(at(*r)).copied().filter(|n| *n != NONE))
            .filter_map(|r| self.reference_rows.get(at(r)).copied())
    }

    pub(crate) fn has_referrers(&self, object: u32) -> bool {
        self.objects.get(at(object)).is_some_and(|o| o.referrers != NONE)
    }

    /// Adds a row without a label; the rows of a commit are labelled once all of them, and so its definitions, are here.
    pub(crate) fn push(&mut self, new: NewRow) -> u32 {
        let row = self.len();
        let (ns, decimals) = new.version.map_or((0, 0), |v| (v.ns(), v.decimals()));
        let flags = if new.version.is_some() { VERSIONED } else { 0 } | if new.lifted { LIFTED } else { 0 };
        self.rows.push(Row {
            object: new.object,
            next: NONE,
            label: NONE,
            set: new.set,
            source: new.source,
            decimals,
            flags,
            ns,
            commit: new.commit,
            body: new.body,
            body_bytes: new.body_bytes,
            sha32: new.sha32,
        });
        let last = self.objects.get(at(new.object)).map_or(NONE, |o| o.last);
        if let Some(previous) = self.rows.get_mut(at(last)) {
            previous.next = row;
        }
        if let Some(object) = self.objects.get_mut(at(new.object)) {
            object.last = row;
            if object.first == NONE {
                object.first = row;
            }
        }
        for (target, kind) in new.references {
            let reference = number(self.references.len());
            let head = self.objects.get_mut(at(target)).map_or(NONE, |o| std::mem::replace(&mut o.referrers, reference));
            self.references.push((target, kind));
            self.reference_rows.push(row);
            self.next_referrer.push(head);
        }
        self.reference_ends.push(number(self.references.len()));
        if let Some(outline) = new.outline {
            let marks = crate::ingest::granular_columns(&outline);
            if !marks.is_empty() {
                self.granular.insert(row, marks);
                self.granular_objects.insert(new.object);
            }
            self.outlines.insert(row, outline);
        }
        if let Some(meaning) = new.meaning {
            self.meanings.insert(row, meaning);
        }
        row
    }

    pub(crate) fn kill(&mut self, row: u32) {
        if let Some(here) = self.rows.get_mut(at(row)).filter(|r| r.is_live()) {
            here.flags |= DEAD;
            self.dead.push(row);
        }
        if let Some(meaning) = self.meanings.get_mut(&row) {
            *meaning = crate::ingest::unreadable();
        }
    }

    /// Removed rows.
    pub(crate) fn dead(&self) -> &[u32] {
        &self.dead
    }

    pub(crate) fn mark_damaged(&mut self, row: u32) {
        if let Some(row) = self.rows.get_mut(at(row)) {
            row.flags |= DAMAGED;
        }
    }

    fn is_damaged(&self, row: u32) -> bool {
        self.row(row).is_some_and(|r| r.flags & DAMAGED != 0)
    }

    pub(crate) fn set_alliance(&mut self, alliance: Alliance) {
        self.alliance = alliance;
    }

    pub(crate) fn tighten(&mut self, object: u32, source: u16, to: Tightening) {
        let slot = self.overlays.entry((object, source)).or_default();
        match to {
            Tightening::Level(level) => slot.level = slot.level.max(Some(level)),
            Tightening::House => slot.audience.0.extend(Audience::of([Principal::Member(self.alliance.holder.clone())]).0),
        }
    }

    pub(crate) fn lift(&mut self, object: u32, source: u16, left: Option<Level>) {
        self.overlays.remove(&(object, source));
        if let Some(level) = left {
            self.tighten(object, source, Tightening::Level(level));
        }
    }

    /// What people tightened the copies of a source to: those, and all that are not the holder's own.
    pub(crate) fn overlay_of(&self, object: u32, source: u16) -> Option<DefaultLabel> {
        let is_own = self.sources.get(usize::from(source)).is_some_and(|s| s.origin == Origin::Own);
        let named = self.overlays.get(&(object, source));
        let elsewhere = (!is_own).then(|| self.overlays.get(&(object, ELSEWHERE))).flatten();
        let mut all = named.into_iter().chain(elsewhere).cloned();
        let first = all.next()?;
        Some(all.fold(first, |mut joined, more| {
            joined.level = joined.level.max(more.level);
            joined.audience.0.extend(more.audience.0);
            joined
        }))
    }

    /// What people tightened an object to, by source.
    pub(crate) fn tightened(&self, object: u32) -> impl Iterator<Item = (u16, DefaultLabel)> {
        (0..=u16::MAX).take(self.sources.len()).filter_map(move |source| Some((source, self.overlay_of(object, source)?)))
    }

    pub(crate) fn is_tightened_elsewhere(&self, object: u32) -> bool {
        self.overlays.contains_key(&(object, ELSEWHERE))
    }

    pub(crate) fn pin(&mut self, id: Id, meaning: Meaning) {
        self.pinned.insert(id, meaning);
    }

    pub(crate) fn grant(&mut self, row: u32, recipient: u32, ids: Vec<Id>) {
        self.grants.entry((row, recipient)).or_default().extend(ids);
    }

    /// Has a person said yes or no to this row for this recipient?
    pub(crate) fn is_answered(&self, row: u32, recipient: u32) -> bool {
        self.grants.contains_key(&(row, recipient))
    }

    /// The opaque ids of the row's effective label.
    pub(crate) fn opaque_of(&self, row: u32) -> Vec<Id> {
        let label = self.effective_label(row, NONE);
        self.labels.get(at(label)).and_then(|(l, _)| l.terms()).map(|t| t.opaque.iter().cloned().collect()).unwrap_or_default()
    }

    /// The effective label of a row now.
    pub(crate) fn label_of_row(&self, row: u32) -> Option<&Label> {
        self.labels.get(at(self.effective_label(row, NONE))).map(|(l, _)| l)
    }

    pub(crate) fn granular_of(&self, row: u32) -> &[GranularColumn] {
        self.granular.get(&row).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The columns as of a horizon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsOf<'c> {
    pub(crate) columns: &'c Columns,
    pub(crate) horizon: u32,
    /// Whose knowledge it is, if it is not all of it.
    known: Option<&'c Known<'c>>,
}

impl<'c> AsOf<'c> {
    pub(crate) fn new(columns: &'c Columns, horizon: u32) -> Self {
        Self { columns, horizon, known: None }
    }

    pub(crate) fn now(columns: &'c Columns) -> Self {
        Self::new(columns, columns.len())
    }

    /// The same as far as somebody may know of it.
    pub(crate) fn known_to(columns: &'c Columns, known: Option<&'c Known<'c>>) -> Self {
        Self { known, ..Self::now(columns) }
    }

    fn knows(&self, row: u32) -> bool {
        self.known.is_none_or(|known| known.holds(row))
    }

    fn next_known(&self, mut row: u32) -> Option<u32> {
        while row < self.horizon {
            if self.knows(row) && !self.columns.hidden.contains(&row) {
                return Some(row);
            }
            row = self.columns.row(row).map_or(NONE, |r| r.next);
        }
        None
    }
}

/// Which rows one reader may hold, asked row by row; removed ones are answered as if they still stood, since what they withheld stays withheld.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    judge: Judge<'a, AsOf<'a>>,
    /// Rows from here on are only tried, by the reader itself.
    end: u32,
    answers: RefCell<HashMap<u32, bool>>,
}

impl<'a> Known<'a> {
    pub(crate) fn new(judge: Judge<'a, AsOf<'a>>) -> Self {
        let end = judge.held().horizon;
        Self { judge, end, answers: RefCell::default() }
    }

    /// May the reader hold all of it?
    pub(crate) fn holds_whole(&self, row: u32) -> bool {
        row >= self.end || self.judge.judge(row).verdict == Verdict::Release
    }

    pub(crate) fn holds(&self, row: u32) -> bool {
        if row >= self.end {
            return true;
        }
        if let Some(answer) = self.answers.borrow().get(&row) {
            return *answer;
        }
        let answer = self.judge.judge(row).permits();
        self.answers.borrow_mut().insert(row, answer);
        answer
    }
}

impl Held for AsOf<'_> {
    fn facts(&self, row: u32) -> RowFacts {
        let label = self.columns.effective_label(row, self.horizon);
        let (object, source) = self.columns.row(row).map_or((NONE, u16::MAX), |r| (r.object, r.source));
        let own = self.columns.sources.get(usize::from(source)).is_some_and(|s| s.origin == Origin::Own);
        RowFacts { object, source: u32::from(source), label, own }
    }

    fn object_type(&self, object: u32) -> &str {
        let kind = self.columns.object_kind(object);
        self.columns.kinds.get(usize::from(kind)).map_or("", |k| k)
    }

    fn first_row(&self, object: u32) -> Option<u32> {
        self.next_known(self.columns.objects.get(at(object)).map_or(NONE, |o| o.first))
    }

    fn next_row(&self, row: u32) -> Option<u32> {
        self.next_known(self.columns.row(row).map_or(NONE, |r| r.next))
    }

    fn references(&self, row: u32) -> &[(u32, RefKind)] {
        let end = self.columns.reference_ends.get(at(row)).copied().unwrap_or(0);
        let start = row.checked_sub(1).and_then(|r| self.columns.reference_ends.get(at(r)).copied()).unwrap_or(0);
        self.columns.references.get(at(start)..at(end)).unwrap_or_default()
    }

    fn granular(&self, row: u32) -> Vec<Granular<'_>> {
        let marks = self.columns.granular_of(row).iter();
        marks.map(|g| Granular { label: g.label, whole: g.whole, selectors: &g.selectors }).collect()
    }

    fn tighteners(&self, row: u32) -> Vec<u32> {
        let columns = self.columns;
        let Some(here) = columns.row(row).filter(|r| columns.granular_objects.contains(&r.object)) else { return Vec::new() };
        let others = columns.rows_of(here.object).take_while(|r| *r < self.horizon).filter(|r| self.knows(*r));
        let tightening = others.filter(|r| *r != row && columns.granular.contains_key(r) && columns.tightens(*r, row));
        tightening.take(polder_release::limits::TIGHTENERS_MAX + 1).collect()
    }

    fn outline(&self, row: u32) -> Option<&Value> {
        self.columns.outlines.get(&row)
    }

    fn id(&self, object: u32) -> Id {
        self.columns.id(object)
    }

    fn label(&self, label: u32) -> (&Label, &Origin) {
        static TOP: (Label, Origin) = (Label::Top, Origin::Feed);
        let (label, origin) = self.columns.labels.get(at(label)).unwrap_or(&TOP);
        (label, origin)
    }

    fn granted(&self, row: u32, recipient: u32) -> Option<&[Id]> {
        let live = self.columns.row(row).is_some_and(Row::is_live);
        self.columns.grants.get(&(row, recipient)).filter(|_| live).map(Vec::as_slice)
    }
}
