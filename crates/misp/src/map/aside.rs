//! What anybody may say about another's event, as a row of its own: sightings, proposals, what analysts write.
//!
//! The rule: it is marked for the holder, for whose event it is, and for whoever it names; who may not see what it is about is not given it there.

use std::collections::BTreeSet;

use polder_stix::{Id, ext, time};
use polder_store::Store;
use serde_json::{Map, Value, json};

use super::fields::{flag, number, tags, text};
use super::ids::{derived, uuid};
use super::marks::Marks;
use super::rows::{Draft, Place, Row, Unkept, moment, sighting, state};
use super::take::KINDS;
use crate::model::SharingGroup;
use serde::Deserialize;

/// The type of a proposal.
pub(crate) const PROPOSAL: &str = "x-misp-proposal";
/// The type of a note, an opinion or a relationship of an analyst.
pub(crate) const ANALYST: &str = "x-misp-analyst-data";
/// The type of a custom cluster of a galaxy.
pub(crate) const CLUSTER: &str = "x-misp-galaxy-cluster";
/// What analysts write.
pub(crate) const ANALYST_DATA: [&str; 3] = ["Note", "Opinion", "Relationship"];

/// A version above this is a moment: 2001.
const VERSION_IS_TIME: i64 = 1_000_000_000;

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sighting,
    Proposal,
    /// Which of [`ANALYST_DATA`].
    Analyst(&'static str),
    /// A custom cluster, which is about no event.
    Cluster,
}

/// Something said about an event or a part of it.
#[derive(Debug, Clone)]
pub(crate) struct Aside {
    pub(crate) kind: Kind,
    /// Its own UUID, where the one it states is that of what it is about.
    pub(crate) own: Option<String>,
    pub(crate) fields: Map<String, Value>,
    /// The event's report, if it is known.
    pub(crate) event: Option<String>,
    /// The STIX id of the attribute it is about, if it is about one.
    pub(crate) attribute: Option<String>,
    /// The UUID of what an analyst writes about.
    pub(crate) about: Option<String>,
    /// Who says it, as an identity.
    pub(crate) author: Option<String>,
    /// What that is marked with, if who says it has it in the same source.
    pub(crate) marks: BTreeSet<String>,
    /// Else the members besides the holder that it is for: whose event it is, and who said it.
    pub(crate) readers: Option<BTreeSet<Box<str>>>,
}

impl Aside {
    /// As a row, and what stands apart from it for whose it is.
    pub(crate) fn rows(mut self, now_s: i64, marks: &mut Marks<'_>) -> Result<Vec<Row>, Unkept> {
        let apart = matches!(self.kind, Kind::Analyst(_) | Kind::Cluster).then(|| without_addresses(&mut self.fields));
        if matches!(self.kind, Kind::Analyst(_)) {
            // Tools write it in another form than MISP reads.
            for key in ["created", "modified"] {
                if let Some(written) = self.fields.get_mut(key).filter(|w| w.as_str().is_some_and(|w| w.contains('T'))) {
                    *written = super::fields::written_moment(written.as_str().unwrap_or_default()).into();
                }
            }
        }
        let event = self.event.clone();
        let row = self.row(now_s, marks)?;
        let own = apart_from(row.id.split_once("--").map_or("", |(_, uuid)| uuid));
        let state = apart.map(|local| state(event.as_deref(), &own, row.at_s, local, marks));
        Ok(std::iter::once(row).chain(state).collect())
    }

