//! One object: what it says, how it is marked, what it has to do with others, and, for the holder's people, who may have it.
//!
//! The rule: what the reader may not hold is not here, and every part of the page is a question of its own to the reader's view.

use maud::{Markup, html};
use polder_release::{Form, Origin};
use polder_stix::Id;
use polder_store::{Query, Versions};
use serde_json::{Value, json};

use super::objects::{Seen, form_for, name_of};
use super::{copies, lift, preview};
use crate::desk::Right;
use crate::guard::{Answer, Asked, Read, Trouble};
use crate::markdown;
use crate::parts;
use crate::sink::Reply;
use crate::text::{cut, shown};
use crate::{limits, text};

/// The object of the address, in its last version or the one that is named, if the reader may hold it.
pub(crate) fn of_address<P>(asked: &Asked<'_, P>) -> Result<Seen, Trouble> {
    let id = Id::parse(asked.named("id")).ok_or(Trouble::NotFound)?;
    let version = asked.query("version");
    let versions = if version.is_empty() { Versions::last() } else { Versions { all: true, ..Versions::default() } };
    let query = Query { ids: Some(vec![id]), versions, newest_first: true, limit: Some(limits::HISTORY_MAX), ..Query::default() };
    let items = asked.view(&query, form_for(asked))?.items;
    let is_meant = |i: &polder_release::Item| {
        version.is_empty() || i.entry.version.map_or_else(|| polder_stix::time::from_us(i.entry.date_us), |v| v.to_string()) == version
    };
    items.into_iter().filter(is_meant).find_map(Seen::of).ok_or(Trouble::NotFound)
}

/// An object in its last version, if the reader may hold it.
pub(crate) fn latest<P>(asked: &Asked<'_, P>, id: &Id) -> Result<Option<Seen>, Trouble> {
    let query = Query { ids: Some(vec![id.clone()]), versions: Versions::last(), ..Query::default() };
    Ok(asked.view(&query, form_for(asked))?.items.into_iter().find_map(Seen::of))
}

pub(crate) fn raw(asked: &Asked<'_, Read>) -> Answer {
    let seen = of_address(asked)?;
    let id = seen.id();
    Ok(Reply::download(seen.item.bytes, "application/stix+json; version=2.1", &format!("{id}.json")))
}

pub(crate) fn show(asked: &Asked<'_, Read>) -> Answer {
    let seen = of_address(asked)?;
    let marking = seen.marking();
    let (id, kind) = (seen.id(), seen.text("type").to_owned());
    let house = asked.may(Right::Preview);
    let held = if house { preview::copies_held(asked, &seen.item.entry.id)? } else { Vec::new() };
    let own = held.iter().any(|c| c.origin == Origin::Own);
    let is_raised = !lift::tightened(asked, &seen.item.entry.id, &held).is_empty();
    let (sent, audience) = if house { (preview::sent(asked, &seen)?, preview::audience_of_each(asked, &id)?) } else { Default::default() };
    let main = html! {
        (parts::banner(&marking))
        header.object {
            p.kind { (cut(&kind)) }
            h1 { (cut(&seen.name())) }
            p.id { code { (id) } }
        }
        @if seen.is_redacted() {
            (parts::notice("info", &html! { p { "This is a redacted copy: parts that are not for you were taken out." } }))
        }
        @if house { (preview::taken_back(asked, &id, &sent, &audience)) }
        (actions(asked, &id, (own, is_raised)))
        div.columns-two id="object" data-live="view" {
            section aria-labelledby="says" {
                h2 id="says" { "What it says" }
                (properties(&seen.object, &named_in(asked, &seen.object)?))
                (members(asked, &seen)?)
                (relations(asked, &seen.item.entry.id)?)
            }
            div {
                @if house { div.house { (preview::section(asked, &seen, &audience)?) } }
                (history(asked, &seen)?)
                @if house { div.house { (copies::section(asked, &seen)?) (preview::holders(asked, &id, &sent)) } }
            }
        }
        (as_json(&seen.object))
        (parts::banner(&marking))
    };
    Ok(asked.page(&name_or_id(&seen), &main))
}

