//! Giving more than now: an own object by a wider version, copies that people here tightened by lifting that.
//!
//! The rule: it takes as many persons as the policy says, each of whom answers for the copies that were on the screen.

use std::collections::{BTreeMap, BTreeSet};

use polder_release::{Kind, Level, Origin, Policy, Principal, Verdict};
use polder_stix::{Id, time};
use polder_store::{Act, Explained, Outcome, Prepared, Rehearsal, RowView, Tightened};
use serde_json::{Value, json};

use super::Caller;
use super::guard::downgraded;
use super::marking::{audience, new_version, predefined_level};
use super::sharing::{copy_name, missing, moved_with, tried};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::request::Answer;

/// What the marking of an own object shall be: a level, an audience, and what else it carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wider {
    level: Option<Level>,
    audience: BTreeSet<Principal>,
    keep: BTreeSet<String>,
}

impl Wider {
    pub(super) fn of(node: &Node, level: &str, audience: &[String], keep: Vec<String>) -> Result<Self, Failure> {
        let level = if level.is_empty() { None } else { Some(crate::directory::level(level).map_err(Failure::into_usage)?) };
        let unread =
            |word: &String| Failure::usage(format!("`{word}` names nobody"), "write it like members:bravo, groups:NAME, persons:NAME or nodes:RECIPIENT");
        let audience = audience.iter().map(|word| Principal::of_word(word).ok_or_else(|| unread(word))).collect::<Result<BTreeSet<_>, _>>()?;
        if let Some(odd) = audience.iter().find(|p| p.name().contains([',', ' '])) {
            return Err(Failure::usage(format!("`{}` cannot be named here", odd.word()), "name somebody without commas and spaces"));
        }
        let policy = node.directory().policy()?;
        if let Some(stranger) = audience.iter().find(|p| !is_known(&policy, p)) {
            let help = "`polder member list` and `polder recipient list` say who is known";
            return Err(Failure::new(exit::NO, format!("nobody is known here as `{}`", stranger.word()), help));
        }
        let named = |id: String| {
            Id::parse(&id).map(|id| id.to_string()).ok_or_else(|| Failure::usage(format!("`{id}` is no marking of this object"), "keep those that it has"))
        };
        Ok(Self { level, audience, keep: keep.into_iter().map(named).collect::<Result<_, _>>()? })
    }

    /// As the log of acts says it.
    fn words(&self) -> String {
        let mut words = self.level.map_or("unmarked", Level::name).to_owned();
        let audience: Vec<String> = self.audience.iter().map(Principal::word).collect();
        let keep: Vec<&str> = self.keep.iter().map(String::as_str).collect();
        for (what, list) in [(" for ", audience.join(",")), (" keep ", keep.join(","))] {
            if !list.is_empty() {
                words.push_str(what);
                words.push_str(&list);
            }
        }
        words
    }

    /// Level, audience and what is kept, of such words.
    fn of_words(words: &str) -> Value {
        let (rest, keep) = words.split_once(" keep ").unwrap_or((words, ""));
        let (level, audience) = rest.split_once(" for ").unwrap_or((rest, ""));
        let list = |text: &str| text.split(',').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        json!({"level": Level::parse(level).map(Level::name).unwrap_or_default(), "audience": list(audience), "keep": list(keep)})
    }
}

fn is_known(policy: &Policy, who: &Principal) -> bool {
    match who {
        Principal::Member(name) => policy.alliance.members.contains_key(name),
        Principal::Group(name) => policy.alliance.groups.contains_key(name),
        Principal::Node(name) => policy.recipients.iter().any(|r| r.kind == Kind::Node && r.id == *name),
        Principal::Person(name) => {
            policy.recipients.iter().any(|r| r.person.as_ref() == Some(name)) || policy.alliance.groups.values().any(|g| g.persons.contains(name))
        }
    }
}

/// What is asked about a wider marking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Widening {
    /// Who would gain by it.
    Try,
    /// A person's yes.
    Yes,
    /// A person's no to what another one proposed.
    No,
}

impl Widening {
    pub(super) fn of(answer: Option<&str>) -> Self {
        match answer {
            Some("yes") => Self::Yes,
            Some("no") => Self::No,
            _ => Self::Try,
        }
    }
}

