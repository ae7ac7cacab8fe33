//! Bringing objects in: a form, a file, a new version. What would come of it is shown before anything is saved.
//!
//! The rule: a draft is kept as it was previewed, and saved as that or not at all.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use maud::{Markup, html};
use polder_stix::Id;
use polder_stix::time::Version;
use polder_store::{Act, Query, Versions};
use serde_json::{Map, Value, json};

use super::objects::{self, Seen};
use super::{copies, entry, forms, graph, object, preview};
use crate::desk::Right;
use crate::guard::{Answer, Asked, Trouble, Write};
use crate::parts;
use crate::sink::Reply;
use crate::text::{cut, shown};

pub(crate) fn import(asked: &Asked<'_, Write>) -> Answer {
    let main = html! {
        h1 { "Import" }
        form.card.drop method="post" action="/console/draft" enctype="multipart/form-data" data-drop="file" {
            input type="hidden" name="form_token" value=(asked.form_token);
            (parts::field("file", "File", "A STIX 2.0 or 2.1 bundle, one object on each line, a TAXII envelope, or MISP's JSON. Drop it anywhere on this form.", &html! { input id="file" name="file" type="file" aria-describedby="file-help"; }))
            (parts::field("json", "or text", "", &html! { textarea.code id="json" name="json" rows="6" spellcheck="false" {} }))
            (source_field(asked, "import")?)
            button.primary type="submit" { "Preview" }
            p.quiet { "Nothing is kept before you have seen who would receive it." }
        }
    };
    Ok(asked.page("Import", &main))
}

/// Sources by name and kind.
fn sources<P>(asked: &Asked<'_, P>) -> Result<Vec<(String, String)>, Trouble> {
    let told = asked.ask(json!({"do": "source-list"}), &[])?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(told.get("sources").and_then(Value::as_array).into_iter().flatten().map(|s| (text(s, "name"), text(s, "kind"))).collect())
}

/// Those that somebody may bring objects into: what a member says comes by that member's login.
fn source_field(asked: &Asked<'_, Write>, chosen: &str) -> Result<Markup, Trouble> {
    let may = |kind: &str| kind != "member" || asked.may(Right::Administer);
    let names: Vec<(String, String)> =
        sources(asked)?.into_iter().filter(|(_, kind)| may(kind)).map(|(name, kind)| (name.clone(), format!("{name} ({kind})"))).collect();
    let options: Vec<(&str, &str)> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    Ok(parts::field("source", "Source", "Whose objects these are: your own, a member's, or a feed's.", &parts::choice("source", &options, chosen)))
}

/// The source that somebody chose, or the organisation's own.
fn source_of(asked: &Asked<'_, Write>) -> Result<String, Trouble> {
    let all = sources(asked)?;
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
    // What is kept already, for another source.
    if !asked.form("draft").is_empty() {
        let draft = asked.app.drafts.take(&asked.person.user, asked.form("draft")).ok_or_else(gone)?;
        return Ok((draft.bytes, source, draft.place));
    }
    if let Some(file) = &asked.sent.file {
        return Ok((file.bytes.clone(), source, file.name.clone()));
    }
    let text = asked.form("json");
    if !text.is_empty() {
        next_version_of(asked.form("of"), text)?;
        if let Some(of) = Id::parse(asked.form("of")) {
            entry::need_own(asked, &of)?;
        }
        return Ok((text.as_bytes().to_vec(), source, "what was entered".to_owned()));
    }
    if asked.form("kind").is_empty() {
        return Err(Trouble::bad("there is nothing to import", "choose a file, or paste its text"));
    }
    let objects = entry::described(asked)?;
    let lines: Vec<String> = objects.iter().map(Value::to_string).collect();
    let name = objects.last().map(objects::name_of).unwrap_or_default();
    let place = if asked.form("of").is_empty() { format!("new {}", asked.form("kind")) } else { format!("new version of {name}") };
    Ok((lines.join("\n").into_bytes(), source, place))
}

