//! An element as it was released, and what its label lets its reader do with it.
//!
//! The rule: whose element it is reads it as it was said; everyone else reads it in terms that its label allows.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit as _, Mac as _};
use polder_release::{Alliance, Item, Label, Level, Origin};
use polder_stix::{Id, ext};
use polder_store::Store;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::fields::{flag, number, stays, tags, text};
use super::marks::group_id;
use super::rows::stated;
use super::terms::{self, Onward, Peer};
use super::view::Said;
use super::wanted::Wanted;
use crate::model::SharingGroup;

/// Who reads, and by what they know things.
#[derive(Debug, Clone)]
pub struct Reader<'r> {
    /// Whose logs say when a view changed.
    pub store: &'r Store,
    /// What it may do with what it reads.
    pub peer: Peer,
    /// Who is who.
    pub alliance: &'r Alliance,
    /// The store's secret, of which the numbers are made.
    pub secret: &'r [u8; 32],
    /// The recipient's id.
    pub recipient: &'r str,
    /// Names of tags that it is not given.
    pub unexported: &'r BTreeSet<String>,
}

/// An element as it was released.
pub(crate) struct Element {
    pub(crate) stix: Id,
    pub(crate) author: Option<String>,
    pub(crate) id: String,
    pub(crate) at_s: i64,
    pub(crate) ours: Map<String, Value>,
    pub(crate) fields: Map<String, Value>,
    pub(crate) label: Label,
    pub(crate) origin: Origin,
    row: u32,
}

impl Element {
    pub(crate) fn of(item: Item) -> Option<Self> {
        let Value::Object(mut object) = serde_json::from_slice(&item.bytes).ok()? else { return None };
        let id = text(&object, "id").to_owned();
        let author = object.get("created_by_ref").and_then(Value::as_str).map(str::to_owned);
        let Value::Object(mut ours) = object.get_mut("extensions")?.get_mut(ext::MISP)?.take() else { return None };
        let Value::Object(fields) = ours.shift_remove("fields")? else { return None };
        let (label, origin) = *item.label?;
        Some(Self {
            row: item.entry.row,
            stix: item.entry.id,
            author,
            id,
            at_s: number(ours.get("timestamp")).unwrap_or_default(),
            ours,
            fields,
            label,
            origin,
        })
    }

    pub(crate) fn element(&self) -> &str {
        text(&self.ours, "element")
    }

    pub(crate) fn uuid(&self) -> &str {
        self.id.split_once("--").map_or("", |(_, uuid)| uuid)
    }
}

