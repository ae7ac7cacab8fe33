//! Making a redacted copy: selected properties and denied ids leave, the rest stays in its order, and the copy says that it is derived.
//!
//! The rule: no digest, count or trace of what was removed travels.

use std::collections::{BTreeMap, BTreeSet};

use polder_stix::selector::{self, Step};
use polder_stix::{Id, ext};
use serde_json::{Map, Value};

use crate::limits;

/// Why no copy can be made; the row is withheld then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedactError {
    /// What is left would lack a property its type requires.
    #[error("the copy would lack `{0}`")]
    Required(String),
    /// The body is not the object it was.
    #[error("the body cannot be read")]
    Body,
}

/// A granular marking as it stands in the object, analysed once at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawGranular {
    /// The marking.
    pub marking: Id,
    /// It cannot be applied to a part, so it counts for the whole object.
    pub whole: bool,
    /// What it selects, as written; nothing where it counts for the whole object.
    pub selectors: Box<[Box<str>]>,
}

/// Reads the granular markings that carry a `marking_ref`, in order. What cannot be read counts for the whole object, under `unreadable`.
#[must_use]
pub fn analyse_granular(object: &Value, unreadable: &Id) -> Vec<RawGranular> {
    let list = object.get("granular_markings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let whole = |marking: Id| RawGranular { marking, whole: true, selectors: Box::default() };
    if list.len() > limits::GRANULAR_MAX {
        return vec![whole(unreadable.clone())];
    }
    let mut out = Vec::new();
    for entry in list {
        if entry.get("marking_ref").is_none() && entry.get("lang").is_some() {
            continue;
        }
        let marking = entry.get("marking_ref").and_then(Value::as_str).and_then(Id::parse);
        let Some(marking) = marking else {
            out.push(whole(unreadable.clone()));
            continue;
        };
        let paths = removal_paths(entry);
        let resolves = |p: &Vec<Step>| selector::resolve(object, p).is_some();
        match paths {
            Some(paths) if paths.iter().all(resolves) => {
                let written = entry.get("selectors").and_then(Value::as_array).into_iter().flatten();
                let selectors = written.filter_map(Value::as_str).map(Into::into).collect();
                out.push(RawGranular { marking, whole: false, selectors });
            }
            _ => out.push(whole(marking)),
        }
    }
    out
}

/// Is the entry one that [`analyse_granular`] counts?
fn counts(entry: &Value) -> bool {
    entry.get("marking_ref").is_some() || entry.get("lang").is_none()
}

/// The paths an entry removes: to the leaf through dictionaries, to the whole element at the first list index.
fn removal_paths(entry: &Value) -> Option<Vec<Vec<Step>>> {
    let selectors = entry.get("selectors")?.as_array()?;
    let paths: Option<Vec<Vec<Step>>> = selectors
        .iter()
        .map(|s| {
            let mut path = selector::parse(s.as_str()?)?;
            if let Some(at) = path.iter().position(|s| matches!(s, Step::Index(_))) {
                path.truncate(at + 1);
            }
            Some(path)
        })
        .collect();
    paths.filter(|p| !p.is_empty())
}

/// The object without its texts: all that deciding about a copy needs. Ids, names of properties and granular markings stay.
#[must_use]
pub fn outline(object: &Value) -> Value {
    let part = |(key, value): (&String, &Value)| {
        let kept = matches!(key.as_str(), "type" | "id" | "granular_markings");
        (key.clone(), if kept { value.clone() } else { outline_of(value) })
    };
    object.as_object().map_or(Value::Null, |map| map.iter().map(part).collect())
}

fn outline_of(value: &Value) -> Value {
    match value {
        Value::String(text) if Id::parse(text).is_some() => value.clone(),
        Value::Array(list) => list.iter().map(outline_of).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), outline_of(value))).collect(),
        _ => Value::Null,
    }
}

/// What would be left of an object with this outline, as a number that differs when what is left differs; `None` when no copy can be made.
#[must_use]
pub fn outline_copy(outline: &Value, granular: &[u32], denied: &BTreeSet<Id>, hide_author: bool) -> Option<u64> {
    let bytes = serde_json::to_vec(&without(outline, granular, denied, hide_author).ok()?).ok()?;
    Some(crate::decide::fnv(bytes).max(1))
}

