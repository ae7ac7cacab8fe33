//! The list of objects: newest first, searched as somebody types, with the columns somebody wants; all of it in the address.
//!
//! The rule: a page is cut by the date an object came into this reader's view, so it costs the same however much there is; nothing is counted.

use std::collections::BTreeSet;

use maud::{Markup, html};
use polder_release::{Form, Item, Level, predefined};
use polder_stix::{Id, time};
use polder_store::{Find, Query, Versions};
use serde_json::Value;

use super::object::{self, Names};
use crate::desk::Right;
use crate::guard::{Answer, Asked, Read, Trouble};
use crate::parts::{self, Marking};
use crate::sink::Reply;
use crate::{limits, text};

/// What a list can show beside the name.
const COLUMNS: [(&str, &str); 7] = [
    ("type", "Type"),
    ("marking", "Marking"),
    ("modified", "Version"),
    ("added", "Seen here since"),
    ("author", "Author"),
    ("labels", "Labels"),
    ("confidence", "Confidence"),
];
const SHOWN: [&str; 4] = ["type", "marking", "modified", "added"];

/// An object as the reader has it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) item: Item,
    pub(crate) object: Value,
}

impl Seen {
    pub(crate) fn of(item: Item) -> Option<Self> {
        let object = serde_json::from_slice(&item.bytes).ok()?;
        Some(Self { item, object })
    }

    pub(crate) fn id(&self) -> String {
        self.item.entry.id.to_string()
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.object.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn name(&self) -> String {
        name_of(&self.object)
    }

    /// Is this the reader's copy, with parts taken out?
    pub(crate) fn is_redacted(&self) -> bool {
        self.object.pointer(&format!("/extensions/{}", polder_stix::ext::DERIVED)).is_some()
    }

    /// How it is marked: for the holder's people as the label in force says, for others as their copy says.
    pub(crate) fn marking(&self) -> Marking {
        match &self.item.label {
            Some(label) => Marking::of(&label.0),
            None => marking_of(&self.object),
        }
    }
}

/// What an object is called on a page: addresses so that nothing opens them.
pub(crate) fn name_of(object: &Value) -> String {
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
    let name = name_as_written(object);
    let is_address = matches!(kind, "domain-name" | "ipv4-addr" | "ipv6-addr" | "email-addr" | "url") && object.get("value").is_some();
    if is_address { text::defanged_name(&name) } else { name }
}

/// What an object is called, as it says it.
pub(crate) fn name_as_written(object: &Value) -> String {
    let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|t| !t.trim().is_empty());
    let first = ["value", "name", "pattern", "relationship_type", "abstract", "path", "key", "subject", "result_name", "opinion", "content", "definition_type"];
    // A bare id tells nobody anything; its type and its beginning tell at least two apart.
    let short =
        || text("id").and_then(|id| id.split_once("--")).map(|(kind, uuid)| format!("{} {}", kind.replace('-', " "), uuid.chars().take(8).collect::<String>()));
    first.iter().find_map(|k| text(k).map(str::to_owned)).or_else(short).unwrap_or_default()
}

fn marking_of(object: &Value) -> Marking {
    let ids = object.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).filter_map(Id::parse);
    let (known, others): (Vec<Option<Level>>, Vec<Option<Level>>) = ids.map(|id| predefined(&id)).partition(Option::is_some);
    let more = if others.is_empty() { Vec::new() } else { vec![format!("{} more marking(s)", others.len())] };
    Marking { level: known.into_iter().flatten().max(), more }
}

/// The form in which a person's view is asked for.
pub(crate) fn form_for<P>(asked: &Asked<'_, P>) -> Form {
    if asked.may(Right::Preview) { Form::Labelled } else { Form::Whole }
}

pub(crate) fn home(_: &Asked<'_, Read>) -> Answer {
    Ok(Reply::see("/console/objects"))
}

/// What the address asks for.
struct Wanted<'w> {
    words: &'w str,
    kinds: Vec<&'w str>,
    level: &'w str,
    source: &'w str,
    author: Option<Id>,
    since_us: Option<i64>,
    until_us: Option<i64>,
    before_us: Option<i64>,
    columns: Vec<&'static str>,
}

fn moment(text: &str) -> Result<Option<i64>, Trouble> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = time::to_us(text).or_else(|| time::to_us(&format!("{text}T00:00:00Z")));
    read.map(Some).ok_or_else(|| Trouble::bad(format!("`{text}` is not a time"), "write it like 2026-01-31 or 2026-01-31T12:00:00Z, in UTC"))
}

