//! The product's decision against the oracle's: every combination of a small domain of labels, and every sentence.
//! The rule: the domain is walked in full, and its size is told, so that a shrunken domain is noticed.

use std::collections::BTreeSet;

use polder_release as release;
use polder_release::{Audience as Sets, Binding, Form, Granular, Held, Judge, Label, LabelCache, Origin, RowFacts, Terms};
use polder_stix::{Id, RefKind};
use serde_json::Value;

use crate::oracle::alliance::{directory, texts};
use crate::oracle::first::{NOW_US, sentences};
use crate::oracle::{self, Audience, Case, Level, Source, SourceKind, Standing, Verdict};
use crate::scripts::{Do, Node, Step, policy, principals, read_all, to_level};
use crate::store_vs_oracle::of;

const UNREAD: [&str; 2] = ["marking-definition--0aaaaaaa-0000-4000-8000-00000000000a", "marking-definition--0aaaaaaa-0000-4000-8000-00000000000b"];

/// One row with one label.
struct OneRow {
    label: (Label, Origin),
    granted: Vec<Id>,
}

impl Held for OneRow {
    fn facts(&self, _: u32) -> RowFacts {
        RowFacts { object: 0, source: 0, label: 0, own: self.label.1 == Origin::Own }
    }
    fn object_type(&self, _: u32) -> &str {
        "indicator"
    }
    fn first_row(&self, _: u32) -> Option<u32> {
        Some(0)
    }
    fn next_row(&self, _: u32) -> Option<u32> {
        None
    }
    fn references(&self, _: u32) -> &[(u32, RefKind)] {
        &[]
    }
    fn granular(&self, _: u32) -> Vec<Granular<'_>> {
        Vec::new()
    }
    fn tighteners(&self, _: u32) -> Vec<u32> {
        Vec::new()
    }
    fn outline(&self, _: u32) -> Option<&Value> {
        None
    }
    fn id(&self, _: u32) -> Id {
        Id { kind: "indicator".into(), uuid: 0 }
    }
    fn label(&self, _: u32) -> (&Label, &Origin) {
        (&self.label.0, &self.label.1)
    }
    fn granted(&self, _: u32, _: u32) -> Option<&[Id]> {
        (!self.granted.is_empty()).then_some(self.granted.as_slice())
    }
}

/// The lists of sets of principals: none, an empty one, each kind of principal, and two sets.
fn audiences() -> Vec<Vec<Audience>> {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let member = |names: &[&str]| Audience { members: set(names), ..Audience::default() };
    let group = || Audience { groups: set(&["cell"]), ..Audience::default() };
    let person = |names: &[&str]| Audience { persons: set(names), ..Audience::default() };
    let node = || Audience { nodes: set(&["node-bravo"]), ..Audience::default() };
    vec![
        vec![],
        vec![Audience::default()],
        vec![member(&["bravo"])],
        vec![member(&["alpha", "charlie", "echo"])],
        vec![group()],
        vec![person(&["pid-charlie", "pid-alpha"])],
        vec![node()],
        vec![member(&["bravo", "charlie"]), group()],
        vec![person(&["pid-charlie"]), member(&["charlie"])],
        vec![person(&["pid-charlie"]), group()],
        vec![Audience { nodes: set(&["node-bravo"]), ..person(&["pid-bravo"]) }, member(&["bravo"])],
    ]
}

fn cases() -> Vec<Case> {
    let levels = [None, Some(Level::Clear), Some(Level::Green), Some(Level::Amber), Some(Level::AmberStrict), Some(Level::Red)];
    let kinds = [SourceKind::Own, SourceKind::Member("bravo".to_owned()), SourceKind::Member("echo".to_owned()), SourceKind::Feed];
    let opaque: [&[&str]; 3] = [&[], &UNREAD[..1], &UNREAD];
    let windows = [(None, None), (Some(NOW_US + 1), None), (Some(NOW_US), Some(NOW_US + 1)), (None, Some(NOW_US))];
    let rule = |levels: &[Level], types: &[&str]| Standing {
        levels: levels.to_vec(),
        types: texts(types),
        members: texts(&["bravo", "echo"]),
        recipients: texts(&["public"]),
    };
    let standing =
        [vec![], vec![rule(&[Level::Amber, Level::Red], &[])], vec![rule(&[Level::AmberStrict], &["indicator"]), rule(&[Level::Green], &["malware"])]];
    let mut all = Vec::new();
    for (level, kind) in levels.iter().flat_map(|level| kinds.iter().map(move |kind| (*level, kind))) {
        // A level binds as far as it reaches; joined with the level of another, its reach may be weaker, or absent.
        for reach in levels.iter().filter(|reach| **reach <= level) {
            for (sets, unread) in audiences().into_iter().flat_map(|sets| opaque.iter().map(move |it| (sets.clone(), it))) {
                for ((not_before_us, not_after_us), rules) in windows.iter().flat_map(|it| standing.iter().map(move |rules| (*it, rules))) {
                    for granted in [&[] as &[&str], &UNREAD[..1]] {
                        all.push(Case {
                            directory: oracle::Directory { standing: rules.clone(), ..directory() },
                            source: Source { name: "any".to_owned(), kind: kind.clone() },
                            object_type: "indicator",
                            level,
                            reach: *reach,
                            audiences: sets.clone(),
                            opaque: unread.iter().map(|id| (*id).to_owned()).collect(),
                            granted: if granted.is_empty() { vec![] } else { vec![granted.iter().map(|id| (*id).to_owned()).collect()] },
                            not_before_us,
                            not_after_us,
                            now_us: NOW_US,
                        });
                    }
                }
            }
        }
    }
    all
}