/// Makes the copy: applies the granular markings at those positions, removes every string that is one of `denied`, and says who derived it.
///
/// # Errors
/// [`RedactError`]; the row must then be withheld.
pub fn redact(body: &[u8], granular: &[u32], denied: &BTreeSet<Id>, hide_author: bool, derived_by: Option<&str>) -> Result<Vec<u8>, RedactError> {
    let object: Value = serde_json::from_slice(body).map_err(|_| RedactError::Body)?;
    let mut copy = without(&object, granular, denied, hide_author)?;
    say_derived(copy.as_object_mut().ok_or(RedactError::Body)?, derived_by)?;
    serde_json::to_vec(&copy).map_err(|_| RedactError::Body)
}

/// The object without what is to go.
fn without(before: &Value, granular: &[u32], denied: &BTreeSet<Id>, hide_author: bool) -> Result<Value, RedactError> {
    let mut object = before.clone();
    let mut paths: Vec<Vec<Step>> = Vec::new();
    let entries = object.get("granular_markings").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut kept = Vec::new();
    let mut number = 0u32;
    for entry in entries {
        let here = number;
        number += u32::from(counts(&entry));
        if counts(&entry) && granular.contains(&here) {
            paths.extend(removal_paths(&entry).ok_or(RedactError::Body)?);
        } else {
            kept.extend(entry_without(entry, denied)?);
        }
    }
    if hide_author {
        paths.push(vec![Step::Key("created_by_ref".to_owned())]);
    }
    find_denied(&object, denied, &mut Vec::new(), &mut paths);
    if let Some(map) = object.as_object_mut() {
        map.shift_remove("granular_markings");
    }
    let removed = remove(&mut object, &paths);
    if let Some(property) = missing_required(&object, before) {
        return Err(RedactError::Required(property.to_owned()));
    }
    let map = object.as_object_mut().ok_or(RedactError::Body)?;
    let kept = reindex(kept, &removed);
    if !kept.is_empty() {
        map.insert("granular_markings".to_owned(), Value::Array(kept));
    }
    Ok(object)
}

/// A granular entry that stays, without denied ids. What carries a marking is never dropped for one: the part would lose its marking.
fn entry_without(mut entry: Value, denied: &BTreeSet<Id>) -> Result<Option<Value>, RedactError> {
    let names = |value: &Value| {
        let mut found = Vec::new();
        find_denied(value, denied, &mut vec![Step::Key("granular_markings".to_owned())], &mut found);
        !found.is_empty()
    };
    let carries = entry.get("marking_ref").is_some();
    let Some(map) = entry.as_object_mut().filter(|_| carries) else {
        return Ok((!names(&entry)).then_some(entry));
    };
    if map.get("selectors").is_some_and(names) {
        return Err(RedactError::Required("granular_markings".to_owned()));
    }
    // As with `object_marking_refs`, the id of a marking is no reference.
    map.retain(|key, value| key == "marking_ref" || !names(value));
    Ok(Some(entry))
}

fn say_derived(map: &mut Map<String, Value>, derived_by: Option<&str>) -> Result<(), RedactError> {
    let mut says = Map::from_iter([("extension_type".to_owned(), Value::from("property-extension"))]);
    if let Some(identity) = derived_by {
        says.insert("derived_by".to_owned(), Value::from(identity));
    }
    let extensions = map.entry("extensions").or_insert_with(|| Value::Object(Map::new()));
    extensions.as_object_mut().ok_or(RedactError::Body)?.insert(ext::DERIVED.to_owned(), Value::Object(says));
    Ok(())
}

fn find_denied(value: &Value, denied: &BTreeSet<Id>, at: &mut Vec<Step>, paths: &mut Vec<Vec<Step>>) {
    match value {
        Value::String(s) if !denied.is_empty() && Id::parse(s).is_some_and(|id| denied.contains(&id)) => paths.push(at.clone()),
        Value::Array(list) => {
            for (i, v) in list.iter().enumerate() {
                at.push(Step::Index(i));
                find_denied(v, denied, at, paths);
                at.pop();
            }
        }
        Value::Object(map) => {
            for (k, v) in map {
                let skipped = at.is_empty() && matches!(k.as_str(), "id" | "object_marking_refs" | "granular_markings");
                if !skipped {
                    at.push(Step::Key(k.clone()));
                    find_denied(v, denied, at, paths);
                    at.pop();
                }
            }
        }
        _ => {}
    }
}

/// Removes the paths and whatever that leaves empty; returns the paths of everything removed, as they stood.
fn remove(object: &mut Value, paths: &[Vec<Step>]) -> Vec<Vec<Step>> {
    let slices: Vec<&[Step]> = paths.iter().map(Vec::as_slice).collect();
    let mut removed = Vec::new();
    prune(object, &slices, &mut Vec::new(), &mut removed);
    removed
}

