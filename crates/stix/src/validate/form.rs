//! The small language the type tables are written in, and its interpreter.
//!
//! One rule holds here: a form speaks of one value only; what ties several properties together is in `rules`.

use serde_json::{Map, Value};

use super::{
    formats,
    report::{Path, Report},
    timestamp, vocab,
};

/// What a value must look like.
pub(super) enum Form {
    /// Anything but null and the empty list.
    Any,
    /// A text.
    Text,
    /// A text that passes a test; the second part names what it must be.
    TextLike(fn(&str) -> bool, &'static str),
    /// A text that should pass a test.
    TextAdvised(fn(&str) -> bool, &'static str),
    /// An integer within bounds, both included.
    Whole(i64, i64),
    /// A number within bounds, both included.
    Number(f64, f64),
    /// True or false.
    Flag,
    /// A timestamp of any precision.
    Time,
    /// A timestamp with milliseconds or finer, as versions need.
    TimeMillis,
    /// A timestamp in whole seconds.
    TimeSeconds,
    /// An identifier of one of these types, or of any when empty.
    Ref(&'static [&'static str]),
    /// The same inside an observable, where only the type is judged: references with broken UUIDs are common in
    /// observables and lead nowhere, which no other part of the object depends on.
    RefByType(&'static [&'static str]),
    /// An identifier of any but these types.
    RefNot(&'static [&'static str]),
    /// One of a closed list of texts.
    Enum(&'static [&'static str]),
    /// A text that should be from an open vocabulary.
    Vocab(&'static [&'static str]),
    /// A list with at least one item.
    List(&'static Form),
    /// A dictionary: at least one entry, keys of a restricted alphabet.
    Dict(Keys, &'static Form),
    /// A dictionary of hashes by algorithm.
    Hashes,
    /// An object of known properties.
    Object(&'static Shape),
    /// A text, or else another form.
    TextOr(&'static Form),
    /// Whichever of two forms the value's kind (list or not) calls for.
    OneOrList(&'static Form, &'static Form),
}

/// Which keys a dictionary takes.
pub(super) enum Keys {
    /// Any that the specification allows.
    Any,
    /// Those that pass a test; the second part names them.
    Must(fn(&str) -> bool, &'static str),
    /// Those that should pass a test.
    Should(fn(&str) -> bool, &'static str),
}

/// Name and form of a property.
pub(super) type Property = (&'static str, Form);

/// An object of known properties.
pub(super) struct Shape {
    /// The properties that are defined.
    pub(super) properties: &'static [Property],
    /// Those that must be there.
    pub(super) required: &'static [&'static str],
    /// Of these at least one must be there; no demand when empty.
    pub(super) any_of: &'static [&'static str],
    /// Whether properties outside the list are custom ones.
    pub(super) closed: bool,
}

impl Shape {
    /// The form of a property, when it is defined.
    pub(super) fn form(&self, name: &str) -> Option<&'static Form> {
        find(self.properties, name)
    }

    /// Reports properties that must be there and are not.
    pub(super) fn check_presence(&self, object: &Map<String, Value>, at: &Path<'_>, report: &mut Report) {
        for name in self.required {
            if !object.contains_key(*name) {
                report.warn(at, format!("property `{name}` is required"));
            }
        }
        if !self.any_of.is_empty() && !self.any_of.iter().any(|name| object.contains_key(*name)) {
            report.warn(at, format!("at least one of `{}` is required", self.any_of.join("`, `")));
        }
    }
}

/// Finds the form of a property in a table.
pub(super) fn find(table: &'static [Property], name: &str) -> Option<&'static Form> {
    table.iter().find(|(known, _)| *known == name).map(|(_, form)| form)
}

/// Any integer.
pub(super) const WHOLE: Form = Form::Whole(i64::MIN, i64::MAX);
/// Any integer from zero.
pub(super) const COUNT: Form = Form::Whole(0, i64::MAX);
/// A list of texts.
pub(super) const TEXTS: Form = Form::List(&Form::Text);
/// Hexadecimal digits in pairs.
pub(super) const HEX: Form = Form::TextLike(formats::is_hex, "pairs of hexadecimal digits");
/// An absolute URI.
pub(super) const URI: Form = Form::TextLike(formats::is_uri, "a URI");

/// Checks one value against one form.
pub(super) fn check(form: &Form, value: &Value, at: &Path<'_>, report: &mut Report) {
    match form {
        Form::Any => check_any(value, at, report),
        Form::Whole(min, max) => check_whole(value, *min, *max, at, report),
        Form::Number(min, max) => match value.as_f64() {
            Some(number) if (*min..=*max).contains(&number) => {}
            _ => report.warn(at, "must be a number within its bounds"),
        },
        Form::Flag if value.is_boolean() => {}
        Form::Flag => report.warn(at, "must be true or false"),
        Form::List(item) => check_list(item, value, at, report),
        Form::Dict(keys, entry) => check_dictionary(keys, entry, value, at, report),
        Form::Hashes => check_hashes(value, at, report),
        Form::Object(shape) => check_object(shape, value, at, report),
        Form::TextOr(_) if value.is_string() => {}
        Form::TextOr(other) => check(other, value, at, report),
        Form::OneOrList(_, many) if value.is_array() => check(many, value, at, report),
        Form::OneOrList(one, _) => check(one, value, at, report),
        Form::Text
        | Form::TextLike(..)
        | Form::TextAdvised(..)
        | Form::Time
        | Form::TimeMillis
        | Form::TimeSeconds
        | Form::Ref(_)
        | Form::RefByType(_)
        | Form::RefNot(_)
        | Form::Enum(_)
        | Form::Vocab(_) => match value.as_str() {
            Some(text) => check_text(form, text, at, report),
            None => report.warn(at, "must be a text"),
        },
    }
}

fn check_text(form: &Form, text: &str, at: &Path<'_>, report: &mut Report) {
    match form {
        Form::TextLike(test, what) if !test(text) => report.warn(at, format!("`{text}` is not {what}")),
        Form::TextAdvised(test, what) if !test(text) => report.advise(at, format!("`{text}` is not {what}")),
        Form::Time | Form::TimeMillis | Form::TimeSeconds => check_time(form, text, at, report),
        Form::Ref(types) => {
            if !formats::is_identifier(text) {
                report.warn(at, format!("`{text}` is not an identifier"));
            } else if !types.is_empty() && !id_is_of(text, types) {
                report.warn(at, format!("`{text}` does not refer to `{}`", types.join("` or `")));
            }
        }
        Form::RefByType(types) => {
            let kind = text.split_once("--").map(|(kind, _)| kind);
            if !kind.is_some_and(|kind| types.contains(&kind) || types.is_empty()) {
                report.warn(at, format!("`{text}` does not refer to `{}`", types.join("` or `")));
            }
        }
        Form::RefNot(types) => {
            if !formats::is_identifier(text) {
                report.warn(at, format!("`{text}` is not an identifier"));
            } else if id_is_of(text, types) {
                report.warn(at, format!("`{text}` is of a type that may not be referred to here"));
            }
        }
        Form::Enum(values) if !values.contains(&text) => {
            report.warn(at, format!("`{text}` is not one of `{}`", values.join("`, `")));
        }
        Form::Vocab(values) if !values.contains(&text) => {
            report.advise(at, format!("`{text}` is not in the vocabulary"));
        }
        _ => {}
    }
}

fn id_is_of(id: &str, types: &[&str]) -> bool {
    formats::split_id(id).is_some_and(|(kind, _)| types.contains(&kind))
}

fn check_time(form: &Form, text: &str, at: &Path<'_>, report: &mut Report) {
    let Some(stamp) = timestamp::read(text) else {
        return report.warn(at, format!("`{text}` is not a timestamp"));
    };
    let digits = timestamp::fraction_digits(text);
    if timestamp::is_leap_second(stamp) {
        report.warn(at, "a leap second cannot be kept by most software");
    }
    if matches!(form, Form::TimeMillis) && digits < 3 {
        report.warn(at, "must have at least milliseconds");
    }
    if matches!(form, Form::TimeSeconds) && digits > 0 {
        report.warn(at, "must be in whole seconds");
    }
}

fn check_any(value: &Value, at: &Path<'_>, report: &mut Report) {
    match value {
        Value::Null => report.warn(at, "must not be null"),
        Value::Array(items) if items.is_empty() => report.warn(at, "must not be an empty list"),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::String(_) => {}
    }
}

fn check_whole(value: &Value, min: i64, max: i64, at: &Path<'_>, report: &mut Report) {
    let Some(number) = value.as_number() else {
        return report.warn(at, "must be an integer");
    };
    let fits = match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), _, _) => (min..=max).contains(&whole),
        (None, Some(_), _) => max == i64::MAX,
        // JSON does not tell 3.0 from 3.
        (None, None, Some(float)) => float.fract() == 0.0 && float >= min as f64 && float <= max as f64,
        (None, None, None) => false,
    };
    if !fits {
        report.warn(at, format!("`{number}` is not an integer within its bounds"));
    }
}

fn check_list(item: &Form, value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(items) = value.as_array() else {
        return report.warn(at, "must be a list");
    };
    if items.is_empty() {
        report.warn(at, "must not be an empty list");
    }
    for (index, value) in items.iter().enumerate() {
        check(item, value, &at.index(index), report);
    }
}

fn check_dictionary(keys: &Keys, entry: &Form, value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(entries) = value.as_object() else {
        return report.warn(at, "must be a dictionary");
    };
    if entries.is_empty() {
        report.warn(at, "must not be an empty dictionary");
    }
    for (key, value) in entries {
        let at = at.key(key);
        if !formats::is_dictionary_key(key) {
            report.warn(&at, format!("`{key}` may not be a dictionary key"));
        }
        match keys {
            Keys::Must(test, what) if !test(key) => report.warn(&at, format!("key `{key}` is not {what}")),
            Keys::Should(test, what) if !test(key) => report.advise(&at, format!("key `{key}` is not {what}")),
            Keys::Any | Keys::Must(..) | Keys::Should(..) => {}
        }
        check_any(value, &at, report);
        check(entry, value, &at, report);
    }
}

fn check_hashes(value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(entries) = value.as_object() else {
        return report.warn(at, "must be a dictionary of hashes");
    };
    if entries.is_empty() {
        report.warn(at, "must not be an empty dictionary");
    }
    for (algorithm, value) in entries {
        let at = at.key(algorithm);
        if !formats::is_dictionary_key(algorithm) || algorithm.len() < 3 {
            report.warn(&at, format!("`{algorithm}` may not name an algorithm"));
        }
        if !vocab::HASH_ALGO.contains(&algorithm.as_str()) && !algorithm.starts_with("x_") {
            report.advise(&at, format!("`{algorithm}` is not a known algorithm"));
        }
        match value.as_str() {
            Some(hash) if formats::is_hash(algorithm, hash) => {}
            _ => report.warn(&at, format!("value is not a hash of `{algorithm}`")),
        }
    }
}

fn check_object(shape: &Shape, value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(object) = value.as_object() else {
        return report.warn(at, "must be an object");
    };
    shape.check_presence(object, at, report);
    for (key, value) in object {
        let at = at.key(key);
        match shape.form(key) {
            Some(form) => check(form, value, &at, report),
            None if shape.closed => report.advise(&at, format!("custom property `{key}` needs an extension")),
            None => {}
        }
    }
}
