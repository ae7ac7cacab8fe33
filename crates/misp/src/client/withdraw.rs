//! Taking back what was pushed to a MISP: the part stays there as a deleted one without what it said.
//!
//! The rule: no value, comment, title or text of what was withdrawn is sent again; what names it there is: UUIDs, an object's kind, an event's day and maker.
//! It is made of what was sent before, so no page of the store is opened for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::map::fields::{flag, text};
use crate::map::left;

/// What a MISP was sent of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pushed {
    /// The UUID of who made the event, and what it is called.
    pub orgc: (String, String),
    /// Its day.
    pub date: String,
    /// Its time as it was sent, seconds since 1970.
    pub sent_s: i64,
    /// Its time here then.
    pub own_s: i64,
    /// Its parts by their UUIDs.
    pub parts: BTreeMap<String, Part>,
    /// Its tags, those of a part after the part's UUID and a space.
    pub tags: BTreeSet<String>,
    /// All of it was withdrawn there.
    pub gone: bool,
}

impl Pushed {
    /// An event that is about to be sent for the first time.
    #[must_use]
    pub fn unseen(own_s: i64) -> Self {
        Self { sent_s: own_s, ..Self::default() }
    }

    /// Is it known what was sent? Only then can it be taken back.
    #[must_use]
    pub fn is_known(&self) -> bool {
        *self != Self::unseen(self.sent_s)
    }

    /// What may be there when it is not known whether what was sent next was taken: the one or the other, so it is sent again.
    #[must_use]
    pub fn or(&self, next: &Self) -> Self {
        let mut both = Self { own_s: 0, ..next.clone() };
        for (uuid, part) in &self.parts {
            if *part != Part::Withdrawn || !both.parts.contains_key(uuid) {
                both.parts.insert(uuid.clone(), part.clone());
            }
        }
        both.tags.extend(self.tags.iter().cloned());
        both
    }

    /// The same, if what is there was read.
    #[must_use]
    pub fn or_there(&self, next: &Self, back: &Value) -> Self {
        let there = back.get("Event").and_then(Value::as_object).map(parts).unwrap_or_default();
        let mut both = self.or(next);
        both.parts.retain(|uuid, _| self.parts.contains_key(uuid) || there.contains_key(uuid));
        both
    }

    /// Does the event, or a part of it, stand there by this UUID? An event stands as long as it was not withdrawn whole.
    #[must_use]
    pub fn stands(&self, uuid: &str) -> bool {
        !self.gone && self.parts.get(uuid).is_none_or(|part| *part != Part::Withdrawn)
    }
}

/// A part of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// An attribute, of an object if one is named.
    #[serde(rename = "a")]
    Attribute(String),
    /// An object, by its name.
    #[serde(rename = "o")]
    Object(String),
    /// A report.
    #[serde(rename = "r")]
    Report,
    /// It was withdrawn there.
    #[serde(rename = "w")]
    Withdrawn,
}

fn list<'e>(map: &'e Map<String, Value>, key: &str) -> impl Iterator<Item = &'e Map<String, Value>> {
    map.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The parts of an event that stand.
pub(super) fn parts(event: &Map<String, Value>) -> BTreeMap<String, Part> {
    let mut all = BTreeMap::new();
    let mut put = |one: &Map<String, Value>, part: Part| {
        if !flag(one.get("deleted")) {
            all.insert(text(one, "uuid").to_lowercase(), part);
        }
    };
    for attribute in list(event, "Attribute") {
        put(attribute, Part::Attribute(String::new()));
    }
    for object in list(event, "Object") {
        put(object, Part::Object(text(object, "name").to_owned()));
        for attribute in list(object, "Attribute") {
            put(attribute, Part::Attribute(text(object, "uuid").to_lowercase()));
        }
    }
    for report in list(event, "EventReport") {
        put(report, Part::Report);
    }
    all
}

