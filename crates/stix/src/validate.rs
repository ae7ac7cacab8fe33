//! Validation of STIX 2.1 objects in two grades: what the node refuses, and what it only warns of.
//!
//! One rule holds here: an object is refused only for what would make handling it unsafe (identity, version order,
//! markings); everything else another producer got wrong is kept and warned of.
//!
//! Requirements of the specification and its recommendations both warn; [`Options`] can leave the latter out.
//!
//! ```ignore
//! let findings = validate(&object);
//! let refused = findings.iter().any(|finding| finding.grade == Grade::Refuse);
//! ```

mod common;
mod extension;
mod form;
mod formats;
mod marking;
mod naming;
pub mod pattern;
mod registry;
mod report;
mod rules;
mod sco;
mod sdo;
mod timestamp;
pub mod vocab;

#[cfg(test)]
pub(crate) mod tests;

use std::{collections::HashSet, fmt};

use serde_json::{Map, Value};

use form::{Property, Shape};
use report::{Path, Report};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// The object is imperfect, and handled as it is.
    Warn,
    /// The node cannot handle the object safely.
    Refuse,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warn => "warn",
            Self::Refuse => "refuse",
        })
    }
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub grade: Grade,
    /// Where it is, such as `external_references[0].url`; empty for the object itself.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{}: {}", self.grade, self.message),
            path => write!(f, "{}: `{path}`: {}", self.grade, self.message),
        }
    }
}

/// The version of STIX a bundle is declared to be by whoever hands it over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// STIX 2.0, where a bundle states its version.
    V20,
    /// STIX 2.1, where each object does.
    #[default]
    V21,
}

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether departures from recommendations count too.
    pub recommendations: bool,
    /// The version the content is declared to be.
    pub version: Version,
}

impl Default for Options {
    fn default() -> Self {
        Self { recommendations: true, version: Version::V21 }
    }
}

/// Lists everything that is wrong with an object; an empty list means it is valid STIX 2.1.
#[must_use]
pub fn validate(object: &Value) -> Vec<Finding> {
    validate_with(object, Options::default())
}

/// The same, looking only for what the options name.
#[must_use]
pub fn validate_with(object: &Value, options: Options) -> Vec<Finding> {
    let mut report = Report { findings: Vec::new(), options };
    check_object(object, Place::Alone, &Path::Root, &mut report);
    report.findings
}

/// Where an object stands: inside a bundle one without `spec_version` is read as STIX 2.0.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Alone,
    InBundle,
}

fn check_object(value: &Value, place: Place, at: &Path<'_>, report: &mut Report) {
    let Some(object) = value.as_object() else {
        return report.refuse(at, "is not an object");
    };
    let Some(kind) = common::check_identity(object, at, report) else {
        return;
    };
    match kind {
        "bundle" => check_bundle(object, place, at, report),
        "marking-definition" => marking::check(object, at, report),
        _ => match (sdo::table(kind), sco::table(kind)) {
            (Some(shape), _) => check_domain(object, kind, shape, place, at, report),
            (None, Some(shape)) => check_observable(object, kind, shape, at, report),
            (None, None) => check_custom_type(object, kind, place, at, report),
        },
    }
}

fn check_domain(object: &Map<String, Value>, kind: &str, shape: &'static Shape, place: Place, at: &Path<'_>, report: &mut Report) {
    check_core_presence(object, place, at, report);
    shape.check_presence(object, at, report);
    for (name, value) in object {
        let at_member = at.key(name);
        if common::check_shared(object, kind, name, value, at, report) {
            continue;
        }
        let core = form::find(sdo::CORE, name).filter(|_| has_core(kind, name));
        match core.or_else(|| shape.form(name)) {
            Some(form) => form::check(form, value, &at_member, report),
            None => naming::check_custom(object, name, value, &at_member, report),
        }
    }
    common::check_uuid(object, 4, at, report);
    common::check_times(object, kind, at, report);
    rules::check(object, kind, at, report);
}

