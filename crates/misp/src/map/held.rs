//! An event as one source holds it, in MISP's JSON, to be changed and taken again.
//!
//! The rule: this is for who writes to that source; no answer is made of it.

use std::collections::HashMap;

use polder_stix::{Id, ext};
use polder_store::{Error, Store};
use serde_json::{Map, Value, json};

use super::fields::{put_local, text};

/// The event of that UUID as the source holds it; none if it does not.
///
/// # Errors
/// The store's.
pub fn held(store: &Store, source: &str, uuid: &str) -> Result<Option<Value>, Error> {
    let Some(id) = Id::parse(&format!("report--{uuid}")) else { return Ok(None) };
    let mut event: Option<Map<String, Value>> = None;
    let mut states: HashMap<String, Map<String, Value>> = HashMap::new();
    let mut lists: HashMap<(&'static str, String), Vec<Value>> = HashMap::new();
    let mut objects: Vec<(String, Map<String, Value>)> = Vec::new();
    let mut reports: Vec<(String, Map<String, Value>)> = Vec::new();
    let mut attributes: Vec<(String, Option<String>, Map<String, Value>)> = Vec::new();
    for row in store.family(source, &id) {
        let Ok(Value::Object(mut object)) = serde_json::from_slice(&store.row_bytes(row, false)?) else { continue };
        let stix = text(&object, "id").to_owned();
        let Some(Value::Object(mut ours)) = object.get_mut("extensions").and_then(|e| e.get_mut(ext::MISP)).map(Value::take) else { continue };
        let Some(Value::Object(mut fields)) = ours.shift_remove("fields") else { continue };
        let own = stix.split_once("--").map_or("", |(_, uuid)| uuid).to_owned();
        if !ours.contains_key("twin") && text(&ours, "element") != "state" {
            fields.insert("uuid".to_owned(), own.clone().into());
        }
        let link = |key: &str| ours.get(key).and_then(Value::as_str).map(str::to_owned);
        match text(&ours, "element") {
            "event" => event = Some(fields),
            "state" => drop(states.insert(own, fields)),
            "attribute" => attributes.push((stix, link("object_ref"), fields)),
            "object" => objects.push((stix, fields)),
            "report" => reports.push((own, fields)),
            "reference" => lists.entry(("ObjectReference", link("object_ref").unwrap_or_default())).or_default().push(fields.into()),
            "sighting" => lists.entry(("Sighting", link("attribute_ref").unwrap_or_default())).or_default().push(fields.into()),
            _ => {}
        }
    }
    let Some(mut event) = event else { return Ok(None) };
    put_local(&mut event, states.remove(uuid).unwrap_or_default());
    for (stix, object, mut fields) in attributes {
        let own = stix.split_once("--").map_or("", |(_, uuid)| uuid);
        put_local(&mut fields, states.remove(own).unwrap_or_default());
        if let Some(seen) = lists.remove(&("Sighting", stix)) {
            fields.insert("Sighting".to_owned(), seen.into());
        }
        lists.entry(("Attribute", object.unwrap_or_default())).or_default().push(fields.into());
    }
    let mut all = Vec::new();
    for (own, mut fields) in reports {
        put_local(&mut fields, states.remove(&own).unwrap_or_default());
        lists.entry(("EventReport", String::new())).or_default().push(fields.into());
    }
    for (stix, mut fields) in objects {
        let own = stix.split_once("--").map_or("", |(_, uuid)| uuid);
        put_local(&mut fields, states.remove(own).unwrap_or_default());
        for key in ["Attribute", "ObjectReference"] {
            fields.insert(key.to_owned(), lists.remove(&(key, stix.clone())).unwrap_or_default().into());
        }
        all.push(Value::Object(fields));
    }
    event.insert("Object".to_owned(), all.into());
    for key in ["Attribute", "EventReport"] {
        event.insert(key.to_owned(), lists.remove(&(key, String::new())).unwrap_or_default().into());
    }
    Ok(Some(json!({"Event": event})))
}
