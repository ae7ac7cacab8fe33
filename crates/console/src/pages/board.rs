//! Recipients at a glance: what each may have, what waits for it, what is withheld and why; suspended with one press.
//!
//! The rule: suspending is one person, now; letting somebody receive again is for who administers.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::{object, preview};
use crate::desk::{Asking, Right};
use crate::guard::{Administer, Answer, Asked, Preview, Tighten, Trouble};
use crate::parts;
use crate::sink::Reply;
use crate::text::{self, cut, shown};

struct Recipient {
    id: String,
    kind: String,
    of: String,
    suspended: bool,
}

fn recipients<P>(asked: &Asked<'_, P>) -> Result<Vec<Recipient>, Trouble> {
    let value = asked.ask(json!({"do": "recipient-list"}), &[])?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = value.get("recipients").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(rows
        .iter()
        .map(|r| Recipient { id: text(r, "id"), kind: text(r, "kind"), of: text(r, "organisation"), suspended: r.get("suspended") == Some(&Value::Bool(true)) })
        .collect())
}

pub(crate) fn list(asked: &Asked<'_, Preview>) -> Answer {
    let all = recipients(asked)?;
    let ways = preview::ways(asked)?;
    let waits = |id: &str| asked.app.store.waiting(id, &asked.person.recipient).map(|n| n.to_string()).unwrap_or_default();
    let main = html! {
        h1 { "Recipients" }
        p { "Whoever may be given something by this node. What waits has entered a recipient's view and was not taken yet." }
        div.wide tabindex="0" role="region" aria-label="recipients" data-live="board" id="board" {
            table.stacks {
                thead { tr { th scope="col" { "Recipient" } th scope="col" { "Kind" } th scope="col" { "Of" } th scope="col" { "State" } th scope="col" { "Waits" } th scope="col" { "Asked, hour by hour" } th scope="col" { "Way" } th scope="col" { span.hidden { "Actions" } } } }
                tbody {
                    @for one in &all {
                        tr {
                            th scope="row" { a href=(format!("/console/board/{}", one.id)) { (cut(&one.id)) } }
                            td data-label="Kind" { (one.kind) }
                            td data-label="Of" { (cut(&one.of)) }
                            td data-label="State" { (state(one.suspended)) }
                            td data-label="Waits" { @if one.suspended { "nothing" } @else if *one.id != *asked.person.recipient { (waits(&one.id)) } }
                            td data-label="Asked" { (beats(&asked.app.desk.asking(&one.id))) }
                            td data-label="Way" { (shown(ways.get(&one.id).map_or("fetches it itself", String::as_str))) }
                            td { (switch(asked, one, &all)) }
                        }
                    }
                }
            }
        }
        (withheld_all(asked, &all))
        div id="misps" data-live="board" { (misps(asked)?) }
    };
    Ok(asked.page("Recipients", &main))
}

/// What is withheld from each, counted one recipient after another once the page is there: each count looks at all the person may have.
fn withheld_all<P>(asked: &Asked<'_, P>, all: &[Recipient]) -> Markup {
    html! {
        h2 { "Withheld" }
        p.quiet { "Of what you may have yourself, counted when this page was opened, with the reason that keeps most of it." }
        div.wide tabindex="0" role="region" aria-label="withheld" id="withheld-from" {
            table {
                thead { tr { th scope="col" { "Recipient" } th scope="col" { "Withheld" } } }
                tbody {
                    @for one in all.iter().filter(|one| *one.id != *asked.person.recipient) {
                        @let place = format!("/console/board/{}", one.id);
                        tr {
                            th scope="row" { (cut(&one.id)) }
                            td hx-get=(place) hx-select=".kept-back" hx-trigger="revealed" hx-sync="closest tbody:queue all" { a href=(place) { "count" } }
                        }
                    }
                }
            }
        }
    }
}

/// Ninety hours, the present one last; the words beside say the same.
fn beats(Asking { last_us, hours, over }: &Asking) -> Markup {
    let active = hours.iter().filter(|n| **n > 0).count();
    let said = format!("asked in {active} of the last {} hours", hours.len());
    html! {
        svg.beats width="182" height="16" viewBox="0 0 180 16" role="img" aria-label=(said) {
            @for (n, count) in hours.iter().enumerate() { rect.(if *count > 0 { "beat-on" } else { "beat-off" }) x=(n * 2) y=(if *count > 0 { "0" } else { "6" }) width="1.5" height=(if *count > 0 { "16" } else { "4" }) {} }
        }
        br;
        span.quiet { @match last_us { Some(us) => { "last " (parts::moment(*us)) @if !over.is_empty() { ", over " (over.join(" and ")) } } None => { "never yet" } } }
    }
}