    fn row(self, now_s: i64, marks: &mut Marks<'_>) -> Result<Row, Unkept> {
        let own = self.own.clone().unwrap_or_else(|| text(&self.fields, "uuid").to_owned());
        let own = uuid(&own).ok_or_else(|| Unkept { element: "aside".to_owned(), reason: format!("`{own}` is no UUID") })?;
        let mut marked = self.marks.clone();
        marked.extend(self.readers.iter().map(|readers| marks.readers(readers)));
        if matches!(self.kind, Kind::Analyst(_)) {
            marked.extend(self.stated(marks));
        }
        if self.kind == Kind::Cluster {
            marked.extend(self.of_cluster(marks));
        }
        if marked.is_empty() {
            marked.insert(marks.holder());
        }
        let event = self.event.clone().unwrap_or_default();
        if let (Kind::Sighting, Some(attribute)) = (self.kind, &self.attribute) {
            let place = Place { event, uuid: own, object: None, author: self.author, marks: marked.clone(), at_s: now_s };
            return sighting(self.fields.into(), attribute, &marked, &place, 0);
        }
        let (element, kind) = match self.kind {
            Kind::Analyst(_) => ("analyst", ANALYST),
            Kind::Cluster => ("cluster", CLUSTER),
            _ => ("proposal", PROPOSAL),
        };
        let written = number(self.fields.get("timestamp")).filter(|t| *t > 0).or_else(|| moment_s(text(&self.fields, "modified")));
        // A cluster's version is the second it was made in, where its MISP made it.
        let version = number(self.fields.get("version")).filter(|v| self.kind == Kind::Cluster && *v > VERSION_IS_TIME);
        let at_s = version.or(written).unwrap_or(now_s);
        let mut links: Vec<(&'static str, &str)> = Vec::new();
        links.extend(self.event.as_deref().map(|e| ("event_ref", e)));
        links.extend(self.attribute.as_deref().map(|a| ("attribute_ref", a)));
        if let Kind::Analyst(which) = self.kind {
            links.push(("analyst", which));
            links.extend(self.about.as_deref().map(|a| ("about", a)));
        }
        let deleted = flag(self.fields.get("deleted"));
        let properties = vec![("x_misp_said", json!(moment(at_s)))];
        let id = format!("{kind}--{own}");
        let draft = Draft { element, id, at_s, deleted, versioned: true, marks: marked, properties, links, twin: None, fields: self.fields };
        Ok(draft.row(self.author.as_deref()))
    }

    /// Whatever a cluster or one of its relations is marked with holds for all of it; one that is still being written stays in the house.
    fn of_cluster(&self, marks: &mut Marks<'_>) -> Vec<String> {
        let mut all = self.stated(marks);
        all.extend(marks.of_tags(&tags(&self.fields)));
        // What a relation of another shape says nobody here can tell.
        let relations = self.fields.get("GalaxyClusterRelation").filter(|r| !r.is_null());
        if relations.is_some_and(|r| r.as_array().is_none_or(|list| !list.iter().all(Value::is_object))) {
            all.push(marks.holder());
        }
        for relation in self.fields.get("GalaxyClusterRelation").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object) {
            let group = relation.get("SharingGroup").and_then(|g| SharingGroup::deserialize(g).ok());
            all.extend(marks.of_distribution(number(relation.get("distribution")), group.as_ref()));
            all.extend(marks.of_tags(&tags(relation)));
        }
        if self.fields.get("published").is_some_and(|p| !flag(Some(p))) {
            all.push(marks.house());
        }
        all
    }

    fn stated(&self, marks: &mut Marks<'_>) -> Vec<String> {
        let group = self.fields.get("SharingGroup").and_then(|g| SharingGroup::deserialize(g).ok());
        marks.of_distribution(number(self.fields.get("distribution")), group.as_ref())
    }
}

/// The UUID of what stands apart from what somebody said: another may have called something else by the same.
pub(crate) fn apart_from(uuid: &str) -> String {
    derived(&["apart", uuid])
}

/// Leaves who wrote it without addresses of persons, and where nothing else is said of them their organisation; gives back what was there, if that differs.
fn without_addresses(fields: &mut Map<String, Value>) -> Map<String, Value> {
    let before = fields.get("authors").cloned();
    let organisation = fields.get("Orgc").and_then(|o| o.get("name")).and_then(Value::as_str).unwrap_or_default().to_owned();
    let without = |written: &str| {
        let names: Vec<&str> = written.split_whitespace().filter(|word| !word.contains('@')).collect();
        if names.is_empty() { organisation.clone() } else { names.join(" ") }
    };
    let named = |value: &mut Value| {
        if let Some(written) = value.as_str().filter(|w| w.contains('@')) {
            *value = without(written).into();
        }
    };
    match fields.get_mut("authors") {
        Some(Value::Array(list)) => list.iter_mut().for_each(named),
        Some(value) => named(value),
        None => {}
    }
    before.filter(|before| fields.get("authors") != Some(before)).map(|before| ("authors".to_owned(), before)).into_iter().collect()
}

/// A custom cluster as MISP writes it, some of its parts in it and some beside it; none if it is of the common ones, or names nothing.
pub(crate) fn custom_cluster(given: &Value) -> Option<Map<String, Value>> {
    let mut fields = given.get("GalaxyCluster").unwrap_or(given).as_object()?.clone();
    for beside in ["Galaxy", "Orgc", "Org", "SharingGroup", "GalaxyElement", "GalaxyClusterRelation"] {
        if let Some(value) = given.get(beside) {
            fields.entry(beside).or_insert_with(|| value.clone());
        }
    }
    fields.insert("uuid".to_owned(), uuid(text(&fields, "uuid"))?.into());
    (!flag(fields.get("default")) && !text(&fields, "value").is_empty()).then_some(fields)
}