/// What stands where a next version is entered has to be of that object.
fn next_version_of(of: &str, text: &str) -> Result<(), Trouble> {
    let strange = |id: &str| Trouble::bad(format!("this is `{id}`, and not the object that is edited"), "keep its id; another object is brought in by Import");
    let ids = polder_stix::bundle::split(text.as_bytes()).objects.into_iter().filter_map(|o| serde_json::from_str::<Value>(o).ok());
    let other = ids.filter_map(|o| o.get("id").and_then(Value::as_str).map(str::to_owned)).find(|id| !of.is_empty() && id != of);
    other.map_or(Ok(()), |id| Err(strange(&id)))
}

fn request(source: &str, place: &str, dry_run: bool) -> Value {
    json!({"do": "import", "source": source, "own": false, "dry_run": dry_run, "place": place, "file": null})
}

/// While somebody types: what is wrong, and who would receive it.
pub(crate) fn check(asked: &Asked<'_, Write>) -> Answer {
    let tried = sent(asked).and_then(|(bytes, source, place)| {
        let told = asked.ask(request(&source, &place, true), &bytes)?;
        Ok((bytes, told))
    });
    let inner = match tried {
        Ok((bytes, told)) => {
            let barred = barred(asked, &told);
            html! { @if let Some(why) = &barred { (parts::notice("error", why)) } (changes(asked, &bytes)?) (outcome(asked, &told, barred.is_some())?) }
        }
        Err(Trouble::Bad { message, help }) => wrong(asked, &message, &help),
        Err(other) => return Err(other),
    };
    Ok(Reply::page(html! { section id="outcome" aria-live="polite" { (inner) } }))
}

/// What cannot be used, leading to its field.
fn wrong(asked: &Asked<'_, Write>, message: &str, help: &str) -> Markup {
    let mut fields = forms::kind(asked.form("kind")).into_iter().flat_map(forms::Kind::fields);
    let field = fields.find(|f| message.starts_with(&format!("`{}`", f.label)));
    parts::notice(
        "warning",
        &html! { p { (shown(message)) } @if let Some(field) = field { p { a href=(format!("#{}", field.name)) { "Go to " (field.label) } } } p { strong { "help: " } (shown(help)) } },
    )
}

