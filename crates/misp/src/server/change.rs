//! Single changes that PyMISP makes: attributes, objects, tags, sightings, reports, publishing, deleting.
//!
//! The rule: each change takes the event as the caller's own source holds it, changes it, and takes it in again; only what differs becomes new.

use axum::http::StatusCode;
use polder_stix::Id;
use polder_store::Act;
use serde_json::{Map, Value, json};

use super::Asked;
use super::sink::Reply;
use crate::map::Wanted;
use crate::map::fields::{flag, text};
use crate::map::ids::uuid;
use crate::map::rows::STATE;

type Change<'c> = dyn FnMut(&mut Map<String, Value>) -> Result<(), Reply> + 'c;

impl Asked<'_> {
    /// Changes an event of the caller's own source.
    pub(crate) fn changed(&self, event: &str, change: &mut Change<'_>) -> Result<(), Reply> {
        self.changed_at(event, true, change)
    }

    /// The same, with or without a new time.
    fn changed_at(&self, event: &str, timed: bool, change: &mut Change<'_>) -> Result<(), Reply> {
        let missing = || self.not_found("Invalid event.");
        let visible = self.is_visible(event)?;
        let Some(mut document) = self.held(event)?.filter(|_| visible) else {
            return Err(if visible { self.forbidden("You do not have permission to do that.") } else { missing() });
        };
        let Some(Value::Object(fields)) = document.get_mut("Event") else { return Err(missing()) };
        change(fields)?;
        if timed {
            fields.insert("timestamp".to_owned(), self.now_s().to_string().into());
        }
        let taken = self.take(event, &document)?;
        self.refusal(&taken).map_or(Ok(()), Err)
    }

    pub(crate) fn done(&self, said: &str) -> Reply {
        Reply::json(&json!({"saved": true, "success": true, "name": said, "message": said, "url": self.call.path}))
    }

    /// The event that a path names first.
    pub(crate) fn named_event(&self) -> Result<String, Reply> {
        let given = self.call.text("event_id").or_else(|| self.call.text("event"));
        let name = if self.call.first().is_empty() { given.unwrap_or_default() } else { self.call.first().to_owned() };
        self.event_uuid(&name)?.ok_or_else(|| self.not_found("Invalid event."))
    }

    /// One attribute as the caller reads it.
    pub(crate) fn shown(&self, event: &str, wanted: &str) -> Result<Option<Value>, Reply> {
        Ok(self.whole_of(event, Wanted::ALL)?.into_iter().find(|a| text(a, "uuid").eq_ignore_ascii_case(wanted)).map(Value::Object))
    }

    /// Event and UUID of the attribute that a path names first. One that was withdrawn is found too.
    pub(crate) fn named_attribute(&self) -> Result<(String, String), Reply> {
        let missing = || self.not_found("Invalid attribute.");
        let name = self.call.first();
        let event = self.event_of_attribute(name)?.ok_or_else(missing)?;
        let own = match uuid(name) {
            Some(uuid) => uuid,
            None => self.numbered(name, &crate::map::KINDS)?.ok_or_else(missing)?,
        };
        Ok((event, own))
    }
}

pub(crate) fn list<'e>(event: &'e mut Map<String, Value>, key: &str) -> Option<&'e mut Vec<Value>> {
    event.entry(key).or_insert_with(|| json!([])).as_array_mut()
}

/// Every attribute of an event, those of objects too.
pub(crate) fn every(event: &mut Map<String, Value>) -> Vec<&mut Map<String, Value>> {
    let mut found = Vec::new();
    for (key, value) in event.iter_mut() {
        let Some(items) = value.as_array_mut() else { continue };
        match key.as_str() {
            "Attribute" => found.extend(items.iter_mut().filter_map(Value::as_object_mut)),
            "Object" => {
                let inner = items.iter_mut().filter_map(|o| o.get_mut("Attribute")?.as_array_mut()).flatten();
                found.extend(inner.filter_map(Value::as_object_mut));
            }
            _ => {}
        }
    }
    found
}

pub(crate) fn is(element: &Map<String, Value>, uuid: &str) -> bool {
    text(element, "uuid").eq_ignore_ascii_case(uuid)
}

