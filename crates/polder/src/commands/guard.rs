//! Who would be given more than now: what the guards of the console and of the TAXII door ask.
//!
//! The rule: a version gives more if anybody would get more of the object by it, or would as soon as nothing else keeps it back, or may do more with it.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use polder_release::{Alliance, Kind, LabelVerdict, Level, Member, Origin, Policy, Principal, Recipient, Verdict, predefined, test_label};
use polder_stix::Id;
use polder_stix::time::Version;
use polder_store::{Act, Explained, Prepared, Rehearsal, RowView};
use serde_json::{Value, json};

use super::parts::{self, Kept};
use super::sharing::known_rows;
use crate::failure::Failure;
use crate::node::Node;

/// Whom new versions of what is here would give it, or more of it, than they have now; and of these rows those that only an originator widens: where
/// copies from others came before any own one, they bind whoever received them.
pub(super) fn downgraded(node: &Node, trial: &Rehearsal<'_>, (source, reader): (&str, Option<&str>), ids: &[Id]) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let (mut all, mut widened) = (Vec::new(), Vec::new());
    for id in ids {
        let own = |e: &Explained| *e.row.source == *source;
        let held = node.store.explain_known(id, node.directory().owner(), reader)?.iter().any(own);
        // What others sent is no measure of what this source gave, except where it gave nothing yet.
        let here = |recipient: &str, at_us| Ok(node.store.explain_at(id, recipient, reader, at_us)?.into_iter().filter(|e| !held || own(e)).collect());
        let mine = gains(node, trial, source, id, &here)?;
        // Who has it of this source already is given nothing that others keep.
        if !mine.is_empty() && is_bound(node, (source, reader), id)? {
            // What people here tightened others' copies to is no word of those others.
            let mut bare = node.store.rehearse(source, reader)?;
            for to in node.store.tightened(id).into_iter().filter(|to| *to.source != *source) {
                bare.act(Act::Lift(id.clone(), to.source, None))?;
            }
            let theirs = |recipient: &str, at_us| Ok(bare.explain_at(id, recipient, at_us)?.into_iter().filter(|e| !own(e)).collect());
            let is_mine = |row: &Value| mine.iter().any(|m| m.get("recipient") == row.get("recipient"));
            widened.extend(gains(node, trial, source, id, &theirs)?.into_iter().filter(|row| !held || is_mine(row)));
        }
        all.extend(mine);
    }
    Ok((all, widened))
}

/// Did others say of an object, in another source, before anybody here did?
fn is_bound(node: &Node, (source, reader): (&str, Option<&str>), id: &Id) -> Result<bool, Failure> {
    let rows = known_rows(node, reader, id)?;
    let first = |is_it: &dyn Fn(&RowView) -> bool| rows.iter().filter(|r| is_it(r)).map(|r| r.row).min();
    let (own, others) = (first(&|r| r.origin == Origin::Own), first(&|r| *r.source != *source && r.origin != Origin::Own));
    Ok(others.is_some_and(|others| own.is_none_or(|own| others < own)))
}

/// What the copies that count say for a recipient at a moment.
type Counted<'c> = &'c dyn Fn(&str, i64) -> Result<Vec<Explained>, Failure>;

