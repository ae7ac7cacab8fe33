//! Markings that people raise, and objects that they recall to this organisation.
//!
//! The rule: tightening is one person, now, and gives nobody more.

use std::collections::{BTreeMap, BTreeSet};

use polder_release::{Level, Principal, Reason, audience_definition, predefined};
use polder_stix::{Id, time};
use polder_store::{Act, Prepared, Rehearsal, RowView, Tightening, prepare};
use serde_json::{Map, Value, json};

use super::Caller;
use super::guard::downgraded;
use super::sharing::{known_rows, missing, moved_with, tried};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::request::Answer;
use crate::words;

/// Raises the marking of an object. Own objects get a new version, so that it travels; copies from elsewhere are tightened here. When it is only tried,
/// who could then have the object is told.
pub(super) fn mark(node: &Node, caller: Caller<'_>, id: &Id, (level, source): (&str, Option<&str>), dry_run: bool) -> Result<Answer, Failure> {
    let level = crate::directory::level(level).map_err(Failure::into_usage)?;
    let (by, reader) = (caller.by, caller.reader);
    let (latest, own) = to_be_marked(node, reader, id, level, source)?;
    let change = Change::of(node, reader, (&latest, own), Tightening::Level(level))?;
    // A version was looked at when it was made.
    if change.objects.is_empty()
        && let Some(to) = change.gives(node, reader)?
    {
        let why = format!("marking it so would give it to `{to}`, by a standing release or a default label");
        return Err(Failure::new(exit::NO, why, "recall it, or change the standing release"));
    }
    if dry_run {
        let mut trial = node.store.rehearse(&latest.source, reader)?;
        change.try_on(&mut trial)?;
        let rows = tried(node, &trial, (&latest.source, reader), std::slice::from_ref(id))?;
        return Ok(Answer::ok(json!({"audience": rows, "with": moved_with(&trial, id)?})));
    }
    let version = change.objects.last().and_then(|o| o.header().version()).map(|v| v.to_string());
    let (own, level_is) = (!change.objects.is_empty(), |row: &RowView| row.label.terms().is_none_or(|t| t.tlp.values().any(|b| b.level >= level)));
    change.carry_out(node, by)?;
    // A version that does not hold, since a later one is here or it was not kept, is made good by an act over the copy.
    let stands = |node: &Node| node.store.rows_of(id).iter().filter(|r| r.source == latest.source).all(level_is);
    if !stands(node) {
        node.store.act(Act::Overlay(id.clone(), latest.source.clone(), Tightening::Level(level)), by)?;
    }
    Ok(Answer::ok(if own {
        node.store.act(Act::Note(format!("{id} of {} marked {}", latest.source, level.label())), by)?;
        json!({"id": id.to_string(), "level": level.label(), "how": "new version", "version": version})
    } else {
        json!({"id": id.to_string(), "level": level.label(), "how": "tightened here", "source": latest.source})
    }))
}

/// What is done to one copy: a new version of an own one, an act over one from elsewhere, both over what a MISP writes anew with its own markings.
struct Change {
    id: Id,
    source: Box<str>,
    objects: Vec<Prepared>,
    overlay: Option<Act>,
}

