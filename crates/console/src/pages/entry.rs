//! Forms in which somebody enters an object: a new one, or the next version of one that this organisation introduced.
//!
//! The rule: an edit keeps what its form does not show, and what was entered is not lost by an error.

use maud::{Markup, html};
use polder_release::{Origin, Verdict};
use polder_stix::time::Version;
use polder_stix::{Id, time};
use serde_json::{Map, Value};

use super::marked::{self, Marked, Others};
use super::objects::{self, Seen};
use super::{forms, object};
use crate::guard::{Answer, Asked, Trouble, Write};
use crate::sink::Reply;
use crate::text::cut;
use crate::{limits, parts, text};

pub(crate) fn new(asked: &Asked<'_, Write>) -> Answer {
    let named = asked.query("kind");
    let kind = forms::kind(if named.is_empty() { "indicator" } else { named }).ok_or_else(|| no_form(named))?;
    // From the page of another object, which the new one is to be about.
    let about = Id::parse(asked.query("about")).map(|id| id.to_string());
    let first: Option<&str> = kind.fields().map(|f| f.name).find(|f| ["object_refs", "sighting_of_ref", "source_ref"].contains(f));
    let shown = |f: &'static forms::Field| about.iter().filter(|_| Some(f.name) == first).cloned().collect();
    new_page(asked, kind, &kind.fields().map(|f| (f, Some(shown(f)))).collect::<Vec<_>>(), &Marked::default())
}

/// The form of another type, with what was entered in the fields that both have.
pub(crate) fn changed(asked: &Asked<'_, Write>) -> Answer {
    let kind = forms::kind(asked.form("kind")).ok_or_else(|| no_form(asked.form("kind")))?;
    let marked = Marked::entered(asked.form("level"), &asked.form_all("for"), Vec::new()).unwrap_or_default();
    new_page(asked, kind, &kind.fields().map(|f| (f, Some(filled(asked, f)))).collect::<Vec<_>>(), &marked)
}

fn new_page(asked: &Asked<'_, Write>, kind: &'static forms::Kind, fields: &[Shown], marked: &Marked) -> Answer {
    let kinds: Vec<(&str, &str)> = forms::KINDS.iter().map(|k| (k.name, k.name)).collect();
    let names = object::named(asked, fields.iter().filter_map(|(_, s)| s.as_ref()).flatten().filter_map(|text| Id::parse(text)).collect())?;
    let main = html! {
        h1 { "New object" }
        form.filters method="post" action="/console/new" data-at-once data-with="draft" {
            input type="hidden" name="form_token" value=(asked.form_token);
            (parts::field("kind", "Type", "", &parts::choice("kind", &kinds, kind.name)))
            button type="submit" { "Change" }
        }
        (entered(asked, kind, &html! {}, fields, (&names, marked))?)
    };
    Ok(asked.page("New object", &main))
}

/// What was entered in a field, line by line where it is a list.
fn filled(asked: &Asked<'_, Write>, f: &'static forms::Field) -> Vec<String> {
    asked.form_all(f.name).iter().flat_map(|v| if f.how.is_list() { v.lines().map(str::to_owned).collect() } else { vec![(*v).to_owned()] }).collect()
}

fn no_form(kind: &str) -> Trouble {
    Trouble::bad(format!("there is no form for `{kind}`"), "choose a type of the list, or import the object as JSON")
}

