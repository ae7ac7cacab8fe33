//! restSearch: events and attributes by what they say, as JSON, CSV, text or STIX.
//!
//! The rule: what is searched is what the reader would be given.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use polder_release::Form;
use polder_stix::Id;
use polder_store::{Find, Query, Versions};
use serde_json::{Map, Value, json};

use super::Asked;
use super::filter::{Filter, searchable};
use super::read::tag_names;
use super::sink::{Reply, Spill, page};
use crate::limits;
use crate::map::Pair;
use crate::map::fields::{flag, number, text};

/// Events.
pub(crate) fn events(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let filter = Filter::of(asked)?;
    let heads: Vec<_> = asked.heads()?.into_iter().filter(|head| filter.takes_event(head)).collect();
    let whole = filter.asks_of_attributes();
    let mut found = Vec::new();
    let holding: Option<BTreeSet<String>> = match filter.exact_values() {
        Some(values) => Some(asked.with_values(&values)?.into_iter().map(|(_, head)| text(&head, "uuid").to_owned()).collect()),
        None => None,
    };
    for head in heads.into_iter().filter(|head| holding.as_ref().is_none_or(|h| h.contains(text(head, "uuid")))) {
        if !whole || filter.takes_bare(&head) || asked.whole(text(&head, "uuid"))?.iter().any(|a| filter.takes_attribute(a, &head)) {
            found.push(head);
        }
    }
    let found = filter.cut(found);
    match filter.format.as_str() {
        "json" => {
            let mut list = Listing::of(asked, "{\"response\":[")?;
            for head in &found {
                let uuid = text(head, "uuid");
                if filter.trims() {
                    let mut out = Vec::new();
                    asked.view(|view| view.event(uuid, asked.wanted(), &mut out))?;
                    list.write_all(&filter.trimmed(&out)).map_err(|e| asked.failed(&e))?;
                } else {
                    asked.view(|view| view.event(uuid, asked.wanted(), &mut list))?;
                }
                list.next();
            }
            list.end(asked, "]}")
        }
        "stix2" => asked.bundle(found.iter().map(|head| text(head, "uuid").to_owned())),
        _ => {
            let mut rows = Vec::new();
            for head in found {
                let text_of_indicators = filter.format == "text" && filter.to_ids.is_none();
                let listed = |a: &Map<String, Value>| filter.lists(a) && (!text_of_indicators || flag(a.get("to_ids")));
                rows.extend(asked.whole(text(&head, "uuid"))?.into_iter().filter(listed).map(|a| (a, head.clone())));
            }
            Ok(filter.table(asked, &rows))
        }
    }
}

/// Attributes.
pub(crate) fn attributes(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let filter = Filter::of(asked)?;
    let mut rows = Vec::new();
    if let Some(values) = filter.exact_values() {
        let found = asked.with_values(&values)?;
        rows.extend(found.into_iter().filter(|(a, head)| filter.takes_event(head) && filter.takes_attribute(a, head)));
        return filter.answered(asked, rows);
    }
    let correlates = asked.call.flag("includeCorrelations").unwrap_or(false);
    if filter.format == "json" && !correlates {
        return listed(asked, &filter);
    }
    for head in asked.heads()?.into_iter().filter(|head| filter.takes_event(head)) {
        let uuid = text(&head, "uuid").to_owned();
        rows.extend(asked.whole(&uuid)?.into_iter().filter(|a| filter.takes_attribute(a, &head)).map(|a| (a, head.clone())));
    }
    filter.answered(asked, rows)
}

/// Attributes as they are found, event by event.
fn listed(asked: &Asked<'_>, filter: &Filter) -> Result<Reply, Reply> {
    let mut list = Listing::of(asked, "{\"response\":{\"Attribute\":[")?;
    let (skip, most) = filter.window();
    let mut seen = 0usize;
    for head in asked.heads()?.into_iter().filter(|head| filter.takes_event(head)) {
        if seen >= most {
            break;
        }
        for attribute in asked.whole(text(&head, "uuid"))?.into_iter().filter(|a| filter.takes_attribute(a, &head)) {
            seen += 1;
            if seen > skip && seen <= most {
                serde_json::to_writer(&mut list, &asked.in_list(attribute, &head)).map_err(|e| asked.failed(&e))?;
                list.next();
            }
        }
    }
    list.end(asked, "]}}")
}

/// A list of JSON that goes out while it is written.
struct Listing<'w> {
    out: Spill<'w>,
    /// Something stands before what is written next.
    follows: bool,
    begun: bool,
}

impl<'w> Listing<'w> {
    fn of(asked: &Asked<'w>, head: &str) -> Result<Self, Reply> {
        let mut out = Spill::new(asked.way);
        out.write_all(head.as_bytes()).map_err(|e| asked.failed(&e))?;
        Ok(Self { out, follows: false, begun: false })
    }

