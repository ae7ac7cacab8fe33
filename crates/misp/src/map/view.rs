//! A reader's view of an event, in MISP's JSON.
//!
//! The rule: all of it comes out of pages released to that reader, so numbers, times and counts are over what the reader may see.

use std::collections::HashMap;
use std::io::{self, Write};

use polder_release::{Form, Level, Origin, Page};
use polder_stix::Id;
use polder_store::{Query, Versions};
use serde_json::{Map, Value};

use super::aside::{ANALYST, ANALYST_DATA, CLUSTER, PROPOSAL, apart_from};
use super::fields::{flag, put_local, text};
use super::laid::{Around, Parts, append, attach, attribute, object, own_state, part, reference};
use super::left;
use super::reader::{Element, Reader};
use super::rows::STATE;
use super::take::KINDS;
use super::terms::Onward;
use super::wanted::Wanted;
use crate::limits;

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

/// The types of all that anybody may say about another's event.
pub(crate) const ASIDES: [&str; 4] = ["sighting", "x-misp-sighting", PROPOSAL, ANALYST];

/// Something said about an event: the event's UUID, the attribute's if it is about one, and what MISP calls it.
#[derive(Debug, Clone)]
pub struct Said {
    /// The event's UUID; empty if nobody here knows it.
    pub event: String,
    /// The UUID of the attribute.
    pub attribute: String,
    /// The UUID of what an analyst writes about.
    pub about: String,
    /// `Sighting`, `ShadowAttribute`, `Note`, `Opinion` or `Relationship`.
    pub name: String,
    /// Who said it, as the reader may know: where it came from.
    pub(crate) origin: Origin,
    /// What MISP has of it.
    pub fields: Map<String, Value>,
}

impl Said {
    /// Is it marked as deleted?
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        flag(self.fields.get("deleted"))
    }
}

/// An attribute and its event, without parts.
pub type Pair = (Map<String, Value>, Map<String, Value>);