/// The tags of an event and of its parts that stand.
fn tags_of(event: &Map<String, Value>) -> BTreeSet<String> {
    let names = |one: &Map<String, Value>| list(one, "Tag").map(|tag| text(tag, "name").to_owned()).collect::<Vec<_>>();
    let mut all: BTreeSet<String> = names(event).into_iter().collect();
    let within = list(event, "Object").flat_map(|o| list(o, "Attribute"));
    for part in list(event, "Attribute").chain(within).chain(list(event, "EventReport")).filter(|p| !flag(p.get("deleted"))) {
        let own = text(part, "uuid").to_lowercase();
        all.extend(names(part).into_iter().map(|name| format!("{own} {name}")));
    }
    all
}

impl Pushed {
    /// Tags that were sent before and are not now, if what the other side has shows them still.
    #[must_use]
    pub fn tags_standing(&self, now: &Self, back: &Value) -> Vec<String> {
        let there = back.get("Event").and_then(Value::as_object).map(tags_of).unwrap_or_default();
        self.tags.difference(&now.tags).filter(|tag| there.contains(*tag)).cloned().collect()
    }

    /// Were tags taken off since?
    #[must_use]
    pub fn has_fewer_tags(&self, now: &Self) -> bool {
        self.tags.difference(&now.tags).next().is_some()
    }

    /// The time under which the other side has the event or is to have it: later than any that was sent before, if something has changed here since.
    #[must_use]
    pub fn offered_s(&self, own_s: i64) -> i64 {
        if own_s == self.own_s { self.sent_s.max(own_s) } else { own_s.max(self.sent_s.saturating_add(i64::from(self.sent_s > 0))) }
    }

    /// Has an event the parts that were sent of it, no more and no less?
    #[must_use]
    pub fn is_as_sent(&self, event: &Map<String, Value>) -> bool {
        let sent = self.parts.iter().filter(|(_, part)| **part != Part::Withdrawn);
        parts(event).iter().eq(sent)
    }

    /// What an event that is sent now makes of it, and which parts that were sent before are withdrawn by it; those are put into the event as deleted.
    pub fn next(&self, event: &mut Map<String, Value>, at_s: i64) -> (Self, Vec<String>) {
        let mut now = parts(event);
        let there = |event: &Map<String, Value>, uuid: &str| {
            let within = list(event, "Object").flat_map(|o| list(o, "Attribute"));
            list(event, "Attribute")
                .chain(list(event, "Object"))
                .chain(list(event, "EventReport"))
                .chain(within)
                .any(|p| text(p, "uuid").eq_ignore_ascii_case(uuid))
        };
        let missing: Vec<(String, Part)> =
            self.parts.iter().filter(|(uuid, part)| **part != Part::Withdrawn && !there(event, uuid)).map(|(u, p)| (u.clone(), p.clone())).collect();
        for (uuid, part) in &missing {
            if let Part::Object(name) = part {
                push(event, "Object", left::object(uuid, name, at_s));
            }
        }
        for (uuid, part) in &missing {
            match part {
                Part::Attribute(object) => {
                    let mut objects = event.get_mut("Object").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut);
                    match objects.find(|o| !object.is_empty() && text(o, "uuid").eq_ignore_ascii_case(object)) {
                        Some(object) => push(object, "Attribute", left::within(uuid, at_s).into()),
                        None => push(event, "Attribute", left::attribute(uuid, at_s).into()),
                    }
                }
                Part::Report => push(event, "EventReport", left::report(uuid, at_s)),
                Part::Object(_) | Part::Withdrawn => {}
            }
        }
        // What was withdrawn and stands again is newer than its withdrawal; what was deleted since stays so by itself.
        for uuid in self.parts.iter().filter(|(_, part)| **part == Part::Withdrawn).map(|(uuid, _)| uuid) {
            if now.contains_key(uuid) {
                each(event, &mut |part| {
                    if text(part, "uuid").eq_ignore_ascii_case(uuid) {
                        part.insert("timestamp".to_owned(), at_s.to_string().into());
                    }
                });
            } else if !there(event, uuid) {
                now.insert(uuid.clone(), Part::Withdrawn);
            }
        }
        let orgc = event.get("Orgc").and_then(Value::as_object).map(|o| (text(o, "uuid").to_owned(), text(o, "name").to_owned())).unwrap_or_default();
        let (date, tags) = (text(event, "date").to_owned(), tags_of(event));
        let state = Self { orgc, date, sent_s: at_s, own_s: self.own_s, parts: now, tags, gone: false };
        (state, missing.into_iter().map(|(uuid, _)| uuid).collect())
    }

    /// An event of which nothing may be there any more.
    #[must_use]
    pub fn nothing(&self, uuid: &str, at_s: i64) -> Value {
        let (orgc, name) = &self.orgc;
        let mut event = left::event(uuid, &self.date, (orgc, name), at_s);
        event.extend(["Attribute", "Object", "EventReport"].map(|list| (list.to_owned(), json!([]))));
        json!({"Event": event})
    }

    /// Those parts that still stand in what the other side has.
    #[must_use]
    pub fn standing(event: &Value, withdrawn: &[String]) -> Vec<String> {
        let there = event.get("Event").and_then(Value::as_object).map(parts).unwrap_or_default();
        withdrawn.iter().filter(|uuid| there.contains_key(&uuid.to_lowercase())).cloned().collect()
    }
}