/// Other MISPs this node is in step with, and what cannot be taken back there of what this person may have.
fn misps<P>(asked: &Asked<'_, P>) -> Result<Markup, Trouble> {
    let told = asked.ask(json!({"do": "misp-status"}), &[])?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    // How much was moved counts what may be hidden from this person, so only when is told.
    let when = |row: &Value, key: &str| -> String { text(row, key).chars().take(20).collect() };
    let all: Vec<Value> = told.get("misps").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut standing = Vec::new();
    for row in told.get("cannot_be_withdrawn").and_then(Value::as_array).into_iter().flatten() {
        let id = format!("report--{}", text(row, "event"));
        if let Some(name) = object::name_in_view(asked, &id)? {
            standing.push((text(row, "misp"), id, name, text(row, "why")));
        }
    }
    Ok(html! {
        h2 { "MISP servers" }
        @if all.is_empty() { p.quiet { "None. " code { "polder misp add" } " puts one in step." } } @else {
            div.wide tabindex="0" role="region" aria-label="MISP servers" {
                table {
                    thead { tr { th scope="col" { "MISP" } th scope="col" { "Address" } th scope="col" { "Pushed as" } th scope="col" { "Pulled" } th scope="col" { "Pushed" } th scope="col" { "Failed" } } }
                    tbody { @for row in &all { tr {
                        th scope="row" { (cut(&text(row, "name"))) }
                        td { (cut(&text(row, "url"))) } td { (cut(&text(row, "to"))) } td { (when(row, "pulled")) } td { (when(row, "pushed")) }
                        td { @if !text(row, "failed").is_empty() { (when(row, "failed")) br; span.quiet { code { "polder misp status" } " says why" } } }
                    } } }
                }
            }
        }
        @if !standing.is_empty() {
            h2 { "Cannot be withdrawn" }
            ul { @for (misp, id, name, why) in &standing { li { (parts::object_link(id, name)) " at MISP " (cut(misp)) ": " (shown(why)) } } }
        }
    })
}

fn state(suspended: bool) -> Markup {
    if suspended { parts::mark("off", "suspended") } else { parts::mark("on", "receives") }
}

/// Others of an organisation elsewhere that are still given something: who suspends one of them often means all.
fn beside<'r>(all: &'r [Recipient], one: &Recipient, holder: &str) -> Vec<&'r str> {
    let is_beside = |r: &&Recipient| !one.of.is_empty() && one.of != holder && r.of == one.of && r.id != one.id && !r.suspended;
    all.iter().filter(is_beside).map(|r| r.id.as_str()).collect()
}

fn holder<P>(asked: &Asked<'_, P>) -> String {
    asked.app.desk.policy().map(|p| p.alliance.holder.to_string()).unwrap_or_default()
}

fn switch<P>(asked: &Asked<'_, P>, one: &Recipient, all: &[Recipient]) -> Markup {
    let press = |verb: &str, word: &str, class: &str, whole: bool| {
        html! {
            form method="post" action=(format!("/console/board/{}/{verb}", one.id)) {
                input type="hidden" name="form_token" value=(asked.form_token);
                @if whole { input type="hidden" name="all" value="yes"; }
                button.(class) type="submit" aria-label=[(!whole).then(|| format!("{word} {}", one.id))] { (word) }
            }
        }
    };
    let others = beside(all, one, &holder(asked)).len();
    html! {
        @if *one.id == *asked.person.recipient { span.quiet { "your own" } }
        @else if one.suspended { @if asked.may(Right::Administer) { (press("resume", "Resume", "plain", false)) } }
        @else if asked.may(Right::Tighten) {
            (press("suspend", "Suspend", "danger", false))
            @if others > 0 { (press("suspend", &format!("Suspend all {} of {}", others + 1, text::plain(&one.of, 40)), "danger", true)) }
        }
    }
}

pub(crate) fn show(asked: &Asked<'_, Preview>) -> Answer {
    let id = asked.named("recipient");
    let all = recipients(asked)?;
    let one = all.iter().find(|r| r.id == id).ok_or(Trouble::NotFound)?;
    let told = asked.ask(json!({"do": "summary", "recipient": id}), &[])?;
    let counts = |key: &str| told.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    let (verdicts, because) = (counts("verdicts"), counts("withheld_because"));
    let main = html! {
        h1 { (cut(id)) }
        p { (state(one.suspended)) " · " (one.kind) @if !one.of.is_empty() { " of " (cut(&one.of)) } }
        (switch(asked, one, &all))
        div id="summary" data-live="view" { (summary(&verdicts, &because)) }
    };
    Ok(asked.page(id, &main))
}