pub(crate) fn random_id(kind: &str) -> Result<String, Trouble> {
    let mut raw = [0u8; 16];
    getrandom::fill(&mut raw).map_err(|_| Trouble::Internal)?;
    let uuid = (u128::from_be_bytes(raw) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    Ok(Id { kind: kind.into(), uuid }.to_string())
}

fn now_text<P>(asked: &Asked<'_, P>) -> String {
    time::from_us(asked.app.store.now_us()).chars().take(23).collect::<String>() + "Z"
}

/// The objects that a form describes: the object, after the marking-definition of its audience where it names one.
pub(crate) fn described<P>(asked: &Asked<'_, P>) -> Result<Vec<Value>, Trouble> {
    let kind = forms::kind(asked.form("kind")).ok_or_else(|| no_form(asked.form("kind")))?;
    let before = edited(asked)?;
    let mut map = before.as_ref().and_then(|seen| seen.object.as_object()).cloned().unwrap_or_default();
    map.insert("type".to_owned(), kind.name.into());
    map.insert("spec_version".to_owned(), "2.1".into());
    for field in kind.fields().filter(|f| forms::shown(f, &map).is_some()).collect::<Vec<_>>() {
        match forms::read(field, &asked.form_all(field.name))? {
            Some(value) => drop(map.insert(field.name.to_owned(), value)),
            None if field.needed => return Err(Trouble::bad(format!("`{}` is empty", field.label), "fill it in")),
            None => drop(map.shift_remove(field.name)),
        }
    }
    complete(asked, kind, &mut map)?;
    let was = before.as_ref().map_or_else(|| Ok(Marked::default()), |seen| Marked::of(asked, seen))?;
    let (definition, refs) = Marked::entered(asked.form("level"), &asked.form_all("for"), was.others)?.written(asked)?;
    if refs.is_empty() {
        map.shift_remove("object_marking_refs");
    } else {
        map.insert("object_marking_refs".to_owned(), refs.into());
    }
    Ok(definition.into_iter().chain([Value::Object(map)]).collect())
}

/// What every object of its type has: an id, times, an author.
fn complete<P>(asked: &Asked<'_, P>, kind: &forms::Kind, map: &mut Map<String, Value>) -> Result<(), Trouble> {
    let now = now_text(asked);
    if map.contains_key("id") {
        map.insert("modified".to_owned(), now.into());
        return Ok(());
    }
    if kind.is_observable() {
        let object = Value::Object(map.clone());
        let id = polder_stix::sco_id::deterministic_id(&object).map_or_else(|| random_id(kind.name), Ok)?;
        map.insert("id".to_owned(), id.into());
        return Ok(());
    }
    map.insert("id".to_owned(), random_id(kind.name)?.into());
    map.insert("created".to_owned(), now.clone().into());
    map.insert("modified".to_owned(), now.clone().into());
    match kind.name {
        "indicator" => {
            map.insert("pattern_type".to_owned(), "stix".into());
            map.entry("valid_from").or_insert_with(|| now.into());
        }
        "report" => drop(map.entry("published").or_insert_with(|| now.into())),
        "malware" => drop(map.entry("is_family").or_insert(Value::Bool(false))),
        _ => {}
    }
    let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
    if let Some(author) = policy.alliance.holder_identity() {
        map.insert("created_by_ref".to_owned(), author.into());
    }
    Ok(())
}

/// Only who introduced an object says what its next version is (STIX 2.1 section 3.6.2): others would read it as said by its author.
pub(crate) fn need_own<P>(asked: &Asked<'_, P>, id: &Id) -> Result<(), Trouble> {
    let me = &*asked.person.recipient;
    let own = asked.app.store.explain_known(id, me, Some(me))?.into_iter().filter(|e| e.row.origin == Origin::Own && e.judgement.permits());
    match own.max_by_key(|e| (e.row.version.map(Version::ns), e.row.row)).map(|e| e.judgement.verdict) {
        Some(Verdict::Release) => Ok(()),
        Some(_) => Err(Trouble::bad("you hold a part of this object, and a next version made of it would lose the rest", "ask somebody who holds all of it")),
        None => {
            let why = "your organisation did not introduce this object, and only who did makes a next version of it";
            Err(Trouble::bad(why, "write a note about it, or make an object of your own"))
        }
    }
}

/// The object of which a form is the next version, as it was when the form was made.
fn edited<P>(asked: &Asked<'_, P>) -> Result<Option<Seen>, Trouble> {
    let Some(id) = Id::parse(asked.form("of")) else { return Ok(None) };
    let seen = object::latest(asked, &id)?.ok_or(Trouble::NotFound)?;
    need_own(asked, &id)?;
    if seen.item.entry.version.map(|v| v.to_string()).unwrap_or_default() != asked.form("version") {
        return Err(Trouble::bad(
            "another version of this object came in since its form was made",
            "what you entered stands below; the preview says what it would change of the version that is here now",
        ));
    }
    Ok(Some(seen))
}

/// A form loses nothing only of a whole object that has versions.
fn has_form(seen: &Seen) -> Option<&'static forms::Kind> {
    forms::kind(seen.text("type")).filter(|kind| !seen.is_redacted() && !kind.is_observable() && seen.item.entry.version.is_some())
}

