//! Bringing objects in: a form, a file, a new version. What would come of it is shown before anything is saved.
//!
//! The rule: a draft is kept as it was previewed, and saved as that or not at all.

use std::collections::BTreeMap;

use maud::{Markup, html};
use polder_release::{Level, Origin};
use polder_stix::time::Version;
use polder_stix::{Id, ext, time};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{object, preview};
use crate::desk::Right;
use crate::guard::{Answer, Asked, Trouble, Write};
use crate::parts;
use crate::sink::Reply;
use crate::text::{cut, shown};

/// A kind of object that has a form: its fields by name, label, help, and whether it needs them.
struct Kind {
    name: &'static str,
    fields: &'static [(&'static str, &'static str, &'static str, bool)],
}

const KINDS: [Kind; 10] = [
    Kind {
        name: "indicator",
        fields: &[
            ("name", "Name", "", false),
            ("pattern", "STIX pattern", "like [domain-name:value = 'host.example']", true),
            ("description", "Description", "", false),
        ],
    },
    Kind {
        name: "report",
        fields: &[
            ("name", "Title", "", true),
            ("description", "Description", "", false),
            ("object_refs", "Objects it is about", "ids, one on each line", true),
        ],
    },
    Kind {
        name: "note",
        fields: &[("abstract", "Title", "", false), ("content", "Text", "", true), ("object_refs", "Objects it is about", "ids, one on each line", true)],
    },
    Kind { name: "malware", fields: &[("name", "Name", "", true), ("description", "Description", "", false)] },
    Kind { name: "threat-actor", fields: &[("name", "Name", "", true), ("description", "Description", "", false)] },
    Kind { name: "vulnerability", fields: &[("name", "Name", "like CVE-2026-0001", true), ("description", "Description", "", false)] },
    Kind { name: "domain-name", fields: &[("value", "Domain name", "", true)] },
    Kind { name: "ipv4-addr", fields: &[("value", "IPv4 address", "", true)] },
    Kind { name: "url", fields: &[("value", "URL", "", true)] },
    Kind {
        name: "relationship",
        fields: &[
            ("source_ref", "From", "an id", true),
            ("relationship_type", "How", "like uses, indicates, targets", true),
            ("target_ref", "To", "an id", true),
        ],
    },
];
const LONG: [&str; 3] = ["description", "content", "object_refs"];

fn kind(name: &str) -> &'static Kind {
    let [first, ..] = &KINDS;
    KINDS.iter().find(|k| k.name == name).unwrap_or(first)
}

pub(crate) fn new(asked: &Asked<'_, Write>) -> Answer {
    let kind = kind(asked.query("kind"));
    let kinds: Vec<(&str, &str)> = KINDS.iter().map(|k| (k.name, k.name)).collect();
    let main = html! {
        h1 { "New object" }
        form.filters method="get" action="/console/new" data-at-once {
            (parts::field("kind", "Type", "", &parts::choice("kind", &kinds, kind.name)))
            button type="submit" { "Change" }
        }
        form.card id="draft" method="post" action="/console/draft" hx-post="/console/draft/check" hx-target="#outcome" hx-swap="outerHTML" hx-trigger="input changed delay:400ms, change" {
            input type="hidden" name="form_token" value=(asked.form_token);
            input type="hidden" name="kind" value=(kind.name);
            @for (name, label, help, needed) in kind.fields { (input(name, label, help, *needed)) }
            (marking(asked)?)
            button.primary type="submit" { "Preview" }
            section id="outcome" aria-live="polite" { p.quiet { "What is missing, and who would receive it, is shown here." } }
        }
    };
    Ok(asked.page("New object", &main))
}

fn input(name: &str, label: &str, help: &str, needed: bool) -> Markup {
    let described = (!help.is_empty()).then(|| format!("{name}-help"));
    let control = html! {
        @if LONG.contains(&name) { textarea id=(name) name=(name) rows="4" required[needed] aria-describedby=[described.as_ref()] spellcheck="false" {} }
        @else { input id=(name) name=(name) required[needed] aria-describedby=[described.as_ref()] autocomplete="off" spellcheck="false"; }
    };
    parts::field(name, label, help, &control)
}

/// Level and audience: what decides who receives it.
fn marking<P>(asked: &Asked<'_, P>) -> Result<Markup, Trouble> {
    let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
    let levels: Vec<(&str, &str)> = [("", "none: it stays in your organisation")].into_iter().chain(parts::LEVELS.map(|l| (l.name(), l.label()))).collect();
    let members: Vec<&str> = policy.alliance.members.keys().map(|m| &**m).filter(|m| *m != &*policy.alliance.holder).collect();
    Ok(html! {
        (parts::field("level", "TLP level", "TLP:RED goes to persons and nodes that are named, and to no organisation.", &parts::choice("level", &levels, "")))
        fieldset {
            legend { "Only for these members (and yourself)" }
            @if members.is_empty() { p.quiet { "There are no others yet." } }
            @for member in members { label.check { input type="checkbox" name="member" value=(member); " " (asked.app.desk.name(member)) } }
        }
    })
}