impl<'w> Wanted<'w> {
    fn of<P>(asked: &'w Asked<'_, P>) -> Result<Self, Trouble> {
        let named: Vec<&'static str> = COLUMNS.iter().map(|c| c.0).filter(|c| asked.sent.query.iter().any(|(k, v)| k == "col" && v == c)).collect();
        let chosen = asked.sent.query.iter().any(|(k, _)| k == "col");
        Ok(Self {
            words: asked.query("q"),
            kinds: Some(asked.query("type")).into_iter().filter(|t| !t.is_empty()).collect(),
            // Of the holder's people alone: a level in force may come of what others may not hold.
            level: if asked.may(Right::Preview) { asked.query("level") } else { "" },
            source: if asked.may(Right::Preview) { asked.query("source") } else { "" },
            author: Id::parse(asked.query("author")),
            since_us: moment(asked.query("since"))?,
            until_us: moment(asked.query("until"))?,
            before_us: moment(asked.query("before"))?,
            columns: if chosen { named } else { SHOWN.to_vec() },
        })
    }

    /// The address of the same list, from another place on.
    fn address(&self, before_us: Option<i64>, query: &[(String, String)]) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        for (key, value) in query.iter().filter(|(k, v)| !v.is_empty() && k != "before") {
            out.append_pair(key, value);
        }
        if let Some(before) = before_us {
            out.append_pair("before", &time::from_us(before));
        }
        format!("/console/objects?{}", out.finish())
    }
}

/// Objects of the reader's view, newest first, one more than a page holds if there are more.
/// The other value says from where on to look further, where so many were looked at that the page ends before it is full.
fn found<P>(asked: &Asked<'_, P>, wanted: &Wanted<'_>) -> Result<(Vec<Seen>, Option<i64>), Trouble> {
    let most = limits::PAGE_OBJECTS + 1;
    // Few of those that refer to an author were written by it, perhaps.
    let page_of = if wanted.author.is_some() { limits::REFERRERS_PAGE } else { most };
    let types = (!wanted.kinds.is_empty()).then(|| wanted.kinds.iter().map(|k| (*k).into()).collect());
    let until_us = [wanted.until_us, wanted.before_us].into_iter().flatten().min();
    let form = form_for(asked);
    let words: Vec<String> = wanted.words.split_whitespace().map(as_stored).filter(|w| w.contains(char::is_alphanumeric)).take(32).map(str::to_owned).collect();
    let levels = levels_of(wanted.level)?;
    let sources = (!wanted.source.is_empty()).then(|| vec![wanted.source.into()]);
    let narrowed = |query: Query| Query { newest_first: true, levels: levels.clone(), sources: sources.clone(), refers_to: wanted.author.clone(), ..query };
    let wrote = |seen: &Seen| wanted.author.as_ref().is_none_or(|author| seen.text("created_by_ref") == author.to_string());
    let queries: Box<dyn Iterator<Item = Query>> = if words.is_empty() {
        let added_after_us = wanted.since_us.map(|s| s.saturating_sub(1));
        Box::new(std::iter::once(Query {
            added_after_us,
            added_before_us: until_us,
            types,
            versions: Versions::last(),
            limit: Some(page_of),
            ..Query::default()
        }))
    } else {
        let find = Find { words, types, refers_to: None, since_us: wanted.since_us, until_us };
        Box::new(asked.app.store.candidates(&asked.person.recipient, &find)?)
    };
    let (mut out, mut looked_at) = (Vec::new(), 0);
    for query in queries {
        let mut query = narrowed(query);
        loop {
            let page = asked.view(&query, form)?;
            looked_at += page.items.len();
            let last_us = page.items.last().map(|item| item.entry.date_us);
            out.extend(page.items.into_iter().filter_map(Seen::of).filter(wrote));
            match page.next {
                Some(_) if out.len() < most && looked_at >= limits::LIST_LOOKED_AT_MAX => return Ok((out, last_us)),
                Some(next) if out.len() < most => query.after = Some(next),
                _ => break,
            }
        }
        if out.len() >= most {
            break;
        }
    }
    Ok((out, None))
}

