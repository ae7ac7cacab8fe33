//! Who may have what, and why; raising a marking; pinning a definition; the queue; the ledger.

use polder_misp::{in_words, unexplained_in_words};
use polder_release::{Mark, Reason, Verdict};
use polder_stix::{Id, time};
use polder_store::{Act, Explained, RowView, Sharing, prepare};
use serde_json::{Value, json};

use super::{Caller, effect};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::request::Answer;
use crate::words;

/// The copies of an object that a reader knows of; without one, all that are here.
pub(super) fn known_rows(node: &Node, reader: Option<&str>, id: &Id) -> Result<Vec<RowView>, Failure> {
    Ok(match reader {
        Some(reader) => node.store.explain_known(id, reader, Some(reader))?.into_iter().map(|e| e.row).collect(),
        None => node.store.rows_of(id),
    })
}

pub(super) fn missing(id: &Id) -> Failure {
    Failure::not_found("object", &id.to_string(), "`polder object find WORDS` searches names and values")
}

fn explained(node: &Node, reader: Option<&str>, e: &Explained) -> Value {
    let directory = node.directory();
    json!({
        "id": e.row.id.to_string(),
        "version": e.row.version.map(|v| v.to_string()),
        "source": e.row.source,
        "label": words::label(&e.row.label),
        "recipient": e.recipient,
        "verdict": words::verdict(e.judgement.verdict),
        "reason": words::reason(e, &directory),
        "help": words::help(e, &directory),
        "unexplained": unexplained(e),
        "misp": of_misp(node, reader, e),
        "removed_references": e.removed_references.iter().map(Id::to_string).collect::<Vec<_>>(),
        "removed_properties_marked": e.removed_for.iter().map(Id::to_string).collect::<Vec<_>>(),
        "copy": (e.judgement.verdict == Verdict::Hold).then(|| copy_name(node, reader, e)),
    })
}

/// The reason in MISP's words, where the object came from one.
fn of_misp(node: &Node, reader: Option<&str>, e: &Explained) -> Option<String> {
    if let Reason::Opaque(ids) = &e.judgement.reason {
        let row = |id: &Id| match reader {
            Some(reader) => {
                node.store.explain_known(id, reader, Some(reader)).ok()?.into_iter().find(|e| e.judgement.verdict == Verdict::Release).map(|e| e.row.row)
            }
            None => node.store.rows_of(id).first().map(|r| r.row),
        };
        let definition = |id: &Id| serde_json::from_slice(&node.store.row_bytes(row(id)?, false).ok()?).ok();
        let said: Vec<String> = ids.iter().filter_map(|id| unexplained_in_words(&definition(id)?)).collect();
        return (!said.is_empty()).then(|| format!("{} is not known here; correct it in MISP, or settle it in `release queue`", said.join(", ")));
    }
    if e.judgement.permits() {
        return None;
    }
    let policy = node.directory().policy().ok()?;
    in_words(&policy.alliance, &e.row.markings).map(str::to_owned)
}

/// Markings nobody has explained, where they decide.
fn unexplained(e: &Explained) -> Vec<String> {
    match &e.judgement.reason {
        Reason::Opaque(ids) => ids.iter().map(Id::to_string).collect(),
        _ => Vec::new(),
    }
}

/// Why a recipient may or may not have an object.
pub(super) fn explain(node: &Node, reader: Option<&str>, id: &Id, to: &str) -> Result<Answer, Failure> {
    let rows = node.store.explain_known(id, to, reader)?;
    if rows.is_empty() {
        return Err(missing(id));
    }
    let yes = rows.iter().any(|e| e.judgement.permits());
    let held: Vec<u32> = rows.iter().map(|e| e.row.row).collect();
    let rows: Vec<Value> = rows.iter().map(|e| explained(node, reader, e)).collect();
    Ok(Answer {
        value: json!({"explain": rows, "answered": answered(node, reader, &held, (id, to))?}),
        bytes: None,
        exit: if yes { exit::OK } else { exit::NO },
    })
}

