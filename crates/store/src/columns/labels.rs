//! Labels of rows: compiled from marking sets, definitions, defaults and overlays, and tightened by later versions.
//!
//! INVARIANT (labels are derived): nothing here is stored; what was asked as of an earlier horizon keeps its answer until an act.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use polder_release::{Alliance, DefaultLabel, Definitions, Label, Level, Meaning, Origin, compile, compile_definition};
use polder_stix::Id;

use super::{Columns, NONE, Row, Source, at, number};

impl Columns {
    pub(super) fn intern(&mut self, label: Label, origin: &Origin, source: u16) -> u32 {
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

    /// Has the source a label for this marking set already?
    pub(crate) fn is_labelled(&self, source: u16, set: &[Id]) -> bool {
        self.set_numbers.get(set).is_some_and(|set| self.label_of.contains_key(&(*set, source)))
    }

    pub(crate) fn windowed_labels(&self) -> impl Iterator<Item = (u32, &polder_release::Terms)> {
        self.windowed.iter().filter_map(|n| self.labels.get(at(*n)).and_then(|(label, _)| label.terms()).map(|t| (*n, t)))
    }

    /// By number of a label, whether its strictest level is one of these; what cannot be reconciled counts as RED.
    pub(crate) fn labels_with(&self, levels: &[Option<Level>]) -> Vec<bool> {
        let level = |label: &Label| label.terms().map_or(Some(Level::Red), |terms| terms.tlp.values().map(|b| b.level).max());
        self.labels.iter().map(|(label, _)| levels.contains(&level(label))).collect()
    }

    /// The number of a row's label in force.
    pub(crate) fn label_number(&self, row: u32) -> u32 {
        self.row(row).map_or(NONE, |r| r.label)
    }

    pub(crate) fn label_count(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn own_label(&mut self, row: u32) -> u32 {
        let Some((object, set, source)) = self.row(row).map(|r| (r.object, r.set, r.source)) else { return NONE };
        let Some(Source { origin, default, .. }) = self.sources.get(usize::from(source)).cloned() else { return NONE };
        if self.is_damaged(row) {
            return self.intern(Label::Top, &origin, source);
        }
        let is_definition = self.meanings.contains_key(&row);
        let overlay = self.overlay_of(object, source);
        let granular = self.granular.get(&row).cloned().unwrap_or_default();
        if let (false, None, true, Some(known)) = (is_definition, &overlay, granular.is_empty(), self.label_of.get(&(set, source))) {
            return *known;
        }
        let definitions = InSource { columns: self, source };
        let ids = self.set(set);
        let mut label = match self.meanings.get(&row) {
            Some(content) => {
                let id = self.id(object);
                let live = self.row(row).is_some_and(Row::is_live);
                let said = live.then(|| definitions.in_source(&id)).flatten().unwrap_or_default().join(content.clone());
                compile_definition(&id, &said, ids, &origin, &self.alliance, &definitions, &default)
            }
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

    pub(super) fn join(&mut self, a: u32, b: u32, source: u16) -> u32 {
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
        let others: Vec<u32> = self.rows_of(object).take_while(|r| *r < row).filter(|r| self.row(*r).is_some_and(|x| x.source == source)).collect();
        let mut effective = own;
        for other in others {
            if self.tightens(other, row) {
                let label = self.row(other).map_or(own, |r| r.label);
                effective = self.join(effective, label, source);
            }
            if self.tightens(row, other) {
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

    /// Does a row tighten another of the same object (docs/decision.md section 3)? One that was removed keeps what it raised; its own version may come again.
    pub(super) fn tightens(&self, by: u32, row: u32) -> bool {
        let (Some(y), Some(x)) = (self.row(by), self.row(row)) else { return false };
        if x.source != y.source {
            return false;
        }
        if self.is_damaged(by) {
            return true;
        }
        let later = match (x.version(), y.version()) {
            (Some(x), Some(y)) => y.ns().cmp(&x.ns()),
            (None, None) => y.commit.cmp(&x.commit),
            // The same id with and without a version: each tightens the other.
            _ => Ordering::Equal,
        };
        later.is_gt() || (later.is_eq() && (y.is_live() || !x.is_live()))
    }

    /// Labels every row of an object anew; what was as of earlier horizons is forgotten.
    pub(crate) fn relabel(&mut self, object: u32) {
        let rows: Vec<u32> = self.rows_of(object).collect();
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
                let Some(label) = self.row(*other).map(|r| r.label) else { continue };
                if other != row && self.tightens(*other, *row) {
                    effective = self.join(effective, label, source);
                }
            }
            if effective != own {
                self.effective.insert(*row, vec![(0, effective)]);
            }
        }
    }

    pub(super) fn effective_label(&self, row: u32, horizon: u32) -> u32 {
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

    pub(super) fn granular_labels(&self, row: u32) -> impl Iterator<Item = u32> + '_ {
        self.granular.get(&row).into_iter().flatten().map(|g| g.label)
    }

    /// Forgets compiled marking sets, so that [`Columns::relabel`] compiles them again.
    pub(crate) fn forget_compiled(&mut self) {
        self.label_of.clear();
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
        let is_live = |r: &u32| self.columns.row(*r).is_some_and(Row::is_live);
        let mine: Vec<u32> = self.columns.rows_of(object).filter(|r| self.columns.row(*r).is_some_and(|x| x.source == self.source)).collect();
        let last_live = mine.iter().rposition(is_live);
        // Removed ones read as opaque, and count until another has come after them.
        let counting = mine.iter().enumerate().filter(|(n, r)| is_live(r) || last_live.is_none_or(|last| *n > last));
        counting.filter_map(|(_, r)| self.columns.meanings.get(r).cloned()).reduce(Meaning::join)
    }

    fn pinned(&self, id: &Id) -> Option<Meaning> {
        self.columns.pinned.get(id).cloned()
    }
}
