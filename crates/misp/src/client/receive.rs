//! What a MISP that pulls does to what it gets, element by element, so that a long event need not be held.
//!
//! The rule: levels only go down on the way in, and what is only for people there stays there; from a MISP of our own nothing is changed.

use std::collections::{BTreeSet, HashMap};

use polder_peer::Document;
use serde_json::{Map, Value};

use super::withdraw;
use crate::map::Part;
use crate::map::fields::{number, stays, text};
use crate::map::left::WITHDRAWN;

/// Takes documents with events that were asked for.
#[derive(Debug)]
pub struct Receiver {
    asked: BTreeSet<String>,
    as_is: bool,
    sightings: HashMap<String, Vec<Value>>,
}

impl Receiver {
    /// For these events; `as_is` if nothing of them is narrowed, as from a MISP of our own.
    #[must_use]
    pub fn new(asked: &[String], as_is: bool, sightings: Vec<Value>) -> Self {
        let mut of: HashMap<String, Vec<Value>> = HashMap::new();
        for seen in sightings {
            if let Some(attribute) = seen.get("attribute_uuid").and_then(Value::as_str) {
                of.entry(attribute.to_owned()).or_default().push(seen);
            }
        }
        Self { asked: asked.iter().map(|u| u.to_ascii_lowercase()).collect(), as_is, sightings: of }
    }

    /// Changes an event without its parts, or one of its parts.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn receive(&self, part: Option<Part>, fields: &mut Map<String, Value>) -> Result<(), String> {
        match part {
            None if !self.asked.contains(&text(fields, "uuid").to_ascii_lowercase()) => return Err("is not the one that was asked for".to_owned()),
            None if !self.as_is => drop(fields.insert("locked".to_owned(), true.into())),
            None | Some(Part::Report) => {}
            Some(Part::Attribute) => self.attach(fields),
            Some(Part::Object) => {
                let inside = fields.get_mut("Attribute").and_then(Value::as_array_mut).into_iter().flatten();
                inside.filter_map(Value::as_object_mut).for_each(|attribute| self.attach(attribute));
            }
        }
        if !self.as_is {
            lowered(fields);
        }
        Ok(())
    }

    /// Puts the sightings of an attribute under it.
    fn attach(&self, attribute: &mut Map<String, Value>) {
        if let Some(seen) = self.sightings.get(text(attribute, "uuid")) {
            attribute.insert("Sighting".to_owned(), seen.clone().into());
        }
    }
}

/// Does a document say of its event that it was withdrawn, and nothing more? A long one says more.
#[must_use]
pub fn is_withdrawn(document: &Document) -> bool {
    let Document::Held(bytes) = document else { return false };
    // Most say something else, and need not be read twice.
    let said = format!("\"{WITHDRAWN}\"");
    if !bytes.windows(said.len()).any(|w| w == said.as_bytes()) {
        return false;
    }
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(event) = document.get("Event").and_then(Value::as_object) else { return false };
    text(event, "info") == WITHDRAWN && withdraw::parts(event).is_empty()
}

/// One step down.
pub fn lowered(element: &mut Map<String, Value>) {
    let level = match number(element.get("distribution")) {
        Some(1) => Some("0"),
        Some(2) => Some("1"),
        _ => None,
    };
    if let Some(level) = level {
        element.insert("distribution".to_owned(), level.into());
    }
    for (key, value) in element.iter_mut() {
        let Some(list) = value.as_array_mut() else { continue };
        match key.as_str() {
            "Tag" => list.retain(|tag| !tag.as_object().is_some_and(stays)),
            "Attribute" | "Object" | "EventReport" | "Note" | "Opinion" | "Relationship" | "Galaxy" | "GalaxyCluster" | "GalaxyClusterRelation" => {
                list.iter_mut().filter_map(Value::as_object_mut).for_each(lowered);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn received(part: Option<Part>, given: &Value) -> Value {
        let sightings = vec![json!({"attribute_uuid": "b", "uuid": "s"}), json!({"attribute_uuid": "c"}), json!({"attribute_uuid": 7})];
        let receiver = Receiver::new(&["E".to_owned()], false, sightings);
        let mut fields = given.as_object().unwrap().clone();
        receiver.receive(part, &mut fields).unwrap();
        fields.into()
    }

    #[test]
    fn what_is_received_goes_one_level_down_in_every_part() {
        let check = |part, given: Value, want: Value| assert_eq!(received(part, &given), want);
        check(
            None,
            json!({"uuid": "e", "distribution": 2, "locked": false, "Tag": [{"name": "a", "local": true}, {"name": "b"}]}),
            json!({"uuid": "e", "distribution": "1", "locked": true, "Tag": [{"name": "b"}]}),
        );
        check(Some(Part::Attribute), json!({"distribution": "1"}), json!({"distribution": "0"}));
        check(
            Some(Part::Attribute),
            json!({"distribution": 3, "Tag": [{"name": "c", "exportable": false}], "Note": [{"distribution": "2"}]}),
            json!({"distribution": 3, "Tag": [], "Note": [{"distribution": "1"}]}),
        );
        check(
            Some(Part::Object),
            json!({"distribution": 2, "Attribute": [{"distribution": 5}, {"uuid": "b", "distribution": "2"}]}),
            json!({"distribution": "1", "Attribute": [{"distribution": 5}, {"uuid": "b", "distribution": "1", "Sighting": [{"attribute_uuid": "b", "uuid": "s"}]}]}),
        );
        check(Some(Part::Report), json!({"distribution": 1}), json!({"distribution": "0"}));
    }

    #[test]
    fn another_event_is_not_taken_for_the_one_that_was_asked_for() {
        let receiver = Receiver::new(&["e".to_owned()], true, Vec::new());
        assert!(receiver.receive(None, json!({"uuid": "f"}).as_object_mut().unwrap()).is_err());
    }
}
