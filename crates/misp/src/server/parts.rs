//! Objects and reports of an event, one by one: looked at, changed, withdrawn, taken out.
//!
//! The rule: what is looked at comes out of the caller's view; what is changed is changed in the event as its source holds it.

use polder_stix::Id;
use polder_store::Act;
use serde_json::{Map, Value, json};

use super::Asked;
use super::change::{is, list};
use super::sink::Reply;
use super::write::{fill, random_uuid};
use crate::map::Wanted;
use crate::map::fields::text;
use crate::map::ids::uuid;

/// What an event calls its objects, and their type here.
const OBJECT: (&str, &str) = ("Object", "x-misp-object");
/// The same of its reports.
const REPORT: (&str, &str) = ("EventReport", "note");

impl Asked<'_> {
    /// Event and UUID of the part that a path names first.
    fn named_part(&self, (name, kind): (&str, &str)) -> Result<(String, String), Reply> {
        let missing = || self.not_found(&format!("Invalid {name}."));
        let own = match uuid(self.call.first()) {
            Some(uuid) => uuid,
            None => self.numbered(self.call.first(), &[kind])?.ok_or_else(missing)?,
        };
        let ids = Id::parse(&format!("{kind}--{own}")).into_iter().collect();
        let event = self.view(|view| view.event_of(ids))?.ok_or_else(missing)?;
        Ok((event, own))
    }

    /// A part of an event as the caller reads it, withdrawn or not.
    pub(crate) fn part_of(&self, event: &str, list: &str, own: &str) -> Result<Option<Value>, Reply> {
        Ok(self.parts_of(event, list, Wanted::ALL)?.into_iter().find(|p| p.get("uuid").and_then(Value::as_str) == Some(own)))
    }

    /// The objects or reports of an event as the caller reads it.
    pub(crate) fn parts_of(&self, event: &str, list: &str, wanted: Wanted) -> Result<Vec<Value>, Reply> {
        let mut out = Vec::new();
        self.view(|view| view.event(event, Wanted { parts: true, ..wanted }, &mut out))?;
        let mut event: Value = serde_json::from_slice(&out).unwrap_or_default();
        let found = event.get_mut("Event").and_then(|e| e.get_mut(list)).map(Value::take);
        Ok(if let Some(Value::Array(found)) = found { found } else { Vec::new() })
    }

    fn shown_part(&self, (event, own): &(String, String), of: (&str, &str)) -> Result<Reply, Reply> {
        let part = self.part_of(event, of.0, own)?.ok_or_else(|| self.not_found(&format!("Invalid {}.", of.0)))?;
        Ok(Reply::json(&json!({of.0: part})))
    }

    /// Takes what a source holds under an id out of it, with what refers to it.
    pub(crate) fn take_out(&self, event: &str, ids: &[String]) -> Result<(), Reply> {
        let missing = || self.forbidden("You do not have permission to do that.");
        let source = self.keeper(event)?.ok_or_else(missing)?;
        let mut rows: Vec<u32> = ids.iter().filter_map(|id| Id::parse(id)).flat_map(|id| self.app.store.family_all(&source, &id)).collect();
        rows.sort_unstable();
        rows.dedup();
        if rows.is_empty() {
            return Ok(());
        }
        self.app.store.act(Act::Remove(rows), &self.caller.user).map(drop).map_err(|e| self.failed(&e))
    }

    fn change_part(&self, (event, own): &(String, String), of: (&str, &str), change: &dyn Fn(&mut Map<String, Value>)) -> Result<(), Reply> {
        self.changed(event, &mut |fields| {
            list(fields, of.0).into_iter().flatten().filter_map(Value::as_object_mut).filter(|p| is(p, own)).for_each(change);
            Ok(())
        })
    }
}

/// One object.
pub(crate) fn view_object(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.shown_part(&asked.named_part(OBJECT)?, OBJECT)
}

/// Adds an object.
pub(crate) fn add_object(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    let mut object = asked.call.object("Object");
    if text(&object, "name").is_empty() {
        return Err(asked.invalid("name", "An object needs the name of its template."));
    }
    object.shift_remove("id");
    asked.complete_object(&mut object, asked.now_s())?;
    let own = text(&object, "uuid").to_owned();
    asked.changed(&event, &mut |fields| {
        list(fields, "Object").into_iter().for_each(|list| list.push(Value::Object(object.clone())));
        Ok(())
    })?;
    asked.shown_part(&(event, own), OBJECT)
}

