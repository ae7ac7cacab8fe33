//! Elements of an event as STIX objects, one each.
//!
//! The rule: every field is kept in our extension, under the element's own UUID; what STIX can say too is said in STIX's words besides.

use std::collections::BTreeSet;

use polder_stix::{ext, time};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::aside::{Aside, Kind};
use super::fields::{clean, tags, take_apart};
use super::ids::{derived, uuid};
use super::marks::Marks;
use super::observe::{self, CUSTOM};
use crate::model;

/// An element that cannot be kept, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unkept {
    /// Which, as MISP calls it.
    pub(crate) element: String,
    /// What is wrong.
    pub(crate) reason: String,
}

/// A STIX object to be, without the times that depend on what is held already.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its id.
    pub(crate) id: String,
    /// When MISP last changed it, seconds since 1970.
    pub(crate) at_s: i64,
    /// Does its type have versions?
    pub(crate) versioned: bool,
    /// Its properties.
    pub(crate) object: Map<String, Value>,
}

impl Row {
    /// It is marked with one thing more.
    pub(crate) fn mark(&mut self, mark: &str) {
        let refs = self.object.entry("object_marking_refs").or_insert_with(|| json!([]));
        if let Some(list) = refs.as_array_mut().filter(|list| list.iter().all(|m| m != mark)) {
            list.push(mark.into());
        }
    }

    /// With all the markings that another version has.
    pub(crate) fn marked_as(mut self, other: Option<&Value>) -> Self {
        let refs = |object: Option<&Value>| object.and_then(Value::as_array).into_iter().flatten().cloned().collect::<Vec<_>>();
        let mut all = refs(self.object.get("object_marking_refs"));
        let more = refs(other.and_then(|o| o.get("object_marking_refs"))).into_iter().filter(|m| !all.contains(m)).collect::<Vec<_>>();
        all.extend(more);
        if !all.is_empty() {
            self.object.insert("object_marking_refs".to_owned(), all.into());
        }
        self
    }
}

/// Where an element stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The event's report.
    pub(crate) event: String,
    /// The event's UUID.
    pub(crate) uuid: String,
    /// The object, for its attributes.
    pub(crate) object: Option<String>,
    /// Who made the event, as an identity.
    pub(crate) author: Option<String>,
    /// What the event, and the object, are marked with.
    pub(crate) marks: BTreeSet<String>,
    /// When the event was last changed, seconds since 1970.
    pub(crate) at_s: i64,
}

pub(crate) struct Draft<'d> {
    pub(crate) element: &'static str,
    pub(crate) id: String,
    pub(crate) at_s: i64,
    pub(crate) deleted: bool,
    pub(crate) versioned: bool,
    pub(crate) marks: BTreeSet<String>,
    pub(crate) properties: Vec<(&'static str, Value)>,
    pub(crate) links: Vec<(&'static str, &'d str)>,
    pub(crate) twin: Option<u32>,
    pub(crate) fields: Map<String, Value>,
}

