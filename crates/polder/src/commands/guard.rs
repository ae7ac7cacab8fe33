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

use super::Caller;
use super::parts::{self, Kept};
use super::sharing::known_rows;
use crate::failure::{Failure, exit};
use crate::node::Node;

/// Whom new versions of what is here would give it, or more of it, than they have now; and of these rows those that only an originator widens: where
/// copies from others came before any own one, they bind whoever received them.
pub(super) fn downgraded(node: &Node, trial: &Rehearsal<'_>, (source, reader): (&str, Option<&str>), ids: &[Id]) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let (mut all, mut widened) = (Vec::new(), Vec::new());
    let policy = node.directory().policy()?;
    for id in ids {
        let own = |e: &Explained| *e.row.source == *source;
        let mut known = node.store.explain_known(id, node.directory().owner(), reader)?;
        let held = known.iter().any(own);
        known.extend(trial.explain(id, node.directory().owner())?);
        let everybody = everybody(&policy, &known);
        // What others sent is no measure of what this source gave, except where it gave nothing yet.
        let here = |number, at_us| Ok(node.store.explain_under(id, (&everybody, number), reader, at_us)?.into_iter().filter(|e| !held || own(e)).collect());
        let mine = gains(node, (trial, &everybody), (source, reader), id, &here)?;
        // Who has it of this source already is given nothing that others keep.
        if !mine.is_empty() && is_bound(node, (source, reader), id)? {
            // What people here tightened others' copies to is no word of those others.
            let mut bare = node.store.rehearse(source, reader)?;
            for to in node.store.tightened(id).into_iter().filter(|to| *to.source != *source) {
                bare.act(Act::Lift(id.clone(), to.source, None))?;
            }
            bare.act(Act::Lift(id.clone(), Act::ELSEWHERE.into(), None))?;
            let theirs = |number, at_us| Ok(bare.explain_under(id, (&everybody, number), at_us)?.into_iter().filter(|e| !own(e)).collect());
            let is_mine = |row: &Value| mine.iter().any(|m| m.get("recipient") == row.get("recipient"));
            widened.extend(gains(node, (trial, &everybody), (source, reader), id, &theirs)?.into_iter().filter(|row| !held || is_mine(row)));
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

/// What the copies that count say for a recipient, by number, at a moment.
type Counted<'c> = &'c dyn Fn(u32, i64) -> Result<Vec<Explained>, Failure>;

/// Recipients that would get more of an object by what is tried than they get by those copies that count, now or when a window opens or closes.
fn gains(
    node: &Node,
    (trial, everybody): (&Rehearsal<'_>, &Policy),
    (source, reader): (&str, Option<&str>),
    id: &Id,
    counted: Counted<'_>,
) -> Result<Vec<Value>, Failure> {
    let (directory, now_us) = (node.directory(), node.store.now_us());
    let own = directory.owner();
    let tried = trial.explain(id, own)?;
    let texts = Texts { node, trial, reader, read: RefCell::default() };
    let gives_more = |before: &[Explained], after: &[Explained]| {
        for a in after.iter().filter(|e| *e.row.source == *source) {
            let mut has = false;
            for b in before {
                has = has || gives_as_much(b, a, &texts)?;
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
    let (mut rows, mut own_number) = (Vec::new(), None);
    for (number, recipient) in (0u32..).zip(&everybody.recipients) {
        if *recipient.id == *own {
            own_number = Some(number);
            continue;
        }
        let (before, after) = (counted(number, now_us)?, trial.explain_under(id, (everybody, number), now_us)?);
        if before.is_empty() {
            continue;
        }
        let mut gains = gives_more(&before, &after)?;
        let opens = after.iter().filter_map(|e| e.row.label.terms()?.not_before_us);
        let closes = before.iter().filter_map(|e| e.row.label.terms()?.not_after_us);
        let times: BTreeSet<i64> = opens.chain(closes).chain(parts_move.iter().copied()).filter(|t| *t > now_us).collect();
        for at_us in times {
            gains = gains || gives_more(&counted(number, at_us)?, &trial.explain_under(id, (everybody, number), at_us)?)?;
        }
        if gains {
            rows.push(json!({"id": id.to_string(), "recipient": recipient.id}));
        }
    }
    let before = own_number.map(|number| counted(number, now_us)).transpose()?.unwrap_or_default();
    let after: Vec<&Explained> = tried.iter().filter(|e| *e.row.source == *source).collect();
    if rows.is_empty()
        && let Some((to, why)) = marked_wider(everybody, now_us, &before, &after)
    {
        rows.push(json!({"id": id.to_string(), "recipient": to, "why": why}));
    }
    if rows.is_empty() && shows_a_part(&texts, &before, &after)? {
        rows.push(json!({"id": id.to_string(), "recipient": "whoever a part of it is kept from"}));
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

/// What rows say to who asks, each read once: recipients by the hundred ask about the same few. Of a row that the reader holds in part, that part: an answer
/// tells nothing of the rest.
struct Texts<'n> {
    node: &'n Node,
    trial: &'n Rehearsal<'n>,
    reader: Option<&'n str>,
    read: RefCell<HashMap<u32, Rc<Text>>>,
}

impl Texts<'_> {
    fn of(&self, row: u32) -> Result<Rc<Text>, Failure> {
        if let Some(text) = self.read.borrow().get(&row) {
            return Ok(Rc::clone(text));
        }
        let bytes = match (self.trial.bytes_of(row), self.reader) {
            (Some(bytes), _) => bytes,
            (None, Some(reader)) => self.node.store.copy_for(row, reader, None)?.unwrap_or_default(),
            (None, None) => self.node.store.row_bytes(row, false)?,
        };
        let text = Rc::new(Text::of(&bytes));
        self.read.borrow_mut().insert(row, Rc::clone(&text));
        Ok(text)
    }
}

/// Does the one give a recipient at least what the other, with this text, gives? What is taken out for a marking, or because it leads to an object, is taken
/// out of both, or no longer there to be taken out.
fn gives_as_much(one: &Explained, other: &Explained, texts: &Texts<'_>) -> Result<bool, Failure> {
    if !other.judgement.permits() {
        return Ok(true);
    }
    if !one.judgement.permits() || one.judgement.verdict == Verdict::Release {
        return Ok(one.judgement.permits());
    }
    let (mine, theirs, is) = (&one.judgement.removal, &other.judgement.removal, texts.of(other.row.row)?);
    let leads_no_further = one.removed_references.iter().all(|id| other.removed_references.contains(id) || !is.text.contains(&id.to_string()))
        && (!mine.author || theirs.author || !is.text.contains("created_by_ref"));
    if !leads_no_further || one.row.row == other.row.row {
        return Ok(leads_no_further && mine.granular.iter().all(|n| theirs.granular.contains(n)));
    }
    let (had, kept) = (cut(one), cut(other));
    Ok(mine.granular.is_empty() || !parts::shows(&texts.of(one.row.row)?.object, &is.object, (&had, &had), &|place| kept.covers(place)))
}

/// What is cut out of a copy for its marking.
fn cut(e: &Explained) -> Kept {
    let marks = e.judgement.removal.granular.iter().filter_map(|n| e.row.granular.get(usize::try_from(*n).ok()?));
    Kept::of(marks.flat_map(|(_, selectors)| selectors.iter()).map(|s| &**s))
}

/// Whom the marking that is tried permits, or would permit with a part of it or once somebody explains it, and no marking that is known here does; whatever
/// else keeps it from them now, since that may go. Or else to whom it says that they may do more with it than any marking says by which they have it: a named
/// audience says who receives it, the level and PAP beside it what they may do next.
fn marked_wider(everybody: &Policy, now_us: i64, before: &[Explained], after: &[&Explained]) -> Option<(String, Option<String>)> {
    if before.is_empty() {
        return None;
    }
    let bounds = |e: &Explained| e.row.label.terms().map(|t| [t.not_before_us, t.not_after_us]).into_iter().flatten().flatten().collect::<Vec<_>>();
    let times: BTreeSet<i64> = before.iter().chain(after.iter().copied()).flat_map(bounds).filter(|t| *t > now_us).chain([now_us]).collect();
    let permits = |e: &Explained, to: &Recipient, at_us: i64| match test_label(&e.row.label, &e.row.origin, to, &everybody.alliance, at_us) {
        LabelVerdict::ReadBack | LabelVerdict::Permit | LabelVerdict::Opaque => true,
        LabelVerdict::IfStanding(level, _) => everybody.standing.iter().any(|s| s.adds(level, &e.row.id.kind, to, &everybody.alliance)),
        LabelVerdict::Deny(_) => false,
    };
    let mut looser = None;
    for to in everybody.recipients.iter().filter(|r| !r.is_of(&everybody.alliance.holder)) {
        for at_us in &times {
            let has: Vec<&Explained> = before.iter().filter(|e| permits(e, to, *at_us)).collect();
            let gets: Vec<&Explained> = after.iter().copied().filter(|e| permits(e, to, *at_us)).collect();
            if has.is_empty() && !gets.is_empty() {
                return Some((to.id.to_string(), None));
            }
            looser = looser.or_else(|| allows_more(&has, &gets, to).map(|why| (to.id.to_string(), Some(why))));
        }
    }
    looser
}

/// What somebody may do with a copy by those markings, and by none of the former ones.
fn allows_more(has: &[&Explained], gets: &[&Explained], to: &Recipient) -> Option<String> {
    let level = |e: &&Explained| e.row.label.terms().map(|t| t.tlp.values().map(|binding| binding.level).max());
    let pap = |e: &&Explained| e.row.label.terms().map(|t| t.pap);
    let (was, is) = (has.iter().filter_map(level).min()?, gets.iter().filter_map(level).min()?);
    if is < was {
        let (was, is) = (was.map_or("", Level::label), is.map_or("no level", Level::label));
        return Some(format!("would say {is} to {}, instead of {was}", to.id));
    }
    let (was, is) = (has.iter().filter_map(pap).min()?, gets.iter().filter_map(pap).min()?);
    (is < was).then(|| format!("would allow {} to do more with it, by its PAP, than now", to.id))
}

/// The policy with everybody whom a marking can mean: recipients, suspended ones as if they were not, every member, everybody whom these name, known or not;
/// a member and a client that come later, somebody who joins a named group, everybody.
fn everybody(policy: &Policy, marked: &[Explained]) -> Policy {
    let mut alliance = policy.alliance.clone();
    let mut named: BTreeSet<Principal> = marked.iter().filter_map(|e| e.row.label.terms()).flat_map(|t| t.audience.0.iter().flatten().cloned()).collect();
    named.extend(alliance.groups.values().flat_map(|g| g.persons.iter().cloned().map(Principal::Person)));
    let later = |id: &str, in_alliance: bool, of: &Alliance| {
        let client_of = if in_alliance { BTreeSet::new() } else { BTreeSet::from([of.holder.clone()]) };
        Member { id: id.into(), identity: None, client_of, in_alliance }
    };
    for (id, in_alliance) in [("a member that comes later", true), ("a client that comes later", false)] {
        let member = later(id, in_alliance, &alliance);
        alliance.members.insert(member.id.clone(), member);
    }
    for who in &named {
        let joins = match who {
            Principal::Member(name) if !alliance.members.contains_key(name) => later(name, true, &alliance),
            Principal::Group(name) => later(&format!("a member that joins {name}"), true, &alliance),
            _ => continue,
        };
        if let Principal::Group(name) = who {
            alliance.groups.entry(name.clone()).or_default().members.insert(joins.id.clone());
        }
        alliance.members.insert(joins.id.clone(), joins);
    }
    let mut recipients: Vec<Recipient> = policy.recipients.iter().map(|r| Recipient { active: true, ..r.clone() }).collect();
    let has_one = |member: &str| policy.recipients.iter().any(|r| r.kind == Kind::Organisation && r.organisation.as_deref() == Some(member));
    let others = alliance.members.keys().filter(|member| **member != alliance.holder && !has_one(member));
    recipients.extend(others.map(|member| Recipient::new(member, Kind::Organisation, Some(member))));
    // Who is known stands among the recipients already, with the organisation that it is of.
    let is_known = |who: &Principal| {
        policy.recipients.iter().any(|r| match who {
            Principal::Person(name) => r.person.as_ref() == Some(name),
            Principal::Node(name) => r.kind == Kind::Node && r.id == *name,
            Principal::Member(_) | Principal::Group(_) => true,
        })
    };
    for who in named.into_iter().filter(|who| !is_known(who)) {
        match who {
            Principal::Person(name) => recipients.push(Recipient { person: Some(name.clone()), ..Recipient::new(&name, Kind::Person, None) }),
            Principal::Node(name) => recipients.push(Recipient::new(&name, Kind::Node, None)),
            Principal::Member(_) | Principal::Group(_) => {}
        }
    }
    recipients.push(Recipient::new("everybody", Kind::Public, None));
    Policy { alliance, recipients, ..policy.clone() }
}

/// Does a version that is tried show a part that some version marked for itself, no longer marked so, or less so? Each may be asked for, also one that is not
/// the latest. What the last version so far shows already counts as shown.
fn shows_a_part(texts: &Texts<'_>, before: &[Explained], after: &[&Explained]) -> Result<bool, Failure> {
    let latest = |e: &&Explained| (e.row.version.map(Version::ns), e.row.row);
    for next in after.iter().filter(|e| texts.trial.bytes_of(e.row.row).is_some()) {
        let former = || before.iter().filter(|e| e.row.source == next.row.source);
        let Some(last) = former().max_by_key(latest) else { continue };
        let (is, now) = (texts.of(next.row.row)?, texts.of(last.row.row)?);
        for one in former().filter(|e| !e.row.granular.is_empty()) {
            let was = texts.of(one.row.row)?;
            let is_shown = |version: &Explained, text: &Text| shows_part_of((one, &was.object), (version, &text.object));
            if is_shown(next, &is) && (one.row.row == last.row.row || !is_shown(last, &now)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Does the one version show a part that the other one marks for itself?
fn shows_part_of((one, was): (&Explained, &Value), (next, is): (&Explained, &Value)) -> bool {
    let marks = |e: &Explained, is_meant: &dyn Fn(&Id) -> bool| {
        Kept::of(e.row.granular.iter().filter(|(marking, _)| is_meant(marking)).flat_map(|(_, selectors)| selectors.iter()).map(|s| &**s))
    };
    let marked = marks(one, &|_| true);
    let markings: BTreeSet<&Id> = one.row.granular.iter().map(|(marking, _)| marking).collect();
    markings.into_iter().any(|marking| {
        let kept = marks(next, &|m| keeps_as_much(m, marking));
        let whole = predefined(marking).is_some_and(|level| reaches_no_further(next, level));
        !whole && parts::shows(was, is, (&marks(one, &|m| m == marking), &marked), &|place| kept.covers(place))
    })
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
    // One that is here already, with the same text, opens nothing; bundles bring those of all that they hold.
    let mut new = Vec::new();
    for id in definitions.iter().filter(|id| predefined(id).is_none()) {
        if trial.explain(id, node.directory().owner())?.iter().any(|e| trial.bytes_of(e.row.row).is_some()) {
            new.push(id.clone());
        }
    }
    let definitions = new;
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

/// What objects that are brought in would give more than before them.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// To whom.
    pub(super) gains: Vec<Value>,
    /// Of those, what only an originator gives.
    pub(super) bound: Vec<Value>,
}

impl Moved {
    /// Looks at those of some objects that are here already, and at what definitions would open.
    pub(super) fn look(&mut self, node: &Node, trial: &Rehearsal<'_>, (source, reader): (&str, &str), ids: &[Id]) -> Result<(), Failure> {
        let (definitions, others): (Vec<Id>, Vec<Id>) = ids.iter().cloned().partition(|id| &*id.kind == "marking-definition");
        let here: Vec<Id> = others.into_iter().filter(|id| !node.store.rows_of(id).is_empty()).collect();
        let (gains, bound) = downgraded(node, trial, (source, Some(reader)), &here)?;
        let opened = opened(node, trial, (source, Some(reader)), &definitions)?;
        // A version of another batch may say the same again.
        for (all, new) in [(&mut self.gains, [gains, opened].concat()), (&mut self.bound, bound)] {
            for row in new {
                if !all.contains(&row) {
                    all.push(row);
                }
            }
        }
        Ok(())
    }
}

/// Refuses what one of the holder's people brings in, where it would give more than that person may give alone. It was looked at before; this is for what
/// came since.
pub(super) fn admit(node: &Node, caller: Caller<'_>, source: &str, objects: &[Prepared]) -> Result<(), Failure> {
    let Some(reader) = caller.reader else { return Ok(()) };
    if !objects.iter().any(|o| concerns_what_is_here(node, o)) {
        return Ok(());
    }
    let mut trial = node.store.rehearse(source, Some(reader))?;
    trial.ingest(objects.to_vec())?;
    let ids: Vec<Id> = objects.iter().map(|o| o.header().id.clone()).collect();
    let mut moved = Moved::default();
    moved.look(node, &trial, (source, reader), &ids)?;
    let may_alone = node.config.widen_persons_min <= 1 && super::widening::may_downgrade(node, caller.by);
    if moved.bound.is_empty() && (moved.gains.is_empty() || may_alone) {
        return Ok(());
    }
    let help = "preview it again; what stands before it in the file was kept, and nothing from there on";
    Err(Failure::new(exit::NO, "what this would do has changed since it was shown".to_owned(), help))
}

fn concerns_what_is_here(node: &Node, object: &Prepared) -> bool {
    (is_definition(object) && predefined(&object.header().id).is_none()) || !node.store.rows_of(&object.header().id).is_empty()
}

fn is_definition(object: &Prepared) -> bool {
    &*object.header().id.kind == "marking-definition"
}

/// Of each object that one of the holder's people would bring into a source, why that takes more than this person: it would give somebody more than now.
pub(crate) fn objections(node: &Node, reader: &str, source: &str, objects: &[Prepared]) -> Result<Vec<Option<String>>, Failure> {
    let here = |o: &Prepared| !node.store.rows_of(&o.header().id).is_empty();
    if !objects.iter().any(|o| concerns_what_is_here(node, o)) {
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