/// Changes an object: what is sent replaces what was said before, what is not sent stays.
pub(crate) fn edit_object(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let at = asked.named_part(OBJECT)?;
    let mut sent = asked.call.object("Object");
    let now = asked.now_s();
    sent.retain(|key, _| !matches!(key.as_str(), "id" | "uuid" | "event_id" | "timestamp" | "Event"));
    for attribute in sent.get_mut("Attribute").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        attribute.shift_remove("timestamp");
        asked.complete_attribute(attribute, now)?;
    }
    asked.group_into(&mut sent)?;
    asked.change_part(&at, OBJECT, &|object| {
        asked.overlay(object, sent.clone());
        object.insert("timestamp".to_owned(), now.to_string().into());
    })?;
    asked.shown_part(&at, OBJECT)
}

/// Withdraws an object with its attributes; `hard` takes it out altogether.
pub(crate) fn delete_object(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let at = asked.named_part(OBJECT)?;
    if asked.call.flag("hard").unwrap_or(false) {
        asked.take_out(&at.0, &[format!("{}--{}", OBJECT.1, at.1)])?;
        return Ok(asked.done("Object deleted"));
    }
    let now = asked.now_s().to_string();
    asked.change_part(&at, OBJECT, &|object| {
        let withdraw = |element: &mut Map<String, Value>| {
            element.insert("deleted".to_owned(), true.into());
            element.insert("timestamp".to_owned(), now.clone().into());
        };
        object.get_mut("Attribute").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut).for_each(withdraw);
        withdraw(object);
    })?;
    Ok(asked.done("Object deleted"))
}

/// The reports of an event.
pub(crate) fn list_reports(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let event = asked.named_event()?;
    let wrapped = asked.parts_of(&event, REPORT.0, Wanted::ALL)?.into_iter().map(|report| json!({"EventReport": report}));
    Ok(Reply::json(&Value::Array(wrapped.collect())))
}

/// One report.
pub(crate) fn view_report(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.shown_part(&asked.named_part(REPORT)?, REPORT)
}

/// Adds a report.
pub(crate) fn add_report(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    let mut report = asked.call.object("EventReport");
    if text(&report, "name").is_empty() {
        return Err(asked.invalid("name", "A report needs a name."));
    }
    report.shift_remove("id");
    let id = random_uuid().ok_or_else(|| asked.internal())?;
    fill(
        &mut report,
        [("uuid", id.into()), ("timestamp", asked.now_s().to_string().into()), ("distribution", "5".into()), ("deleted", false.into()), ("content", "".into())],
    );
    let own = text(&report, "uuid").to_owned();
    asked.changed(&event, &mut |fields| {
        list(fields, "EventReport").into_iter().for_each(|list| list.push(Value::Object(report.clone())));
        Ok(())
    })?;
    asked.shown_part(&(event, own), REPORT)
}

/// Changes a report.
pub(crate) fn edit_report(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let at = asked.named_part(REPORT)?;
    let mut sent = asked.call.object("EventReport");
    sent.retain(|key, _| !matches!(key.as_str(), "id" | "uuid" | "event_id" | "timestamp" | "Event"));
    asked.group_into(&mut sent)?;
    let now = asked.now_s().to_string();
    asked.change_part(&at, REPORT, &|report| {
        report.extend(sent.clone());
        report.insert("timestamp".to_owned(), now.clone().into());
    })?;
    asked.shown_part(&at, REPORT)
}

/// Withdraws a report; `hard` takes it out altogether.
pub(crate) fn delete_report(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let at = asked.named_part(REPORT)?;
    if asked.call.flag("hard").unwrap_or(false) {
        asked.take_out(&at.0, &[format!("{}--{}", REPORT.1, at.1)])?;
        return Ok(asked.done(&format!("Event Report {} hard deleted", at.1)));
    }
    let now = asked.now_s().to_string();
    asked.change_part(&at, REPORT, &|report| {
        report.insert("deleted".to_owned(), true.into());
        report.insert("timestamp".to_owned(), now.clone().into());
    })?;
    Ok(asked.done(&format!("Event Report {} soft deleted", at.1)))
}