/// Publishes an event, or takes it back.
pub(crate) fn publish(asked: &Asked<'_>) -> Result<Reply, Reply> {
    if !asked.caller.role.publishes() {
        return Err(asked.forbidden("You do not have permission to use this functionality."));
    }
    let event = asked.named_event()?;
    let publish = asked.call.action != "unpublish";
    let now = asked.now_s().to_string();
    asked.changed(&event, &mut |fields| {
        fields.insert("published".to_owned(), publish.into());
        if publish {
            fields.insert("publish_timestamp".to_owned(), now.clone().into());
        }
        Ok(())
    })?;
    let said = if publish { "Job queued" } else { "Event unpublished." };
    Ok(asked.done(said))
}

/// Takes an event out of the caller's own source.
pub(crate) fn delete_event(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let event = asked.named_event()?;
    asked.source()?;
    let rows = match (asked.keeper(&event)?, Id::parse(&format!("report--{event}"))) {
        (Some(source), Some(id)) => {
            let mut rows = asked.app.store.family_all(&source, &id);
            // What an attribute was before it became something else no longer names its event.
            rows.extend(asked.app.store.namesakes(&source, &rows, &crate::map::KINDS));
            rows.sort_unstable();
            rows.dedup();
            rows
        }
        _ => Vec::new(),
    };
    if rows.is_empty() {
        return Err(if asked.is_visible(&event)? { asked.forbidden("You do not have permission to do that.") } else { asked.not_found("Invalid event.") });
    }
    asked.app.store.act(Act::Remove(rows), &asked.caller.user).map_err(|e| asked.failed(&e))?;
    Ok(asked.done("Event deleted."))
}

/// Adds attributes: one, a list, or one for each of a list of values.
pub(crate) fn add_attributes(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    let mut new: Vec<Map<String, Value>> = match &asked.call.body {
        Value::Array(all) => all.iter().filter_map(Value::as_object).cloned().collect(),
        _ => vec![asked.call.object("Attribute")],
    };
    if let [one] = new.as_slice()
        && let Some(Value::Array(values)) = one.get("value")
    {
        new = values.iter().map(|v| one.iter().map(|(k, old)| (k.clone(), if k == "value" { v.clone() } else { old.clone() })).collect()).collect();
    }
    let now = asked.now_s();
    for attribute in &mut new {
        attribute.shift_remove("id");
        asked.complete_attribute(attribute, now)?;
        asked.heed_warninglists(attribute)?;
    }
    let again = asked.call.flag("breakOnDuplicate") == Some(false);
    let mut errors = Map::new();
    let mut kept = Vec::new();
    asked.changed(&event, &mut |fields| {
        for (n, attribute) in new.iter().enumerate() {
            match every(fields).into_iter().find(|held| similar(held, attribute)) {
                // As at MISP, what is said once more is the same attribute, said now.
                Some(held) if again => {
                    held.insert("timestamp".to_owned(), now.to_string().into());
                    kept.push(text(held, "uuid").to_owned());
                }
                Some(_) => drop(errors.insert(format!("attribute_{n}"), json!({"value": ["A similar attribute already exists for this event."]}))),
                None => {
                    list(fields, "Attribute").into_iter().for_each(|list| list.push(Value::Object(attribute.clone())));
                    kept.push(text(attribute, "uuid").to_owned());
                }
            }
        }
        if kept.is_empty() { Err(asked.invalid("value", "A similar attribute already exists for this event.")) } else { Ok(()) }
    })?;
    let mut shown = Vec::new();
    for own in &kept {
        shown.extend(asked.shown(&event, own)?);
    }
    let mut answer = Map::new();
    let one = if new.len() == 1 { shown.pop() } else { None };
    answer.insert("Attribute".to_owned(), one.unwrap_or_else(|| Value::Array(shown)));
    if !errors.is_empty() {
        answer.insert("errors".to_owned(), errors.into());
    }
    Ok(Reply::json(&Value::Object(answer)))
}

impl Asked<'_> {
    /// Who asks for it is not let add what is on a warninglist.
    fn heed_warninglists(&self, attribute: &mut Map<String, Value>) -> Result<(), Reply> {
        let asked = flag(attribute.shift_remove("enforceWarninglist").as_ref()) || self.call.flag("enforceWarninglist") == Some(true);
        let lists = asked.then(|| self.warninglists());
        if lists.is_none_or(|lists| lists.warnings(text(attribute, "type"), text(attribute, "value")).is_empty()) {
            return Ok(());
        }
        let why = "Attribute trips over a warninglist and enforceWarninglist is enforced.";
        let body = json!({"saved": false, "name": "Could not add Attribute", "message": "Could not add Attribute", "url": self.call.path, "errors": why});
        Err(Reply { status: StatusCode::FORBIDDEN, ..Reply::json(&body) })
    }
}

