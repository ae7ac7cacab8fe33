//! restSearch: events and attributes by what they say, as JSON, CSV, text or STIX.
//!
//! The rule: what is searched is what the reader would be given; a filter that is not known is refused, since ignoring it would return too much.

use std::collections::{BTreeMap, BTreeSet};

use polder_release::Form;
use polder_stix::{Id, time};
use polder_store::{Find, Query, Versions};
use serde_json::{Map, Value, json};

use super::Asked;
use super::call::texts;
use super::read::{is_published, tag_names};
use super::sink::{Reply, page};
use crate::limits;
use crate::map::Pair;
use crate::map::fields::{flag, number, text};

/// Filters that are carried out, and options that change the form of the answer or nothing.
const KNOWN: &[&str] = &[
    "attackGalaxy",
    "attribute_timestamp",
    "category",
    "controller",
    "date",
    "deleted",
    "enforceWarninglist",
    "event_id",
    "event_tags",
    "event_timestamp",
    "eventid",
    "eventinfo",
    "excludeDecayed",
    "excludeGalaxy",
    "excludeLocalTags",
    "from",
    "includeAnalystData",
    "includeContext",
    "includeCorrelations",
    "includeDecayScore",
    "includeEventCorrelations",
    "includeEventTags",
    "includeEventUuid",
    "includeFeedCorrelations",
    "includeFullModel",
    "includeGranularCorrelations",
    "includeProposals",
    "includeServerCorrelations",
    "includeSightingdb",
    "includeSightings",
    "includeWarninglistHits",
    "headerless",
    "last",
    "limit",
    "metadata",
    "noSightings",
    "object_name",
    "object_relation",
    "order",
    "org",
    "page",
    "publish_timestamp",
    "published",
    "quickFilter",
    "requested_attributes",
    "returnFormat",
    "searchall",
    "sgReferenceOnly",
    "sharinggroup",
    "tag",
    "tags",
    "threat_level_id",
    "timestamp",
    "to",
    "to_ids",
    "type",
    "type_attribute",
    "until",
    "uuid",
    "value",
    "withAttachments",
    "with_attachments",
];

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
        let uuid = text(&head, "uuid").to_owned();
        let mut out = Vec::new();
        let wanted = asked.wanted();
        if whole && !filter.takes_bare(&head) && !asked.whole(&uuid)?.iter().any(|a| filter.takes_attribute(a, &head)) {
            continue;
        }
        asked.view(|view| view.event(&uuid, wanted, &mut out))?;
        found.push((head, filter.trimmed(out)));
    }
    let found = filter.cut(found);
    match filter.format.as_str() {
        "json" => {
            let mut body = b"{\"response\":[".to_vec();
            for (n, (_, event)) in found.iter().enumerate() {
                body.extend_from_slice(if n > 0 { b"," } else { b"" });
                body.extend_from_slice(event);
            }
            body.extend_from_slice(b"]}");
            Ok(Reply::bytes(body, "application/json; charset=UTF-8"))
        }
        "stix2" => asked.bundle(found.into_iter().map(|(head, _)| text(&head, "uuid").to_owned())),
        _ => {
            let mut rows = Vec::new();
            for (head, _) in found {
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
    for head in asked.heads()?.into_iter().filter(|head| filter.takes_event(head)) {
        let uuid = text(&head, "uuid").to_owned();
        rows.extend(asked.whole(&uuid)?.into_iter().filter(|a| filter.takes_attribute(a, &head)).map(|a| (a, head.clone())));
    }
    filter.answered(asked, rows)
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
    let inherited = |tag: &Value| tag.as_object().map(|t| t.iter().map(|(k, v)| (k.clone(), v.clone())).chain([("inherited".to_owned(), true.into())]).collect());
    head.get("Tag").and_then(Value::as_array).into_iter().flatten().filter_map(inherited).map(Value::Object).collect()
}

/// Is an element for that group?
fn grouped(fields: &Map<String, Value>, wanted: &str) -> bool {
    let uuid = fields.get("SharingGroup").and_then(|g| g.get("uuid")).and_then(Value::as_str).unwrap_or_default();
    number(fields.get("distribution")) == Some(4) && (text(fields, "sharing_group_id") == wanted || uuid.eq_ignore_ascii_case(wanted))
}

fn with_event(mut attribute: Map<String, Value>, head: &Map<String, Value>) -> Value {
    let keys = ["id", "org_id", "orgc_id", "distribution", "info", "uuid", "publish_timestamp"];
    let event: Map<String, Value> = keys.iter().filter_map(|key| Some(((*key).to_owned(), head.get(*key)?.clone()))).collect();
    attribute.insert("event_uuid".to_owned(), head.get("uuid").cloned().unwrap_or_default());
    attribute.insert("Event".to_owned(), event.into());
    attribute.into()
}

/// A filter: any of these, and none of those.
#[derive(Debug, Default)]
struct Any {
    yes: Vec<String>,
    all: Vec<String>,
    no: Vec<String>,
}

impl Any {
    fn of(value: Option<Value>) -> Option<Self> {
        let value = value?;
        let mut any = Self::default();
        if let Value::Object(map) = &value {
            let of = |key: &str| map.get(key).map(texts).unwrap_or_default();
            (any.yes, any.all, any.no) = (of("OR"), of("AND"), of("NOT"));
        } else {
            (any.no, any.yes) = texts(&value).into_iter().partition(|t| t.starts_with('!'));
            any.no.iter_mut().for_each(|t| *t = t.trim_start_matches('!').to_owned());
        }
        Some(any).filter(|a| !(a.yes.is_empty() && a.all.is_empty() && a.no.is_empty()))
    }

    fn takes(&self, is: impl Fn(&str) -> bool) -> bool {
        (self.yes.is_empty() || self.yes.iter().any(|w| is(w))) && self.all.iter().all(|w| is(w)) && !self.no.iter().any(|w| is(w))
    }
}

/// Is it so, with `%` for anything?
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    // As in MISP's queries, a backslash stands before a character that is meant as it is.
    let (pattern, text) = (pattern.to_lowercase().replace("\\\\", "\\"), text.to_lowercase());
    if !pattern.contains('%') {
        return pattern == text;
    }
    let mut rest = text.as_str();
    let pieces: Vec<&str> = pattern.split('%').collect();
    let last = pieces.len().saturating_sub(1);
    for (n, piece) in pieces.iter().enumerate() {
        if n == 0 {
            let Some(after) = rest.strip_prefix(piece) else { return false };
            rest = after;
        } else if n == last {
            return rest.ends_with(piece);
        } else {
            let Some((_, after)) = rest.split_once(piece) else { return false };
            rest = after;
        }
    }
    true
}

/// A range of seconds since 1970.
type Range = (i64, i64);

/// Seconds of a moment: a number, a day, or a distance back from now as in `7d`.
pub(crate) fn moment_s(text: &str, now_s: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Some(number);
    }
    if let Some((whole, fraction)) = text.split_once('.')
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return whole.parse().ok();
    }
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return time::to_us(text).or_else(|| time::to_us(&format!("{text}T00:00:00Z"))).map(|us| us / 1_000_000),
    };
    Some(now_s.saturating_sub(count.parse::<i64>().ok()?.saturating_mul(unit_s)))
}

