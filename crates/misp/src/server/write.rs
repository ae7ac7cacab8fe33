//! Events that others send: added, edited, and which of theirs are wanted.
//!
//! The rule: what a caller sends goes into the source of the caller's own organisation, and says nothing of what others sent.

use axum::http::StatusCode;
use polder_stix::Id;
use polder_store::prepare;
use serde_json::{Map, Value, json};

use super::inbound::Laid;
use super::sink::Reply;
use super::{Asked, kinds};
use crate::map::fields::{flag, number, text};
use crate::map::ids::uuid;
use crate::map::marks::organisation_of;
use crate::map::rows::STATE;
use crate::map::{Fit, Folk, Offer, Part, Stopped, Taken, Taker, Wanted, held};

/// What a second event of a UUID hears; MISP's pusher goes on to the place it names.
const THERE: &str = "Event already exists, if you would like to edit it, use the url in the location header.";

type Taking<'t> = dyn FnMut(&mut Taker<'_, polder_store::Error>) -> Result<Taken, Stopped<polder_store::Error>> + 't;

impl Asked<'_> {
    /// The source the caller writes to.
    pub(crate) fn source(&self) -> Result<Box<str>, Reply> {
        if !self.caller.role.writes() {
            return Err(self.forbidden("You do not have permission to do that: your key may read and not send."));
        }
        self.app.access.source(&self.caller).map_err(|e| self.failed(&e))
    }

    /// The source in which the caller may change the event: its own, or, for who administers, that of an organisation whose MISP this is.
    pub(crate) fn keeper(&self, uuid: &str) -> Result<Option<Box<str>>, Reply> {
        let Some(id) = Id::parse(&format!("report--{uuid}")).filter(|_| self.caller.role.writes()) else { return Ok(None) };
        let all = std::iter::once(self.source()?).chain(self.app.access.sources_of(&self.caller));
        Ok(all.into_iter().find(|source| self.app.store.latest_row(source, &id).is_some()))
    }

    /// May the caller change the event?
    pub(crate) fn is_own(&self, uuid: &str) -> Result<bool, Reply> {
        Ok(self.keeper(uuid)?.is_some())
    }

    /// An event as the source that may be changed holds it.
    pub(crate) fn held(&self, uuid: &str) -> Result<Option<Value>, Reply> {
        let Some(source) = self.keeper(uuid)? else { return Ok(None) };
        held(&self.app.store, &source, uuid).map_err(|e| self.failed(&e))
    }

    /// Takes an event into the source that holds it already, else into the caller's own.
    pub(crate) fn take(&self, uuid: &str, document: &Value) -> Result<Taken, Reply> {
        let source = match self.keeper(uuid)? {
            Some(source) => source,
            None => self.source()?,
        };
        let bytes = document.to_string().into_bytes();
        let blind = !self.is_visible(uuid)?;
        self.taking_as(&source, blind, None, &mut |taker| taker.take(&|| Ok(Box::new(std::io::Cursor::new(bytes.as_slice())))))
    }

    /// Takes a long event as it is read from disk, each part filled in on the way.
    fn take_laid(&self, laid: &Laid, uuid: &str, head: &Map<String, Value>) -> Result<Taken, Reply> {
        let source = self.source()?;
        let now_s = self.now_s();
        let why = |reply: Reply| {
            let said: Value = serde_json::from_slice(&reply.bytes).unwrap_or_default();
            let errors = said.get("errors").map(Value::to_string);
            errors.unwrap_or_else(|| said.get("message").and_then(Value::as_str).unwrap_or_default().to_owned())
        };
        let mut fit = |part: Option<Part>, fields: &mut Map<String, Value>| {
            match part {
                None => {
                    fields.clone_from(head);
                    Ok(())
                }
                Some(Part::Attribute) => self.complete_attribute(fields, now_s),
                Some(Part::Object) => self.complete_object(fields, now_s),
                Some(Part::Report) => self.complete_report(fields, now_s),
            }
            .map_err(why)
        };
        let blind = !self.is_visible(uuid)?;
        self.taking_as(&source, blind, Some(&mut fit), &mut |taker| taker.take(&|| laid.open()))
    }

    /// Has something taken into a source.
    pub(crate) fn taking(&self, source: &str, take: &mut Taking<'_>) -> Result<Taken, Reply> {
        self.taking_as(source, false, None, take)
    }

    fn taking_as(&self, source: &str, blind: bool, fit: Option<Fit<'_>>, take: &mut Taking<'_>) -> Result<Taken, Reply> {
        let folk = Folk::of(&self.policy.alliance);
        let store = &*self.app.store;
        let mut refused = Vec::new();
        let mut keep = |offers: Vec<Offer>| {
            let mut batch = Vec::with_capacity(offers.len());
            for offer in offers {
                match prepare(&offer.text, store.now_us()) {
                    Ok(prepared) => batch.push(prepared),
                    Err(refusal) => refused.push((offer.place, format!("{}; {}", refusal.reason, refusal.help))),
                }
            }
            store.ingest(source, None, batch).map(drop)
        };
        let taker = Taker::new(store, source, &folk, &mut keep);
        // People who work here answer for what they change; what another MISP sends would have to be signed.
        let taker = if self.reader().peer.is_of_house() { taker.of_house() } else { taker.unsigned().from_other(self.me.organisation.as_deref(), false) };
        let taker = match fit {
            Some(fit) => taker.fitted(fit),
            None => taker,
        };
        let taken = take(&mut if blind { taker.raising_only() } else { taker });
        let mut taken = taken.map_err(|e| match e {
            Stopped::Unread(why) => self.bad(&format!("The event cannot be read: {why}")),
            other => self.failed(&other),
        })?;
        taken.refused.extend(refused);
        Ok(taken)
    }

    /// The event as an answer to who sent it: what that caller may read of it, or what it said of itself.
    pub(crate) fn answered(&self, uuid: &str, sent: &Map<String, Value>) -> Result<Reply, Reply> {
        let mut out = Vec::new();
        // What was too long to be held on its way in is not held on its way back.
        let metadata = self.call.flag("metadata").unwrap_or(false) || self.laid.is_some();
        let wanted = Wanted { parts: !metadata, deleted: false, ..Wanted::ALL };
        if self.view(|view| view.event(uuid, wanted, &mut out))? {
            return Ok(Reply::bytes(out, "application/json; charset=UTF-8"));
        }
        let keys =
            ["info", "date", "threat_level_id", "analysis", "published", "distribution", "timestamp", "publish_timestamp", "Orgc", "Tag", "extends_uuid"];
        let mut event: Map<String, Value> = keys.iter().filter_map(|key| Some(((*key).to_owned(), sent.get(*key)?.clone()))).collect();
        event.insert("uuid".to_owned(), uuid.into());
        event.insert("id".to_owned(), self.reader().number(uuid).to_string().into());
        event.insert("locked".to_owned(), true.into());
        Ok(Reply::json(&json!({"Event": event})))
    }

    pub(crate) fn now_s(&self) -> i64 {
        self.app.store.now_us() / 1_000_000
    }

    /// What a person leaves out of an event, filled in as MISP does.
    fn complete(&self, event: &mut Map<String, Value>) -> Result<String, Reply> {
        let given = text(event, "uuid");
        let uuid = if given.is_empty() {
            random_uuid().ok_or_else(|| self.internal())?
        } else {
            uuid(given).ok_or_else(|| self.invalid("uuid", "Please provide a valid RFC 4122 UUID"))?
        };
        event.insert("uuid".to_owned(), uuid.clone().into());
        if text(event, "info").trim().is_empty() {
            return Err(self.invalid("info", "Info cannot be empty."));
        }
        let now = self.now_s();
        let today: String = polder_stix::time::from_us(self.app.store.now_us()).chars().take(10).collect();
        let member = self.me.organisation.as_deref().unwrap_or_default();
        let identity = self.policy.alliance.members.get(member).and_then(|m| organisation_of(m.identity.as_deref()?));
        let own = json!({"uuid": identity, "name": self.app.access.name(member)});
        let defaults = [
            ("date", json!(today)),
            ("timestamp", json!(now.to_string())),
            ("published", json!(false)),
            ("analysis", json!("0")),
            ("threat_level_id", json!("4")),
            ("distribution", json!("1")),
            ("publish_timestamp", json!("0")),
            ("locked", json!(false)),
            ("extends_uuid", json!("")),
            ("Orgc", own.clone()),
            ("Org", own),
        ];
        fill(event, defaults);
        self.group_into(event)?;
        self.may_set_all(event)?;
        self.complete_parts(event, now)?;
        Ok(uuid)
    }

    /// Who may not publish sends what waits for somebody who may.
    fn keep_unpublished(&self, event: &mut Map<String, Value>) {
        if !self.caller.role.publishes() {
            event.insert("published".to_owned(), false.into());
            event.insert("publish_timestamp".to_owned(), "0".into());
        } else if flag(event.get("published")) && number(event.get("publish_timestamp")).is_none_or(|t| t == 0) {
            event.insert("publish_timestamp".to_owned(), self.now_s().to_string().into());
        }
    }

    /// The same for the parts of an event.
    pub(crate) fn complete_parts(&self, event: &mut Map<String, Value>, now_s: i64) -> Result<(), Reply> {
        let mut lists = |key: &str| match event.get_mut(key) {
            Some(Value::Array(list)) => std::mem::take(list),
            _ => Vec::new(),
        };
        let (mut attributes, mut objects, mut reports) = (lists("Attribute"), lists("Object"), lists("EventReport"));
        for attribute in attributes.iter_mut().filter_map(Value::as_object_mut) {
            self.complete_attribute(attribute, now_s)?;
        }
        for object in objects.iter_mut().filter_map(Value::as_object_mut) {
            self.complete_object(object, now_s)?;
        }
        for report in reports.iter_mut().filter_map(Value::as_object_mut) {
            self.complete_report(report, now_s)?;
        }
        for (key, list) in [("Attribute", attributes), ("Object", objects), ("EventReport", reports)] {
            if !list.is_empty() {
                event.insert(key.to_owned(), list.into());
            }
        }
        Ok(())
    }

    fn complete_report(&self, report: &mut Map<String, Value>, now_s: i64) -> Result<(), Reply> {
        let id = random_uuid().ok_or_else(|| self.internal())?;
        fill(report, [("uuid", id.into()), ("timestamp", now_s.to_string().into()), ("distribution", "5".into()), ("deleted", false.into())]);
        self.group_into(report)
    }

    pub(crate) fn complete_object(&self, object: &mut Map<String, Value>, now_s: i64) -> Result<(), Reply> {
        let id = random_uuid().ok_or_else(|| self.internal())?;
        fill(
            object,
            [("uuid", id.into()), ("timestamp", now_s.to_string().into()), ("distribution", "5".into()), ("comment", "".into()), ("deleted", false.into())],
        );
        self.group_into(object)?;
        for attribute in object.get_mut("Attribute").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
            self.complete_attribute(attribute, now_s)?;
        }
        let source = object.get("uuid").cloned().unwrap_or_default();
        for reference in object.get_mut("ObjectReference").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
            let id = random_uuid().ok_or_else(|| self.internal())?;
            fill(
                reference,
                [
                    ("uuid", id.into()),
                    ("timestamp", now_s.to_string().into()),
                    ("object_uuid", source.clone()),
                    ("comment", "".into()),
                    ("deleted", false.into()),
                ],
            );
        }
        Ok(())
    }

    pub(crate) fn complete_attribute(&self, attribute: &mut Map<String, Value>, now_s: i64) -> Result<(), Reply> {
        self.may_set_all(attribute)?;
        // PyMISP sends its own note of it along, and stumbles over it where the file is not asked for.
        attribute.shift_remove("malware_filename");
        let kind = text(attribute, "type").to_owned();
        let known = kinds::find(&kind).ok_or_else(|| self.invalid("type", &format!("Options depend on the selected category. `{kind}` is no type.")))?;
        match attribute.get("value") {
            Some(Value::String(value)) if value.trim().is_empty() => {
                return Err(self.invalid("value", "Value not in the right type/format. Please double check the value or select type \"other\"."));
            }
            None | Some(Value::Null) => return Err(self.invalid("value", "Value cannot be empty.")),
            Some(_) => {}
        }
        let id = random_uuid().ok_or_else(|| self.internal())?;
        let defaults = [
            ("uuid", json!(id)),
            ("category", json!(known.category)),
            ("to_ids", json!(known.to_ids)),
            ("distribution", json!("5")),
            ("timestamp", json!(now_s.to_string())),
            ("comment", json!("")),
            ("deleted", json!(false)),
            ("disable_correlation", json!(false)),
        ];
        fill(attribute, defaults);
        self.group_into(attribute)
    }

    /// What MISP's clients read when a field is not as it must be.
    pub(crate) fn invalid(&self, field: &str, why: &str) -> Reply {
        let body = json!({"saved": false, "name": "Could not save", "message": "Could not save", "url": self.call.path, "errors": {field: [why]}});
        Reply { status: StatusCode::FORBIDDEN, ..Reply::json(&body) }
    }

    /// The first thing that was not kept, told to who sent it.
    pub(crate) fn refusal(&self, taken: &Taken) -> Option<Reply> {
        let (place, why) = taken.refused.first()?;
        Some(Reply { status: StatusCode::FORBIDDEN, ..self.invalid("event", &format!("{place}: {why}")) })
    }
}

