//! MISP's events through a real store and back, as its owner and as others read them.
//! The rule: what a reader may not see leaves no trace in what that reader is given.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tools of tests")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::Arc;

use polder_misp::map::{Folk, Offer, Peer, Reader, Taken, Taker, View, Wanted};
use polder_release::{Alliance, DefaultLabel, Form, Kind, Level, Member, Origin, Outbound, Page, Policy, Recipient};
use polder_stix::Id;
use polder_store::{Act, Clock as _, ManualClock, Query, Setup, Source, Store, Tightening, Versions, prepare};
use serde_json::{Value, json};

const NOW_US: i64 = 1_790_000_000_000_000;
pub(crate) const AT: i64 = 1_780_000_000;
const SECRET: [u8; 32] = [7; 32];
pub(crate) const ALFA: &str = "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e01";
pub(crate) const BRAVO: &str = "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e02";
pub(crate) const CHARLIE: &str = "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e03";
pub(crate) const DELTA: &str = "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e04";
pub(crate) const STRANGER: &str = "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e99";
pub(crate) const READERS: [&str; 5] = ["alfa", "bravo-misp", "charlie-misp", "delta-misp", "public"];

/// Alfa is the holder; bravo and delta are members; charlie is alfa's client, outside the alliance.
fn policy() -> Policy {
    let member = |id: &str, uuid: &str, client: bool| Member {
        id: id.into(),
        identity: Some(format!("identity--{uuid}").into()),
        client_of: if client { BTreeSet::from(["alfa".into()]) } else { BTreeSet::new() },
        in_alliance: !client,
    };
    let members = [member("alfa", ALFA, false), member("bravo", BRAVO, false), member("charlie", CHARLIE, true), member("delta", DELTA, false)];
    let alliance = Alliance { holder: "alfa".into(), members: members.into_iter().map(|m| (m.id.clone(), m)).collect(), groups: [].into() };
    let system = |id: &str, of: &str| Recipient::new(id, Kind::PartnerSystem, Some(of));
    let recipients = vec![
        Recipient::new("alfa", Kind::Organisation, Some("alfa")),
        system("bravo-misp", "bravo"),
        system("charlie-misp", "charlie"),
        system("delta-misp", "delta"),
        Recipient::new("public", Kind::Public, None),
    ];
    Policy { alliance, recipients, standing: Vec::new() }
}

pub(crate) struct Node {
    _dir: tempfile::TempDir,
    store: Store,
    policy: RefCell<Policy>,
    sources: Vec<Source>,
    clock: Arc<ManualClock>,
}