pub(crate) fn random_id(kind: &str) -> Result<String, Trouble> {
    let mut raw = [0u8; 16];
    getrandom::fill(&mut raw).map_err(|_| Trouble::Internal)?;
    let uuid = (u128::from_be_bytes(raw) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    Ok(Id { kind: kind.into(), uuid }.to_string())
}

/// When our definitions of audiences were made: the same each time, so that equal ones are one.
const AUDIENCE_MADE: &str = "2026-01-01T00:00:00.000Z";

/// One id for one audience of one holder.
fn audience_id(holder: &str, members: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in ["console audience", holder].iter().chain(members) {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let first = hash.finalize().iter().take(16).fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
    // Written as one that is made of a name (version 5), which STIX's readers know.
    let uuid = (first & !(0xf << 76) & !(0x3 << 62)) | (0x5 << 76) | (0x2 << 62);
    Id { kind: "marking-definition".into(), uuid }.to_string()
}

/// The objects that a form describes: the object, and the marking-definition of its audience where it names one.
fn described<P>(asked: &Asked<'_, P>) -> Result<Vec<Value>, Trouble> {
    let kind = kind(asked.form("kind"));
    let now: String = time::from_us(asked.app.store.now_us()).chars().take(23).collect::<String>() + "Z";
    let is_observable = matches!(kind.name, "domain-name" | "ipv4-addr" | "url");
    let mut map = Map::new();
    map.insert("type".to_owned(), kind.name.into());
    map.insert("spec_version".to_owned(), "2.1".into());
    for (name, label, _, needed) in kind.fields {
        let value = asked.form(name);
        if value.is_empty() && *needed {
            return Err(Trouble::bad(format!("`{label}` is empty"), "fill it in"));
        }
        if *name == "object_refs" {
            map.insert((*name).to_owned(), value.split_whitespace().collect());
        } else if !value.is_empty() {
            map.insert((*name).to_owned(), value.into());
        }
    }
    if is_observable {
        let object = Value::Object(map.clone());
        let id = polder_stix::sco_id::deterministic_id(&object).map_or_else(|| random_id(kind.name), Ok)?;
        map.insert("id".to_owned(), id.into());
    } else {
        map.insert("id".to_owned(), random_id(kind.name)?.into());
        map.insert("created".to_owned(), now.clone().into());
        map.insert("modified".to_owned(), now.clone().into());
    }
    match kind.name {
        "indicator" => {
            map.insert("pattern_type".to_owned(), "stix".into());
            map.insert("valid_from".to_owned(), now.clone().into());
        }
        "malware" => drop(map.insert("is_family".to_owned(), false.into())),
        "report" => drop(map.insert("published".to_owned(), now.clone().into())),
        _ => {}
    }
    let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
    if let (Some(author), false) = (policy.alliance.holder_identity(), is_observable) {
        map.insert("created_by_ref".to_owned(), author.into());
    }
    let mut marks = Vec::new();
    let mut out = Vec::new();
    if let Some(level) = Level::parse(asked.form("level")) {
        marks.push(level.tlp_2_id().to_string());
    }
    let mut members = asked.form_all("member");
    members.sort_unstable();
    members.dedup();
    if !members.is_empty() {
        let id = audience_id(&policy.alliance.holder, &members);
        let audience = json!({"extension_type": "property-extension", "audience": {"members": members}});
        marks.push(id.clone());
        out.push(json!({"type": "marking-definition", "spec_version": "2.1", "id": id, "created": AUDIENCE_MADE, "name": format!("for {}", members.join(", ")), "extensions": {ext::AUDIENCE: audience}}));
    }
    if !marks.is_empty() {
        map.insert("object_marking_refs".to_owned(), marks.into());
    }
    out.push(Value::Object(map));
    Ok(out)
}

pub(crate) fn edit(asked: &Asked<'_, Write>) -> Answer {
    let seen = object::of_address(asked)?;
    let mut text = seen.object.clone();
    if let Some(map) = text.as_object_mut().filter(|m| m.contains_key("modified")) {
        let now: String = time::from_us(asked.app.store.now_us()).chars().take(23).collect::<String>() + "Z";
        map.insert("modified".to_owned(), now.into());
    }
    let own = preview::copies_held(asked, &seen.item.entry.id)?.iter().any(|c| c.origin == Origin::Own);
    let main = html! {
        (parts::banner(&seen.marking()))
        h1 { "Edit " (cut(&seen.name())) }
        @if !own { (parts::notice("warning", &html! { p { "This object came from elsewhere. What you save is your organisation's own version of it, kept beside theirs." } })) }
        form.card method="post" action="/console/draft" hx-post="/console/draft/check" hx-target="#outcome" hx-swap="outerHTML" hx-trigger="input changed delay:600ms" {
            input type="hidden" name="form_token" value=(asked.form_token);
            (parts::field("json", "The next version", "Its `modified` is now. Who receives it follows from its markings.", &html! { textarea.code id="json" name="json" rows="24" spellcheck="false" aria-describedby="json-help" { (object::pretty(&text)) } }))
            button.primary type="submit" { "Preview" }
            section id="outcome" aria-live="polite" {}
        }
    };
    Ok(asked.page("Edit", &main))
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
        return Ok(Reply::see(&format!("/console/objects?saved={saved}")));
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
        ul { @for object in &first { li { span.kind { (cut(object.get("type").and_then(Value::as_str).unwrap_or("no type"))) } " " (cut(&super::objects::name_of(object))) } } }
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