/// Sets what is missing.
pub(crate) fn fill(map: &mut Map<String, Value>, defaults: impl IntoIterator<Item = (&'static str, Value)>) {
    for (key, value) in defaults {
        let entry = map.entry(key).or_insert(Value::Null);
        if entry.is_null() || (entry == "" && !matches!(key, "comment" | "extends_uuid")) {
            *entry = value;
        }
    }
}

pub(crate) fn random_uuid() -> Option<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    // Version 4, variant of RFC 9562.
    Some(crate::map::ids::written(u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62)))
}

/// Adds an event.
pub(crate) fn add(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let mut event = asked.call.object("Event");
    let uuid = asked.complete(&mut event)?;
    asked.keep_unpublished(&mut event);
    if asked.is_visible(&uuid)? || asked.is_own(&uuid)? {
        let place = format!("/events/{}", asked.reader().number(&uuid));
        return Err(asked.not_found(THERE).located(place));
    }
    let taken = match &asked.laid {
        Some(laid) => asked.take_laid(laid, &uuid, &event)?,
        None => asked.take(&uuid, &json!({"Event": event}))?,
    };
    // Parts that cannot be kept do not keep the others out; an event that cannot be is not there.
    if !asked.is_own(&uuid)? {
        return Err(asked.refusal(&taken).unwrap_or_else(|| asked.internal()));
    }
    asked.answered(&uuid, &event)
}

