//! What of a MISP element is kept: every field but those that mean something only on the machine it came from.
//!
//! The rule: local numbers, counts and analysts' addresses are never kept; parts with a smaller audience than their element are marked one by one.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::aside::ANALYST_DATA;
use super::ids::{derived, uuid};
use super::marks::Marks;
use crate::model::{SharingGroup, Tag};

/// Numbers of rows of one MISP's database.
const LOCAL: &[&str] = &[
    "id",
    "attribute_id",
    "event_id",
    "event_org_id",
    "galaxy_cluster_id",
    "galaxy_id",
    "object_id",
    "old_id",
    "org_id",
    "orgc_id",
    "referenced_id",
    "server_id",
    "sharing_group_id",
    "sync_user_id",
    "tag_id",
    "user_id",
];

/// Addresses of analysts.
const NEVER: &[&str] = &["event_creator_email"];

/// A whole number, written as one or as a text.
pub(crate) fn number(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.trim().parse().ok(),
        Value::Bool(b) => Some(i64::from(*b)),
        _ => None,
    }
}

/// A yes or no, written as a boolean, a number or a text.
pub(crate) fn flag(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || number(value).is_some_and(|n| n != 0) || value.and_then(Value::as_str) == Some("true")
}

/// A text; empty for anything else.
pub(crate) fn text<'v>(map: &'v Map<String, Value>, key: &str) -> &'v str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Takes out what is never kept, at any depth.
pub(crate) fn clean(map: &mut Map<String, Value>) {
    map.retain(|key, value| !(NEVER.contains(&key.as_str()) || LOCAL.contains(&key.as_str()) && is_number(value)));
    for (key, value) in map.iter_mut() {
        match value {
            // What a cluster says of itself is content, whatever it is called.
            _ if key == "meta" || key == "GalaxyElement" => {}
            // As PHP writes a list that lost its first.
            Value::Object(inner) if key == "ShadowAttribute" => inner.values_mut().filter_map(Value::as_object_mut).for_each(|inner| {
                inner.shift_remove("email");
                clean(inner);
            }),
            Value::Object(inner) => clean(inner),
            Value::Array(list) => list.iter_mut().filter_map(Value::as_object_mut).for_each(|inner| {
                if key == "ShadowAttribute" {
                    inner.shift_remove("email");
                }
                clean(inner);
            }),
            _ => {}
        }
    }
}