/// What people said, the latest first, with what it was about.
fn answers(node: &Node) -> Result<Vec<(String, Value)>, Failure> {
    let told = |(stamp_us, kind, detail): (i64, String, String)| {
        let answer = match kind.as_str() {
            "grant" => "yes",
            "refuse" => "no",
            _ => return None,
        };
        let detail: Value = serde_json::from_str(&detail).ok()?;
        let what = detail.get("what").and_then(Value::as_str)?.to_owned();
        Some((what, json!({"answer": answer, "when": time::from_us(stamp_us), "by": detail.get("by")})))
    };
    Ok(node.store.acts(usize::MAX)?.into_iter().filter_map(told).collect())
}

/// What people said about an object and a recipient, the latest first; to a reader only about copies that it may hold.
fn answered(node: &Node, reader: Option<&str>, held: &[u32], (id, to): (&Id, &str)) -> Result<Vec<Value>, Failure> {
    let about = format!("{id} to {to} (");
    let meant: Vec<String> = held.iter().map(|row| about_row(id, to, *row)).collect();
    let is_it = |what: &str| if reader.is_some() { meant.iter().any(|m| m == what) } else { what.starts_with(&about) };
    Ok(answers(node)?.into_iter().filter(|(what, _)| is_it(what)).map(|(_, told)| told).collect())
}

/// Who may have an object; of what waits, what people said about it.
pub(super) fn audience(node: &Node, reader: Option<&str>, id: &Id) -> Result<Answer, Failure> {
    let recipients: Vec<String> = node.directory().recipients.recipients.iter().map(|r| r.id.clone()).collect();
    let mut found = Vec::new();
    for recipient in &recipients {
        found.extend(node.store.explain_known(id, recipient, reader)?);
    }
    // To who may hold none of its copies it is not here.
    if found.is_empty() && (reader.is_some() || node.store.rows_of(id).is_empty()) {
        return Err(missing(id));
    }
    let waits = |e: &Explained| e.judgement.verdict == Verdict::Hold;
    let answers = if found.iter().any(waits) { answers(node)? } else { Vec::new() };
    let row = |e: &Explained| {
        let mut row = explained(node, reader, e);
        if let Some(map) = row.as_object_mut().filter(|_| waits(e)) {
            let what = about_row(id, &e.recipient, e.row.row);
            let said: Vec<&Value> = answers.iter().filter(|(about, _)| *about == what).map(|(_, told)| told).collect();
            map.insert("answered".to_owned(), json!(said));
        }
        row
    };
    let rows: Vec<Value> = found.iter().map(row).collect();
    Ok(Answer::ok(json!({"audience": rows})))
}