impl Node {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = |name: &str, origin| Source { name: name.into(), origin, default: DefaultLabel::default() };
        let sources = vec![
            source("own", Origin::Own),
            source("bravo", Origin::Member("bravo".into())),
            source("delta", Origin::Member("delta".into())),
            source("feed", Origin::Feed),
            source("feed-b", Origin::Feed),
        ];
        let clock = Arc::new(ManualClock::at(NOW_US));
        let setup = Setup { policy: policy(), sources: sources.clone(), clock: clock.clone(), accept_clock: false };
        Self { store: Store::open(dir.path(), setup).unwrap(), _dir: dir, policy: policy().into(), sources, clock }
    }

    /// A member leaves the alliance, or comes again.
    pub(crate) fn in_alliance(&self, member: &str, inside: bool) {
        let mut policy = self.policy.borrow_mut();
        policy.alliance.members.get_mut(member).unwrap().in_alliance = inside;
        self.store.act(Act::Policy(policy.clone(), self.sources.clone()), "policy").unwrap();
    }

    /// An object of ours is raised to RED.
    pub(crate) fn raise(&self, id: &str) {
        self.store.act(Act::Overlay(Id::parse(id).unwrap(), "own".into(), Tightening::Level(Level::Red)), "raise").unwrap();
    }

    pub(crate) fn wait(&self, us: i64) {
        self.clock.set(self.clock.now_us() + us);
    }

    pub(crate) fn take(&self, source: &str, document: &Value) -> Taken {
        let bytes = document.to_string();
        let folk = Folk::of(&self.policy.borrow().alliance);
        let mut keep = |offers: Vec<Offer>| {
            let batch: Vec<_> = offers.iter().map(|o| prepare(&o.text, NOW_US).unwrap()).collect();
            self.store.ingest(source, None, batch).map(drop)
        };
        Taker::new(&self.store, source, &folk, &mut keep).take(&|| Ok(Box::new(Cursor::new(bytes.as_bytes())))).unwrap()
    }

    /// Takes something that another MISP lists apart from its events.
    pub(crate) fn list(&self, source: &str, name: &str, fields: &Value) {
        let folk = Folk::of(&self.policy.borrow().alliance);
        let mut keep = |offers: Vec<Offer>| {
            let batch: Vec<_> = offers.iter().map(|o| prepare(&o.text, NOW_US).unwrap()).collect();
            self.store.ingest(source, None, batch).map(drop)
        };
        Taker::new(&self.store, source, &folk, &mut keep).listed(name, fields.as_object().unwrap().clone()).unwrap();
    }

    pub(crate) fn page(&self, recipient: &str, query: &Query, form: Form) -> Result<Page, String> {
        let released = self.store.page(recipient, query, form).map_err(|e| e.to_string())?;
        let number = self.store.recipient_number(recipient).unwrap();
        Outbound::new(number, &self.store).pass(released).map_err(|e| e.to_string())
    }

    /// The events a recipient reads, as MISP's JSON.
    pub(crate) fn events(&self, recipient: &str) -> Vec<Value> {
        self.viewed(recipient, Self::read_all)
    }

    fn viewed<T>(&self, recipient: &str, look: impl FnOnce(&mut View<'_, String>) -> T) -> T {
        let policy = self.policy.borrow();
        let entry = policy.recipients.iter().find(|r| &*r.id == recipient).unwrap();
        let reader = Reader {
            store: &self.store,
            peer: Peer::of(entry, &policy.alliance),
            alliance: &policy.alliance,
            secret: &SECRET,
            recipient,
            unexported: &BTreeSet::new(),
        };
        let mut pages = |query: &Query, form| self.page(recipient, query, form);
        look(&mut View::new(&reader, &mut pages))
    }

    /// The events a MISP that pulls is told of, with their times; also those that it may no longer have.
    pub(crate) fn listed(&self, recipient: &str) -> Vec<(String, i64)> {
        let all = self.viewed(recipient, |view| [view.events().unwrap(), view.left_events().unwrap()].concat());
        all.iter().map(|e| (e["uuid"].as_str().unwrap().to_owned(), e["timestamp"].as_str().unwrap().parse().unwrap())).collect()
    }

    /// An event as a MISP that pulls asks for it.
    pub(crate) fn pulled(&self, recipient: &str, uuid: &str) -> Option<Value> {
        let mut out = Vec::new();
        let wanted = Wanted { left: true, local_tags: false, galaxies: false, ..Wanted::ALL };
        let there = self.viewed(recipient, |view| view.event(uuid, wanted, &mut out).unwrap());
        there.then(|| serde_json::from_slice::<Value>(&out).unwrap()["Event"].clone())
    }

    fn read_all(view: &mut View<'_, String>) -> Vec<Value> {
        let heads = view.events().unwrap();
        let mut read = |head: &serde_json::Map<String, Value>| {
            let uuid = head["uuid"].as_str().unwrap();
            let mut out = Vec::new();
            assert!(view.event(uuid, Wanted::ALL, &mut out).unwrap(), "listed and not there: {uuid}");
            let event = serde_json::from_slice::<Value>(&out).unwrap()["Event"].clone();
            assert_eq!(
                (&event["timestamp"], &event["distribution"]),
                (&head["timestamp"], head.get("distribution").unwrap_or(&Value::Null)),
                "the list says the same"
            );
            event
        };
        heads.iter().map(&mut read).collect()
    }

    pub(crate) fn event(&self, recipient: &str) -> Value {
        let events = self.events(recipient);
        assert_eq!(events.len(), 1, "{recipient} reads {events:?}");
        events[0].clone()
    }

    /// Everything a recipient is given as STIX.
    pub(crate) fn stix(&self, recipient: &str) -> String {
        let query = Query { versions: Versions { all: true, ..Versions::default() }, ..Query::default() };
        let page = self.page(recipient, &query, Form::Whole).unwrap();
        page.items.iter().map(|i| String::from_utf8(i.bytes.clone()).unwrap() + "\n").collect()
    }

    /// Who reads the one event.
    pub(crate) fn who(&self) -> Vec<&'static str> {
        READERS.into_iter().filter(|r| !self.events(r).is_empty()).collect()
    }
}