pub(crate) fn edit(asked: &Asked<'_, Write>) -> Answer {
    let seen = object::of_address(asked)?;
    need_own(asked, &seen.item.entry.id)?;
    let form = match has_form(&seen).filter(|_| asked.query("as") != "json") {
        Some(kind) => by_form(asked, &seen, kind)?,
        None => by_text(asked, &seen),
    };
    let main = html! {
        (parts::banner(&seen.marking()))
        h1 { "Edit " (cut(&seen.name())) }
        p { (parts::object_link(&seen.id(), "Back to the object")) }
        (form)
    };
    Ok(asked.page("Edit", &main))
}

fn by_form(asked: &Asked<'_, Write>, seen: &Seen, kind: &'static forms::Kind) -> Result<Markup, Trouble> {
    let none = Map::new();
    let map = seen.object.as_object().unwrap_or(&none);
    let shown: Vec<Shown> = kind.fields().map(|f| (f, forms::shown(f, map))).collect();
    let ids = shown.iter().filter_map(|(_, s)| s.as_ref()).flatten().filter_map(|text| Id::parse(text)).collect();
    let names = object::named(asked, ids)?;
    let kept: Vec<&str> = shown.iter().filter(|(_, s)| s.is_none()).map(|(f, _)| f.label).collect();
    let version = seen.item.entry.version.map(|v| v.to_string()).unwrap_or_default();
    let as_json = format!("/console/objects/{}/edit?as=json", seen.id());
    let before = html! {
        input type="hidden" name="of" value=(seen.id());
        input type="hidden" name="version" value=(version);
        p.quiet {
            "What is not in this form stays as it is" @if !kept.is_empty() { ", so do: " (kept.join(", ")) } ". "
            a href=(as_json) { "Edit it as JSON" }
        }
    };
    entered(asked, kind, &before, &shown, (&names, &Marked::of(asked, seen)?))
}