/// What shall become of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// An own one gets a version that is marked so.
    Version(Wider),
    /// What people here tightened its copies to counts no more, besides this level.
    Lift(Option<Level>),
}

/// How words say that it is a lift; a version's begin with its level.
const LIFTED: &str = "lifted";

impl Wish {
    pub(super) fn lift(left: &str) -> Result<Self, Failure> {
        Ok(Self::Lift(if left.is_empty() { None } else { Some(crate::directory::level(left).map_err(Failure::into_usage)?) }))
    }

    /// As the log of acts says it.
    fn words(&self) -> String {
        match self {
            Self::Version(wider) => wider.words(),
            Self::Lift(None) => LIFTED.to_owned(),
            Self::Lift(Some(level)) => format!("{LIFTED} to {}", level.name()),
        }
    }

    /// The copies that are meant, the latest of each source, and how they are named.
    fn copies(&self, node: &Node, reader: Option<&str>, id: &Id) -> Result<(Vec<RowView>, String), Failure> {
        let owner = node.owner();
        let all: Vec<Explained> = node.store.explain_known(id, reader.unwrap_or(&owner), reader)?;
        if all.is_empty() {
            return Err(missing(id));
        }
        match self {
            Self::Version(_) => widened_copy(node, reader, id, all),
            Self::Lift(_) => lifted_copies(node, reader, id, all),
        }
    }
}

fn refused(message: impl Into<String>, help: &str) -> Failure {
    Failure::new(exit::NO, message.into(), help)
}

/// The own copy that is made wider.
fn widened_copy(node: &Node, reader: Option<&str>, id: &Id, all: Vec<Explained>) -> Result<(Vec<RowView>, String), Failure> {
    let own = all.into_iter().filter(|e| e.row.origin == Origin::Own).max_by_key(|e| (e.row.version.map(time::Version::ns), e.row.row));
    let own = own.ok_or_else(|| refused("this organisation did not introduce it, so it does not widen it", "ask its originator for a wider version"))?;
    if own.judgement.verdict != Verdict::Release {
        return Err(refused("you hold a part of it, and only who holds all of it widens it", "ask an owner"));
    }
    if &*id.kind == "marking-definition" {
        return Err(refused("a definition of a marking is not widened", "mark the objects that carry it otherwise"));
    }
    if polder_misp::is_element(&node.store.row_bytes(own.row.row, false)?) {
        return Err(refused("it came out of a MISP, which says who may have it", "change its distribution in that MISP"));
    }
    let name = copy_name(node, reader, &own);
    Ok((vec![own.row], name))
}

/// The copies that people here tightened. What they are tightened to is a part of the name, so that a yes is to what was raised then.
fn lifted_copies(node: &Node, reader: Option<&str>, id: &Id, all: Vec<Explained>) -> Result<(Vec<RowView>, String), Failure> {
    use sha2::Digest as _;
    let mut latest: BTreeMap<Box<str>, Explained> = BTreeMap::new();
    for e in all {
        let key = |e: &Explained| (e.row.version.map(time::Version::ns), e.row.row);
        match latest.get(&e.row.source) {
            Some(known) if key(known) > key(&e) => {}
            _ => drop(latest.insert(e.row.source.clone(), e)),
        }
    }
    let (mut rows, mut names, mut digest) = (Vec::new(), Vec::new(), sha2::Sha256::new());
    for to in node.store.tightened(id) {
        let Some(copy) = latest.remove(&to.source) else { continue };
        if reader.is_some() && copy.judgement.verdict != Verdict::Release {
            return Err(refused("you hold a part of it, and only who holds all of it gives it again", "ask an owner"));
        }
        digest.update(format!("{} {:?} {}\n", copy_name(node, reader, &copy), to.level, to.in_house));
        names.push(to.source.to_string());
        rows.push(copy.row);
    }
    if rows.is_empty() {
        let help = "an own object that was raised or recalled by a version is made wider by one";
        return Err(refused(format!("nobody here tightened copies of `{id}`"), help));
    }
    let digest: String = digest.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
    Ok((rows, format!("all from {} {digest}", names.join(","))))
}

/// What is done for a wish.
enum Deed {
    Version(Box<str>, Vec<Prepared>),
    Lift(Vec<Act>),
}