/// Recipients that would get more of an object by what is tried than they get by those copies that count, now or when a window opens or closes.
fn gains(node: &Node, trial: &Rehearsal<'_>, source: &str, id: &Id, counted: Counted<'_>) -> Result<Vec<Value>, Failure> {
    let (directory, now_us) = (node.directory(), node.store.now_us());
    let (own, policy) = (directory.owner(), directory.policy()?);
    let tried = trial.explain(id, own)?;
    let latest = tried.iter().filter(|e| *e.row.source == *source).max_by_key(|e| (e.row.version.map(Version::ns), e.row.row));
    let is = Text::of(&latest.and_then(|e| trial.bytes_of(e.row.row)).unwrap_or_default());
    let was = Texts { node, read: RefCell::default() };
    let gives_more = |before: &[Explained], after: &[Explained]| {
        for a in after.iter().filter(|e| *e.row.source == *source) {
            let mut has = false;
            for b in before {
                has = has || gives_as_much(b, a, &is, &was)?;
            }
            if !has {
                return Ok::<bool, Failure>(true);
            }
        }
        Ok(false)
    };
    // When what a part is marked with begins or ends, the part does.
    let mut parts_move = Vec::new();
    for (marking, _) in tried.iter().flat_map(|e| e.row.granular.iter()) {
        let definitions = trial.explain(marking, own)?;
        parts_move.extend(definitions.iter().filter_map(|e| e.row.label.terms()).flat_map(|t| [t.not_before_us, t.not_after_us]).flatten());
    }
    let mut rows = Vec::new();
    for recipient in directory.recipients.recipients.iter().map(|r| r.id.as_str()).filter(|r| *r != own) {
        let (before, after) = (counted(recipient, now_us)?, trial.explain(id, recipient)?);
        if before.is_empty() {
            continue;
        }
        let mut gains = gives_more(&before, &after)?;
        let opens = after.iter().filter_map(|e| e.row.label.terms()?.not_before_us);
        let closes = before.iter().filter_map(|e| e.row.label.terms()?.not_after_us);
        let times: BTreeSet<i64> = opens.chain(closes).chain(parts_move.iter().copied()).filter(|t| *t > now_us).collect();
        for at_us in times {
            gains = gains || gives_more(&counted(recipient, at_us)?, &trial.explain_at(id, recipient, at_us)?)?;
        }
        if gains {
            rows.push(json!({"id": id.to_string(), "recipient": recipient}));
        }
    }
    let before = counted(own, now_us)?;
    let after: Vec<&Explained> = tried.iter().filter(|e| *e.row.source == *source).collect();
    if rows.is_empty()
        && let Some(to) = marked_wider(&policy, now_us, &before, &after)
    {
        rows.push(json!({"id": id.to_string(), "recipient": to}));
    }
    if rows.is_empty() && shows_a_part(node, trial, &before, &after)? {
        rows.push(json!({"id": id.to_string(), "recipient": "whoever a part of it is kept from"}));
    }
    if rows.is_empty()
        && let Some(why) = allows_more(&before, &after)
    {
        rows.push(json!({"id": id.to_string(), "recipient": "whoever has it", "why": why}));
    }
    Ok(rows)
}

/// The text of a version, and what it says.
struct Text {
    text: String,
    object: Value,
}

impl Text {
    fn of(bytes: &[u8]) -> Self {
        Self { object: serde_json::from_slice(bytes).unwrap_or_default(), text: String::from_utf8_lossy(bytes).into_owned() }
    }
}

/// What rows say, each read once: recipients by the hundred ask about the same few.
struct Texts<'n> {
    node: &'n Node,
    read: RefCell<HashMap<u32, Rc<Value>>>,
}

impl Texts<'_> {
    fn of(&self, row: u32) -> Result<Rc<Value>, Failure> {
        if let Some(object) = self.read.borrow().get(&row) {
            return Ok(Rc::clone(object));
        }
        let object = Rc::new(Text::of(&self.node.store.row_bytes(row, false)?).object);
        self.read.borrow_mut().insert(row, Rc::clone(&object));
        Ok(object)
    }
}

/// Does the one give a recipient at least what the other, with this text, gives? What is taken out for a marking, or because it leads to an object, is taken
/// out of both, or no longer there to be taken out.
fn gives_as_much(one: &Explained, other: &Explained, is: &Text, was: &Texts<'_>) -> Result<bool, Failure> {
    if !other.judgement.permits() {
        return Ok(true);
    }
    if !one.judgement.permits() || one.judgement.verdict == Verdict::Release {
        return Ok(one.judgement.permits());
    }
    let (mine, theirs) = (&one.judgement.removal, &other.judgement.removal);
    let leads_no_further = one.removed_references.iter().all(|id| other.removed_references.contains(id) || !is.text.contains(&id.to_string()))
        && (!mine.author || theirs.author || !is.text.contains("created_by_ref"));
    if !leads_no_further || one.row.row == other.row.row {
        return Ok(leads_no_further && mine.granular.iter().all(|n| theirs.granular.contains(n)));
    }
    let (had, kept) = (cut(one), cut(other));
    Ok(mine.granular.is_empty() || !parts::shows(was.of(one.row.row)?.as_ref(), &is.object, (&had, &had), &|place| kept.covers(place)))
}

/// What is cut out of a copy for its marking.
fn cut(e: &Explained) -> Kept {
    let marks = e.judgement.removal.granular.iter().filter_map(|n| e.row.granular.get(usize::try_from(*n).ok()?));
    Kept::of(marks.flat_map(|(_, selectors)| selectors.iter()).map(|s| &**s))
}