/// Meta objects have less in common than the others.
fn has_core(kind: &str, name: &str) -> bool {
    !matches!((kind, name), ("language-content", "lang") | ("extension-definition", "lang" | "confidence"))
}

fn check_core_presence(object: &Map<String, Value>, place: Place, at: &Path<'_>, report: &mut Report) {
    for name in sdo::CORE_REQUIRED {
        let is_old = place == Place::InBundle && *name == "spec_version";
        if !object.contains_key(*name) && !is_old {
            report.warn(at, format!("property `{name}` is required"));
        }
    }
}

fn check_observable(object: &Map<String, Value>, kind: &str, shape: &'static Shape, at: &Path<'_>, report: &mut Report) {
    shape.check_presence(object, at, report);
    for (name, value) in object {
        let at_member = at.key(name);
        if common::check_shared(object, kind, name, value, at, report) {
            continue;
        }
        match shape.form(name) {
            Some(form) => form::check(form, value, &at_member, report),
            None if name == "defanged" => form::check(&form::Form::Flag, value, &at_member, report),
            None => naming::check_custom(object, name, value, &at_member, report),
        }
    }
    naming::check_lower_case(object, at, report);
    common::check_uuid(object, if kind == "process" { 4 } else { 5 }, at, report);
    common::check_times(object, kind, at, report);
    rules::check(object, kind, at, report);
}

fn check_custom_type(object: &Map<String, Value>, kind: &str, place: Place, at: &Path<'_>, report: &mut Report) {
    if kind == "action" {
        report.warn(at, "type `action` is reserved");
    } else if !extension::uses(object, &["new-sdo", "new-sco", "new-sro"]) {
        report.advise(at, format!("custom type `{kind}` needs an extension"));
    }
    // Without version properties it can only be a custom observable.
    let has_versions = object.contains_key("created") || object.contains_key("modified");
    if has_versions {
        check_core_presence(object, place, at, report);
    }
    for (name, value) in object {
        if common::check_shared(object, kind, name, value, at, report) {
            continue;
        }
        let at_member = at.key(name);
        naming::check_member(name, value, &at_member, report);
        let core: Option<&'static Property> = sdo::CORE.iter().find(|(known, _)| known == name);
        if let Some((_, form)) = core.filter(|_| has_versions || name == "lang") {
            form::check(form, value, &at_member, report);
        }
        if matches!(name.as_str(), "action" | "phone_numbers" | "severity" | "username") {
            report.warn(&at_member, format!("property name `{name}` is reserved"));
        }
    }
    common::check_uuid(object, 4, at, report);
    common::check_times(object, kind, at, report);
    rules::check_references(object, at, report);
}

fn check_bundle(bundle: &Map<String, Value>, place: Place, at: &Path<'_>, report: &mut Report) {
    if place == Place::InBundle {
        return report.refuse(at, "a bundle may not be inside a bundle");
    }
    if report.options.version == Version::V20 && !bundle.contains_key("spec_version") {
        report.warn(at, "property `spec_version` is required on a bundle of version 2.0");
    }
    for (name, value) in bundle {
        let at_member = at.key(name);
        match name.as_str() {
            "type" | "id" => {}
            "objects" => check_members(value, &at_member, report),
            _ => naming::check_custom(bundle, name, value, &at_member, report),
        }
    }
    common::check_uuid(bundle, 4, at, report);
}

fn check_members(value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(members) = value.as_array() else {
        return report.refuse(at, "must be a list");
    };
    if members.is_empty() {
        report.warn(at, "must not be an empty list");
    }
    let mut versions = HashSet::new();
    for (index, member) in members.iter().enumerate() {
        let at = at.index(index);
        check_object(member, Place::InBundle, &at, report);
        if let (Some(id), Some(modified)) = (member.get("id"), member.get("modified"))
            && !versions.insert((id.as_str(), modified.as_str()))
        {
            report.advise(&at, "the same version of this object is in the bundle twice");
        }
    }
}