/// True when the value is to go: it was selected, or nothing is left of it.
fn prune(value: &mut Value, paths: &[&[Step]], at: &mut Vec<Step>, removed: &mut Vec<Vec<Step>>) -> bool {
    let mut by_step: BTreeMap<&Step, Vec<&[Step]>> = BTreeMap::new();
    for path in paths {
        if let [first, rest @ ..] = path {
            by_step.entry(first).or_default().push(rest);
        }
    }
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    for (step, rests) in by_step.iter().rev() {
        let child = match (step, &mut *value) {
            (Step::Key(k), Value::Object(map)) => map.get_mut(k),
            (Step::Index(i), Value::Array(list)) => list.get_mut(*i),
            _ => None,
        };
        let Some(child) = child else { continue };
        at.push((*step).clone());
        if rests.iter().any(|r| r.is_empty()) || prune(child, rests, at, removed) {
            removed.push(at.clone());
            match (step, &mut *value) {
                (Step::Key(k), Value::Object(map)) => {
                    map.shift_remove(k);
                }
                (Step::Index(i), _) => drop(gone.insert(*i)),
                (Step::Key(_), _) => {}
            }
        }
        at.pop();
    }
    // At once, since a list may have a hundred thousand items.
    if let Value::Array(list) = value {
        let mut n = 0;
        list.retain(|_| {
            n += 1;
            !gone.contains(&(n - 1))
        });
    }
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// What was removed, so that many selectors can be looked up in it.
struct Removed<'a> {
    paths: BTreeSet<&'a [Step]>,
    /// By list, the indexes that left it, in order.
    indexes: BTreeMap<&'a [Step], Vec<usize>>,
}

impl<'a> Removed<'a> {
    fn of(removed: &'a [Vec<Step>]) -> Self {
        let mut indexes: BTreeMap<&[Step], Vec<usize>> = BTreeMap::new();
        for path in removed {
            if let [list @ .., Step::Index(i)] = path.as_slice() {
                indexes.entry(list).or_default().push(*i);
            }
        }
        indexes.values_mut().for_each(|list| list.sort_unstable());
        Self { paths: removed.iter().map(Vec::as_slice).collect(), indexes }
    }

    /// Where a path leads now; none if what it led to is gone.
    fn shift(&self, path: &[Step]) -> Option<Vec<Step>> {
        if (0..=path.len()).filter_map(|n| path.get(..n)).any(|start| self.paths.contains(start)) {
            return None;
        }
        let moved = path.iter().enumerate().map(|(depth, step)| {
            let Step::Index(i) = step else { return step.clone() };
            let gone = path.get(..depth).and_then(|list| self.indexes.get(list));
            Step::Index(i - gone.map_or(0, |gone| gone.partition_point(|j| j < i)))
        });
        Some(moved.collect())
    }
}

/// Points the remaining granular markings at what is left.
fn reindex(entries: Vec<Value>, removed: &[Vec<Step>]) -> Vec<Value> {
    let removed = Removed::of(removed);
    let mut out = Vec::new();
    for mut entry in entries {
        let moved: Vec<Value> = entry
            .get("selectors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|s| selector::parse(s.as_str()?))
            .filter_map(|path| removed.shift(&path))
            .map(|path| Value::from(selector::write(&path)))
            .collect();
        if moved.is_empty() {
            continue;
        }
        if let Some(map) = entry.as_object_mut() {
            map.insert("selectors".to_owned(), Value::Array(moved));
        }
        out.push(entry);
    }
    out
}

/// The first property that the object's type requires, that it had before, and that the copy lacks.
fn missing_required(object: &Value, before: &Value) -> Option<&'static str> {
    let kind = before.get("type").and_then(Value::as_str)?;
    let lacks = |name: &&&'static str| object.get(**name).is_none() && before.get(**name).is_some();
    if let Some(name) = ["type", "id"].iter().find(lacks) {
        return Some(name);
    }
    if let Some(name) = required_properties(kind).iter().find(lacks) {
        return Some(name);
    }
    let needs_one: &[&'static str] = match kind {
        "network-traffic" => &["src_ref", "dst_ref"],
        "file" => &["hashes", "name"],
        "malware-analysis" => &["result", "analysis_sco_refs"],
        _ => return None,
    };
    if needs_one.iter().all(|n| object.get(*n).is_none()) && needs_one.iter().any(|n| before.get(*n).is_some()) { needs_one.first().copied() } else { None }
}