/// Does one say what the other says, and stand?
fn similar(held: &Map<String, Value>, new: &Map<String, Value>) -> bool {
    let alone = text(held, "object_relation").is_empty();
    alone && !flag(held.get("deleted")) && ["type", "value", "category"].iter().all(|key| held.get(*key) == new.get(*key))
}

/// Changes an attribute.
pub(crate) fn edit_attribute(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let (event, own) = asked.named_attribute()?;
    let mut sent = asked.call.object("Attribute");
    sent.retain(|key, _| !matches!(key.as_str(), "id" | "uuid" | "event_id" | "object_id" | "timestamp" | "Event" | "event_uuid"));
    asked.group_into(&mut sent)?;
    asked.may_set_all(&sent)?;
    let now = asked.now_s().to_string();
    asked.changed(&event, &mut |fields| {
        for attribute in every(fields).into_iter().filter(|a| is(a, &own)) {
            asked.overlay(attribute, sent.clone());
            attribute.insert("timestamp".to_owned(), now.clone().into());
        }
        Ok(())
    })?;
    let shown = asked.shown(&event, &own)?.unwrap_or_default();
    Ok(Reply::json(&json!({"Attribute": shown})))
}

/// Withdraws an attribute, or takes that back.
pub(crate) fn delete_attribute(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let (event, own) = asked.named_attribute()?;
    let deleted = asked.call.action == "delete";
    if deleted && asked.call.flag("hard").unwrap_or(false) {
        let own = crate::map::KINDS.iter().copied().chain([STATE]).map(|kind| format!("{kind}--{own}"));
        asked.take_out(&event, &own.collect::<Vec<_>>())?;
        return Ok(asked.done("Attribute deleted."));
    }
    let now = asked.now_s().to_string();
    asked.changed(&event, &mut |fields| {
        for attribute in every(fields).into_iter().filter(|a| is(a, &own)) {
            attribute.insert("deleted".to_owned(), deleted.into());
            attribute.insert("timestamp".to_owned(), now.clone().into());
        }
        Ok(())
    })?;
    if deleted {
        return Ok(asked.done("Attribute deleted."));
    }
    let shown = asked.shown(&event, &own)?.unwrap_or_default();
    Ok(Reply::json(&json!({"Attribute": shown})))
}

/// Sets a tag on an event or attribute, or takes it off.
pub(crate) fn tag(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let target = asked.call.text("uuid").or_else(|| asked.call.args.first().cloned()).unwrap_or_default();
    let name = asked.call.text("tag").or_else(|| asked.call.args.get(1).cloned()).filter(|n| !n.is_empty());
    let name = name.ok_or_else(|| asked.invalid("tag", "Invalid Tag"))?;
    let attach = asked.call.action == "attachtagtoobject";
    let local = asked.call.flag("local").unwrap_or(false);
    let of_event = match uuid(&target) {
        Some(uuid) if asked.is_visible(&uuid)? || asked.is_own(&uuid)? => Some(uuid),
        _ => None,
    };
    let missing = || asked.not_found("Invalid Target.");
    let event = match &of_event {
        Some(event) => event.clone(),
        None => asked.event_of_attribute(&target)?.ok_or_else(missing)?,
    };
    if attach {
        asked.may_set(&name)?;
    }
    let now = asked.now_s().to_string();
    let set = |element: &mut Map<String, Value>| {
        if let Some(list) = list(element, "Tag") {
            list.retain(|t| t.get("name").and_then(Value::as_str) != Some(&name));
            if attach {
                list.push(json!({"name": name, "colour": "#0088cc", "exportable": true, "local": local}));
            }
        }
        // A tag that stays here changes nothing for anybody else.
        if !local {
            element.insert("timestamp".to_owned(), now.clone().into());
        }
    };
    asked.changed_at(&event, !local, &mut |fields| {
        match &of_event {
            Some(_) => set(fields),
            None => every(fields).into_iter().filter(|a| is(a, &target)).for_each(set),
        }
        Ok(())
    })?;
    let (kind, own) = match &of_event {
        Some(event) => ("Event", event.clone()),
        None => ("Attribute", target.to_ascii_lowercase()),
    };
    let at = format!("{kind}({})", asked.reader().number(&own));
    let how = if local { "Local" } else { "Global" };
    let said = if attach { format!("{how} tag {name} successfully attached to {at}.") } else { format!("Tag {name} successfully removed from {at}.") };
    Ok(asked.done(&said))
}