/// Edits an event: what is sent replaces what was said before, what is not sent stays.
pub(crate) fn edit(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let mut sent = asked.call.object("Event");
    let missing = || asked.not_found("Invalid event.");
    let name = if asked.call.first().is_empty() { text(&sent, "uuid").to_owned() } else { asked.call.first().to_owned() };
    let uuid = asked.event_uuid(&name)?.ok_or_else(missing)?;
    let Some(held) = asked.held(&uuid)? else {
        return Err(if asked.is_visible(&uuid)? { asked.forbidden("You do not have permission to do that.") } else { missing() });
    };
    let before = held.get("Event").and_then(Value::as_object).cloned().unwrap_or_default();
    let told = number(sent.get("timestamp"));
    if told.zip(number(before.get("timestamp"))).is_some_and(|(new, old)| new < old) {
        let why = "Event could not be saved: Event in the request not newer than the local copy.";
        return Err(asked.forbidden(why));
    }
    let now = asked.now_s();
    sent.retain(|key, _| key != "id" && key != "uuid");
    asked.group_into(&mut sent)?;
    asked.may_set_all(&sent)?;
    asked.complete_parts(&mut sent, now)?;
    fill(&mut sent, [("timestamp", now.to_string().into())]);
    if sent.contains_key("Orgc") && flag(before.get("locked")) != flag(sent.get("locked")) && !sent.contains_key("locked") {
        sent.shift_remove("Orgc");
    }
    if !asked.caller.role.publishes() && sent.contains_key("published") {
        asked.keep_unpublished(&mut sent);
    }
    let taken = asked.take(&uuid, &asked.overlaid(held, sent.clone()))?;
    if let Some(refusal) = asked.refusal(&taken).filter(|_| taken.unchanged == 0 && taken.refused.iter().any(|(at, _)| !at.contains(','))) {
        return Err(refusal);
    }
    sent.insert("uuid".to_owned(), uuid.clone().into());
    asked.answered(&uuid, &sent)
}