pub(crate) fn preview(asked: &Asked<'_, Write>) -> Answer {
    if !asked.form("draft").is_empty() && asked.form("again").is_empty() {
        return save(asked);
    }
    let tried = sent(asked).and_then(|(bytes, source, place)| {
        let told = asked.ask(request(&source, &place, true), &bytes)?;
        Ok((bytes, source, place, told))
    });
    let form = entry::again(asked)?;
    let (bytes, source, place, told) = match (tried, &form) {
        // What was entered stays on the page.
        (Err(Trouble::Bad { message, help }), Some(form)) => {
            let main = html! { h1 { "That did not work" } (wrong(asked, &message, &help)) (form) };
            return Ok(asked.page("That did not work", &main).status(StatusCode::UNPROCESSABLE_ENTITY));
        }
        (tried, _) => tried?,
    };
    let takes = ["new", "variant", "conflict"].iter().any(|k| told.get(*k).and_then(Value::as_u64).unwrap_or(0) > 0);
    let barred = barred(asked, &told);
    let inner = html! { (changes(asked, &bytes)?) (outcome(asked, &told, barred.is_some())?) };
    let full = || Trouble::bad("too many drafts wait on this node", "try again later; nothing was kept");
    // What may not be saved is not kept, nor what was shown before it.
    asked.app.drafts.drop_of(&asked.person.user);
    let draft = match (takes, &barred) {
        (true, None) => Some(asked.app.drafts.keep(&asked.person.user, bytes.clone(), &source, &place).ok_or_else(full)?),
        _ => None,
    };
    let main = html! {
        h1 { "Preview: " (cut(&place)) }
        @if let Some(why) = &barred { (parts::notice("error", why)) }
        (contents(&bytes, &told))
        (inner)
        @if barred.is_some() {} @else if let Some(draft) = &draft {
            form method="post" action="/console/draft" {
                input type="hidden" name="form_token" value=(asked.form_token);
                input type="hidden" name="draft" value=(draft);
                button.primary type="submit" { "Save to " (source) }
            }
        } @else { p { "There is nothing new in it to save." } }
        @if let (Some(draft), None) = (&draft, &form) {
            form.card method="post" action="/console/draft" {
                input type="hidden" name="form_token" value=(asked.form_token);
                input type="hidden" name="draft" value=(draft);
                (source_field(asked, &source)?)
                button type="submit" name="again" value="yes" { "Preview it as from this source" }
            }
        }
        @if let Some(form) = form { details.more open[draft.is_none()] { summary { "Change what was entered" } (form) } }
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
            ul { @for row in widened.iter().take(20) { li { (parts::object_link(&text(row, "id"), "")) " " (gain(row)) } } }
            p { strong { "help: " } "mark it at least as they did, or ask them for a wider version" }
        });
    }
    let downgraded = list("downgraded");
    let persons = told.get("persons_min").and_then(Value::as_u64).unwrap_or(1);
    if let (true, Some(first)) = (persons > 1 && asked.may(Right::Downgrade), downgraded.first()) {
        return Some(html! {
            p { "This would give more than now, and that takes " (persons) " persons: an object " (gain(first)) "." }
            p { strong { "help: " } "save it with the markings it has now; then \"Widen\" on its page lets another person agree" }
        });
    }
    if !downgraded.is_empty() && !asked.may(Right::Downgrade) {
        let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Some(html! {
            p { "Your role does not save this: it would give more than now, and that takes the right to downgrade." }
            ul { @for row in downgraded.iter().take(20) { li { (parts::object_link(&text(row, "id"), "")) " " (gain(row)) } } }
            p { strong { "help: " } "mark it as it is now; whoever may downgrade (a release officer, an owner) can widen it on its page" }
        });
    }
    // What a form makes has to be right; what comes from elsewhere is taken as it is, and told.
    let by_form = !asked.form("kind").is_empty();
    (by_form && !list("warnings").is_empty())
        .then(|| html! { p { "This object is not what STIX says it has to be." } p { strong { "help: " } "go back and mend what is listed above" } })
}

/// What more it would give.
fn gain(row: &Value) -> Markup {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    html! { @if text("why").is_empty() { "would go to " strong { (cut(text("recipient"))) } } @else { (shown(text("why"))) } }
}

fn gone() -> Trouble {
    Trouble::bad("this draft is no longer here", "preview it again; nothing was kept")
}