impl Deed {
    fn of(node: &Node, id: &Id, wish: &Wish, rows: &[RowView]) -> Result<Self, Failure> {
        match wish {
            Wish::Version(wider) => {
                let row = rows.first().ok_or_else(|| missing(id))?;
                Ok(Self::Version(row.source.clone(), wider_version(node, row, wider)?))
            }
            Wish::Lift(left) => {
                let lift = |source: &str| Act::Lift(id.clone(), source.into(), *left);
                let elsewhere = node.store.is_tightened_elsewhere(id).then(|| lift(Act::ELSEWHERE));
                Ok(Self::Lift(rows.iter().map(|row| lift(&row.source)).chain(elsewhere).collect()))
            }
        }
    }

    fn try_on(&self, trial: &mut Rehearsal<'_>) -> Result<(), Failure> {
        match self {
            Self::Version(_, objects) => drop(trial.ingest(objects.clone())?),
            Self::Lift(acts) => acts.iter().try_for_each(|act| trial.act(act.clone()))?,
        }
        Ok(())
    }

    fn carry_out(self, node: &Node, by: &str) -> Result<(), Failure> {
        match self {
            Self::Version(source, objects) => {
                if let Some(Outcome::Refused(refusal)) = node.store.ingest(&source, None, objects)?.into_iter().next_back() {
                    return Err(Failure::new(exit::NO, format!("the wider version was not kept: {}", refusal.reason), refusal.help));
                }
            }
            Self::Lift(acts) => acts.into_iter().try_for_each(|act| node.store.act(act, by))?,
        }
        Ok(())
    }
}

/// Who would have an object then, and who gains; refused where what others marked is in the way.
fn outcome(node: &Node, trial: &Rehearsal<'_>, reader: Option<&str>, (id, rows): (&Id, &[RowView])) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let (mut audience, mut gains) = (Vec::new(), Vec::new());
    for row in rows {
        audience.extend(tried(node, trial, (&row.source, reader), std::slice::from_ref(id))?);
        let (gained, bound) = downgraded(node, trial, (&row.source, reader), std::slice::from_ref(id))?;
        gains.extend(gained);
        // A copy from elsewhere is bound by what its own source said.
        if let Some(first) = bound.first().filter(|_| row.origin == Origin::Own) {
            let text = |key: &str| first.get(key).and_then(Value::as_str);
            let how = text("why").map_or_else(|| format!("keep it from `{}`", text("recipient").unwrap_or_default()), |_| "are marked stricter".to_owned());
            let why = format!("copies of it from others {how}, and what others marked binds whoever received it");
            return Err(refused(why, "ask them for a wider version"));
        }
    }
    Ok((audience, gains))
}

/// Gives an object to more than now. Where somebody gains and the policy wants several persons, the last yes does it.
pub(super) fn widen(node: &Node, caller: Caller<'_>, id: &Id, (wish, seen): (&Wish, Option<&str>), asks: Widening) -> Result<Answer, Failure> {
    let (rows, name) = wish.copies(node, caller.reader, id)?;
    if asks == Widening::No {
        let what = format!("{id} {} {}", seen.unwrap_or_default(), wish.words());
        if proposals(node)?.contains_key(&what) {
            node.store.act(Act::Note(format!("{KEPT} {what}")), caller.by)?;
        }
        return Ok(Answer::ok(json!({"id": id.to_string(), "saved": false})));
    }
    let deed = Deed::of(node, id, wish, &rows)?;
    let mut trial = node.store.rehearse(rows.first().map_or("", |row| &row.source), caller.reader)?;
    deed.try_on(&mut trial)?;
    let (audience, gains) = outcome(node, &trial, caller.reader, (id, &rows))?;
    let persons_min = if gains.is_empty() { 1 } else { node.config.widen_persons_min };
    let with = moved_with(&trial, id)?;
    let copy = format!("{name} {}", receivers(&audience, &with));
    let what = format!("{id} {copy} {}", wish.words());
    if asks == Widening::Try {
        let tightened = tightened(node, id, &rows);
        let said = if persons_min > 1 { proposals(node)?.remove(&what).unwrap_or_default() } else { Vec::new() };
        return Ok(Answer::ok(
            json!({"audience": audience, "with": with, "copy": copy, "gains": gains, "persons_min": persons_min, "approved_by": said, "tightened": tightened}),
        ));
    }
    if seen.is_some_and(|seen| seen != copy) {
        let why = format!("another version of `{id}` is here by now, or others would receive it");
        return Err(refused(why, "look at it again; nothing was changed"));
    }
    let said = said_with(node, caller.by, &what, persons_min)?;
    let saved = said.len() >= persons_min;
    if saved {
        deed.carry_out(node, caller.by)?;
    }
    node.store.act(Act::Note(format!("{} {what}", if saved { WIDENED } else { PROPOSED })), caller.by)?;
    Ok(Answer::ok(json!({"id": id.to_string(), "saved": saved, "approved_by": said, "persons_min": persons_min})))
}

