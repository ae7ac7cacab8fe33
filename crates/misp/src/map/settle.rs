//! Does a row say something that is not held, and as of when?
//!
//! The rule: what has become something else says no longer where it belongs, and nobody is told a time that another's hidden change moved.

use std::collections::BTreeSet;

use polder_stix::ext;
use serde_json::{Map, Value};

use super::aside::moment_s;
use super::fields::number;
use super::rows::{Row, moment};

/// What became of a row.
pub(super) enum Settled {
    New(String, Map<String, Value>),
    Unchanged,
    Older,
    Foreign(String),
}

pub(super) fn ours(object: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    object.get("extensions").and_then(|e| e.get(ext::MISP)).and_then(Value::as_object).unwrap_or(&NONE)
}

fn said_at(ours: &Map<String, Value>) -> Option<i64> {
    let fields = ours.get("fields")?;
    let written = || moment_s(fields.get("modified")?.as_str()?);
    number(fields.get("timestamp")).or_else(|| number(fields.get("date_sighting"))).or_else(written)
}

/// Does a row say something that is not held, and as of when?
pub(super) fn settle(mut row: Row, held: Option<&Value>, now_s: i64) -> Settled {
    // A second ahead, so that what answers another's row of this very second is newer than that.
    let mut at_s = row.at_s.min(now_s.saturating_add(1));
    let mut created = at_s;
    let mut created_text = None;
    if let Some(held) = held {
        let before = ours(held);
        let (event, held_event) = (new_of(&row.object, "event_ref"), before.get("event_ref"));
        // What has become something else says no longer where it belongs.
        if before.contains_key("fields") && event != held_event {
            let other = held_event.and_then(Value::as_str).unwrap_or("nothing");
            return Settled::Foreign(format!("`{}` is held as part of `{other}`", row.id));
        }
        if said_at(before).is_some_and(|before| row.at_s < before) {
            return Settled::Older;
        }
        if same(&row.object, held) {
            return Settled::Unchanged;
        }
        let before_s = number(before.get("timestamp")).unwrap_or_default();
        at_s = at_s.max(before_s.saturating_add(1));
        created = created.min(before_s);
        created_text = held.get("created").and_then(Value::as_str).map(str::to_owned);
    }
    if let Some(ours) = row.object.get_mut("extensions").and_then(|e| e.get_mut(ext::MISP)).and_then(Value::as_object_mut) {
        ours.insert("timestamp".to_owned(), at_s.into());
    }
    let mut object = Map::new();
    let mut rest = row.object.into_iter();
    object.extend(rest.by_ref().take(3));
    if row.versioned {
        object.insert("created".to_owned(), created_text.unwrap_or_else(|| moment(created)).into());
        object.insert("modified".to_owned(), moment(at_s).into());
    }
    object.extend(rest);
    Settled::New(row.id, object)
}

pub(super) fn new_of<'o>(object: &'o Map<String, Value>, key: &str) -> Option<&'o Value> {
    object.get("extensions")?.get(ext::MISP)?.get(key)
}

/// The same but for the times we give; of an event also but for its own, which move with parts that others may not see.
fn same(new: &Map<String, Value>, held: &Value) -> bool {
    let Value::Object(mut held) = held.clone() else { return false };
    held.shift_remove("created");
    held.shift_remove("modified");
    let mut new = new.clone();
    for object in [&mut held, &mut new] {
        let Some(ours) = object.get_mut("extensions").and_then(|e| e.get_mut(ext::MISP)).and_then(Value::as_object_mut) else { return false };
        ours.shift_remove("timestamp");
        let is_event = ours.get("element").and_then(Value::as_str) == Some("event");
        if let Some(fields) = ours.get_mut("fields").and_then(Value::as_object_mut).filter(|_| is_event) {
            fields.shift_remove("timestamp");
            fields.shift_remove("publish_timestamp");
            object.shift_remove("published");
        }
    }
    held == new
}

/// The last version of what an attribute was, which says what it has become.
pub(super) fn moved(was: Value, to: &str, new: &Map<String, Value>) -> Map<String, Value> {
    let Value::Object(mut object) = was else { return Map::new() };
    let at_s = number(new_of(new, "timestamp")).unwrap_or_default();
    if let Some(ours) = object.get_mut("extensions").and_then(|e| e.get_mut(ext::MISP)).and_then(Value::as_object_mut) {
        ours.retain(|key, _| key == "extension_type" || key == "element");
        ours.insert("timestamp".to_owned(), at_s.into());
        ours.insert("moved_ref".to_owned(), to.into());
    }
    object.shift_remove("granular_markings");
    let both = [object.get("object_marking_refs"), new.get("object_marking_refs")];
    let marked: BTreeSet<String> = both.into_iter().flatten().filter_map(Value::as_array).flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if !marked.is_empty() {
        object.insert("object_marking_refs".to_owned(), marked.into_iter().collect());
    }
    if object.contains_key("modified") {
        object.insert("modified".to_owned(), moment(at_s).into());
        object.insert("revoked".to_owned(), true.into());
    }
    object
}