impl Change {
    fn of(node: &Node, reader: Option<&str>, (row, own): (&RowView, bool), to: Tightening) -> Result<Self, Failure> {
        let is_element = own && polder_misp::is_element(&node.store.row_bytes(row.row, false)?);
        let overlay = (!own || is_element).then(|| Act::Overlay(row.id.clone(), row.source.clone(), to));
        let holder = node.directory().holder.clone();
        let made = match to {
            _ if !own => Ok(Vec::new()),
            // Nobody outside is sent a recalled copy, and its MISP goes by what it wrote itself.
            Tightening::House if is_element => Ok(Vec::new()),
            Tightening::Level(level) => new_version(node, row.row, |refs| {
                refs.retain(|r| predefined_level(r).is_none());
                // The level's definition is not written beside it: everyone may have that, so everyone would learn that something was raised.
                refs.push(level.tlp_2_id().to_string());
            })
            .map(|object| vec![object]),
            Tightening::House => audience(node, &BTreeSet::from([Principal::Member(holder.as_str().into())]))
                .and_then(|(definition, name)| Ok(vec![definition, new_version(node, row.row, |refs| refs.push(name))?])),
        };
        // Tightening does not wait for a version that cannot be made.
        let overlay = overlay.or_else(|| made.is_err().then(|| Act::Overlay(row.id.clone(), row.source.clone(), to)));
        let objects = made.unwrap_or_default();
        let change = Self { id: row.id.clone(), source: row.source.clone(), objects, overlay };
        // A version with a marking of its own loses what its source's default label said; then the act alone tightens.
        if !change.objects.is_empty() && change.gives(node, reader)?.is_some() {
            return Ok(Self { objects: Vec::new(), overlay: Some(Act::Overlay(row.id.clone(), row.source.clone(), to)), ..change });
        }
        Ok(change)
    }

    /// Whom it would give more than now.
    fn gives(&self, node: &Node, reader: Option<&str>) -> Result<Option<String>, Failure> {
        let mut trial = node.store.rehearse(&self.source, reader)?;
        self.try_on(&mut trial)?;
        let (gains, _) = downgraded(node, &trial, (&self.source, reader), std::slice::from_ref(&self.id))?;
        Ok(gains.first().and_then(|row| row.get("recipient")).and_then(Value::as_str).map(str::to_owned))
    }

    fn try_on(&self, trial: &mut Rehearsal<'_>) -> Result<(), Failure> {
        if !self.objects.is_empty() {
            trial.ingest(self.objects.clone())?;
        }
        Ok(self.overlay.iter().try_for_each(|act| trial.act(act.clone()))?)
    }

    /// What comes of the objects is looked at afterwards, by what holds then.
    fn carry_out(self, node: &Node, by: &str) -> Result<(), Failure> {
        if !self.objects.is_empty() {
            drop(node.store.ingest(&self.source, None, self.objects)?);
        }
        Ok(self.overlay.into_iter().try_for_each(|act| node.store.act(act, by))?)
    }
}

/// The copy that is marked, and whether it is an own one; refused where the level would not raise anything.
fn to_be_marked(node: &Node, reader: Option<&str>, id: &Id, level: Level, source: Option<&str>) -> Result<(RowView, bool), Failure> {
    // What somebody may not hold is not what they raise.
    let mut rows = known_rows(node, reader, id)?;
    rows.retain(|r| source.is_none_or(|s| *r.source == *s));
    let own_source = own_source(node);
    let own = rows.iter().filter(|r| Some(&*r.source) == own_source.as_deref()).max_by_key(|r| (r.version.map(time::Version::ns), r.row)).cloned();
    let Some(latest) = own.or_else(|| rows.last().cloned()) else { return Err(missing(id)) };
    let now = latest.label.terms().and_then(|t| t.tlp.values().map(|b| b.level).max());
    if now.is_some_and(|now| level < now) {
        let now = now.map_or("", Level::label);
        return Err(Failure::new(
            exit::NO,
            format!("`{id}` is {now}, and marking it {} would lower that", level.label()),
            "only its originator can widen it, by a new version",
        ));
    }
    let stays_here = words::is_held_back(&latest.label, &node.directory().holder);
    if now.is_none() && stays_here && level < Level::AmberStrict {
        let why = format!("`{id}` has no marking and stays in this organisation, and {} would let others have it", level.label());
        return Err(Failure::new(exit::NO, why, "this command only raises; to share it, import a new version that carries the marking"));
    }
    let is_own = Some(&*latest.source) == own_source.as_deref();
    Ok((latest, is_own))
}

/// The source of what this organisation introduces.
pub(super) fn own_source(node: &Node) -> Option<String> {
    node.directory().sources.sources.iter().find(|s| s.kind == "own").map(|s| s.name.clone())
}