pub(crate) fn uuid(n: u32) -> String {
    format!("5f0c0001-0000-4000-8000-{n:012}")
}

pub(crate) fn event(n: u32, fields: &Value) -> Value {
    let mut event = json!({"uuid": uuid(n), "info": "a campaign", "date": "2026-05-01", "timestamp": AT.to_string(), "publish_timestamp": AT.to_string(),
        "published": true, "threat_level_id": "2", "analysis": "1", "distribution": "3", "Orgc": {"uuid": ALFA, "name": "Alfa CSIRT"},
        "Org": {"uuid": ALFA, "name": "Alfa CSIRT"}, "Attribute": [attribute(100, "seen.example", &json!({}))]});
    merge(&mut event, fields);
    json!({"Event": event})
}

pub(crate) fn attribute(n: u32, value: &str, fields: &Value) -> Value {
    let mut attribute = json!({"uuid": uuid(n), "type": "domain", "category": "Network activity", "value": value, "to_ids": true, "distribution": "5",
        "timestamp": AT.to_string(), "comment": "", "deleted": false});
    merge(&mut attribute, fields);
    attribute
}

fn merge(into: &mut Value, fields: &Value) {
    for (key, value) in fields.as_object().unwrap() {
        into[key] = value.clone();
    }
}

pub(crate) fn group(n: u32, organisations: &[&str], fields: &Value) -> Value {
    let listed: Vec<Value> = organisations.iter().map(|o| json!({"extend": false, "Organisation": {"uuid": o, "name": "n"}})).collect();
    let mut group =
        json!({"uuid": uuid(n), "name": "secret group name", "active": true, "roaming": false, "SharingGroupOrg": listed, "SharingGroupServer": []});
    merge(&mut group, fields);
    group
}

pub(crate) fn with(distribution: u8, fields: &Value) -> Value {
    let mut all = json!({"distribution": distribution.to_string()});
    merge(&mut all, fields);
    all
}

