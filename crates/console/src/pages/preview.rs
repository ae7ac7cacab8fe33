//! The signature screen: who will receive it, why or why not, what would be taken out, and by which way it travels.
//!
//! The rule: it says what the decision says, in the words of `release explain`, and only about copies that the person may hold.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use polder_stix::Id;
use polder_store::RowView;
use serde_json::{Value, json};

use super::object::about;
use super::objects::Seen;
use crate::desk::Right;
use crate::guard::{Asked, Trouble};
use crate::text::{cut, shown};
use crate::{difference, parts};

/// What the decision says for one recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) recipient: String,
    pub(crate) verdict: String,
    pub(crate) reason: String,
    pub(crate) help: String,
    /// What a person answered about it.
    pub(crate) answered: String,
    pub(crate) source: String,
    pub(crate) version: String,
    /// The copies it is about, as the answer to a held one names them.
    pub(crate) copies: Vec<String>,
    /// Of a version that is only tried: what is taken out of this recipient's copy of it, by path and value.
    pub(crate) gone: Vec<(String, String)>,
    /// How many parts that are, of which the first are named.
    pub(crate) gone_count: usize,
}

impl Told {
    pub(crate) fn of(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let misp = text("misp");
        let reason = if misp.is_empty() { text("reason") } else { format!("{} ({misp})", text("reason")) };
        Self {
            recipient: text("recipient"),
            verdict: text("verdict"),
            reason,
            help: text("help"),
            answered: refused(value),
            source: text("source"),
            version: text("version"),
            copies: Some(text("copy")).into_iter().filter(|c| !c.is_empty()).collect(),
            gone_count: value.get("taken_out_count").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
            gone: value.get("taken_out").and_then(|parts| serde_json::from_value(parts.clone()).ok()).unwrap_or_default(),
        }
    }

    pub(crate) fn permits(&self) -> bool {
        matches!(self.verdict.as_str(), "release" | "redact")
    }

    fn rank(&self) -> u8 {
        match self.verdict.as_str() {
            "release" => 0,
            "redact" => 1,
            "hold" => 2,
            _ => 3,
        }
    }
}

pub(crate) fn rows(value: &Value, key: &str) -> Vec<Told> {
    value.get(key).and_then(Value::as_array).into_iter().flatten().map(Told::of).collect()
}

/// For each recipient the copy it fares best with, in the order in which recipients are named.
pub(crate) fn best(all: Vec<Told>) -> Vec<Told> {
    let mut order: Vec<String> = Vec::new();
    let mut best: BTreeMap<String, Told> = BTreeMap::new();
    for told in all {
        if !order.contains(&told.recipient) {
            order.push(told.recipient.clone());
        }
        match best.get(&told.recipient) {
            Some(held) if held.rank() <= told.rank() => {}
            _ => drop(best.insert(told.recipient.clone(), told)),
        }
    }
    order.into_iter().filter_map(|r| best.remove(&r)).collect()
}

/// The copies of an object that the person may hold, in order of arrival.
pub(crate) fn copies_held<P>(asked: &Asked<'_, P>, id: &Id) -> Result<Vec<RowView>, Trouble> {
    let me = &*asked.person.recipient;
    let told = asked.app.store.explain_known(id, me, Some(me))?;
    Ok(told.into_iter().filter(|e| e.judgement.permits()).map(|e| e.row).collect())
}

/// A copy's version, as pages name it.
pub(crate) fn version_of(copy: &RowView) -> String {
    copy.version.map(|v| v.to_string()).unwrap_or_default()
}

/// What the decision says of every version to everybody, over the copies the person may hold.
pub(crate) fn audience_of_each<P>(asked: &Asked<'_, P>, id: &str) -> Result<Vec<Told>, Trouble> {
    Ok(rows(&asked.ask(about("audience", id), &[])?, "audience"))
}

/// Who may have any of these copies.
pub(crate) fn permitted(all: &[Told]) -> BTreeSet<&str> {
    all.iter().filter(|t| t.permits()).map(|t| t.recipient.as_str()).collect()
}

/// What the decision says of this version to everybody.
pub(crate) fn audience<P>(asked: &Asked<'_, P>, id: &str, version: &str) -> Result<Vec<Told>, Trouble> {
    Ok(of_version(&audience_of_each(asked, id)?, version))
}