pub(super) fn predefined_level(reference: &str) -> Option<Level> {
    Id::parse(reference).and_then(|id| predefined(&id))
}

/// The definition of an audience, and its id.
pub(super) fn audience(node: &Node, named: &BTreeSet<Principal>) -> Result<(Prepared, String), Failure> {
    let definition = audience_definition(&node.directory().holder, named);
    let name = definition.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((prepare(&definition.to_string(), node.store.now_us()).map_err(|r| defect(&r.reason))?, name))
}

fn defect(what: &str) -> Failure {
    Failure::configuration(format!("the object cannot be marked: {what}"), "look at it with `polder object get`")
}

/// The next version of a row, with other markings.
pub(super) fn new_version(node: &Node, row: u32, change: impl FnOnce(&mut Vec<String>)) -> Result<Prepared, Failure> {
    let bytes = node.store.row_bytes(row, false)?;
    let mut object: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|e| defect(&e.to_string()))?;
    let mut refs = references(&object)?;
    change(&mut refs);
    refs.dedup();
    if refs.is_empty() {
        object.remove("object_marking_refs");
    } else {
        object.insert("object_marking_refs".to_owned(), refs.into());
    }
    let now_us = node.store.now_us();
    if let Some(last) = object.get("modified").and_then(Value::as_str).and_then(time::to_us) {
        // Later than the one it follows, whatever time that names.
        let next = time::from_us(now_us.max(last.saturating_add(1000)));
        let millis = next.get(..23).map(|t| format!("{t}Z")).unwrap_or(next);
        object.insert("modified".to_owned(), millis.into());
    }
    prepare(&Value::Object(object).to_string(), now_us).map_err(|r| defect(&r.reason))
}

