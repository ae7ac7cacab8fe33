//! What a reader was sent and may no longer have, as MISP can say it: deleted, and without what it said.
//!
//! The rule: it is made of UUIDs, kinds, times and makers that the reader has had; nothing else of what was sent is opened for it.

use std::collections::HashMap;

use polder_release::Origin;
use polder_stix::{Id, ext};
use polder_store::Left;
use serde_json::{Map, Value, json};

use super::fields::text;
use super::ids::{uuid, written};
use super::marks::organisation_of;
use super::reader::{Element, Reader};
use super::rows::STATE;
use super::take::KINDS;
use super::view::ASIDES;

/// What is left of the title of an event that was withdrawn.
pub const WITHDRAWN: &str = "withdrawn";

/// An attribute of which nothing is left but that it was there.
pub(crate) fn attribute(uuid: &str, at_s: i64) -> Map<String, Value> {
    let told = json!({"uuid": uuid, "type": "text", "category": "Other", "value": format!("withdrawn {uuid}"), "to_ids": false, "comment": "", "deleted": true,
        "distribution": "0", "disable_correlation": true, "timestamp": at_s.to_string()});
    told.as_object().cloned().unwrap_or_default()
}

/// The same within an object.
pub(crate) fn within(uuid: &str, at_s: i64) -> Map<String, Value> {
    let mut told = attribute(uuid, at_s);
    told.insert("object_relation".to_owned(), "text".into());
    told
}

/// An object of which nothing is left but its kind.
pub(crate) fn object(uuid: &str, name: &str, at_s: i64) -> Value {
    json!({"uuid": uuid, "name": name, "meta-category": "misc", "description": "", "template_uuid": uuid, "template_version": "1", "deleted": true,
        "distribution": "0", "comment": "", "timestamp": at_s.to_string(), "Attribute": []})
}

/// A report of which nothing is left.
pub(crate) fn report(uuid: &str, at_s: i64) -> Value {
    json!({"uuid": uuid, "name": WITHDRAWN, "content": "", "deleted": true, "distribution": "0", "timestamp": at_s.to_string()})
}

/// A reference of which nothing is left but where it began.
fn reference(uuid: &str, object: &Id, at_s: i64) -> Value {
    let from = written(object.uuid);
    json!({"uuid": uuid, "object_uuid": from, "referenced_uuid": from, "referenced_type": "1", "relationship_type": WITHDRAWN, "comment": "", "deleted": true,
        "timestamp": at_s.to_string()})
}

/// An event of which nothing may be there any more: its fields without parts.
pub(crate) fn event(uuid: &str, date: &str, (orgc, name): (&str, &str), at_s: i64) -> Map<String, Value> {
    let told = json!({"uuid": uuid, "info": WITHDRAWN, "date": date, "analysis": "2", "threat_level_id": "4", "distribution": "0", "published": true,
        "locked": true, "timestamp": at_s.to_string(), "publish_timestamp": at_s.to_string(), "Orgc": {"uuid": orgc, "name": name}});
    told.as_object().cloned().unwrap_or_default()
}

/// An event that left a reader's view.
pub(crate) struct Event {
    pub(crate) fields: Map<String, Value>,
    pub(crate) id: Id,
    pub(crate) origin: Origin,
}

/// The parts of one event that left a reader's view, also those that came again.
#[derive(Default)]
pub(crate) struct Parts {
    by_uuid: HashMap<u128, Left>,
}

/// The same in MISP's JSON.
#[derive(Default)]
pub(crate) struct Laid {
    pub(crate) attributes: Vec<Value>,
    pub(crate) objects: Vec<Value>,
    pub(crate) reports: Vec<Value>,
    /// Attributes, by the STIX id of an object that is still there.
    pub(crate) within: HashMap<String, Vec<Value>>,
    /// References, by the same.
    pub(crate) references: HashMap<String, Vec<Value>>,
}

impl Parts {
    /// One of them is there after all, perhaps as another type; then as of a later second than it was said to be gone.
    pub(crate) fn stands(&mut self, element: &mut Element) {
        let Some(left) = (!self.by_uuid.is_empty()).then(|| self.by_uuid.remove(&element.stix.uuid)).flatten() else { return };
        element.at_s = element.at_s.max(left.at_s.saturating_add(i64::from(!left.is_back)));
    }