pub(crate) fn named(event: &Value, list: &str, key: &str) -> BTreeSet<String> {
    event[list].as_array().into_iter().flatten().map(|a| a[key].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn values(event: &Value) -> BTreeSet<String> {
    named(event, "Attribute", "value")
}

#[test]
fn distribution_and_tags_say_who_reads() {
    let check = |fields: &Value, want: &[&str]| {
        let node = Node::new();
        assert_eq!(node.take("own", &event(1, fields)).refused, [], "{fields}");
        assert_eq!(node.who(), want, "{fields}");
    };
    let tagged = |d: u8, tag: &str| with(d, &json!({"Tag": [{"name": tag}]}));
    check(&with(0, &json!({})), &["alfa"]);
    check(&with(1, &json!({})), &["alfa", "charlie-misp"]);
    check(&with(2, &json!({})), &["alfa", "bravo-misp", "charlie-misp", "delta-misp"]);
    check(&with(3, &json!({})), &["alfa", "bravo-misp", "charlie-misp", "delta-misp"]);
    check(&with(9, &json!({})), &["alfa"]);
    check(&tagged(3, "tlp:amber"), &["alfa", "charlie-misp"]);
    check(&tagged(3, "TLP:AMBER+STRICT"), &["alfa"]);
    check(&tagged(3, "tlp:clear"), &["alfa", "bravo-misp", "charlie-misp", "delta-misp"]);
    check(&tagged(3, "tlp:unclear"), &["alfa"]);
    check(&tagged(3, "tlp red"), &["alfa"]);
    check(&tagged(3, "exercise:lockedshields=\"x\""), &["alfa"]);
    check(&tagged(3, "PAP:RED"), &["alfa", "bravo-misp", "charlie-misp", "delta-misp"]);
    check(&tagged(3, "papaya"), &["alfa", "bravo-misp", "charlie-misp", "delta-misp"]);
    check(&with(3, &json!({"published": false})), &["alfa"]);
    check(&json!({"distribution": null, "Tag": [{"name": "tlp:green"}]}), &["alfa", "bravo-misp", "charlie-misp", "delta-misp"]);
    check(&json!({"distribution": null}), &["alfa"]);
}

#[test]
fn what_goes_out_names_no_looser_level_beside_the_one_that_holds() {
    let node = Node::new();
    node.take("own", &event(1, &with(3, &json!({"Tag": [{"name": "tlp:white"}, {"name": "case:open"}]}))));
    assert_eq!(named(&node.event("bravo-misp"), "Tag", "name"), BTreeSet::from(["case:open".to_owned(), "tlp:green".to_owned()]));
    assert_eq!(named(&node.event("alfa"), "Tag", "name"), BTreeSet::from(["case:open".to_owned(), "tlp:white".to_owned()]));
}

#[test]
fn a_sharing_group_reaches_the_organisations_it_names_and_nobody_else() {
    let check = |group: Value, want: &[&str]| {
        let node = Node::new();
        node.take("own", &event(1, &with(4, &json!({"SharingGroup": group, "sharing_group_id": "3"}))));
        assert_eq!(node.who(), want, "{group}");
    };
    check(group(9, &[BRAVO], &json!({})), &["alfa", "bravo-misp"]);
    check(group(9, &[BRAVO, STRANGER], &json!({"Organisation": {"uuid": DELTA, "name": "d"}})), &["alfa", "bravo-misp", "delta-misp"]);
    // L1: an empty group; L2: one of strangers; L3: a local number without a group; L4: another server's organisations, all of them.
    check(group(9, &[], &json!({})), &["alfa"]);
    check(group(9, &[STRANGER], &json!({})), &["alfa"]);
    check(Value::Null, &["alfa"]);
    check(group(9, &[], &json!({"roaming": true, "SharingGroupServer": [{"all_orgs": true, "Server": {"name": "s"}}]})), &["alfa"]);
    check(group(9, &[BRAVO], &json!({"active": false})), &["alfa"]);
    // The name of an organisation counts for nothing.
    check(group(9, &[], &json!({"SharingGroupOrg": [{"Organisation": {"uuid": STRANGER, "name": "bravo"}}]})), &["alfa"]);
}

#[test]
fn every_field_comes_back_to_its_owner() {
    let sent = event(
        1,
        &json!({"disable_correlation": true, "extends_uuid": uuid(77), "protected": null, "attribute_count": "99", "RelatedEvent": [{"Event": {"info": "x"}}],
            "Tag": [{"name": "tlp:green", "colour": "#00ff00", "local": false}, {"name": "todo:call", "local": true}],
            "Galaxy": [{"uuid": uuid(50), "name": "Tool", "type": "tool", "GalaxyCluster": [{"uuid": uuid(51), "meta": {"id": ["kept"]}, "distribution": "0"}]}],
            "Attribute": [
                attribute(100, "seen.example", &json!({"Sighting": [{"uuid": uuid(60), "date_sighting": AT.to_string(), "type": "0", "source": "s",
                    "Organisation": {"uuid": BRAVO, "name": "Bravo"}}, {"uuid": uuid(61), "date_sighting": AT.to_string(), "type": "1"}]})),
                attribute(101, "a note", &json!({"type": "comment", "to_ids": false, "distribution": "0", "Note": [{"note": "n", "uuid": uuid(62), "distribution": "0"}]})),
                attribute(102, "x", &json!({"type": "attachment", "to_ids": false, "data": "eA==", "ShadowAttribute": [{"uuid": uuid(63), "value": "y", "type": "text"}]})),
            ],
            "Object": [{"uuid": uuid(70), "name": "file", "meta-category": "file", "template_uuid": uuid(71), "template_version": "3", "timestamp": AT.to_string(),
                "distribution": "5", "comment": "c", "deleted": false, "Attribute": [attribute(103, "f.exe", &json!({"type": "filename", "object_relation": "filename"}))],
                "ObjectReference": [{"uuid": uuid(72), "object_uuid": uuid(70), "referenced_uuid": uuid(100), "referenced_type": "0", "relationship_type": "connects-to",
                    "timestamp": AT.to_string(), "comment": "", "deleted": false}]}],
            "EventReport": [{"uuid": uuid(80), "name": "r", "content": "# r", "timestamp": AT.to_string(), "distribution": "5", "deleted": false}]}),
    );
    let node = Node::new();
    assert_eq!(node.take("own", &sent).refused, []);
    let mut back = node.event("alfa");
    without_numbers(&mut back);
    assert_eq!(sorted(&back), sorted(&sent["Event"]));
    let again = node.take("own", &sent);
    assert_eq!((again.unchanged, again.older), (13, 0), "what is held just so is left alone");
    let sighted: Vec<&str> =
        ["\"sighting--", "\"x-misp-sighting--", "\"relationship--", "\"note--"].into_iter().filter(|k| node.stix("alfa").contains(k)).collect();
    assert_eq!(sighted.len(), 4, "what STIX has a word for is said in it");
}

fn without_numbers(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| value.is_array() || key != "id" && !key.ends_with("_id") || key == "threat_level_id");
            map.values_mut().for_each(without_numbers);
        }
        Value::Array(list) => list.iter_mut().for_each(without_numbers),
        _ => {}
    }
}

