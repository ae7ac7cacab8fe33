//! What the decision needs of every row, in memory: a few dozen bytes per row, rebuilt at start from the rows on disk.
//!
//! INVARIANT (as of): what is asked with a horizon answers as if rows from that number on had not arrived.
//! Labels are derived here from marking sets, definitions, defaults and overlays; none is stored.

use std::collections::{BTreeSet, HashMap};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;
use polder_release::{Alliance, DefaultLabel, Definitions, Granular, Held, Label, Meaning, Origin, RowFacts, compile, compile_definition};
use polder_stix::time::Version;
use polder_stix::{Id, IdRef, RefKind};
use serde_json::Value;

/// No row, no reference.
const NONE: u32 = u32::MAX;
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

#[derive(Debug)]
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
    pub(crate) fn new(marking: Id, whole: bool) -> Self {
        Self { marking, whole, label: NONE }
    }
}

/// The columns.
#[derive(Debug)]
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
    outlines: HashMap<u32, Value>,
    meanings: HashMap<u32, Meaning>,
    overlays: HashMap<(u32, u16), DefaultLabel>,
    pinned: HashMap<Id, Meaning>,
    grants: HashMap<(u32, u32), Vec<Id>>,
    windowed: Vec<u32>,
    pub(crate) commits: Vec<Commit>,
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
            outlines: HashMap::new(),
            meanings: HashMap::new(),
            overlays: HashMap::new(),
            pinned: HashMap::new(),
            grants: HashMap::new(),
            windowed: Vec::new(),
            commits: Vec::new(),
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
        std::iter::successors((first != NONE).then_some(first), |row| self.rows.get(at(*row)).map(|r| r.next).filter(|n| *n != NONE))
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

    /// Registers a marking-definition's meaning before the rows of its commit are labelled.
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
            }
            self.outlines.insert(row, outline);
        }
        if let Some(meaning) = new.meaning {
            self.meanings.insert(row, meaning);
        }
        row
    }

    pub(crate) fn kill(&mut self, row: u32) {
        if let Some(row) = self.rows.get_mut(at(row)) {
            row.flags |= DEAD;
        }
    }

    pub(crate) fn mark_damaged(&mut self, row: u32) {
        if let Some(row) = self.rows.get_mut(at(row)) {
            row.flags |= DAMAGED;
        }
    }

    fn is_damaged(&self, row: u32) -> bool {
        self.row(row).is_some_and(|r| r.flags & DAMAGED != 0)
    }

    // ---- labels ----

    fn intern(&mut self, label: Label, origin: &Origin, source: u16) -> u32 {
        let key = (label, origin.clone());
        let found = match self.label_numbers.get(&key) {
            Some(known) => *known,
            None => {
                let new = number(self.labels.len());
                if key.0.terms().is_some_and(|t| t.not_before_us.is_some() || t.not_after_us.is_some()) {
                    self.windowed.push(new);
                }
                self.labels.push(key.clone());
                self.label_numbers.insert(key, new);
                new
            }
        };
        self.labels_of_source.entry(source).or_default().insert(found);
        found
    }

    pub(crate) fn labels_of_source(&self, source: u16) -> usize {
        self.labels_of_source.get(&source).map_or(0, BTreeSet::len)
    }

    pub(crate) fn windowed_labels(&self) -> impl Iterator<Item = (u32, &polder_release::Terms)> {
        self.windowed.iter().filter_map(|n| self.labels.get(at(*n)).and_then(|(label, _)| label.terms()).map(|t| (*n, t)))
    }

    pub(crate) fn label_count(&self) -> usize {
        self.labels.len()
    }

    fn own_label(&mut self, row: u32) -> u32 {
        let Some((object, set, source)) = self.row(row).map(|r| (r.object, r.set, r.source)) else { return NONE };
        let Some(Source { origin, default, .. }) = self.sources.get(usize::from(source)).cloned() else { return NONE };
        if self.is_damaged(row) {
            return self.intern(Label::Top, &origin, source);
        }
        let is_definition = self.meanings.contains_key(&row);
        let overlay = self.overlays.get(&(object, source)).cloned();
        let granular = self.granular.get(&row).cloned().unwrap_or_default();
        if let (false, None, true, Some(known)) = (is_definition, &overlay, granular.is_empty(), self.label_of.get(&(set, source))) {
            return *known;
        }
        let definitions = InSource { columns: self, source };
        let ids = self.set(set);
        let mut label = match self.meanings.get(&row) {
            Some(content) => compile_definition(&self.id(object), content, ids, &origin, &self.alliance, &definitions, &default),
            None => compile(ids, &origin, &self.alliance, &definitions, Some(&default)),
        };
        let plain = (!is_definition).then(|| label.clone());
        let mut parts = Vec::new();
        for mark in &granular {
            let part = compile(std::slice::from_ref(&mark.marking), &origin, &self.alliance, &definitions, None);
            if mark.whole {
                label = label.join(&part);
            }
            parts.push(part);
        }
        if let Some(overlay) = overlay {
            label = label.join(&overlay_label(&overlay, &origin, &self.alliance));
        }
        if let Some(plain) = plain {
            let known = self.intern(plain, &origin, source);
            self.label_of.insert((set, source), known);
        }
        let parts: Vec<u32> = parts.into_iter().map(|p| self.intern(p, &origin, source)).collect();
        if let Some(marks) = self.granular.get_mut(&row) {
            marks.iter_mut().zip(parts).for_each(|(mark, label)| mark.label = label);
        }
        self.intern(label, &origin, source)
    }

    fn join(&mut self, a: u32, b: u32, source: u16) -> u32 {
        if a == b {
            return a;
        }
        let (Some((x, origin)), Some((y, _))) = (self.labels.get(at(a)).cloned(), self.labels.get(at(b)).cloned()) else { return a };
        self.intern(x.join(&y), &origin, source)
    }

    /// Labels a new row, and tightens what it tightens.
    pub(crate) fn label_new(&mut self, row: u32) {
        let own = self.own_label(row);
        let Some((object, source)) = self.rows.get_mut(at(row)).map(|r| {
            r.label = own;
            (r.object, r.source)
        }) else {
            return;
        };
        if self.objects.get(at(object)).is_some_and(|o| o.first == row) {
            return;
        }
        let others: Vec<u32> = self.live_rows_of(object).filter(|r| *r < row && self.row(*r).is_some_and(|x| x.source == source)).collect();
        let mut effective = own;
        for other in others {
            if self.not_later(row, other) {
                let label = self.row(other).map_or(own, |r| r.label);
                effective = self.join(effective, label, source);
            }
            if self.not_later(other, row) {
                let have = self.effective_label(other, NONE);
                let tighter = self.join(have, own, source);
                if tighter != have {
                    self.effective.entry(other).or_default().push((row, tighter));
                }
            }
        }
        if effective != own {
            self.effective.entry(row).or_default().push((row, effective));
        }
    }

    /// Is the version of `a` the same as or earlier than that of `b`?
    fn not_later(&self, a: u32, b: u32) -> bool {
        if self.is_damaged(b) {
            return true;
        }
        match (self.row(a), self.row(b)) {
            (Some(x), Some(y)) => match (x.version(), y.version()) {
                (Some(x), Some(y)) => x.ns() <= y.ns(),
                (None, None) => x.commit <= y.commit,
                // The same id with and without a version: each tightens the other.
                _ => true,
            },
            _ => false,
        }
    }

    /// Labels every row of an object anew; what was as of earlier horizons is forgotten.
    pub(crate) fn relabel(&mut self, object: u32) {
        let rows: Vec<u32> = self.live_rows_of(object).collect();
        for row in &rows {
            let own = self.own_label(*row);
            self.effective.remove(row);
            if let Some(r) = self.rows.get_mut(at(*row)) {
                r.label = own;
            }
        }
        for row in &rows {
            let Some((own, source)) = self.row(*row).map(|r| (r.label, r.source)) else { continue };
            let mut effective = own;
            for other in &rows {
                let Some((label, its)) = self.row(*other).map(|r| (r.label, r.source)) else { continue };
                if its == source && other != row && self.not_later(*row, *other) {
                    effective = self.join(effective, label, source);
                }
            }
            if effective != own {
                self.effective.insert(*row, vec![(0, effective)]);
            }
        }
    }

    fn effective_label(&self, row: u32, horizon: u32) -> u32 {
        let changed = self.effective.get(&row).and_then(|history| history.iter().rev().find(|(from, _)| *from < horizon));
        changed.map_or_else(|| self.row(row).map_or(NONE, |r| r.label), |(_, label)| *label)
    }

    /// Objects whose rows of that source are marked, in whole or in part, with one of these ids, or are its definitions.
    pub(crate) fn marked_with(&self, ids: &BTreeSet<Id>, source: Option<u16>) -> Vec<u32> {
        let sets: BTreeSet<u32> = (0..number(self.sets.len())).filter(|s| self.set(*s).iter().any(|id| ids.contains(id))).collect();
        let definitions: BTreeSet<u32> = ids.iter().filter_map(|id| self.find_object(id.as_ref())).collect();
        let mut objects: BTreeSet<u32> = BTreeSet::new();
        for (n, row) in self.rows.iter().enumerate() {
            let granular = || self.granular.get(&number(n)).is_some_and(|g| g.iter().any(|m| ids.contains(&m.marking)));
            if source.is_none_or(|s| s == row.source) && (sets.contains(&row.set) || definitions.contains(&row.object) || granular()) {
                objects.insert(row.object);
            }
        }
        objects.into_iter().collect()
    }

    /// Objects with rows of that source.
    pub(crate) fn objects_of_source(&self, source: u16) -> Vec<u32> {
        let objects: BTreeSet<u32> = self.rows.iter().filter(|r| r.source == source).map(|r| r.object).collect();
        objects.into_iter().collect()
    }

    /// Objects with a row that carries the label now.
    pub(crate) fn objects_with_label(&self, label: u32, horizon: u32) -> Vec<u32> {
        (0..horizon.min(self.len()))
            .filter(|r| self.effective_label(*r, horizon) == label || self.granular_labels(*r).any(|g| g == label))
            .filter_map(|r| self.row(r).map(|x| x.object))
            .collect()
    }

    /// Objects with a row that carries one of the labels, whole or in part, at any horizon.
    pub(crate) fn objects_with_labels(&self, labels: &BTreeSet<u32>) -> BTreeSet<u32> {
        let mut objects = BTreeSet::new();
        if labels.is_empty() {
            return objects;
        }
        for (n, row) in self.rows.iter().enumerate() {
            let n = number(n);
            if labels.contains(&self.effective_label(n, NONE)) || self.granular_labels(n).any(|g| labels.contains(&g)) {
                objects.insert(row.object);
            }
        }
        objects
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = &(Label, Origin)> {
        self.labels.iter()
    }

    fn granular_labels(&self, row: u32) -> impl Iterator<Item = u32> + '_ {
        self.granular.get(&row).into_iter().flatten().map(|g| g.label)
    }

    /// Forgets compiled marking sets, so that [`Columns::relabel`] compiles them again.
    pub(crate) fn forget_compiled(&mut self) {
        self.label_of.clear();
    }

    // ---- acts ----

    pub(crate) fn set_alliance(&mut self, alliance: Alliance) {
        self.alliance = alliance;
    }

    pub(crate) fn set_overlay(&mut self, object: u32, source: u16, overlay: &DefaultLabel) {
        let slot = self.overlays.entry((object, source)).or_default();
        slot.level = slot.level.max(overlay.level);
        slot.audience.0.extend(overlay.audience.0.iter().cloned());
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

fn overlay_label(overlay: &DefaultLabel, origin: &Origin, alliance: &Alliance) -> Label {
    // An overlay limits who receives whether or not it names an audience, so it compiles as for a row from elsewhere.
    struct Nothing;
    impl Definitions for Nothing {
        fn in_source(&self, _: &Id) -> Option<Meaning> {
            None
        }
        fn pinned(&self, _: &Id) -> Option<Meaning> {
            None
        }
    }
    if overlay.level.is_none() && overlay.audience.is_any() {
        return Label::Terms(polder_release::Terms::default());
    }
    let mut label = compile(&[], origin, alliance, &Nothing, Some(overlay));
    if let Label::Terms(terms) = &mut label {
        terms.tlp.values_mut().for_each(|b| b.reach = Some(b.level));
    }
    label
}

struct InSource<'c> {
    columns: &'c Columns,
    source: u16,
}

