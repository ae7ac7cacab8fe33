//! Rules that tie several properties of one object together.
//!
//! One rule holds here: a property whose form is wrong is skipped, since `form` has already reported it.

use serde_json::{Map, Value};

use super::{
    formats, pattern,
    report::{Path, Report},
    sco, vocab,
};

type Object = Map<String, Value>;

/// Checks the rules of the object's type, and those of all.
pub(super) fn check(object: &Object, kind: &str, at: &Path<'_>, report: &mut Report) {
    match kind {
        "artifact" => check_artifact(object, at, report),
        "email-message" => check_email_message(object, at, report),
        "extension-definition" => check_extension_definition(object, at, report),
        "indicator" => check_indicator(object, at, report),
        "location" => check_location(object, at, report),
        "malware" => check_malware(object, at, report),
        "network-traffic" => check_network_traffic(object, at, report),
        "observed-data" => check_observed_data(object, at, report),
        "relationship" => check_relationship(object, at, report),
        _ => {}
    }
    if text(object, "spec_version") == Some("2.0") && is_new_in_21(kind) {
        report.warn(&at.key("spec_version"), format!("`{kind}` is an object of its own since 2.1"));
    }
    if text(object, "spec_version") == Some("2.0") && object.contains_key("confidence") {
        report.warn(&at.key("confidence"), "is reserved in version 2.0");
    }
    check_contributing(object, kind, at, report);
    // On an observable the name is a custom property, of which nothing is known.
    if sco::table(kind).is_none() {
        check_references(object, at, report);
    }
}

/// Types that in STIX 2.0 were reserved, or only a part of observed data.
fn is_new_in_21(kind: &str) -> bool {
    matches!(kind, "incident" | "infrastructure") || sco::table(kind).is_some()
}

fn flag(object: &Object, name: &str) -> Option<bool> {
    object.get(name).and_then(Value::as_bool)
}

fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}

/// Reports unless exactly one of two properties is there.
fn exactly_one(object: &Object, one: &str, other: &str, at: &Path<'_>, report: &mut Report) {
    if object.contains_key(one) == object.contains_key(other) {
        report.warn(at, format!("exactly one of `{one}` and `{other}` is required"));
    }
}

fn check_artifact(object: &Object, at: &Path<'_>, report: &mut Report) {
    exactly_one(object, "payload_bin", "url", at, report);
    if object.contains_key("url") && !object.contains_key("hashes") {
        report.warn(at, "property `hashes` is required with `url`");
    }
    if object.contains_key("decryption_key") && !object.contains_key("encryption_algorithm") {
        report.warn(at, "property `encryption_algorithm` is required with `decryption_key`");
    }
}

fn check_email_message(object: &Object, at: &Path<'_>, report: &mut Report) {
    let unfit = match flag(object, "is_multipart") {
        Some(true) => "body",
        Some(false) => "body_multipart",
        None => return,
    };
    if object.contains_key(unfit) {
        report.warn(&at.key(unfit), "does not go with the value of `is_multipart`");
    }
    let parts = object.get("body_multipart").and_then(Value::as_array);
    for (index, part) in parts.into_iter().flatten().enumerate() {
        if part.get("body").is_some() && part.get("body_raw_ref").is_some() {
            report.warn(&at.key("body_multipart").index(index), "only one of `body` and `body_raw_ref` may be there");
        }
    }
    let Some(fields) = object.get("additional_header_fields").and_then(Value::as_object) else {
        return;
    };
    let at_fields = at.key("additional_header_fields");
    let own = ["date", "received_lines", "content_type", "from_ref", "sender_ref", "to_refs", "cc_refs", "bcc_refs", "subject"];
    for (name, value) in fields {
        if own.contains(&name.as_str()) {
            report.warn(&at_fields.key(name), format!("field `{name}` has a property of its own"));
        }
        if value.as_array().is_some_and(|lines| lines.len() == 1) {
            report.warn(&at_fields.key(name), "a field that occurs once must be a text");
        }
    }
}

fn check_extension_definition(object: &Object, at: &Path<'_>, report: &mut Report) {
    if !object.contains_key("description") {
        report.advise(at, "property `description` should be there");
    }
    let kinds = object.get("extension_types").and_then(Value::as_array);
    let toplevel = kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "toplevel-property-extension"));
    match (toplevel, object.contains_key("extension_properties")) {
        (true, false) => report.advise(at, "property `extension_properties` should name the top-level properties"),
        (false, true) => {
            report.warn(&at.key("extension_properties"), "is only for a `toplevel-property-extension`");
        }
        (true, true) | (false, false) => {}
    }
}

fn check_indicator(object: &Object, at: &Path<'_>, report: &mut Report) {
    if !object.contains_key("name") || !object.contains_key("description") {
        report.advise(at, "properties `name` and `description` should be there");
    }
    let (Some("stix"), Some(source)) = (text(object, "pattern_type"), text(object, "pattern")) else {
        return;
    };
    let at = at.key("pattern");
    let comparisons = match pattern::parse(source) {
        Ok(comparisons) => comparisons,
        Err(error) => return report.warn(&at, error.to_string()),
    };
    for comparison in &comparisons {
        let kind = comparison.object_type.as_str();
        let known = sco::table(kind);
        if known.is_none() && !formats::is_pattern_type(kind) {
            report.warn(&at, format!("`{kind}` may not be an observable type"));
        }
        let property = comparison.property.as_str();
        let is_known = known.is_some_and(|shape| shape.form(property).is_some()) || property == "id";
        if !is_known && !formats::is_property_name(property) {
            report.warn(&at, format!("`{property}` may not be a property name"));
        }
    }
}

