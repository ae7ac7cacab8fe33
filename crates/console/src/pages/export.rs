//! What is on the screen, as a file for a recipient.
//!
//! The rule: the file is that recipient's own page of these objects, as far as its maker holds them whole, entered in the ledger as given to it; for oneself
//! it is one's own. What stays is said before there is a file.

use std::collections::BTreeSet;

use maud::{Markup, html};
use polder_release::{Form, Level, Verdict};
use polder_stix::Id;
use polder_stix::time::Version;
use polder_store::{Act, Query, Versions};
use serde_json::Value;

use super::objects::{Seen, name_as_written};
use crate::desk::Right;
use crate::guard::{Answer, Asked, Read, Trouble};
use crate::sink::{self, Reply};
use crate::{limits, parts, text};

/// The form under a list: for oneself, or, of who releases, for anybody.
pub(crate) fn form<P>(asked: &Asked<'_, P>, seen: &[Seen]) -> Markup {
    let policy = asked.app.desk.policy();
    let others: Vec<String> =
        policy.filter(|_| asked.may(Right::Release)).map(|p| p.recipients.iter().filter(|r| r.active).map(|r| r.id.to_string()).collect()).unwrap_or_default();
    let own = asked.person.recipient.to_string();
    let options: Vec<(&str, &str)> =
        std::iter::once((own.as_str(), own.as_str())).chain(others.iter().filter(|o| **o != own).map(|o| (o.as_str(), o.as_str()))).collect();
    html! {
        form.filters method="post" action="/console/export" {
            input type="hidden" name="form_token" value=(asked.form_token);
            @for one in seen { input type="hidden" name="id" value=(one.id()); }
            (parts::field("to", &format!("Save {} for", counted(seen.len())), "", &parts::choice("to", &options, &own)))
            (parts::field("as", "as", "", &parts::choice("as", &[("stix", "a STIX bundle"), ("csv", "a table (CSV)")], "stix")))
            button type="submit" { "Save" }
        }
    }
}

/// How many, in words of a sentence.
fn counted(n: usize) -> String {
    if n == 1 { "this object".to_owned() } else { format!("these {n} objects") }
}

pub(crate) fn bundle(asked: &Asked<'_, Read>) -> Answer {
    let to = match asked.form("to") {
        "" => &*asked.person.recipient,
        other => other,
    };
    let for_oneself = *to == *asked.person.recipient;
    if !for_oneself && !asked.may(Right::Release) {
        return Err(Trouble::Forbidden(Right::Release));
    }
    let known = asked.app.desk.policy().is_some_and(|p| p.recipients.iter().any(|r| *r.id == *to && r.active));
    if !known {
        return Err(Trouble::bad(format!("`{to}` is no recipient that receives"), "choose one of the list"));
    }
    let ids: Vec<Id> = asked.form_all("id").into_iter().filter_map(Id::parse).take(limits::PAGE_OBJECTS_MAX).collect();
    if ids.is_empty() {
        return Err(Trouble::bad("there is nothing to save", "go back to a list with objects"));
    }
    let mine = asked.view(&Query { ids: Some(ids), versions: Versions::last(), ..Query::default() }, Form::Listed)?;
    // What this person may not have is not in the file, whoever it is for.
    let (mut rows, mut go, mut cut, mut stay) = (Vec::new(), Vec::new(), 0, Vec::new());
    for item in mine.items {
        match if for_oneself { Some((item.entry.row, Verdict::Release)) } else { row_for(asked, &item.entry.id, to)? } {
            Some((row, verdict)) => {
                rows.push(row);
                go.push(item.entry.id);
                cut += usize::from(verdict == Verdict::Redact);
            }
            None => stay.push(item.entry.id),
        }
    }
    if rows.is_empty() {
        return Err(Trouble::bad(format!("`{to}` may have nothing of what is shown"), "choose somebody else, or other objects"));
    }
    if !for_oneself && asked.form("sure") != "yes" {
        return before(asked, to, (&go, cut), stay);
    }
    let items = copies(asked, to, rows)?;
    let beside = beside(asked, to, &items)?;
    if !for_oneself {
        let given: Vec<String> = items.iter().map(|seen| format!("{} ({})", seen.id(), seen.item.entry.row)).collect();
        asked.app.store.act(Act::Note(format!("{SAVED} {to}: {}", given.join(" "))), &asked.person.user)?;
    }
    let level = items.iter().chain(&beside).filter_map(|seen| seen.marking().level).max();
    let name = file_name(asked, to, level);
    if asked.form("as") == "csv" {
        return Ok(Reply::download(csv(&items, &beside).into_bytes(), "text/csv; charset=utf-8; header=present", &format!("{name}.csv")));
    }
    let objects: Vec<Vec<u8>> = beside.into_iter().chain(items).map(|seen| seen.item.bytes).collect();
    let mut bytes = format!("{{\"type\":\"bundle\",\"id\":\"{}\",\"objects\":[\n", super::entry::random_id("bundle")?).into_bytes();
    bytes.extend(objects.join(&b",\n"[..]));
    bytes.extend_from_slice(b"\n]}\n");
    Ok(Reply::download(bytes, "application/stix+json; version=2.1", &format!("{name}.json")))
}

