//! The verdicts of section 4, for one recipient over all rows at once.
//! The rule: everything not permitted is withheld.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::granular::{self, Marked};
use super::label::{self, Label};
use super::references;
use super::removal::{self, Path};
use super::world::{Row, World};
use super::{Audience, Directory, Kind, Level, Recipient, SourceKind, Verdict};

/// What tests 1 to 7 say of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Back,
    Pass,
    Withhold,
    Hold,
}

/// A row that passed tests 1 to 7 and of which no part was hidden later, with what its granular markings take out for the recipient.
struct Candidate<'a> {
    row: &'a Row,
    paths: BTreeSet<Path>,
    applied: BTreeSet<usize>,
}

/// The verdict on every live row.
pub(super) fn all(world: &World, recipient: &str, now_us: i64) -> BTreeMap<usize, (Verdict, Option<Value>)> {
    let mut verdicts = BTreeMap::new();
    let mut candidates = Vec::new();
    let Some(recipient) = world.recipient(recipient) else {
        return verdicts;
    };
    // Removed rows are judged too, for the references to them.
    for row in &world.rows {
        let label = label::effective(world, row);
        match answer(world, row, &label, recipient, now_us) {
            Answer::Back => {
                verdicts.insert(row.number, (Verdict::Release, Some(row.value.clone())));
            }
            Answer::Pass => match candidate(world, row, recipient, now_us) {
                Some(candidate) => candidates.push(candidate),
                None => {
                    verdicts.insert(row.number, (Verdict::Withhold, None));
                }
            },
            Answer::Withhold => {
                verdicts.insert(row.number, (Verdict::Withhold, None));
            }
            Answer::Hold => {
                verdicts.insert(row.number, (Verdict::Hold, None));
            }
        }
    }
    // Every candidate counts as permitted until a reference takes it down; repeated until none falls. This gives a
    // cycle the benefit of the doubt, as the page does for a row under examination, and does not depend on an order.
    let back = verdicts.iter().filter(|(_, (verdict, _))| *verdict == Verdict::Release).map(|(row, _)| *row);
    let back: BTreeSet<usize> = back.collect();
    let mut held: BTreeSet<usize> = candidates.iter().map(|it| it.row.number).chain(back.iter().copied()).collect();
    loop {
        let outcomes: Vec<_> = candidates.iter().map(|it| (it.row.number, serve(world, it, &held))).collect();
        let standing = outcomes.iter().filter(|(_, (_, served))| served.is_some()).map(|(row, _)| *row);
        let standing: BTreeSet<usize> = standing.chain(back.iter().copied()).collect();
        if &standing & &held == held {
            verdicts.extend(outcomes);
            verdicts.retain(|row, _| world.rows.get(*row).is_some_and(|row| row.live));
            return verdicts;
        }
        held = &standing & &held;
    }
}

/// Tests 1 to 7 for a label put together by hand, on a row of its own; both ways of passing are a release.
pub(super) fn of_label(case: &super::Case, recipient: &str) -> Verdict {
    let value = serde_json::json!({"type": case.object_type, "id": format!("{}--0", case.object_type)});
    let row = Row { number: 0, commit: 0, nth: 0, source: case.source.clone(), value, live: true };
    let label = Label {
        level: case.level,
        reach: case.reach,
        audiences: case.audiences.clone(),
        opaque: case.opaque.clone(),
        pap: None,
        not_before_us: case.not_before_us,
        not_after_us: case.not_after_us,
    };
    let grants = case.granted.iter().map(|covers| super::world::Grant { recipient: recipient.to_owned(), row: 0, covers: covers.clone() });
    let world = World { directory: case.directory.clone(), grants: grants.collect(), ..World::default() };
    let Some(recipient) = world.recipient(recipient) else {
        return Verdict::Withhold;
    };
    match answer(&world, &row, &label, recipient, case.now_us) {
        Answer::Back | Answer::Pass => Verdict::Release,
        Answer::Withhold => Verdict::Withhold,
        Answer::Hold => Verdict::Hold,
    }
}

/// Granular markings: what the recipient may not hold of a row it may hold; nothing if a row that tightens it, live or removed,
/// hides more.
fn candidate<'a>(world: &World, row: &'a Row, recipient: &Recipient, now_us: i64) -> Option<Candidate<'a>> {
    let own = hidden(world, row, recipient, now_us);
    let mut tighter = world.rows.iter().filter(|other| other.number != row.number && other.tightens(row));
    if !tighter.all(|other| granular::cover(&own, &hidden(world, other, recipient, now_us))) {
        return None;
    }
    let paths = own.iter().flat_map(Marked::paths).collect();
    Some(Candidate { row, paths, applied: own.iter().map(|entry| entry.index).collect() })
}

/// The granular entries of a row that the recipient may not hold.
fn hidden(world: &World, row: &Row, recipient: &Recipient, now_us: i64) -> Vec<Marked> {
    let label = |entry: &Marked| label::of_entry(world, &row.source, &entry.marking);
    let is_hidden = |entry: &Marked| answer(world, row, &label(entry), recipient, now_us) != Answer::Pass;
    granular::of_parts(&row.value).into_iter().filter(is_hidden).collect()
}