fn is_number(value: &Value) -> bool {
    match value {
        Value::Null | Value::Number(_) => true,
        Value::String(s) => s.bytes().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

/// What stands apart from an element's fields.
#[derive(Default)]
pub(crate) struct Apart {
    /// What is for whose element it is alone: counts, tags that stay, parts with a smaller audience, and where they stood.
    pub(crate) local: Map<String, Value>,
    /// What analysts wrote about it, and about that.
    pub(crate) analysts: Vec<Analyst>,
}

/// Something an analyst wrote.
pub(crate) struct Analyst {
    pub(crate) kind: &'static str,
    /// The UUID of what it is about.
    pub(crate) about: String,
    pub(crate) fields: Map<String, Value>,
    pub(crate) marks: BTreeSet<String>,
}

/// A moment as MISP writes it, of one that may be written as ISO 8601 has it.
pub(crate) fn written_moment(at: &str) -> String {
    let at = at.get(..19).filter(|_| at.contains('T')).unwrap_or(at);
    at.replace('T', " ")
}

/// What moves with parts that a reader may know nothing of, or says something of them.
const LOCAL_STATE: [&str; 12] = [
    "attribute_count",
    "RelatedEvent",
    "RelatedAttribute",
    "sighting_timestamp",
    "Feed",
    "warnings",
    "User",
    "Server",
    "ExtendedBy",
    "EventWarnings",
    "EventDelegation",
    "Event",
];

/// Lists of tags.
const TAG_LISTS: [&str; 2] = ["Tag", "EventTag"];

/// Before the name of a list, the entries of it that stay here, and where they stood.
const STAYING: &str = "local:";
/// The parts that stay here.
const PARTS: &str = "local";

/// Takes out of an element what is not for everyone who may have the element.
pub(crate) fn take_apart(fields: &mut Map<String, Value>, uuid: &str, marked: &BTreeSet<String>, marks: &mut Marks<'_>) -> Apart {
    let mut apart = Apart::default();
    take_analysts(fields, uuid, marked, marks, &mut apart);
    for key in LOCAL_STATE {
        apart.local.extend(fields.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
    // A group that names strangers, or that others may add to, is known to whose it is; the rest read what their label says.
    let group = fields.get("SharingGroup").filter(|g| !g.is_null() && **g != Value::Array(Vec::new()));
    if group.is_some_and(|g| !SharingGroup::deserialize(g).is_ok_and(|g| marks.is_closed(&g))) {
        apart.local.extend(fields.shift_remove("SharingGroup").map(|group| ("SharingGroup".to_owned(), group)));
    }
    let mut staying_names = BTreeSet::new();
    for key in TAG_LISTS {
        take_tags(fields, key, &mut apart.local, &mut staying_names);
    }
    take_galaxies(fields, marked, &staying_names, marks, &mut apart.local);
    apart
}

/// All that analysts wrote becomes rows of its own, each marked as what it is about and as it says itself.
fn take_analysts(map: &mut Map<String, Value>, about: &str, marked: &BTreeSet<String>, marks: &mut Marks<'_>, apart: &mut Apart) {
    for kind in ANALYST_DATA {
        let Some(value) = map.get_mut(kind) else { continue };
        let Value::Array(list) = value else {
            // In any other shape it is kept for whose it is.
            apart.local.extend(map.shift_remove(kind).map(|value| (kind.to_owned(), value)));
            continue;
        };
        let mut odd = Vec::new();
        for inner in std::mem::take(list) {
            let Value::Object(mut inner) = inner else {
                odd.push(inner);
                continue;
            };
            let mut joined = marked.clone();
            joined.extend(distribution_of(&inner, marks));
            let given = text(&inner, "uuid");
            let own = uuid(given).unwrap_or_else(|| derived(&["analyst", kind, about, &Value::Object(inner.clone()).to_string()]));
            let at = apart.analysts.len();
            take_analysts(&mut inner, &own, &joined, marks, apart);
            if uuid(text(&inner, "uuid")).is_none() {
                inner.insert("uuid".to_owned(), own.into());
            }
            // What something is about comes before it.
            apart.analysts.insert(at, Analyst { kind, about: about.to_owned(), fields: inner, marks: joined });
        }
        if odd.is_empty() {
            map.shift_remove(kind);
        } else {
            apart.local.insert(kind.to_owned(), odd.into());
            map.shift_remove(kind);
        }
    }
}

fn take_tags(fields: &mut Map<String, Value>, key: &str, local: &mut Map<String, Value>, names: &mut BTreeSet<String>) {
    let Some(value) = fields.get_mut(key) else { return };
    let Value::Array(list) = value else {
        if !value.is_null() {
            local.extend(fields.shift_remove(key).map(|value| (key.to_owned(), value)));
        }
        return;
    };
    let (mut kept, mut staying) = (Vec::new(), Vec::new());
    for (n, tag) in std::mem::take(list).into_iter().enumerate() {
        if tag.as_object().is_none_or(stays) {
            names.extend(tag.get("Tag").unwrap_or(&tag).get("name").and_then(Value::as_str).map(str::to_owned));
            staying.push(Value::Array(vec![n.into(), tag]));
        } else {
            kept.push(tag);
        }
    }
    if staying.is_empty() {
        *list = kept;
        return;
    }
    local.insert(format!("{STAYING}{key}"), staying.into());
    // An empty list would say that something was in it.
    if kept.is_empty() {
        fields.shift_remove(key);
    } else {
        *list = kept;
    }
}

/// Clusters that are local, or for fewer than the element, stay; with the last of them the galaxy they are of.
fn take_galaxies(
    fields: &mut Map<String, Value>,
    marked: &BTreeSet<String>,
    staying: &BTreeSet<String>,
    marks: &mut Marks<'_>,
    local: &mut Map<String, Value>,
) {
    let Some(value) = fields.get_mut("Galaxy") else { return };
    let Value::Array(galaxies) = value else {
        if !value.is_null() {
            local.extend(fields.shift_remove("Galaxy").map(|value| ("Galaxy".to_owned(), value)));
        }
        return;
    };
    let mut parts: Vec<Value> = Vec::new();
    let mut kept = Vec::with_capacity(galaxies.len());
    for (n, mut galaxy) in std::mem::take(galaxies).into_iter().enumerate() {
        let whole = galaxy.clone();
        let mut own = Vec::new();
        let all_stay = match galaxy.get_mut("GalaxyCluster") {
            None => !galaxy.is_object(),
            Some(Value::Array(clusters)) if clusters.is_empty() => false,
            Some(Value::Array(clusters)) => {
                let mut open = Vec::with_capacity(clusters.len());
                for (m, cluster) in std::mem::take(clusters).into_iter().enumerate() {
                    if cluster.as_object().is_none_or(|c| cluster_stays(c, marked, staying, marks)) {
                        own.push(json!({"at": format!("/Galaxy/{n}/GalaxyCluster/{m}"), "part": cluster}));
                    } else {
                        open.push(cluster);
                    }
                }
                *clusters = open;
                clusters.is_empty()
            }
            Some(_) => true,
        };
        if all_stay {
            parts.push(json!({"at": format!("/Galaxy/{n}"), "part": whole}));
        } else {
            parts.extend(own);
            kept.push(galaxy);
        }
    }
    if parts.is_empty() {
        *galaxies = kept;
        return;
    }
    // Whole galaxies first, so that the places of the clusters are right again.
    parts.sort_by_key(|part| part.get("at").and_then(Value::as_str).map_or(0, |at| at.matches('/').count()));
    local.insert(PARTS.to_owned(), parts.into());
    if kept.is_empty() {
        fields.shift_remove("Galaxy");
    } else {
        *galaxies = kept;
    }
}

fn cluster_stays(cluster: &Map<String, Value>, marked: &BTreeSet<String>, staying: &BTreeSet<String>, marks: &mut Marks<'_>) -> bool {
    let narrower = |map: &Map<String, Value>, marks: &mut Marks<'_>| distribution_of(map, marks).iter().any(|mark| !marked.contains(mark));
    // A cluster out of MISP's library is everybody's, whatever it says of itself.
    let library = flag(cluster.get("default"));
    let relations = cluster.get("GalaxyClusterRelation");
    let relation_stays = match relations {
        None | Some(Value::Null) => false,
        Some(Value::Array(list)) => list.iter().any(|r| r.as_object().is_none_or(|r| narrower(r, marks))),
        Some(_) => true,
    };
    flag(cluster.get("local")) || staying.contains(text(cluster, "tag_name")) || (!library && narrower(cluster, marks)) || (!library && relation_stays)
}

/// Puts back what was taken out and kept for whose it is.
pub(crate) fn put_local(fields: &mut Map<String, Value>, local: Map<String, Value>) {
    for (key, value) in local {
        if key == PARTS {
            put_parts(fields, &value);
            continue;
        }
        let Some(list) = key.strip_prefix(STAYING) else {
            fields.insert(key, value);
            continue;
        };
        let Some(tags) = fields.entry(list).or_insert_with(|| Value::Array(Vec::new())).as_array_mut() else { continue };
        for entry in value.as_array().into_iter().flatten() {
            let (Some(n), Some(tag)) = (entry.get(0).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()), entry.get(1)) else { continue };
            tags.insert(n.min(tags.len()), tag.clone());
        }
    }
}

fn put_parts(fields: &mut Map<String, Value>, parts: &Value) {
    for part in parts.as_array().into_iter().flatten() {
        let (Some(at), Some(value)) = (part.get("at").and_then(Value::as_str), part.get("part")) else { continue };
        let Some((list, n)) = at.rsplit_once('/') else { continue };
        let Ok(n) = n.parse::<usize>() else { continue };
        if let Some(list) = list_at(fields, list) {
            list.insert(n.min(list.len()), value.clone());
        }
    }
}

fn list_at<'m>(fields: &'m mut Map<String, Value>, at: &str) -> Option<&'m mut Vec<Value>> {
    let mut keys = at.split('/').skip(1);
    let mut list = fields.entry(keys.next()?).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?;
    while let Some(n) = keys.next() {
        let inner = list.get_mut(n.parse::<usize>().ok()?)?.as_object_mut()?;
        list = inner.entry(keys.next()?).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?;
    }
    Some(list)
}

/// Is the tag one that never leaves? One of which that cannot be read is.
pub(crate) fn stays(tag: &Map<String, Value>) -> bool {
    let inner = tag.get("Tag").and_then(Value::as_object).unwrap_or(tag);
    let read = |value: Option<&Value>| match value {
        None | Some(Value::Null) => None,
        Some(value) => Some(match value {
            Value::Bool(b) => Ok(*b),
            Value::String(s) if s.is_empty() => Ok(false),
            Value::String(s) if s == "true" || s == "false" => Ok(s == "true"),
            other => number(Some(other)).map(|n| n != 0).ok_or(()),
        }),
    };
    let local = [tag.get("local"), inner.get("local")].into_iter().filter_map(read).any(|l| l != Ok(false));
    local || read(inner.get("exportable")).is_some_and(|e| e != Ok(true))
}

/// No distribution MISP has, so that nobody explains it.
const UNREADABLE: i64 = -1;

fn distribution_of(map: &Map<String, Value>, marks: &mut Marks<'_>) -> Vec<String> {
    let group = map.get("SharingGroup").and_then(|g| SharingGroup::deserialize(g).ok());
    let given = map.get("distribution").filter(|d| !d.is_null() && **d != "");
    match (given, number(given)) {
        // What cannot be read is not taken for nothing.
        (Some(_), None) => marks.of_distribution(Some(UNREADABLE), group.as_ref()),
        (_, number) => marks.of_distribution(number, group.as_ref()),
    }
}

/// The tags of an element, and of the clusters in it; of what cannot be read as a tag, the text it is.
pub(crate) fn tags(map: &Map<String, Value>) -> Vec<Tag> {
    let whole = |tag: &Value| match Tag::deserialize(tag.get("Tag").filter(|t| t.is_object()).unwrap_or(tag)) {
        Ok(tag) if !tag.name.is_empty() => tag,
        _ => {
            let mut said = tag.get("Tag").filter(|t| t.is_object()).unwrap_or(tag).get("name").and_then(Value::as_str).map(str::to_owned);
            let name = said.take().unwrap_or_else(|| format!("tlp:unreadable {tag}"));
            Tag { name, ..Tag::default() }
        }
    };
    let mut all = Vec::new();
    for key in TAG_LISTS {
        match map.get(key) {
            Some(Value::Array(list)) => all.extend(list.iter().map(whole)),
            Some(Value::Object(odd)) => all.extend(odd.values().map(whole)),
            _ => {}
        }
    }
    let clusters = map.get("Galaxy").and_then(Value::as_array).into_iter().flatten().filter_map(|g| g.get("GalaxyCluster")?.as_array()).flatten();
    all.extend(clusters.filter_map(|c| Some(Tag { name: c.get("tag_name")?.as_str()?.to_owned(), ..Tag::default() })));
    all
}