/// A word as objects have it: an address is often pasted with a scheme, or as a network of one.
fn as_stored(word: &str) -> &str {
    let schemes = ["https://", "http://", "hxxps://", "hxxp://"];
    let has = |scheme: &&str| word.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let word = schemes.iter().find(|s| has(s)).and_then(|scheme| word.get(scheme.len()..)).filter(|rest| !rest.is_empty()).unwrap_or(word);
    let alone = |end: &str| word.strip_suffix(end).filter(|address| address.parse::<std::net::IpAddr>().is_ok());
    alone("/32").or_else(|| alone("/128")).unwrap_or(word)
}

/// What a choice of a level means.
fn levels_of(chosen: &str) -> Result<Option<Vec<Option<Level>>>, Trouble> {
    Ok(match chosen {
        "" => None,
        "none" => Some(vec![None]),
        name => Some(vec![Some(Level::parse(name).ok_or_else(|| Trouble::bad(format!("`{name}` is no TLP level"), "choose one of the list"))?)]),
    })
}

/// The latest objects of these types that have these words in their names and values.
pub(crate) fn matching<P>(asked: &Asked<'_, P>, words: &str, types: &[&str], most: usize) -> Result<Vec<Seen>, Trouble> {
    let wanted =
        Wanted { words, kinds: types.to_vec(), level: "", source: "", author: None, since_us: None, until_us: None, before_us: None, columns: Vec::new() };
    let mut seen = if words.is_empty() { Vec::new() } else { found(asked, &wanted)?.0 };
    seen.truncate(most);
    Ok(seen)
}

pub(crate) fn list(asked: &Asked<'_, Read>) -> Answer {
    let wanted = Wanted::of(asked)?;
    if let (Some(since), Some(until)) = (wanted.since_us, wanted.until_us)
        && since > until
    {
        return Err(Trouble::bad("the first day lies after the last", "exchange them"));
    }
    let (mut seen, cut_us) = found(asked, &wanted)?;
    let more = seen.len() > limits::PAGE_OBJECTS;
    seen.truncate(limits::PAGE_OBJECTS);
    let last_us = seen.last().filter(|_| more).map(|s| s.item.entry.date_us).or(cut_us);
    let next = last_us.map(|us| wanted.address(Some(us), &asked.sent.query));
    let ends = ends(asked, &seen)?;
    let results = results(asked, &wanted, (&seen, &ends), next.as_deref());
    if asked.sent.partial {
        return Ok(Reply::page(results));
    }
    let main = html! {
        h1 { "Objects" }
        (filters(&wanted, asked))
        (results)
    };
    Ok(asked.page("Objects", &main))
}

