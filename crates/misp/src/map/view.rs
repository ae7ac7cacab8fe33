//! A reader's view of an event, in MISP's JSON.
//!
//! The rule: all of it comes out of pages released to that reader, so numbers, times and counts are over what the reader may see.

use std::collections::HashMap;
use std::io::{self, Write};

use hmac::{Hmac, KeyInit as _, Mac as _};
use polder_release::{Alliance, Form, Item, Label, Level, Origin, Page};
use polder_stix::{Id, ext};
use polder_store::{Query, Store, Versions};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::fields::{flag, number, put_local, put_parts, stays, tags, text};
use super::rows::{STATE, stated};
use super::terms::{self, Onward, Peer};
use crate::limits;
use crate::model::SharingGroup;

/// Why a view could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten<E> {
    /// No page was released.
    #[error("no page")]
    Page(E),
    /// It could not be written down.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// The store does not say.
    #[error(transparent)]
    Store(#[from] polder_store::Error),
}

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
}

/// How much of an event is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Parts that were withdrawn.
    pub deleted: bool,
    /// Parts that stand.
    pub standing: bool,
    /// Tags that stay here; only the holder's people have them at all.
    pub local_tags: bool,
    /// Galaxies, besides the tags that name their clusters.
    pub galaxies: bool,
    /// Its attributes, objects and reports.
    pub parts: bool,
    /// Sightings under their attributes.
    pub sightings: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self { deleted: true, standing: true, local_tags: true, galaxies: true, parts: true, sightings: true };

    fn takes(self, fields: &Map<String, Value>) -> bool {
        if flag(fields.get("deleted")) { self.deleted } else { self.standing }
    }

    fn trim(self, fields: &mut Map<String, Value>) {
        if !self.local_tags
            && let Some(list) = fields.get_mut("Tag").and_then(Value::as_array_mut)
        {
            list.retain(|tag| !tag.as_object().is_some_and(stays));
        }
        if !self.galaxies {
            fields.shift_remove("Galaxy");
        }
    }
}

/// An element as it was released.
pub(crate) struct Element {
    pub(crate) stix: Id,
    author: Option<String>,
    id: String,
    at_s: i64,
    pub(crate) ours: Map<String, Value>,
    pub(crate) fields: Map<String, Value>,
    label: Label,
    origin: Origin,
}

impl Element {
    pub(crate) fn of(item: Item) -> Option<Self> {
        let Value::Object(mut object) = serde_json::from_slice(&item.bytes).ok()? else { return None };
        let id = text(&object, "id").to_owned();
        let author = object.get("created_by_ref").and_then(Value::as_str).map(str::to_owned);
        let Value::Object(mut ours) = object.get_mut("extensions")?.get_mut(ext::MISP)?.take() else { return None };
        let Value::Object(mut fields) = ours.shift_remove("fields")? else { return None };
        put_parts(&mut fields, ours.get("parts"));
        let (label, origin) = *item.label?;
        Some(Self { stix: item.entry.id, author, id, at_s: number(ours.get("timestamp")).unwrap_or_default(), ours, fields, label, origin })
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

    /// What an element's label lets this reader do with it, written into its fields.
    fn label(&self, element: &Element, fields: &mut Map<String, Value>, around: Option<&Onward>) -> Onward {
        let onward = terms::onward(&element.label, &element.origin, &self.peer, self.alliance);
        if self.peer.is_of_holder() && element.origin == Origin::Own {
            return onward;
        }
        if around == Some(&onward) {
            fields.shift_remove("SharingGroup");
            fields.insert("distribution".to_owned(), "5".into());
            return onward;
        }
        let given = fields.get("SharingGroup").and_then(|g| SharingGroup::deserialize(g).ok());
        let stands = number(fields.get("distribution")) == Some(4) && given.is_some_and(|g| terms::may_stand(&g, &onward, self.alliance));
        if !stands {
            terms::put(fields, &onward, &self.peer, self.alliance);
        }
        onward
    }

    /// Local tags stay; a level that no tag says is said by one.
    fn tags(&self, element: &Element, fields: &mut Map<String, Value>, said: Option<Level>) -> Option<Level> {
        if self.peer.is_of_holder() {
            return None;
        }
        for key in ["Tag", "EventTag"] {
            if let Some(list) = fields.get_mut(key).and_then(Value::as_array_mut) {
                list.retain(|tag| !tag.as_object().is_some_and(stays));
            }
        }
        let tagged = tags(fields).iter().filter_map(|t| Level::parse(t.name.to_ascii_lowercase().strip_prefix("tlp:")?.trim())).max();
        let level = terms::level(&element.label);
        if level > said.max(tagged)
            && let Some(level) = level
        {
            let tag = json!({"name": level.label().to_ascii_lowercase(), "colour": colour(level), "exportable": true, "local": false});
            if let Some(list) = fields.entry("Tag").or_insert_with(|| json!([])).as_array_mut() {
                list.push(tag);
            }
        }
        level.max(said)
    }

    fn dress(&self, element: &Element, fields: &mut Map<String, Value>) {
        let time = if element.element() == "sighting" { "date_sighting" } else { "timestamp" };
        if number(fields.get(time)).is_some_and(|raw| raw < element.at_s) && !(self.peer.is_of_holder() && element.origin == Origin::Own) {
            fields.insert(time.to_owned(), element.at_s.to_string().into());
        }
        // Twins go out under the UUID they came with.
        let twin = element.ours.get("twin").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        if twin.is_none_or(|n| stated(text(fields, "uuid"), n) != element.uuid()) {
            fields.insert("uuid".to_owned(), element.uuid().into());
        }
        fields.insert("id".to_owned(), self.number(element.uuid()).to_string().into());
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

/// A reader's view, read page by page.
pub struct View<'v, E> {
    reader: &'v Reader<'v>,
    page: &'v mut dyn FnMut(&Query, Form) -> Result<Page, E>,
}

impl<E> std::fmt::Debug for View<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("reader", &self.reader).finish_non_exhaustive()
    }
}

