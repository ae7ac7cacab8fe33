//! A MISP that pulls and trusts nothing but times, beside a node on which things come into view and leave it, within one second or over many.
//! The rule: after each pull that MISP stands where its view stands.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::misp_map::{AT, DELTA, Node, attribute, event, uuid};

const READER: &str = "bravo-misp";

/// Something a MISP keeps: its time, whether it is deleted, and what it says.
type Kept = (i64, bool, String);

/// A MISP as it takes what it pulls: an event that is newer, and of it the parts that are newer.
#[derive(Default)]
struct Puller {
    events: BTreeMap<String, (i64, String)>,
    parts: BTreeMap<String, Kept>,
}

fn at_s(value: &Value) -> i64 {
    value["timestamp"].as_str().unwrap().parse().unwrap()
}

/// Every part of an event with its time.
fn parts(event: &Value) -> Vec<(String, Kept)> {
    let list = |of: &Value, key: &str| of[key].as_array().cloned().unwrap_or_default();
    let objects = list(event, "Object");
    let within = objects.iter().flat_map(|o| list(o, "Attribute"));
    let references = objects.iter().flat_map(|o| list(o, "ObjectReference"));
    let all = list(event, "Attribute").into_iter().chain(within).chain(references).chain(objects.clone()).chain(list(event, "EventReport"));
    let kept = |part: Value| {
        let said = ["value", "name", "content", "relationship_type"].iter().filter_map(|k| part[*k].as_str()).collect::<Vec<_>>().join(" ");
        (part["uuid"].as_str().unwrap().to_owned(), (at_s(&part), part["deleted"] == true, said))
    };
    all.map(kept).collect()
}

impl Puller {
    fn pull(&mut self, node: &Node) {
        for (uuid, at) in node.listed(READER) {
            if self.events.get(&uuid).is_some_and(|(known, _)| *known >= at) {
                continue;
            }
            let event = node.pulled(READER, &uuid).expect("listed and not there");
            assert_eq!(at_s(&event), at, "the list says the same");
            self.events.insert(uuid.clone(), (at, event["info"].as_str().unwrap().to_owned()));
            for (part, kept) in parts(&event) {
                let part = format!("{uuid} {part}");
                if self.parts.get(&part).is_none_or(|known| known.0 < kept.0) {
                    self.parts.insert(part, kept);
                }
            }
        }
    }

    /// What it says of what is not deleted.
    fn stands(&self) -> BTreeSet<String> {
        let events = self.events.values().filter(|(_, info)| info != "withdrawn").map(|(_, info)| info.clone());
        events.chain(self.parts.values().filter(|(_, deleted, _)| !deleted).map(|(_, _, said)| said.clone())).collect()
    }
}

/// What a reader sees now.
fn seen(node: &Node) -> BTreeSet<String> {
    let events = node.events(READER);
    let infos = events.iter().map(|e| e["info"].as_str().unwrap().to_owned());
    infos.chain(events.iter().flat_map(parts).filter(|(_, (_, deleted, _))| !deleted).map(|(_, (_, _, said))| said)).collect()
}

#[derive(Debug, Clone)]
enum Step {
    /// Somebody edits a part at home: who may have it, and what it says.
    Part(usize, bool, u8),
    /// Somebody edits who may have the event.
    Event(bool),
    /// The reader's organisation leaves the alliance, or comes again.
    Alliance(bool),
    /// The event alone is raised here; its parts are not.
    Raise,
    /// A third member sends an event of its own with a part by the UUID of one of ours.
    Third(usize),
    Wait(i64),
    Pull,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..5, any::<bool>(), 0u8..3).prop_map(|(n, open, say)| Step::Part(n, open, say)),
        1 => any::<bool>().prop_map(Step::Event),
        2 => any::<bool>().prop_map(Step::Alliance),
        1 => (1i64..3_000_000).prop_map(Step::Wait),
        1 => Just(Step::Raise),
        1 => (0usize..2).prop_map(Step::Third),
        3 => Just(Step::Pull),
    ]
}

/// The event with its parts: two attributes, an object with one inside, a report.
struct Document {
    at_s: i64,
    open: bool,
    parts: [(i64, bool, u8); 5],
}

impl Document {
    fn json(&self) -> Value {
        let level = |open: bool| if open { "5" } else { "0" };
        let of = |n: usize| {
            let (at, open, say) = self.parts[n];
            (json!({"distribution": level(open), "timestamp": at.to_string()}), format!("part{n}-{say}.example"))
        };
        let one = |n: usize| {
            let mut one = attribute(u32::try_from(100 + n).unwrap(), &of(n).1, &of(n).0);
            // One that is no indicator has no versions.
            one["to_ids"] = (n != 1).into();
            one
        };
        let (at, _, say) = self.parts[1];
        let reference = json!({"uuid": uuid(72), "object_uuid": uuid(70), "referenced_uuid": uuid(101), "referenced_type": "0", "relationship_type": format!("to-{say}"),
            "timestamp": at.to_string(), "deleted": false});
        let (mut object, name) = of(2);
        object
            .as_object_mut()
            .unwrap()
            .extend(json!({"uuid": uuid(70), "name": name, "Attribute": [one(3)], "ObjectReference": [reference]}).as_object().unwrap().clone());
        let (mut report, name) = of(4);
        report.as_object_mut().unwrap().extend(json!({"uuid": uuid(80), "name": name, "content": ""}).as_object().unwrap().clone());
        event(
            1,
            &json!({"timestamp": self.at_s.to_string(), "distribution": if self.open { "3" } else { "0" }, "Attribute": [one(0), one(1)], "Object": [object],
                "EventReport": [report]}),
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whoever_trusts_times_alone_is_in_step(steps in proptest::collection::vec(step(), 1..14)) {
        let node = Node::new();
        let mut document = Document { at_s: AT, open: true, parts: [(AT, true, 0); 5] };
        let mut puller = Puller::default();
        let take = |document: &Document| assert_eq!(node.take("own", &document.json()).refused, []);
        take(&document);
        for step in steps.iter().chain([&Step::Pull]) {
            match step {
                Step::Part(n, open, say) => {
                    document.at_s += 1;
                    document.parts[*n] = (document.at_s, *open, *say);
                    take(&document);
                }
                Step::Event(open) => {
                    document.at_s += 1;
                    document.open = *open;
                    take(&document);
                }
                Step::Alliance(inside) => node.in_alliance("bravo", *inside),
                Step::Wait(us) => node.wait(*us),
                Step::Raise => node.raise(&format!("report--{}", uuid(1))),
                Step::Third(n) => {
                    let theirs = attribute(u32::try_from(100 + n).unwrap(), "third.example", &json!({}));
                    node.take("delta", &event(2, &json!({"info": "a third", "Orgc": {"uuid": DELTA, "name": "d"}, "Attribute": [theirs]})));
                }
                Step::Pull => {
                    puller.pull(&node);
                    prop_assert_eq!(puller.stands(), seen(&node), "after {:?}", steps);
                }
            }
        }
    }
}