    /// What is written from here on is the next of the list.
    fn next(&mut self) {
        self.follows |= self.begun;
        self.begun = false;
    }

    fn end(mut self, asked: &Asked<'_>, tail: &str) -> Result<Reply, Reply> {
        self.out.write_all(tail.as_bytes()).and_then(|()| self.out.finish()).map_err(|e| asked.failed(&e))
    }
}

impl Write for Listing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.begun && !bytes.is_empty() {
            self.begun = true;
            if self.follows {
                self.out.write_all(b",")?;
            }
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Objects with an attribute that is looked for, each whole.
pub(crate) fn objects(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let filter = Filter::of(asked)?;
    let mut found = Vec::new();
    for head in asked.heads()?.into_iter().filter(|head| filter.takes_event(head)) {
        let wanted = asked.whole(text(&head, "uuid"))?;
        let wanted: BTreeSet<&str> = wanted.iter().filter(|a| filter.takes_attribute(a, &head)).map(|a| text(a, "object_uuid")).collect();
        if wanted.is_empty() {
            continue;
        }
        let held = asked.parts_of(text(&head, "uuid"), "Object", asked.wanted())?;
        found.extend(held.into_iter().filter(|o| o.get("uuid").and_then(Value::as_str).is_some_and(|u| wanted.contains(u))));
    }
    let found: Vec<Value> = filter.cut(found).into_iter().map(|object| json!({"Object": object})).collect();
    Ok(Reply::json(&json!({"response": found})))
}

/// Every attribute in view, as MISP lists them.
pub(crate) fn attributes_listed(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let mut found = Vec::new();
    for head in asked.heads()? {
        found.extend(asked.whole(text(&head, "uuid"))?.into_iter().map(Value::Object));
    }
    let limit = asked.call.number("limit").and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(limits::LISTED_DEFAULT);
    let skip = asked.call.number("page").and_then(|n| usize::try_from(n).ok()).unwrap_or(1).saturating_sub(1).saturating_mul(limit);
    Ok(Reply::json(&Value::Array(found.into_iter().skip(skip).take(limit).collect())))
}

/// One attribute, by UUID or number.
pub(crate) fn one(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let name = asked.call.first();
    let missing = || asked.not_found("Invalid attribute.");
    let event = asked.event_of_attribute(name)?.ok_or_else(missing)?;
    let found = asked.whole(&event)?.into_iter().find(|a| text(a, "uuid").eq_ignore_ascii_case(name) || text(a, "id") == name);
    found.map(|a| Reply::json(&json!({"Attribute": a}))).ok_or_else(missing)
}

/// The tags of an event, for an attribute that is shown with them.
fn tags_of(head: &Map<String, Value>) -> Vec<Value> {
    let inherited =
        |tag: &Value| tag.as_object().map(|t| t.iter().map(|(k, v)| (k.clone(), v.clone())).chain([("inherited".to_owned(), true.into())]).collect());
    head.get("Tag").and_then(Value::as_array).into_iter().flatten().filter_map(inherited).map(Value::Object).collect()
}

fn with_event(mut attribute: Map<String, Value>, head: &Map<String, Value>) -> Value {
    let keys = ["id", "org_id", "orgc_id", "distribution", "info", "uuid", "publish_timestamp"];
    let event: Map<String, Value> = keys.iter().filter_map(|key| Some(((*key).to_owned(), head.get(*key)?.clone()))).collect();
    attribute.insert("event_uuid".to_owned(), head.get("uuid").cloned().unwrap_or_default());
    attribute.insert("Event".to_owned(), event.into());
    attribute.into()
}

impl Asked<'_> {
    /// An attribute of a list, with as much around it as was asked for.
    fn in_list(&self, mut attribute: Map<String, Value>, head: &Map<String, Value>) -> Value {
        let warned = self.call.flag("includeWarninglistHits").unwrap_or(false);
        let warnings = if warned { self.warnings(&attribute) } else { Vec::new() };
        if !warnings.is_empty() {
            attribute.insert("warnings".to_owned(), warnings.into());
        }
        if self.call.flag("includeEventTags").unwrap_or(false) {
            attribute.entry("Tag").or_insert_with(|| json!([])).as_array_mut().into_iter().for_each(|list| list.extend(tags_of(head)));
        }
        with_event(attribute, head)
    }
}