/// The beginning of it, where it is long.
fn as_json(object: &Value) -> Markup {
    let text = pretty(object);
    let first: String = text.chars().take(limits::JSON_CHARS_SHOWN).collect();
    let cut = first.len() < text.len();
    html! {
        details.raw {
            summary { "As JSON, as you may have it" }
            pre tabindex="0" { code { (shown_plain(&first)) } }
            @if cut { p.quiet { "The beginning is shown; \"Save as JSON\" has all of it." } }
        }
    }
}

fn name_or_id(seen: &Seen) -> String {
    let name = text::plain(&seen.name(), 80);
    if name.is_empty() { seen.id() } else { name }
}

pub(crate) fn pretty(object: &Value) -> String {
    serde_json::to_string_pretty(object).unwrap_or_default()
}

/// Text in which addresses stay as they are, since somebody copies it; nothing of it is a link.
fn shown_plain(text: &str) -> Markup {
    let visible: String = text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect();
    let odd = |c: char| !c.is_ascii() && shown(&c.to_string()).into_string().contains("U+");
    let escaped: String = visible.chars().map(|c| if odd(c) { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() }).collect();
    html! { (escaped) }
}

fn actions<P>(asked: &Asked<'_, P>, id: &str, (own, is_raised): (bool, bool)) -> Markup {
    // What a definition says is raised and widened by its author alone.
    let is_definition = id.starts_with("marking-definition--");
    html! {
        nav.actions aria-label="actions" {
            ul {
                @if own && asked.may(Right::Write) && !is_definition { li { a.button href=(format!("/console/objects/{id}/edit")) { "Edit…" } } }
                @if asked.may(Right::Tighten) && asked.may(Right::Preview) && !is_definition {
                    li { a.button href=(format!("/console/objects/{id}/mark")) { "Raise the marking…" } }
                    li { a.button href=(format!("/console/recall?id={id}")) { "Recall…" } }
                }
                @if own && asked.may(Right::Downgrade) && !is_definition { li { a.button href=(format!("/console/objects/{id}/widen")) { "Widen…" } } }
                @if is_raised && asked.may(Right::Downgrade) { li { a.button href=(format!("/console/objects/{id}/lift")) { "Lift what was raised here…" } } }
                @if asked.may(Right::Write) { li { a.button href=(format!("/console/new?kind=note&about={id}")) { "Write a note…" } } }
                li { a.button href=(format!("/console/objects/{id}/graph")) { "Graph" } }
                li { a.button href=(format!("/console/objects/{id}/raw")) { "Save as JSON" } }
            }
        }
    }
}

/// What is shown elsewhere on the page.
const ELSEWHERE: [&str; 6] = ["id", "type", "spec_version", "object_refs", "object_marking_refs", "granular_markings"];
/// Long texts, which many write with marks of formatting.
const FORMATTED: [&str; 3] = ["description", "content", "explanation"];
/// Items of a list that are shown.
const ITEMS_MAX: usize = 30;

/// Names of what an object names outside its lists of members, as far as they are in the view.
fn named_in<P>(asked: &Asked<'_, P>, object: &Value) -> Result<Names, Trouble> {
    const NAMED_MAX: usize = 200;
    let mut ids = Vec::new();
    let fields = object.as_object().into_iter().flatten().filter(|(k, _)| *k == "object_marking_refs" || !ELSEWHERE.contains(&k.as_str()));
    fields.for_each(|(_, value)| ids_in(value, &mut ids));
    ids.truncate(NAMED_MAX);
    named(asked, ids)
}

fn ids_in(value: &Value, ids: &mut Vec<Id>) {
    match value {
        Value::String(text) => ids.extend(Id::parse(text)),
        Value::Array(list) => list.iter().for_each(|v| ids_in(v, ids)),
        Value::Object(map) => map.values().for_each(|v| ids_in(v, ids)),
        _ => {}
    }
}

