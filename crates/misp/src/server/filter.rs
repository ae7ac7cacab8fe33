//! What a search asks for, and whether an event or attribute is that.
//!
//! The rule: a filter that is not known is refused, since ignoring it would return too much.

use polder_stix::{Id, time};
use serde_json::{Map, Value};

use super::Asked;
use super::call::texts;
use super::read::{is_published, tag_names};
use super::sink::Reply;
use super::words::Warninglists;
use crate::limits;
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

pub(crate) struct Filter {
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
    quick: Option<Any>,
    everywhere: bool,
    pub(crate) to_ids: Option<bool>,
    published: Option<bool>,
    deleted: (bool, bool),
    days: (Option<String>, Option<String>),
    changed: Option<Range>,
    attribute_changed: Option<Range>,
    was_published: Option<Range>,
    pub(crate) format: String,
    pub(crate) headerless: bool,
    /// The lists of which an attribute may be on none.
    warninglists: Option<Warninglists>,
    limit: Option<usize>,
    page: usize,
}

impl Filter {
    pub(crate) fn of(asked: &Asked<'_>) -> Result<Self, Reply> {
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
            quick: any("quickFilter"),
            everywhere: call.flag("searchall").unwrap_or(false),
            to_ids: call.flag("to_ids").filter(|_| call.text("to_ids").as_deref() != Some("exclude")),
            published: call.flag("published"),
            deleted: (wanted.standing, wanted.deleted),
            days: (day(from), day(to)),
            changed: if of_events { range("timestamp").or(range("event_timestamp")) } else { range("event_timestamp") },
            attribute_changed: if of_events { range("attribute_timestamp") } else { range("timestamp").or(range("attribute_timestamp")) },
            was_published: range("publish_timestamp").or(range("last")),
            format: call.text("returnFormat").unwrap_or_else(|| "json".to_owned()),
            headerless: call.flag("headerless").unwrap_or(false),
            warninglists: call.flag("enforceWarninglist").filter(|e| *e).map(|_| asked.warninglists()),
            limit: call.number("limit").and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0),
            page: call.number("page").and_then(|n| usize::try_from(n).ok()).unwrap_or(1).max(1),
        })
        .and_then(|f| match f.format.as_str() {
            "json" | "csv" | "text" | "stix2" => Ok(f),
            other => Err(asked.bad(&format!("The format `{other}` is not served here; take json, csv, text or stix2."))),
        })
    }

    /// The values that are looked for, where each is one that the search database can find.
    pub(crate) fn exact_values(&self) -> Option<Vec<String>> {
        let any = self.value.as_ref()?;
        let plain = !self.everywhere && any.yes.iter().all(|v| !v.contains('%') && searchable(v));
        (any.all.is_empty() && any.no.is_empty() && plain).then(|| any.yes.clone())
    }

    pub(crate) fn asks_of_attributes(&self) -> bool {
        let named = [&self.value, &self.kind, &self.category, &self.object_name, &self.object_relation, &self.group, &self.quick];
        named.iter().any(|f| f.is_some()) || self.to_ids.is_some() || self.attribute_changed.is_some() || self.tags.is_some() || self.uuid.is_some()
    }

    pub(crate) fn takes_event(&self, head: &Map<String, Value>) -> bool {
        let of = |filter: &Option<Any>, is: &dyn Fn(&str) -> bool| filter.as_ref().is_none_or(|f| f.takes(is));
        let within = |range: Option<Range>, key: &str| range.is_none_or(|(from, to)| number(head.get(key)).is_some_and(|t| from <= t && t <= to));
        let organisation = |key: &str| head.get("Orgc").and_then(|o| o.get(key)).and_then(Value::as_str).unwrap_or_default();
        let day = text(head, "date");
        of(&self.event, &|w| w == text(head, "id") || w.eq_ignore_ascii_case(text(head, "uuid")))
            && of(&self.org, &|w| w == organisation("name") || w == organisation("uuid") || w == text(head, "orgc_id"))
            && of(&self.info, &|w| like(&format!("%{}%", w.trim_matches('%')), text(head, "info")))
            && of(&self.threat, &|w| head.get("threat_level_id").is_some_and(|t| number(Some(t)) == w.parse().ok()))
            && self.published.is_none_or(|p| p == is_published(head))
            && self.days.0.as_deref().is_none_or(|from| day >= from)
            && self.days.1.as_deref().is_none_or(|to| day <= to)
            && within(self.changed, "timestamp")
            && within(self.was_published, "publish_timestamp")
    }

    /// Does an event match by its own tags, when nothing else is asked of its attributes?
    pub(crate) fn takes_bare(&self, head: &Map<String, Value>) -> bool {
        let others = [&self.value, &self.kind, &self.category, &self.object_name, &self.object_relation];
        let asks_more = others.iter().any(|f| f.is_some()) || self.to_ids.is_some() || self.attribute_changed.is_some();
        let tags = tag_names(head);
        let uuid = |w: &str| text(head, "uuid").eq_ignore_ascii_case(w);
        let of = |filter: &Option<Any>, is: &dyn Fn(&str) -> bool| filter.as_ref().is_none_or(|f| f.takes(is));
        !asks_more
            && of(&self.uuid, &uuid)
            && of(&self.tags, &|w| tags.iter().any(|t| like(w, t)))
            && of(&self.group, &|w| grouped(head, w))
            && of(&self.quick, &|w| like(w, text(head, "info")))
    }

    fn warned(&self, attribute: &Map<String, Value>) -> bool {
        self.warninglists.as_ref().is_some_and(|l| !l.warnings(text(attribute, "type"), text(attribute, "value")).is_empty())
    }

    /// Is an attribute shown with its event, which matches?
    pub(crate) fn lists(&self, attribute: &Map<String, Value>) -> bool {
        let tags = tag_names(attribute);
        let tagged = self.tags.iter().flat_map(|t| &t.no).any(|w| tags.iter().any(|t| like(w, t)));
        !tagged && !self.warned(attribute) && self.to_ids.is_none_or(|t| t == flag(attribute.get("to_ids")))
    }

    /// Are attributes left out of the events that are shown?
    pub(crate) fn trims(&self) -> bool {
        self.tags.iter().any(|t| !t.no.is_empty()) || self.to_ids.is_some() || self.warninglists.is_some()
    }

    /// How many of what is found are left out first, and after how many the list ends.
    pub(crate) fn window(&self) -> (usize, usize) {
        match self.limit {
            Some(limit) => (self.page.saturating_sub(1).saturating_mul(limit), self.page.saturating_mul(limit)),
            None if self.page > 1 => (0, 0),
            None => (0, usize::MAX),
        }
    }

    /// An event without the attributes that are asked not to be in it, as MISP answers: of others it shows the whole event.
    pub(crate) fn trimmed(&self, event: &[u8]) -> Vec<u8> {
        let Ok(mut whole) = serde_json::from_slice::<Value>(event) else { return Vec::new() };
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

    pub(crate) fn takes_attribute(&self, attribute: &Map<String, Value>, head: &Map<String, Value>) -> bool {
        let of = |filter: &Option<Any>, is: &dyn Fn(&str) -> bool| filter.as_ref().is_none_or(|f| f.takes(is));
        let value = text(attribute, "value");
        let parts = value.split_once('|');
        let anywhere = |w: &str| [value, text(attribute, "comment"), text(head, "info")].into_iter().any(|t| like(w, t));
        let is_value = |w: &str| like(w, value) || parts.is_some_and(|(a, b)| like(w, a) || like(w, b)) || (self.everywhere && anywhere(w));
        let mut tags = tag_names(attribute);
        tags.extend(tag_names(head));
        let uuids = [text(attribute, "uuid"), text(head, "uuid"), text(attribute, "object_uuid")];
        let at_s = number(attribute.get("timestamp"));
        of(&self.value, &is_value)
            && of(&self.quick, &anywhere)
            && of(&self.kind, &|w| like(w, text(attribute, "type")))
            && of(&self.category, &|w| like(w, text(attribute, "category")))
            && of(&self.tags, &|w| tags.iter().any(|t| like(w, t)))
            && of(&self.group, &|w| grouped(attribute, w) || (number(attribute.get("distribution")) == Some(5) && grouped(head, w)))
            && of(&self.uuid, &|w| uuids.iter().any(|u| u.eq_ignore_ascii_case(w)))
            && of(&self.object_name, &|w| like(w, text(attribute, "object_name")))
            && of(&self.object_relation, &|w| like(w, text(attribute, "object_relation")))
            && self.to_ids.is_none_or(|t| t == flag(attribute.get("to_ids")))
            && !self.warned(attribute)
            && self.attribute_changed.is_none_or(|(from, to)| at_s.is_some_and(|t| from <= t && t <= to))
            && (if flag(attribute.get("deleted")) { self.deleted.1 } else { self.deleted.0 })
    }

    pub(crate) fn cut<T>(&self, found: Vec<T>) -> Vec<T> {
        let (skip, most) = self.window();
        found.into_iter().take(most).skip(skip).collect()
    }
}

/// Is an element for that group?
fn grouped(fields: &Map<String, Value>, wanted: &str) -> bool {
    let uuid = fields.get("SharingGroup").and_then(|g| g.get("uuid")).and_then(Value::as_str).unwrap_or_default();
    number(fields.get("distribution")) == Some(4) && (text(fields, "sharing_group_id") == wanted || uuid.eq_ignore_ascii_case(wanted))
}

/// Is the value one that the search database has?
pub(crate) fn searchable(value: &str) -> bool {
    let short = value.len() <= limits::SEARCHED_VALUE_BYTES_MAX && value.contains(char::is_alphanumeric);
    short && time::to_us(value).is_none() && Id::parse(value).is_none()
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
