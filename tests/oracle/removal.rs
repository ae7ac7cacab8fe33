//! Taking parts out of an object.
//! The rule: what is left says nothing of what went, except that something did.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

pub(super) const DERIVED_EXTENSION: &str = "extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a2";

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

pub(super) type Path = Vec<Step>;

/// A selector as a path.
pub(super) fn read_selector(selector: &str) -> Path {
    let index = |part: &str| part.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    selector.split('.').map(|part| index(part).map_or_else(|| Step::Key(part.to_owned()), Step::Index)).collect()
}

pub(super) fn resolves(object: &Value, path: &[Step]) -> bool {
    let mut here = object;
    for step in path {
        let next = match step {
            Step::Key(key) => here.as_object().and_then(|map| map.get(key)),
            Step::Index(index) => here.as_array().and_then(|list| list.get(*index)),
        };
        let Some(next) = next else { return false };
        here = next;
    }
    true
}

/// The object without the paths and without the granular entries applied; nothing if it lost what its type requires.
pub(super) fn without(object: &Value, paths: &BTreeSet<Path>, applied: &BTreeSet<usize>, by: &str) -> Option<Value> {
    let mut gone = BTreeSet::new();
    let Value::Object(mut copy) = rebuild(object, &Vec::new(), paths, &mut gone)? else {
        return None;
    };
    if let Some(Value::Array(entries)) = object.get("granular_markings") {
        let kept = entries.iter().enumerate().filter(|(index, _)| !applied.contains(index));
        let kept: Vec<Value> = kept.filter_map(|(_, entry)| point_again(entry, &gone)).collect();
        if kept.is_empty() {
            copy.remove("granular_markings");
        } else {
            copy.insert("granular_markings".to_owned(), Value::Array(kept));
        }
    }
    let lost = |key: &str| object.get(key).is_some() && !copy.contains_key(key);
    if required(object).into_iter().any(lost) || lost_the_last(object, &copy) {
        return None;
    }
    let derived = json!({"extension_type": "property-extension", "derived_by": by});
    let extensions = copy.entry("extensions").or_insert_with(|| Value::Object(Map::new()));
    extensions.as_object_mut()?.insert(DERIVED_EXTENSION.to_owned(), derived);
    Some(Value::Object(copy))
}

/// The value without the paths and without the containers that this emptied, all of which are noted as gone.
fn rebuild(value: &Value, here: &Path, paths: &BTreeSet<Path>, gone: &mut BTreeSet<Path>) -> Option<Value> {
    if paths.contains(here) {
        gone.insert(here.clone());
        return None;
    }
    let below = |step: Step| here.iter().cloned().chain([step]).collect::<Path>();
    let (copy, emptied) = match value {
        Value::Object(map) => {
            let mut copy = Map::new();
            for (key, inner) in map {
                if let Some(inner) = rebuild(inner, &below(Step::Key(key.clone())), paths, gone) {
                    copy.insert(key.clone(), inner);
                }
            }
            let emptied = copy.is_empty() && !map.is_empty();
            (Value::Object(copy), emptied)
        }
        Value::Array(list) => {
            let mut copy = Vec::new();
            for (index, inner) in list.iter().enumerate() {
                copy.extend(rebuild(inner, &below(Step::Index(index)), paths, gone));
            }
            let emptied = copy.is_empty() && !list.is_empty();
            (Value::Array(copy), emptied)
        }
        other => (other.clone(), false),
    };
    if emptied {
        gone.insert(here.clone());
        return None;
    }
    Some(copy)
}

/// A granular entry with its selectors as they are in the copy; nothing if all it pointed to is gone.
fn point_again(entry: &Value, gone: &BTreeSet<Path>) -> Option<Value> {
    let mut entry = entry.clone();
    let selectors = entry.get("selectors").and_then(Value::as_array).into_iter().flatten();
    let selectors: Vec<Value> = selectors
        .filter_map(|selector| match selector.as_str() {
            Some(text) => new_selector(text, gone).map(Value::String),
            None => Some(selector.clone()),
        })
        .collect();
    if selectors.is_empty() && entry.get("selectors").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return None;
    }
    if let Some(place) = entry.get_mut("selectors") {
        *place = Value::Array(selectors);
    }
    Some(entry)
}

fn new_selector(selector: &str, gone: &BTreeSet<Path>) -> Option<String> {
    let mut old = Path::new();
    let mut new = Vec::new();
    for step in read_selector(selector) {
        new.push(match &step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => {
                let before = |other: &usize| gone.contains(&old.iter().cloned().chain([Step::Index(*other)]).collect::<Path>());
                format!("[{}]", index - (0..*index).filter(before).count())
            }
        });
        old.push(step);
        if gone.contains(&old) {
            return None;
        }
    }
    Some(new.join("."))
}

/// Some types need one of two properties, whichever it is.
fn lost_the_last(object: &Value, copy: &Map<String, Value>) -> bool {
    let either = match object.get("type").and_then(Value::as_str) {
        Some("file") => ["hashes", "name"],
        Some("malware-analysis") => ["result", "analysis_sco_refs"],
        Some("network-traffic") => ["src_ref", "dst_ref"],
        _ => return false,
    };
    either.iter().any(|key| object.get(key).is_some()) && !either.iter().any(|key| copy.contains_key(*key))
}

/// The properties STIX 2.1 requires of the object's type.
fn required(object: &Value) -> Vec<&'static str> {
    let mut all = vec!["type", "id", "created", "modified"];
    if object.get("created").is_some() {
        all.push("spec_version");
    }
    let own: &[&str] = match object.get("type").and_then(Value::as_str).unwrap_or_default() {
        "attack-pattern" | "campaign" | "course-of-action" | "identity" | "incident" | "infrastructure" | "intrusion-set" | "mutex" | "software"
        | "threat-actor" | "tool" | "vulnerability" => &["name"],
        "autonomous-system" => &["number"],
        "directory" => &["path"],
        "domain-name" | "email-addr" | "ipv4-addr" | "ipv6-addr" | "mac-addr" | "url" => &["value"],
        "email-message" => &["is_multipart"],
        "extension-definition" => &["created_by_ref", "name", "schema", "version", "extension_types"],
        "grouping" => &["context", "object_refs"],
        "indicator" => &["pattern", "pattern_type", "valid_from"],
        "language-content" => &["object_ref", "contents"],
        "malware" => &["is_family"],
        "malware-analysis" => &["product"],
        "network-traffic" => &["protocols"],
        "note" => &["content", "object_refs"],
        "observed-data" => &["first_observed", "last_observed", "number_observed", "object_refs"],
        "opinion" => &["opinion", "object_refs"],
        "relationship" => &["relationship_type", "source_ref", "target_ref"],
        "report" => &["name", "published", "object_refs"],
        "sighting" => &["sighting_of_ref"],
        _ => &[],
    };
    all.extend(own);
    all
}