fn product(case: &Case, policy: &release::Policy, class: u8) -> OneRow {
    let origin = match &case.source.kind {
        SourceKind::Own => Origin::Own,
        SourceKind::Member(id) => Origin::Member(id.as_str().into()),
        SourceKind::Feed => Origin::Feed,
    };
    let originator = origin.originator(&policy.alliance).map(Into::into);
    let binding = |level| Binding { level: to_level(level), reach: case.reach.map(to_level) };
    let id = |text: &String| Id::parse(text).unwrap();
    let terms = Terms {
        class,
        tlp: case.level.map(|level| (originator, binding(level))).into_iter().collect(),
        audience: Sets(case.audiences.iter().map(principals).collect()),
        not_before_us: case.not_before_us,
        not_after_us: case.not_after_us,
        opaque: case.opaque.iter().map(id).collect(),
        ..Terms::default()
    };
    OneRow { label: (Label::Terms(terms), origin), granted: case.granted.iter().flatten().map(id).collect() }
}

#[test]
fn every_label_of_the_domain_is_judged_alike() {
    let cases = cases();
    let mut judged = 0usize;
    let mut answers = [0usize; 3];
    for case in &cases {
        let mut policy = policy(&case.directory);
        // One in every kind may hold class 1; class is a test of its own that ends the others.
        policy.recipients.iter_mut().filter(|r| r.id.starts_with("p-")).for_each(|r| r.class_max = 1);
        for class in [0, 1] {
            let held = product(case, &policy, class);
            for (number, recipient) in policy.recipients.iter().enumerate() {
                let right = if class > recipient.class_max { Verdict::Withhold } else { oracle::of_label(case, &recipient.id) };
                let cache = LabelCache::default();
                let judge = Judge::new(&held, &policy, u32::try_from(number).unwrap(), case.now_us, 1, &cache).unwrap();
                let found = judge.judge(0);
                assert_eq!(of(found.verdict), right, "{} class {class}: {case:?}: {:?}", recipient.id, found.reason);
                judged += 1;
                answers[usize::from(right == Verdict::Withhold) + 2 * usize::from(right == Verdict::Hold)] += 1;
            }
        }
    }
    println!("{} labels, {judged} decisions: {} release, {} withhold, {} hold", cases.len(), answers[0], answers[1], answers[2]);
    assert!(judged > 500_000 && answers.iter().all(|n| *n > 1000), "the domain has shrunk: {judged}, {answers:?}");
}

#[test]
fn the_store_keeps_every_sentence() {
    let broken: Vec<String> = sentences().iter().filter_map(broken).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// How the sentence is not kept, if it is not.
fn broken(it: &oracle::first::Sentence) -> Option<String> {
    let node = Node::of(&steps(&it.world)).unwrap();
    node.at(it.now_us);
    let places = oracle::places(&it.world);
    let place = places.get(it.row).filter(|place| place.live);
    let explained = place.and_then(|place| {
        let all = node.store().explain(&Id::parse(&place.id).unwrap(), it.recipient).unwrap_or_default();
        all.into_iter().find(|row| usize::try_from(row.row.row) == Ok(it.row))
    });
    let verdict = explained.map_or(Verdict::Withhold, |it| of(it.judgement.verdict));
    let served = read_all(node.store(), it.recipient, Form::Whole, 2).unwrap_or_default();
    let served = served.iter().find(|item| usize::try_from(item.entry.row) == Ok(it.row));
    let copy: Option<Value> = served.map(|item| serde_json::from_slice(&item.bytes).unwrap());
    let left: Vec<_> = it.gone.iter().filter(|gone| copy.as_ref().is_none_or(|copy| copy.pointer(gone).is_some())).collect();
    let permitted = matches!(it.expected, Verdict::Release | Verdict::Redact);
    let kept = verdict == it.expected && permitted == served.is_some() && left.is_empty();
    (!kept).then(|| format!("{}: expected {:?}, found {verdict:?}, served {copy:?}, left {left:?}", it.sentence, it.expected))
}

/// The events of a sentence as a script.
fn steps(world: &[oracle::Event]) -> Vec<Step> {
    use crate::scripts::{RowRef, sources};
    let source = |name: &str| sources().iter().position(|source| source.name == name || source.name == format!("{name}-1")).unwrap();
    let tightened = |name: &str| if name == oracle::ELSEWHERE { sources().len() } else { source(name) };
    let places = oracle::places(world);
    let commits: Vec<usize> = (0..world.len()).filter(|n| matches!(world[*n].what, oracle::What::Commit { .. })).collect();
    let row = |number: usize| RowRef { key: u32::try_from(commits[places[number].commit]).unwrap(), nth: places[number].nth };
    let what = |what: &oracle::What| match what.clone() {
        oracle::What::Commit { source: from, objects } => Do::Commit { source: source(&from.name), objects },
        oracle::What::SetDirectory(directory) => Do::Directory(directory),
        oracle::What::SetDefault { source: of, default } => Do::Default { source: source(&of), default },
        oracle::What::Pin(definition) => Do::Pin(definition),
        oracle::What::Overlay { source: of, object, level, .. } => Do::Overlay { source: tightened(&of), object, level },
        oracle::What::Lift { source: of, object, left } => Do::Lift { source: tightened(&of), object, left },
        oracle::What::Grant { recipient, row: number } => Do::Grant { recipient, row: row(number) },
        oracle::What::Remove { rows } => Do::Remove(rows.into_iter().map(row).collect()),
    };
    let step = |(key, event): (usize, &oracle::Event)| Step { key: u32::try_from(key).unwrap(), at_us: event.stamp_us, what: what(&event.what) };
    world.iter().enumerate().map(step).collect()
}
