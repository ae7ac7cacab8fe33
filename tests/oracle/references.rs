//! References: the strings of an object that name another object.
//! The rule: a target counts as denied only where a row of it, removed or not, is in scope and none of those may be held.

use std::collections::BTreeSet;

use serde_json::Value;

use super::removal::{Path, Step};
use super::world::{Row, World};

/// Every reference of an object, with its path.
pub(super) fn of(object: &Value) -> Vec<(Path, String)> {
    let mut found = Vec::new();
    walk(object, &Vec::new(), &mut found);
    found
}

/// Is or was the target there, in the scope of the row, and in no row that is held?
pub(super) fn is_denied(world: &World, row: &Row, target: &str, held: &BTreeSet<usize>) -> bool {
    let in_scope = |other: &&Row| row.is_own() || other.source.name == row.source.name;
    let mut rows = world.rows.iter().filter(|other| other.id() == target).filter(in_scope).peekable();
    rows.peek().is_some() && !rows.any(|other| held.contains(&other.number))
}

fn walk(value: &Value, here: &Path, found: &mut Vec<(Path, String)>) {
    let below = |step: Step| here.iter().cloned().chain([step]).collect::<Path>();
    match value {
        Value::String(text) if is_id(text) => found.push((here.clone(), text.clone())),
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                walk(inner, &below(Step::Index(index)), found);
            }
        }
        Value::Object(map) => {
            for (key, inner) in map {
                let exempt = ["id", "object_marking_refs", "granular_markings"].contains(&key.as_str());
                if !(here.is_empty() && exempt) {
                    walk(inner, &below(Step::Key(key.clone())), found);
                }
            }
        }
        _ => {}
    }
}

/// A type, two hyphens and a UUID.
fn is_id(text: &str) -> bool {
    let Some((kind, uuid)) = text.split_once("--") else {
        return false;
    };
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let groups: Vec<&str> = uuid.split('-').collect();
    !kind.is_empty()
        && kind.bytes().all(letters)
        && groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