/// Properties that a type requires besides `type` and `id` (STIX 2.1 sections 4 to 7). Times and `spec_version` are added for domain and relationship objects.
fn required_properties(kind: &str) -> &'static [&'static str] {
    match kind {
        "attack-pattern" | "campaign" | "course-of-action" | "identity" | "infrastructure" | "intrusion-set" | "threat-actor" | "tool" | "vulnerability" => {
            &["spec_version", "created", "modified", "name"]
        }
        "incident" => &["spec_version", "created", "modified", "name"],
        "grouping" => &["spec_version", "created", "modified", "context", "object_refs"],
        "indicator" => &["spec_version", "created", "modified", "pattern", "pattern_type", "valid_from"],
        "location" => &["spec_version", "created", "modified"],
        "malware" => &["spec_version", "created", "modified", "is_family"],
        "malware-analysis" => &["spec_version", "created", "modified", "product"],
        "note" => &["spec_version", "created", "modified", "content", "object_refs"],
        "observed-data" => &["spec_version", "created", "modified", "first_observed", "last_observed", "number_observed", "object_refs"],
        "opinion" => &["spec_version", "created", "modified", "opinion", "object_refs"],
        "report" => &["spec_version", "created", "modified", "name", "published", "object_refs"],
        "relationship" => &["spec_version", "created", "modified", "relationship_type", "source_ref", "target_ref"],
        "sighting" => &["spec_version", "created", "modified", "sighting_of_ref"],
        "language-content" => &["spec_version", "created", "modified", "object_ref", "contents"],
        "extension-definition" => &["spec_version", "created", "modified", "created_by_ref", "name", "schema", "version", "extension_types"],
        "marking-definition" => &["spec_version", "created"],
        "autonomous-system" => &["number"],
        "directory" => &["path"],
        "domain-name" | "email-addr" | "ipv4-addr" | "ipv6-addr" | "mac-addr" | "url" => &["value"],
        "email-message" => &["is_multipart"],
        "mutex" | "software" => &["name"],
        "network-traffic" => &["protocols"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: &str = "indicator--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20";
    const B: &str = "malware--0012e5b0-0b7b-4ddd-b326-cd076b2c4c21";
    const M: &str = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed";

    fn run(object: &Value, granular: &[u32], denied: &[&str]) -> Result<Value, RedactError> {
        let denied = denied.iter().map(|d| Id::parse(d).unwrap()).collect();
        redact(object.to_string().as_bytes(), granular, &denied, false, Some("identity--x")).map(|b| {
            let mut v: Value = serde_json::from_slice(&b).unwrap();
            let says = v["extensions"].as_object_mut().unwrap().shift_remove(ext::DERIVED).unwrap();
            assert_eq!(says["derived_by"], "identity--x");
            if v["extensions"].as_object().unwrap().is_empty() {
                v.as_object_mut().unwrap().shift_remove("extensions");
            }
            v
        })
    }

    #[test]
    fn removes_and_reindexes() {
        let o = json!({"type":"x-y","id":A,"a":[{"u":1,"v":2},{"u":3}],"d":{"e":{"f":1}},"r":[B,A,"z"],
            "granular_markings":[{"marking_ref":M,"selectors":["a.[0].u","d.e.f"]},{"marking_ref":M,"selectors":["a.[1].u","r.[2]"]},{"lang":"de","selectors":["a.[0].v"]}]});
        assert_eq!(
            run(&o, &[0], &[B]).unwrap(),
            json!({"type":"x-y","id":A,"a":[{"u":3}],"r":[A,"z"],"granular_markings":[{"marking_ref":M,"selectors":["a.[0].u","r.[1]"]}]})
        );
        assert_eq!(run(&o, &[0, 1], &[B, A]).unwrap(), json!({"type":"x-y","id":A}));
    }

    #[test]
    fn a_marking_follows_its_part_among_many_that_leave() {
        // Each selector was once held against each removal.
        let list: Vec<Value> = (0..20_000).map(|n| if n % 2 == 0 { json!(B) } else { json!({"n": n}) }).collect();
        let selectors: Vec<String> = (0..20_000).map(|n| format!("l.[{n}]")).collect();
        let o = json!({"type":"x-y","id":A,"l":list,"granular_markings":[{"marking_ref":M,"selectors":selectors}]});
        let copy = run(&o, &[], &[B]).unwrap();
        let left = copy["granular_markings"][0]["selectors"].as_array().unwrap();
        assert_eq!((left.len(), copy["l"].as_array().unwrap().len()), (10_000, 10_000));
        for (at, selector) in left.iter().enumerate() {
            let path = selector::parse(selector.as_str().unwrap()).unwrap();
            assert_eq!(selector::resolve(&copy, &path).unwrap()["n"], 2 * at + 1);
        }
    }

    #[test]
    fn what_is_required_cannot_leave() {
        let i = json!({"type":"indicator","id":A,"spec_version":"2.1","created":"x","modified":"x","pattern":"p","pattern_type":"stix","valid_from":"x","granular_markings":[{"marking_ref":M,"selectors":["pattern"]}]});
        assert_eq!(run(&i, &[0], &[]), Err(RedactError::Required("pattern".into())));
        assert_eq!(outline_copy(&outline(&i), &[0], &BTreeSet::new(), false), None);
        let n = json!({"type":"note","id":"note--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20","spec_version":"2.1","created":"x","modified":"x","content":"c","object_refs":[A,B],"granular_markings":[{"marking_ref":M,"selectors":["object_refs.[0]"]},{"marking_ref":M,"selectors":["nothing"]}]});
        let g = analyse_granular(&n, &Id::parse(M).unwrap());
        assert_eq!((g[0].whole, g[1].whole), (false, true));
        assert_eq!(run(&n, &[], &[A, B]), Err(RedactError::Required("object_refs".into())));
        assert_eq!(run(&n, &[0], &[]).unwrap()["object_refs"], json!([B]));
    }

    #[test]
    fn a_denied_id_stayed_in_the_granular_markings() {
        let tool = |entries: Value| json!({"type":"tool","id":"tool--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20","name":"n","x_ref":B,"granular_markings":entries});
        let says = |entries: Value, denied: &[&str]| run(&tool(entries), &[], denied).map(|v| v["granular_markings"].clone());
        assert_eq!(says(json!([{"lang":B,"selectors":["name"]}]), &[B]).unwrap(), Value::Null);
        assert_eq!(says(json!([{"lang":B,"selectors":["name"]}]), &[A]).unwrap(), json!([{"lang":B,"selectors":["name"]}]));
        assert_eq!(says(json!([{"lang":"de","x":[{"y":B}],"selectors":["name"]}]), &[B]).unwrap(), Value::Null);
        // Who receives the copy keeps the marking of the part, whatever else stood in the entry.
        assert_eq!(says(json!([{"marking_ref":M,"lang":B,"selectors":["name"]}]), &[B]).unwrap(), json!([{"marking_ref":M,"selectors":["name"]}]));
        assert_eq!(says(json!([{"marking_ref":M,"selectors":["name"]}]), &[B, M]).unwrap(), json!([{"marking_ref":M,"selectors":["name"]}]));
        assert!(says(json!([{"marking_ref":M,"selectors":["name",B]}]), &[B]).is_err());
    }

    #[test]
    fn a_copy_that_fails_is_known_from_its_outline() {
        let none = BTreeSet::new();
        let gone = BTreeSet::from([Id::parse(B).unwrap()]);
        let analysis = json!({"type":"malware-analysis","id":"malware-analysis--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20","product":"p","analysis_sco_refs":[B]});
        assert!(run(&analysis, &[], &[B]).is_err());
        assert_eq!(outline_copy(&outline(&analysis), &[], &gone, false), None);
        let definition = json!({"type":"extension-definition","id":"extension-definition--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20","created_by_ref":A,"name":"n","schema":"s","version":"1","extension_types":["new-sdo"]});
        assert_eq!(outline_copy(&outline(&definition), &[], &none, true), None);
        assert!(outline_copy(&outline(&definition), &[], &none, false).is_some());
    }

    #[test]
    fn an_outline_is_decided_like_its_object() {
        let o = json!({"type":"network-traffic","id":"network-traffic--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20","protocols":["ipv4","tcp"],"x_note":"secret","src_ref":A,
            "granular_markings":[{"marking_ref":M,"selectors":["protocols.[0]"]},{"marking_ref":M,"selectors":["protocols.[1]"]},{"marking_ref":M,"selectors":["x_note"]},
                {"marking_ref":M,"selectors":["x_note"]}]});
        let line = outline(&o);
        assert!(!line.to_string().contains("secret"));
        let none = BTreeSet::new();
        // Each of two parts of a required list may go, not both.
        assert!(run(&o, &[0], &[]).is_ok() && outline_copy(&line, &[0], &none, false).is_some());
        assert!(run(&o, &[0, 1], &[]).is_err() && outline_copy(&line, &[0, 1], &none, false).is_none());
        // What has gone already makes no difference.
        assert_eq!(outline_copy(&line, &[2], &none, false), outline_copy(&line, &[2, 3], &none, false));
        assert_ne!(outline_copy(&line, &[0], &none, false), outline_copy(&line, &[1, 2], &none, false));
    }
}