fn properties(object: &Value, names: &Names) -> Markup {
    let fields = object.as_object().into_iter().flatten().filter(|(k, _)| !ELSEWHERE.contains(&k.as_str()));
    html! {
        dl.properties {
            @for (key, value) in fields { dt { (cut(key)) } dd { @if let Some(text) = value.as_str().filter(|_| FORMATTED.contains(&key.as_str())) { (markdown::text(text)) } @else { (property(value, names, 0)) } } }
            @if let Some(marks) = object.get("object_marking_refs") { dt { "markings" } dd { (property(marks, names, 0)) } }
        }
    }
}

/// A link to what an id names: by its level, its name, or itself.
fn reference(id: &Id, names: &Names) -> Markup {
    if let Some(level) = polder_release::predefined(id) {
        return parts::level(Some(level));
    }
    parts::object_link(&id.to_string(), names.get(id).map_or("", String::as_str))
}

fn property(value: &Value, names: &Names, depth: usize) -> Markup {
    const DEPTH_MAX: usize = 6;
    html! {
        @match value {
            Value::String(text) => { @if let Some(id) = Id::parse(text) { (reference(&id, names)) } @else { span.value { (shown(text)) } } }
            Value::Array(list) if depth < DEPTH_MAX => {
                ul { @for item in list.iter().take(ITEMS_MAX) { li { (property(item, names, depth + 1)) } } }
                @if list.len() > ITEMS_MAX { p.quiet { "and " (list.len() - ITEMS_MAX) " more, in the JSON below" } }
            }
            Value::Object(map) if depth < DEPTH_MAX => {
                dl { @for (key, value) in map.iter().take(ITEMS_MAX) { dt { (cut(key)) } dd { (property(value, names, depth + 1)) } } }
                @if map.len() > ITEMS_MAX { p.quiet { "and " (map.len() - ITEMS_MAX) " more, in the JSON below" } }
            }
            Value::Array(_) | Value::Object(_) => { span.quiet { "deeper, in the JSON below" } }
            other => { (other.to_string()) }
        }
    }
}