/// Whom the marking that is tried permits, or would permit with a part of it, and no marking that is known here does; whatever else keeps it from them now,
/// since that may go. Every member and everybody is asked about, and whoever is suspended.
fn marked_wider(policy: &Policy, now_us: i64, before: &[Explained], after: &[&Explained]) -> Option<String> {
    if before.is_empty() {
        return None;
    }
    let (alliance, all) = whoever(policy, before.iter().chain(after.iter().copied()));
    let bounds = |e: &Explained| e.row.label.terms().map(|t| [t.not_before_us, t.not_after_us]).into_iter().flatten().flatten().collect::<Vec<_>>();
    let times: BTreeSet<i64> = before.iter().chain(after.iter().copied()).flat_map(bounds).filter(|t| *t > now_us).chain([now_us]).collect();
    let permits = |e: &Explained, to: &Recipient, at_us: i64| match test_label(&e.row.label, &e.row.origin, to, &alliance, at_us) {
        LabelVerdict::ReadBack | LabelVerdict::Permit => true,
        LabelVerdict::IfStanding(level, opaque) => !opaque && policy.standing.iter().any(|s| s.adds(level, &e.row.id.kind, to, &policy.alliance)),
        LabelVerdict::Opaque | LabelVerdict::Deny(_) => false,
    };
    let gains = |to: &&Recipient| times.iter().any(|at| after.iter().any(|e| permits(e, to, *at)) && !before.iter().any(|e| permits(e, to, *at)));
    all.iter().filter(|r| !r.is_of(&policy.alliance.holder)).find(gains).map(|r| r.id.to_string())
}

/// What whoever receives it may do with it by the marking that is tried, and by no marking that is known here: a named audience says who receives it, the
/// level and PAP beside it what they may do next.
fn allows_more(before: &[Explained], after: &[&Explained]) -> Option<String> {
    let level = |e: &Explained| e.row.label.terms().map(|t| t.tlp.values().map(|binding| binding.level).max());
    let pap = |e: &Explained| e.row.label.terms().map(|t| t.pap);
    let (was, is) = (before.iter().filter_map(level).min()?, after.iter().filter_map(|e| level(e)).min()?);
    if is < was {
        let (was, is) = (was.map_or("", Level::label), is.map_or("no level", Level::label));
        return Some(format!("would say {is} to whoever receives it, instead of {was}"));
    }
    let (was, is) = (before.iter().filter_map(pap).min()?, after.iter().filter_map(|e| pap(e)).min()?);
    (is < was).then(|| "would allow whoever receives it to do more with it, by its PAP, than now".to_owned())
}

/// Everybody whom a marking can mean: recipients, suspended ones too, every member, everybody whom these name; a member and a client that come later, everybody.
fn whoever<'e>(policy: &Policy, marked: impl Iterator<Item = &'e Explained>) -> (Alliance, Vec<Recipient>) {
    let mut alliance = policy.alliance.clone();
    for (id, in_alliance) in [("a member that comes later", true), ("a client that comes later", false)] {
        let client_of = if in_alliance { BTreeSet::new() } else { BTreeSet::from([alliance.holder.clone()]) };
        alliance.members.insert(id.into(), Member { id: id.into(), identity: None, client_of, in_alliance });
    }
    let mut all: Vec<Recipient> = policy.recipients.iter().map(|r| Recipient { active: true, ..r.clone() }).collect();
    all.extend(alliance.members.keys().map(|member| Recipient::new(member, Kind::Organisation, Some(member))));
    let mut named: BTreeSet<Principal> = marked.filter_map(|e| e.row.label.terms()).flat_map(|t| t.audience.0.iter().flatten().cloned()).collect();
    named.extend(alliance.groups.values().flat_map(|g| g.persons.iter().cloned().map(Principal::Person)));
    for who in named {
        match who {
            Principal::Person(name) => all.push(Recipient { person: Some(name.clone()), ..Recipient::new(&name, Kind::Person, None) }),
            Principal::Node(name) => all.push(Recipient::new(&name, Kind::Node, None)),
            Principal::Member(_) | Principal::Group(_) => {}
        }
    }
    all.push(Recipient::new("everybody", Kind::Public, None));
    (alliance, all)
}

