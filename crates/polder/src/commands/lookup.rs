//! Finding and fetching objects, for the holder's own people, and exporting a recipient's view.

use polder_release::{Form, Outbound, Page, Verdict};
use polder_stix::{Id, time};
use polder_store::{Find, Query, Versions};
use serde_json::{Value, json};

use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::request::Answer;

/// One page through the door, opened at the sink.
pub(super) fn page(node: &Node, recipient: &str, query: &Query, form: Form) -> Result<Page, Failure> {
    let unknown = || Failure::not_found("recipient", recipient, "see `polder recipient list`");
    let number = node.store.recipient_number(recipient).ok_or_else(unknown)?;
    for _ in 0..3 {
        let released = node.store.page(recipient, query, form)?;
        match Outbound::new(number, &*node.store).pass(released) {
            Ok(page) => return Ok(page),
            Err(polder_release::Refused::Epoch) => {}
            Err(polder_release::Refused::Recipient) => {
                return Err(Failure::new(exit::NO, format!("recipient `{recipient}` is suspended"), "`polder recipient resume` lets it receive again"));
            }
        }
    }
    Err(Failure::new(exit::NO, "the policy kept changing while the page was made", "try again"))
}

/// Every object a recipient may hold, as a bundle.
pub(super) fn export(node: &Node, recipient: &str) -> Result<Answer, Failure> {
    let mut bundle = format!("{{\"type\":\"bundle\",\"id\":\"bundle--{}\",\"objects\":[\n", crate::auth::random_uuid()?).into_bytes();
    let mut query = Query { versions: Versions { all: true, ..Versions::default() }, limit: Some(1000), ..Query::default() };
    let (mut count, mut damaged) = (0usize, 0usize);
    loop {
        let page = page(node, recipient, &query, Form::Whole)?;
        damaged += page.unreadable;
        for item in &page.items {
            if count > 0 {
                bundle.extend_from_slice(b",\n");
            }
            bundle.extend_from_slice(&item.bytes);
            count += 1;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    if count == 0 && damaged > 0 {
        return Err(Failure::configuration("every object is damaged on disk", "restore the store from a backup"));
    }
    if count == 0 {
        return Err(Failure::new(exit::NO, format!("recipient `{recipient}` may hold nothing"), "`polder release explain OBJECT --to RECIPIENT` says why"));
    }
    bundle.extend_from_slice(b"\n]}\n");
    let exit = if damaged > 0 { exit::PARTIAL } else { exit::OK };
    Ok(Answer { value: json!({"objects": count, "damaged": damaged}), bytes: Some(bundle), exit })
}

/// One object: its latest version in the owner's view, all copies, or the text as received.
pub(super) fn get(node: &Node, id: &Id, original: bool, all: bool) -> Result<Answer, Failure> {
    let owner = node.owner();
    let missing = || Failure::not_found("object", &id.to_string(), "`polder object find WORDS` searches names and values");
    if !original && !all {
        let query = Query { ids: Some(vec![id.clone()]), versions: Versions::last(), ..Query::default() };
        let page = page(node, &owner, &query, Form::Whole)?;
        let item = page.items.into_iter().next_back().ok_or_else(missing)?;
        return Ok(Answer { value: json!({"id": id.to_string()}), bytes: Some(line(item.bytes)), exit: exit::OK });
    }
    let mut copies = node.store.explain(id, &owner)?;
    copies.retain(|e| e.judgement.verdict == Verdict::Release);
    if !all {
        let latest = copies.into_iter().max_by_key(|e| (e.row.version.map(time::Version::ns), e.row.row));
        copies = latest.into_iter().collect();
    }
    if copies.is_empty() {
        return Err(missing());
    }
    let mut bytes = Vec::new();
    for copy in &copies {
        bytes.extend(line(node.store.row_bytes(copy.row.row, original)?));
    }
    Ok(Answer { value: json!({"id": id.to_string(), "copies": copies.len()}), bytes: Some(bytes), exit: exit::OK })
}

fn line(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(b'\n');
    bytes
}

/// Words of one search.
const WORDS_MAX: usize = 32;
/// Bytes of one word.
const WORD_BYTES_MAX: usize = 1024;

/// What is looked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) words: Vec<String>,
    pub(super) object_type: Option<String>,
    pub(super) refers_to: Option<String>,
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
    pub(super) limit: usize,
}

/// Objects of the owner's view whose names and values hold every word, newest first.
pub(super) fn find(node: &Node, wanted: &Wanted) -> Result<Answer, Failure> {
    if let Some(word) = wanted.words.iter().find(|w| !w.contains(char::is_alphanumeric)) {
        return Err(Failure::usage(format!("`{word}` holds no letter or digit"), "give words of names or values"));
    }
    if wanted.words.len() > WORDS_MAX || wanted.words.iter().any(|w| w.len() > WORD_BYTES_MAX) {
        return Err(Failure::usage(format!("at most {WORDS_MAX} words of {WORD_BYTES_MAX} bytes each can be looked for"), "look for fewer or shorter words"));
    }
    let refers_to = wanted
        .refers_to
        .as_ref()
        .map(|text| Id::parse(text).ok_or_else(|| Failure::usage(format!("`{text}` is not a STIX id"), "write it like malware--UUID")));
    let find = Find {
        words: wanted.words.clone(),
        types: wanted.object_type.as_ref().map(|t| vec![t.as_str().into()]),
        refers_to: refers_to.transpose()?,
        since_us: moment(wanted.since.as_deref())?,
        until_us: moment(wanted.until.as_deref())?,
    };
    let owner = node.owner();
    let mut found = Vec::new();
    for mut query in node.store.candidates(&owner, &find)? {
        let mut here = Vec::new();
        loop {
            let page = page(node, &owner, &query, Form::Whole)?;
            for item in page.items {
                let Ok(object) = serde_json::from_slice::<Value>(&item.bytes) else { continue };
                let version = item.entry.version.map(|v| v.to_string());
                here.push(json!({"id": item.entry.id.to_string(), "version": version, "added": time::from_us(item.entry.date_us), "name": title(&object)}));
            }
            // Large objects fill a page before the question is answered.
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        found.extend(here.into_iter().rev());
        if found.len() > wanted.limit {
            break;
        }
    }
    let more = found.len() > wanted.limit;
    found.truncate(wanted.limit);
    let exit = if found.is_empty() { exit::NO } else { exit::OK };
    Ok(Answer { value: json!({"found": found, "more": more}), bytes: None, exit })
}

/// A time, or a day for the moment it begins.
fn moment(text: Option<&str>) -> Result<Option<i64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let read = time::to_us(text).or_else(|| time::to_us(&format!("{text}T00:00:00Z")));
    read.map(Some).ok_or_else(|| Failure::usage(format!("`{text}` is not a time"), "write it like 2026-01-31 or 2026-01-31T12:00:00Z, in UTC"))
}

fn title(object: &Value) -> Value {
    ["name", "value", "pattern", "relationship_type", "path", "key"].iter().find_map(|k| object.get(*k)).cloned().unwrap_or(Value::Null)
}
