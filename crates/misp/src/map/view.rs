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

use super::fields::{number, stays, tags, text};
use super::rows::stated;
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
    /// The recipient's id: each has numbers of its own.
    pub recipient: &'r str,
}

/// An element as it was released.
struct Element {
    stix: Id,
    author: Option<String>,
    id: String,
    at_s: i64,
    ours: Map<String, Value>,
    fields: Map<String, Value>,
    label: Label,
    origin: Origin,
}

impl Element {
    fn of(item: Item) -> Option<Self> {
        let Value::Object(mut object) = serde_json::from_slice(&item.bytes).ok()? else { return None };
        let id = text(&object, "id").to_owned();
        let author = object.get("created_by_ref").and_then(Value::as_str).map(str::to_owned);
        let Value::Object(mut ours) = object.get_mut("extensions")?.get_mut(ext::MISP)?.take() else { return None };
        let Value::Object(fields) = ours.shift_remove("fields")? else { return None };
        let (label, origin) = *item.label?;
        Some(Self { stix: item.entry.id, author, id, at_s: number(ours.get("timestamp")).unwrap_or_default(), ours, fields, label, origin })
    }

    fn element(&self) -> &str {
        text(&self.ours, "element")
    }

    fn uuid(&self) -> &str {
        self.id.split_once("--").map_or("", |(_, uuid)| uuid)
    }
}

impl Reader<'_> {
    /// The number by which this reader knows an element.
    #[must_use]
    pub fn number(&self, uuid: &str) -> u64 {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret) else { return 0 };
        for part in ["misp-number", self.recipient, uuid] {
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

/// What is around an attribute.
struct Around<'a> {
    event: &'a str,
    object: Option<&'a str>,
    onward: &'a Onward,
    level: Option<Level>,
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
    state: Map<String, Value>,
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

    /// The UUIDs of the events the reader may see.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn events(&mut self) -> Result<Vec<String>, Unwritten<E>> {
        let mut found = Vec::new();
        let query = Query { types: Some(vec!["report".into()]), limit: Some(limits::PAGE_OBJECTS), ..Query::default() };
        self.each(query, &mut |element| {
            if element.element() == "event" {
                found.push(element.uuid().to_owned());
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Writes an event as `{"Event":{...}}`; false if the reader may not see it, or there is none.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn event(&mut self, uuid: &str, out: &mut dyn Write) -> Result<bool, Unwritten<E>> {
        let Some(event) = self.head(uuid)? else { return Ok(false) };
        let id = event.stix.clone();
        let reader = self.reader;
        let mut fields = event.fields.clone();
        reader.dress(&event, &mut fields);
        let onward = reader.label(&event, &mut fields, None);
        let level = reader.tags(&event, &mut fields, None);
        let of = reader.number(uuid).to_string();
        let around = Around { event: &of, object: None, onward: &onward, level };
        let mut parts = Parts::default();
        self.sightings(&id, &of, &mut parts)?;
        let mut objects = Vec::new();
        let own = Query { refers_to: Some(id.clone()), origin: Some(event.origin.clone()), limit: Some(limits::PAGE_OBJECTS), ..Query::default() };
        out.write_all(b"{\"Event\":{\"Attribute\":[")?;
        self.each(own, &mut |mut element| {
            // What lost its way to the event in this reader's copy is not of the event for this reader.
            if text(&element.ours, "event_ref") != event.id {
                return Ok(());
            }
            match element.element() {
                "attribute" => match element.ours.get("object_ref").and_then(Value::as_str) {
                    Some(object) => parts.within.entry(object.to_owned()).or_default().push(element),
                    None => {
                        let comma: &[u8] = if parts.attributes > 0 { b"," } else { b"" };
                        out.write_all(comma)?;
                        serde_json::to_writer(&mut *out, &attribute(reader, element, &around, &mut parts)).map_err(io::Error::from)?;
                    }
                },
                "object" => objects.push(element),
                "report" => {
                    let report = part(reader, &mut element, &around);
                    append(&mut parts.reports, &Value::Object(report))?;
                }
                // Its own times and counts, for those who have it from nobody else.
                "state" if reader.peer.is_of_holder() && element.origin == Origin::Own => parts.state = element.fields,
                "reference" => reference(reader, element, &around, &mut parts),
                _ => {}
            }
            Ok(())
        })?;
        let mut alone = parts.attributes;
        for element in objects {
            let whole = object(reader, element, &around, &mut parts);
            append(&mut parts.objects, &whole)?;
        }
        // Of an object that this reader may not see, an attribute may still be there.
        for element in std::mem::take(&mut parts.within).into_values().flatten() {
            let comma: &[u8] = if alone > 0 { b"," } else { b"" };
            out.write_all(comma)?;
            alone += 1;
            serde_json::to_writer(&mut *out, &attribute(reader, element, &around, &mut parts)).map_err(io::Error::from)?;
        }
        out.write_all(b"]")?;
        self.close(&event, fields, &mut parts, out)?;
        Ok(true)
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
        let alliance = self.reader.alliance;
        let made_it = |e: &Element| {
            let member = e.origin.originator(alliance).and_then(|m| alliance.members.get(m)?.identity.as_deref());
            member.is_some() && member == e.author.as_deref()
        };
        let Some(origin) = all.iter().find(|e| made_it(e)).or(all.first()).map(|e| e.origin.clone()) else { return Ok(None) };
        Ok(all.into_iter().filter(|e| e.origin == origin).max_by_key(|e| e.at_s))
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

    fn close(&mut self, event: &Element, mut fields: Map<String, Value>, parts: &mut Parts, out: &mut dyn Write) -> Result<(), Unwritten<E>> {
        let changed = self.reader.store.changed_s(self.reader.recipient, &event.stix, &event.origin, &SIGHTINGS)?;
        let at_s = changed.unwrap_or(event.at_s);
        fields.insert("timestamp".to_owned(), at_s.to_string().into());
        fields.insert("attribute_count".to_owned(), parts.attributes.to_string().into());
        fields.extend(std::mem::take(&mut parts.state));
        for (name, list) in [("Object", &parts.objects), ("EventReport", &parts.reports)] {
            write!(out, ",\"{name}\":[")?;
            out.write_all(list)?;
            out.write_all(b"]")?;
        }
        let rest = Value::Object(fields).to_string();
        write!(out, ",{}}}", rest.strip_prefix('{').unwrap_or_default())?;
        Ok(())
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
    fields
}

fn attribute(reader: &Reader<'_>, mut element: Element, around: &Around<'_>, parts: &mut Parts) -> Value {
    let mut fields = part(reader, &mut element, around);
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
    let inside = Around { event: around.event, object: Some(&id), onward: &onward, level: around.level };
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
