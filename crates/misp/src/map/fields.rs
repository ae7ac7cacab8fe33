//! What of a MISP element is kept: every field but those that mean something only on the machine it came from.
//!
//! The rule: local numbers, counts and analysts' addresses are never kept; parts with a smaller audience than their element are marked one by one.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::marks::Marks;
use crate::model::{SharingGroup, Tag};

/// Numbers of rows of one MISP's database.
const LOCAL: &[&str] = &[
    "id",
    "attribute_id",
    "event_id",
    "event_org_id",
    "galaxy_cluster_id",
    "galaxy_id",
    "object_id",
    "old_id",
    "org_id",
    "orgc_id",
    "referenced_id",
    "server_id",
    "sharing_group_id",
    "sync_user_id",
    "tag_id",
    "user_id",
];

/// Addresses of analysts.
const NEVER: &[&str] = &["event_creator_email"];

/// What people wrote about an element, each with a distribution of its own.
const ANALYST_DATA: [&str; 3] = ["Note", "Opinion", "Relationship"];

/// A whole number, written as one or as a text.
pub(crate) fn number(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.trim().parse().ok(),
        Value::Bool(b) => Some(i64::from(*b)),
        _ => None,
    }
}

/// A yes or no, written as a boolean, a number or a text.
pub(crate) fn flag(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || number(value).is_some_and(|n| n != 0) || value.and_then(Value::as_str) == Some("true")
}

/// A text; empty for anything else.
pub(crate) fn text<'v>(map: &'v Map<String, Value>, key: &str) -> &'v str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Takes out what is never kept, at any depth.
pub(crate) fn clean(map: &mut Map<String, Value>) {
    map.retain(|key, value| !(NEVER.contains(&key.as_str()) || LOCAL.contains(&key.as_str()) && is_number(value)));
    for (key, value) in map.iter_mut() {
        match value {
            // What a cluster says of itself is content, whatever it is called.
            _ if key == "meta" || key == "GalaxyElement" => {}
            Value::Object(inner) => clean(inner),
            Value::Array(list) => list.iter_mut().filter_map(Value::as_object_mut).for_each(|inner| {
                if key == "ShadowAttribute" {
                    inner.shift_remove("email");
                }
                clean(inner);
            }),
            _ => {}
        }
    }
}

fn is_number(value: &Value) -> bool {
    match value {
        Value::Null | Value::Number(_) => true,
        Value::String(s) => s.bytes().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

/// A part with an audience of its own: where it was, itself, what it is marked with.
pub(crate) struct Part {
    /// Keys and indexes, as a JSON pointer (RFC 6901).
    pub(crate) at: String,
    pub(crate) value: Value,
    pub(crate) marks: Vec<String>,
}

/// Takes out the parts that fewer may see than the rest, outer ones before what was in them.
pub(crate) fn take_parts(fields: &mut Map<String, Value>, marks: &mut Marks<'_>) -> Vec<Part> {
    let mut found = Vec::new();
    part_out(fields, "", marks, &mut found);
    found.sort_by_key(|part| part.at.matches('/').count());
    found
}

fn part_out(map: &mut Map<String, Value>, at: &str, marks: &mut Marks<'_>, found: &mut Vec<Part>) {
    for (key, value) in map.iter_mut() {
        let Value::Array(list) = value else { continue };
        let narrowed = ANALYST_DATA.contains(&key.as_str()) || key == "GalaxyCluster";
        let mut kept = Vec::with_capacity(list.len());
        for (n, mut inner) in std::mem::take(list).into_iter().enumerate() {
            let at = format!("{at}/{key}/{n}");
            let mut marking = Vec::new();
            if let Some(map) = inner.as_object_mut() {
                part_out(map, &at, marks, found);
                marking = if narrowed { distribution_of(map, marks) } else { marking };
            }
            if marking.is_empty() {
                kept.push(inner);
            } else {
                found.push(Part { at, value: inner, marks: marking });
            }
        }
        *list = kept;
    }
}

/// Puts back the parts that are there for this reader.
pub(crate) fn put_parts(fields: &mut Map<String, Value>, parts: Option<&Value>) {
    for part in parts.and_then(Value::as_array).into_iter().flatten() {
        let (Some(at), Some(value)) = (part.get("at").and_then(Value::as_str), part.get("part")) else { continue };
        let Some((list, n)) = at.rsplit_once('/') else { continue };
        let Ok(n) = n.parse::<usize>() else { continue };
        if let Some(list) = list_at(fields, list) {
            list.insert(n.min(list.len()), value.clone());
        }
    }
}

fn list_at<'m>(fields: &'m mut Map<String, Value>, at: &str) -> Option<&'m mut Vec<Value>> {
    let mut keys = at.split('/').skip(1);
    let mut list = fields.entry(keys.next()?).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?;
    while let Some(n) = keys.next() {
        let inner = list.get_mut(n.parse::<usize>().ok()?)?.as_object_mut()?;
        list = inner.entry(keys.next()?).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?;
    }
    Some(list)
}

