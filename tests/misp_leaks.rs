//! What leaves a node of MISP's events, against worlds in which the hidden part never was, and against what each reader may read itself.
//! The rule: a test that found a leak keeps the number that the list of MISP's own leaks gives it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::misp_map::{ALFA, AT, BRAVO, DELTA, Node, READERS, STRANGER, attribute, event, group, uuid, values, with};

/// What bravo is given in either form, of a node that took these documents one after another.
fn given(documents: &[Value]) -> (String, String) {
    let node = Node::new();
    for document in documents {
        assert_eq!(node.take("own", document).refused, []);
    }
    (Value::Array(node.events("bravo-misp")).to_string(), node.stix("bravo-misp"))
}

#[test]
fn a_hidden_part_its_edits_and_its_place_leave_no_trace() {
    let cluster = |more: &Value| {
        let mut cluster = json!({"uuid": uuid(51), "value": "hidden.example", "tag_name": "misp-galaxy:tool=\"x\""});
        more.as_object().unwrap().iter().for_each(|(k, v)| cluster[k] = v.clone());
        json!([{"uuid": uuid(50), "name": "Tool", "type": "tool", "GalaxyCluster": [cluster]}])
    };
    let note =
        |n: u32, distribution: Value| json!({"uuid": uuid(n), "note": "hidden.example", "distribution": distribution, "modified": "2026-05-01 00:00:00"});
    let hidden: Vec<(&str, Value)> = vec![
        ("Note", json!([note(60, json!("0"))])),
        ("Note", json!([note(60, json!("0")), note(61, json!("0"))])),
        (
            "Note",
            json!([{"uuid": uuid(60), "note": "hidden.example", "distribution": "0", "Opinion": [{"uuid": uuid(62), "comment": "hidden.example", "distribution": "3"}]}]),
        ),
        ("Note", json!({"0": note(60, json!("0"))})),
        ("Note", json!([note(60, json!(0.5))])),
        ("Note", json!([note(60, json!([0]))])),
        ("Galaxy", cluster(&json!({"distribution": "0"}))),
        ("Galaxy", cluster(&json!({"local": true, "distribution": "3"}))),
        ("Galaxy", cluster(&json!({"distribution": "3", "GalaxyClusterRelation": [{"distribution": "0", "referenced_galaxy_cluster_uuid": uuid(55)}]}))),
        ("Galaxy", json!({"0": cluster(&json!({}))[0]})),
        ("Tag", json!([{"name": "hidden.example", "local": true}])),
        ("RelatedEvent", json!([{"Event": {"info": "hidden.example"}}])),
        ("sighting_timestamp", json!("1780000500")),
        ("Feed", json!({"name": "hidden.example"})),
    ];
    for (key, value) in hidden {
        for at in ["", "/Attribute/0", "/Object/0", "/EventReport/0"] {
            let plain = event(
                1,
                &json!({"Object": [{"uuid": uuid(70), "name": "file", "distribution": "5", "timestamp": AT.to_string(), "Attribute": [attribute(103, "in.example", &json!({}))]}],
                    "EventReport": [{"uuid": uuid(80), "name": "r", "content": "r", "distribution": "5", "timestamp": AT.to_string()}]}),
            );
            let mut secret = plain.clone();
            secret["Event"].pointer_mut(at).unwrap()[key] = value.clone();
            let mut edited = secret.clone();
            edited["Event"].pointer_mut(at).unwrap()[key] = serde_json::from_str(&value.to_string().replace("hidden.example", "hidden.example.org")).unwrap();
            assert_eq!(given(&[secret, edited]), given(&[plain]), "{key} {value} at `{at}`");
        }
    }
}

#[test]
fn an_object_does_not_move_with_what_is_hidden_in_it() {
    let object = |at: i64, hidden: &[Value]| {
        let mut parts = vec![attribute(103, "in.example", &json!({}))];
        parts.extend(hidden.iter().cloned());
        event(1, &json!({"Object": [{"uuid": uuid(70), "name": "file", "distribution": "5", "timestamp": at.to_string(), "Attribute": parts}]}))
    };
    let hidden = |at: i64| [attribute(104, "hidden.example", &json!({"distribution": "0", "timestamp": at.to_string()}))];
    assert_eq!(given(&[object(AT, &hidden(AT)), object(AT + 50, &hidden(AT + 50))]), given(&[object(AT, &[])]));
}

#[test]
fn a_reference_to_what_is_hidden_is_hidden() {
    let of = |reference: &[Value]| {
        let hidden = json!({"uuid": uuid(71), "name": "person", "distribution": "0", "timestamp": AT.to_string(), "Attribute": []});
        let open = json!({"uuid": uuid(70), "name": "file", "distribution": "5", "timestamp": AT.to_string(), "Attribute": [], "ObjectReference": reference});
        event(1, &json!({"Object": [open, hidden]}))
    };
    let reference = json!({"uuid": uuid(72), "object_uuid": uuid(70), "referenced_uuid": uuid(71), "relationship_type": "owned-by"});
    assert_eq!(given(&[of(&[reference])]), given(&[of(&[])]));
}