/// What it is about, a page at a time, each with its name if the reader may hold it.
fn members<P>(asked: &Asked<'_, P>, seen: &Seen) -> Result<Markup, Trouble> {
    let all: Vec<Id> = seen.object.get("object_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).filter_map(Id::parse).collect();
    if all.is_empty() {
        return Ok(html! {});
    }
    let from = asked.query("from").parse::<usize>().unwrap_or(0).min(all.len());
    let here: Vec<Id> = all.iter().skip(from).take(limits::PAGE_MEMBERS).cloned().collect();
    let names = named(asked, here.clone())?;
    let to = from + here.len();
    let at = |from: usize| format!("/console/objects/{}?from={from}#members", seen.id());
    Ok(html! {
        h2 id="members" { "Objects it is about" }
        p.quiet { (from + 1) " to " (to) " of " (all.len()) " shown" }
        ul.members { @for id in &here { li { span.kind { (cut(&id.kind)) } " " (parts::object_link(&id.to_string(), names.get(id).map_or("", String::as_str))) } } }
        p.pager {
            @if from > 0 { a rel="prev" href=(at(from.saturating_sub(limits::PAGE_MEMBERS))) { "Earlier ones" } " " }
            @if to < all.len() { a rel="next" href=(at(to)) { "Further ones" } }
        }
    })
}

pub(crate) type Names = std::collections::HashMap<Id, String>;

/// What these are called, as far as they are in the view.
pub(crate) fn named<P>(asked: &Asked<'_, P>, ids: Vec<Id>) -> Result<Names, Trouble> {
    if ids.is_empty() {
        return Ok(Names::new());
    }
    let page = asked.view(&Query { ids: Some(ids), versions: Versions::last(), ..Query::default() }, Form::Whole)?;
    Ok(page.items.into_iter().filter_map(Seen::of).map(|s| (s.item.entry.id.clone(), s.name())).collect())
}

/// What refers to it.
fn relations<P>(asked: &Asked<'_, P>, id: &Id) -> Result<Markup, Trouble> {
    let (items, more) = asked.referrers(id, limits::RELATIONS_MAX)?;
    let found: Vec<Seen> = items.into_iter().filter_map(Seen::of).collect();
    let own = id.to_string();
    let other = |s: &Seen| ["source_ref", "target_ref"].iter().map(|k| s.text(k)).find(|end| *end != own).and_then(Id::parse);
    let ends: Vec<Id> = found.iter().filter(|s| s.text("type") == "relationship").filter_map(other).collect();
    let names = named(asked, ends)?;
    Ok(html! {
        section aria-labelledby="relations" {
            h2 id="relations" { "Refers to it" }
            @if found.is_empty() { p.quiet { "Nothing that is here for you." } }
            ul.relations {
                @for one in &found {
                    li {
                        @if one.text("type") == "relationship" { (relationship(one, &own, &names)) }
                        @else { span.kind { (cut(one.text("type"))) } " " (parts::object_link(&one.id(), &one.name())) }
                    }
                }
            }
            @if more { p.quiet { "The latest " (limits::RELATIONS_MAX) " are shown." } }
        }
    })
}

fn relationship(one: &Seen, own: &str, names: &Names) -> Markup {
    let from_here = one.text("source_ref") == own;
    let end = one.text(if from_here { "target_ref" } else { "source_ref" });
    let id = Id::parse(end);
    let name = id.as_ref().and_then(|id| names.get(id)).map_or("", String::as_str);
    let kind = id.as_ref().map_or("", |id| &*id.kind);
    let verb = parts::object_link(&one.id(), one.text("relationship_type"));
    html! {
        @if id.is_none() { (verb) " " (cut(end)) }
        @else if from_here { (verb) " → " span.kind { (cut(kind)) } " " (parts::object_link(end, name)) }
        @else { span.kind { (cut(kind)) } " " (parts::object_link(end, name)) " → " (verb) " this" }
    }
}

/// Its versions that the reader may hold.
fn history<P>(asked: &Asked<'_, P>, seen: &Seen) -> Result<Markup, Trouble> {
    let versions = Versions { all: true, ..Versions::default() };
    let query = Query { ids: Some(vec![seen.item.entry.id.clone()]), versions, newest_first: true, limit: Some(limits::HISTORY_MAX), ..Query::default() };
    let page = asked.view(&query, Form::Listed)?;
    let id = seen.id();
    Ok(html! {
        section aria-labelledby="history" {
            h2 id="history" { "Versions" }
            ol.history {
                @for item in &page.items {
                    @let version = item.entry.version.map_or_else(|| polder_stix::time::from_us(item.entry.date_us), |v| v.to_string());
                    li {
                        a href=(format!("/console/objects/{id}?version={version}")) { (parts::moment_text(&version)) }
                        span.quiet { " here since " (parts::moment(item.entry.date_us)) }
                        @if item.entry.position == seen.item.entry.position { " " strong { "this one" } }
                    }
                }
            }
        }
    })
}

/// Name of an object in the view, for a sentence about it.
pub(crate) fn name_in_view<P>(asked: &Asked<'_, P>, id: &str) -> Result<Option<String>, Trouble> {
    let Some(id) = Id::parse(id) else { return Ok(None) };
    let page = asked.view(&Query { ids: Some(vec![id]), versions: Versions::last(), ..Query::default() }, Form::Whole)?;
    Ok(page.items.into_iter().filter_map(Seen::of).next().map(|s| name_of(&s.object)))
}

/// The request of the command line's about this object.
pub(crate) fn about(verb: &str, id: &str) -> Value {
    json!({"do": verb, "id": id})
}