impl Filter {
    fn answered(&self, asked: &Asked<'_>, rows: Vec<Pair>) -> Result<Reply, Reply> {
        let rows = self.cut(rows);
        match self.format.as_str() {
            "json" => {
                let mut related = if asked.call.flag("includeCorrelations").unwrap_or(false) { asked.related(&rows)? } else { BTreeMap::new() };
                let found: Vec<Value> = rows
                    .into_iter()
                    .map(|(mut attribute, head)| {
                        if let Some(others) = related.remove(text(&attribute, "uuid")) {
                            attribute.insert("RelatedAttribute".to_owned(), others.into());
                        }
                        asked.in_list(attribute, &head)
                    })
                    .collect();
                Ok(Reply::json(&json!({"response": {"Attribute": found}})))
            }
            "stix2" => asked.bundle(rows.into_iter().map(|(_, head)| text(&head, "uuid").to_owned())),
            _ => Ok(self.table(asked, &rows)),
        }
    }

    fn table(&self, asked: &Asked<'_>, rows: &[Pair]) -> Reply {
        if self.format == "text" {
            let mut values: Vec<&str> = rows.iter().map(|(a, _)| text(a, "value")).collect();
            values.sort_unstable();
            values.dedup();
            return Reply::bytes(values.join("\n").into_bytes(), "text/plain; charset=UTF-8");
        }
        let context = asked.call.flag("includeContext").unwrap_or(false);
        let wanted = asked.call.texts("requested_attributes").filter(|w| !w.is_empty());
        let all = COLUMNS.iter().chain(if context { CONTEXT } else { &[] });
        let columns: Vec<&str> = match &wanted {
            Some(wanted) => wanted.iter().map(String::as_str).filter(|w| COLUMNS.contains(w) || CONTEXT.contains(w)).collect(),
            None => all.copied().collect(),
        };
        let mut out = String::new();
        if !self.headerless {
            out.push_str(&columns.join(","));
            out.push('\n');
        }
        for (attribute, head) in rows {
            let cells: Vec<String> = columns.iter().map(|column| cell(column, attribute, head)).collect();
            out.push_str(&cells.join(","));
            out.push('\n');
        }
        Reply::bytes(out.into_bytes(), "text/csv; charset=UTF-8")
    }
}

/// Columns of a CSV answer, in MISP's order.
const COLUMNS: &[&str] = &[
    "uuid",
    "event_id",
    "category",
    "type",
    "value",
    "comment",
    "to_ids",
    "date",
    "object_relation",
    "attribute_tag",
    "object_uuid",
    "object_name",
    "object_meta_category",
];

/// More of them, about the event.
const CONTEXT: &[&str] = &[
    "event_info",
    "event_member_org",
    "event_source_org",
    "event_distribution",
    "event_threat_level_id",
    "event_analysis",
    "event_date",
    "event_tag",
    "event_timestamp",
];

fn cell(column: &str, attribute: &Map<String, Value>, head: &Map<String, Value>) -> String {
    let of = |map: &Map<String, Value>, key: &str| number(map.get(key)).map_or_else(|| quoted(text(map, key)), |n| n.to_string());
    let organisation = |key: &str| quoted(head.get(key).and_then(|o| o.get("name")).and_then(Value::as_str).unwrap_or_default());
    match column {
        "uuid" | "object_uuid" => text(attribute, column).to_owned(),
        "event_id" => text(head, "id").to_owned(),
        "to_ids" => u8::from(flag(attribute.get("to_ids"))).to_string(),
        "date" => number(attribute.get("timestamp")).unwrap_or_default().to_string(),
        "attribute_tag" => quoted(&tag_names(attribute).join(",")),
        "object_meta_category" => quoted(text(attribute, "object_meta-category")),
        "event_member_org" => organisation("Org"),
        "event_source_org" => organisation("Orgc"),
        "event_tag" => quoted(&tag_names(head).join(",")),
        _ => match column.strip_prefix("event_") {
            Some(key) => of(head, key),
            None => quoted(text(attribute, column)),
        },
    }
}

/// A cell of CSV (RFC 4180). One that a spreadsheet would run as a formula is its reader's matter: tools read these lines.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

