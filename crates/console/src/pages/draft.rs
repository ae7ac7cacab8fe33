//! Bringing objects in: a form, a file, a new version. What would come of it is shown before anything is saved.
//!
//! The rule: a draft is kept as it was previewed, and saved as that or not at all.

use std::collections::BTreeMap;

use maud::{Markup, html};
use polder_release::Origin;
use polder_stix::time::Version;
use polder_stix::{Id, ext, time};
use serde_json::{Map, Value, json};

use super::marked::{self, Marked};
use super::objects::{self, Seen};
use super::{forms, object, preview};
use crate::desk::Right;
use crate::guard::{Answer, Asked, Trouble, Write};
use crate::sink::Reply;
use crate::text::{cut, shown};
use crate::{limits, parts, text};

pub(crate) fn new(asked: &Asked<'_, Write>) -> Answer {
    let named = asked.query("kind");
    let kind = forms::kind(if named.is_empty() { "indicator" } else { named }).ok_or_else(|| no_form(named))?;
    let kinds: Vec<(&str, &str)> = forms::KINDS.iter().map(|k| (k.name, k.name)).collect();
    // From the page of another object, which the new one is to be about.
    let about = Id::parse(asked.query("about"));
    let names = object::named(asked, about.iter().cloned().collect())?;
    let first: Option<&str> = kind.fields().map(|f| f.name).find(|f| ["object_refs", "sighting_of_ref", "source_ref"].contains(f));
    let shown = |name: &str| about.iter().filter(|_| Some(name) == first).map(Id::to_string).collect::<Vec<_>>();
    let main = html! {
        h1 { "New object" }
        form.filters method="get" action="/console/new" data-at-once {
            @if let Some(about) = &about { input type="hidden" name="about" value=(about.to_string()); }
            (parts::field("kind", "Type", "", &parts::choice("kind", &kinds, kind.name)))
            button type="submit" { "Change" }
        }
        (entered(asked, kind, &html! {}, &kind.fields().map(|f| (f, Some(shown(f.name)))).collect::<Vec<_>>(), (&names, &Marked::default()))?)
    };
    Ok(asked.page("New object", &main))
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
fn described<P>(asked: &Asked<'_, P>) -> Result<Vec<Value>, Trouble> {
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
    let (definition, refs) = Marked::entered(asked, was.others)?.written(asked)?;
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

/// The object of which a form is the next version, as it was when the form was made.
fn edited<P>(asked: &Asked<'_, P>) -> Result<Option<Seen>, Trouble> {
    let Some(id) = Id::parse(asked.form("of")) else { return Ok(None) };
    let seen = object::latest(asked, &id)?.ok_or(Trouble::NotFound)?;
    if seen.item.entry.version.map(|v| v.to_string()).unwrap_or_default() != asked.form("version") {
        return Err(Trouble::bad("another version of this object came in since its form was made", "open its page and edit it anew; nothing was kept"));
    }
    Ok(Some(seen))
}

/// A form loses nothing only of a whole object that has versions.
fn has_form(seen: &Seen) -> Option<&'static forms::Kind> {
    let whole = seen.object.pointer(&format!("/extensions/{}", ext::DERIVED)).is_none();
    forms::kind(seen.text("type")).filter(|kind| whole && !kind.is_observable() && seen.item.entry.version.is_some())
}

pub(crate) fn edit(asked: &Asked<'_, Write>) -> Answer {
    let seen = object::of_address(asked)?;
    let own = preview::copies_held(asked, &seen.item.entry.id)?.iter().any(|c| c.origin == Origin::Own);
    let form = match has_form(&seen).filter(|_| asked.query("as") != "json") {
        Some(kind) => by_form(asked, &seen, kind)?,
        None => by_text(asked, &seen),
    };
    let main = html! {
        (parts::banner(&seen.marking()))
        h1 { "Edit " (cut(&seen.name())) }
        p { (parts::object_link(&seen.id(), "Back to the object")) }
        @if !own { (parts::notice("warning", &html! { p { "This object came from elsewhere. What you save is your organisation's own version of it, kept beside theirs." } })) }
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
            form.card id="draft" method="post" action="/console/draft" hx-post="/console/draft/check" hx-target="#outcome" hx-swap="outerHTML" hx-trigger="input changed delay:400ms, change" {
                input type="hidden" name="form_token" value=(asked.form_token);
                input type="hidden" name="kind" value=(kind.name);
                (before)
                (inputs(false))
                @if !kind.is_observable() { details.more open[more] { summary { "Labels, confidence, references" } (inputs(true)) } }
                (marked::fields(asked, marked)?)
                button.primary type="submit" { "Preview" }
            }
            section id="outcome" aria-live="polite" { p.quiet { "What is missing, and who would receive it, is shown here." } }
        }
    })
}