fn save(asked: &Asked<'_, Write>) -> Answer {
    let draft = asked.app.drafts.take(&asked.person.user, asked.form("draft")).ok_or_else(gone)?;
    let tried = asked.ask(request(&draft.source, &draft.place, true), &draft.bytes)?;
    if barred(asked, &tried).is_some() {
        return Err(Trouble::bad("what this draft would do has changed since it was shown", "preview it again; nothing was kept"));
    }
    asked.ask(request(&draft.source, &draft.place, false), &draft.bytes)?;
    // An import names versions; that one of them gives more than before is not to be looked for.
    let wider = tried.get("downgraded").and_then(Value::as_array).into_iter().flatten().filter_map(|row| row.get("id")?.as_str()).collect::<BTreeSet<_>>();
    for id in wider {
        asked.app.store.act(Act::Note(format!("{id} of {} marked wider than before", draft.source)), &asked.person.user)?;
    }
    // What was there already is told as far as this person may know.
    let told = tried;
    let count = |key: &str| told.get(key).and_then(Value::as_u64).unwrap_or(0);
    let saved = count("new") + count("variant") + count("conflict");
    let all_taken = told.get("refused").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if saved > 0 && all_taken {
        // So that going back does not send it again.
        asked.note(format!("Saved: {saved} new."));
        let ids: Vec<String> = objects_of(&draft.bytes).iter().filter_map(|o| o.get("id").and_then(Value::as_str).map(str::to_owned)).collect();
        let main: Vec<&String> = ids.iter().filter(|id| !id.starts_with("marking-definition--")).collect();
        return Ok(Reply::see(&match main.as_slice() {
            [one] if Id::parse(one).is_some() => format!("/console/objects/{one}"),
            _ => "/console/objects".to_owned(),
        }));
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

fn objects_of(bytes: &[u8]) -> Vec<Value> {
    polder_stix::bundle::split(bytes).objects.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
}

fn counts(told: &Value) -> Markup {
    let count = |key: &str| told.get(key).and_then(Value::as_u64).unwrap_or(0);
    let refused = told.get("refused").and_then(Value::as_array).map_or(0, Vec::len) as u64;
    let said = [
        (count("new"), "new"),
        (count("known"), "known already"),
        (count("variant"), "other content for a known version"),
        (count("conflict"), "in conflict with what this source said before"),
        (refused, "refused"),
        (count("lifted"), "lifted from STIX 2.0"),
    ];
    let said: Vec<String> = said.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    html! { p { strong { @if said.is_empty() { "nothing" } @else { (said.join(", ")) } } "." } }
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

/// What would come of a draft; what may not be saved is counted nowhere.
fn outcome<P>(asked: &Asked<'_, P>, told: &Value, is_barred: bool) -> Result<Markup, Trouble> {
    let list = |key: &str| told.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut objects: BTreeMap<String, Vec<preview::Told>> = BTreeMap::new();
    for row in list("decisions") {
        objects.entry(text(&row, "id")).or_default().push(preview::Told::of(&row));
    }
    let ways = preview::ways(asked)?;
    Ok(html! {
        @if !is_barred { (counts(told)) }
        (refused(told))
        @let warnings = list("warnings");
        @if !warnings.is_empty() {
            (parts::notice("warning", &html! {
                p { strong { "Against the specification" } }
                ul { @for w in &warnings { li { code { (cut(&text(w, "path"))) } " " (shown(&text(w, "message"))) @if !text(w, "id").is_empty() && asked.form("kind").is_empty() { " " span.quiet { "in " (cut(&text(w, "id"))) } } } } }
            }))
        }
        @if !list("audience").iter().all(|row| row.get("verdicts").and_then(Value::as_object).is_none_or(Map::is_empty)) { (receivers(asked, told, &objects, &ways)?) }
    })
}

/// Of one object that is here already: what its new version changes; of any: what it is about that is marked higher than itself.
fn changes<P>(asked: &Asked<'_, P>, bytes: &[u8]) -> Result<Markup, Trouble> {
    let all = objects_of(bytes);
    let main: Vec<&Value> = all.iter().filter(|o| o.get("type").and_then(Value::as_str) != Some("marking-definition")).collect();
    let [one] = main.as_slice() else { return Ok(html! {}) };
    let id = one.get("id").and_then(Value::as_str).and_then(Id::parse);
    let before = id.map(|id| object::latest(asked, &id)).transpose()?.flatten();
    let differing: Vec<_> = before.iter().flat_map(|seen| copies::differing(&[&seen.object, one])).filter(|(key, _)| key != "modified").collect();
    let about = higher(asked, one)?;
    let marked = before.iter().map(|seen| &seen.object).chain([*one]).map(|object| markings(asked, object, &all)).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        @if before.is_some() {
            h2 { "What changes" }
            @if differing.is_empty() { p.quiet { "Nothing but its version." } } @else {
                div.wide tabindex="0" role="region" aria-label="what changes" { table.stacks {
                    thead { tr { th scope="col" { "Property" } th scope="col" { "Now" } th scope="col" { "After" } } }
                    tbody { @for (key, texts) in &differing { tr {
                        th scope="row" { (cut(key)) }
                        @for (n, (text, label)) in texts.iter().zip(["Now", "After"]).enumerate() { td data-label=(label) {
                            @if let Some(marks) = marked.get(n).filter(|_| key == "object_marking_refs") { (marks) } @else if let Some(text) = text { (cut(text)) } @else { span.quiet { "not there" } }
                        } }
                    } } }
                } }
            }
        }
        @if !about.is_empty() {
            (parts::notice("warning", &html! {
                p { "It is about what is marked higher than it is. Who may not have that gets it without the reference, or not at all; its text may still tell of it." }
                ul { @for seen in &about { li { (parts::level(seen.marking().level)) " " (parts::object_link(&seen.id(), &seen.name())) } } }
            }))
        }
    })
}

/// The markings of an object by level and name, some of which come with it.
fn markings<P>(asked: &Asked<'_, P>, object: &Value, with: &[Value]) -> Result<Markup, Trouble> {
    let text = |key: &str, of: &Value| of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ids: Vec<Id> =
        object.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).filter_map(Id::parse).collect();
    let mut names = object::named(asked, ids.clone())?;
    names.extend(with.iter().filter_map(|o| Some((Id::parse(&text("id", o))?, objects::name_of(o)))));
    Ok(html! {
        @if ids.is_empty() { span.quiet { "none" } }
        @for (n, id) in ids.iter().enumerate() {
            @if n > 0 { ", " }
            @if let Some(level) = polder_release::predefined(id) { (parts::level(Some(level))) } @else { (cut(names.get(id).map_or(&id.to_string(), |name| name))) }
        }
    })
}