/// Who has said yes with this one.
fn said_with(node: &Node, by: &str, what: &str, persons_min: usize) -> Result<Vec<String>, Failure> {
    if persons_min > 1 && !may_downgrade(node, by) {
        let why = format!("it takes {persons_min} persons to widen this, and `{by}` is no login that may downgrade");
        return Err(refused(why, "answer in the console, where everybody has a login"));
    }
    let mut said = proposals(node)?.remove(what).unwrap_or_default();
    if said.iter().any(|who| who == by) {
        let why = format!("`{by}` has said yes to this already, and it takes {persons_min} persons");
        return Err(refused(why, "somebody else has to say yes, or anybody no"));
    }
    said.push(by.to_owned());
    Ok(said)
}

/// What people here tightened these copies to.
fn tightened(node: &Node, id: &Id, rows: &[RowView]) -> Vec<Value> {
    let held = |to: &Tightened| rows.iter().any(|row| row.source == to.source);
    let told = |to: Tightened| json!({"source": to.source, "level": to.level.map(Level::name), "recalled": to.in_house});
    node.store.tightened(id).into_iter().filter(held).map(told).collect()
}

/// A name for who would receive what, and what else with it, so that a yes is to nothing that comes later.
fn receivers(audience: &[Value], with: &Value) -> String {
    use sha2::Digest as _;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let may = audience.iter().filter(|row| matches!(text(row, "verdict").as_str(), "release" | "redact"));
    let told = |row: &Value, keys: &[&str]| {
        format!("{} {}", text(row, "recipient"), keys.iter().map(|key| row.get(*key).map(Value::to_string).unwrap_or_default()).collect::<Vec<_>>().join(" "))
    };
    let mut all: BTreeSet<String> = may.map(|row| told(row, &["verdict", "taken_out", "taken_out_count"])).collect();
    all.extend(with.get("rows").and_then(Value::as_array).into_iter().flatten().map(|row| told(row, &["gains", "loses"])));
    sha2::Sha256::digest(all.into_iter().collect::<Vec<_>>().join("\n")).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// The objects of a wider version: the audience's definition, where one is named, and the object. Of its other markings those stay that are named.
fn wider_version(node: &Node, row: &RowView, wider: &Wider) -> Result<Vec<Prepared>, Failure> {
    let mut objects = Vec::new();
    let mut named = None;
    if !wider.audience.is_empty() {
        let (definition, name) = audience(node, &wider.audience)?;
        objects.push(definition);
        named = Some(name);
    }
    if let Some(strange) = wider.keep.iter().find(|id| Id::parse(id).is_none_or(|id| !row.markings.contains(&id))) {
        return Err(Failure::usage(format!("`{strange}` is no marking of this object"), "keep those that it has"));
    }
    objects.push(new_version(node, row.row, |refs| {
        refs.retain(|r| predefined_level(r).is_none() && Id::parse(r).is_some_and(|id| wider.keep.contains(&id.to_string())));
        refs.extend(wider.level.map(|level| level.tlp_2_id().to_string()));
        refs.extend(named.filter(|name| !refs.contains(name)));
    })?);
    Ok(objects)
}

/// How the log of acts tells of widening: a first yes, the last one, a no.
const PROPOSED: &str = "wider proposed:";
const WIDENED: &str = "wider saved:";
const KEPT: &str = "wider refused:";

/// Who said yes to which wider version, where the last of the yeses has not come yet. What a removed login said is void, and what one said in another role; and
/// whatever was said about a copy that somebody widened, raised, recalled or lifted since.
fn proposals(node: &Node) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, kind, detail) in node.store.acts(usize::MAX)?.into_iter().rev() {
        let detail: Value = serde_json::from_str(&detail).unwrap_or_default();
        let text = |key: &str| detail.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (what, by) = (text("what"), text("by"));
        if let Some((id, sources)) = moved_by(&kind, &what) {
            all.retain(|proposed, _| !is_about(proposed, id, sources));
        }
        if kind != "note" {
            continue;
        }
        if let Some(proposed) = what.strip_prefix(PROPOSED) {
            // The same wish, of which others would have it by now, takes its place.
            all.retain(|before, _| before == proposed.trim() || !is_same_wish(before, proposed.trim()));
            let said = all.entry(proposed.trim().to_owned()).or_default();
            if may_downgrade(node, &by) && !said.contains(&by) {
                said.push(by);
            }
        } else if let Some(kept) = what.strip_prefix(KEPT) {
            all.remove(kept.trim());
        } else if let Some(gone) = what.strip_prefix(crate::node::REMOVED).or_else(|| what.strip_prefix("user role ")) {
            let gone = gone.split_whitespace().next().unwrap_or_default();
            all.values_mut().for_each(|said| said.retain(|who| who != gone));
        }
    }
    all.retain(|_, said| !said.is_empty());
    Ok(all)
}