fn summary(verdicts: &serde_json::Map<String, Value>, because: &serde_json::Map<String, Value>) -> Markup {
    html! {
        h2 { "Of what you may have yourself" }
        p.quiet { "Counted over your own view: what you may not have is not counted." }
        p { (withheld(verdicts, because)) }
        (bars(verdicts))
        @if !because.is_empty() {
            h2 { "Why the rest stays" }
            table {
                thead { tr { th scope="col" { "Reason" } th scope="col" { "Objects" } } }
                tbody { @for (reason, count) in because { tr { th scope="row" { (shown(reason)) } td { (count) } } } }
            }
        }
    }
}

/// How many are withheld, those that wait for a person too, and the reason that keeps most of them.
fn withheld(verdicts: &serde_json::Map<String, Value>, because: &serde_json::Map<String, Value>) -> Markup {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let kept: u64 = ["withhold", "hold"].iter().filter_map(|verdict| verdicts.get(*verdict)).map(number).sum();
    let most = because.iter().max_by_key(|(_, count)| number(count));
    html! {
        span.kept-back { (kept) " of " (verdicts.values().map(number).sum::<u64>()) " withheld" @if let (Some((reason, count)), true) = (most, kept > 0) { ": " (shown(reason)) " (" (count) ")" } }
    }
}

/// How many objects are decided how: a chart, with its numbers beside it.
fn bars(verdicts: &serde_json::Map<String, Value>) -> Markup {
    let count = |key: &str| verdicts.get(key).and_then(Value::as_u64).unwrap_or(0);
    let kinds = ["release", "redact", "hold", "withhold"];
    let all = kinds.iter().map(|k| count(k)).sum::<u64>().max(1);
    html! {
        table.bars {
            tbody {
                @for kind in kinds {
                    @let share = count(kind).saturating_mul(100) / all;
                    tr {
                        th scope="row" { (parts::verdict(kind)) }
                        td { (count(kind)) }
                        td { svg width="200" height="12" viewBox="0 0 100 6" role="img" aria-label=(format!("{share} of 100")) preserveAspectRatio="none" { rect.(format!("bar-{kind}")) x="0" y="0" width=(share) height="6" {} } }
                    }
                }
            }
        }
    }
}

fn set<P>(asked: &Asked<'_, P>, suspend: bool) -> Answer {
    let id = asked.named("recipient");
    asked.ask(json!({"do": "recipient-suspend", "id": id, "suspend": suspend}), &[])?;
    if !suspend {
        asked.note(format!("{id} receives again."));
        return Ok(Reply::see("/console/board"));
    }
    let all = recipients(asked)?;
    let one = all.iter().find(|r| r.id == id).ok_or(Trouble::NotFound)?;
    let others = beside(&all, one, &holder(asked));
    if asked.form("all") == "yes" {
        // One that cannot be suspended keeps nobody else from it.
        let is_done = |other: &&str| asked.ask(json!({"do": "recipient-suspend", "id": other, "suspend": true}), &[]).is_ok();
        let (done, left): (Vec<&str>, Vec<&str>) = others.into_iter().partition(is_done);
        let whole: Vec<&str> = std::iter::once(id).chain(done).collect();
        asked.note(match left.as_slice() {
            [] => format!("Suspended: nobody of {} is given anything ({}).", one.of, whole.join(", ")),
            left => format!("Suspended: {}. Not suspended: {}; look at them again.", whole.join(", "), left.join(", ")),
        });
    } else if others.is_empty() {
        asked.note(format!("Suspended: {id} is given nothing."));
    } else {
        asked.note(format!("Suspended: {id} is given nothing. Of {}, these still receive: {}.", one.of, others.join(", ")));
    }
    Ok(Reply::see("/console/board"))
}

pub(crate) fn suspend(asked: &Asked<'_, Tighten>) -> Answer {
    let id = asked.named("recipient");
    let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
    let of_house = policy.recipients.iter().any(|r| *r.id == *id && r.organisation.as_ref() == Some(&policy.alliance.holder));
    if *id == *asked.person.recipient || (of_house && !asked.may(Right::Administer)) {
        return Err(Trouble::bad("this is your own organisation", "on the node's own machine, `polder recipient suspend` does it"));
    }
    set(asked, true)
}

pub(crate) fn resume(asked: &Asked<'_, Administer>) -> Answer {
    set(asked, false)
}
