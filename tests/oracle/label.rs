//! The label of a marking set, of a row, and of a row together with those that tighten it.
//! The rule: every join only tightens.

use std::collections::BTreeSet;

use serde_json::Value;

use super::granular;
use super::marking::{Meaning, both, earlier, meaning, predefined};
use super::world::{Row, World};
use super::{Audience, Level, Source, SourceKind};

/// Realm, policy, class and categories are one and the same everywhere in this oracle, so they have no field;
/// all rows joined have one originator, so the level needs no key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) level: Option<Level>,
    pub(super) reach: Option<Level>,
    pub(super) audiences: Vec<Audience>,
    pub(super) opaque: BTreeSet<String>,
    pub(super) pap: Option<Level>,
    pub(super) not_before_us: Option<i64>,
    pub(super) not_after_us: Option<i64>,
}

impl Label {
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            level: self.level.max(other.level),
            reach: self.reach.max(other.reach),
            audiences: both(self.audiences, other.audiences),
            opaque: &self.opaque | &other.opaque,
            pap: self.pap.max(other.pap),
            not_before_us: self.not_before_us.max(other.not_before_us),
            not_after_us: earlier(self.not_after_us, other.not_after_us),
        }
    }

    fn is_unmarked(&self) -> bool {
        self.level.is_none() && self.audiences.is_empty() && self.opaque.is_empty()
    }

    /// A level binds by itself, unless an audience named with it says where an own row goes.
    fn with_reach(mut self, source: &Source) -> Self {
        let binds = self.audiences.is_empty() || source.kind != SourceKind::Own;
        self.reach = if binds { self.level } else { None };
        self
    }
}

/// The join of the row with all that tighten it, live or removed, and the overlay.
pub(super) fn effective(world: &World, row: &Row) -> Label {
    let tighter = world.rows.iter().filter(|other| other.tightens(row));
    let rows = tighter.chain([row]).map(|row| of_row(world, row));
    let overlays = world.overlays.iter().filter(|overlay| overlay.object == row.id() && overlay.is_of(&row.source)).map(|overlay| {
        let label = Label { level: overlay.level, audiences: overlay.audience.iter().cloned().collect(), ..Label::default() };
        label.with_reach(&row.source)
    });
    rows.chain(overlays).fold(Label::default(), Label::join)
}

/// The label of one granular entry's marking: without the default of unmarked.
pub(super) fn of_entry(world: &World, source: &Source, marking: &str) -> Label {
    read(world, source, &BTreeSet::from([marking.to_owned()])).with_reach(source)
}

fn of_row(world: &World, row: &Row) -> Label {
    let mut ids = marking_refs(&row.value);
    let mut floor = Label::default();
    if row.is_definition() {
        if predefined(row.id()).is_some() {
            floor.level = Some(Level::Clear);
        } else if row.live {
            ids.insert(row.id().to_owned());
        } else {
            let pinned = pinned(world, row.id()).unwrap_or_else(Meaning::unread);
            floor = of_meaning(row.id(), pinned);
        }
    }
    let mut label = read(world, &row.source, &ids).join(floor);
    if label.is_unmarked() {
        let default = world.defaults.get(&row.source.name).cloned().unwrap_or_default();
        if default.level.is_none() && default.audience.is_none() {
            let holder = BTreeSet::from([world.directory.holder.clone()]);
            label.audiences.push(Audience { members: holder, ..Audience::default() });
        } else {
            label.level = default.level;
            label.audiences.extend(default.audience);
        }
    }
    let whole = granular::of_whole_object(&row.value).into_iter().map(|id| of_entry(world, &row.source, &id));
    whole.fold(label.with_reach(&row.source), Label::join)
}

fn read(world: &World, source: &Source, ids: &BTreeSet<String>) -> Label {
    let mut label = Label::default();
    for id in ids {
        label = label.join(of_meaning(id, meaning_of(world, source, id)));
    }
    label
}

fn of_meaning(id: &str, meaning: Meaning) -> Label {
    Label {
        level: meaning.level,
        reach: None,
        audiences: meaning.audiences,
        opaque: if meaning.opaque { BTreeSet::from([id.to_owned()]) } else { BTreeSet::new() },
        pap: meaning.pap,
        not_before_us: meaning.not_before_us,
        not_after_us: meaning.not_after_us,
    }
}

/// What an id means to rows of a source.
fn meaning_of(world: &World, source: &Source, id: &str) -> Meaning {
    if let Some(level) = predefined(id) {
        return Meaning { level: Some(level), ..Meaning::default() };
    }
    let definitions = || world.rows.iter().filter(|row| row.is_definition() && row.id() == id && row.source.name == source.name);
    let last_live = definitions().filter(|row| row.live).map(|row| row.number).max();
    // A definition that came last and was removed leaves a gap, so that its removal lets nothing out.
    let gap = |row: &Row| (Some(row.number) > last_live).then(Meaning::unread);
    let says = |row: &Row| if row.live { Some(meaning(&row.value)) } else { gap(row) };
    let own = definitions().filter_map(says).reduce(Meaning::join);
    match (own, pinned(world, id)) {
        (None, None) => Meaning::unread(),
        (Some(own), None) => own,
        (None, Some(pinned)) => pinned,
        (Some(own), Some(pinned)) if own.opaque => pinned,
        (Some(own), Some(pinned)) => own.join(pinned),
    }
}

/// A person who pins again corrects what was pinned before.
fn pinned(world: &World, id: &str) -> Option<Meaning> {
    let is_pin = |pin: &&Value| pin.get("id").and_then(Value::as_str) == Some(id);
    world.pins.iter().rfind(is_pin).map(meaning)
}

fn marking_refs(object: &Value) -> BTreeSet<String> {
    let refs = object.get("object_marking_refs").and_then(Value::as_array);
    refs.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