type Shown = (&'static forms::Field, Option<Vec<String>>);

/// A form of fields, and beside it what would come of it.
fn entered(
    asked: &Asked<'_, Write>,
    kind: &forms::Kind,
    before: &Markup,
    fields: &[Shown],
    (names, marked): (&object::Names, &Marked),
) -> Result<Markup, Trouble> {
    let common = |field: &forms::Field| forms::COMMON.iter().any(|c| c.name == field.name);
    let inputs = |of: bool| html! { @for (field, shown) in fields.iter().filter(|(f, _)| common(f) == of) { @if let Some(shown) = shown { (forms::input(field, shown, names)) } } };
    let more = fields.iter().any(|(f, shown)| common(f) && shown.as_ref().is_some_and(|s| !s.is_empty()));
    Ok(html! {
        div.beside {
            form.card id="draft" method="post" action="/console/draft" hx-post="/console/draft/check" hx-target="#outcome" hx-swap="outerHTML" hx-sync="this:replace" hx-validate="false" hx-trigger="input changed delay:400ms, change" {
                input type="hidden" name="form_token" value=(asked.form_token);
                input type="hidden" name="kind" value=(kind.name);
                (before)
                (inputs(false))
                @if !kind.is_observable() { details.more open[more] { summary { "Labels, confidence, references" } (inputs(true)) } }
                (marked::fields(asked, marked, Others::Stay)?)
                button.primary type="submit" { "Preview" }
            }
            section id="outcome" aria-live="polite" { p.quiet { "What is missing, and who would receive it, is shown here as you type, or after Preview." } }
        }
    })
}

fn by_text(asked: &Asked<'_, Write>, seen: &Seen) -> Markup {
    let mut text = seen.object.clone();
    if let Some(map) = text.as_object_mut().filter(|m| m.contains_key("modified")) {
        map.insert("modified".to_owned(), now_text(asked).into());
    }
    text_form(asked, &seen.id(), &object::pretty(&text))
}

fn text_form(asked: &Asked<'_, Write>, id: &str, text: &str) -> Markup {
    html! {
        form.card method="post" action="/console/draft" hx-post="/console/draft/check" hx-target="#outcome" hx-swap="outerHTML" hx-sync="this:replace" hx-validate="false" hx-trigger="input changed delay:600ms" {
            input type="hidden" name="form_token" value=(asked.form_token);
            input type="hidden" name="of" value=(id);
            (parts::field("json", "The next version", "Its `modified` is now. Who receives it follows from its markings.", &html! { textarea.code id="json" name="json" rows="24" spellcheck="false" aria-describedby="json-help" { (text) } }))
            button.primary type="submit" { "Preview" }
            section id="outcome" aria-live="polite" {}
        }
    }
}

/// The form that was sent, as it was filled in, so that nothing is entered twice; nothing if what was sent came from no form.
pub(crate) fn again(asked: &Asked<'_, Write>) -> Result<Option<Markup>, Trouble> {
    let of = Id::parse(asked.form("of")).map(|id| object::latest(asked, &id)).transpose()?.flatten();
    if let (Some(seen), json) = (&of, asked.form("json"))
        && !json.is_empty()
    {
        return Ok(Some(text_form(asked, &seen.id(), json)));
    }
    let Some(kind) = forms::kind(asked.form("kind")) else { return Ok(None) };
    let map = of.as_ref().and_then(|seen| seen.object.as_object()).cloned().unwrap_or_default();
    let shown: Vec<Shown> = kind.fields().map(|f| (f, forms::shown(f, &map).map(|_| filled(asked, f)))).collect();
    let was = of.as_ref().map_or_else(|| Ok(Marked::default()), |seen| Marked::of(asked, seen))?;
    let marked = Marked::entered(asked.form("level"), &asked.form_all("for"), was.others).unwrap_or_default();
    let hidden = html! {
        @if let Some(seen) = &of {
            input type="hidden" name="of" value=(seen.id());
            input type="hidden" name="version" value=(seen.item.entry.version.map(|v| v.to_string()).unwrap_or_default());
        }
    };
    entered(asked, kind, &hidden, &shown, (&object::Names::new(), &marked)).map(Some)
}

/// Objects that a form may name, found as somebody types: for a script, which puts the id into the field.
pub(crate) fn pick(asked: &Asked<'_, Write>) -> Answer {
    const FOUND_MAX: usize = 12;
    let types: Vec<&str> = asked.query("types").split_whitespace().collect();
    let found = objects::matching(asked, asked.query("q"), &types, FOUND_MAX)?;
    Ok(Reply::page(html! {
        ul.found aria-live="polite" {
            @for one in &found { li { button type="button" data-add=(one.id()) data-called=(text::plain(&one.name(), limits::CELL_CHARS_MAX)) { span.kind { (cut(one.text("type"))) } " " (cut(&one.name())) " " (parts::level(one.marking().level)) } } }
            @if found.is_empty() { li.quiet { "Nothing of that is here for you." } }
        }
    }))
}