#[test]
fn a_group_with_strangers_is_described_to_its_owner_only() {
    let node = Node::new();
    node.take("own", &event(1, &with(4, &json!({"SharingGroup": group(9, &[BRAVO, STRANGER], &json!({}))}))));
    assert!(!node.stix("bravo-misp").contains("secret group name") && !node.stix("bravo-misp").contains(STRANGER));
    assert_eq!(node.event("alfa")["SharingGroup"]["name"], "secret group name");
}

#[test]
fn a_group_made_for_a_reader_names_whose_it_is_and_not_the_holder() {
    let node = Node::new();
    let sent = with(4, &json!({"SharingGroup": group(9, &[BRAVO, DELTA], &json!({"roaming": true})), "Orgc": {"uuid": BRAVO, "name": "Bravo"}}));
    assert_eq!(node.take("bravo", &event(1, &sent)).refused, []);
    let seen = node.event("delta-misp");
    let named: BTreeSet<&str> =
        seen["SharingGroup"]["SharingGroupOrg"].as_array().unwrap().iter().map(|o| o["Organisation"]["uuid"].as_str().unwrap()).collect();
    assert_eq!(named, BTreeSet::from([BRAVO, DELTA]));
}

#[test]
fn l15_an_event_that_is_relayed_is_not_taken_over_by_who_says_it_made_it() {
    let node = Node::new();
    let of = |who: &str, value: &str, at: i64| {
        event(
            1,
            &json!({"timestamp": at.to_string(), "Orgc": {"uuid": who, "name": "o"}, "Attribute": [attribute(if who == BRAVO { 200 } else { 100 }, value, &json!({}))]}),
        )
    };
    node.take("own", &of(STRANGER, "genuine.example", AT));
    node.take("bravo", &of(BRAVO, "fake.example", AT + 9));
    for reader in ["alfa", "delta-misp"] {
        assert_eq!(values(&node.event(reader)), ["genuine.example".to_owned()].into(), "{reader}");
    }
    // Who the first one says made it is heard over who brought it.
    let node = Node::new();
    node.take("own", &of(BRAVO, "relayed.example", AT));
    let mut by_its_maker = of(BRAVO, "by.its.maker.example", AT + 9);
    by_its_maker["Event"]["Attribute"][0]["timestamp"] = json!((AT + 9).to_string());
    node.take("bravo", &by_its_maker);
    assert_eq!(values(&node.event("delta-misp")), ["by.its.maker.example".to_owned()].into());
    // S4: what came by two ways and is the same is there once, and whole.
    let node = Node::new();
    node.take("own", &of(BRAVO, "relayed.example", AT));
    node.take("bravo", &of(BRAVO, "relayed.example", AT));
    assert_eq!(values(&node.event("delta-misp")), ["relayed.example".to_owned()].into());
}

#[test]
fn one_feed_does_not_speak_for_another() {
    let node = Node::new();
    let of = |who: &str, n: u32, value: &str, at: i64| {
        event(
            1,
            &json!({"timestamp": at.to_string(), "info": value, "Orgc": {"uuid": who, "name": "o"}, "Tag": [{"name": "tlp:clear"}], "Attribute": [attribute(n, value, &json!({}))]}),
        )
    };
    node.take("feed", &of(STRANGER, 100, "genuine.example", AT));
    node.take("feed-b", &of(DELTA, 200, "fake.example", AT + 9));
    let seen = node.event("alfa");
    assert_eq!((seen["info"].as_str(), values(&seen)), (Some("genuine.example"), ["genuine.example".to_owned()].into()));
}

#[test]
fn what_an_analyst_says_goes_no_further_than_what_it_is_about() {
    let node = Node::new();
    let note = json!([{"uuid": uuid(60), "note": "n", "distribution": "3"}]);
    node.take(
        "own",
        &event(1, &json!({"Tag": [{"name": "tlp:amber+strict"}], "Note": note, "distribution": "4", "SharingGroup": group(9, &[BRAVO], &json!({}))})),
    );
    let seen = node.event("bravo-misp");
    assert_eq!(seen["Note"][0]["note"], "n");
    assert_eq!(seen["Note"][0]["distribution"], "0", "{seen}");
    assert_eq!(node.who(), ["alfa", "bravo-misp"]);
    assert!(!node.stix("delta-misp").contains("\"n\""));
}