/// Is a part that is marked for itself no longer so, or less so?
fn shows_a_part(node: &Node, trial: &Rehearsal<'_>, before: &[Explained], after: &[&Explained]) -> Result<bool, Failure> {
    let latest = |e: &&Explained| (e.row.version.map(Version::ns), e.row.row);
    let Some(next) = after.iter().copied().max_by_key(latest) else { return Ok(false) };
    let Some(last) = before.iter().filter(|e| e.row.source == next.row.source).max_by_key(latest) else { return Ok(false) };
    if last.row.row == next.row.row || last.row.granular.is_empty() {
        return Ok(false);
    }
    let (was, is) = (Text::of(&node.store.row_bytes(last.row.row, false)?).object, Text::of(&trial.bytes_of(next.row.row).unwrap_or_default()).object);
    let marks = |e: &Explained, is_meant: &dyn Fn(&Id) -> bool| {
        Kept::of(e.row.granular.iter().filter(|(marking, _)| is_meant(marking)).flat_map(|(_, selectors)| selectors.iter()).map(|s| &**s))
    };
    let marked = marks(last, &|_| true);
    let markings: BTreeSet<&Id> = last.row.granular.iter().map(|(marking, _)| marking).collect();
    Ok(markings.into_iter().any(|marking| {
        let kept = marks(next, &|m| keeps_as_much(m, marking));
        let whole = predefined(marking).is_some_and(|level| reaches_no_further(next, level));
        !whole && parts::shows(&was, &is, (&marks(last, &|m| m == marking), &marked), &|place| kept.covers(place))
    }))
}

/// Does the one marking keep a part from everybody from whom the other keeps it?
fn keeps_as_much(one: &Id, other: &Id) -> bool {
    one == other || predefined(one).zip(predefined(other)).is_some_and(|(one, other)| one >= other)
}

/// Is all of a copy marked with a level or a stricter one?
fn reaches_no_further(e: &Explained, level: Level) -> bool {
    e.row.label.terms().is_some_and(|t| !t.tlp.is_empty() && t.tlp.values().all(|binding| binding.reach.is_some_and(|reach| reach >= level)))
}

/// What definitions that are tried would open: of the objects that carry them, whom that would give more.
pub(super) fn opened(node: &Node, trial: &Rehearsal<'_>, (source, reader): (&str, Option<&str>), definitions: &[Id]) -> Result<Vec<Value>, Failure> {
    const LOOKED_AT_MAX: usize = 2000;
    if definitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut marked = Vec::new();
    for id in node.store.marked_with(&definitions.iter().cloned().collect(), source)? {
        if node.store.explain_known(&id, node.directory().owner(), reader)?.is_empty() {
            continue;
        }
        if marked.len() == LOOKED_AT_MAX {
            let first = definitions.first().map(ToString::to_string);
            return Ok(vec![json!({"id": first, "recipient": "others, with one of very many objects that carry it"})]);
        }
        marked.push(id);
    }
    Ok(downgraded(node, trial, (source, reader), &marked)?.0)
}

/// Of each object that one of the holder's people would bring into a source, why that takes more than this person: it would give somebody more than now.
pub(crate) fn objections(node: &Node, reader: &str, source: &str, objects: &[Prepared]) -> Result<Vec<Option<String>>, Failure> {
    let here = |o: &Prepared| !node.store.rows_of(&o.header().id).is_empty();
    let is_definition = |o: &Prepared| &*o.header().id.kind == "marking-definition";
    if !objects.iter().any(|o| here(o) || is_definition(o)) {
        return Ok(vec![None; objects.len()]);
    }
    let first = |rows: Vec<Value>| {
        let row = rows.into_iter().next()?;
        let text = |key: &str| row.get(key).and_then(Value::as_str);
        let what = text("why")
            .map_or_else(|| format!("would go to `{}`, who may not have it, or less of it, now", text("recipient").unwrap_or_default()), str::to_owned);
        Some(format!(
            "it {what}; your role, or the number of persons this node wants, does not allow that here; a release officer or an owner can widen it in the console"
        ))
    };
    let mut out: Vec<Option<String>> = vec![None; objects.len()];
    // What is refused takes nothing from anybody, so the rest is looked at anew without it.
    loop {
        let rest: Vec<usize> = out.iter().enumerate().filter(|(_, why)| why.is_none()).map(|(n, _)| n).collect();
        let kept: Vec<Prepared> = rest.iter().filter_map(|n| objects.get(*n).cloned()).collect();
        let mut trial = node.store.rehearse(source, Some(reader))?;
        trial.ingest(kept.clone())?;
        let mut refused = false;
        for (n, object) in rest.into_iter().zip(&kept) {
            let ids = std::slice::from_ref(&object.header().id);
            let why = if is_definition(object) {
                first(opened(node, &trial, (source, Some(reader)), ids)?)
            } else if here(object) {
                let (gains, bound) = downgraded(node, &trial, (source, Some(reader)), ids)?;
                first(gains.into_iter().chain(bound).collect())
            } else {
                None
            };
            if let (Some(why), Some(slot)) = (why, out.get_mut(n)) {
                *slot = Some(why);
                refused = true;
            }
        }
        if !refused {
            return Ok(out);
        }
    }
}
