//! Taking objects back: who would lose them, who was sent them, and what is known of each copy out there.
//!
//! The rule: it says what was seen, a receipt, and of what cannot be recalled that it cannot.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use polder_release::Origin;
use polder_stix::{Id, time};
use serde_json::{Value, json};

use super::objects::Seen;
use super::{mark, preview};
use crate::desk::Right;
use crate::guard::{Answer, Asked, Tighten, Trouble};
use crate::parts;
use crate::sink::Reply;
use crate::text::{cut, shown};

pub(crate) fn ask(asked: &Asked<'_, Tighten>) -> Answer {
    let ids: Vec<&str> = asked.sent.query.iter().filter(|(k, _)| k == "id").map(|(_, v)| v.as_str()).collect();
    let seen = mark::seen_of(asked, &ids)?;
    let main = match seen.as_slice() {
        [] => return Err(Trouble::NotFound),
        [one] => html! {
            (parts::banner(&one.marking()))
            h1 { "Recall " (cut(&one.name())) }
            p { (parts::object_link(&one.id(), "Back to the object")) }
            (outcome(asked, &seen)?)
            (receipts(asked, one)?)
        },
        several => html! {
            h1 { "Recall " (several.len()) " objects" }
            ul { @for one in several { li { (parts::level(one.marking().level)) " " (parts::object_link(&one.id(), &one.name())) } } }
            (outcome(asked, &seen)?)
        },
    };
    Ok(asked.page("Recall", &main))
}

/// Who would lose them.
fn outcome<P>(asked: &Asked<'_, P>, seen: &[Seen]) -> Result<Markup, Trouble> {
    let (mut problems, mut tables, mut with, mut out) = (Vec::new(), Vec::new(), Value::Null, false);
    for one in seen {
        let now = preview::audience_of_all(asked, &one.id())?;
        match asked.ask(json!({"do": "object-recall", "id": one.id(), "dry_run": true}), &[]) {
            Ok(tried) => {
                tables.push((now, preview::best(preview::rows(&tried, "audience"))));
                out |= tried.get("home") != Some(&Value::Bool(true));
                with = tried;
            }
            Err(told) => problems.push((one.name(), told)),
        }
    }
    let loses = |(now, then): &(Vec<preview::Told>, Vec<preview::Told>)| {
        then.iter().any(|t| !t.permits() && now.iter().any(|n| n.recipient == t.recipient && n.permits()))
    };
    let ways = preview::ways(asked)?;
    Ok(html! {
        section id="outcome" {
            @for (name, told) in &problems { (parts::notice("error", &html! { p { strong { (cut(name)) } ": " (shown(&told.message)) } p { strong { "help: " } (shown(&told.help)) } })) }
            @if out {
                @if tables.iter().any(loses) { h2 { "Who would lose it" } } @else { h2 { "Nobody outside may have it now" } p { "Its marking may still let somebody have it later: when a window opens, when somebody is let in or released to." } }
                @if let ([(now, then)], []) = (tables.as_slice(), problems.as_slice()) { (preview::table(then, Some(now), &ways, &|_| html! {})) (preview::with_it(asked, &with)?) (preview::stays(asked, &with)?) } @else { (mark::losses(&tables)) }
                form method="post" action="/console/recall" {
                    (fields(asked, seen))
                    p.quiet { "It stays with your organisation from then on. Files and what TAXII readers took cannot be recalled; MISPs that this node pushes to are told to delete it." }
                    button.danger type="submit" { "Recall" }
                }
            } @else if problems.is_empty() {
                @let sent_here = seen.iter().map(|one| preview::copies_held(asked, &one.item.entry.id)).collect::<Result<Vec<_>, _>>()?.iter().flatten().any(|c| c.origin != Origin::Own);
                p role="status" { "Nobody but your organisation may have it now: it is not given out" @if sent_here { ", except to who sent it here" } ". Who took it before is below." }
                form method="post" action="/console/recall" {
                    (fields(asked, seen))
                    p.quiet { "A recall holds also for what comes of it from others later: who took it may send it back." }
                    button type="submit" { "Recall it all the same" }
                }
            }
        }
    })
}

fn fields<P>(asked: &Asked<'_, P>, seen: &[Seen]) -> Markup {
    html! {
        input type="hidden" name="form_token" value=(asked.form_token);
        @for one in seen { input type="hidden" name="id" value=(one.id()); }
    }
}

pub(crate) fn carry_out(asked: &Asked<'_, Tighten>) -> Answer {
    let seen = mark::seen_of(asked, &asked.form_all("id"))?;
    let mut lines = Vec::new();
    for one in &seen {
        let told = asked.ask(json!({"do": "object-recall", "id": one.id()}), &[]);
        if let ([_], Ok(_)) = (seen.as_slice(), &told) {
            asked.note("It is no longer given out.");
            return Ok(Reply::see(&format!("/console/recall?id={}", one.id())));
        }
        lines.push((one.id(), one.name(), told));
    }
    let main = html! {
        h1 { "Recalled" }
        ul { @for (id, name, told) in &lines { li {
            (parts::object_link(id, name)) " "
            @match told { Ok(_) => { strong { "recalled" } ", " a href=(format!("/console/recall?id={id}")) { "receipts" } } Err(told) => { strong { "not recalled: " } (shown(&told.message)) "; " (shown(&told.help)) } }
        } } }
        p { a href="/console/objects" { "Back to the objects" } }
    };
    Ok(asked.page("Recalled", &main))
}

/// What became of an object at a MISP that it was pushed to.
struct There {
    misp: String,
    to: String,
    stands: bool,
    withdrawn: String,
    why: String,
}

