//! What all objects share: identity, version order, extensions and markings.
//!
//! One rule holds here: this is where refusals come from, so each is about telling objects apart or releasing them.

use serde_json::{Map, Value};

use super::{
    extension,
    form::{self, Form},
    formats,
    report::{Path, Report},
    timestamp,
};

/// Checks `type` and `id`; returns the type when there is one to go by.
pub(super) fn check_identity<'o>(object: &'o Map<String, Value>, at: &Path<'_>, report: &mut Report) -> Option<&'o str> {
    let Some(kind) = object.get("type") else {
        report.refuse(at, "property `type` is required");
        return None;
    };
    let at_type = at.key("type");
    let Some(kind) = kind.as_str() else {
        report.refuse(&at_type, "must be a text");
        return None;
    };
    if !formats::is_type_name(kind) {
        report.warn(&at_type, format!("`{kind}` may not be a type"));
    }
    let at_id = at.key("id");
    match object.get("id") {
        None => report.refuse(at, "property `id` is required"),
        Some(Value::String(id)) => match formats::split_id(id) {
            None => report.refuse(&at_id, format!("`{id}` is not a type and a UUID joined by `--`")),
            Some((prefix, _)) if prefix != kind => {
                report.refuse(&at_id, format!("`{id}` does not belong to type `{kind}`"));
            }
            Some(_) if !formats::is_identifier(id) => report.warn(&at_id, format!("`{id}` is not a STIX identifier")),
            Some(_) => {}
        },
        Some(_) => report.refuse(&at_id, "must be a text"),
    }
    Some(kind)
}

/// Checks a property every kind of object may have; says whether the name was one of them.
pub(super) fn check_shared(object: &Map<String, Value>, kind: &str, name: &str, value: &Value, at: &Path<'_>, report: &mut Report) -> bool {
    let at_member = at.key(name);
    match name {
        "type" | "id" => {}
        "spec_version" if !value.is_string() => report.refuse(&at_member, "must be a text"),
        "spec_version" => form::check(&Form::Enum(&["2.0", "2.1"]), value, &at_member, report),
        "object_marking_refs" => check_marking_refs(object, kind, value, &at_member, report),
        "granular_markings" => check_granular_markings(object, kind, value, &at_member, report),
        "extensions" if kind == "extension-definition" => return false,
        "extensions" => extension::check(object, kind, value, &at_member, report),
        _ => return false,
    }
    true
}

fn check_marking_refs(object: &Map<String, Value>, kind: &str, value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(refs) = value.as_array() else {
        return report.refuse(at, "must be a list");
    };
    if refs.is_empty() {
        report.warn(at, "must not be an empty list");
    }
    for (index, reference) in refs.iter().enumerate() {
        check_marking_ref(object, kind, reference, &at.index(index), report);
    }
}

fn check_marking_ref(object: &Map<String, Value>, kind: &str, value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(id) = value.as_str() else {
        return report.refuse(at, "must be a text");
    };
    if formats::split_id(id).is_none_or(|(prefix, _)| prefix != "marking-definition") {
        return report.refuse(at, format!("`{id}` is not a marking definition"));
    }
    if !formats::is_identifier(id) {
        report.warn(at, format!("`{id}` is not a STIX identifier"));
    }
    if kind == "marking-definition" && object.get("id") == Some(value) {
        report.warn(at, "a marking definition may not mark itself");
    }
}

fn check_granular_markings(object: &Map<String, Value>, kind: &str, value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(markings) = value.as_array() else {
        return report.refuse(at, "must be a list");
    };
    if markings.is_empty() {
        report.warn(at, "must not be an empty list");
    }
    for (index, marking) in markings.iter().enumerate() {
        let at = at.index(index);
        let Some(marking) = marking.as_object() else {
            report.refuse(&at, "must be an object");
            continue;
        };
        check_selectors(object, marking.get("selectors"), &at.key("selectors"), report);
        let at_ref = at.key("marking_ref");
        match (marking.get("marking_ref"), marking.get("lang")) {
            (Some(_), Some(_)) => report.warn(&at, "only one of `lang` and `marking_ref` may be there"),
            (None, None) => report.refuse(&at, "one of `lang` and `marking_ref` is required"),
            (None, Some(lang)) => form::check(&Form::Text, lang, &at.key("lang"), report),
            (Some(_), None) => {}
        }
        if let Some(reference) = marking.get("marking_ref") {
            check_marking_ref(object, kind, reference, &at_ref, report);
        }
    }
}