fn references(object: &Map<String, Value>) -> Result<Vec<String>, Failure> {
    let Some(refs) = object.get("object_marking_refs") else { return Ok(Vec::new()) };
    let list = refs.as_array().ok_or_else(|| defect("`object_marking_refs` is no list"))?;
    Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The latest copy of each source, as far as the reader may know.
fn latest_of_each(node: &Node, reader: Option<&str>, id: &Id) -> Result<Vec<RowView>, Failure> {
    let mut latest: BTreeMap<Box<str>, RowView> = BTreeMap::new();
    for row in known_rows(node, reader, id)? {
        let key = |r: &RowView| (r.version.map(time::Version::ns), r.row);
        match latest.get(&row.source) {
            Some(known) if key(known) > key(&row) => {}
            _ => drop(latest.insert(row.source.clone(), row)),
        }
    }
    if latest.is_empty() {
        return Err(missing(id));
    }
    Ok(latest.into_values().collect())
}

/// Takes an object back to this organisation: every copy of it that is here, from whatever source. When it is only tried, who could then have it is told.
pub(super) fn recall(node: &Node, caller: Caller<'_>, id: &Id, dry_run: bool) -> Result<Answer, Failure> {
    if &*id.kind == "marking-definition" {
        let help = "recall or mark the objects that carry it";
        return Err(Failure::new(exit::NO, "a definition of a marking is not recalled: others need it to read what they hold".to_owned(), help));
    }
    let rows = latest_of_each(node, caller.reader, id)?;
    let own_source = own_source(node);
    let of = |row: &RowView| Change::of(node, caller.reader, (row, Some(&*row.source) == own_source.as_deref()), Tightening::House);
    let changes: Vec<Change> = rows.iter().map(of).collect::<Result<_, _>>()?;
    let home = rows.iter().all(|row| is_at_home(node, row));
    if dry_run {
        // Only own objects are brought in, so the one source that a rehearsal has is theirs.
        let first = changes.iter().find(|c| !c.objects.is_empty()).or(changes.first()).map(|c| c.source.clone()).unwrap_or_default();
        let mut trial = node.store.rehearse(&first, caller.reader)?;
        changes.iter().try_for_each(|change| change.try_on(&mut trial))?;
        let mut told = Vec::new();
        for change in &changes {
            told.extend(tried(node, &trial, (&change.source, caller.reader), std::slice::from_ref(id))?);
        }
        return Ok(Answer::ok(json!({"audience": told, "with": moved_with(&trial, id)?, "home": home})));
    }
    let sources: Vec<Box<str>> = changes.iter().map(|c| c.source.clone()).collect();
    let words: Vec<&str> = sources.iter().map(|s| &**s).collect();
    let note = Act::Note(format!("{RECALLED} {id} of {}", words.join(",")));
    // What comes later from elsewhere is recalled as well: who got it from here may send it back.
    if !node.store.is_tightened_elsewhere(id) {
        node.store.act(Act::Overlay(id.clone(), Act::ELSEWHERE.into(), Tightening::House), caller.by)?;
        if home {
            node.store.act(note.clone(), caller.by)?;
        }
    }
    // Whoever may have it now says nothing of later: somebody is let in again, a window opens, a held one is released.
    if !home {
        changes.into_iter().try_for_each(|change| change.carry_out(node, caller.by))?;
        // A version that does not hold, since a later one is here or it was not kept, is made good by an act over the copy.
        let stays = latest_of_each(node, caller.reader, id)?.iter().all(|row| is_at_home(node, row));
        if !stays || goes_to(node, caller.reader, id)?.is_some() {
            sources.iter().try_for_each(|source| node.store.act(Act::Overlay(id.clone(), source.clone(), Tightening::House), caller.by))?;
        }
        if let Some(to) = goes_to(node, caller.reader, id)? {
            return Err(Failure::new(
                exit::NO,
                format!("`{id}` would still go to `{to}`"),
                "suspend that recipient, and look at it with `polder release explain`",
            ));
        }
        node.store.act(note, caller.by)?;
    }
    let mut told = super::sharing::who_has(node, caller.reader, id, true)?.value;
    if let Some(map) = told.as_object_mut() {
        map.insert("id".to_owned(), id.to_string().into());
        map.insert("sources".to_owned(), json!(sources));
    }
    Ok(Answer::ok(told))
}

/// Does a marking in force keep the copy in this organisation?
fn is_at_home(node: &Node, row: &RowView) -> bool {
    let house = BTreeSet::from([Principal::Member(node.directory().holder.as_str().into())]);
    row.label.terms().is_some_and(|terms| terms.audience.0.contains(&house))
}

/// Who outside this organisation may have an object now, as far as somebody may know, besides whoever sent it.
fn goes_to(node: &Node, reader: Option<&str>, id: &Id) -> Result<Option<String>, Failure> {
    let directory = node.directory();
    let outside = directory.recipients.recipients.iter().filter(|r| r.organisation.as_ref() != Some(&directory.holder));
    for recipient in outside {
        let held = node.store.explain_known(id, &recipient.id, reader)?;
        if held.iter().any(|e| e.judgement.permits() && e.judgement.reason != Reason::ReadBack) {
            return Ok(Some(recipient.id.clone()));
        }
    }
    Ok(None)
}

/// How the log of acts says that an object was recalled.
const RECALLED: &str = "recalled";

/// When an object was last recalled; to a reader only of sources of which it holds a copy.
pub(super) fn recalled_us(node: &Node, reader: Option<&str>, id: &Id) -> Result<Option<i64>, Failure> {
    let meant = format!("{RECALLED} {id} of ");
    let held: BTreeSet<Box<str>> = known_rows(node, reader, id)?.into_iter().map(|row| row.source).collect();
    let is_it = |detail: &str| {
        let detail: Value = serde_json::from_str(detail).unwrap_or_default();
        let sources = detail.get("what").and_then(Value::as_str).and_then(|what| what.strip_prefix(&meant));
        sources.is_some_and(|sources| sources.split(',').any(|source| held.contains(source)))
    };
    Ok(node.store.acts(usize::MAX)?.into_iter().find(|(_, kind, detail)| kind == "note" && is_it(detail)).map(|(us, _, _)| us))
}