struct Filter {
    value: Option<Any>,
    kind: Option<Any>,
    category: Option<Any>,
    tags: Option<Any>,
    org: Option<Any>,
    event: Option<Any>,
    uuid: Option<Any>,
    info: Option<Any>,
    object_name: Option<Any>,
    object_relation: Option<Any>,
    threat: Option<Any>,
    group: Option<Any>,
    to_ids: Option<bool>,
    published: Option<bool>,
    deleted: (bool, bool),
    days: (Option<String>, Option<String>),
    changed: Option<Range>,
    attribute_changed: Option<Range>,
    was_published: Option<Range>,
    format: String,
    headerless: bool,
    limit: Option<usize>,
    page: usize,
}

impl Filter {
    fn of(asked: &Asked<'_>) -> Result<Self, Reply> {
        let call = &asked.call;
        let body = call.body.as_object().map(|map| map.get("request").and_then(Value::as_object).unwrap_or(map));
        if let Some(odd) = body.and_then(|map| map.iter().find(|(key, value)| !value.is_null() && !KNOWN.contains(&key.as_str()))) {
            return Err(asked.bad(&format!("The filter `{}` is not known here; leave it out.", odd.0)));
        }
        let now_s = asked.app.store.now_us() / 1_000_000;
        let range = |key: &str| -> Option<Range> {
            let said = call.texts(key).filter(|t| !t.is_empty())?;
            let mut both: Vec<Option<i64>> = said.iter().take(2).map(|t| moment_s(t, now_s)).collect();
            both.sort_unstable();
            // Of what is no time nothing is as old; MISP's clients rely on an empty answer.
            match both.as_slice() {
                [Some(from), Some(to)] => Some((*from, *to)),
                [Some(from)] => Some((*from, i64::MAX)),
                _ => Some((i64::MAX, i64::MIN)),
            }
        };
        let any = |key: &str| Any::of(call.value(key));
        let of_events = call.controller == "events";
        let (from, to) = (call.text("from").or_else(|| call.text("date")), call.text("to").or_else(|| call.text("until")));
        let day = |said: Option<String>| {
            said.map(|t| moment_s(&t, now_s).filter(|_| !t.contains('-')).map_or(t, |s| time::from_us(s.saturating_mul(1_000_000)).chars().take(10).collect()))
        };
        let wanted = asked.wanted();
        Ok(Self {
            value: any("value"),
            kind: any("type").or_else(|| any("type_attribute")),
            category: any("category"),
            tags: any("tags").or_else(|| any("tag")).or_else(|| any("event_tags")),
            org: any("org"),
            event: any("eventid").or_else(|| any("event_id")),
            uuid: any("uuid"),
            info: any("eventinfo"),
            object_name: any("object_name"),
            object_relation: any("object_relation"),
            threat: any("threat_level_id"),
            group: any("sharinggroup"),
            to_ids: call.flag("to_ids").filter(|_| call.text("to_ids").as_deref() != Some("exclude")),
            published: call.flag("published"),
            deleted: (wanted.standing, wanted.deleted),
            days: (day(from), day(to)),
            changed: if of_events { range("timestamp").or(range("event_timestamp")) } else { range("event_timestamp") },
            attribute_changed: if of_events { range("attribute_timestamp") } else { range("timestamp").or(range("attribute_timestamp")) },
            was_published: range("publish_timestamp").or(range("last")),
            format: call.text("returnFormat").unwrap_or_else(|| "json".to_owned()),
            headerless: call.flag("headerless").unwrap_or(false),
            limit: call.number("limit").and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0),
            page: call.number("page").and_then(|n| usize::try_from(n).ok()).unwrap_or(1).max(1),
        })
        .and_then(|f| match f.format.as_str() {
            "json" | "csv" | "text" | "stix2" => Ok(f),
            other => Err(asked.bad(&format!("The format `{other}` is not served here; take json, csv, text or stix2."))),
        })
    }

    /// The values that are looked for, where each is one that the search database can find.
    fn exact_values(&self) -> Option<Vec<String>> {
        let any = self.value.as_ref()?;
        let plain = any.yes.iter().all(|v| !v.contains('%') && searchable(v));
        (any.all.is_empty() && any.no.is_empty() && plain).then(|| any.yes.clone())
    }

    fn answered(&self, asked: &Asked<'_>, rows: Vec<Pair>) -> Result<Reply, Reply> {
        let rows = self.cut(rows);
        match self.format.as_str() {
            "json" => {
                let mut related = if asked.call.flag("includeCorrelations").unwrap_or(false) { asked.related(&rows)? } else { BTreeMap::new() };
                let with_tags = asked.call.flag("includeEventTags").unwrap_or(false);
                let found: Vec<Value> = rows
                    .into_iter()
                    .map(|(mut attribute, head)| {
                        if let Some(others) = related.remove(text(&attribute, "uuid")) {
                            attribute.insert("RelatedAttribute".to_owned(), others.into());
                        }
                        if with_tags {
                            attribute.entry("Tag").or_insert_with(|| json!([])).as_array_mut().into_iter().for_each(|list| list.extend(tags_of(&head)));
                        }
                        with_event(attribute, &head)
                    })
                    .collect();
                Ok(Reply::json(&json!({"response": {"Attribute": found}})))
            }
            "stix2" => asked.bundle(rows.into_iter().map(|(_, head)| text(&head, "uuid").to_owned())),
            _ => Ok(self.table(asked, &rows)),
        }
    }

    fn asks_of_attributes(&self) -> bool {
        let named = [&self.value, &self.kind, &self.category, &self.object_name, &self.object_relation];
        named.iter().any(|f| f.is_some()) || self.to_ids.is_some() || self.attribute_changed.is_some() || self.tags.is_some() || self.uuid.is_some()
    }

    fn takes_event(&self, head: &Map<String, Value>) -> bool {
        let of = |filter: &Option<Any>, is: &dyn Fn(&str) -> bool| filter.as_ref().is_none_or(|f| f.takes(is));
        let within = |range: Option<Range>, key: &str| range.is_none_or(|(from, to)| number(head.get(key)).is_some_and(|t| from <= t && t <= to));
        let organisation = |key: &str| head.get("Orgc").and_then(|o| o.get(key)).and_then(Value::as_str).unwrap_or_default();
        let day = text(head, "date");
        of(&self.event, &|w| w == text(head, "id") || w.eq_ignore_ascii_case(text(head, "uuid")))
            && of(&self.org, &|w| w == organisation("name") || w == organisation("uuid") || w == text(head, "orgc_id"))
            && of(&self.info, &|w| like(&format!("%{}%", w.trim_matches('%')), text(head, "info")))
            && (self.asks_of_attributes() || of(&self.group, &|w| grouped(head, w)))
            && of(&self.threat, &|w| head.get("threat_level_id").is_some_and(|t| number(Some(t)) == w.parse().ok()))
            && self.published.is_none_or(|p| p == is_published(head))
            && self.days.0.as_deref().is_none_or(|from| day >= from)
            && self.days.1.as_deref().is_none_or(|to| day <= to)
            && within(self.changed, "timestamp")
            && within(self.was_published, "publish_timestamp")
    }

    /// Does an event match by its own tags, when nothing else is asked of its attributes?
    fn takes_bare(&self, head: &Map<String, Value>) -> bool {
        let others = [&self.value, &self.kind, &self.category, &self.object_name, &self.object_relation];
        let asks_more = others.iter().any(|f| f.is_some()) || self.to_ids.is_some() || self.attribute_changed.is_some();
        let tags = tag_names(head);
        let uuid = |w: &str| text(head, "uuid").eq_ignore_ascii_case(w);
        let of = |filter: &Option<Any>, is: &dyn Fn(&str) -> bool| filter.as_ref().is_none_or(|f| f.takes(is));
        !asks_more && of(&self.uuid, &uuid) && of(&self.tags, &|w| tags.iter().any(|t| like(w, t)))
    }

    /// Is an attribute shown with its event, which matches?
    fn lists(&self, attribute: &Map<String, Value>) -> bool {
        let tags = tag_names(attribute);
        let tagged = self.tags.iter().flat_map(|t| &t.no).any(|w| tags.iter().any(|t| like(w, t)));
        !tagged && self.to_ids.is_none_or(|t| t == flag(attribute.get("to_ids")))
    }

    /// An event without the attributes that are asked not to be in it, as MISP answers: of others it shows the whole event.
    fn trimmed(&self, event: Vec<u8>) -> Vec<u8> {
        if self.tags.iter().all(|t| t.no.is_empty()) && self.to_ids.is_none() {
            return event;
        }
        let Ok(mut whole) = serde_json::from_slice::<Value>(&event) else { return Vec::new() };
        let stays = |attribute: &Value| attribute.as_object().is_none_or(|a| self.lists(a));
        if let Some(map) = whole.get_mut("Event").and_then(Value::as_object_mut) {
            let mut lists: Vec<&mut Vec<Value>> = Vec::new();
            for (key, value) in map.iter_mut() {
                match (key.as_str(), value) {
                    ("Attribute", Value::Array(list)) => lists.push(list),
                    ("Object", Value::Array(all)) => lists.extend(all.iter_mut().filter_map(|o| o.get_mut("Attribute")?.as_array_mut())),
                    _ => {}
                }
            }
            lists.into_iter().for_each(|list| list.retain(stays));
        }
        whole.to_string().into_bytes()
    }

    fn takes_attribute(&self, attribute: &Map<String, Value>, head: &Map<String, Value>) -> bool {
        let of = |filter: &Option<Any>, is: &dyn Fn(&str) -> bool| filter.as_ref().is_none_or(|f| f.takes(is));
        let value = text(attribute, "value");
        let parts = value.split_once('|');
        let is_value = |w: &str| like(w, value) || parts.is_some_and(|(a, b)| like(w, a) || like(w, b));
        let mut tags = tag_names(attribute);
        tags.extend(tag_names(head));
        let uuids = [text(attribute, "uuid"), text(head, "uuid"), text(attribute, "object_uuid")];
        let at_s = number(attribute.get("timestamp"));
        of(&self.value, &is_value)
            && of(&self.kind, &|w| like(w, text(attribute, "type")))
            && of(&self.category, &|w| like(w, text(attribute, "category")))
            && of(&self.tags, &|w| tags.iter().any(|t| like(w, t)))
            && of(&self.group, &|w| grouped(attribute, w) || (number(attribute.get("distribution")) == Some(5) && grouped(head, w)))
            && of(&self.uuid, &|w| uuids.iter().any(|u| u.eq_ignore_ascii_case(w)))
            && of(&self.object_name, &|w| like(w, text(attribute, "object_name")))
            && of(&self.object_relation, &|w| like(w, text(attribute, "object_relation")))
            && self.to_ids.is_none_or(|t| t == flag(attribute.get("to_ids")))
            && self.attribute_changed.is_none_or(|(from, to)| at_s.is_some_and(|t| from <= t && t <= to))
            && (if flag(attribute.get("deleted")) { self.deleted.1 } else { self.deleted.0 })
    }

    fn cut<T>(&self, found: Vec<T>) -> Vec<T> {
        match self.limit {
            Some(limit) => found.into_iter().skip(self.page.saturating_sub(1).saturating_mul(limit)).take(limit).collect(),
            None if self.page > 1 => Vec::new(),
            None => found,
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
    "uuid", "event_id", "category", "type", "value", "comment", "to_ids", "date", "object_relation", "attribute_tag", "object_uuid", "object_name",
    "object_meta_category",
];

/// More of them, about the event.
const CONTEXT: &[&str] = &[
    "event_info", "event_member_org", "event_source_org", "event_distribution", "event_threat_level_id", "event_analysis", "event_date", "event_tag",
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

/// Is the value one that the search database has?
fn searchable(value: &str) -> bool {
    let short = value.len() <= limits::SEARCHED_VALUE_BYTES_MAX && value.contains(char::is_alphanumeric);
    short && time::to_us(value).is_none() && Id::parse(value).is_none()
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
                let others = found.iter().filter(|(a, h)| correlates(a) && text(a, "value").eq_ignore_ascii_case(value) && text(h, "uuid") != text(head, "uuid"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_moments() {
        for (pattern, text, want) in
            [("a", "A", true), ("a", "ab", false), ("%b", "ab", true), ("a%", "ab", true), ("%a%c%", "xabcx", true), ("a%c", "abd", false), ("%", "", true)]
        {
            assert_eq!(like(pattern, text), want, "{pattern} {text}");
        }
        for (text, want) in [("7", Some(7)), ("1d", Some(1_000_000 - 86_400)), ("1970-01-02", Some(86_400)), ("x", None), ("", None), ("soon", None)] {
            assert_eq!(moment_s(text, 1_000_000), want, "{text}");
        }
    }
}