/// Lists by UUID, keys by name, empty lists away.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<(&String, Value)> = map.iter().map(|(k, v)| (k, sorted(v))).filter(|(_, v)| *v != json!([])).collect();
            pairs.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(pairs.into_iter().map(|(k, v)| (k.clone(), v)).collect())
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(sorted).collect();
            list.sort_by_key(|v| v["uuid"].to_string());
            Value::Array(list)
        }
        other => other.clone(),
    }
}

#[test]
fn what_only_the_owner_may_see_leaves_no_trace() {
    let plain = event(1, &json!({"Tag": [{"name": "tlp:green"}]}));
    let mut full = event(
        1,
        &json!({"id": "4711", "org_id": "42", "event_creator_email": "someone@alfa.example", "attribute_count": "9", "sharing_group_id": "0",
            "RelatedEvent": [{"Event": {"info": "hidden relation"}}],
            "Tag": [{"name": "tlp:green"}, {"name": "local:hidden", "local": true}, {"name": "kept:hidden", "exportable": false}],
            "Object": [{"uuid": uuid(70), "name": "hidden-object", "timestamp": AT.to_string(), "distribution": "0", "Attribute": [attribute(103, "hidden1.example", &json!({}))]}],
            "EventReport": [{"uuid": uuid(80), "name": "hidden report", "content": "x", "timestamp": AT.to_string(), "distribution": "0"}]}),
    );
    let more = [
        attribute(
            101,
            "hidden2.example",
            &json!({"distribution": "0", "timestamp": (AT + 500).to_string(), "Sighting": [{"uuid": uuid(60), "type": "0", "date_sighting": AT}]}),
        ),
        attribute(102, "hidden3.example", &json!({"distribution": "4", "SharingGroup": group(9, &[STRANGER], &json!({})), "Tag": [{"name": "tlp:red"}]})),
        attribute(104, "hidden4.example", &json!({"deleted": true, "distribution": "1"})),
    ];
    full["Event"]["Attribute"].as_array_mut().unwrap().extend(more);
    let (without, holding) = (Node::new(), Node::new());
    without.take("own", &plain);
    assert_eq!(holding.take("own", &full).refused, []);
    for reader in ["bravo-misp", "delta-misp"] {
        let seen = holding.event(reader);
        assert_eq!(sorted(&seen), sorted(&without.event(reader)), "{reader}");
        let stix = holding.stix(reader);
        for word in ["hidden", "4711", "someone@", "secret group name"] {
            assert!(!stix.contains(word) && !seen.to_string().contains(word), "{reader} reads `{word}`: {stix}");
        }
    }
    // Notes and clusters have an audience of their own, inner ones too.
    let noted =
        json!({"note": "for all", "uuid": uuid(62), "distribution": "3", "Opinion": [{"comment": "secret inner", "uuid": uuid(63), "distribution": "0"}]});
    let cluster =
        json!([{"name": "Tool", "GalaxyCluster": [{"value": "secret cluster", "distribution": "0"}, {"value": "open cluster", "distribution": "3"}]}]);
    let fields = json!({"Note": [{"note": "secret note", "uuid": uuid(64), "distribution": "1"}, noted], "Galaxy": cluster});
    let node = Node::new();
    let sent = event(1, &json!({"Attribute": [attribute(100, "seen.example", &fields)]}));
    assert_eq!(node.take("own", &sent).refused, []);
    let (seen, stix) = (node.event("bravo-misp").to_string(), node.stix("bravo-misp"));
    assert!(!seen.contains("secret") && !stix.contains("secret"), "{seen}");
    assert!(seen.contains("for all") && seen.contains("open cluster"), "{seen}");
    let mut back = node.event("alfa");
    without_numbers(&mut back);
    let mut want = sent["Event"].clone();
    want["attribute_count"] = "1".into();
    assert_eq!(sorted(&back), sorted(&want), "the owner has all of it, in its place");
    for word in ["4711", "someone@"] {
        assert!(!holding.stix("alfa").contains(word), "`{word}` is kept");
    }
    assert!(holding.event("alfa").to_string().contains("local:hidden"), "the owner keeps what is local");
    // Nothing changes for others when only hidden parts move.
    full["Event"]["timestamp"] = (AT + 900).to_string().into();
    full["Event"]["Attribute"][1]["value"] = "hidden5.example".into();
    full["Event"]["Attribute"][1]["timestamp"] = (AT + 900).to_string().into();
    let before = (holding.event("bravo-misp"), holding.stix("bravo-misp"));
    holding.take("own", &full);
    assert_eq!((holding.event("bravo-misp"), holding.stix("bravo-misp")), before);
    assert_eq!(holding.event("alfa")["timestamp"], (AT + 900).to_string());
}

