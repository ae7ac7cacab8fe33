//! The audit over small events, each written for one sentence.

use serde_json::{Value, json};

use super::*;
use crate::model::events;

fn audit(event: Value) -> Audit {
    let mut event = event;
    let map = event.as_object_mut().unwrap();
    map.entry("info").or_insert("title".into());
    map.entry("date").or_insert("2026-01-01".into());
    map.entry("uuid").or_insert("e".into());
    let mut audit = Audit::default();
    events(json!({"Event": event}).to_string().as_bytes()).unwrap().iter().for_each(|e| audit.add(e));
    audit
}

fn kinds(event: Value) -> Vec<Kind> {
    audit(event).findings.into_keys().collect()
}

#[test]
fn the_least_distribution_on_the_way_counts() {
    use Reach::{All, Community, Connected, Group, Organisation, Unstated};
    for (event, object, attribute, reach) in [
        (json!(3), json!(5), json!(5), All),
        (json!("3"), json!("2"), json!("5"), Connected),
        (json!(1), json!(3), json!(3), Community),
        (json!(0), json!(3), json!(3), Organisation),
        (json!(3), json!(3), json!(0), Organisation),
        (json!(3), json!(4), json!(3), Group),
        (json!(4), json!(5), json!(0), Organisation),
        (json!(3), json!(9), json!(3), Organisation),
        (json!(null), json!(null), json!(null), Unstated),
        (json!(null), json!(1), json!(5), Community),
    ] {
        let shown = format!("{event} {object} {attribute}");
        let told = audit(json!({"distribution": event, "Object": [{"distribution": object, "Attribute": [{"distribution": attribute, "value": "x"}]}]}));
        let found: Vec<_> = told.reach.iter().filter(|(_, n)| n.attributes > 0).map(|(r, _)| *r).collect();
        assert_eq!(found, [reach], "{shown}");
    }
}

#[test]
fn tlp_is_held_against_the_distribution() {
    // Of the distributions 0, 1, 2, 3 and none: how many are too wide.
    for (tag, too_wide) in [("tlp:red", 4), ("TLP:AMBER+STRICT", 4), ("tlp:amber", 3), ("tlp:green", 1), ("tlp:clear", 0), ("tlp:white", 0), ("type:OSINT", 0)]
    {
        let wide = |d: Value| kinds(json!({"distribution": d, "Tag": [{"name": tag}]})).contains(&Kind::WiderThanTlp);
        assert_eq!([json!(0), json!(1), json!(2), json!(3), json!(null)].into_iter().filter(|d| wide(d.clone())).count(), too_wide, "{tag}");
    }
    assert_eq!(kinds(json!({"distribution": 2, "Tag": [{"name": "tlp:green"}, {"name": "tlp:clear"}]})), [Kind::SeveralTlp]);
    assert_eq!(kinds(json!({"distribution": 2, "Tag": [{"name": "tlp:clear"}, {"name": "TLP:WHITE"}]})), [], "two names of one level");
    assert_eq!(kinds(json!({"distribution": 2, "Tag": [{"name": "tlp:orange"}]})), [Kind::UnknownLevel]);
    let part =
        json!({"distribution": 3, "Attribute": [{"distribution": 5, "Tag": [{"name": "tlp:amber"}]}, {"distribution": 1, "Tag": [{"name": "tlp:amber"}]}]});
    assert_eq!(audit(part).findings[&Kind::WiderThanTlp].count, 1, "the second attribute stays near enough");
}

#[test]
fn groups_name_organisations_and_both_ends_are_found() {
    let organisation = |n: u8| json!({"Organisation": {"uuid": format!("o{n}"), "name": format!("Organisation {n}")}});
    let group = |orgs: &[u8], all: bool| {
        json!({"uuid": "g", "name": "G", "active": true, "SharingGroupOrg": orgs.iter().map(|n| organisation(*n)).collect::<Vec<_>>(),
            "SharingGroupServer": [{"all_orgs": all, "Server": {"name": "this"}}]})
    };
    let told = audit(json!({"distribution": 4, "SharingGroup": group(&[1, 2], false), "Tag": [{"name": "tlp:red"}],
        "Attribute": [{"distribution": 5}, {"distribution": 0}, {"distribution": 4, "SharingGroup": group(&[2, 3], false)}]}));
    let counts: Vec<_> = told.organisations.iter().map(|(uuid, r)| (uuid.as_str(), r.count.attributes)).collect();
    assert_eq!(counts, [("o1", 1), ("o2", 2)], "an attribute for another group is for those who are in both");
    assert_eq!(told.findings(), 0, "{:?}", told.findings);
    assert_eq!(kinds(json!({"distribution": 4, "SharingGroup": group(&[], false)})), [Kind::GroupOfNobody]);
    assert_eq!(kinds(json!({"distribution": 4, "SharingGroup": group(&[1], true)})), [Kind::GroupOfEverybody]);
    assert_eq!(kinds(json!({"distribution": 4, "SharingGroup": []})), [Kind::GroupUnknown]);
}