/// What anybody may add to another's event.
pub(crate) const SIGHTINGS: [&str; 2] = ["sighting", "x-misp-sighting"];

/// An attribute and its event, without parts.
pub type Pair = (Map<String, Value>, Map<String, Value>);

/// Fields as a reader has them, how far they may go, and the level said.
type Dressed = (Map<String, Value>, Onward, Option<Level>);

/// What is around an attribute.
struct Around<'a> {
    event: &'a str,
    object: Option<&'a str>,
    onward: &'a Onward,
    level: Option<Level>,
    wanted: Wanted,
}

/// What was written of an event's parts.
#[derive(Default)]
struct Parts {
    objects: Vec<u8>,
    reports: Vec<u8>,
    within: HashMap<String, Vec<Element>>,
    references: HashMap<String, Vec<Value>>,
    sightings: HashMap<String, Vec<Value>>,
    attributes: usize,
    states: HashMap<String, Map<String, Value>>,
}

impl<'v, E> View<'v, E> {
    /// Over pages that `page` has released to the reader.
    pub fn new(reader: &'v Reader<'v>, page: &'v mut dyn FnMut(&Query, Form) -> Result<Page, E>) -> Self {
        Self { reader, page }
    }

    fn each(&mut self, mut query: Query, each: &mut dyn FnMut(Element) -> Result<(), Unwritten<E>>) -> Result<(), Unwritten<E>> {
        if query.versions == Versions::default() {
            query.versions = Versions::last();
        }
        loop {
            let page = (self.page)(&query, Form::Labelled).map_err(Unwritten::Page)?;
            for element in page.items.into_iter().filter_map(Element::of) {
                each(element)?;
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The events the reader may see, without their parts, in the order they came into view.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn events(&mut self) -> Result<Vec<Map<String, Value>>, Unwritten<E>> {
        let versions = Versions { all: true, ..Versions::default() };
        let mut order = Vec::new();
        let mut all: HashMap<String, Vec<Element>> = HashMap::new();
        let query = Query { types: Some(vec!["report".into()]), versions: versions.clone(), limit: Some(limits::PAGE_OBJECTS), ..Query::default() };
        self.each(query, &mut |element| {
            if element.element() == "event" {
                let known = all.entry(element.id.clone()).or_insert_with(|| {
                    order.push(element.id.clone());
                    Vec::new()
                });
                known.push(element);
            }
            Ok(())
        })?;
        let mut states = HashMap::new();
        if self.reader.peer.is_of_holder() {
            let query = Query { types: Some(vec![STATE.into()]), origin: Some(Origin::Own), limit: Some(limits::PAGE_OBJECTS), ..Query::default() };
            self.each(query, &mut |element| {
                states.insert(element.uuid().to_owned(), element.fields);
                Ok(())
            })?;
        }
        let mut heads = Vec::with_capacity(order.len());
        for id in order {
            let Some(event) = all.remove(&id).and_then(|versions| self.speaker(versions)) else { continue };
            let state = states.remove(event.uuid()).filter(|_| event.origin == Origin::Own);
            heads.push(self.dressed(&event, state)?.0);
        }
        Ok(heads)
    }

    /// An event's own fields as the reader has them, how far they may go, and the level its parts stand under.
    fn dressed(&self, event: &Element, state: Option<Map<String, Value>>) -> Result<Dressed, Unwritten<E>> {
        let reader = self.reader;
        let mut fields = event.fields.clone();
        reader.dress(event, &mut fields);
        let onward = reader.label(event, &mut fields, None);
        let level = reader.tags(event, &mut fields, None);
        for (key, whose) in [("org_id", "Org"), ("orgc_id", "Orgc")] {
            let uuid = fields.get(whose).and_then(|o| o.get("uuid")).and_then(Value::as_str).unwrap_or_default();
            let number = reader.number(uuid).to_string();
            fields.insert(key.to_owned(), number.clone().into());
            if let Some(organisation) = fields.get_mut(whose).and_then(Value::as_object_mut) {
                organisation.insert("id".to_owned(), number.into());
            }
        }
        let changed = reader.store.changed_s(reader.recipient, &event.stix, &event.origin, &SIGHTINGS)?;
        fields.insert("timestamp".to_owned(), changed.unwrap_or(event.at_s).to_string().into());
        put_local(&mut fields, state.unwrap_or_default());
        Ok((fields, onward, level))
    }

    /// Writes an event as `{"Event":{...}}`; false if the reader may not see it, or there is none.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn event(&mut self, uuid: &str, wanted: Wanted, out: &mut dyn Write) -> Result<bool, Unwritten<E>> {
        let Some(event) = self.head(uuid)? else { return Ok(false) };
        let (mut fields, onward, level) = self.dressed(&event, None)?;
        let of = self.reader.number(uuid).to_string();
        let around = Around { event: &of, object: None, onward: &onward, level, wanted };
        let mut parts = Parts::default();
        out.write_all(b"{\"Event\":{")?;
        if wanted.parts {
            out.write_all(b"\"Attribute\":[")?;
            self.parts(&event, &around, &mut parts, out)?;
            out.write_all(b"],")?;
            for (name, list) in [("Object", &parts.objects), ("EventReport", &parts.reports)] {
                write!(out, "\"{name}\":[")?;
                out.write_all(list)?;
                out.write_all(b"],")?;
            }
            fields.insert("attribute_count".to_owned(), parts.attributes.to_string().into());
        } else {
            self.state(&event, &mut parts)?;
        }
        put_local(&mut fields, parts.states.remove(event.uuid()).unwrap_or_default());
        wanted.trim(&mut fields);
        let rest = Value::Object(fields).to_string();
        write!(out, "{}}}", rest.strip_prefix('{').unwrap_or_default())?;
        Ok(true)
    }

    /// Its own times and counts, for those who have it from nobody else.
    fn state(&mut self, event: &Element, parts: &mut Parts) -> Result<(), Unwritten<E>> {
        if !(self.reader.peer.is_of_holder() && event.origin == Origin::Own) {
            return Ok(());
        }
        let query = Query {
            refers_to: Some(event.stix.clone()),
            types: Some(vec![STATE.into()]),
            origin: Some(Origin::Own),
            limit: Some(limits::PAGE_OBJECTS),
            ..Query::default()
        };
        self.each(query, &mut |element| {
            parts.states.insert(element.uuid().to_owned(), element.fields);
            Ok(())
        })
    }

    fn parts(&mut self, event: &Element, around: &Around<'_>, parts: &mut Parts, out: &mut dyn Write) -> Result<(), Unwritten<E>> {
        let reader = self.reader;
        self.state(event, parts)?;
        if around.wanted.sightings {
            self.sightings(&event.stix, around.event, parts)?;
        }
        let mut objects = Vec::new();
        let own = Query { refers_to: Some(event.stix.clone()), origin: Some(event.origin.clone()), limit: Some(limits::PAGE_OBJECTS), ..Query::default() };
        self.each(own, &mut |mut element| {
            // What lost its way to the event in this reader's copy is not of the event for this reader.
            if text(&element.ours, "event_ref") != event.id || !around.wanted.takes(&element.fields) {
                return Ok(());
            }
            match element.element() {
                "attribute" => match element.ours.get("object_ref").and_then(Value::as_str) {
                    Some(object) => parts.within.entry(object.to_owned()).or_default().push(element),
                    None => {
                        let comma: &[u8] = if parts.attributes > 0 { b"," } else { b"" };
                        out.write_all(comma)?;
                        serde_json::to_writer(&mut *out, &attribute(reader, element, around, parts)).map_err(io::Error::from)?;
                    }
                },
                "object" => objects.push(element),
                "report" => append(&mut parts.reports, &part(reader, &mut element, around).into())?,
                "reference" => reference(reader, element, around, parts),
                _ => {}
            }
            Ok(())
        })?;
        let mut alone = parts.attributes;
        for element in objects {
            let whole = object(reader, element, around, parts);
            append(&mut parts.objects, &whole)?;
        }
        // Of an object that this reader may not see, an attribute may still be there.
        for element in std::mem::take(&mut parts.within).into_values().flatten() {
            let comma: &[u8] = if alone > 0 { b"," } else { b"" };
            out.write_all(comma)?;
            alone += 1;
            serde_json::to_writer(&mut *out, &attribute(reader, element, around, parts)).map_err(io::Error::from)?;
        }
        Ok(())
    }

    /// The event's own row as the reader has it, of the one who may speak for it: the organisation it says made it, else who introduced it first.
    /// Whoever else uses its UUID is not heard.
    fn head(&mut self, uuid: &str) -> Result<Option<Element>, Unwritten<E>> {
        let Some(id) = Id::parse(&format!("report--{uuid}")) else { return Ok(None) };
        let versions = Versions { all: true, ..Versions::default() };
        let mut all = Vec::new();
        self.each(Query { ids: Some(vec![id]), versions, ..Query::default() }, &mut |element| {
            if element.element() == "event" {
                all.push(element);
            }
            Ok(())
        })?;
        Ok(self.speaker(all))
    }

    fn speaker(&self, all: Vec<Element>) -> Option<Element> {
        let alliance = self.reader.alliance;
        let made_it = |e: &Element| {
            let member = e.origin.originator(alliance).and_then(|m| alliance.members.get(m)?.identity.as_deref());
            member.is_some() && member == e.author.as_deref()
        };
        let origin = all.iter().find(|e| made_it(e)).or(all.first()).map(|e| e.origin.clone())?;
        all.into_iter().filter(|e| e.origin == origin).max_by_key(|e| e.at_s)
    }

    /// The attributes that some questions find, each with its event, as the reader has both.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn found(&mut self, questions: impl Iterator<Item = Query>, wanted: Wanted) -> Result<Vec<Pair>, Unwritten<E>> {
        let mut events: HashMap<String, Option<(Element, Dressed)>> = HashMap::new();
        let mut found = Vec::new();
        for question in questions {
            let mut here = Vec::new();
            self.each(question, &mut |element| {
                here.push(element);
                Ok(())
            })?;
            for element in here.into_iter().filter(|e| e.element() == "attribute" && wanted.takes(&e.fields)) {
                let name = text(&element.ours, "event_ref").trim_start_matches("report--").to_owned();
                if !events.contains_key(&name) {
                    let known = match self.head(&name)? {
                        Some(event) => {
                            let dressed = self.dressed(&event, None)?;
                            Some((event, dressed))
                        }
                        None => None,
                    };
                    events.insert(name.clone(), known);
                }
                let Some(Some((event, (head, onward, level)))) = events.get(&name) else { continue };
                if event.origin != element.origin {
                    continue;
                }
                let object = element.ours.get("object_ref").and_then(Value::as_str).and_then(Id::parse);
                let of = self.reader.number(&name).to_string();
                let inside = object.as_ref().map(|id| self.reader.number(&super::ids::written(id.uuid)).to_string());
                let around = Around { event: &of, object: inside.as_deref(), onward, level: *level, wanted };
                let Value::Object(mut fields) = attribute(self.reader, element, &around, &mut Parts::default()) else { continue };
                let head = head.clone();
                if let Some(id) = object {
                    self.each(Query { ids: Some(vec![id]), ..Query::default() }, &mut |element| {
                        fields.insert("object_uuid".to_owned(), element.uuid().into());
                        fields.extend(["name", "meta-category"].iter().filter_map(|k| Some((format!("object_{k}"), element.fields.get(*k)?.clone()))));
                        Ok(())
                    })?;
                }
                found.push((fields, head));
            }
        }
        Ok(found)
    }

    /// The sightings of an event's attributes that the reader may see; none where the event is not to be seen.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn sightings_of(&mut self, uuid: &str) -> Result<Vec<Value>, Unwritten<E>> {
        let Some(event) = self.head(uuid)? else { return Ok(Vec::new()) };
        let mut parts = Parts::default();
        let number = self.reader.number(uuid).to_string();
        self.sightings(&event.stix, &number, &mut parts)?;
        let named = parts.sightings.into_iter().flat_map(|(attribute, list)| {
            let uuid = attribute.split_once("--").map_or("", |(_, uuid)| uuid).to_owned();
            list.into_iter().map(move |mut sighting| {
                if let Some(map) = sighting.as_object_mut() {
                    map.insert("attribute_uuid".to_owned(), uuid.clone().into());
                }
                sighting
            })
        });
        Ok(named.collect())
    }