/// Fields as a reader has them, how far they may go, and the level said.
type Dressed = (Map<String, Value>, Onward, Option<Level>);

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
        let query = Query { types: Some(vec![STATE.into()]), limit: Some(limits::PAGE_OBJECTS), ..Query::default() };
        let reader = self.reader;
        self.each(query, &mut |element| {
            if reader.owns(&element.origin) {
                states.insert(element.uuid().to_owned(), element.fields);
            }
            Ok(())
        })?;
        let mut heads = Vec::with_capacity(order.len());
        for id in order {
            let Some(event) = all.remove(&id).and_then(|versions| self.speaker(versions)) else { continue };
            let state = states.remove(event.uuid()).filter(|_| reader.owns(&event.origin));
            heads.push(self.dressed(&event, state, Wanted::ALL)?.0);
        }
        Ok(heads)
    }

    /// An event's own fields as the reader has them, how far they may go, and the level its parts stand under.
    fn dressed(&self, event: &Element, state: Option<Map<String, Value>>, wanted: Wanted) -> Result<Dressed, Unwritten<E>> {
        let reader = self.reader;
        let mut fields = event.fields.clone();
        // Parts are rows of their own; nobody brings them in by another way.
        for key in ["Attribute", "Object", "EventReport"] {
            fields.shift_remove(key);
        }
        reader.dress(event, &mut fields);
        reader.untag(&mut fields, wanted);
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
        let changed = reader.store.changed_s(reader.recipient, &event.stix, &event.origin, &ASIDES)?;
        fields.insert("timestamp".to_owned(), changed.unwrap_or(event.at_s).to_string().into());
        put_local(&mut fields, state.unwrap_or_default());
        reader.untag(&mut fields, wanted);
        Ok((fields, onward, level))
    }

    /// Writes an event as `{"Event":{...}}`; false if the reader may not see it, or there is none.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn event(&mut self, uuid: &str, wanted: Wanted, out: &mut dyn Write) -> Result<bool, Unwritten<E>> {
        let Some(event) = self.head(uuid)? else { return if wanted.left { self.left_event(uuid, wanted, out) } else { Ok(false) } };
        let (mut fields, onward, level) = self.dressed(&event, None, wanted)?;
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
        attach(&mut fields, event.uuid(), &mut parts);
        wanted.trim(&mut fields);
        self.reader.untag(&mut fields, wanted);
        let rest = Value::Object(fields).to_string();
        write!(out, "{}}}", rest.strip_prefix('{').unwrap_or_default())?;
        Ok(true)
    }

    /// The events the reader was sent and may no longer have, without their parts.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn left_events(&mut self) -> Result<Vec<Map<String, Value>>, Unwritten<E>> {
        Ok(self.reader.left_events()?.into_iter().map(|event| event.fields).collect())
    }

    /// Writes an event that left the view: that it was there, and which parts it had.
    fn left_event(&mut self, uuid: &str, wanted: Wanted, out: &mut dyn Write) -> Result<bool, Unwritten<E>> {
        let found = self.reader.left_events()?.into_iter().find(|event| text(&event.fields, "uuid") == uuid);
        let Some(left::Event { mut fields, id, origin }) = found else { return Ok(false) };
        if wanted.parts {
            let laid = self.reader.left(&id, &origin)?.laid(&|_| false);
            fields.extend([("Attribute", laid.attributes), ("Object", laid.objects), ("EventReport", laid.reports)].map(|(k, v)| (k.to_owned(), v.into())));
        }
        serde_json::to_writer(out, &serde_json::json!({"Event": fields})).map_err(io::Error::from)?;
        Ok(true)
    }

    /// Its own times and counts, for those who have it from nobody else.
    fn state(&mut self, event: &Element, parts: &mut Parts) -> Result<(), Unwritten<E>> {
        if !self.reader.owns(&event.origin) {
            return Ok(());
        }
        let query = Query {
            refers_to: Some(event.stix.clone()),
            types: Some(vec![STATE.into()]),
            origin: Some(event.origin.clone()),
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
        self.asides(event, around.wanted, parts)?;
        let mut objects = Vec::new();
        let mut left = if around.wanted.left { reader.left(&event.stix, &event.origin)? } else { left::Parts::default() };
        let own = Query {
            refers_to: Some(event.stix.clone()),
            origin: Some(event.origin.clone()),
            sources: reader.feed(event).map(|source| vec![source]),
            limit: Some(limits::PAGE_OBJECTS),
            in_order_of_first: Some(KINDS.iter().map(|kind| (*kind).into()).collect()),
            ..Query::default()
        };
        self.each(own, &mut |mut element| {
            // What lost its way to the event in this reader's copy is not of the event for this reader.
            if text(&element.ours, "event_ref") != event.id {
                return Ok(());
            }
            left.stands(&mut element);
            if !around.wanted.takes(&element.fields) {
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
                "report" => {
                    let mut fields = part(reader, &mut element, around);
                    own_state(reader, &mut fields, element.uuid(), around, parts);
                    reader.tags(&element, &mut fields, around.level);
                    attach(&mut fields, element.uuid(), parts);
                    append(&mut parts.reports, &fields.into())?;
                }
                "reference" => reference(reader, element, around, parts),
                _ => {}
            }
            Ok(())
        })?;
        let mut alone = parts.attributes;
        let mut laid = left.laid(&|object| objects.iter().any(|o: &Element| o.id == object));
        let (left_alone, left_objects, left_reports) =
            (std::mem::take(&mut laid.attributes), std::mem::take(&mut laid.objects), std::mem::take(&mut laid.reports));
        parts.left = laid;
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
        for told in &left_alone {
            let comma: &[u8] = if alone > 0 { b"," } else { b"" };
            out.write_all(comma)?;
            alone += 1;
            serde_json::to_writer(&mut *out, told).map_err(io::Error::from)?;
        }
        left_objects.iter().try_for_each(|told| append(&mut parts.objects, told))?;
        left_reports.iter().try_for_each(|told| append(&mut parts.reports, told))?;
        Ok(())
    }

    /// The event's own row as the reader has it, of the one who may speak for it: the organisation that the first one here says made it, else who
    /// introduced it first.
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
        // Who the first one here says made it; that oneself made it is easily said.
        let first = all.first()?;
        let author = first.author.clone();
        let made_it = |e: &&Element| {
            let member = e.origin.originator(alliance).and_then(|m| alliance.members.get(m)?.identity.as_deref());
            member.is_some() && member == author.as_deref()
        };
        let speaks = all.iter().position(|e| made_it(&e)).unwrap_or(0);
        let heard: Vec<bool> = all.get(speaks).map(|s| all.iter().map(|e| self.reader.same_hand(s, e)).collect()).unwrap_or_default();
        all.into_iter().zip(heard).filter(|(_, heard)| *heard).map(|(e, _)| e).max_by_key(|e| e.at_s)
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
                            let dressed = self.dressed(&event, None, Wanted::ALL)?;
                            Some((event, dressed))
                        }
                        None => None,
                    };
                    events.insert(name.clone(), known);
                }
                let Some(Some((event, (head, onward, level)))) = events.get(&name) else { continue };
                if !self.reader.same_hand(event, &element) {
                    continue;
                }
                let object = element.ours.get("object_ref").and_then(Value::as_str).and_then(Id::parse);
                let of = self.reader.number(&name).to_string();
                let inside = object.as_ref().map(|id| self.reader.number(&super::ids::written(id.uuid)).to_string());
                let around = Around { event: &of, object: inside.as_deref(), onward, level: *level, wanted };
                let mut parts = Parts::default();
                if wanted.sightings {
                    for said in self.said(&SIGHTINGS, Some(&event.stix), Some(&event.origin))? {
                        parts.sightings.entry(said.attribute).or_default().push(said.fields.into());
                    }
                }
                let Value::Object(mut fields) = attribute(self.reader, element, &around, &mut parts) else { continue };
                let head = head.clone();
                if let Some(id) = object {
                    let origin = Some(event.origin.clone());
                    self.each(Query { ids: Some(vec![id]), origin, ..Query::default() }, &mut |element| {
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
    pub fn sightings_of(&mut self, uuid: &str) -> Result<Vec<Said>, Unwritten<E>> {
        let Some(event) = self.head(uuid)? else { return Ok(Vec::new()) };
        self.said(&SIGHTINGS, Some(&event.stix), Some(&event.origin))
    }

    /// What was said of those types, about one event or any, newest version of each. Only who said it first, and whose event it is, may change it.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub(crate) fn said(&mut self, types: &[&str], event: Option<&Id>, owner: Option<&Origin>) -> Result<Vec<Said>, Unwritten<E>> {
        let mut order = Vec::new();
        let mut all: HashMap<String, Vec<Element>> = HashMap::new();
        let versions = Versions { all: true, ..Versions::default() };
        let types = Some(types.iter().map(|t| (*t).into()).collect());
        let query = Query { refers_to: event.cloned(), types, versions, limit: Some(limits::PAGE_OBJECTS), ..Query::default() };
        self.each(query, &mut |element| {
            if !["sighting", "proposal", "analyst", "cluster"].contains(&element.element()) {
                return Ok(());
            }
            all.entry(element.id.clone()).or_insert_with_key(|id| {
                order.push(id.clone());
                Vec::new()
            });
            all.entry(element.id.clone()).or_default().push(element);
            Ok(())
        })?;
        let mut found = Vec::new();
        for id in order {
            let versions = all.remove(&id).unwrap_or_default();
            let Some(first) = versions.first().map(|e| e.origin.clone()) else { continue };
            let counts = |e: &Element| e.origin == first || Some(&e.origin) == owner;
            found.extend(versions.into_iter().filter(counts).max_by_key(|e| e.at_s).map(|e| self.reader.said(&e, first)));
        }
        self.put_apart(&mut found)?;
        Ok(found)
    }

    /// Puts back what stands apart from what was said, for whose it is.
    fn put_apart(&mut self, said: &mut [Said]) -> Result<(), Unwritten<E>> {
        let reader = self.reader;
        let own = said.iter().filter(|s| (s.name == "GalaxyCluster" || ANALYST_DATA.contains(&s.name.as_str())) && reader.owns(&s.origin));
        let ids: Vec<Id> = own.filter_map(|s| Id::parse(&format!("{STATE}--{}", apart_from(text(&s.fields, "uuid"))))).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut states = HashMap::new();
        self.each(Query { ids: Some(ids), limit: Some(limits::PAGE_OBJECTS), ..Query::default() }, &mut |element| {
            if reader.owns(&element.origin) {
                states.insert(element.uuid().to_owned(), element.fields);
            }
            Ok(())
        })?;
        for said in said.iter_mut().filter(|s| reader.owns(&s.origin)) {
            let state = states.remove(&apart_from(text(&said.fields, "uuid"))).unwrap_or_default();
            put_local(&mut said.fields, state);
        }
        Ok(())
    }

    /// All that is said besides events: sightings, proposals, what analysts write, custom clusters.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn said_all(&mut self) -> Result<Vec<Said>, Unwritten<E>> {
        let types: Vec<&str> = ASIDES.into_iter().chain([CLUSTER]).collect();
        self.said(&types, None, None)
    }

    /// Where an event comes from.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub(crate) fn origin_of(&mut self, uuid: &str) -> Result<Option<Origin>, Unwritten<E>> {
        Ok(self.head(uuid)?.map(|event| event.origin))
    }

    /// Which of these attributes the reader may see.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub(crate) fn attribute_id(&mut self, ids: Vec<Id>) -> Result<Option<String>, Unwritten<E>> {
        let mut found = None;
        self.each(Query { ids: Some(ids), ..Query::default() }, &mut |element| {
            found = Some(element.id);
            Ok(())
        })?;
        Ok(found)
    }

    /// The event that one of these attributes is of.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn event_of(&mut self, ids: Vec<Id>) -> Result<Option<String>, Unwritten<E>> {
        let versions = Versions { all: true, ..Versions::default() };
        let mut found = Vec::new();
        self.each(Query { ids: Some(ids), versions, ..Query::default() }, &mut |element| {
            found.push(element);
            Ok(())
        })?;
        // Others may use the UUID too: one's own comes first, then whatever is a part of its event as that is heard here.
        let reader = self.reader;
        found.sort_by_key(|element| !reader.owns(&element.origin));
        for element in found {
            let Some(event) = text(&element.ours, "event_ref").strip_prefix("report--") else { continue };
            if self.head(event)?.is_some_and(|head| reader.same_hand(&head, &element)) {
                return Ok(Some(event.to_owned()));
            }
        }
        Ok(None)
    }

    /// What was said about an event, put where MISP has it.
    fn asides(&mut self, event: &Element, wanted: Wanted, parts: &mut Parts) -> Result<(), Unwritten<E>> {
        for said in self.said(&ASIDES, Some(&event.stix), Some(&event.origin))? {
            if said.name == "Sighting" {
                if wanted.sightings {
                    parts.sightings.entry(said.attribute).or_default().push(said.fields.into());
                }
                continue;
            }
            if !wanted.said || !wanted.takes(&said.fields) {
                continue;
            }
            let about = if said.name == "ShadowAttribute" { &said.attribute } else { &said.about };
            let about = if about.is_empty() { event.uuid() } else { about };
            parts.said.entry(about.to_ascii_lowercase()).or_default().push((said.name, said.fields.into()));
        }
        Ok(())
    }
}