/// What the decision would say of objects that are only tried, for every recipient: of the source's version that it would fare best with.
pub(super) fn tried(node: &Node, trial: &polder_store::Rehearsal<'_>, (source, reader): (&str, Option<&str>), ids: &[Id]) -> Result<Vec<Value>, Failure> {
    let recipients: Vec<String> = node.directory().recipients.recipients.iter().map(|r| r.id.clone()).collect();
    let mut rows = Vec::new();
    for id in ids {
        for recipient in &recipients {
            let all: Vec<Explained> = trial.explain(id, recipient)?.into_iter().filter(|e| *e.row.source == *source).collect();
            // The version that it fares best with; of those the latest.
            let rank = |e: &Explained| match e.judgement.verdict {
                Verdict::Release => 3,
                Verdict::Redact => 2,
                Verdict::Hold => 1,
                Verdict::Withhold => 0,
            };
            let Some(best) = all.iter().max_by_key(|e| (rank(e), e.row.row)) else { continue };
            let mut row = explained(node, reader, best);
            if let (Some(map), true) = (row.as_object_mut(), ids.len() == 1) {
                // Of a long report for many recipients all of it would be no preview; how much there is tells them apart.
                let parts = taken_out(node, trial, reader, best)?;
                map.insert("taken_out_count".to_owned(), parts.len().into());
                map.insert("taken_out".to_owned(), json!(parts.into_iter().take(TAKEN_OUT_MAX).collect::<Vec<_>>()));
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Parts taken out of a copy that are named.
const TAKEN_OUT_MAX: usize = 200;

/// What is taken out of a recipient's copy of a version that is tried, by path and value; nothing to who would not hold all of it.
fn taken_out(node: &Node, trial: &polder_store::Rehearsal<'_>, reader: Option<&str>, e: &Explained) -> Result<Vec<(String, String)>, Failure> {
    if e.judgement.verdict != Verdict::Redact {
        return Ok(Vec::new());
    }
    if let Some(reader) = reader {
        let holds = |held: &Explained| held.row.row == e.row.row && held.judgement.verdict == Verdict::Release;
        if !trial.explain(&e.row.id, reader)?.iter().any(holds) {
            return Ok(Vec::new());
        }
    }
    let bytes = trial.bytes_of(e.row.row).map_or_else(|| node.store.row_bytes(e.row.row, false), Ok)?;
    let (removal, denied) = (&e.judgement.removal, e.removed_references.iter().cloned().collect());
    let Ok(copy) = polder_release::redact(&bytes, &removal.granular, &denied, removal.author, None) else { return Ok(Vec::new()) };
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    Ok(polder_console::difference::missing(&read(&bytes), &read(&copy)))
}

/// Other objects that come and go with one that is tried, for each recipient.
pub(super) fn moved_with(trial: &polder_store::Rehearsal<'_>, id: &Id) -> Result<Value, Failure> {
    const LOOKED_AT_MAX: usize = 500;
    let (moved, cut) = trial.moved_with(id, LOOKED_AT_MAX)?;
    let ids = |all: &[Id]| all.iter().map(Id::to_string).collect::<Vec<_>>();
    let rows: Vec<Value> =
        moved.iter().map(|m| json!({"recipient": m.recipient, "gains": ids(&m.gains), "loses": ids(&m.loses), "keeps": ids(&m.keeps)})).collect();
    Ok(json!({"rows": rows, "cut": cut}))
}

/// What waits for a person, and who has said yes so far.
pub(super) fn queue(node: &Node, reader: Option<&str>) -> Result<Answer, Failure> {
    let waiting = node.store.queue_known(reader)?;
    let yeses = yeses(node)?;
    let row = |e: &Explained| {
        let mut row = explained(node, reader, e);
        if let Some(map) = row.as_object_mut() {
            map.insert("approved_by".to_owned(), json!(yeses.get(&about_row(&e.row.id, &e.recipient, e.row.row)).cloned().unwrap_or_default()));
        }
        row
    };
    let rows: Vec<Value> = waiting.iter().map(row).collect();
    let wider = super::widening::proposed(node, reader)?;
    Ok(Answer::ok(json!({"queue": rows, "wider": wider, "persons_min": node.config.widen_persons_min})))
}

/// As the log of acts names it.
fn about_row(id: &Id, recipient: &str, row: u32) -> String {
    format!("{id} to {recipient} ({row})")
}

/// Who said yes to what, where the last of the yeses has not come yet. A no or a grant ends what was said before it; what a removed login said is void.
fn yeses(node: &Node) -> Result<std::collections::BTreeMap<String, Vec<String>>, Failure> {
    let mut all: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
    for (_, kind, detail) in node.store.acts(usize::MAX)?.into_iter().rev() {
        let detail: Value = serde_json::from_str(&detail).unwrap_or_default();
        let text = |key: &str| detail.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind.as_str() {
            "approve" => {
                let said = all.entry(text("what")).or_default();
                if may_release(node, &text("by")) && !said.contains(&text("by")) {
                    said.push(text("by"));
                }
            }
            "grant" | "refuse" => drop(all.remove(&text("what"))),
            "note" => {
                if let Some(gone) = text("what").strip_prefix(crate::node::REMOVED).map(|w| w.trim().to_owned()) {
                    all.values_mut().for_each(|said| said.retain(|who| *who != gone));
                }
            }
            _ => {}
        }
    }
    Ok(all)
}

/// Is it a login that may answer now? Who is only known by the number of the machine's user may be anybody of several.
fn may_release(node: &Node, by: &str) -> bool {
    use polder_console::desk::{Desk, Right};
    node.person(by).is_some_and(|person| person.may(Right::Release))
}

/// How the copies that somebody was shown are named: by what they say to that reader, too, so that an answer is about what was read.
pub(super) fn copy_name(node: &Node, reader: Option<&str>, e: &Explained) -> String {
    use sha2::Digest as _;
    let bytes = match reader {
        Some(reader) => node.store.copy_for(e.row.row, reader, None).ok().flatten(),
        None => node.store.row_bytes(e.row.row, false).ok(),
    };
    let digest: String = sha2::Sha256::digest(bytes.unwrap_or_default()).iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("{} from {} {digest}", e.row.version.map_or_else(|| "-".to_owned(), |v| v.to_string()), e.row.source)
}

/// A person's yes or no to a held object for one recipient. Where the policy wants several persons, the last yes is the grant.
pub(super) fn settle(node: &Node, caller: Caller<'_>, id: &Id, to: &str, (yes, seen): (bool, Option<Vec<String>>)) -> Result<Answer, Failure> {
    let by = caller.by;
    let held: Vec<Explained> = node.store.explain_known(id, to, caller.reader)?.into_iter().filter(|e| e.judgement.verdict == Verdict::Hold).collect();
    if held.is_empty() {
        return Err(Failure::new(exit::NO, format!("nothing of `{id}` waits for a decision about `{to}`"), "`polder release queue` lists what waits"));
    }
    if seen.is_some_and(|seen| held.iter().any(|e| !seen.contains(&copy_name(node, caller.reader, e)))) {
        return Err(Failure::new(exit::NO, format!("another version of `{id}` waits by now"), "look at the queue again; nothing was answered"));
    }
    let persons_min = node.config.widen_persons_min;
    let several = yes && persons_min > 1;
    if several && !may_release(node, by) {
        let why = format!("it takes {persons_min} persons to release this, and `{by}` is no login that may release");
        return Err(Failure::new(exit::NO, why, "answer in the console, where everybody has a login"));
    }
    let before = if several { yeses(node)? } else { std::collections::BTreeMap::new() };
    let (mut released, mut persons) = (0, Vec::new());
    for e in &held {
        let mut said = before.get(&about_row(id, to, e.row.row)).cloned().unwrap_or_default();
        if !said.iter().any(|who| who == by) {
            said.push(by.to_owned());
        } else if said.len() < persons_min {
            let why = format!("`{by}` has said yes to this already, and it takes {persons_min} persons");
            return Err(Failure::new(exit::NO, why, "somebody else has to say yes, or anybody no"));
        }
        let act = match yes {
            true if said.len() >= persons_min => Act::Grant(e.row.row, to.into()),
            true => Act::Approve(e.row.row, to.into()),
            false => Act::Refuse(e.row.row, to.into()),
        };
        released += usize::from(matches!(act, Act::Grant(..)));
        node.store.act(act, by)?;
        persons = said;
    }
    let mut value = json!({"id": id.to_string(), "recipient": to, "released": yes && released == held.len(), "versions": held.len()});
    if let Some(map) = value.as_object_mut().filter(|_| several) {
        map.insert("approved_by".to_owned(), json!(persons));
        map.insert("persons_min".to_owned(), persons_min.into());
    }
    Ok(Answer::ok(value))
}

/// Takes a definition as valid for every source.
pub(super) fn pin(node: &Node, by: &str, body: &[u8]) -> Result<Answer, Failure> {
    let document = polder_stix::bundle::split(body);
    let mut definitions = Vec::new();
    for text in &document.objects {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        if value.get("type").and_then(Value::as_str) == Some("marking-definition") {
            definitions.push(prepare(text, node.store.now_us()).map_err(|r| Failure::new(exit::NO, r.reason.clone(), r.help))?);
        }
    }
    if definitions.is_empty() {
        let why = document.fault.map_or("there is none in it".to_owned(), |f| f.to_string());
        return Err(Failure::usage(
            format!("no marking-definition was pinned: {why}"),
            "give a file with a marking-definition object, or a bundle that has one",
        ));
    }
    let pinned: Vec<String> = definitions.iter().map(|d| d.header().id.to_string()).collect();
    let ((), audience) = effect::of(node, || {
        for definition in &definitions {
            node.store.act(Act::Pin(definition.bytes().to_vec()), by)?;
        }
        Ok(())
    })?;
    Ok(Answer::ok(json!({"pinned": pinned, "audience": audience})))
}

fn shared(s: &Sharing) -> Value {
    let what = match s.what {
        Mark::Listed => "listed",
        Mark::Full => "full",
        Mark::Redacted(_) => "redacted",
    };
    let mut told = json!({"recipient": s.recipient, "id": s.id.to_string(), "version": s.version.map(|v| v.to_string()), "what": what, "in_view": s.in_view});
    if let (Mark::Redacted(digest), Some(map)) = (s.what, told.as_object_mut()) {
        map.insert("sha256".to_owned(), digest.iter().map(|b| format!("{b:02x}")).collect::<String>().into());
    }
    told
}

/// Each of them, with when it went out first.
fn all_shared(node: &Node, sharings: &[Sharing]) -> Result<Vec<Value>, Failure> {
    let times = node.store.first_sent_us(sharings)?;
    let told = |(sharing, at_us): (&Sharing, Option<i64>)| {
        let mut told = shared(sharing);
        if let Some(map) = told.as_object_mut() {
            map.insert("at".to_owned(), json!(at_us.map(time::from_us)));
        }
        told
    };
    Ok(sharings.iter().zip(times).map(told).collect())
}

/// Who was sent an object; if receipts are asked for also when, what stands of it in other MISPs, and when it was last recalled.
pub(super) fn who_has(node: &Node, reader: Option<&str>, id: &Id, receipts: bool) -> Result<Answer, Failure> {
    let sharings = node.store.who_has_known(id, reader)?;
    let rows = if receipts { all_shared(node, &sharings)? } else { sharings.iter().map(shared).collect() };
    let exit = if rows.is_empty() { exit::NO } else { exit::OK };
    let mut value = json!({"who_has": &rows});
    let may_know = match reader {
        Some(reader) => node.store.explain_known(id, reader, Some(reader))?.iter().any(|e| e.judgement.permits()),
        None => true,
    };
    if let Some(map) = value.as_object_mut().filter(|_| receipts && may_know) {
        // Another object may bear the same UUID: of this one only where the ledger says so.
        let sent = |misp: &Value| rows.iter().any(|r| r.get("recipient") == misp.get("to"));
        let misps: Vec<Value> = super::misp_sync::standing_of(node, id)?.into_iter().filter(sent).collect();
        map.insert("misps".to_owned(), misps.into());
        map.insert("recalled".to_owned(), json!(super::marking::recalled_us(node, reader, id)?.map(time::from_us)));
    }
    Ok(Answer { value, bytes: None, exit })
}

/// What a recipient was sent.
pub(super) fn what_has(node: &Node, reader: Option<&str>, recipient: &str) -> Result<Answer, Failure> {
    let rows = all_shared(node, &node.store.what_has_known(recipient, reader)?)?;
    let exit = if rows.is_empty() { exit::NO } else { exit::OK };
    Ok(Answer { value: json!({"what_has": rows}), bytes: None, exit })
}

/// How many objects of each verdict a recipient meets, and why the others stay.
pub(super) fn summary(node: &Node, recipient: &str, reader: Option<&str>) -> Result<Answer, Failure> {
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    let mut reasons: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let judgements = match reader {
        Some(reader) => node.store.verdicts_known(recipient, reader)?,
        None => node.store.verdicts(recipient)?.into_iter().map(|(_, _, judgement)| judgement).collect(),
    };
    for judgement in judgements {
        *counts.entry(words::verdict(judgement.verdict)).or_default() += 1;
        if !judgement.permits() {
            *reasons.entry(words::short(&judgement.reason)).or_default() += 1;
        }
    }
    Ok(Answer::ok(json!({"recipient": recipient, "verdicts": counts, "withheld_because": reasons})))
}