#[test]
fn nobody_takes_over_what_belongs_to_another() {
    let node = Node::new();
    node.take("own", &event(1, &json!({})));
    let before = node.event("bravo-misp");
    let squatted = node.take("own", &event(1, &json!({"Orgc": {"uuid": BRAVO, "name": "b"}, "info": "mine now", "timestamp": (AT + 9).to_string()})));
    assert!(squatted.refused[0].1.contains("another organisation"), "{squatted:?}");
    // An attribute cannot be drawn into another event.
    let drawn = node.take("own", &event(2, &json!({"timestamp": (AT + 9).to_string()})));
    assert!(drawn.refused[0].1.contains("held as part of `report--"), "{drawn:?}");
    let events = node.events("bravo-misp");
    assert_eq!(events.iter().find(|e| e["uuid"] == uuid(1).as_str()), Some(&before));
    assert_eq!(values(events.iter().find(|e| e["uuid"] == uuid(2).as_str()).unwrap()), BTreeSet::new());
}

#[test]
fn what_another_member_says_of_our_event_is_not_heard() {
    let node = Node::new();
    node.take("own", &event(1, &json!({})));
    let before = (node.event("delta-misp"), node.event("alfa"));
    // The same UUID, newer, from another member: as its own, and as if it were ours (L15).
    for orgc in [BRAVO, ALFA] {
        let fields = json!({"Orgc": {"uuid": orgc, "name": "n"}, "info": "hijacked", "timestamp": (AT + 900).to_string(),
            "Attribute": [attribute(100, "hijacked.example", &json!({"timestamp": (AT + 900).to_string()})), attribute(150, "added.example", &json!({}))]});
        node.take("bravo", &event(1, &fields));
    }
    // A row of its own that claims to be of our event, as TAXII would bring it.
    let row = json!({"type": "indicator", "spec_version": "2.1", "id": format!("indicator--{}", uuid(160)), "created": "2026-06-01T00:00:00.000Z",
        "modified": "2026-06-01T00:00:00.000Z", "pattern": "[domain-name:value = 'x.example']", "pattern_type": "stix", "valid_from": "2026-06-01T00:00:00Z",
        "object_marking_refs": ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],
        "extensions": {"extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a3": {"extension_type": "property-extension", "element": "attribute",
            "event_ref": format!("report--{}", uuid(1)), "timestamp": AT + 900, "fields": {"type": "domain", "value": "injected.example", "category": "Network activity"}}}});
    node.store.ingest("bravo", None, vec![prepare(&row.to_string(), NOW_US).unwrap()]).unwrap();
    assert_eq!((node.event("delta-misp"), node.event("alfa")), before);
    assert!(node.stix("delta-misp").contains("injected.example"), "as STIX it is there, under its own name");
}