fn check_selectors(object: &Map<String, Value>, selectors: Option<&Value>, at: &Path<'_>, report: &mut Report) {
    let Some(selectors) = selectors.and_then(Value::as_array) else {
        return report.refuse(at, "must be a list of texts");
    };
    if selectors.is_empty() {
        report.warn(at, "must not be an empty list");
    }
    for (index, selector) in selectors.iter().enumerate() {
        let at = at.index(index);
        let Some(selector) = selector.as_str() else {
            report.refuse(&at, "must be a text");
            continue;
        };
        if !is_selector(selector) {
            report.warn(&at, format!("`{selector}` is not a selector"));
        } else if !resolves(object, selector) {
            report.warn(&at, format!("`{selector}` selects nothing"));
        }
    }
}

fn is_selector(selector: &str) -> bool {
    let name = |text: &str, min: usize, max: usize| {
        (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    };
    let mut steps = selector.split('.');
    let first_fits = steps.next().is_some_and(|step| name(step, 3, 249));
    selector == "id" || (first_fits && steps.all(|step| index_of(step).is_some() || name(step, 1, 250)))
}

/// The number in a list step `[n]`.
fn index_of(step: &str) -> Option<usize> {
    step.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn resolves(object: &Map<String, Value>, selector: &str) -> bool {
    let mut steps = selector.split('.');
    let mut place = steps.next().and_then(|first| object.get(first));
    for step in steps {
        place = place.and_then(|value| match index_of(step) {
            Some(index) => value.get(index),
            None => value.get(step),
        });
    }
    place.is_some()
}

/// Advises against identifiers of another UUID version than the kind of object should have.
pub(super) fn check_uuid(object: &Map<String, Value>, version: u8, at: &Path<'_>, report: &mut Report) {
    let uuid = object.get("id").and_then(Value::as_str).and_then(formats::split_id).map(|(_, uuid)| uuid);
    if let Some(found) = uuid.and_then(formats::uuid_version)
        && found != version
    {
        report.advise(&at.key("id"), format!("UUID should be of version {version}, not {found}"));
    }
}

/// Refuses versions whose time cannot be read, and checks the order of those that can.
pub(super) fn check_times(object: &Map<String, Value>, kind: &str, at: &Path<'_>, report: &mut Report) {
    for name in ["created", "modified"] {
        let Some(value) = object.get(name) else {
            continue;
        };
        if value.as_str().and_then(timestamp::read).is_none() {
            report.refuse(&at.key(name), "must be a timestamp, for versions are ordered by it");
        }
    }
    check_order(object, ("modified", "created"), Order::NotBefore, at, report);
    let (later, earlier, order) = match kind {
        "campaign" | "infrastructure" | "intrusion-set" | "malware" | "sighting" | "threat-actor" => ("last_seen", "first_seen", Order::NotBefore),
        "indicator" => ("valid_until", "valid_from", Order::After),
        "network-traffic" => ("end", "start", Order::NotBefore),
        "observed-data" => ("last_observed", "first_observed", Order::NotBefore),
        "relationship" => ("stop_time", "start_time", Order::After),
        _ => return,
    };
    check_order(object, (later, earlier), order, at, report);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    After,
    NotBefore,
}

fn check_order(object: &Map<String, Value>, names: (&str, &str), order: Order, at: &Path<'_>, report: &mut Report) {
    let (later_name, earlier_name) = names;
    let read = |name: &str| object.get(name).and_then(Value::as_str).and_then(timestamp::read);
    let (Some(later), Some(earlier)) = (read(later_name), read(earlier_name)) else {
        return;
    };
    let fits = later > earlier || (order == Order::NotBefore && later == earlier);
    if !fits {
        report.warn(&at.key(later_name), format!("must be later than `{earlier_name}`"));
    }
}