impl Asked<'_> {
    /// A held event with what was sent laid over it, part by part.
    fn overlaid(&self, held: Value, sent: Map<String, Value>) -> Value {
        let mut event = match held {
            Value::Object(mut map) => map.shift_remove("Event").and_then(|e| if let Value::Object(e) = e { Some(e) } else { None }).unwrap_or_default(),
            _ => Map::new(),
        };
        self.overlay(&mut event, sent);
        json!({"Event": event})
    }

    /// Lays what was sent over what is held: what is sent replaces what was said before, what is not sent stays.
    pub(crate) fn overlay(&self, held: &mut Map<String, Value>, sent: Map<String, Value>) {
        for (key, value) in sent {
            match (key.as_str(), held.get_mut(&key), value) {
                ("Attribute" | "Object" | "EventReport" | "ObjectReference", Some(Value::Array(held)), Value::Array(new)) => self.lay(held, new),
                ("Tag", before, value) => {
                    let tags = self.retagged(before.as_deref(), value);
                    held.insert(key, tags);
                }
                (_, _, value) => drop(held.insert(key, value)),
            }
        }
    }

    fn lay(&self, held: &mut Vec<Value>, new: Vec<Value>) {
        let place: std::collections::HashMap<String, usize> =
            held.iter().enumerate().filter_map(|(n, v)| Some((v.get("uuid")?.as_str()?.to_ascii_lowercase(), n))).collect();
        for part in new {
            let at = part.get("uuid").and_then(Value::as_str).and_then(|u| place.get(&u.to_ascii_lowercase()));
            match (at.and_then(|n| held.get_mut(*n)), part) {
                (Some(Value::Object(old)), Value::Object(new)) => self.overlay(old, new),
                (_, part) => held.push(part),
            }
        }
    }
}