fn of_version(all: &[Told], version: &str) -> Vec<Told> {
    let mut told = best(all.iter().filter(|t| t.version == version).cloned().collect());
    for one in told.iter_mut().filter(|t| t.verdict == "hold") {
        // As in the queue, all that waits of an object for one recipient is answered together.
        one.copies = all.iter().filter(|t| t.recipient == one.recipient).flat_map(|t| t.copies.iter().cloned()).collect();
    }
    told
}

/// What the decision says to everybody of the copy each fares best with, whatever its version.
pub(crate) fn audience_of_all<P>(asked: &Asked<'_, P>, id: &str) -> Result<Vec<Told>, Trouble> {
    Ok(best(audience_of_each(asked, id)?))
}

/// Who refused it, if that is what was said last.
fn refused(value: &Value) -> String {
    let Some(last) = value.get("answered").and_then(Value::as_array).and_then(|all| all.first()) else { return String::new() };
    let text = |key: &str| last.get(key).and_then(Value::as_str).unwrap_or_default();
    let when: String = text("when").chars().take(19).collect();
    if text("answer") == "no" { format!("refused by {} at {}Z", text("by"), when.replace('T', " ")) } else { String::new() }
}

/// By which way each recipient gets what it may have.
pub(crate) fn ways<P>(asked: &Asked<'_, P>) -> Result<BTreeMap<String, String>, Trouble> {
    let misps = asked.ask(json!({"do": "misp-status"}), &[])?;
    let mut ways = BTreeMap::new();
    let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
    for recipient in &policy.recipients {
        let over = asked.app.desk.asking(&recipient.id).over;
        if !over.is_empty() {
            ways.insert(recipient.id.to_string(), format!("fetches it over {}", over.join(" and ")));
        }
    }
    for misp in misps.get("misps").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| misp.get(key).and_then(Value::as_str).unwrap_or_default();
        if !text("to").is_empty() {
            ways.insert(text("to").to_owned(), format!("pushed to MISP {}", text("name")));
        }
    }
    Ok(ways)
}

const ASKS: &str = "fetches it itself";

/// The table: one row for each recipient. `now` is what holds before a change, where one is tried.
pub(crate) fn table(told: &[Told], now: Option<&[Told]>, ways: &BTreeMap<String, String>, copy: &dyn Fn(&Told) -> Markup) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="recipients and verdicts" {
            table.audience.stacks {
                thead { tr {
                    th scope="col" { "Recipient" }
                    @if now.is_some() { th scope="col" { "Now" } }
                    th scope="col" { @if now.is_some() { "After the change" } @else { "Verdict" } }
                    th scope="col" { "Why" }
                    th scope="col" { "Way" }
                } }
                tbody {
                    @for one in told {
                        @let before = now.map(|now| now.iter().find(|t| t.recipient == one.recipient));
                        @let changes = before.is_some_and(|b| b.is_some_and(|b| b.permits()) != one.permits());
                        tr.changes[changes] {
                            th scope="row" { (cut(&one.recipient)) }
                            @if let Some(before) = before { td data-label="Now" { @if let Some(before) = before { (parts::verdict(&before.verdict)) } @else { span.quiet { "not here" } } } }
                            td data-label="Verdict" { @if one.answered.is_empty() { (parts::verdict(&one.verdict)) } @else { (parts::verdict("withhold")) " " span.quiet { (cut(&one.answered)) } } @if changes { " " strong.change { @if one.permits() { "gains it" } @else { "loses it" } } } }
                            td data-label="Why" {
                                (shown(&one.reason))
                                @if !one.help.is_empty() { details { summary { "What can be done" } p { (shown(&one.help)) } } }
                                (gone(&one.gone, one.gone_count))
                                (copy(one))
                            }
                            td data-label="Way" { @if one.permits() { (shown(ways.get(&one.recipient).map_or(ASKS, String::as_str))) } @else { span.quiet { "not sent" } } }
                        }
                    }
                }
            }
        }
    }
}

/// What else would come and go with it, recipient by recipient.
fn ids(row: &Value, key: &str) -> Vec<Id> {
    row.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).filter_map(Id::parse).collect()
}

