//! Single changes that PyMISP makes: attributes, objects, tags, sightings, reports, publishing, deleting.
//!
//! The rule: each change takes the event as the caller's own source holds it, changes it, and takes it in again; only what differs becomes new.

use polder_stix::Id;
use polder_store::Act;
use serde_json::{Map, Value, json};

use super::Asked;
use super::call::texts;
use super::sink::Reply;
use super::write::{fill, random_uuid};
use crate::map::fields::{flag, text};
use crate::map::ids::uuid;

type Change<'c> = dyn FnMut(&mut Map<String, Value>) -> Result<(), Reply> + 'c;

impl Asked<'_> {
    /// Changes an event of the caller's own source.
    fn changed(&self, event: &str, change: &mut Change<'_>) -> Result<(), Reply> {
        let missing = || self.not_found("Invalid event.");
        let Some(mut document) = self.held(event)? else {
            return Err(if self.is_visible(event)? { self.forbidden("You do not have permission to do that.") } else { missing() });
        };
        let Some(Value::Object(fields)) = document.get_mut("Event") else { return Err(missing()) };
        change(fields)?;
        fields.insert("timestamp".to_owned(), self.now_s().to_string().into());
        let taken = self.take(event, &document)?;
        self.refusal(&taken).map_or(Ok(()), Err)
    }

    pub(crate) fn done(&self, said: &str) -> Reply {
        Reply::json(&json!({"saved": true, "success": true, "name": said, "message": said, "url": self.call.path}))
    }

    /// The event that a path names first.
    fn named_event(&self) -> Result<String, Reply> {
        let given = self.call.text("event_id").or_else(|| self.call.text("event"));
        let name = if self.call.first().is_empty() { given.unwrap_or_default() } else { self.call.first().to_owned() };
        self.event_uuid(&name)?.ok_or_else(|| self.not_found("Invalid event."))
    }

    /// One attribute as the caller reads it.
    fn shown(&self, event: &str, wanted: &str) -> Result<Option<Value>, Reply> {
        Ok(self.whole(event)?.into_iter().find(|a| text(a, "uuid").eq_ignore_ascii_case(wanted)).map(Value::Object))
    }

    /// Event and UUID of the attribute that a path names first. One that was withdrawn is found too.
    fn named_attribute(&self) -> Result<(String, String), Reply> {
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

fn list<'e>(event: &'e mut Map<String, Value>, key: &str) -> Option<&'e mut Vec<Value>> {
    event.entry(key).or_insert_with(|| json!([])).as_array_mut()
}

/// Every attribute of an event, those of objects too.
fn every(event: &mut Map<String, Value>) -> Vec<&mut Map<String, Value>> {
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

fn is(element: &Map<String, Value>, uuid: &str) -> bool {
    text(element, "uuid").eq_ignore_ascii_case(uuid)
}

/// Publishes an event, or takes it back.
pub(crate) fn publish(asked: &Asked<'_>) -> Result<Reply, Reply> {
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
        (Some(source), Some(id)) => asked.app.store.family_all(&source, &id),
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
    let many = asked.call.body.is_array();
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
    }
    let held = asked.held(&event)?.unwrap_or_default();
    let held = held.get("Event").and_then(|e| e.get("Attribute")).and_then(Value::as_array).cloned().unwrap_or_default();
    let same = |a: &Value, b: &Map<String, Value>| ["type", "value", "category"].iter().all(|k| a.get(*k) == b.get(*k)) && !flag(a.get("deleted"));
    if new.iter().any(|b| held.iter().any(|a| same(a, b))) {
        return Err(asked.invalid("value", "A similar attribute already exists for this event."));
    }
    asked.changed(&event, &mut |fields| {
        if let Some(list) = list(fields, "Attribute") {
            list.extend(new.iter().cloned().map(Value::Object));
        }
        Ok(())
    })?;
    let mut shown = Vec::new();
    for attribute in &new {
        shown.push(asked.shown(&event, text(attribute, "uuid"))?.unwrap_or_else(|| Value::Object(attribute.clone())));
    }
    Ok(Reply::json(&match (many || shown.len() > 1, shown.pop()) {
        (false, Some(one)) => json!({"Attribute": one}),
        (_, last) => {
            shown.extend(last);
            json!({"Attribute": shown})
        }
    }))
}