fn theres(told: &Value) -> Vec<There> {
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = told.get("misps").and_then(Value::as_array).into_iter().flatten();
    rows.map(|r| There {
        misp: text(r, "misp"),
        to: text(r, "to"),
        stands: r.get("stands") == Some(&Value::Bool(true)),
        withdrawn: text(r, "withdrawn"),
        why: text(r, "why"),
    })
    .collect()
}

/// Who was sent it, and what is known of its copy.
fn receipts<P>(asked: &Asked<'_, P>, one: &Seen) -> Result<Markup, Trouble> {
    let told = asked.ask(json!({"do": "who-has", "id": one.id(), "receipts": true}), &[])?;
    let recalled = told.get("recalled").and_then(Value::as_str).and_then(time::to_us);
    let mut by: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for row in told.get("who_has").and_then(Value::as_array).into_iter().flatten() {
        by.entry(row.get("recipient").and_then(Value::as_str).unwrap_or_default().to_owned()).or_default().push(row);
    }
    by.retain(|recipient, _| !asked.is_of_house(recipient));
    let theres = theres(&told);
    let audience = preview::audience_of_each(asked, &one.id())?;
    let known = Known { recalled, theres: &theres, permitted: preview::permitted(&audience) };
    Ok(html! {
        section aria-labelledby="receipts" {
            h2 id="receipts" { "Receipts" }
            @if let Some(us) = recalled { p { "Recalled at " (parts::moment(us)) "." } }
            div id="receipts-table" data-live="board" {
                @if by.is_empty() { p.quiet { "Nobody outside your organisation was sent it." } } @else {
                    div.wide tabindex="0" role="region" aria-label="receipts" {
                        table.stacks {
                            thead { tr { th scope="col" { "Recipient" } th scope="col" { "First sent" } th scope="col" { "What" } th scope="col" { "Now" } th scope="col" { "Receipt" } } }
                            tbody { @for (recipient, rows) in &by { (receipt(asked, &one.id(), (recipient, rows), &known)) } }
                        }
                    }
                }
            }
        }
    })
}

/// What is known of an object's copies out there.
struct Known<'k> {
    recalled: Option<i64>,
    theres: &'k [There],
    /// Who may have it now.
    permitted: BTreeSet<&'k str>,
}

fn receipt<P>(asked: &Asked<'_, P>, id: &str, (recipient, rows): (&str, &[&Value]), known: &Known<'_>) -> Markup {
    let (recalled, theres) = (known.recalled, known.theres);
    let first = rows.iter().filter_map(|r| r.get("at").and_then(Value::as_str)).min();
    let most =
        ["full", "redacted", "listed"].into_iter().find(|what| rows.iter().any(|r| r.get("what").and_then(Value::as_str) == Some(what))).unwrap_or_default();
    let in_view = rows.iter().any(|r| r.get("in_view") == Some(&Value::Bool(true))) || known.permitted.contains(recipient);
    let misps: Vec<&There> = theres.iter().filter(|t| t.to == recipient).collect();
    let last = asked.app.desk.asking(recipient).last_us;
    html! {
        tr {
            th scope="row" { (cut(recipient)) }
            td data-label="First sent" { @if let Some(at) = first { (parts::moment_text(at)) } }
            td data-label="What" { (preview::sent_how(most)) }
            td data-label="Now" { @if in_view { "may have it" } @else { "may no longer have it" } }
            td data-label="Receipt" {
                @if in_view { span.quiet { @if recalled.is_some() { "given again since" } @else { "not recalled" } } }
                @for there in &misps { p { (at_misp(asked, id, there, in_view)) } }
                // The ledger does not say by which way it went: what was asked for is with whoever asked.
                @if !in_view && (misps.is_empty() || last.is_some()) {
                    (parts::mark("off", "cannot be recalled")) " "
                    span.quiet {
                        @match (last, recalled) {
                            (Some(asked), Some(recalled)) if asked > recalled => { "asked again at " (parts::moment(asked)) ", when it was no longer there; what it took stays with it" }
                            _ => { "has not asked since; what it took stays with it" }
                        }
                    }
                }
            }
        }
    }
}

fn at_misp<P>(asked: &Asked<'_, P>, id: &str, there: &There, in_view: bool) -> Markup {
    html! {
        @if !there.stands { (parts::mark("on", "receipt")) " seen gone at MISP " (cut(&there.misp)) " at " (parts::moment_text(&there.withdrawn)) }
        @else if !there.why.is_empty() { (parts::mark("off", "cannot be withdrawn")) " at MISP " (cut(&there.misp)) ": " (shown(&there.why)) }
        @else { "stands at MISP " (cut(&there.misp)) @if !in_view { " until the next push" } }
        @if there.stands && !in_view && asked.may(Right::Tighten) {
            form method="post" action="/console/recall/push" {
                input type="hidden" name="form_token" value=(asked.form_token);
                input type="hidden" name="id" value=(id);
                input type="hidden" name="misp" value=(there.misp);
                button type="submit" { "Take it back from " (cut(&there.misp)) " now" }
            }
        }
    }
}

/// Pushes to a MISP at which the object stands the events that it is, or is a part of, and what is said about it, which takes it back there.
pub(crate) fn push(asked: &Asked<'_, Tighten>) -> Answer {
    let (id, misp) = (Id::parse(asked.form("id")).ok_or(Trouble::NotFound)?.to_string(), asked.form("misp"));
    let told = asked.ask(json!({"do": "who-has", "id": id, "receipts": true}), &[])?;
    if !theres(&told).iter().any(|t| t.misp == misp && t.stands) {
        return Err(Trouble::NotFound);
    }
    let only = id.split_once("--").map(|(_, uuid)| uuid);
    asked.ask(json!({"do": "misp-push", "name": misp, "only": only}), &[])?;
    Ok(Reply::see(&format!("/console/recall?id={id}")))
}
