//! What was sent to whom, and what people did to this node.
//!
//! The rule: an entry about an object is shown to who may hold that object, and to nobody else.

use std::collections::{BTreeSet, HashMap};

use maud::{Markup, html};
use polder_stix::Id;
use serde_json::{Value, json};

use super::{export, object, preview};
use crate::guard::{Answer, Asked, Audit, Trouble};
use crate::text::{cut, shown};
use crate::{limits, parts};

fn page_of(asked: &Asked<'_, Audit>) -> usize {
    asked.query("from").parse().unwrap_or(0)
}

fn pager(address: &str, from: usize, here: usize, more: bool) -> Markup {
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
    if !chosen.is_empty() && !recipients.contains(&chosen) {
        return Err(Trouble::NotFound);
    }
    let chosen = if recipients.contains(&chosen) { chosen } else { recipients.iter().find(|r| ***r != *asked.person.recipient).copied().unwrap_or_default() };
    let value = if chosen.is_empty() { Value::Null } else { asked.ask(json!({"do": "what-has", "recipient": chosen}), &[])? };
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows: Vec<&Value> = value.get("what_has").and_then(Value::as_array).into_iter().flatten().collect();
    let rows: Vec<&Value> = rows.into_iter().rev().collect();
    let from = page_of(asked).min(rows.len());
    let here: Vec<&&Value> = rows.iter().skip(from).take(limits::PAGE_ENTRIES).collect();
    let names = object::named(asked, here.iter().filter_map(|r| Id::parse(&text(r, "id"))).collect())?;
    let name = |row: &Value| Id::parse(&text(row, "id")).and_then(|id| names.get(&id).cloned()).unwrap_or_default();
    let options: Vec<(&str, &str)> = recipients.iter().map(|r| (*r, *r)).collect();
    let main = html! {
        h1 { "Ledger: " (cut(chosen)) }
        p { "What was sent to a recipient, the latest first. It was written before the first byte left." }
        form.filters method="get" action="/console/ledger" {
            (parts::field("recipient", "Recipient", "", &parts::choice("recipient", &options, chosen)))
            button type="submit" { "Show" }
        }
        @if here.is_empty() { (parts::nothing("Nothing was sent to it of what you may have.", "")) } @else {
            div.wide tabindex="0" role="region" aria-label="ledger" id="entries" data-live="board" {
                table.stacks {
                    thead { tr { th scope="col" { "Object" } th scope="col" { "Version" } th scope="col" { "First sent" } th scope="col" { "What" } th scope="col" { "Now" } } }
                    tbody { @for row in &here { tr {
                        th scope="row" { span.kind { (cut(text(row, "id").split("--").next().unwrap_or_default())) } " " (parts::object_link(&text(row, "id"), &name(row))) }
                        td data-label="Version" { @if !text(row, "version").is_empty() { (parts::moment_text(&text(row, "version"))) } }
                        td data-label="First sent" { @if !text(row, "at").is_empty() { (parts::moment_text(&text(row, "at"))) } }
                        td data-label="What" { (cut(&text(row, "what"))) @if !text(row, "sha256").is_empty() { " " code.quiet title=(text(row, "sha256")) { (text(row, "sha256").chars().take(12).collect::<String>()) "…" } } }
                        td data-label="Now" { @if row.get("in_view") == Some(&Value::Bool(true)) { "may have it" } @else { "may no longer have it" } }
                    } } }
                }
            }
        }
        (pager(&format!("/console/ledger?recipient={chosen}&"), from, here.len(), from + here.len() < rows.len()))
    };
    Ok(asked.page("Ledger", &main))
}

/// Acts as one person may know them.
struct Acts<'a, P> {
    asked: &'a Asked<'a, P>,
    /// The copies of objects that the person holds, by source and version.
    copies: HashMap<String, Vec<(String, String)>>,
    /// Of the rows that acts name, those that the person holds.
    rows: BTreeSet<u32>,
}