/// How the log of acts tells of a file for another.
pub(crate) const SAVED: &str = "saved as a file for";

/// What would go into a file for another, and what stays.
fn before(asked: &Asked<'_, Read>, to: &str, (go, cut): (&[Id], usize), stay: Vec<Id>) -> Answer {
    const NAMED_MAX: usize = 50;
    let (all, left) = (go.len() + stay.len(), stay.len());
    let first = stay.into_iter().take(NAMED_MAX).collect();
    let query = Query { ids: Some(first), versions: Versions::last(), ..Query::default() };
    let stays: Vec<Seen> =
        if left == 0 { Vec::new() } else { asked.view(&query, super::objects::form_for(asked))?.items.into_iter().filter_map(Seen::of).collect() };
    let main = html! {
        h1 { "A file for " (text::cut(to)) }
        p { strong { (go.len()) " of " (all) } @if all == 1 { " object goes" } @else { " objects go" } " into it" @if cut > 0 { ", " (cut) " of them in part" } ". What they need beside them to be read goes with them, as far as it may." }
        p { "The ledger says then that it was sent to " (text::cut(to)) ", so it waits there no more; the log of acts says by whom." }
        @if left > 0 {
            h2 { (left) @if left == 1 { " stays" } @else { " stay" } }
            p.quiet { "The page of each says why." }
            ul { @for seen in &stays { li { (parts::level(seen.marking().level)) " " span.kind { (text::cut(seen.text("type"))) } " " (parts::object_link(&seen.id(), &seen.name())) } } }
            @if left > NAMED_MAX { p.quiet { "and " (left - NAMED_MAX) " more" } }
        }
        form method="post" action="/console/export" {
            input type="hidden" name="form_token" value=(asked.form_token);
            input type="hidden" name="to" value=(to);
            input type="hidden" name="as" value=(asked.form("as"));
            // No more than what was said to go.
            @for id in go { input type="hidden" name="id" value=(id); }
            button.primary type="submit" name="sure" value="yes" { "Save the file for " (text::cut(to)) }
        }
    };
    Ok(asked.page("A file for somebody else", &main))
}

/// These rows as a recipient is served them.
fn copies<P>(asked: &Asked<'_, P>, to: &str, rows: Vec<u32>) -> Result<Vec<Seen>, Trouble> {
    let mut query = Query { rows: Some(rows), versions: Versions { all: true, ..Versions::default() }, ..Query::default() };
    let mut items: Vec<Seen> = Vec::new();
    loop {
        let page = sink::view(&asked.app.store, to, &query, Form::Whole)?;
        items.extend(page.items.into_iter().filter_map(Seen::of));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(items),
        }
    }
}