/// Which of the events a pusher offers are new or newer. Only its own rows, and what it may read, are looked at.
pub(crate) fn wanted(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let source = asked.source()?;
    let mut wanted = Vec::new();
    for offered in asked.call.body.as_array().into_iter().flatten() {
        let event = offered.get("Event").unwrap_or(offered);
        let Some(name) = event.get("uuid").and_then(Value::as_str) else { continue };
        let Some(uuid) = uuid(name) else { continue };
        let at_s = number(event.get("timestamp")).unwrap_or_default();
        let held = Id::parse(&format!("{STATE}--{uuid}")).and_then(|id| asked.app.store.latest_row(&source, &id));
        let held_s = match held {
            Some(row) => {
                let bytes = asked.app.store.row_bytes(row, false).map_err(|e| asked.failed(&e))?;
                let object: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                number(object.get("extensions").and_then(|e| e.get(polder_stix::ext::MISP)).and_then(|o| o.get("fields")).and_then(|f| f.get("timestamp")))
            }
            None => None,
        };
        let seen_s = if held_s.is_none() { asked.seen_s(&uuid)? } else { None };
        if held_s.or(seen_s).is_none_or(|held| held < at_s) {
            wanted.push(uuid);
        }
    }
    Ok(Reply::json(&json!(wanted)))
}

impl Asked<'_> {
    /// The time of an event as the caller reads it.
    fn seen_s(&self, uuid: &str) -> Result<Option<i64>, Reply> {
        let mut out = Vec::new();
        if !self.view(|view| view.event(uuid, Wanted { parts: false, ..Wanted::ALL }, &mut out))? {
            return Ok(None);
        }
        let event: Value = serde_json::from_slice(&out).unwrap_or_default();
        Ok(number(event.get("Event").and_then(|e| e.get("timestamp"))))
    }
}