/// What names it and is given to somebody outside all the same: its own marking says who may have that.
pub(crate) fn stays<P>(asked: &Asked<'_, P>, tried: &Value) -> Result<Markup, Trouble> {
    const NAMED_MAX: usize = 10;
    let rows = tried.pointer("/with/rows").and_then(Value::as_array).into_iter().flatten();
    let outside = rows.filter(|row| row.get("recipient").and_then(Value::as_str).is_some_and(|r| !asked.is_of_house(r)));
    let all: BTreeSet<Id> = outside.flat_map(|row| ids(row, "keeps")).collect();
    let names = super::object::named(asked, all.iter().take(NAMED_MAX).cloned().collect())?;
    Ok(html! {
        @if !all.is_empty() {
            (parts::notice("info", &html! {
                p { "These name it and may still be given, without that reference: their own markings say so. Recall them too, if they tell of it." }
                ul { @for id in all.iter().take(NAMED_MAX) { li { span.kind { (cut(&id.kind)) } " " (parts::object_link(&id.to_string(), names.get(id).map_or("", String::as_str))) } } }
                @if all.len() > NAMED_MAX { p { "and " (all.len() - NAMED_MAX) " more" } }
            }))
        }
    })
}

pub(crate) fn with_it<P>(asked: &Asked<'_, P>, tried: &Value) -> Result<Markup, Trouble> {
    const NAMED_MAX: usize = 10;
    let is_moved = |row: &&Value| ["gains", "loses"].iter().any(|key| !ids(row, key).is_empty());
    let rows: Vec<&Value> = tried.pointer("/with/rows").and_then(Value::as_array).into_iter().flatten().filter(is_moved).collect();
    let first = rows.iter().flat_map(|r| ["gains", "loses"].map(|k| ids(r, k).into_iter().take(NAMED_MAX))).flatten().collect();
    let names = super::object::named(asked, first)?;
    let list = |word: &str, all: &[Id]| {
        html! {
            @if !all.is_empty() {
                " " (word) " " strong { (all.len()) @if all.len() == 1 { " other object: " } @else { " other objects: " } }
                @for (n, id) in all.iter().take(NAMED_MAX).enumerate() { @if n > 0 { ", " } (parts::object_link(&id.to_string(), names.get(id).map_or("", String::as_str))) }
                @if all.len() > NAMED_MAX { " and more" }
                "."
            }
        }
    };
    Ok(html! {
        @if !rows.is_empty() {
            (parts::notice("warning", &html! {
                p { "It does not go alone: other objects are about it." }
                ul { @for row in &rows { li { strong { (cut(row.get("recipient").and_then(Value::as_str).unwrap_or_default())) } (list("would gain", &ids(row, "gains"))) (list("would lose", &ids(row, "loses"))) } } }
            }))
        }
        @if tried.pointer("/with/cut") == Some(&Value::Bool(true)) { p.quiet { "Very many objects are about it; the nearest were looked at." } }
    })
}

/// The section of an object's page.
pub(crate) fn section<P>(asked: &Asked<'_, P>, seen: &Seen, all: &[Told]) -> Result<Markup, Trouble> {
    let id = seen.id();
    let version = seen.item.entry.version.map(|v| v.to_string()).unwrap_or_default();
    let told = of_version(all, &version);
    let ways = ways(asked)?;
    let copy = |one: &Told| {
        if one.verdict == "redact" {
            difference(asked, seen, one)
        } else if one.verdict == "hold" && !one.answered.is_empty() && asked.may(Right::Release) {
            html! { details { summary { "Answer again" } (super::queue::answers(asked, &id, one, false)) } }
        } else {
            html! {}
        }
    };
    Ok(html! {
        section.preview aria-labelledby="preview" {
            h2 id="preview" { "Who may have it" }
            (table(&told, None, &ways, &copy))
            p.quiet { "Objects that are not here for you may narrow this further." }
        }
    })
}

/// Parts that are named of those taken out.
const DIFFERENCES_MAX: usize = 50;

/// What is not in a recipient's copy.
fn difference<P>(asked: &Asked<'_, P>, seen: &Seen, one: &Told) -> Markup {
    let copies = copies_held(asked, &seen.item.entry.id).unwrap_or_default();
    let is_it = |r: &&RowView| *r.source == *one.source && version_of(r) == one.version;
    // Of several that one source sent under one version, the one that is on the screen.
    let row = copies.iter().filter(is_it).find(|r| r.row == seen.item.entry.row).or_else(|| copies.iter().find(is_it));
    let copy = row.and_then(|r| asked.app.store.copy_for(r.row, &one.recipient, Some(&asked.person.recipient)).ok().flatten());
    let Some(copy) = copy.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) else { return html! {} };
    let parts = difference::missing(&seen.object, &copy);
    gone(&parts, parts.len())
}