impl Draft<'_> {
    pub(crate) fn row(mut self, author: Option<&str>) -> Row {
        clean(&mut self.fields);
        let kind = self.id.split_once("--").map_or("", |(kind, _)| kind);
        let mut object = Map::new();
        object.insert("type".into(), kind.into());
        object.insert("spec_version".into(), "2.1".into());
        object.insert("id".into(), self.id.clone().into());
        if self.versioned {
            object.extend(author.map(|a| ("created_by_ref".to_owned(), a.into())));
            object.extend(self.deleted.then(|| ("revoked".to_owned(), true.into())));
        }
        object.extend(self.properties.into_iter().map(|(name, value)| (name.to_owned(), value)));
        if !self.marks.is_empty() {
            object.insert("object_marking_refs".into(), json!(self.marks));
        }
        let mut ours = Map::new();
        ours.insert("extension_type".into(), "property-extension".into());
        ours.insert("element".into(), self.element.into());
        ours.extend(self.links.into_iter().map(|(name, id)| (name.to_owned(), id.into())));
        ours.extend(self.twin.map(|n| ("twin".to_owned(), n.into())));
        ours.insert("fields".into(), self.fields.into());
        object.insert("extensions".into(), json!({ext::MISP: ours}));
        Row { id: self.id, at_s: self.at_s, versioned: self.versioned, object }
    }

    /// The row, what stands apart from it for whose it is, and what analysts wrote about it.
    fn rows(mut self, place: &Place, uuid: &str, more: Map<String, Value>, marks: &mut Marks<'_>) -> Result<Vec<Row>, Unkept> {
        let apart = take_apart(&mut self.fields, uuid, &self.marks, marks);
        let (at_s, mut local) = (self.at_s, apart.local);
        local.extend(more);
        let mut rows = vec![self.row(place.author.as_deref()), state(Some(&place.event), uuid, at_s, local, marks)];
        for said in apart.analysts {
            let (event, about) = (Some(place.event.clone()), Some(said.about));
            let by = said.fields.get("orgc_uuid").and_then(Value::as_str).and_then(super::ids::uuid);
            let author = by.map(|o| format!("identity--{o}"));
            let kind = Kind::Analyst(said.kind);
            let aside = Aside { kind, own: None, fields: said.fields, event, attribute: None, about, author, marks: said.marks, readers: None };
            rows.extend(aside.rows(at_s, marks)?);
        }
        Ok(rows)
    }
}

fn read<'v, T: Deserialize<'v>>(element: &str, value: &'v Value) -> Result<T, Unkept> {
    T::deserialize(value).map_err(|e| Unkept { element: element.to_owned(), reason: e.to_string() })
}

fn map_of(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { Map::new() }
}

/// The UUID an element has, or one made from what it says. A text that is there and no UUID is refused.
fn uuid_of(element: &str, given: &str, made_of: &[&str]) -> Result<String, Unkept> {
    if given.is_empty() {
        return Ok(derived(made_of));
    }
    uuid(given).ok_or_else(|| Unkept { element: element.to_owned(), reason: format!("`{given}` is no UUID") })
}

/// The UUID of an element that may be stated twice, or in no readable form: such files exist, and none of their elements may be lost.
/// With it the number that tells it from its twins, if what is stated is not its own.
fn own_uuid(given: &str, twin: u32, made_of: &[&str]) -> (String, Option<u32>) {
    if given.is_empty() {
        return (derived(made_of), None);
    }
    match uuid(given).filter(|_| twin == 0) {
        Some(uuid) => (uuid, None),
        None => (stated(given, twin), Some(twin)),
    }
}

/// The UUID of the twin of an element with that number.
pub(crate) fn stated(given: &str, twin: u32) -> String {
    derived(&["stated", given, &twin.to_string()])
}

/// A moment as STIX writes it.
pub(crate) fn moment(at_s: i64) -> String {
    time::from_us(at_s.saturating_mul(1_000_000)).get(..19).map_or_else(String::new, |t| format!("{t}.000Z"))
}

fn day_s(date: &str) -> Option<i64> {
    Some(time::to_us(&format!("{}T00:00:00Z", date.get(..10)?))? / 1_000_000)
}