#[test]
fn notes_about_notes_are_shown_so_deep_and_no_deeper() {
    let node = Node::new();
    node.take("own", &event(1, &json!({})));
    for n in 0..40 {
        node.list("own", "Note", &json!({"uuid": uuid(500 + n), "note": n, "object_uuid": if n == 0 { uuid(1) } else { uuid(499 + n) }, "distribution": "3"}));
    }
    let (mut depth, event) = (0, node.event("alfa"));
    let mut around = &event;
    while let Some(note) = around["Note"].get(0) {
        (depth, around) = (depth + 1, note);
    }
    assert_eq!(depth, polder_misp::limits::ANALYST_DATA_DEPTH_MAX);
}

/// The organisation of each reader that MISP's terms can name.
const ORGANISATIONS: [(&str, &str); 3] = [("bravo-misp", BRAVO), ("delta-misp", DELTA), ("alfa", ALFA)];

/// Who may have an element next, by the terms a reader is given with it.
fn onward(element: &Value, around: &Value) -> BTreeSet<&'static str> {
    let terms = if element["distribution"] == "5" { around } else { element };
    match terms["distribution"].as_str().unwrap() {
        "3" => READERS.into_iter().collect(),
        "4" => {
            let named: Vec<&str> =
                terms["SharingGroup"]["SharingGroupOrg"].as_array().unwrap().iter().map(|o| o["Organisation"]["uuid"].as_str().unwrap()).collect();
            ORGANISATIONS.into_iter().filter(|(_, uuid)| named.contains(uuid)).map(|(reader, _)| reader).collect()
        }
        "0" => BTreeSet::new(),
        other => panic!("distribution {other} lets the far side decide: {element}"),
    }
}

fn terms() -> impl Strategy<Value = Value> {
    let members = proptest::sample::subsequence(vec![ALFA, BRAVO, DELTA, STRANGER], 0..=4);
    let tags = proptest::sample::subsequence(vec!["tlp:clear", "tlp:green", "tlp:amber", "tlp:amber+strict", "tlp:red", "pap:red", "exercise:x"], 0..=2);
    (0..6i64, members, tags, any::<bool>(), any::<bool>()).prop_map(|(distribution, members, tags, roaming, published)| {
        let tags: Vec<Value> = tags.into_iter().map(|name| json!({"name": name})).collect();
        json!({"distribution": distribution.to_string(), "SharingGroup": group(9, &members, &json!({"roaming": roaming})), "Tag": tags, "published": published})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// LAW (no wider than the label): whoever the terms let a reader pass an attribute to may read that attribute here too.
    #[test]
    fn terms_let_nobody_have_what_the_label_keeps_from_them(of_event in terms(), of_first in terms(), of_object in terms(), source in prop::sample::select(vec!["own", "bravo"])) {
        let maker = if source == "own" { ALFA } else { BRAVO };
        let mut head = of_event.clone();
        head["Orgc"] = json!({"uuid": maker, "name": "o"});
        head["Attribute"] = json!([attribute(100, "first.example", &of_first), attribute(101, "second.example", &json!({}))]);
        let mut object = of_object.clone();
        object["uuid"] = json!(uuid(70));
        object["name"] = json!("file");
        object["Attribute"] = json!([attribute(103, "inside.example", &json!({}))]);
        head["Object"] = json!([object]);
        let node = Node::new();
        node.take(source, &event(1, &head));
        let readable = |reader: &str| {
            let seen = node.events(reader);
            let inside = |e: &Value| e["Object"].as_array().unwrap().iter().flat_map(values).collect::<Vec<_>>();
            seen.iter().flat_map(|e| values(e).into_iter().chain(inside(e))).collect::<BTreeSet<String>>()
        };
        for reader in READERS.into_iter().filter(|r| *r != "public" && *r != (if source == "own" { "alfa" } else { "bravo-misp" })) {
            for seen in node.events(reader) {
                // An attribute travels with its event, and with the object it is in.
                let all = onward(&seen, &seen);
                let mut elements: Vec<(Value, BTreeSet<&str>)> = Vec::new();
                for attribute in seen["Attribute"].as_array().unwrap() {
                    elements.push((attribute.clone(), &all & &onward(attribute, &seen)));
                }
                for object in seen["Object"].as_array().unwrap() {
                    let (inside, around) = (&all & &onward(object, &seen), if object["distribution"] == "5" { &seen } else { object });
                    elements.extend(object["Attribute"].as_array().unwrap().iter().map(|a| (a.clone(), &inside & &onward(a, around))));
                }
                for (element, next) in elements {
                    let value = element["value"].as_str().unwrap().to_owned();
                    for next in next.into_iter().filter(|n| *n != reader && !(*n == "alfa" && source == "own") && !(source == "bravo" && *n == "bravo-misp")) {
                        prop_assert!(readable(next).contains(&value), "{reader} may pass {value} to {next}, who may not read it: {head}");
                    }
                }
            }
        }
    }
}