#[test]
fn an_edit_in_the_same_second_is_not_lost_and_an_older_one_changes_nothing() {
    let node = Node::new();
    node.take("own", &event(1, &json!({})));
    let first = node.event("bravo-misp");
    let edited = node.take("own", &event(1, &json!({"Attribute": [attribute(100, "edited.example", &json!({}))]})));
    assert_eq!((edited.unchanged, edited.older), (2, 0));
    let second = node.event("bravo-misp");
    assert_eq!(values(&second), ["edited.example".to_owned()].into());
    let time = |e: &Value| e["timestamp"].as_str().unwrap().parse::<i64>().unwrap();
    assert!(time(&second) > time(&first) && time(&second["Attribute"][0]) > time(&first["Attribute"][0]), "a MISP drops what is not newer");
    let old = event(1, &json!({"Attribute": [attribute(100, "old.example", &json!({"timestamp": (AT - 5).to_string()}))]}));
    assert_eq!(node.take("own", &old).older, 1);
    assert_eq!(node.event("bravo-misp"), second);
}

#[test]
fn an_attribute_that_is_no_longer_for_detection_is_one_attribute_still() {
    let node = Node::new();
    node.take("own", &event(1, &json!({})));
    for (n, (to_ids, kind, value)) in
        [(false, "domain", "seen.example"), (true, "domain", "seen.example"), (false, "text", "free words")].into_iter().enumerate()
    {
        let fields = json!({"to_ids": to_ids, "type": kind, "timestamp": (AT + 1 + i64::try_from(n).unwrap()).to_string()});
        let taken = node.take("own", &event(1, &json!({"Attribute": [attribute(100, value, &fields)]})));
        assert_eq!(taken.refused, []);
        let seen = node.event("bravo-misp");
        assert_eq!(seen["Attribute"].as_array().map(Vec::len), Some(1), "{seen}");
        assert_eq!((&seen["Attribute"][0]["to_ids"], &seen["Attribute"][0]["value"]), (&json!(to_ids), &json!(value)));
    }
}

#[test]
fn a_narrower_or_wider_marking_holds_for_all_parts() {
    let node = Node::new();
    let grouped = |members: &[&str], at: i64| event(1, &with(4, &json!({"timestamp": at.to_string(), "SharingGroup": group(9, members, &json!({}))})));
    node.take("own", &grouped(&[BRAVO], AT));
    assert_eq!(node.who(), ["alfa", "bravo-misp"]);
    // S2: who joins a group gets what was there before.
    node.take("own", &grouped(&[BRAVO, DELTA], AT + 1));
    assert_eq!(values(&node.event("delta-misp")), ["seen.example".to_owned()].into());
    node.take("own", &grouped(&[DELTA], AT + 2));
    assert_eq!(node.who(), ["alfa", "delta-misp"]);
    assert!(!node.stix("bravo-misp").contains("seen.example"));
    node.take("own", &event(1, &json!({"timestamp": (AT + 3).to_string(), "Tag": [{"name": "tlp:red"}]})));
    assert_eq!(node.who(), ["alfa"]);
}

#[test]
fn what_goes_out_says_no_more_than_the_label_allows() {
    let check = |fields: &Value, reader: &str, want_distribution: &str, want_group: &[&str]| {
        let node = Node::new();
        node.take("own", &event(1, fields));
        let seen = node.event(reader);
        let listed = seen["SharingGroup"]["SharingGroupOrg"].as_array().into_iter().flatten();
        let mut listed: Vec<&str> = listed.map(|o| o["Organisation"]["uuid"].as_str().unwrap()).collect();
        listed.sort_unstable();
        assert_eq!((seen["distribution"].as_str(), listed), (Some(want_distribution), want_group.to_vec()), "{fields} to {reader}");
        assert_eq!(seen["Attribute"][0]["distribution"], "5", "its parts inherit");
    };
    let all = [ALFA, BRAVO, CHARLIE, DELTA];
    check(&with(3, &json!({})), "bravo-misp", "4", &all);
    check(&with(2, &json!({})), "delta-misp", "4", &all);
    check(&with(1, &json!({})), "charlie-misp", "0", &[]);
    check(&with(4, &json!({"SharingGroup": group(9, &[BRAVO, DELTA], &json!({}))})), "bravo-misp", "4", &[BRAVO, DELTA]);
    check(&with(4, &json!({"SharingGroup": group(9, &[BRAVO, STRANGER, DELTA], &json!({}))})), "bravo-misp", "4", &[ALFA, BRAVO, DELTA]);
    check(&with(4, &json!({"SharingGroup": group(9, &[BRAVO, DELTA], &json!({"roaming": true}))})), "bravo-misp", "4", &[ALFA, BRAVO, DELTA]);
    check(&with(4, &json!({"SharingGroup": group(9, &[BRAVO], &json!({"roaming": true}))})), "bravo-misp", "0", &[]);
    check(&with(3, &json!({})), "alfa", "3", &[]);
}