/// An event as a report, and where its parts stand.
pub(crate) fn event(head: Map<String, Value>, marks: &mut Marks<'_>) -> Result<(Vec<Row>, Place), Unkept> {
    let head = Value::Object(head);
    let seen: model::Event = read("event", &head)?;
    let fields = map_of(head);
    let all_tags = tags(&fields);
    // Both move with parts that others may not see.
    let more = ["timestamp", "publish_timestamp"].into_iter().filter_map(|key| Some((key.to_owned(), fields.get(key)?.clone()))).collect();
    let date = fields.get("date").and_then(Value::as_str).unwrap_or_default();
    let uuid = uuid_of("event", &seen.uuid, &["event", &seen.info, date])?;
    let id = format!("report--{uuid}");
    let organisation = seen.orgc.as_ref().and_then(|o| super::ids::uuid(&o.uuid));
    let author = organisation.map(|o| format!("identity--{o}"));
    let at_s = seen.timestamp.or(seen.publish_timestamp).filter(|t| *t > 0).or_else(|| day_s(date)).unwrap_or_default();
    let mut marked: BTreeSet<String> = marks.of_distribution(seen.distribution, seen.sharing_group.as_ref()).into_iter().collect();
    marked.extend(marks.of_tags(&all_tags));
    // An event that says it is not published is still being written; one that says nothing came out of a feed.
    if fields.get("published").is_some_and(|p| !p.is_null()) && !seen.published {
        marked.insert(marks.house());
    }
    let published_s = seen.publish_timestamp.filter(|t| *t > 0).or_else(|| day_s(date)).unwrap_or(at_s);
    // A report must name something; its parts name the report, or a large event would be one unbounded list.
    let about = author.clone().unwrap_or_else(|| format!("identity--{}", derived(&["nobody"])));
    let properties = vec![
        ("name", json!(if seen.info.trim().is_empty() { "(no title)" } else { &*seen.info })),
        ("published", json!(moment(published_s))),
        ("object_refs", json!([about])),
    ];
    let place = Place { event: id.clone(), uuid, object: None, author, marks: marked.clone(), at_s };
    let draft = Draft { element: "event", id, at_s, deleted: false, versioned: true, marks: marked, properties, links: Vec::new(), twin: None, fields };
    Ok((draft.rows(&place, &place.uuid, more, marks)?, place))
}

/// What only the holder has of an event or an attribute, kept apart, so that its absence leaves no trace in what others are given.
pub(crate) fn state(event: Option<&str>, uuid: &str, at_s: i64, local: Map<String, Value>, marks: &mut Marks<'_>) -> Row {
    let draft = Draft {
        element: "state",
        id: format!("{STATE}--{uuid}"),
        at_s,
        deleted: false,
        versioned: true,
        marks: BTreeSet::from([marks.holder()]),
        properties: Vec::new(),
        links: event.map(|event| ("event_ref", event)).into_iter().collect(),
        twin: None,
        fields: local,
    };
    draft.row(None)
}

/// The type of what only the holder has.
pub const STATE: &str = "x-misp-local";

/// An attribute, and its sightings.
pub(crate) fn attribute(value: Value, place: &Place, nth: usize, twin: u32, marks: &mut Marks<'_>) -> Result<Vec<Row>, Unkept> {
    let seen: model::Attribute = read("attribute", &value)?;
    let mut fields = map_of(value);
    let made_of = ["attribute", &*place.uuid, place.object.as_deref().unwrap_or_default(), &seen.kind, &seen.object_relation, &seen.value, &nth.to_string()];
    let (uuid, twin) = own_uuid(&seen.uuid, twin, &made_of);
    let sightings = fields.shift_remove("Sighting");
    let mut marked = place.marks.clone();
    marked.extend(marks.of_distribution(seen.distribution, seen.sharing_group.as_ref()));
    marked.extend(marks.of_tags(&tags(&fields)));
    let at_s = seen.timestamp.filter(|t| *t > 0).unwrap_or(place.at_s);
    let (kind, properties) = if seen.to_ids { indicator(&seen, &fields, at_s) } else { observed(&seen) };
    let versioned = kind == "indicator" || kind == CUSTOM;
    let id = format!("{kind}--{uuid}");
    let mut links = vec![("event_ref", &*place.event)];
    links.extend(place.object.as_deref().map(|o| ("object_ref", o)));
    let draft = Draft { element: "attribute", id: id.clone(), at_s, deleted: seen.deleted, versioned, marks: marked.clone(), properties, links, twin, fields };
    let mut rows = draft.rows(place, &uuid, Map::new(), marks)?;
    for (n, one) in sightings.and_then(|s| if let Value::Array(list) = s { Some(list) } else { None }).into_iter().flatten().enumerate() {
        rows.push(sighting(one, &id, &marked, place, n)?);
    }
    Ok(rows)
}