/// Parts that are taken out of a recipient's copy.
fn gone(parts: &[(String, String)], count: usize) -> Markup {
    html! {
        @if count > 0 {
            details.difference {
                summary { (count) @if count == 1 { " part" } @else { " parts" } " taken out of its copy" }
                ul { @for (path, value) in parts.iter().take(DIFFERENCES_MAX) { li { code { (cut(path)) } " " del { (cut(value)) } } } }
                @if count > DIFFERENCES_MAX { p.quiet { "and " (count - DIFFERENCES_MAX) " more" } }
            }
        }
    }
}

pub(crate) fn sent_how(what: &str) -> &'static str {
    match what {
        "full" => "in full",
        "redacted" => "in part",
        _ => "that it exists",
    }
}

/// What somebody was sent: how much, of which version, and whether the recipient may have it now.
type Sent = (String, String, bool);

/// Who was sent an object, each thing once.
pub(crate) fn sent<P>(asked: &Asked<'_, P>, seen: &Seen) -> Result<BTreeMap<String, BTreeSet<Sent>>, Trouble> {
    let told = asked.ask(about("who-has", &seen.id()), &[])?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut by: BTreeMap<String, BTreeSet<Sent>> = BTreeMap::new();
    for row in told.get("who_has").and_then(Value::as_array).into_iter().flatten() {
        let is_there = row.get("in_view") == Some(&Value::Bool(true));
        by.entry(text(row, "recipient")).or_default().insert((text(row, "version"), text(row, "what"), is_there));
    }
    Ok(by)
}

/// Said where an object was sent to others, and none of them may have any of it any more.
pub(crate) fn taken_back<P>(asked: &Asked<'_, P>, id: &str, sent: &BTreeMap<String, BTreeSet<Sent>>, all: &[Told]) -> Markup {
    let permitted = permitted(all);
    let outside: Vec<(&String, &BTreeSet<Sent>)> = sent.iter().filter(|(recipient, _)| !asked.is_of_house(recipient)).collect();
    let is_there = outside.iter().any(|(recipient, what)| permitted.contains(recipient.as_str()) || what.iter().any(|(_, _, in_view)| *in_view));
    html! {
        @if !outside.is_empty() && !is_there {
            (parts::notice("warning", &html! { p {
                strong { "Taken back: " } "it was sent to " (cut(&outside.iter().map(|(recipient, _)| recipient.as_str()).collect::<Vec<_>>().join(", "))) " before, and no longer goes to anybody who was sent it. "
                @if asked.may(Right::Tighten) { a href=(format!("/console/recall?id={id}")) { "Receipts" } }
            } }))
        }
    }
}

/// Who was sent it.
pub(crate) fn holders<P>(asked: &Asked<'_, P>, id: &str, sent: &BTreeMap<String, BTreeSet<Sent>>) -> Markup {
    html! {
        section aria-labelledby="holders" {
            h2 id="holders" { "Who was sent it" }
            @if sent.is_empty() { p.quiet { "Nobody yet." } }
            ul { @for (recipient, what) in sent { li {
                strong { (cut(recipient)) }
                @for (version, how, in_view) in what {
                    " · " (sent_how(how)) @if !version.is_empty() { ", version of " (parts::moment_text(version)) }
                    @if !in_view { " " span.quiet { "(no longer given; what it took stays with it)" } }
                }
            } } }
            @if !sent.is_empty() && asked.may(Right::Tighten) { p { a href=(format!("/console/recall?id={id}")) { "When it was sent, and receipts" } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recipient_has_one_row_the_best_of_its_copies() {
        let told = |recipient: &str, verdict: &str| Told { recipient: recipient.into(), verdict: verdict.into(), ..Told::default() };
        let rows = best(vec![told("b", "withhold"), told("a", "hold"), told("b", "redact"), told("a", "withhold")]);
        assert_eq!(rows.iter().map(|t| (&*t.recipient, &*t.verdict)).collect::<Vec<_>>(), [("b", "redact"), ("a", "hold")]);
    }
}