/// Are two proposals the same, apart from who would get what by them?
fn is_same_wish(one: &str, other: &str) -> bool {
    const RECEIVERS: usize = 5;
    let words = |text: &str| text.split_whitespace().enumerate().filter(|(n, _)| *n != RECEIVERS).map(|(_, word)| word.to_owned()).collect::<Vec<_>>();
    words(one) == words(other)
}

/// Which object an act moved, and in which sources.
fn moved_by<'w>(kind: &str, what: &'w str) -> Option<(&'w str, &'w str)> {
    let words: Vec<&str> = what.strip_prefix(WIDENED).unwrap_or(what).split_whitespace().collect();
    match (kind, what.starts_with(WIDENED), words.as_slice()) {
        ("note", true, [id, _, "from", sources, ..]) => Some((id, sources)),
        ("note", false, [id, "of", source, "marked", ..]) | ("overlay" | "lift", _, [id, "of", source, ..]) => Some((id, source)),
        ("note", false, ["recalled", id, "of", sources]) => Some((id, sources)),
        _ => None,
    }
}

/// Is a proposal about a copy of that object from one of these sources?
fn is_about(proposed: &str, id: &str, sources: &str) -> bool {
    let words: Vec<&str> = proposed.split_whitespace().collect();
    matches!(words.as_slice(), [of, _, "from", from, ..] if *of == id && from.split(',').any(|source| sources.split(',').any(|s| s == source)))
}

pub(super) fn may_downgrade(node: &Node, by: &str) -> bool {
    use polder_console::desk::{Desk, Right};
    node.person(by).is_some_and(|person| person.may(Right::Downgrade))
}

/// Wider versions that wait for another person, of what the reader may hold as it is now.
pub(super) fn proposed(node: &Node, reader: Option<&str>) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    for (what, said) in proposals(node)? {
        let Some((id, rest)) = what.split_once(' ') else { continue };
        let Some(parsed) = Id::parse(id) else { continue };
        let is_lift = rest.starts_with("all ");
        let wish = if is_lift { Wish::Lift(None) } else { Wish::Version(Wider::default()) };
        let Ok((_, name)) = wish.copies(node, reader, &parsed) else { continue };
        let Some((receivers, to)) = rest.strip_prefix(&name).map(str::trim).and_then(|rest| rest.split_once(' ')) else { continue };
        let mut told = match to.strip_prefix(LIFTED) {
            Some(left) => json!({"lift": left.trim_start().trim_start_matches("to ")}),
            None => Wider::of_words(to),
        };
        if let Some(map) = told.as_object_mut() {
            map.insert("id".to_owned(), id.into());
            map.insert("copy".to_owned(), format!("{name} {receivers}").into());
            map.insert("approved_by".to_owned(), json!(said));
        }
        rows.push(told);
    }
    Ok(rows)
}