fn indicator(seen: &model::Attribute, fields: &Map<String, Value>, at_s: i64) -> (&'static str, Vec<(&'static str, Value)>) {
    let (pattern, language) = observe::pattern(&seen.kind, &seen.value);
    let from = fields.get("first_seen").and_then(Value::as_str).and_then(time::to_us).map_or(at_s, |us| us / 1_000_000);
    let mut properties = vec![
        ("name", json!(seen.value)),
        ("indicator_types", json!(["unknown"])),
        ("pattern", json!(pattern)),
        ("pattern_type", json!(language)),
        ("valid_from", json!(moment(from))),
    ];
    if !seen.comment.is_empty() {
        properties.insert(1, ("description", json!(seen.comment)));
    }
    ("indicator", properties)
}

fn observed(seen: &model::Attribute) -> (&'static str, Vec<(&'static str, Value)>) {
    let Some((kind, object)) = observe::observable(&seen.kind, &seen.value).and_then(|o| o.object) else {
        // In the words of misp-stix, which its readers know.
        let labels = [format!("misp:type=\"{}\"", seen.kind), format!("misp:category=\"{}\"", seen.category)];
        let said = [("x_misp_type", &seen.kind), ("x_misp_value", &seen.value), ("x_misp_category", &seen.category)];
        let said = said.into_iter().map(|(name, value)| (name, json!(value)));
        return (CUSTOM, std::iter::once(("labels", json!(labels))).chain(said).collect());
    };
    let name = |key: &str| NAMES.iter().find(|name| **name == key).copied();
    (kind, object.into_iter().filter_map(|(key, value)| Some((name(&key)?, value))).collect())
}

/// Properties that observables have here.
const NAMES: [&str; 9] = ["value", "name", "hashes", "key", "values", "number", "is_multipart", "subject", "data"];

/// A sighting: of an indicator that was seen as STIX has it, else our own, since STIX knows neither false positives nor expiry.
pub(crate) fn sighting(value: Value, of: &str, marked: &BTreeSet<String>, place: &Place, nth: usize) -> Result<Row, Unkept> {
    let fields = map_of(value);
    let given = super::fields::text(&fields, "uuid");
    let number = |key: &str| super::fields::number(fields.get(key));
    let at_s = number("date_sighting").unwrap_or(place.at_s);
    let kind = number("type").unwrap_or_default();
    let uuid = uuid_of("sighting", given, &["sighting", of, &at_s.to_string(), &kind.to_string(), &nth.to_string()])?;
    let by = fields.get("Organisation").and_then(|o| o.get("uuid")).and_then(Value::as_str).and_then(super::ids::uuid);
    let author = by.map(|o| format!("identity--{o}"));
    let standard = kind == 0 && of.starts_with("indicator--");
    let (name, target) = if standard { ("sighting", "sighting_of_ref") } else { ("x-misp-sighting", "sighting_of_ref") };
    let mut properties = vec![("first_seen", json!(moment(at_s))), ("last_seen", json!(moment(at_s))), (target, json!(of))];
    properties.extend(author.as_ref().filter(|_| standard).map(|a| ("where_sighted_refs", json!([a]))));
    let links = vec![("event_ref", &*place.event), ("attribute_ref", of)];
    let id = format!("{name}--{uuid}");
    let draft = Draft { element: "sighting", id, at_s, deleted: false, versioned: true, marks: marked.clone(), properties, links, twin: None, fields };
    Ok(draft.row(author.as_deref()))
}