impl Asked<'_> {
    /// For each of these attributes, those of other events in the caller's view that say the same.
    fn related(&self, rows: &[Pair]) -> Result<BTreeMap<String, Vec<Value>>, Reply> {
        let correlates = |a: &Map<String, Value>| !flag(a.get("disable_correlation")) && !flag(a.get("deleted"));
        let asked = rows.iter().filter(|(a, _)| correlates(a)).take(limits::CORRELATED_MAX);
        let mut by_value: BTreeMap<&str, Vec<&Pair>> = BTreeMap::new();
        for pair in asked {
            by_value.entry(text(&pair.0, "value")).or_default().push(pair);
        }
        let mut related: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (value, pairs) in by_value.into_iter().filter(|(value, _)| searchable(value)) {
            let found = self.with_values(&[value.to_owned()])?;
            for (attribute, head) in pairs {
                let others =
                    found.iter().filter(|(a, h)| correlates(a) && text(a, "value").eq_ignore_ascii_case(value) && text(h, "uuid") != text(head, "uuid"));
                let others: Vec<Value> = others.map(|(a, h)| with_event(a.clone(), h)).collect();
                if !others.is_empty() {
                    related.insert(text(attribute, "uuid").to_owned(), others);
                }
            }
        }
        Ok(related)
    }

    /// Attributes in the caller's view that the search database finds for one of these values.
    pub(crate) fn with_values(&self, values: &[String]) -> Result<Vec<Pair>, Reply> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for value in values {
            let words = value.split_whitespace().filter(|w| w.contains(char::is_alphanumeric)).map(str::to_owned).collect();
            let types = Some(crate::map::KINDS.iter().map(|k| (*k).into()).collect());
            let find = Find { words, types, ..Find::default() };
            let questions = self.app.store.candidates(&self.caller.recipient, &find).map_err(|e| self.failed(&e))?;
            let sightings = self.call.flag("includeSightings").unwrap_or(false);
            let wanted = crate::map::Wanted { sightings, ..self.wanted() };
            found.extend(self.view(|view| view.found(questions, wanted))?.into_iter().filter(|(a, _)| seen.insert(text(a, "uuid").to_owned())));
        }
        Ok(found)
    }

    /// The attributes of an event in the caller's view, those of objects with what their object is.
    pub(crate) fn whole(&self, uuid: &str) -> Result<Vec<Map<String, Value>>, Reply> {
        let sightings = self.call.flag("includeSightings").unwrap_or(false);
        self.whole_of(uuid, crate::map::Wanted { sightings, parts: true, ..self.wanted() })
    }

    /// The same, as much of it as is wanted.
    pub(crate) fn whole_of(&self, uuid: &str, wanted: crate::map::Wanted) -> Result<Vec<Map<String, Value>>, Reply> {
        let mut out = Vec::new();
        if !self.view(|view| view.event(uuid, wanted, &mut out))? {
            return Ok(Vec::new());
        }
        let mut event: Value = serde_json::from_slice(&out).map_err(|e| self.failed(&e))?;
        let mut take = |key: &str| match event.get_mut("Event").and_then(|e| e.get_mut(key)).map(Value::take) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let mut found = take("Attribute");
        for mut object in take("Object") {
            let known: Vec<(String, Value)> =
                ["uuid", "name", "meta-category"].iter().map(|k| (format!("object_{k}"), object.get(*k).cloned().unwrap_or_default())).collect();
            let Some(Value::Array(list)) = object.get_mut("Attribute").map(Value::take) else { continue };
            found.extend(list.into_iter().map(|mut a| {
                if let Some(map) = a.as_object_mut() {
                    map.extend(known.iter().cloned());
                }
                a
            }));
        }
        Ok(found.into_iter().filter_map(|a| if let Value::Object(map) = a { Some(map) } else { None }).collect())
    }

    /// The event an attribute is of, if the caller may see it.
    pub(crate) fn event_of_attribute(&self, name: &str) -> Result<Option<String>, Reply> {
        let uuid = match crate::map::ids::uuid(name) {
            Some(uuid) => uuid,
            None => match self.numbered(name, &crate::map::KINDS)? {
                Some(uuid) => uuid,
                None => return Ok(None),
            },
        };
        let ids = crate::map::KINDS.iter().filter_map(|kind| Id::parse(&format!("{kind}--{uuid}"))).collect();
        self.view(|view| view.event_of(ids))
    }

    /// STIX of some events, as the caller may have it.
    fn bundle(&self, events: impl Iterator<Item = String>) -> Result<Reply, Reply> {
        let mut ids: Vec<String> = events.collect();
        ids.sort_unstable();
        ids.dedup();
        let mut out = format!("{{\"type\":\"bundle\",\"id\":\"bundle--{}\",\"objects\":[", crate::map::ids::derived(&["bundle", &ids.join(" ")])).into_bytes();
        let mut first = true;
        for uuid in &ids {
            let Some(id) = Id::parse(&format!("report--{uuid}")) else { continue };
            let own = Query { ids: Some(vec![id.clone()]), versions: Versions::last(), ..Query::default() };
            let parts = Query { refers_to: Some(id), versions: Versions::last(), ..Query::default() };
            for mut query in [own, parts] {
                loop {
                    let page = page(&self.app.store, &self.caller.recipient, &query, Form::Whole).map_err(|e| self.failed(&e))?;
                    for item in &page.items {
                        out.extend_from_slice(if first { b"" } else { b"," });
                        out.extend_from_slice(&item.bytes);
                        first = false;
                    }
                    match page.next {
                        Some(next) => query.after = Some(next),
                        None => break,
                    }
                }
            }
        }
        out.extend_from_slice(b"]}");
        Ok(Reply::bytes(out, "application/json; charset=UTF-8"))
    }
}