/// What moves with parts that a reader may know nothing of, or says something of them.
const LOCAL_STATE: [&str; 3] = ["attribute_count", "RelatedEvent", "RelatedAttribute"];

/// Lists of tags.
const TAG_LISTS: [&str; 2] = ["Tag", "EventTag"];

/// Takes out what is for the holder alone: counts, correlations, and the tags that stay here, with the places they had.
pub(crate) fn take_local(fields: &mut Map<String, Value>) -> Map<String, Value> {
    let mut local: Map<String, Value> = LOCAL_STATE.iter().filter_map(|key| Some(((*key).to_owned(), fields.shift_remove(*key)?))).collect();
    for key in TAG_LISTS {
        let Some(list) = fields.get_mut(key).and_then(Value::as_array_mut) else { continue };
        let (mut kept, mut staying) = (Vec::new(), Vec::new());
        for (n, tag) in std::mem::take(list).into_iter().enumerate() {
            match tag.as_object().is_some_and(stays) {
                true => staying.push(Value::Array(vec![n.into(), tag])),
                false => kept.push(tag),
            }
        }
        *list = kept;
        if !staying.is_empty() {
            local.insert(format!("{STAYING}{key}"), staying.into());
        }
    }
    local
}

/// Before the name of a list, the entries of it that stay here.
const STAYING: &str = "local:";

/// Puts back what was taken out.
pub(crate) fn put_local(fields: &mut Map<String, Value>, local: Map<String, Value>) {
    for (key, value) in local {
        let Some(list) = key.strip_prefix(STAYING) else {
            fields.insert(key, value);
            continue;
        };
        let Some(tags) = fields.entry(list).or_insert_with(|| Value::Array(Vec::new())).as_array_mut() else { continue };
        for entry in value.as_array().into_iter().flatten() {
            let (Some(n), Some(tag)) = (entry.get(0).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()), entry.get(1)) else { continue };
            tags.insert(n.min(tags.len()), tag.clone());
        }
    }
}

/// Is the tag one that never leaves?
pub(crate) fn stays(tag: &Map<String, Value>) -> bool {
    let inner = tag.get("Tag").and_then(Value::as_object).unwrap_or(tag);
    flag(tag.get("local")) || inner.get("exportable").is_some_and(|e| !flag(Some(e)))
}

fn distribution_of(map: &Map<String, Value>, marks: &mut Marks<'_>) -> Vec<String> {
    let group = map.get("SharingGroup").and_then(|g| SharingGroup::deserialize(g).ok());
    marks.of_distribution(number(map.get("distribution")), group.as_ref())
}

/// The names of a list of tags, as far as they can be read.
pub(crate) fn tags(map: &Map<String, Value>) -> Vec<Tag> {
    let listed = ["Tag", "EventTag"].into_iter().filter_map(|key| map.get(key)?.as_array()).flatten();
    listed.filter_map(|tag| Tag::deserialize(tag.get("Tag").unwrap_or(tag)).ok()).collect()
}
