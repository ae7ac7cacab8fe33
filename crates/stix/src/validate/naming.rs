//! Names and values of properties that no table defines.
//!
//! One rule holds here: only the shape of a name is judged, for what a custom property means is its author's matter.

use serde_json::{Map, Value};

use super::{
    extension,
    form::{self, Form, HEX},
    formats,
    report::{Path, Report},
};

/// Names the specification reserves for later versions.
const RESERVED: &[&str] = &["action", "phone_numbers", "severity", "username"];

/// Checks a top-level property that the object's table does not define.
pub(super) fn check_custom(object: &Map<String, Value>, name: &str, value: &Value, at: &Path<'_>, report: &mut Report) {
    check_member(name, value, at, report);
    if RESERVED.contains(&name) {
        report.warn(at, format!("property name `{name}` is reserved"));
    } else if !extension::uses(object, &["toplevel-property-extension"]) {
        report.advise(at, format!("custom property `{name}` needs an extension"));
    }
}

/// Checks name and value of any property whose meaning is not known.
pub(super) fn check_member(name: &str, value: &Value, at: &Path<'_>, report: &mut Report) {
    let letters_first = name.len() >= 3
        && name.bytes().take(3).enumerate().all(|(index, byte)| byte.is_ascii_lowercase() || (index > 0 && (byte.is_ascii_digit() || byte == b'_')));
    if !letters_first && !name.ends_with("id") {
        report.warn(at, format!("`{name}` may not be a property name"));
    }
    form::check(&Form::Any, value, at, report);
    let suffix_form = if name.ends_with("_hex") {
        Some(HEX)
    } else if name.ends_with("_bin") {
        Some(Form::TextLike(formats::is_base64, "base64"))
    } else {
        None
    };
    if let Some(form) = suffix_form.filter(|_| formats::is_property_name(name)) {
        form::check(&form, value, at, report);
    }
}

/// Checks every member of an object whose table is not known.
pub(super) fn check_keys(value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(object) = value.as_object() else {
        return report.warn(at, "must be an object");
    };
    if object.is_empty() {
        report.warn(at, "must not be an empty object");
    }
    for (key, value) in object {
        check_member(key, value, &at.key(key), report);
    }
}

/// Observables keep their dictionary keys in lower case, save in these dictionaries of foreign names.
const FOREIGN: &[&str] = &[
    "additional_header_fields",
    "document_info_dict",
    "environment_variables",
    "exif_tags",
    "file_header_hashes",
    "hashes",
    "ipfix",
    "key",
    "options",
    "request_header",
    "startup_info",
];

/// Checks that the keys of an observable are in lower case, through nested dictionaries.
pub(super) fn check_lower_case(object: &Map<String, Value>, at: &Path<'_>, report: &mut Report) {
    for (key, value) in object {
        let at = at.key(key);
        if key.is_empty() || key.bytes().any(|b| b.is_ascii_uppercase()) {
            report.advise(&at, format!("key `{key}` should be in lower case"));
        }
        if let Value::Object(inner) = value
            && !FOREIGN.contains(&key.as_str())
        {
            check_lower_case(inner, &at, report);
        }
    }
}
