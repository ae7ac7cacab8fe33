//! Raising the marking of one object or of many, with who loses it shown before anything is saved.
//!
//! The rule: only what the person may hold can be named, and what is shown is what the same act gave when it was tried.

use std::collections::BTreeMap;

use maud::{Markup, html};
use polder_release::{Form, Level, Origin};
use polder_stix::Id;
use polder_store::{Query, Versions};
use serde_json::{Value, json};

use super::objects::Seen;
use super::{object, preview};
use crate::guard::{Answer, Asked, Tighten, Trouble};
use crate::parts;
use crate::sink::Reply;
use crate::text::{cut, shown};

/// Objects that are raised at once.
const CHOSEN_MAX: usize = 200;

/// The levels that raise something marked so.
fn level_choice(chosen: &str, now: Option<Level>) -> Markup {
    let higher = parts::LEVELS.into_iter().filter(|l| now.is_none_or(|now| *l > now)).map(|l| (l.name(), l.label()));
    let options: Vec<(&str, &str)> = std::iter::once(("", "choose a level")).chain(higher).collect();
    parts::choice("level", &options, chosen)
}

/// The level somebody chose; none while nobody has.
fn level(text: &str) -> Result<Option<Level>, Trouble> {
    if text.is_empty() {
        return Ok(None);
    }
    Level::parse(text).map(Some).ok_or_else(|| Trouble::bad(format!("`{text}` is no TLP level"), "choose one of the list"))
}

pub(crate) fn ask(asked: &Asked<'_, Tighten>) -> Answer {
    let seen = object::of_address(asked)?;
    let id = seen.id();
    let chosen = asked.query("level");
    let outcome = outcome(asked, &[&seen], level(chosen)?)?;
    if asked.sent.partial {
        return Ok(Reply::page(outcome));
    }
    let address = format!("/console/objects/{id}/mark");
    let main = html! {
        (parts::banner(&seen.marking()))
        h1 { "Raise the marking of " (cut(&seen.name())) }
        p { (parts::object_link(&id, &id)) }
        (choose(&address, &[], chosen, seen.marking().level))
        (outcome)
    };
    Ok(asked.page("Raise a marking", &main))
}

fn choose(address: &str, ids: &[&str], chosen: &str, now: Option<Level>) -> Markup {
    html! {
        form.card method="get" action=(address) hx-get=(address) hx-target="#outcome" hx-swap="outerHTML" hx-sync="this:replace" hx-trigger="change, submit" {
            @for id in ids { input type="hidden" name="id" value=(id); }
            (parts::field("level", "New level", "Raising is one press. To widen what your organisation introduced, a release officer or an owner uses Widen on its page.", &level_choice(chosen, now)))
            button type="submit" { "Show who would lose it" }
        }
    }
}

/// Objects by their ids, as far as they are in the view.
pub(super) fn seen_of<P>(asked: &Asked<'_, P>, ids: &[&str]) -> Result<Vec<Seen>, Trouble> {
    let ids: Vec<Id> = ids.iter().filter_map(|id| Id::parse(id)).take(CHOSEN_MAX).collect();
    if ids.is_empty() {
        return Err(Trouble::bad("no object is chosen", "go back and choose some"));
    }
    let page = asked.view(&Query { ids: Some(ids), versions: Versions::last(), ..Query::default() }, Form::Labelled)?;
    Ok(page.items.into_iter().filter_map(Seen::of).collect())
}

pub(crate) fn ask_many(asked: &Asked<'_, Tighten>) -> Answer {
    let ids: Vec<&str> = asked.sent.query.iter().filter(|(k, _)| k == "id").map(|(_, v)| v.as_str()).collect();
    let seen = seen_of(asked, &ids)?;
    let chosen = asked.query("level");
    let all: Vec<&Seen> = seen.iter().collect();
    let outcome = outcome(asked, &all, level(chosen)?)?;
    if asked.sent.partial {
        return Ok(Reply::page(outcome));
    }
    let own: Vec<String> = seen.iter().map(Seen::id).collect();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let main = html! {
        h1 { "Raise the marking of " (seen.len()) " objects" }
        ul { @for one in &seen { li { (parts::level(one.marking().level)) " " (parts::object_link(&one.id(), &one.name())) } } }
        (choose("/console/mark", &own, chosen, seen.iter().map(|s| s.marking().level).min().flatten()))
        (outcome)
    };
    Ok(asked.page("Raise markings", &main))
}