    /// Those that do not stand, in MISP's JSON; `stands` says whether an object is still there.
    pub(crate) fn laid(self, stands: &dyn Fn(&str) -> bool) -> Laid {
        let mut laid = Laid::default();
        let mut all: Vec<Left> = self.by_uuid.into_values().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        let mut gone: HashMap<String, Vec<Value>> = HashMap::new();
        let object_of = |left: &Left| left.refers_to.iter().find(|id| &*id.kind == "x-misp-object").cloned();
        for left in &all {
            let (uuid, object) = (written(left.id.uuid), object_of(left));
            match (&*left.id.kind, object) {
                ("x-misp-object", _) => {}
                ("note", _) => laid.reports.push(report(&uuid, left.at_s)),
                ("relationship", Some(from)) => laid.references.entry(from.to_string()).or_default().push(reference(&uuid, &from, left.at_s)),
                (kind, None) if KINDS.contains(&kind) => laid.attributes.push(attribute(&uuid, left.at_s).into()),
                (kind, Some(object)) if KINDS.contains(&kind) => {
                    let object = object.to_string();
                    let lists = if stands(&object) { &mut laid.within } else { &mut gone };
                    lists.entry(object).or_default().push(within(&uuid, left.at_s).into());
                }
                _ => {}
            }
        }
        for left in all.iter().filter(|l| &*l.id.kind == "x-misp-object") {
            let id = left.id.to_string();
            // What kind it was is not remembered without the object.
            let mut told = object(&written(left.id.uuid), WITHDRAWN, left.at_s);
            if let Some(map) = told.as_object_mut() {
                map.insert("Attribute".to_owned(), gone.remove(&id).unwrap_or_default().into());
                map.insert("ObjectReference".to_owned(), laid.references.remove(&id).unwrap_or_default().into());
            }
            laid.objects.push(told);
        }
        laid.attributes.extend(gone.into_values().flatten());
        laid
    }
}

impl Reader<'_> {
    /// Is this reader told of what it was sent and may no longer have? Whoever works on this MISP sees that it is gone.
    fn is_told(&self, origin: &Origin) -> bool {
        !self.peer.is_of_house() && !self.owns(origin) && *origin != Origin::Feed
    }

    /// The parts of an event that left this reader's view.
    pub(crate) fn left(&self, event: &Id, origin: &Origin) -> Result<Parts, polder_store::Error> {
        if !self.is_told(origin) {
            return Ok(Parts::default());
        }
        let left = self.store.left_of(self.recipient, event, origin, &ASIDES)?;
        let mut by_uuid = HashMap::new();
        for left in left {
            // An attribute may have been of another type before.
            let known = by_uuid.entry(left.id.uuid).or_insert_with(|| left.clone());
            if known.at_s < left.at_s {
                *known = left;
            }
        }
        Ok(Parts { by_uuid })
    }

    /// UUID and name of who made an event, as the reader was told when it was sent; else of who brought it.
    fn maker(&self, left: &Left, origin: &Origin) -> Option<(String, String)> {
        let sent = || {
            let object: Value = serde_json::from_slice(&self.store.row_bytes(left.row, false).ok()?).ok()?;
            let orgc = object.get("extensions")?.get(ext::MISP)?.get("fields")?.get("Orgc")?.as_object()?;
            Some((uuid(text(orgc, "uuid"))?, text(orgc, "name").to_owned()))
        };
        let brought = || {
            let member = self.alliance.members.get(origin.originator(self.alliance)?)?;
            Some((organisation_of(member.identity.as_deref()?)?.to_owned(), member.id.to_string()))
        };
        sent().or_else(brought)
    }

    /// The events that left this reader's view.
    pub(crate) fn left_events(&self) -> Result<Vec<Event>, polder_store::Error> {
        let mut all = Vec::new();
        for (left, origin) in self.store.left_all(self.recipient, "report", STATE)? {
            if !self.is_told(&origin) {
                continue;
            }
            let uuid = written(left.id.uuid);
            let Some((orgc, maker)) = self.maker(&left, &origin) else { continue };
            let at_s = self.store.changed_s(self.recipient, &left.id, &origin, &ASIDES)?.unwrap_or_default().max(left.at_s);
            let day: String = polder_stix::time::from_us(at_s.saturating_mul(1_000_000)).chars().take(10).collect();
            let mut fields = event(&uuid, &day, (&orgc, &maker), at_s);
            fields.insert("id".to_owned(), self.number(&uuid).to_string().into());
            all.push(Event { fields, id: left.id, origin });
        }
        Ok(all)
    }
}