impl Reader<'_> {
    /// The number by which this reader knows an element. Those who work on one MISP have the same, since they tell each other.
    #[must_use]
    pub fn number(&self, uuid: &str) -> u64 {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret) else { return 0 };
        let whose = if self.peer.is_of_house() { &*self.alliance.holder } else { self.recipient };
        for part in ["misp-number", whose, uuid] {
            mac.update(&part.len().to_be_bytes());
            mac.update(part.as_bytes());
        }
        // 52 bits: a number that every JSON reader keeps whole.
        mac.finalize().into_bytes().iter().take(7).fold(0u64, |sum, b| (sum << 8) | u64::from(*b)) >> 4
    }

    /// Do two elements come from the same hand? Feeds are told apart by their sources.
    pub(crate) fn same_hand(&self, one: &Element, other: &Element) -> bool {
        one.origin == other.origin && (one.origin != Origin::Feed || self.feed(one) == self.feed(other))
    }

    /// The source of an element of a feed.
    pub(crate) fn feed(&self, element: &Element) -> Option<Box<str>> {
        if element.origin == Origin::Feed { self.store.source_of(element.row) } else { None }
    }

    /// Is what comes from there the reader's own?
    pub(crate) fn owns(&self, origin: &Origin) -> bool {
        self.peer.owns(origin, self.alliance)
    }

    /// What an element's label lets this reader do with it, written into its fields.
    pub(crate) fn label(&self, element: &Element, fields: &mut Map<String, Value>, around: Option<&Onward>) -> Onward {
        let onward = self.labelled(element, fields, around);
        self.group(fields);
        if onward != Onward::Everyone && !self.owns(&element.origin) {
            let clusters = fields.get_mut("Galaxy").and_then(Value::as_array_mut).into_iter().flatten();
            let clusters = clusters.filter_map(|g| g.get_mut("GalaxyCluster")?.as_array_mut()).flatten().filter_map(Value::as_object_mut);
            clusters.filter(|c| !flag(c.get("default"))).for_each(keep_near);
        }
        onward
    }

    fn labelled(&self, element: &Element, fields: &mut Map<String, Value>, around: Option<&Onward>) -> Onward {
        let onward = terms::onward(&element.label, &element.origin, &self.peer, self.alliance);
        if self.owns(&element.origin) {
            return onward;
        }
        if around == Some(&onward) {
            fields.shift_remove("SharingGroup");
            fields.insert("distribution".to_owned(), "5".into());
            return onward;
        }
        let given = fields.get("SharingGroup").and_then(|g| SharingGroup::deserialize(g).ok());
        // Who works on this MISP and belongs to one of its groups knows that group.
        let own = fields.get("SharingGroup").map(|g| group_id(&g.get("uuid").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()));
        let own = own.and_then(|id| self.alliance.groups.get(id.as_str()));
        if own.is_some_and(|group| self.peer.is_of_house() && self.peer.is_in(&group.members)) && number(fields.get("distribution")) == Some(4) {
            return onward;
        }
        let stands = number(fields.get("distribution")) == Some(4) && given.is_some_and(|g| terms::may_stand(&g, &onward, self.alliance));
        if !stands {
            terms::put(fields, &onward, &element.origin, &self.peer, self.alliance);
        }
        onward
    }

    /// Takes out the tags that are not given to anybody.
    pub(crate) fn untag(&self, fields: &mut Map<String, Value>, wanted: Wanted) {
        if self.unexported.is_empty() || wanted.unexported_tags {
            return;
        }
        for key in ["Tag", "EventTag"] {
            if let Some(list) = fields.get_mut(key).and_then(Value::as_array_mut) {
                list.retain(|tag| tag.get("name").and_then(Value::as_str).is_none_or(|name| !self.unexported.contains(name)));
            }
        }
    }

    /// Local tags stay; a level that no tag says is said by one.
    pub(crate) fn tags(&self, element: &Element, fields: &mut Map<String, Value>, said: Option<Level>) -> Option<Level> {
        if self.peer.is_of_holder() || self.owns(&element.origin) {
            return None;
        }
        for key in ["Tag", "EventTag"] {
            if let Some(list) = fields.get_mut(key).and_then(Value::as_array_mut) {
                list.retain(|tag| !tag.as_object().is_some_and(stays));
            }
        }
        let named = |name: &str| Level::parse(name.to_ascii_lowercase().strip_prefix("tlp:")?.trim());
        let tagged = tags(fields).iter().filter_map(|t| named(&t.name)).max();
        let level = terms::level(&element.label);
        if level > said.max(tagged)
            && let Some(level) = level
        {
            let tag = json!({"name": level.label().to_ascii_lowercase(), "colour": colour(level), "exportable": true, "local": false});
            if let Some(list) = fields.entry("Tag").or_insert_with(|| json!([])).as_array_mut() {
                // A looser one beside it would be read as leave to pass it on.
                list.retain(|t| t.get("name").and_then(Value::as_str).and_then(named).is_none_or(|said| said >= level));
                list.push(tag);
            }
        }
        level.max(said)
    }

    /// What was said about an event, in MISP's words.
    pub(crate) fn said(&self, element: &Element, first: Origin) -> Said {
        let about = text(&element.ours, "about").to_owned();
        let uuid_of = |key: &str| text(&element.ours, key).split_once("--").map_or("", |(_, uuid)| uuid).to_owned();
        let (event, attribute) = (uuid_of("event_ref"), uuid_of("attribute_ref"));
        let mut fields = element.fields.clone();
        self.dress(element, &mut fields);
        let name = match element.element() {
            "sighting" => "Sighting",
            "proposal" => "ShadowAttribute",
            "cluster" => "GalaxyCluster",
            _ => text(&element.ours, "analyst"),
        };
        // A proposal to change an attribute has that attribute's UUID.
        if name == "ShadowAttribute" && !text(&element.fields, "uuid").is_empty() {
            fields.insert("uuid".to_owned(), text(&element.fields, "uuid").into());
        }
        if !event.is_empty() && name == "ShadowAttribute" {
            fields.insert("event_uuid".to_owned(), event.clone().into());
        }
        if name == "Sighting" || name == "ShadowAttribute" {
            let numbered = [("event_id", &event), (if name == "Sighting" { "attribute_id" } else { "old_id" }, &attribute)];
            for (key, uuid) in numbered {
                let number = if uuid.is_empty() { "0".to_owned() } else { self.number(uuid).to_string() };
                fields.insert(key.to_owned(), number.into());
            }
            let whose = if name == "Sighting" { "Organisation" } else { "Org" };
            let whose = fields.get(whose).and_then(|o| o.get("uuid")).and_then(Value::as_str).map(|u| self.number(u).to_string());
            fields.extend(whose.map(|n| ("org_id".to_owned(), n.into())));
        } else {
            self.label(element, &mut fields, None);
        }
        if name == "GalaxyCluster" && !self.owns(&element.origin) {
            let further = if number(fields.get("distribution")) == Some(3) { "3" } else { "0" };
            let relations = fields.get_mut("GalaxyClusterRelation").and_then(Value::as_array_mut).into_iter().flatten();
            for relation in relations.filter_map(Value::as_object_mut) {
                relation.shift_remove("SharingGroup");
                relation.insert("distribution".to_owned(), further.into());
            }
        }
        Said { event, attribute, about, name: name.to_owned(), origin: first, fields }
    }

    pub(crate) fn dress(&self, element: &Element, fields: &mut Map<String, Value>) {
        let time = if element.element() == "sighting" { "date_sighting" } else { "timestamp" };
        let raw = number(fields.get(time));
        let behind = raw.map_or(element.element() == "object", |raw| raw < element.at_s);
        if behind && !(raw.is_some() && self.owns(&element.origin)) {
            fields.insert(time.to_owned(), element.at_s.to_string().into());
        }
        // Twins go out under the UUID they came with.
        let twin = element.ours.get("twin").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        if twin.is_none_or(|n| stated(text(fields, "uuid"), n) != element.uuid()) {
            fields.insert("uuid".to_owned(), element.uuid().into());
        }
        fields.insert("id".to_owned(), self.number(element.uuid()).to_string().into());
    }

    /// The reader's number for the group an element is for, if it is for one.
    pub(crate) fn group(&self, fields: &mut Map<String, Value>) {
        let group = fields.get("SharingGroup").and_then(|g| g.get("uuid")).and_then(Value::as_str);
        if let Some(number) = group.map(|uuid| self.number(&uuid.to_ascii_lowercase()).to_string()) {
            fields.insert("sharing_group_id".to_owned(), number.into());
        }
    }
}

/// A cluster of somebody's own goes no further than the element it is in.
fn keep_near(cluster: &mut Map<String, Value>) {
    let relations = cluster.get_mut("GalaxyClusterRelation").and_then(Value::as_array_mut).into_iter().flatten();
    for relation in relations.filter_map(Value::as_object_mut) {
        relation.shift_remove("SharingGroup");
        relation.insert("distribution".to_owned(), "0".into());
    }
    cluster.shift_remove("SharingGroup");
    if cluster.contains_key("distribution") {
        cluster.insert("distribution".to_owned(), "0".into());
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Clear => "#ffffff",
        Level::Green => "#339900",
        Level::Amber | Level::AmberStrict => "#ffc000",
        Level::Red => "#cc0033",
    }
}
