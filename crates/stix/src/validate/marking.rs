//! Marking definitions: statements, the four markings of TLP 1, and those an extension describes.
//!
//! One rule holds here: a TLP marking is one of the four published objects or it is wrong, for nodes know them by id.

use serde_json::{Map, Value};

use super::{
    common,
    form::{self, Form},
    naming,
    report::{Path, Report},
    rules, sdo,
};

/// Identifier, name and level of the four markings of TLP 1.
const TLP: &[(&str, &str, &str)] = &[
    ("marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", "TLP:WHITE", "white"),
    ("marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da", "TLP:GREEN", "green"),
    ("marking-definition--f88d31f6-486f-44da-b317-01333bde0b82", "TLP:AMBER", "amber"),
    ("marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "TLP:RED", "red"),
];

/// Properties the published TLP markings have.
const TLP_PROPERTIES: &[&str] = &["type", "id", "spec_version", "name", "created", "definition", "definition_type"];

/// Checks a marking definition.
pub(super) fn check(object: &Map<String, Value>, at: &Path<'_>, report: &mut Report) {
    for name in ["spec_version", "created"] {
        if !object.contains_key(name) {
            report.warn(at, format!("property `{name}` is required"));
        }
    }
    for (name, value) in object {
        if common::check_shared(object, "marking-definition", name, value, at, report) {
            continue;
        }
        let at_member = at.key(name);
        match name.as_str() {
            "name" | "definition_type" => form::check(&Form::Text, value, &at_member, report),
            "definition" if value.is_object() => {}
            "definition" => report.warn(&at_member, "must be an object"),
            "created" => form::check(&Form::Time, value, &at_member, report),
            "created_by_ref" | "external_references" | "lang" => {
                if let Some(form) = form::find(sdo::CORE, name) {
                    form::check(form, value, &at_member, report);
                }
            }
            _ => naming::check_custom(object, name, value, &at_member, report),
        }
    }
    check_definition(object, at, report);
    common::check_uuid(object, 4, at, report);
    common::check_times(object, "marking-definition", at, report);
    rules::check_references(object, at, report);
}

fn check_definition(object: &Map<String, Value>, at: &Path<'_>, report: &mut Report) {
    let definition = object.get("definition");
    match object.get("definition_type").and_then(Value::as_str) {
        Some("statement") => {
            let statement = definition.and_then(|d| d.get("statement"));
            if !statement.is_some_and(Value::is_string) {
                report.warn(&at.key("definition"), "must hold a `statement`");
            }
        }
        Some("tlp") => check_tlp(object, at, report),
        Some(other) => {
            report.advise(&at.key("definition_type"), format!("`{other}` is neither `statement` nor `tlp`"));
        }
        None if object.contains_key("extensions") => {}
        None => report.warn(at, "one of `definition_type` and `extensions` is required"),
    }
}

fn check_tlp(object: &Map<String, Value>, at: &Path<'_>, report: &mut Report) {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let level = object.get("definition").and_then(|d| d.get("tlp"));
    let is_published =
        TLP.iter().any(|(id, name, known)| text("id") == Some(id) && text("name") == Some(name) && level.is_none_or(|l| l.as_str() == Some(known)));
    let is_plain = object.keys().all(|name| TLP_PROPERTIES.contains(&name.as_str()));
    let is_dated = text("created") == Some("2017-01-20T00:00:00.000Z") && text("spec_version") == Some("2.1");
    if !is_published || !is_plain || !is_dated || !object.contains_key("definition") {
        report.warn(at, "is not one of the published TLP markings");
    }
}
