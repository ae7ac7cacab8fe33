//! Laws of labels: what must hold for every label, whatever the markings.
//! The rule: each law is stated in full, with its exceptions, and is tried on random values.

use std::collections::{BTreeMap, BTreeSet};

use polder_release as release;
use polder_release::{
    Alliance, Attribution, Audience, Binding, DefaultLabel, Definitions, Label, LabelVerdict, Level, Meaning, Origin, Pap, Principal, Reader, Readers,
    Recipient, Standing, Terms, compile, meaning_of_content, test_label,
};
use polder_stix::Id;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::oracle::alliance::{audience, directory, put, statement};
use crate::scripts::{Do, Node, Random, Step, policy, script, sources};

const NOW_US: i64 = 1000;
const LEVELS: [Level; 5] = [Level::Clear, Level::Green, Level::Amber, Level::AmberStrict, Level::Red];

fn principal() -> impl Strategy<Value = Principal> {
    prop_oneof![
        prop::sample::select(vec!["alpha", "bravo", "charlie", "echo"]).prop_map(|id| Principal::Member(id.into())),
        Just(Principal::Group("cell".into())),
        prop::sample::select(vec!["pid-alpha", "pid-charlie"]).prop_map(|id| Principal::Person(id.into())),
        Just(Principal::Node("node-bravo".into())),
    ]
}

fn level() -> impl Strategy<Value = Level> {
    prop::sample::select(LEVELS.to_vec())
}

fn marking() -> impl Strategy<Value = Id> {
    (1u128..4).prop_map(|uuid| Id { kind: "marking-definition".into(), uuid })
}

fn binding() -> impl Strategy<Value = Binding> {
    // A level binds at least as much as it reaches.
    (level(), prop::option::of(level())).prop_map(|(level, reach)| Binding { level, reach: reach.map(|reach| reach.min(level)) })
}

fn label() -> impl Strategy<Value = Label> {
    let name = |all: &'static [&'static str]| prop::sample::select(all).prop_map(Box::<str>::from);
    let realm = prop_oneof![20 => Just(Box::<str>::from("")), 1 => Just(Box::<str>::from("exercise"))];
    let tlp = prop::collection::btree_map(prop::option::of(name(&["alpha", "bravo"])), binding(), 0..3);
    let sets = prop::collection::btree_set(prop::collection::btree_set(principal(), 0..4), 0..3);
    let pap = prop::option::of(prop::sample::select(vec![Pap::Clear, Pap::Amber, Pap::Red]));
    let attribution = prop::sample::select(vec![Attribution::Free, Attribution::Required, Attribution::Forbidden]);
    let edge = || prop::option::weighted(0.2, prop::sample::select(vec![NOW_US - 1, NOW_US, NOW_US + 1]));
    let limits = (0u8..2, prop::collection::btree_set(name(&["nuclear", "health"]), 0..2), pap, attribution);
    let opaque = prop::collection::btree_set(marking(), 0..2);
    (realm, tlp, sets, limits, (edge(), edge()), opaque).prop_map(
        |(realm, mut tlp, sets, (class, categories, pap, attribution), (not_before_us, not_after_us), opaque)| {
            // Only where an audience was named does a level reach further than itself.
            tlp.values_mut().filter(|_| sets.is_empty()).for_each(|binding| binding.reach = Some(binding.level));
            Label::Terms(Terms {
                realm,
                policy: "".into(),
                class,
                tlp,
                audience: Audience(sets),
                categories,
                pap,
                attribution,
                not_before_us,
                not_after_us,
                opaque,
            })
        },
    )
}

fn origin() -> impl Strategy<Value = Origin> {
    prop::sample::select(vec![Origin::Own, Origin::Member("bravo".into()), Origin::Feed])
}

/// Recipients of every kind, some of whom may hold more than others.
fn recipients() -> Vec<Recipient> {
    let mut all = policy(&directory()).recipients;
    for recipient in all.iter_mut().filter(|r| ["bravo", "p-charlie", "p-alpha"].contains(&&*r.id)) {
        recipient.class_max = 1;
        recipient.categories = BTreeSet::from(["health".into()]);
    }
    all
}

fn alliance() -> Alliance {
    policy(&directory()).alliance
}

/// May the recipient hold an indicator with this label, with these standing releases and this grant?
fn permits(label: &Label, origin: &Origin, recipient: &Recipient, standing: &[Standing], granted: &BTreeSet<Id>) -> bool {
    let alliance = alliance();
    let covered = || label.terms().is_some_and(|terms| terms.opaque.is_subset(granted));
    match test_label(label, origin, recipient, &alliance, NOW_US) {
        LabelVerdict::ReadBack | LabelVerdict::Permit => true,
        LabelVerdict::Opaque => covered(),
        LabelVerdict::IfStanding(level, opaque) => standing.iter().any(|rule| rule.adds(level, "indicator", recipient, &alliance)) && (!opaque || covered()),
        LabelVerdict::Deny(_) => false,
    }
}