/// What a reader needs beside these: who wrote them, and what their markings mean, as far as both may have it.
fn beside<P>(asked: &Asked<'_, P>, to: &str, items: &[Seen]) -> Result<Vec<Seen>, Trouble> {
    let here: BTreeSet<&Id> = items.iter().map(|seen| &seen.item.entry.id).collect();
    let marks = |seen: &Seen| {
        seen.object.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let named = items.iter().flat_map(|seen| marks(seen).into_iter().chain([seen.text("created_by_ref").to_owned()]));
    let ids: BTreeSet<Id> = named.filter_map(|id| Id::parse(&id)).filter(|id| !here.contains(id) && polder_release::predefined(id).is_none()).collect();
    let mut rows = Vec::new();
    for id in ids {
        rows.extend(row_for(asked, &id, to)?.map(|(row, _)| row));
    }
    if rows.is_empty() { Ok(Vec::new()) } else { copies(asked, to, rows) }
}

/// For whom it is, of which day, and how the strictest of it is marked.
fn file_name<P>(asked: &Asked<'_, P>, to: &str, level: Option<Level>) -> String {
    let plain = |text: &str| text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect::<String>();
    let day: String = polder_stix::time::from_us(asked.app.store.now_us()).chars().take(10).collect();
    format!("objects-for-{}-{day}-{}", plain(to), level.map_or("unmarked".to_owned(), |l| plain(l.label())))
}

/// A table for a spreadsheet (RFC 4180).
fn csv(items: &[Seen], beside: &[Seen]) -> String {
    let mut out = String::from("id,type,name,value,marking,other_markings,modified,created_by_ref,labels,confidence\r\n");
    for seen in items {
        let list = |key: &str| seen.object.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
        let called = |id: &str| beside.iter().find(|b| b.id() == id).map_or_else(|| id.to_owned(), Seen::name);
        let others: Vec<String> =
            list("object_marking_refs").into_iter().filter(|id| Id::parse(id).is_none_or(|id| polder_release::predefined(&id).is_none())).map(called).collect();
        let value = ["value", "pattern", "path", "key"].into_iter().map(|key| seen.text(key)).find(|v| !v.is_empty()).unwrap_or_default();
        let confidence = seen.object.get("confidence").map(Value::to_string).unwrap_or_default();
        let (name, level) = (name_as_written(&seen.object), parts::level_look(seen.marking().level).2);
        let (labels, others) = (list("labels").join("; "), others.join("; "));
        let cells = [&*seen.id(), seen.text("type"), &name, value, level, &others, seen.text("modified"), seen.text("created_by_ref"), &labels, &confidence];
        out.push_str(&cells.map(csv_cell).join(","));
        out.push_str("\r\n");
    }
    out
}

/// A cell that no spreadsheet takes for a formula: where one could begin, also behind what others take for the end of a cell, stands an apostrophe first.
fn csv_cell(text: &str) -> String {
    let mut out = String::from("\"");
    let mut begins = true;
    for c in text.chars() {
        if begins && matches!(c, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}') {
            out.push('\'');
        }
        begins = matches!(c, ',' | ';' | '|' | '\t' | '\r' | '\n' | '"') || (begins && c.is_whitespace());
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Of the copies that the person holds whole, the latest that the other may have as far as the person may know. Of a copy that is cut for the person the
/// other one's would show what was cut.
fn row_for<P>(asked: &Asked<'_, P>, id: &Id, to: &str) -> Result<Option<(u32, Verdict)>, Trouble> {
    let me = &*asked.person.recipient;
    let mine = asked.app.store.explain_known(id, me, Some(me))?;
    let whole: BTreeSet<u32> = mine.into_iter().filter(|e| e.judgement.verdict == Verdict::Release).map(|e| e.row.row).collect();
    let known = asked.app.store.explain_known(id, to, Some(me))?;
    let may = known.into_iter().filter(|e| e.judgement.permits() && (*to == *me || whole.contains(&e.row.row)));
    Ok(may.max_by_key(|e| (e.row.version.map(Version::ns), e.row.row)).map(|e| (e.row.row, e.judgement.verdict)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_ends_early() {
        for (text, want) in [
            ("plain", "\"plain\""),
            ("=1+1", "\"'=1+1\""),
            (" +cmd|' /C calc'!A0", "\" '+cmd|' /C calc'!A0\""),
            ("x;=1+1", "\"x;'=1+1\""),
            ("-2+3", "\"'-2+3\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"\t'=1\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("a \"quote\", and\nmore", "\"a \"\"quote\"\", and\nmore\""),
        ] {
            assert_eq!(csv_cell(text), want);
        }
    }
}