/// What would come of it: for one object who loses it and why, for several how many each recipient loses.
fn outcome<P>(asked: &Asked<'_, P>, seen: &[&Seen], level: Option<Level>) -> Result<Markup, Trouble> {
    let Some(level) = level else { return Ok(html! { section id="outcome" aria-live="polite" { p.quiet { "Choose a level to see who would lose it." } } }) };
    let mut problems = Vec::new();
    let mut tables = Vec::new();
    let mut with = Value::Null;
    for one in seen {
        let id = one.id();
        let version = one.item.entry.version.map(|v| v.to_string()).unwrap_or_default();
        let now = preview::audience(asked, &id, &version)?;
        match asked.ask(json!({"do": "object-mark", "id": id, "level": level.name(), "source": source_of(asked, one)?, "dry_run": true}), &[]) {
            Ok(tried) => {
                tables.push((now, preview::best(preview::rows(&tried, "audience"))));
                with = tried;
            }
            Err(told) => problems.push((one.name(), told)),
        }
    }
    let ways = preview::ways(asked)?;
    Ok(html! {
        section id="outcome" aria-live="polite" {
            h2 { "After the change: " (parts::level(Some(level))) }
            @for (name, told) in &problems {
                (parts::notice("error", &html! { p { strong { (cut(name)) } ": " (shown(&told.message)) } p { strong { "help: " } (shown(&told.help)) } }))
            }
            @if let ([(now, then)], []) = (tables.as_slice(), problems.as_slice()) { (preview::table(then, Some(now), &ways, &|_| html! {})) (preview::with_it(asked, &with)?) }
            @else if !tables.is_empty() { (losses(&tables)) }
            @if tables.iter().any(|(now, then)| is_lost_to(&asked.person.recipient, now, then)) {
                (parts::notice("warning", &html! { p { "You would not see it any more, and who cannot see it cannot give it again here: that takes " code { "polder object lift" } " at the node. To keep it in your organisation, recall it." } }))
            }
            @if !tables.is_empty() { (confirm(asked, seen, level)) }
        }
    })
}

/// The copy that is meant: the own one, or the one that this person sees; never one that is not here for it.
fn source_of<P>(asked: &Asked<'_, P>, one: &Seen) -> Result<Option<String>, Trouble> {
    let copies = preview::copies_held(asked, &one.item.entry.id)?;
    let own = copies.iter().find(|c| c.origin == Origin::Own);
    Ok(own.or_else(|| copies.iter().rfind(|c| c.version == one.item.entry.version)).map(|c| c.source.to_string()))
}

fn is_lost_to(recipient: &str, now: &[preview::Told], then: &[preview::Told]) -> bool {
    let permits = |all: &[preview::Told]| all.iter().any(|t| t.recipient == recipient && t.permits());
    permits(now) && !permits(then)
}

pub(super) fn losses(tables: &[(Vec<preview::Told>, Vec<preview::Told>)]) -> Markup {
    let mut order: Vec<&str> = Vec::new();
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (now, then) in tables {
        for one in then {
            if !order.contains(&one.recipient.as_str()) {
                order.push(&one.recipient);
            }
            let before = now.iter().any(|t| t.recipient == one.recipient && t.permits());
            let [loses, keeps, gains] = counts.entry(&one.recipient).or_default();
            *loses += usize::from(before && !one.permits());
            *keeps += usize::from(before && one.permits());
            *gains += usize::from(!before && one.permits());
        }
    }
    html! {
        div.wide tabindex="0" role="region" aria-label="what each recipient loses" {
            table {
                thead { tr { th scope="col" { "Recipient" } th scope="col" { "Loses" } th scope="col" { "Keeps" } th scope="col" { "Gains" } } }
                tbody { @for recipient in &order { tr { th scope="row" { (cut(recipient)) } @for count in counts.get(recipient).into_iter().flatten() { td { (count) } } } } }
            }
        }
    }
}

fn confirm<P>(asked: &Asked<'_, P>, seen: &[&Seen], level: Level) -> Markup {
    html! {
        form method="post" action="/console/mark" {
            input type="hidden" name="form_token" value=(asked.form_token);
            input type="hidden" name="level" value=(level.name());
            @for one in seen { input type="hidden" name="id" value=(one.id()); }
            p.quiet { "What was sent before stays with whoever took it: it cannot be recalled from files, TAXII readers and MISP copies." }
            button.primary type="submit" { "Raise to " (level.label()) }
        }
    }
}

pub(crate) fn carry_out(asked: &Asked<'_, Tighten>) -> Answer {
    let level = level(asked.form("level"))?.ok_or_else(|| Trouble::bad("no level is chosen", "go back and choose one; nothing was changed"))?;
    let seen = seen_of(asked, &asked.form_all("id"))?;
    let mut lines = Vec::new();
    for one in &seen {
        let id = one.id();
        let told = asked.ask(json!({"do": "object-mark", "id": id, "level": level.name(), "source": source_of(asked, one)?}), &[]);
        if let ([_], Ok(_)) = (seen.as_slice(), &told) {
            asked.note(format!("Raised to {}.", level.label()));
            return Ok(Reply::see(&format!("/console/objects/{id}#preview")));
        }
        lines.push((id, one.name(), told));
    }
    let main = html! {
        h1 { "Markings raised to " (level.label()) }
        ul {
            @for (id, name, told) in &lines {
                li {
                    (parts::object_link(id, name)) " "
                    @match told { Ok(_) => { strong { "raised" } } Err(told) => { strong { "not raised: " } (shown(&told.message)) "; " (shown(&told.help)) } }
                }
            }
        }
        p { a href="/console/objects" { "Back to the objects" } }
    };
    Ok(asked.page("Markings raised", &main))
}