fn each(event: &mut Map<String, Value>, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    for key in ["Attribute", "Object", "EventReport"] {
        for part in event.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
            change(part);
            part.get_mut("Attribute").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut).for_each(&mut *change);
        }
    }
}

fn push(map: &mut Map<String, Value>, key: &str, value: Value) {
    if let Some(list) = map.entry(key).or_insert_with(|| json!([])).as_array_mut() {
        list.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_goes_as_deleted_and_says_nothing() {
        let first = json!({"uuid": "e", "date": "2026-01-01", "Orgc": {"uuid": "c", "name": "n"}, "Attribute": [{"uuid": "a", "value": "secret"}, {"uuid": "b", "value": "kept"}],
            "Object": [{"uuid": "o", "name": "file", "Attribute": [{"uuid": "x", "value": "secret"}]}], "EventReport": [{"uuid": "r", "content": "secret"}]});
        let (state, none) = Pushed::default().next(&mut first.as_object().cloned().unwrap(), 7);
        assert!(none.is_empty());
        let mut second = json!({"uuid": "e", "Attribute": [{"uuid": "b", "value": "kept"}]}).as_object().cloned().unwrap();
        let (after, mut gone) = state.next(&mut second, 9);
        gone.sort();
        assert_eq!(gone, ["a", "o", "r", "x"]);
        let told = Value::Object(second).to_string();
        assert!(!told.contains("secret"), "{told}");
        assert_eq!(Pushed::standing(&serde_json::from_str(&format!("{{\"Event\":{told}}}")).unwrap(), &gone), Vec::<String>::new());
        assert_eq!(after.parts.keys().collect::<Vec<_>>(), ["b"]);
        let mut all = state.nothing("e", 9);
        let (_, gone) = state.next(all["Event"].as_object_mut().unwrap(), 9);
        assert_eq!(gone.len(), 5);
        assert!(!all.to_string().contains("secret") && !all.to_string().contains("kept"), "{all}");
    }

    #[test]
    fn what_may_have_been_taken_is_remembered() {
        let of = |text: &str| Pushed::default().next(json!({"date": "2026-01-01", "Attribute": [{"uuid": text}]}).as_object_mut().unwrap(), 7).0;
        let (old, new) = (of("a"), of("b"));
        let both = old.or(&new);
        assert_eq!(both.parts.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(both.offered_s(7), 8, "it is sent again, as newer");
        let back = |uuid: &str| json!({"Event": {"Attribute": [{"uuid": uuid}]}});
        assert_eq!(old.or_there(&new, &back("b")).parts.len(), 2);
        assert_eq!(old.or_there(&new, &back("c")).parts.keys().collect::<Vec<_>>(), ["a"]);
        assert!(!Pushed::unseen(7).is_known() && old.is_known());
    }
}