impl<P> Acts<'_, P> {
    fn holds(&mut self, id: &str, is_it: impl Fn(&(String, String)) -> bool) -> bool {
        let asked = self.asked;
        let held = || Some(preview::copies_held(asked, &Id::parse(id)?).ok()?.iter().map(|c| (c.source.to_string(), preview::version_of(c))).collect());
        let copies = self.copies.entry(id.to_owned()).or_insert_with(|| held().unwrap_or_default());
        copies.iter().any(is_it)
    }

    /// Of ids, each with its row behind it, those whose row the person holds.
    fn ids_of(&self, pairs: &[&str]) -> Option<String> {
        let held = |pair: &&[&str]| matches!(pair, [_, row] if row_of(row).is_some_and(|row| self.rows.contains(&row)));
        let mut ids: Vec<&str> = pairs.chunks(2).filter(held).filter_map(|pair| pair.first().copied()).collect();
        ids.dedup();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    /// What is told of an act; nothing of one that is only about what this person may not hold.
    fn told(&mut self, kind: &str, what: &str) -> Option<String> {
        if let Some((head, list)) = what.strip_prefix("import into ").and_then(|_| what.split_once(": ")) {
            let source = head.strip_prefix("import into ").unwrap_or_default();
            let named = |word: &str| word.split_once('@').map_or((word.to_owned(), String::new()), |(id, version)| (id.to_owned(), version.to_owned()));
            let kept: Vec<String> =
                list.split(' ').map(named).filter(|(id, version)| self.holds(id, |c| *c.0 == *source && c.1 == *version)).map(|(id, _)| id).collect();
            return (!kept.is_empty()).then(|| format!("{head}: {}", kept.join(" ")));
        }
        if let Some((head, pairs)) = what.split_once(": ").filter(|(head, _)| kind == "note" && head.starts_with(export::SAVED)) {
            return self.ids_of(&pairs.split(' ').collect::<Vec<_>>()).map(|ids| format!("{head}: {ids}"));
        }
        let words: Vec<&str> = what.split(' ').collect();
        // The copy that was answered is named by a digest, which is of no use to a reader.
        if let ("note", ["wider", how, id, version, "from", source, _, _, to @ ..]) = (kind, words.as_slice()) {
            let is_meant = |c: &(String, String)| match *version {
                "all" => source.split(',').any(|s| s == c.0),
                "-" => *c.0 == **source && c.1.is_empty(),
                version => *c.0 == **source && *c.1 == *version,
            };
            return self.holds(id, is_meant).then(|| format!("wider version {how} {id} {}", to.join(" ")));
        }
        match (kind, words.as_slice()) {
            ("pin", _) => Some(what.to_owned()),
            ("note", [id, "of", source, "marked", level @ ..]) => self.holds(id, |c| *c.0 == **source).then(|| format!("{id} marked {}", level.join(" "))),
            ("note", ["recalled", id, "of", sources]) => self.holds(id, |c| sources.split(',').any(|s| s == c.0)).then(|| format!("recalled {id}")),
            // A copy that was tightened is told of to who holds that copy.
            ("overlay" | "lift", [id, "of", source, ..]) => self.holds(id, |c| c.0 == **source).then(|| what.to_owned()),
            ("grant" | "approve" | "refuse", [id, "to", recipient, row]) => self.rows.contains(&row_of(row)?).then(|| format!("{id} to {recipient}")),
            ("remove", pairs) => self.ids_of(pairs),
            _ => {
                let ids: Vec<&str> = words.into_iter().filter(|w| Id::parse(w).is_some()).collect();
                ids.into_iter().all(|id| self.holds(id, |_| true)).then(|| what.to_owned())
            }
        }
    }
}

/// The number of a row in an act's words. It stays inside.
fn row_of(word: &str) -> Option<u32> {
    word.strip_prefix('(')?.strip_suffix(')')?.parse().ok()
}

pub(crate) fn acts(asked: &Asked<'_, Audit>) -> Answer {
    let detail = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let all: Vec<(i64, String, Value, String)> = asked
        .app
        .store
        .acts(usize::MAX)?
        .into_iter()
        .map(|(us, kind, said)| {
            let value = detail(&said);
            let what = text(&value, "what");
            (us, kind, value, what)
        })
        .collect();
    let rows: Vec<u32> = all.iter().flat_map(|(_, _, _, what)| what.split(' ').filter_map(row_of)).collect();
    let mut acts = Acts { asked, copies: HashMap::new(), rows: asked.app.store.held(&rows, &asked.person.recipient)? };
    // What is not for this person is left out before pages are cut, or a short page would tell of it.
    let mut rows: Vec<(i64, String, String, String)> = Vec::new();
    for (us, kind, value, what) in all {
        if let Some(what) = acts.told(&kind, &what) {
            rows.push((us, kind, what, text(&value, "by")));
        }
    }
    let from = page_of(asked).min(rows.len());
    let here: Vec<&(i64, String, String, String)> = rows.iter().skip(from).take(limits::PAGE_ENTRIES).collect();
    let ids = here.iter().flat_map(|(_, _, what, _)| what.split(' ').filter_map(Id::parse)).collect();
    let names = object::named(asked, ids)?;
    let main = html! {
        h1 { "Acts" }
        p { "What people did to this node, the latest first. Acts that are only about objects you may not have are not here." }
        @if here.is_empty() { (parts::nothing("Nothing yet.", "")) } @else {
            div.wide tabindex="0" role="region" aria-label="acts" id="entries" data-live="board" {
                table.stacks {
                    thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "About" } th scope="col" { "By" } } }
                    tbody { @for (us, kind, what, by) in here.iter().copied() { tr {
                        td data-label="When" { (parts::moment(*us)) }
                        th scope="row" { (said(kind)) }
                        td data-label="About" { (about(what, &names)) }
                        td data-label="By" { (cut(by)) }
                    } } }
                }
            }
        }
        (pager("/console/acts?", from, here.len(), from + here.len() < rows.len()))
    };
    Ok(asked.page("Acts", &main))
}

/// What an act is about, objects by their names; of many the first.
fn about(what: &str, names: &object::Names) -> Markup {
    const NAMED_MAX: usize = 5;
    let (mut shown_ids, mut words) = (0, Vec::new());
    for word in what.split(' ') {
        match Id::parse(word) {
            Some(id) => {
                shown_ids += 1;
                if shown_ids <= NAMED_MAX {
                    words.push(html! { (parts::object_link(word, names.get(&id).map_or("", String::as_str))) });
                }
            }
            None => words.push(html! { (shown(word)) }),
        }
    }
    html! { @for word in &words { (word) " " } @if shown_ids > NAMED_MAX { span.quiet { "and more" } } }
}

/// The kind of an act in words.
fn said(kind: &str) -> &str {
    match kind {
        "policy" => "policy in force",
        "overlay" => "marking raised here",
        "lift" => "raised marking lifted here",
        "grant" => "released by a person",
        "approve" => "one yes of several",
        "refuse" => "refused by a person",
        "pin" => "definition explained",
        "remove" => "removed",
        "note" => "done",
        other => other,
    }
}