/// What another MISP lists apart from its events, about what a source has of it; none if the source has nothing of that.
pub(crate) fn listed(store: &Store, source: &str, name: &str, fields: Map<String, Value>) -> Result<Option<Aside>, polder_store::Error> {
    let read = |id: &str| -> Result<Option<Value>, polder_store::Error> {
        let Some(row) = Id::parse(id).and_then(|id| store.latest_row(source, &id)) else { return Ok(None) };
        let object: Value = serde_json::from_slice(&store.row_bytes(row, false)?).unwrap_or_default();
        let whole = object.get("extensions").and_then(|e| e.get(ext::MISP)).is_some_and(|o| o.get("fields").is_some());
        Ok(Some(object).filter(|_| whole))
    };
    if name == "GalaxyCluster" {
        let author = fields.get("Orgc").and_then(|o| o.get("uuid")).and_then(Value::as_str).or_else(|| Some(text(&fields, "orgc_uuid"))).and_then(uuid);
        let author = author.map(|o| format!("identity--{o}"));
        let (marks, readers) = (BTreeSet::new(), None);
        return Ok(Some(Aside { kind: Kind::Cluster, own: None, fields, event: None, attribute: None, about: None, author, marks, readers }));
    }
    let target = if name == "ShadowAttribute" { text(&fields, "uuid") } else { text(&fields, "object_uuid") }.to_ascii_lowercase();
    let mut about = None;
    for kind in KINDS.iter().copied().chain(["x-misp-object", "note", "report", ANALYST]) {
        let id = format!("{kind}--{target}");
        if let Some(object) = read(&id)? {
            about = Some((id, KINDS.contains(&kind), object));
            break;
        }
    }
    let event_uuid = text(&fields, "event_uuid").to_ascii_lowercase();
    if about.is_none() && name == "ShadowAttribute" {
        let id = format!("report--{event_uuid}");
        about = read(&id)?.map(|object| (id, false, object));
    }
    let Some((id, is_attribute, object)) = about else { return Ok(None) };
    let of = object.get("extensions").and_then(|e| e.get(ext::MISP)).and_then(|o| o.get("event_ref")).and_then(Value::as_str);
    let event = if id.starts_with("report--") { Some(id.clone()) } else { of.map(str::to_owned) };
    let marks = object.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let whose =
        if name == "ShadowAttribute" { fields.get("Org").and_then(|o| o.get("uuid")).and_then(Value::as_str) } else { Some(text(&fields, "orgc_uuid")) };
    let whose = whose.and_then(uuid);
    let kind = match ANALYST_DATA.into_iter().find(|k| *k == name) {
        Some(kind) => Kind::Analyst(kind),
        None => Kind::Proposal,
    };
    let own = (kind == Kind::Proposal && is_attribute).then(|| own_of(&target, whose.as_deref()));
    let author = whose.map(|o| format!("identity--{o}"));
    let about = matches!(kind, Kind::Analyst(_)).then_some(target);
    Ok(Some(Aside { kind, own, fields, event, attribute: is_attribute.then_some(id), about, author, marks, readers: None }))
}

/// The own UUID of somebody's proposal to change an attribute, which states the attribute's.
pub(crate) fn own_of(attribute: &str, organisation: Option<&str>) -> String {
    derived(&["proposal", attribute, organisation.unwrap_or_default()])
}

/// The moment of a text such as MISP writes, `2026-01-31 12:00:00`.
pub(crate) fn moment_s(written: &str) -> Option<i64> {
    let (day, hour) = written.split_once(' ')?;
    Some(time::to_us(&format!("{day}T{hour}Z"))? / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analysts_address_stands_apart() {
        let check = |authors: Value, want: Value| {
            let mut fields = Map::from_iter([("authors".to_owned(), authors), ("Orgc".to_owned(), json!({"name": "Org of A"}))]);
            let before = fields.get("authors").cloned().filter(|before| *before != want);
            assert_eq!(without_addresses(&mut fields).remove("authors"), before);
            assert_eq!(fields.get("authors"), Some(&want));
        };
        check(json!("admin@a.example"), json!("Org of A"));
        check(json!("A. Nalyst <a@a.example>"), json!("A. Nalyst"));
        check(json!(["Team  A", "b@a.example"]), json!(["Team  A", "Org of A"]));
        check(json!("Team  A"), json!("Team  A"));
        check(json!(""), json!(""));
        check(json!(7), json!(7));
    }
}
