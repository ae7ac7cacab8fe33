//! What was sent to whom, and what people did to this node.
//!
//! The rule: an entry about an object is shown to who may hold that object, and to nobody else.

use std::collections::BTreeSet;

use maud::html;
use polder_release::Form;
use polder_stix::Id;
use polder_store::{Query, Versions};
use serde_json::{Value, json};

use crate::guard::{Answer, Asked, Audit, Trouble};
use crate::text::{cut, shown};
use crate::{limits, parts};

/// Of these, the objects that are in the person's view.
fn visible<P>(asked: &Asked<'_, P>, ids: BTreeSet<Id>) -> Result<BTreeSet<Id>, Trouble> {
    let mut out = BTreeSet::new();
    let ids: Vec<Id> = ids.into_iter().collect();
    for ids in ids.chunks(1000) {
        let query = Query { ids: Some(ids.to_vec()), versions: Versions { all: true, ..Versions::default() }, ..Query::default() };
        out.extend(asked.view(&query, Form::Listed)?.items.into_iter().map(|i| i.entry.id));
    }
    Ok(out)
}

fn page_of(asked: &Asked<'_, Audit>) -> usize {
    asked.query("from").parse().unwrap_or(0)
}

fn pager(address: &str, from: usize, here: usize, more: bool) -> maud::Markup {
    html! {
        p.pager {
            @if here > 0 { span.quiet { (from + 1) " to " (from + here) " " } }
            @if from > 0 { a rel="prev" href=(format!("{address}from={}", from.saturating_sub(limits::PAGE_ENTRIES))) { "Earlier ones" } " " }
            @if more { a rel="next" href=(format!("{address}from={}", from + limits::PAGE_ENTRIES)) { "Further ones" } }
        }
    }
}

pub(crate) fn ledger(asked: &Asked<'_, Audit>) -> Answer {
    let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
    let recipients: Vec<&str> = policy.recipients.iter().map(|r| &*r.id).collect();
    let chosen = asked.query("recipient");
    let chosen = if recipients.contains(&chosen) { chosen } else { recipients.iter().find(|r| ***r != *asked.person.recipient).copied().unwrap_or_default() };
    let value = if chosen.is_empty() { Value::Null } else { asked.ask(json!({"do": "what-has", "recipient": chosen}), &[])? };
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows: Vec<&Value> = value.get("what_has").and_then(Value::as_array).into_iter().flatten().collect();
    let known = visible(asked, rows.iter().filter_map(|r| Id::parse(&text(r, "id"))).collect())?;
    let rows: Vec<&Value> = rows.into_iter().rev().filter(|r| Id::parse(&text(r, "id")).is_some_and(|id| known.contains(&id))).collect();
    let from = page_of(asked).min(rows.len());
    let here: Vec<&&Value> = rows.iter().skip(from).take(limits::PAGE_ENTRIES).collect();
    let options: Vec<(&str, &str)> = recipients.iter().map(|r| (*r, *r)).collect();
    let main = html! {
        h1 { "Ledger" }
        p { "What was sent to a recipient, the latest first. It was written before the first byte left." }
        form.filters method="get" action="/console/ledger" {
            (parts::field("recipient", "Recipient", "", &parts::choice("recipient", &options, chosen)))
            button type="submit" { "Show" }
        }
        @if here.is_empty() { (parts::nothing("Nothing was sent to it of what you may have.", "")) } @else {
            div.wide tabindex="0" role="region" aria-label="ledger" {
                table {
                    thead { tr { th scope="col" { "Object" } th scope="col" { "Version" } th scope="col" { "Sent" } th scope="col" { "Now" } } }
                    tbody { @for row in &here { tr {
                        th scope="row" { (parts::object_link(&text(row, "id"), "")) }
                        td { @if !text(row, "version").is_empty() { (parts::moment_text(&text(row, "version"))) } }
                        td { (cut(&text(row, "what"))) @if !text(row, "sha256").is_empty() { " " code.quiet title=(text(row, "sha256")) { (text(row, "sha256").chars().take(12).collect::<String>()) "…" } } }
                        td { @if row.get("in_view") == Some(&Value::Bool(true)) { "may have it" } @else { "may no longer have it" } }
                    } } }
                }
            }
        }
        (pager(&format!("/console/ledger?recipient={chosen}&"), from, here.len(), from + here.len() < rows.len()))
    };
    Ok(asked.page("Ledger", &main))
}

pub(crate) fn acts(asked: &Asked<'_, Audit>) -> Answer {
    let detail = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let all: Vec<(i64, String, Value)> = asked.app.store.acts(usize::MAX)?.into_iter().map(|(us, kind, text)| (us, kind, detail(&text))).collect();
    let what = |v: &Value| v.get("what").and_then(Value::as_str).unwrap_or_default().to_owned();
    let named = |v: &Value| what(v).split_whitespace().filter_map(Id::parse).collect::<Vec<Id>>();
    let known = visible(asked, all.iter().flat_map(|(_, _, v)| named(v)).collect())?;
    // What is not for this person is left out before pages are cut, or a short page would tell of it.
    let rows: Vec<&(i64, String, Value)> = all.iter().filter(|(_, kind, v)| kind == "pin" || named(v).iter().all(|id| known.contains(id))).collect();
    let from = page_of(asked).min(rows.len());
    let here: Vec<&&(i64, String, Value)> = rows.iter().skip(from).take(limits::PAGE_ENTRIES).collect();
    let main = html! {
        h1 { "Acts" }
        p { "What people did to this node besides bringing objects in, the latest first. Acts about objects you may not have are not here." }
        @if here.is_empty() { (parts::nothing("Nothing yet.", "")) } @else {
            div.wide tabindex="0" role="region" aria-label="acts" {
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "About" } th scope="col" { "By" } } }
                    tbody { @for (us, kind, value) in here.iter().map(|row| &***row).map(|(us, kind, value)| (us, kind, value)) { tr {
                        td { (parts::moment(*us)) }
                        th scope="row" { (cut(kind)) }
                        td { (shown(&what(value))) }
                        td { (cut(value.get("by").and_then(Value::as_str).unwrap_or_default())) }
                    } } }
                }
            }
        }
        (pager("/console/acts?", from, here.len(), from + here.len() < rows.len()))
    };
    Ok(asked.page("Acts", &main))
}