    /// The event that one of these attributes is of.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn event_of(&mut self, ids: Vec<Id>) -> Result<Option<String>, Unwritten<E>> {
        let mut found = None;
        self.each(Query { ids: Some(ids), ..Query::default() }, &mut |element| {
            found = text(&element.ours, "event_ref").strip_prefix("report--").map(str::to_owned);
            Ok(())
        })?;
        Ok(found)
    }

    fn sightings(&mut self, event: &Id, of: &str, parts: &mut Parts) -> Result<(), Unwritten<E>> {
        let reader = self.reader;
        let types = Some(SIGHTINGS.iter().map(|t| (*t).into()).collect());
        let query = Query { refers_to: Some(event.clone()), types, limit: Some(limits::PAGE_OBJECTS), ..Query::default() };
        self.each(query, &mut |element| {
            let attribute = text(&element.ours, "attribute_ref");
            let mut fields = element.fields.clone();
            reader.dress(&element, &mut fields);
            fields.insert("event_id".to_owned(), of.into());
            let attribute_uuid = attribute.split_once("--").map_or("", |(_, uuid)| uuid);
            fields.insert("attribute_id".to_owned(), reader.number(attribute_uuid).to_string().into());
            parts.sightings.entry(attribute.to_owned()).or_default().push(fields.into());
            Ok(())
        })
    }
}