/// An object, and where its attributes stand.
pub(crate) fn object(value: Value, place: &Place, nth: usize, marks: &mut Marks<'_>) -> Result<(Vec<Row>, Place), Unkept> {
    let seen: model::Object = read("object", &value)?;
    let mut fields = map_of(value);
    fields.shift_remove("Attribute");
    fields.shift_remove("ObjectReference");
    let (uuid, twin) = own_uuid(&seen.uuid, 0, &["object", &place.uuid, &seen.name, &nth.to_string()]);
    let id = format!("x-misp-object--{uuid}");
    let mut marked = place.marks.clone();
    marked.extend(marks.of_distribution(seen.distribution, seen.sharing_group.as_ref()));
    marked.extend(marks.of_tags(&tags(&fields)));
    let at_s = super::fields::number(fields.get("timestamp")).filter(|t| *t > 0).unwrap_or(place.at_s);
    // MISP moves it with every attribute of the object, and some of them may be hidden.
    let more = fields.shift_remove("timestamp").map(|at| ("timestamp".to_owned(), at)).into_iter().collect();
    let category = super::fields::text(&fields, "meta-category").to_owned();
    let labels = [format!("misp:name=\"{}\"", seen.name), format!("misp:meta-category=\"{category}\"")];
    let properties = vec![("labels", json!(labels)), ("x_misp_name", json!(seen.name)), ("x_misp_meta_category", json!(category))];
    let links = vec![("event_ref", &*place.event)];
    let within = Place { object: Some(id.clone()), marks: marked.clone(), ..place.clone() };
    let draft = Draft { element: "object", id, at_s, deleted: seen.deleted, versioned: true, marks: marked, properties, links, twin, fields };
    Ok((draft.rows(place, &uuid, more, marks)?, within))
}

/// A reference from an object to an object or attribute, whose STIX id `target` finds.
pub(crate) fn reference(value: Value, place: &Place, nth: usize, target: &dyn Fn(&str) -> Option<String>) -> Result<Row, Unkept> {
    let fields = map_of(value);
    let of = |key: &str| super::fields::text(&fields, key).to_owned();
    let referenced = uuid(&of("referenced_uuid")).ok_or_else(|| Unkept { element: "reference".into(), reason: "`referenced_uuid` is no UUID".into() })?;
    let source = place.object.clone().unwrap_or_else(|| place.event.clone());
    let relationship = of("relationship_type");
    let uuid = uuid_of("reference", &of("uuid"), &["reference", &source, &referenced, &relationship, &nth.to_string()])?;
    let of_object = super::fields::number(fields.get("referenced_type")) == Some(1);
    let target = target(&referenced).unwrap_or_else(|| format!("{}--{referenced}", if of_object { "x-misp-object" } else { CUSTOM }));
    let word: String = relationship.trim().to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let at_s = super::fields::number(fields.get("timestamp")).filter(|t| *t > 0).unwrap_or(place.at_s);
    let deleted = super::fields::flag(fields.get("deleted"));
    let word = if word.is_empty() { "related-to".to_owned() } else { word };
    let properties = vec![("relationship_type", json!(word)), ("source_ref", json!(source.clone())), ("target_ref", json!(target))];
    let links = vec![("event_ref", &*place.event), ("object_ref", &*source)];
    let id = format!("relationship--{uuid}");
    let draft = Draft { element: "reference", id, at_s, deleted, versioned: true, marks: place.marks.clone(), properties, links, twin: None, fields };
    Ok(draft.row(place.author.as_deref()))
}

/// A report in markdown, as a note on the event.
pub(crate) fn report(value: Value, place: &Place, nth: usize, marks: &mut Marks<'_>) -> Result<Vec<Row>, Unkept> {
    let seen: model::Report = read("event report", &value)?;
    let fields = map_of(value);
    let uuid = uuid_of("event report", &seen.uuid, &["report", &place.uuid, &seen.name, &nth.to_string()])?;
    let mut marked = place.marks.clone();
    marked.extend(marks.of_distribution(seen.distribution, seen.sharing_group.as_ref()));
    marked.extend(marks.of_tags(&tags(&fields)));
    let at_s = super::fields::number(fields.get("timestamp")).filter(|t| *t > 0).unwrap_or(place.at_s);
    let content = [&*seen.content, &*seen.name, "(empty)"].into_iter().find(|t| !t.is_empty()).unwrap_or_default().to_owned();
    let properties = vec![("abstract", json!(seen.name)), ("content", json!(content)), ("object_refs", json!([place.event]))];
    let links = vec![("event_ref", &*place.event)];
    let id = format!("note--{uuid}");
    let draft = Draft { element: "report", id, at_s, deleted: seen.deleted, versioned: true, marks: marked, properties, links, twin: None, fields };
    draft.rows(place, &uuid, Map::new(), marks)
}