fn by_text(asked: &Asked<'_, Write>, seen: &Seen) -> Markup {
    let mut text = seen.object.clone();
    if let Some(map) = text.as_object_mut().filter(|m| m.contains_key("modified")) {
        map.insert("modified".to_owned(), now_text(asked).into());
    }
    html! {
        form.card method="post" action="/console/draft" hx-post="/console/draft/check" hx-target="#outcome" hx-swap="outerHTML" hx-trigger="input changed delay:600ms" {
            input type="hidden" name="form_token" value=(asked.form_token);
            (parts::field("json", "The next version", "Its `modified` is now. Who receives it follows from its markings.", &html! { textarea.code id="json" name="json" rows="24" spellcheck="false" aria-describedby="json-help" { (object::pretty(&text)) } }))
            button.primary type="submit" { "Preview" }
            section id="outcome" aria-live="polite" {}
        }
    }
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

pub(crate) fn import(asked: &Asked<'_, Write>) -> Answer {
    let told = asked.ask(json!({"do": "source-list"}), &[])?;
    let names: Vec<(String, String)> = told
        .get("sources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|s| Some((s.get("name")?.as_str()?.to_owned(), s.get("kind")?.as_str()?.to_owned())))
        // What a member says comes by that member's login.
        .filter(|(_, kind)| kind != "member" || asked.may(Right::Administer))
        .map(|(name, kind)| (name.clone(), format!("{name} ({kind})")))
        .collect();
    let options: Vec<(&str, &str)> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let main = html! {
        h1 { "Import" }
        form.card.drop method="post" action="/console/draft" enctype="multipart/form-data" data-drop="file" {
            input type="hidden" name="form_token" value=(asked.form_token);
            (parts::field("file", "File", "A STIX 2.0 or 2.1 bundle, one object on each line, a TAXII envelope, or MISP's JSON. Drop it anywhere on this form.", &html! { input id="file" name="file" type="file" aria-describedby="file-help"; }))
            (parts::field("json", "or text", "", &html! { textarea.code id="json" name="json" rows="6" spellcheck="false" {} }))
            (parts::field("source", "Source", "Whose objects these are: your own, a member's, or a feed's.", &parts::choice("source", &options, "import")))
            button.primary type="submit" { "Preview" }
            p.quiet { "Nothing is kept before you have seen who would receive it." }
        }
    };
    Ok(asked.page("Import", &main))
}

/// The source that somebody chose, or the organisation's own.
fn source_of(asked: &Asked<'_, Write>) -> Result<String, Trouble> {
    let told = asked.ask(json!({"do": "source-list"}), &[])?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let all: Vec<(String, String)> = told.get("sources").and_then(Value::as_array).into_iter().flatten().map(|s| (text(s, "name"), text(s, "kind"))).collect();
    let wanted = asked.form("source");
    let found = all.iter().find(|(name, kind)| if wanted.is_empty() { kind == "own" } else { name == wanted });
    let (name, kind) = found.ok_or_else(|| Trouble::bad(format!("`{wanted}` is no source"), "choose one of the list"))?;
    if kind == "member" && !asked.may(Right::Administer) {
        return Err(Trouble::bad(format!("`{name}` is what a member says, and comes by that member's login"), "choose your own source, or a feed"));
    }
    Ok(name.clone())
}

/// What was sent, as text, its source, and what to call it.
fn sent(asked: &Asked<'_, Write>) -> Result<(Vec<u8>, String, String), Trouble> {
    let source = source_of(asked)?;
    if let Some(file) = &asked.sent.file {
        return Ok((file.bytes.clone(), source, file.name.clone()));
    }
    let text = asked.form("json");
    if !text.is_empty() {
        return Ok((text.as_bytes().to_vec(), source, "what was entered".to_owned()));
    }
    if asked.form("kind").is_empty() {
        return Err(Trouble::bad("there is nothing to import", "choose a file, or paste its text"));
    }
    let objects = described(asked)?;
    let lines: Vec<String> = objects.iter().map(Value::to_string).collect();
    Ok((lines.join("\n").into_bytes(), source, "the new object".to_owned()))
}

fn request(source: &str, place: &str, dry_run: bool) -> Value {
    json!({"do": "import", "source": source, "own": false, "dry_run": dry_run, "place": place, "file": null})
}

/// While somebody types: what is wrong, and who would receive it.
pub(crate) fn check(asked: &Asked<'_, Write>) -> Answer {
    let tried = sent(asked).and_then(|(bytes, source, place)| Ok(asked.ask(request(&source, &place, true), &bytes)?));
    let inner = match tried {
        Ok(told) => outcome(asked, &told)?,
        Err(Trouble::Bad { message, help }) => parts::notice("warning", &html! { p { (shown(&message)) } p { strong { "help: " } (shown(&help)) } }),
        Err(other) => return Err(other),
    };
    Ok(Reply::page(html! { section id="outcome" aria-live="polite" { (inner) } }))
}

pub(crate) fn preview(asked: &Asked<'_, Write>) -> Answer {
    if !asked.form("draft").is_empty() {
        return save(asked);
    }
    let (bytes, source, place) = sent(asked)?;
    let told = asked.ask(request(&source, &place, true), &bytes)?;
    let inner = outcome(asked, &told)?;
    let takes = ["new", "variant", "conflict"].iter().any(|k| told.get(*k).and_then(Value::as_u64).unwrap_or(0) > 0);
    let barred = barred(asked, &told);
    let full = || Trouble::bad("too many drafts wait on this node", "try again later; nothing was kept");
    // What may not be saved is not kept, nor what was shown before it.
    asked.app.drafts.drop_of(&asked.person.user);
    let draft = match (takes, &barred) {
        (true, None) => Some(asked.app.drafts.keep(&asked.person.user, bytes.clone(), &source, &place).ok_or_else(full)?),
        _ => None,
    };
    let main = html! {
        h1 { "Preview: " (cut(&place)) }
        (contents(&bytes))
        (inner)
        @if let Some(why) = &barred { (parts::notice("error", why)) }
        @else if let Some(draft) = &draft {
            form method="post" action="/console/draft" {
                input type="hidden" name="form_token" value=(asked.form_token);
                input type="hidden" name="draft" value=(draft);
                button.primary type="submit" { "Save to " (source) }
            }
        } @else { p { "There is nothing new in it to save." } }
    };
    Ok(asked.page("Preview", &main))
}

/// Why a draft may not be saved as it is.
fn barred(asked: &Asked<'_, Write>, told: &Value) -> Option<Markup> {
    let list = |key: &str| told.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let widened = list("widened");
    if !widened.is_empty() {
        let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Some(html! {
            p { "This cannot be saved: copies of it from others keep it from some to whom this version would give it. What others marked binds whoever received it; only they widen it." }
            ul { @for row in widened.iter().take(20) { li { (parts::object_link(&text(row, "id"), "")) " would go to " strong { (cut(&text(row, "recipient"))) } } } }
            p { strong { "help: " } "mark it at least as they did, or ask them for a wider version" }
        });
    }
    let downgraded = list("downgraded");
    let persons = told.get("persons_min").and_then(Value::as_u64).unwrap_or(1);
    if let (true, Some(first)) = (persons > 1 && asked.may(Right::Downgrade), downgraded.first()) {
        let to = first.get("recipient").and_then(Value::as_str).unwrap_or_default();
        return Some(html! {
            p { "This would give an object to " (cut(to)) ", who may not have it now, and that takes " (persons) " persons." }
            p { strong { "help: " } "save it with the markings it has now; then \"Widen\" on its page lets another person agree" }
        });
    }
    if !downgraded.is_empty() && !asked.may(Right::Downgrade) {
        let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Some(html! {
            p { "Your role does not save this: it would give an object to somebody who may not have it now, and that takes the right to downgrade." }
            ul { @for row in downgraded.iter().take(20) { li { (parts::object_link(&text(row, "id"), "")) " would go to " strong { (cut(&text(row, "recipient"))) } } } }
            p { strong { "help: " } "mark it as it is now, or ask an owner to save it" }
        });
    }
    // What a form makes has to be right; what comes from elsewhere is taken as it is, and told.
    let by_form = !asked.form("kind").is_empty();
    (by_form && !list("warnings").is_empty())
        .then(|| html! { p { "This object is not what STIX says it has to be." } p { strong { "help: " } "go back and mend what is listed above" } })
}

fn save(asked: &Asked<'_, Write>) -> Answer {
    let missing = || Trouble::bad("this draft is no longer here", "preview it again; nothing was kept");
    let draft = asked.app.drafts.take(&asked.person.user, asked.form("draft")).ok_or_else(missing)?;
    let tried = asked.ask(request(&draft.source, &draft.place, true), &draft.bytes)?;
    if barred(asked, &tried).is_some() {
        return Err(Trouble::bad("what this draft would do has changed since it was shown", "preview it again; nothing was kept"));
    }
    asked.ask(request(&draft.source, &draft.place, false), &draft.bytes)?;
    // What was there already is told as far as this person may know.
    let told = tried;
    let count = |key: &str| told.get(key).and_then(Value::as_u64).unwrap_or(0);
    let saved = count("new") + count("variant") + count("conflict");
    let all_taken = told.get("refused").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if saved > 0 && all_taken {
        // So that going back does not send it again.
        asked.app.drafts.note_saved(&asked.person.user, saved);
        return Ok(Reply::see("/console/objects"));
    }
    let saved = saved > 0;
    let main = html! {
        h1 { @if saved { "Saved" } @else { "Nothing new was saved" } }
        (counts(&told))
        (refused(&told))
        p { a href="/console/objects" { "To the objects" } }
    };
    Ok(asked.page(if saved { "Saved" } else { "Nothing new" }, &main))
}

fn counts(told: &Value) -> Markup {
    let count = |key: &str| told.get(key).and_then(Value::as_u64).unwrap_or(0);
    let refused = told.get("refused").and_then(Value::as_array).map_or(0, Vec::len);
    html! {
        p {
            strong { (count("new")) } " new, " (count("known")) " known already, " (count("variant")) " other content for a known version, " (count("conflict")) " in conflict with what this source said before, "
            (refused) " refused" @if count("lifted") > 0 { ", " (count("lifted")) " lifted from STIX 2.0" } "."
        }
    }
}

fn refused(told: &Value) -> Markup {
    const SHOWN_MAX: usize = 50;
    let rows: Vec<&Value> = told.get("refused").and_then(Value::as_array).into_iter().flatten().collect();
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    html! {
        @if !rows.is_empty() {
            (parts::notice("error", &html! {
                p { strong { "Refused" } }
                ul { @for row in rows.iter().take(SHOWN_MAX) { li { (shown(&text(row, "place"))) ": " (shown(&text(row, "reason"))) "; " strong { "help: " } (shown(&text(row, "help"))) } } }
                @if rows.len() > SHOWN_MAX { p { "and " (rows.len() - SHOWN_MAX) " more" } }
            }))
        }
    }
}

/// What would come of a draft.
fn outcome<P>(asked: &Asked<'_, P>, told: &Value) -> Result<Markup, Trouble> {
    let list = |key: &str| told.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut objects: BTreeMap<String, Vec<preview::Told>> = BTreeMap::new();
    for row in list("decisions") {
        objects.entry(text(&row, "id")).or_default().push(preview::Told::of(&row));
    }
    let ways = preview::ways(asked)?;
    Ok(html! {
        (counts(told))
        (refused(told))
        @let warnings = list("warnings");
        @if !warnings.is_empty() {
            (parts::notice("warning", &html! {
                p { strong { "Against the specification" } }
                ul { @for w in &warnings { li { code { (cut(&text(w, "path"))) } " " (shown(&text(w, "message"))) } } }
            }))
        }
        @if !list("audience").iter().all(|row| row.get("verdicts").and_then(Value::as_object).is_none_or(Map::is_empty)) { (receivers(asked, told, &objects, &ways)?) }
    })
}

type Decisions = BTreeMap<String, Vec<preview::Told>>;

/// Who would receive what a draft brings: of one object each recipient with its reason, of several how many.
fn receivers<P>(asked: &Asked<'_, P>, told: &Value, objects: &Decisions, ways: &BTreeMap<String, String>) -> Result<Markup, Trouble> {
    let audience = told.get("audience").and_then(Value::as_array).cloned().unwrap_or_default();
    let own = |row: &&Value| row.get("recipient").and_then(Value::as_str) == Some(&asked.person.recipient);
    let lost = audience.iter().find(own).and_then(|row| row.pointer("/verdicts/withhold")).and_then(Value::as_u64).unwrap_or(0);
    Ok(html! {
        h2 { "Who would receive it" }
        @if lost > 0 { (parts::notice("warning", &html! { p { (lost) " of these objects would be for nobody here, your own organisation included: as this source is read, their marking reaches nobody. If they are your own, choose your own source." } })) }
        p.quiet { "Objects that are not here for you may narrow this further." }
        @if let [(id, told)] = objects.iter().collect::<Vec<_>>().as_slice() {
            @let now = before(asked, id)?;
            (preview::table(&preview::best((*told).clone()), now.as_deref(), ways, &|_| html! {}))
        } @else { (totals(&audience)) }
    })
}

/// Who may have it now, if it is here.
fn before<P>(asked: &Asked<'_, P>, id: &str) -> Result<Option<Vec<preview::Told>>, Trouble> {
    let Some(parsed) = Id::parse(id) else { return Ok(None) };
    let held = preview::copies_held(asked, &parsed)?;
    let Some(latest) = held.iter().max_by_key(|c| (c.version.map(Version::ns), c.row)) else { return Ok(None) };
    Ok(Some(preview::audience(asked, id, &preview::version_of(latest))?))
}

/// What a draft holds, the first of it by type and name.
fn contents(bytes: &[u8]) -> Markup {
    const SHOWN_MAX: usize = 20;
    let all = polder_stix::bundle::split(bytes).objects;
    let first: Vec<Value> = all.iter().take(SHOWN_MAX).filter_map(|text| serde_json::from_str(text).ok()).collect();
    html! {
        ul { @for object in &first { li { span.kind { (cut(object.get("type").and_then(Value::as_str).unwrap_or("no type"))) } " " (cut(&objects::name_of(object))) } } }
        @if all.len() > SHOWN_MAX { p.quiet { "and " (all.len() - SHOWN_MAX) " more" } }
    }
}

/// Recipient by recipient, how many objects are decided how.
fn totals(audience: &[Value]) -> Markup {
    let count = |row: &Value, key: &str| row.pointer(&format!("/verdicts/{key}")).and_then(Value::as_u64).unwrap_or(0);
    let number = |row: &Value, key: &str| row.get(key).and_then(Value::as_u64).unwrap_or(0);
    html! {
        div.wide tabindex="0" role="region" aria-label="who would receive it" {
            table {
                thead { tr { th scope="col" { "Recipient" } @for kind in ["release", "redact", "hold", "withhold"] { th scope="col" { (parts::verdict(kind)) } } th scope="col" { "Held already: gains" } th scope="col" { "loses" } } }
                tbody { @for row in audience { tr {
                    th scope="row" { (cut(row.get("recipient").and_then(Value::as_str).unwrap_or_default())) }
                    @for kind in ["release", "redact", "hold", "withhold"] { td { (count(row, kind)) } }
                    td { (number(row, "gains")) } td { (number(row, "loses")) }
                } } }
            }
        }
    }
}