/// Changes an attribute.
pub(crate) fn edit_attribute(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let (event, own) = asked.named_attribute()?;
    let mut sent = asked.call.object("Attribute");
    sent.retain(|key, _| !matches!(key.as_str(), "id" | "uuid" | "event_id" | "object_id" | "timestamp" | "Event" | "event_uuid"));
    let now = asked.now_s().to_string();
    asked.changed(&event, &mut |fields| {
        for attribute in every(fields).into_iter().filter(|a| is(a, &own)) {
            attribute.extend(sent.clone());
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

/// Adds an object.
pub(crate) fn add_object(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    let mut object = asked.call.object("Object");
    if text(&object, "name").is_empty() {
        return Err(asked.invalid("name", "An object needs the name of its template."));
    }
    asked.complete_object(&mut object, asked.now_s())?;
    asked.changed(&event, &mut |fields| {
        if let Some(list) = list(fields, "Object") {
            list.push(Value::Object(object.clone()));
        }
        Ok(())
    })?;
    Ok(Reply::json(&json!({"Object": asked.part_of(&event, "Object", text(&object, "uuid"))?.unwrap_or(Value::Object(object))})))
}

/// Adds a report.
pub(crate) fn add_report(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    let mut report = asked.call.object("EventReport");
    if text(&report, "name").is_empty() {
        return Err(asked.invalid("name", "A report needs a name."));
    }
    let id = random_uuid().ok_or_else(|| asked.internal())?;
    fill(
        &mut report,
        [("uuid", id.into()), ("timestamp", asked.now_s().to_string().into()), ("distribution", "5".into()), ("deleted", false.into()), ("content", "".into())],
    );
    asked.changed(&event, &mut |fields| {
        if let Some(list) = list(fields, "EventReport") {
            list.push(Value::Object(report.clone()));
        }
        Ok(())
    })?;
    Ok(Reply::json(&json!({"EventReport": asked.part_of(&event, "EventReport", text(&report, "uuid"))?.unwrap_or(Value::Object(report))})))
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
    let now = asked.now_s().to_string();
    let set = |element: &mut Map<String, Value>| {
        if let Some(list) = list(element, "Tag") {
            list.retain(|t| t.get("name").and_then(Value::as_str) != Some(&name));
            if attach {
                list.push(json!({"name": name, "colour": "#0088cc", "exportable": true, "local": local}));
            }
        }
        element.insert("timestamp".to_owned(), now.clone().into());
    };
    asked.changed(&event, &mut |fields| {
        match &of_event {
            Some(_) => set(fields),
            None => every(fields).into_iter().filter(|a| is(a, &target)).for_each(set),
        }
        Ok(())
    })?;
    let kind = if of_event.is_some() { "Event" } else { "Attribute" };
    let said = if attach { format!("Global tag {name} successfully attached to {kind}.") } else { format!("Tag {name} successfully removed from {kind}.") };
    Ok(asked.done(&said))
}

/// Adds a sighting of an attribute, or of every attribute with a value.
pub(crate) fn add_sighting(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let body = asked.call.object("Sighting");
    let values: Vec<String> = ["values", "value"].iter().filter_map(|k| body.get(*k)).flat_map(texts).collect();
    let named =
        [asked.call.first().to_owned(), text(&body, "uuid").to_owned(), body.get("id").map(texts).and_then(|t| t.into_iter().next()).unwrap_or_default()];
    let mut targets: Vec<(String, String)> = Vec::new();
    if let Some(name) = named.iter().find(|n| !n.is_empty()).filter(|_| values.is_empty()) {
        let missing = || asked.not_found("Invalid attribute.");
        let event = asked.event_of_attribute(name)?.ok_or_else(missing)?;
        let own = match uuid(name) {
            Some(uuid) => uuid,
            None => asked.numbered(name, &crate::map::KINDS)?.ok_or_else(missing)?,
        };
        targets.push((event, own));
    }
    if !values.is_empty() {
        for head in asked.heads()? {
            let event = text(&head, "uuid").to_owned();
            let seen = asked.whole(&event)?.into_iter().filter(|a| values.iter().any(|v| v == text(a, "value")));
            targets.extend(seen.map(|a| (event.clone(), text(&a, "uuid").to_owned())));
        }
    }
    if targets.is_empty() {
        return Err(asked.not_found("No valid attributes found."));
    }
    let at = body.get("timestamp").or(body.get("date_sighting")).map(texts).and_then(|t| t.into_iter().next()).unwrap_or_else(|| asked.now_s().to_string());
    let kind = body.get("type").map(texts).and_then(|t| t.into_iter().next()).unwrap_or_else(|| "0".to_owned());
    let member = asked.me.organisation.as_deref().unwrap_or_default();
    let identity = asked.policy.alliance.members.get(member).and_then(|m| crate::map::marks::organisation_of(m.identity.as_deref()?));
    let mut last = Value::Null;
    for (event, own) in targets {
        let id = random_uuid().ok_or_else(|| asked.internal())?;
        let sighting = json!({"uuid": id, "date_sighting": at, "type": kind, "source": text(&body, "source"), "Organisation": {"uuid": identity, "name": asked.app.access.name(member)}});
        asked.changed(&event, &mut |fields| {
            for attribute in every(fields).into_iter().filter(|a| is(a, &own)) {
                if let Some(list) = list(attribute, "Sighting") {
                    list.push(sighting.clone());
                }
            }
            Ok(())
        })?;
        last = sighting;
        if let Some(map) = last.as_object_mut() {
            let reader = asked.reader();
            map.insert("id".to_owned(), reader.number(&id).to_string().into());
            map.insert("attribute_id".to_owned(), reader.number(&own).to_string().into());
            map.insert("attribute_uuid".to_owned(), own.into());
            map.insert("event_id".to_owned(), reader.number(&event).to_string().into());
        }
    }
    Ok(Reply::json(&json!({"Sighting": last})))
}

/// Sightings that another MISP has of attributes of an event the caller sent, under the UUIDs they have.
pub(crate) fn keep_sightings(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    let sent = asked.call.body.as_array().cloned().unwrap_or_default();
    if asked.held(&event)?.is_none() {
        // Sightings of what others sent are not kept yet, and the sender is told that none was.
        return Ok(Reply::json(&json!({"saved": 0, "success": true})));
    }
    let mut saved = 0usize;
    asked.changed(&event, &mut |fields| {
        for attribute in every(fields) {
            let of = text(attribute, "uuid").to_owned();
            let mine = sent.iter().filter(|s| s.get("attribute_uuid").and_then(Value::as_str).is_some_and(|u| u.eq_ignore_ascii_case(&of)));
            let mine: Vec<Value> = mine.cloned().collect();
            if let (false, Some(list)) = (mine.is_empty(), list(attribute, "Sighting")) {
                let known = |s: &Value| list.iter().any(|k| k.get("uuid").is_some() && k.get("uuid") == s.get("uuid"));
                let new: Vec<Value> = mine.into_iter().filter(|s| !known(s)).collect();
                saved += new.len();
                list.extend(new);
            }
        }
        Ok(())
    })?;
    Ok(Reply::json(&json!({"saved": saved, "success": true})))
}

/// Proposals to attributes of an event the caller sent.
pub(crate) fn keep_proposals(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    let sent = asked.call.body.as_array().cloned().unwrap_or_default();
    let mut kept = 0usize;
    asked.changed(&event, &mut |fields| {
        if let Some(list) = list(fields, "ShadowAttribute") {
            for proposal in &sent {
                if list.iter().all(|k| k.get("uuid") != proposal.get("uuid")) {
                    list.push(proposal.clone());
                    kept += 1;
                }
            }
        }
        Ok(())
    })?;
    Ok(Reply::json(&json!({"success": kept > 0, "message": format!("{kept} Proposal(s) added."), "counter": kept})))
}

/// Kinds of what analysts write about an element.
const ANALYST_DATA: [&str; 3] = ["Note", "Opinion", "Relationship"];

/// Which analyst data a pusher offers is wanted: all of it, since what is held already is kept once.
pub(crate) fn wanted_analyst_data(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let offered = asked.call.body.as_object().cloned().unwrap_or_default();
    let wanted: Map<String, Value> = ANALYST_DATA.iter().map(|kind| ((*kind).to_owned(), offered.get(*kind).cloned().unwrap_or_else(|| json!([])))).collect();
    Ok(Reply::json(&Value::Object(wanted)))
}

/// Analyst data about an event, or an attribute of one, that the caller sent.
pub(crate) fn keep_analyst_data(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let mut counts = (0usize, 0usize);
    for kind in ANALYST_DATA {
        let Some(sent) = asked.call.body.get(kind) else { continue };
        let sent: Vec<Value> = sent.as_array().cloned().unwrap_or_else(|| vec![sent.clone()]);
        for one in sent {
            let about = one.get("object_uuid").and_then(Value::as_str).unwrap_or_default().to_owned();
            let Some(event) = asked.own_event_about(&about)? else {
                counts.1 += 1;
                continue;
            };
            asked.changed(&event, &mut |fields| {
                let put = |element: &mut Map<String, Value>| {
                    if let Some(list) = list(element, kind) {
                        list.retain(|k| k.get("uuid") != one.get("uuid"));
                        list.push(one.clone());
                    }
                };
                if is(fields, &about) {
                    put(fields);
                } else {
                    every(fields).into_iter().filter(|a| is(a, &about)).for_each(put);
                }
                Ok(())
            })?;
            counts.0 += 1;
        }
    }
    let said = format!("Analyst Data imported. {} imported, {} ignored, 0 failed. ", counts.0, counts.1);
    Ok(Reply::json(&json!({"saved": counts.0 > 0, "success": counts.0 > 0, "name": said, "message": said, "url": asked.call.path})))
}

/// Clusters are kept with the events that name them; alone they are not kept, and the sender is told so.
pub(crate) fn keep_nothing(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let said = "Galaxy clusters imported. 0 imported, 1 ignored, 0 failed.";
    Ok(Reply::json(&json!({"saved": false, "success": true, "name": said, "message": said, "url": asked.call.path})))
}

impl Asked<'_> {
    /// The event of the caller's own source that is meant, or that the attribute meant is in.
    fn own_event_about(&self, about: &str) -> Result<Option<String>, Reply> {
        let Some(own) = uuid(about) else { return Ok(None) };
        if self.is_own(&own)? {
            return Ok(Some(own));
        }
        match self.event_of_attribute(&own)? {
            Some(event) if self.is_own(&event)? => Ok(Some(event)),
            _ => Ok(None),
        }
    }

    /// A part of an event as the caller reads it.
    fn part_of(&self, event: &str, list: &str, own: &str) -> Result<Option<Value>, Reply> {
        let mut out = Vec::new();
        self.view(|view| view.event(event, crate::map::Wanted { parts: true, ..self.wanted() }, &mut out))?;
        let event: Value = serde_json::from_slice(&out).unwrap_or_default();
        let found = event.get("Event").and_then(|e| e.get(list)).and_then(Value::as_array);
        Ok(found.into_iter().flatten().find(|p| p.get("uuid").and_then(Value::as_str) == Some(own)).cloned())
    }
}