#[test]
fn a_level_without_a_tag_is_said_by_one() {
    let node = Node::new();
    node.take("own", &event(1, &json!({"Attribute": [attribute(100, "a.example", &json!({"Tag": [{"name": "tlp:green"}]})), attribute(101, "b.example", &json!({"distribution": "1"}))]})));
    let seen = node.event("charlie-misp");
    assert_eq!(named(&seen, "Tag", "name"), ["tlp:green".to_owned()].into());
    let of = |value: &str| named(seen["Attribute"].as_array().unwrap().iter().find(|a| a["value"] == value).unwrap(), "Tag", "name");
    assert_eq!((of("a.example"), of("b.example")), (["tlp:green".to_owned()].into(), ["tlp:amber".to_owned()].into()));
}

#[test]
fn numbers_are_each_readers_own() {
    let node = Node::new();
    node.take("own", &event(1, &json!({})));
    let number = |r: &str| (node.event(r)["id"].clone(), node.event(r)["Attribute"][0]["id"].clone(), node.event(r)["Attribute"][0]["event_id"].clone());
    let (bravo, delta) = (number("bravo-misp"), number("delta-misp"));
    assert_ne!(bravo.0, delta.0);
    assert_ne!(bravo.1, delta.1);
    assert_eq!(bravo.0, bravo.2);
    assert!(bravo.0.as_str().unwrap().parse::<u64>().unwrap() < 1 << 52);
}

#[test]
fn twins_and_broken_uuids_come_back_as_they_came() {
    let mut twice = event(
        1,
        &json!({"Attribute": [attribute(100, "a.example", &json!({})), attribute(100, "b.example", &json!({})), attribute(100, "a.example", &json!({})),
        attribute(1, "c.example", &json!({"uuid": "not one"}))]}),
    );
    // S5: one value under two UUIDs is two attributes.
    twice["Event"]["Attribute"].as_array_mut().unwrap().push(attribute(105, "a.example", &json!({})));
    let node = Node::new();
    assert_eq!(node.take("own", &twice).refused, []);
    let mut back: Vec<(String, String)> = Vec::new();
    for a in node.event("alfa")["Attribute"].as_array().unwrap() {
        back.push((a["uuid"].as_str().unwrap().to_owned(), a["value"].as_str().unwrap().to_owned()));
    }
    back.sort();
    let mut want: Vec<(String, String)> =
        [(uuid(100), "a.example"), (uuid(100), "a.example"), (uuid(100), "b.example"), (uuid(105), "a.example"), ("not one".to_owned(), "c.example")]
            .map(|(u, v)| (u, v.to_owned()))
            .into();
    want.sort();
    assert_eq!(back, want);
    assert_eq!(node.take("own", &twice).unchanged, 7);
}

#[test]
fn wrongly_typed_elements_are_refused_one_by_one() {
    let node = Node::new();
    let bad = event(
        1,
        &json!({"Attribute": [attribute(100, "a.example", &json!({})), {"type": "domain", "value": {"x": 1}}, 7, attribute(101, "b.example", &json!({"distribution": "far"}))]}),
    );
    let taken = node.take("own", &bad);
    let refused: Vec<&str> = taken.refused.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(refused, ["event 1, attribute 2", "event 1, attribute 3", "event 1, attribute 4"], "{taken:?}");
    assert_eq!(values(&node.event("bravo-misp")), ["a.example".to_owned()].into());
}