fn filters<P>(wanted: &Wanted<'_>, asked: &Asked<'_, P>) -> Markup {
    html! {
        form.filters role="search" method="get" action="/console/objects" hx-get="/console/objects" hx-target="#results" hx-swap="outerHTML"
            hx-trigger="input changed delay:250ms from:#q, change, submit" hx-push-url="true" {
            div.field.grow {
                label for="q" { "Search names and values" }
                input id="q" name="q" type="search" value=(wanted.words) placeholder="words of at least three letters" autocomplete="off" spellcheck="false";
            }
            div.field {
                label for="type" { "Type" }
                (type_choice(wanted.kinds.first().copied().unwrap_or_default()))
            }
            @if asked.may(Right::Preview) {
                div.field { label for="level" { "Marking" } (level_choice(wanted.level)) }
                div.field { label for="source" { "Source" } (source_choice(asked, wanted.source)) }
            }
            @if let Some(author) = &wanted.author { div.field { label for="author" { "Author" } input id="author" name="author" value=(author.to_string()); } }
            div.field { label for="since" { "Seen here since" } input id="since" name="since" type="date" value=(asked.query("since")); }
            div.field { label for="until" { "until" } input id="until" name="until" type="date" value=(asked.query("until")); }
            details.columns {
                summary { "Columns" }
                fieldset {
                    legend.hidden { "Columns" }
                    @for (key, word) in COLUMNS {
                        label { input type="checkbox" name="col" value=(key) checked[wanted.columns.contains(&key)]; " " (word) }
                    }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

fn level_choice(chosen: &str) -> Markup {
    let levels = parts::LEVELS.map(|l| (l.name(), l.label()));
    let options: Vec<(&str, &str)> = std::iter::once(("", "any")).chain(levels).chain([("none", "no TLP level")]).collect();
    parts::choice("level", &options, chosen)
}

fn source_choice<P>(asked: &Asked<'_, P>, chosen: &str) -> Markup {
    let told = asked.ask(serde_json::json!({"do": "source-list"}), &[]).unwrap_or_default();
    let names: Vec<String> = told
        .get("sources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|s| s.get("name").and_then(Value::as_str).map(str::to_owned))
        .chain(Some(chosen.to_owned()).filter(|c| !c.is_empty()))
        .collect();
    let mut options: Vec<(&str, &str)> = std::iter::once(("", "any")).chain(names.iter().map(|n| (n.as_str(), n.as_str()))).collect();
    options.dedup();
    parts::choice("source", &options, chosen)
}

fn type_choice(chosen: &str) -> Markup {
    const TYPES: [&str; 30] = [
        "indicator",
        "report",
        "malware",
        "threat-actor",
        "intrusion-set",
        "campaign",
        "attack-pattern",
        "vulnerability",
        "tool",
        "infrastructure",
        "course-of-action",
        "identity",
        "incident",
        "observed-data",
        "sighting",
        "relationship",
        "note",
        "opinion",
        "grouping",
        "location",
        "domain-name",
        "ipv4-addr",
        "ipv6-addr",
        "url",
        "file",
        "email-addr",
        "software",
        "network-traffic",
        "marking-definition",
        "malware-analysis",
    ];
    html! {
        select id="type" name="type" {
            option value="" selected[chosen.is_empty()] { "any" }
            @for kind in TYPES { option value=(kind) selected[kind == chosen] { (kind) } }
            @if !chosen.is_empty() && !TYPES.contains(&chosen) { option value=(chosen) selected { (text::shown(chosen)) } }
        }
    }
}

/// Names of what the relationships of a page join and of who wrote what is on it, as far as the reader may hold it.
fn ends<P>(asked: &Asked<'_, P>, seen: &[Seen]) -> Result<Names, Trouble> {
    let joins = seen.iter().filter(|s| s.text("type") == "relationship");
    let authors = seen.iter().map(|s| s.text("created_by_ref").to_owned());
    let ids = joins.flat_map(|s| ["source_ref", "target_ref"].map(|k| s.text(k).to_owned())).chain(authors).filter_map(|id| Id::parse(&id));
    let ids: BTreeSet<Id> = ids.collect();
    object::named(asked, ids.into_iter().collect())
}

fn results<P>(asked: &Asked<'_, P>, wanted: &Wanted<'_>, (seen, ends): (&[Seen], &Names), next: Option<&str>) -> Markup {
    let bulk = asked.may(Right::Tighten) && asked.may(Right::Preview);
    html! {
        section id="results" aria-live="polite" data-live="view" {
            @let strictest = Marking { level: seen.iter().filter_map(|s| s.marking().level).max(), more: vec!["the strictest of what is shown".to_owned()] };
            div.print-only { (parts::banner(&strictest)) }
            @if seen.is_empty() {
                @if let Some(short) = too_short(wanted.words) { (parts::nothing("Nothing of that is here for you.", &format!("\u{201c}{short}\u{201d} is found only as a whole word; from the third letter on a word is found by how it begins."))) }
                @else if wanted.words.is_empty() && wanted.kinds.is_empty() { (parts::nothing("There is nothing here for you yet.", "")) }
                @else { (parts::nothing("Nothing of that is here for you.", "Fewer words, or another type, find more.")) }
            } @else {
                form.list method="get" action="/console/mark" {
                    div.wide tabindex="0" role="region" aria-label="objects" {
                        table.stacks {
                            thead { tr {
                                @if bulk { th scope="col" { span.hidden { "Chosen" } } }
                                th scope="col" { "Name" }
                                @for column in &wanted.columns { th scope="col" { (heading(column)) } }
                            } }
                            tbody { @for one in seen { (row(one, ends, wanted, bulk)) } }
                        }
                    }
                    @if bulk { div.bulk { button type="submit" { "Raise the marking of those chosen…" } " " button type="submit" formaction="/console/recall" { "Recall those chosen…" } } }
                }
                (super::export::form(asked, seen))
                p.pager {
                    @if wanted.before_us.is_some() { a href=(wanted.address(None, &asked.sent.query)) { "Newest" } " " }
                    @if let Some(next) = next { a rel="next" href=(next) { "Older" } }
                }
            }
        }
    }
}

/// A word of fewer letters than one is found by.
fn too_short(words: &str) -> Option<String> {
    let letters = |word: &str| word.split(|c: char| !c.is_alphanumeric()).map(|part| part.chars().count()).max().unwrap_or_default();
    words.split_whitespace().find(|word| (1..3).contains(&letters(word))).map(|word| text::plain(word, 20))
}

fn row(one: &Seen, ends: &Names, wanted: &Wanted<'_>, bulk: bool) -> Markup {
    let id = one.id();
    let name = one.name();
    let end = |key: &str| Id::parse(one.text(key)).map(|id| ends.get(&id).cloned().unwrap_or_else(|| id.kind.to_string())).unwrap_or_default();
    html! {
        tr {
            @if bulk { td { input type="checkbox" name="id" value=(id) aria-label=(format!("choose {}", one.item.entry.id)); } }
            th scope="row" {
                (parts::object_link(&id, &name))
                @if one.is_redacted() { " " span.quiet { "(in part)" } }
                @if one.text("type") == "relationship" { br; span.quiet { (text::cut(&end("source_ref"))) " → " (text::cut(&end("target_ref"))) } }
            }
            @for column in &wanted.columns { td data-label=(heading(column)) { (cell(one, column, ends)) } }
        }
    }
}

fn heading(column: &str) -> &'static str {
    COLUMNS.iter().find(|c| c.0 == column).map_or("", |c| c.1)
}

/// Who wrote it, leading to all that this author wrote.
fn author(one: &Seen, names: &Names) -> Markup {
    let Some(id) = Id::parse(one.text("created_by_ref")) else { return html! {} };
    let name = names.get(&id).map_or_else(|| id.to_string(), |n| text::plain(n, limits::CELL_CHARS_MAX));
    html! { a href=(format!("/console/objects?author={id}")) { (text::cut(&name)) } }
}

fn cell(one: &Seen, column: &str, ends: &Names) -> Markup {
    match column {
        "type" => html! { (text::cut(one.text("type"))) },
        "marking" => {
            let marking = one.marking();
            html! { (parts::level(marking.level)) @for more in &marking.more { br; span.quiet { (text::cut(more)) } } }
        }
        "modified" => one.item.entry.version.map_or_else(|| html! {}, |v| parts::moment_text(&v.to_string())),
        "added" => parts::moment(one.item.entry.date_us),
        "author" => author(one, ends),
        "confidence" => html! { (one.object.get("confidence").map(Value::to_string).unwrap_or_default()) },
        "labels" => {
            let labels: Vec<&str> = one.object.get("labels").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            html! { (text::cut(&labels.join(", "))) }
        }
        _ => html! {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_called_by_what_people_know_them_by() {
        for (object, want) in [
            (json!({"type": "domain-name", "value": "a.example"}), "a[.]example"),
            (json!({"type": "indicator", "pattern": "[x:y = 'z']", "id": "indicator--1"}), "[x:y = 'z']"),
            (json!({"type": "malware", "name": "N", "pattern": "p"}), "N"),
            (json!({"type": "x-y", "name": " ", "id": "x-y--0b7a60a4-0bd3"}), "x y 0b7a60a4"),
            (json!({}), ""),
        ] {
            assert_eq!(name_of(&object), want);
        }
    }

    #[test]
    fn addresses_are_searched_for_as_objects_have_them() {
        for (word, want) in [
            ("https://a.example/x", "a.example/x"),
            ("HXXPS://a[.]example", "a[.]example"),
            ("198.51.100.7/32", "198.51.100.7"),
            ("2001:db8::1/128", "2001:db8::1"),
            ("198.51.100.0/24", "198.51.100.0/24"),
            ("a.example/32", "a.example/32"),
            ("httpd", "httpd"),
            ("http://", "http://"),
            ("ß", "ß"),
        ] {
            assert_eq!(as_stored(word), want);
        }
        assert_eq!(too_short("cozy be"), Some("be".to_owned()));
        assert_eq!(too_short("cozy bear"), None);
    }

    #[test]
    fn a_copy_says_how_it_is_marked() {
        let red = Level::Red.tlp_2_id().to_string();
        let marking = marking_of(&json!({"object_marking_refs": [red, "marking-definition--0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e02"]}));
        assert_eq!(marking, Marking { level: Some(Level::Red), more: vec!["1 more marking(s)".to_owned()] });
        assert_eq!(marking_of(&json!({})), Marking { level: None, more: Vec::new() });
    }
}