/// What an object refers to that has a higher level than it says of itself.
fn higher<P>(asked: &Asked<'_, P>, object: &Value) -> Result<Vec<Seen>, Trouble> {
    const LOOKED_AT_MAX: usize = 1000;
    let refs = object.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).filter_map(Id::parse);
    let Some(own) = refs.filter_map(|id| polder_release::predefined(&id)).max() else { return Ok(Vec::new()) };
    let ids: Vec<Id> = graph::references(object).into_iter().map(|(_, id)| id).take(LOOKED_AT_MAX).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let page = asked.view(&Query { ids: Some(ids), versions: Versions::last(), ..Query::default() }, objects::form_for(asked))?;
    Ok(page.items.into_iter().filter_map(Seen::of).filter(|s| s.marking().level.is_some_and(|level| level > own)).take(20).collect())
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
        @if let [(id, decided)] = objects.iter().collect::<Vec<_>>().as_slice() {
            @let now = before(asked, id)?;
            (preview::table(&preview::best((*decided).clone()), now.as_deref(), ways, &|_| html! {}))
            (preview::with_it(asked, told)?)
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

/// What a draft holds, the first of it by type and name, and which of these is refused.
fn contents(bytes: &[u8], told: &Value) -> Markup {
    const SHOWN_MAX: usize = 20;
    let all = polder_stix::bundle::split(bytes).objects;
    let first = all.iter().take(SHOWN_MAX).map(|text| serde_json::from_str::<Value>(text).unwrap_or_default());
    let refused: BTreeSet<usize> = told
        .get("refused")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|row| row.get("place")?.as_str()?.rsplit_once(": object ")?.1.parse().ok())
        .collect();
    html! {
        ul { @for (n, object) in first.enumerate() { li {
            @if refused.contains(&(n + 1)) { (parts::mark("off", "refused")) " " }
            span.kind { (cut(object.get("type").and_then(Value::as_str).unwrap_or("no type"))) } " " (cut(&objects::name_of(&object)))
        } } }
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
                thead { tr { th scope="col" { "Recipient" } @for kind in ["release", "redact", "hold", "withhold"] { th scope="col" { (parts::verdict(kind)) } } th scope="col" { "Gains, of what is here" } th scope="col" { "Loses, of what is here" } } }
                tbody { @for row in audience { tr {
                    th scope="row" { (cut(row.get("recipient").and_then(Value::as_str).unwrap_or_default())) }
                    @for kind in ["release", "redact", "hold", "withhold"] { td { (count(row, kind)) } }
                    td { (number(row, "gains")) } td { (number(row, "loses")) }
                } } }
            }
        }
    }
}