/// What is served of a candidate when exactly these rows are held.
fn serve(world: &World, candidate: &Candidate<'_>, held: &BTreeSet<usize>) -> (Verdict, Option<Value>) {
    let row = candidate.row;
    let taken = |path: &Path| candidate.paths.iter().any(|taken| path.starts_with(taken));
    let denied =
        references::of(&row.value).into_iter().filter(|(path, target)| !taken(path) && references::is_denied(world, row, target, held)).map(|(path, _)| path);
    let paths: BTreeSet<Path> = candidate.paths.iter().cloned().chain(denied).collect();
    if paths.is_empty() {
        return (Verdict::Release, Some(row.value.clone()));
    }
    match removal::without(&row.value, &paths, &candidate.applied, &world.directory.holder_identity) {
        Some(copy) => (Verdict::Redact, Some(copy)),
        None => (Verdict::Withhold, None),
    }
}

/// Tests 1 to 7, in their order.
fn answer(world: &World, row: &Row, label: &Label, recipient: &Recipient, now_us: i64) -> Answer {
    let directory = &world.directory;
    if !recipient.active {
        return Answer::Withhold;
    }
    let originator = match &row.source.kind {
        SourceKind::Own => Some(&directory.holder),
        SourceKind::Member(member) => Some(member),
        SourceKind::Feed => None,
    };
    let reads_for_organisation = matches!(recipient.kind, Kind::Organisation | Kind::Node);
    if reads_for_organisation && originator.is_some_and(|originator| is_of(recipient, originator)) {
        return Answer::Back;
    }
    let early = label.not_before_us.is_some_and(|from| now_us < from);
    let late = label.not_after_us.is_some_and(|until| now_us >= until);
    if early || late {
        return Answer::Withhold;
    }
    if !label.audiences.iter().all(|audience| is_named(directory, audience, recipient)) {
        return Answer::Withhold;
    }
    if label.level == Some(Level::Red) {
        let mut sets = label.audiences.iter();
        let matched = !label.audiences.is_empty() && sets.all(|audience| is_named_in_person(directory, audience, recipient));
        if !(matched && row.is_own()) {
            return Answer::Withhold;
        }
    }
    if let Some(reach) = label.reach
        && !is_inside(directory, reach, recipient)
        && !has_standing(directory, row, label, reach, recipient)
    {
        return Answer::Withhold;
    }
    let granted = |covers: &BTreeSet<String>| label.opaque.is_subset(covers);
    let grants = world.grants.iter().filter(|it| row.live && it.recipient == recipient.id && it.row == row.number);
    if label.opaque.is_empty() || is_of(recipient, &directory.holder) || grants.into_iter().any(|grant| granted(&grant.covers)) {
        return Answer::Pass;
    }
    if row.is_own() { Answer::Hold } else { Answer::Withhold }
}

fn is_of(recipient: &Recipient, organisation: &str) -> bool {
    organisation_of(recipient) == Some(organisation)
}

fn organisation_of(recipient: &Recipient) -> Option<&str> {
    recipient.organisation.as_deref().filter(|_| recipient.kind != Kind::Public)
}

fn person_of(recipient: &Recipient) -> Option<&str> {
    recipient.person.as_deref().filter(|_| recipient.kind == Kind::Person)
}

fn is_member(directory: &Directory, organisation: &str) -> bool {
    organisation == directory.holder || directory.members.iter().any(|member| member.id == organisation)
}

fn is_client_of_holder(directory: &Directory, organisation: &str) -> bool {
    let members = directory.members.iter().map(|member| (&member.id, &member.client_of));
    let others = directory.other_clients.iter().map(|(id, client_of)| (id, client_of));
    members.chain(others).any(|(id, client_of)| id == organisation && client_of.contains(&directory.holder))
}

fn is_named(directory: &Directory, audience: &Audience, recipient: &Recipient) -> bool {
    let organisation = organisation_of(recipient);
    let as_member = organisation.is_some_and(|id| audience.members.contains(id) && is_member(directory, id));
    let in_group = directory
        .groups
        .iter()
        .filter(|group| audience.groups.contains(&group.id))
        .any(|group| organisation.is_some_and(|id| group.members.iter().any(|member| member == id)));
    as_member || in_group || is_named_in_person(directory, audience, recipient)
}

/// Matched as a person, directly or through a group's persons, or as a node.
fn is_named_in_person(directory: &Directory, audience: &Audience, recipient: &Recipient) -> bool {
    let person = person_of(recipient);
    let directly = person.is_some_and(|id| audience.persons.contains(id));
    let in_group = directory
        .groups
        .iter()
        .filter(|group| audience.groups.contains(&group.id))
        .any(|group| person.is_some_and(|id| group.persons.iter().any(|person| person == id)));
    let as_node = recipient.kind == Kind::Node && audience.nodes.contains(&recipient.id);
    directly || in_group || as_node
}

fn is_inside(directory: &Directory, reach: Level, recipient: &Recipient) -> bool {
    let organisation = organisation_of(recipient);
    let holder = is_of(recipient, &directory.holder);
    match reach {
        Level::Red => false,
        Level::AmberStrict => holder,
        Level::Amber => holder || organisation.is_some_and(|id| is_client_of_holder(directory, id)),
        Level::Green => organisation.is_some_and(|id| is_member(directory, id) || is_client_of_holder(directory, id)),
        Level::Clear => true,
    }
}

/// The level that keeps the recipient out is the one a standing release has to name; a row that is RED has none.
fn has_standing(directory: &Directory, row: &Row, label: &Label, reach: Level, recipient: &Recipient) -> bool {
    row.is_own()
        && label.level != Some(Level::Red)
        && directory.standing.iter().any(|rule| {
            rule.levels.contains(&reach)
                && (rule.types.is_empty() || rule.types.iter().any(|it| it == row.object_type()))
                && (rule.recipients.contains(&recipient.id) || rule.members.iter().any(|member| is_of(recipient, member) && is_member(directory, member)))
        })
}