fn check_location(object: &Object, at: &Path<'_>, report: &mut Report) {
    let has = |name: &str| object.contains_key(name);
    if has("latitude") != has("longitude") {
        report.warn(at, "`latitude` and `longitude` must come together");
    }
    if has("precision") && !(has("latitude") && has("longitude")) {
        report.warn(&at.key("precision"), "needs `latitude` and `longitude`");
    }
    if !(has("region") || has("country") || has("latitude") && has("longitude")) {
        report.warn(at, "one of `region`, `country` and the coordinates is required");
    }
}

fn check_malware(object: &Object, at: &Path<'_>, report: &mut Report) {
    if flag(object, "is_family") == Some(true) && !object.contains_key("name") {
        report.warn(at, "property `name` is required for a family");
    }
}

fn check_network_traffic(object: &Object, at: &Path<'_>, report: &mut Report) {
    if flag(object, "is_active") == Some(true) && object.contains_key("end") {
        report.warn(&at.key("end"), "active traffic has no end");
    }
    if !object.contains_key("src_port") || !object.contains_key("dst_port") {
        report.advise(at, "properties `src_port` and `dst_port` should be there");
    }
}

fn check_observed_data(object: &Object, at: &Path<'_>, report: &mut Report) {
    exactly_one(object, "objects", "object_refs", at, report);
    if object.contains_key("objects") {
        report.advise(&at.key("objects"), "is deprecated in favour of `object_refs`");
    }
}

fn check_relationship(object: &Object, at: &Path<'_>, report: &mut Report) {
    let end = |name: &str| text(object, name).and_then(|id| id.split_once("--")).map(|(kind, _)| kind);
    let (Some(relation), Some(source), Some(target)) = (text(object, "relationship_type"), end("source_ref"), end("target_ref")) else {
        return;
    };
    if matches!(relation, "derived-from" | "duplicate-of" | "related-to") {
        return;
    }
    // Any relation to a meta object is the author's own; the references themselves are checked by form.
    if !is_related_by_table(source) || !is_related_by_table(target) {
        return;
    }
    let known = vocab::RELATIONSHIPS.iter().any(|(from, name, to)| *from == source && *name == relation && to.contains(&target));
    if !known {
        report.advise(at, format!("`{source}` `{relation}` `{target}` is not a relationship the specification suggests"));
    }
}

fn is_related_by_table(kind: &str) -> bool {
    !matches!(kind, "bundle" | "language-content" | "marking-definition" | "sighting" | "relationship" | "extension-definition")
}

/// Without a property that makes up the identifier it cannot be of version 5.
fn check_contributing(object: &Object, kind: &str, at: &Path<'_>, report: &mut Report) {
    let names: &[&str] = match kind {
        "artifact" => &["hashes", "payload_bin"],
        "email-message" => &["from_ref", "subject", "body"],
        "user-account" => &["account_type", "user_id", "account_login"],
        "windows-registry-key" => &["key", "values"],
        "x509-certificate" => &["hashes", "serial_number"],
        _ => return,
    };
    if names.iter().any(|name| object.contains_key(*name)) {
        return;
    }
    let uuid = text(object, "id").and_then(formats::split_id).map(|(_, uuid)| uuid);
    if uuid.and_then(formats::uuid_version) != Some(4) {
        report.warn(&at.key("id"), "UUID must be of version 4, for no property contributes to it");
    }
}

/// Checks external references as a list: their catalogue numbers and their hashes.
pub(super) fn check_references(object: &Object, at: &Path<'_>, report: &mut Report) {
    let Some(references) = object.get("external_references").and_then(Value::as_array) else {
        return;
    };
    let at = at.key("external_references");
    let mut unhashed = false;
    for (index, reference) in references.iter().enumerate() {
        let at = at.index(index);
        unhashed |= reference.get("url").is_some() && reference.get("hashes").is_none();
        let source = reference.get("source_name").and_then(Value::as_str).unwrap_or_default();
        let number = reference.get("external_id").and_then(Value::as_str);
        let fits = match source {
            "cve" => number.is_some_and(is_cve),
            "capec" => number.is_some_and(is_capec),
            _ => !number.is_some_and(|n| is_cve(n) || is_capec(n)),
        };
        let hashes = reference.get("hashes").and_then(Value::as_object);
        for name in hashes.into_iter().flat_map(Map::keys) {
            if !vocab::HASH_ALGO.contains(&name.as_str()) {
                report.warn(&at.key("hashes").key(name), format!("`{name}` is not a known algorithm"));
            }
        }
        if !fits {
            report.warn(&at, "`source_name` and `external_id` do not belong together");
        }
    }
    if unhashed {
        report.advise(&at, "a reference with `url` should have `hashes`");
    }
}

fn is_cve(text: &str) -> bool {
    let Some((year, number)) = text.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let length_fits = if number.starts_with('0') { number.len() == 4 } else { number.len() >= 4 };
    year.len() == 4 && digits(year) && digits(number) && length_fits
}

fn is_capec(text: &str) -> bool {
    text.strip_prefix("CAPEC-").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}
