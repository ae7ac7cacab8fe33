//! Elements of an event as a reader has them, laid into one another as MISP has them.
//!
//! The rule: an element is laid where the reader's own copy says that it belongs.

use std::collections::HashMap;
use std::io;

use polder_release::Level;
use serde_json::{Map, Value};

use super::fields::{put_local, text};
use super::left;
use super::reader::{Element, Reader};
use super::terms::{self, Onward};
use super::wanted::Wanted;
use crate::limits;

/// What is around an attribute.
pub(super) struct Around<'a> {
    pub(super) event: &'a str,
    pub(super) object: Option<&'a str>,
    pub(super) onward: &'a Onward,
    pub(super) level: Option<Level>,
    pub(super) wanted: Wanted,
}

/// What was written of an event's parts.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) objects: Vec<u8>,
    pub(super) reports: Vec<u8>,
    pub(super) within: HashMap<String, Vec<Element>>,
    pub(super) references: HashMap<String, Vec<Value>>,
    pub(super) sightings: HashMap<String, Vec<Value>>,
    pub(super) said: HashMap<String, Vec<(String, Value)>>,
    pub(super) attributes: usize,
    pub(super) states: HashMap<String, Map<String, Value>>,
    pub(super) left: left::Laid,
}

/// Puts what was said about an element into it, and what was said about that into that.
pub(super) fn attach(fields: &mut Map<String, Value>, uuid: &str, parts: &mut Parts) {
    attach_within(fields, uuid, parts, 0);
}

fn attach_within(fields: &mut Map<String, Value>, uuid: &str, parts: &mut Parts, depth: usize) {
    if depth >= limits::ANALYST_DATA_DEPTH_MAX {
        return;
    }
    for (name, mut value) in parts.said.remove(&uuid.to_ascii_lowercase()).unwrap_or_default() {
        if let Some(inner) = value.as_object_mut() {
            let own = text(inner, "uuid").to_owned();
            attach_within(inner, &own, parts, depth + 1);
        }
        if let Some(list) = fields.entry(name).or_insert_with(|| Value::Array(Vec::new())).as_array_mut() {
            // What came with the event and again by itself is there once.
            list.retain(|known| ["uuid", "value", "type"].iter().any(|key| known.get(*key) != value.get(*key)));
            list.push(value);
        }
    }
}

pub(super) fn append(list: &mut Vec<u8>, value: &Value) -> io::Result<()> {
    if !list.is_empty() {
        list.push(b',');
    }
    Ok(serde_json::to_writer(list, value)?)
}

pub(super) fn part(reader: &Reader<'_>, element: &mut Element, around: &Around<'_>) -> Map<String, Value> {
    let mut fields = std::mem::take(&mut element.fields);
    reader.dress(element, &mut fields);
    reader.label(element, &mut fields, Some(around.onward));
    fields.insert("event_id".to_owned(), around.event.into());
    around.wanted.trim(&mut fields);
    fields
}

/// What is for whose element it is alone.
pub(super) fn own_state(reader: &Reader<'_>, fields: &mut Map<String, Value>, uuid: &str, around: &Around<'_>, parts: &mut Parts) {
    if let Some(local) = parts.states.remove(uuid) {
        put_local(fields, local);
        around.wanted.trim(fields);
    }
    reader.untag(fields, around.wanted);
}

pub(super) fn attribute(reader: &Reader<'_>, mut element: Element, around: &Around<'_>, parts: &mut Parts) -> Value {
    let mut fields = part(reader, &mut element, around);
    own_state(reader, &mut fields, element.uuid(), around, parts);
    reader.tags(&element, &mut fields, around.level);
    fields.insert("object_id".to_owned(), around.object.unwrap_or("0").into());
    attach(&mut fields, element.uuid(), parts);
    fields.shift_remove("Sighting");
    if let Some(seen) = parts.sightings.remove(element.uuid()) {
        fields.insert("Sighting".to_owned(), seen.into());
    }
    parts.attributes += 1;
    fields.into()
}

pub(super) fn object(reader: &Reader<'_>, mut element: Element, around: &Around<'_>, parts: &mut Parts) -> Value {
    let mut fields = part(reader, &mut element, around);
    let id = reader.number(element.uuid()).to_string();
    let onward = terms::onward(&element.label, &element.origin, &reader.peer, reader.alliance);
    let inside = Around { event: around.event, object: Some(&id), onward: &onward, level: around.level, wanted: around.wanted };
    let held = parts.within.remove(&element.id).unwrap_or_default();
    let mut attributes: Vec<Value> = held.into_iter().map(|a| attribute(reader, a, &inside, parts)).collect();
    attributes.extend(parts.left.within.remove(&element.id).into_iter().flatten());
    fields.insert("Attribute".to_owned(), attributes.into());
    own_state(reader, &mut fields, element.uuid(), around, parts);
    attach(&mut fields, element.uuid(), parts);
    let mut references = parts.references.remove(&element.id).unwrap_or_default();
    references.extend(parts.left.references.remove(&element.id).into_iter().flatten());
    fields.insert("ObjectReference".to_owned(), references.into());
    fields.into()
}

pub(super) fn reference(reader: &Reader<'_>, mut element: Element, around: &Around<'_>, parts: &mut Parts) {
    let mut fields = std::mem::take(&mut element.fields);
    reader.dress(&element, &mut fields);
    fields.insert("event_id".to_owned(), around.event.into());
    let source = text(&element.ours, "object_ref").to_owned();
    for (name, of) in [("object_id", "object_uuid"), ("referenced_id", "referenced_uuid")] {
        let number = reader.number(&text(&fields, of).to_ascii_lowercase()).to_string();
        fields.insert(name.to_owned(), number.into());
    }
    parts.references.entry(source).or_default().push(fields.into());
}
