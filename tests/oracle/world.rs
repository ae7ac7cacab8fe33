//! The state of a node after some events.
//! The rule: nothing derived is kept; rows, acts and the directory are all there is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::label;
use super::marking::{Meaning, meaning, predefined};
use super::{Audience, DefaultLabel, Directory, ELSEWHERE, Event, Level, Recipient, Source, SourceKind, What};

/// A copy of an object, numbered by its place among all rows.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) number: usize,
    pub(super) commit: usize,
    /// Its place in the commit.
    pub(super) nth: usize,
    pub(super) source: Source,
    pub(super) value: Value,
    pub(super) live: bool,
}

/// A person's tightening.
#[derive(Debug, Clone)]
pub(super) struct Overlay {
    pub(super) source: String,
    pub(super) object: String,
    pub(super) level: Option<Level>,
    pub(super) audience: Option<Audience>,
}

impl Overlay {
    /// Is it about copies of that source? One of elsewhere is about all that the holder did not make.
    pub(super) fn is_of(&self, source: &Source) -> bool {
        self.source == source.name || (self.source == ELSEWHERE && source.kind != SourceKind::Own)
    }
}

/// A person's yes, with the opaque ids it was about.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) recipient: String,
    pub(super) row: usize,
    pub(super) covers: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) directory: Directory,
    pub(super) rows: Vec<Row>,
    pub(super) defaults: BTreeMap<String, DefaultLabel>,
    pub(super) pins: Vec<Value>,
    pub(super) overlays: Vec<Overlay>,
    pub(super) grants: Vec<Grant>,
    pub(super) commits: usize,
}

impl Row {
    pub(super) fn id(&self) -> &str {
        self.text("id").unwrap_or_default()
    }

    pub(super) fn object_type(&self) -> &str {
        self.text("type").unwrap_or_default()
    }

    pub(super) fn is_definition(&self) -> bool {
        self.object_type() == "marking-definition"
    }

    pub(super) fn is_own(&self) -> bool {
        self.source.kind == SourceKind::Own
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.value.get(key).and_then(Value::as_str)
    }

    /// The text of the version: `modified`, else `created`; absent for unversioned objects.
    pub(super) fn version_text(&self) -> Option<&str> {
        self.text("modified").or_else(|| self.text("created"))
    }

    /// The version as something that sorts as time.
    pub(super) fn version(&self) -> Option<(String, String)> {
        let text = self.version_text()?;
        let text = text.strip_suffix('Z').unwrap_or(text);
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        Some((whole.to_owned(), fraction.trim_end_matches('0').to_owned()))
    }

    /// Does the marking of `self` bind `other` too? A removed row still binds what came before it. Of a removed row only
    /// references ask, and for them all removed rows count as if they were still there.
    pub(super) fn tightens(&self, other: &Self) -> bool {
        if self.number == other.number || self.id() != other.id() || self.source.name != other.source.name {
            return false;
        }
        let there = self.live || !other.live;
        let order = match (self.version(), other.version()) {
            (Some(mine), Some(theirs)) => mine.cmp(&theirs),
            (None, None) => self.commit.cmp(&other.commit),
            _ => return there,
        };
        order.is_gt() || (order.is_eq() && there)
    }
}

impl World {
    pub(super) fn apply(&mut self, event: &Event) {
        match event.what.clone() {
            What::Commit { source, objects } => {
                for (nth, object) in objects.into_iter().enumerate() {
                    self.receive(&source, object, nth);
                }
                self.commits += 1;
            }
            What::SetDirectory(directory) => self.directory = directory,
            What::SetDefault { source, default: Some(default) } => {
                self.defaults.insert(source, default);
            }
            What::SetDefault { source, default: None } => {
                self.defaults.remove(&source);
            }
            What::Pin(definition) => self.pins.push(definition),
            What::Overlay { source, object, level, audience } => {
                self.overlays.push(Overlay { source, object, level, audience });
            }
            What::Lift { source, object, left } => {
                self.overlays.retain(|overlay| overlay.source != source || overlay.object != object);
                self.overlays.extend(left.map(|level| Overlay { source, object, level: Some(level), audience: None }));
            }
            What::Grant { recipient, row } => {
                if let Some(target) = self.rows.get(row).filter(|row| row.live) {
                    let covers = label::effective(self, target).opaque;
                    self.grants.push(Grant { recipient, row, covers });
                }
            }
            What::Remove { rows } => {
                for row in self.rows.iter_mut().filter(|row| rows.contains(&row.number)) {
                    row.live = false;
                }
            }
        }
    }

    fn receive(&mut self, source: &Source, value: Value, nth: usize) {
        let new = Row { number: self.rows.len(), commit: self.commits, nth, source: source.clone(), value, live: true };
        if let Some(level) = predefined(new.id())
            && meaning(&new.value) != (Meaning { level: Some(level), ..Meaning::default() })
        {
            return;
        }
        let earlier = self.live().filter(|row| row.id() == new.id() && row.source.name == source.name);
        let known = match new.version() {
            Some(version) => earlier.into_iter().any(|row| row.version().as_ref() == Some(&version) && same(&row.value, &new.value)),
            None => earlier.last().is_some_and(|row| same(&row.value, &new.value)),
        };
        if !known {
            self.rows.push(new);
        }
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.live)
    }

    pub(super) fn recipient(&self, id: &str) -> Option<&Recipient> {
        self.directory.recipients.iter().find(|recipient| recipient.id == id)
    }

    /// Every moment at which some window may open or close.
    pub(super) fn edges(&self) -> BTreeSet<i64> {
        let definitions = self.rows.iter().filter(|row| row.is_definition()).map(|row| &row.value);
        definitions.chain(&self.pins).map(meaning).flat_map(|it| [it.not_before_us, it.not_after_us]).flatten().collect()
    }
}

/// The same JSON value: order of keys and spelling of numbers do not count.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other)),
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}