#[test]
fn what_should_not_leave_is_found_and_never_repeated() {
    let secret = "hunter2-and-more";
    let with = |distribution: u8| {
        json!({"distribution": distribution, "event_creator_email": "bob@example.com", "Tag": [{"name": "ours", "local": 1}, {"name": "PAP:RED"}],
            "Attribute": [
                {"value": format!("password: {secret}"), "comment": "ask bob@example.com", "to_ids": true},
                {"type": "target-email", "value": "x@example.org"},
                {"type": "email-src", "value": "attacker@example.net"}],
            "EventReport": [{"content": format!("https://user:{secret}@files.example/")}]})
    };
    let told = audit(with(1));
    let counts: Vec<_> = told.findings.iter().map(|(kind, f)| (*kind, f.count)).collect();
    let expected = [(Kind::DetectionAgainstPap, 1), (Kind::Credential, 2), (Kind::PersonalData, 1), (Kind::Address, 2), (Kind::LocalTag, 1)];
    assert_eq!(counts, expected);
    assert!(!serde_json::to_string(&told).unwrap().contains(secret));
    assert_eq!(audit(with(0)).findings(), 0, "what stays in the organisation is no finding");
}

#[test]
fn what_was_withdrawn_lives_on() {
    let event = |published: bool, at: i64| {
        json!({"distribution": 2, "published": published, "publish_timestamp": "100", "Attribute": [{"uuid": "a", "deleted": true, "timestamp": at}],
            "Object": [{"uuid": "b", "deleted": true, "Attribute": [{"deleted": true}]}]})
    };
    let told = audit(event(true, 90));
    assert_eq!(told.findings[&Kind::Withdrawn].count, 2);
    assert_eq!(told.seen.attributes, 0);
    let told = audit(event(false, 110));
    assert!(told.findings[&Kind::Withdrawn].places[0].says.contains("nobody has been told"));
    assert_eq!(told.findings[&Kind::ChangedSince].count, 1);
    assert_eq!(kinds(json!({"distribution": 2, "Attribute": [{"deleted": true}]})), [], "it was never published");
}

#[test]
fn a_connected_server_gets_what_its_distribution_and_group_allow() {
    let server = |name: &str, uuid: &str, pushes: bool| Connected { name: name.to_owned(), organisation_uuid: uuid.to_owned(), pushes, ..Connected::default() };
    let group = json!({"uuid": "g", "name": "g", "SharingGroupOrg": [{"Organisation": {"uuid": "b", "name": "b"}}]});
    for (event, part, to_b, to_c) in [
        (json!(3), json!(5), (1, 1), (1, 1)),
        (json!(2), json!(1), (1, 0), (1, 0)),
        (json!(1), json!(3), (0, 0), (0, 0)),
        (json!(4), json!(5), (1, 1), (0, 0)),
        (json!(0), json!(3), (0, 0), (0, 0)),
    ] {
        let whole = json!({"Event": {"info": "t", "date": "d", "uuid": "e", "distribution": event, "SharingGroup": group, "Attribute": [{"distribution": part, "value": "x"}]}});
        let mut audit = Audit { servers: vec![server("b", "B", true), server("c", "c", true), server("pulls", "b", false)], ..Audit::default() };
        events(whole.to_string().as_bytes()).unwrap().iter().for_each(|e| audit.add(e));
        let counts: Vec<_> = audit.servers.iter().map(|s| (s.count.events, s.count.attributes)).collect();
        assert_eq!(counts, [to_b, to_c, (0, 0)], "{event} {part}");
    }
}