fn append(list: &mut Vec<u8>, value: &Value) -> io::Result<()> {
    if !list.is_empty() {
        list.push(b',');
    }
    Ok(serde_json::to_writer(list, value)?)
}

fn part(reader: &Reader<'_>, element: &mut Element, around: &Around<'_>) -> Map<String, Value> {
    let mut fields = std::mem::take(&mut element.fields);
    reader.dress(element, &mut fields);
    reader.label(element, &mut fields, Some(around.onward));
    fields.insert("event_id".to_owned(), around.event.into());
    around.wanted.trim(&mut fields);
    fields
}

fn attribute(reader: &Reader<'_>, mut element: Element, around: &Around<'_>, parts: &mut Parts) -> Value {
    let mut fields = part(reader, &mut element, around);
    if let Some(local) = parts.states.remove(element.uuid()) {
        put_local(&mut fields, local);
        around.wanted.trim(&mut fields);
    }
    reader.tags(&element, &mut fields, around.level);
    fields.insert("object_id".to_owned(), around.object.unwrap_or("0").into());
    if let Some(seen) = parts.sightings.remove(&element.id) {
        fields.insert("Sighting".to_owned(), seen.into());
    }
    parts.attributes += 1;
    fields.into()
}

fn object(reader: &Reader<'_>, mut element: Element, around: &Around<'_>, parts: &mut Parts) -> Value {
    let mut fields = part(reader, &mut element, around);
    let id = reader.number(element.uuid()).to_string();
    let onward = terms::onward(&element.label, &element.origin, &reader.peer, reader.alliance);
    let inside = Around { event: around.event, object: Some(&id), onward: &onward, level: around.level, wanted: around.wanted };
    let held = parts.within.remove(&element.id).unwrap_or_default();
    let attributes: Vec<Value> = held.into_iter().map(|a| attribute(reader, a, &inside, parts)).collect();
    fields.insert("Attribute".to_owned(), attributes.into());
    let references = parts.references.remove(&element.id).unwrap_or_default();
    fields.insert("ObjectReference".to_owned(), references.into());
    fields.into()
}

fn reference(reader: &Reader<'_>, mut element: Element, around: &Around<'_>, parts: &mut Parts) {
    let mut fields = std::mem::take(&mut element.fields);
    reader.dress(&element, &mut fields);
    fields.insert("event_id".to_owned(), around.event.into());
    let source = text(&element.ours, "object_ref").to_owned();
    for (name, of) in [("object_id", "object_uuid"), ("referenced_id", "referenced_uuid")] {
        let number = reader.number(&text(&fields, of).to_ascii_lowercase()).to_string();
        fields.insert(name.to_owned(), number.into());
    }
    parts.references.entry(source).or_default().push(fields.into());
}