fn standing() -> impl Strategy<Value = Vec<Standing>> {
    let rule = prop::collection::btree_set(level(), 1..3).prop_map(|levels| Standing {
        id: "rule".into(),
        levels,
        types: BTreeSet::new(),
        members: BTreeSet::from(["bravo".into()]),
        recipients: BTreeSet::from(["public".into(), "p-charlie".into()]),
    });
    prop::collection::vec(rule, 0..2)
}

/// Definitions by id, the same for every source.
struct Known(BTreeMap<Id, Meaning>);

impl Definitions for Known {
    fn in_source(&self, id: &Id) -> Option<Meaning> {
        self.0.get(id).cloned()
    }
    fn pinned(&self, _: &Id) -> Option<Meaning> {
        None
    }
}

fn id(uuid: u128) -> Id {
    Id { kind: "marking-definition".into(), uuid }
}

/// The content of a marking-definition, readable or not.
fn content() -> impl Strategy<Value = Value> {
    let name = id(1).to_string();
    let (one, two, three) = (name.clone(), name.clone(), name);
    let text =
        prop::sample::select(vec!["TLP:GREEN", "tlp amber", "PAP:RED", "TLP:RED only", "TLPRED", "be kind", "TLP:", "(TLP:RED)", "is TLP:AMBER-strict, PAP:x"]);
    prop_oneof![
        text.prop_map(move |text| statement(&one, text)),
        prop::collection::vec(prop::sample::select(vec!["bravo", "charlie"]), 0..3).prop_map(move |names| audience(&two, &json!({"members": names}))),
        (prop::sample::select(vec!["tlp", "TLP", "iep", "acs", "statement"]), prop::sample::select(vec![json!("green"), json!(7), json!(null), json!({})]))
            .prop_map(move |(kind, said)| put(
                put(statement(&three, "x"), "definition_type", json!(kind)),
                "definition",
                json!({"tlp": said.clone(), "statement": said})
            )),
        prop::sample::select(vec![json!({}), json!({"extensions": 1}), json!({"extensions": {"x": {}}}), json!({"name": 1}), json!({"name": "ours"})]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn join_is_commutative_associative_idempotent(a in label(), b in label(), c in label()) {
        prop_assert_eq!(a.join(&b), b.join(&a));
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
        prop_assert_eq!(a.join(&a), a);
    }

    #[test]
    fn what_a_join_permits_both_permit(a in label(), b in label(), origin in origin(), standing in standing(), granted in prop::collection::btree_set(marking(), 0..3)) {
        let joined = a.join(&b);
        for recipient in &recipients() {
            if permits(&joined, &origin, recipient, &standing, &granted) {
                for one in [&a, &b] {
                    prop_assert!(permits(one, &origin, recipient, &standing, &granted), "{} may hold the join but not {one:?}", recipient.id);
                }
            }
        }
    }

    #[test]
    fn all_at_once_is_one_by_one(label in label(), origin in origin()) {
        let (all, alliance) = (recipients(), alliance());
        let readers: Vec<Reader<'_>> = all.iter().map(|recipient| Reader::new(recipient, &alliance)).collect();
        let together: Vec<LabelVerdict> = Readers::named_by(&readers).test(&label, &origin, NOW_US).collect();
        let one_by_one: Vec<LabelVerdict> = all.iter().map(|recipient| test_label(&label, &origin, recipient, &alliance, NOW_US)).collect();
        prop_assert_eq!(together, one_by_one);
    }

    /// For a set that is marked, one more marking adds nobody. The exception: an audience named for an own row that had a level and no audience
    /// (that is what naming is for). An unmarked set has the default of its source, which a marking replaces.
    #[test]
    fn one_more_marking_adds_nobody(definitions in prop::collection::vec(content(), 3), origin in origin(), standing in standing()) {
        let meanings: Vec<Meaning> = definitions.iter().map(meaning_of_content).collect();
        let known = Known((1u128..).map(id).zip(meanings.iter().cloned()).collect());
        let set = [id(1), id(2)];
        let more = [id(1), id(2), id(3)];
        let compiled = |set: &[Id]| compile(set, &origin, &alliance(), &known, None);
        let (before, after) = (compiled(&set), compiled(&more));
        let terms = before.terms().unwrap();
        let unmarked = terms.tlp.is_empty() && terms.audience.is_any() && terms.opaque.is_empty();
        let names_first = origin == Origin::Own && terms.audience.is_any() && !meanings[2].audience.is_any();
        if !unmarked && !names_first {
            for recipient in &recipients() {
                let (was, is) = [&before, &after].map(|label| permits(label, &origin, recipient, &standing, &BTreeSet::new())).into();
                prop_assert!(was || !is, "{} was added by {:?}", recipient.id, definitions[2]);
            }
        }
    }

    /// What cannot be read is for the holder's organisation and the originator alone until a person has spoken.
    #[test]
    fn what_cannot_be_read_permits_nobody_else(definition in content(), others in prop::collection::vec(content(), 0..2), origin in origin(), standing in standing()) {
        let meanings = [&definition].into_iter().chain(&others).map(meaning_of_content);
        let known = Known((1u128..).map(id).zip(meanings).collect());
        let set: Vec<Id> = known.0.keys().cloned().collect();
        let default = DefaultLabel { level: Some(Level::Clear), ..DefaultLabel::default() };
        let label = compile(&set, &origin, &alliance(), &known, Some(&default));
        let unreadable = known.0.values().any(|meaning| meaning.opaque);
        prop_assert_eq!(unreadable, !label.terms().unwrap().opaque.is_empty());
        for recipient in recipients().iter().filter(|r| unreadable && !r.is_of("alpha")) {
            let back = test_label(&label, &origin, recipient, &alliance(), NOW_US) == LabelVerdict::ReadBack;
            prop_assert!(back || !permits(&label, &origin, recipient, &standing, &BTreeSet::new()), "{} of {definition}", recipient.id);
        }
    }
}

#[test]
fn a_level_reaches_all_that_stricter_ones_reach() {
    let of = |level| {
        let binding = Binding { level, reach: Some(level) };
        Label::Terms(Terms { tlp: BTreeMap::from([(None, binding)]), ..Terms::default() })
    };
    for recipient in &recipients() {
        let may = LEVELS.map(|level| permits(&of(level), &Origin::Feed, recipient, &[], &BTreeSet::new()));
        assert!(may.is_sorted_by(|weaker, stricter| weaker >= stricter), "{}: {may:?}", recipient.id);
    }
    // The one for whom it was not so: a client of the holder outside the alliance.
    assert!(recipients().iter().any(|r| &*r.id == "echo"));
}

/// What is decided about the rows of a source, in order of arrival.
fn decided(steps: &[Step], source: &str, recipient: &str) -> Vec<String> {
    let node = Node::of(steps).unwrap();
    node.at(steps.last().unwrap().at_us + 60_000_000);
    let mut rows: Vec<(u32, String)> = Vec::new();
    let ids: BTreeSet<Id> = node.store().verdicts(recipient).unwrap().into_iter().map(|(id, ..)| id).collect();
    for explained in ids.iter().flat_map(|id| node.store().explain(id, recipient).unwrap()) {
        if &*explained.row.source == source {
            // References are removed in the order of numbers, which stay inside.
            let removed: BTreeSet<&Id> = explained.removed_references.iter().collect();
            let told = (&explained.row.id, &explained.row.version, &explained.judgement.verdict, removed, &explained.removed_for);
            rows.push((explained.row.row, format!("{told:?}")));
        }
    }
    rows.sort();
    rows.into_iter().map(|(_, told)| told).collect()
}

/// Rows of other sources change nothing about rows of a source, own ones excepted. The poll and restart steps stay, for they change nothing either.
#[test]
fn sources_do_not_meddle_with_each_other() {
    let mut compared = 0;
    for seed in 70_000..70_060 {
        let mut random = Random::new(seed);
        let length = 10 + random.below(15);
        let steps = script(&mut random, length);
        let number = 1 + random.below(4);
        let recipient = *random.pick(&["bravo", "charlie", "echo", "p-charlie"]);
        // An act over an object is one only where the object is.
        let mut here: BTreeSet<String> = BTreeSet::new();
        let mut is_act = |step: &Step| match &step.what {
            Do::Commit { source, objects } if *source == number => {
                here.extend(objects.iter().filter_map(|o| o.get("id").and_then(|id| id.as_str()).map(str::to_owned)));
                true
            }
            Do::Overlay { object, .. } | Do::Lift { object, .. } => here.contains(object),
            _ => true,
        };
        let steps: Vec<Step> = steps.into_iter().filter(|step| is_act(step)).collect();
        let keep = |step: &&Step| !matches!(&step.what, Do::Commit { source, .. } if *source != number);
        let alone: Vec<Step> = steps.iter().filter(keep).cloned().collect();
        // Without its recipient there is nothing to compare.
        let known = |step: &Step| !matches!(&step.what, Do::Directory(it) if it.recipients.iter().all(|r| r.id != recipient));
        if !steps.iter().all(known) {
            continue;
        }
        let name = &sources()[number].name;
        let found = decided(&alone, name, recipient);
        compared += found.len();
        assert_eq!(decided(&steps, name, recipient), found, "seed {seed}: {name} for {recipient}");
    }
    assert!(compared > 100, "only {compared} rows were compared");
}

#[test]
fn level_names_read_back() {
    for level in LEVELS {
        assert_eq!(Level::parse(level.name()), Some(level));
        assert_eq!(release::predefined(&level.tlp_2_id()), Some(level));
    }
}