impl Definitions for InSource<'_> {
    fn in_source(&self, id: &Id) -> Option<Meaning> {
        let object = self.columns.find_object(id.as_ref())?;
        let mine = self.columns.live_rows_of(object).filter(|r| self.columns.row(*r).is_some_and(|x| x.source == self.source));
        mine.filter_map(|r| self.columns.meanings.get(&r).cloned()).reduce(Meaning::join)
    }

    fn pinned(&self, id: &Id) -> Option<Meaning> {
        self.columns.pinned.get(id).cloned()
    }
}

/// The columns as of a horizon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsOf<'c> {
    pub(crate) columns: &'c Columns,
    pub(crate) horizon: u32,
}

impl AsOf<'_> {
    fn live_from(&self, first: Option<u32>) -> Option<u32> {
        let mut next = first;
        while let Some(row) = next.filter(|r| *r < self.horizon) {
            let here = self.columns.row(row)?;
            if here.is_live() {
                return Some(row);
            }
            next = (here.next != NONE).then_some(here.next);
        }
        None
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
        let first = self.columns.objects.get(at(object)).map_or(NONE, |o| o.first);
        self.live_from((first != NONE).then_some(first))
    }

    fn next_row(&self, row: u32) -> Option<u32> {
        let next = self.columns.row(row).map_or(NONE, |r| r.next);
        self.live_from((next != NONE).then_some(next))
    }

    fn references(&self, row: u32) -> &[(u32, RefKind)] {
        let end = self.columns.reference_ends.get(at(row)).copied().unwrap_or(0);
        let start = row.checked_sub(1).and_then(|r| self.columns.reference_ends.get(at(r)).copied()).unwrap_or(0);
        self.columns.references.get(at(start)..at(end)).unwrap_or_default()
    }

    fn granular(&self, row: u32) -> Vec<Granular> {
        let marks = self.columns.granular_of(row).iter();
        marks.map(|g| Granular { label: g.label, whole: g.whole }).collect()
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
        self.columns.grants.get(&(row, recipient)).map(Vec::as_slice)
    }
}
