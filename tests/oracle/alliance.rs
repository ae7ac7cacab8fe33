//! The small alliance and the objects that the tests of the oracle are told in.
//! The rule: documentation names and addresses only.

pub(crate) use serde_json::{Value, json};

use super::{Directory, Group, Kind, Level, Member, Recipient, Source, SourceKind, What};

pub(crate) const CLEAR: &str = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487";
pub(crate) const GREEN: &str = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb";
pub(crate) const AMBER: &str = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421";
pub(crate) const STRICT: &str = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003";
pub(crate) const RED: &str = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1";
pub(crate) const WHITE_1: &str = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9";
pub(crate) const AMBER_1: &str = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82";
pub(crate) const UNKNOWN: &str = "marking-definition--0aaaaaaa-0000-4000-8000-00000000000a";
pub(crate) const NAMED: &str = "marking-definition--0bbbbbbb-0000-4000-8000-00000000000b";
pub(crate) const OTHER: &str = "marking-definition--0ccccccc-0000-4000-8000-00000000000c";

pub(crate) const INDICATOR: &str = "indicator--00000000-0000-4000-8000-000000000001";
pub(crate) const IDENTITY: &str = "identity--00000000-0000-4000-8000-000000000009";
pub(crate) const STRICT_LEVEL: Level = Level::AmberStrict;
const FIRST: &str = "2025-01-01T00:00:00.000Z";

/// Alpha holds; bravo, charlie and delta are members, delta and the outsider echo are clients of alpha, the outsider
/// foxtrot is one of bravo.
pub(crate) fn directory() -> Directory {
    let member = |id: &str, client_of: &[&str]| Member { id: id.to_owned(), client_of: texts(client_of) };
    let recipient = |id: &str, kind, organisation: Option<&str>, person: Option<&str>| Recipient {
        id: id.to_owned(),
        kind,
        organisation: organisation.map(str::to_owned),
        person: person.map(str::to_owned),
        active: true,
    };
    let organisation = |id: &str| recipient(id, Kind::Organisation, Some(id), None);
    let mut recipients: Vec<Recipient> = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"].into_iter().map(organisation).collect();
    recipients.push(recipient("node-bravo", Kind::Node, Some("bravo"), None));
    recipients.push(recipient("siem-charlie", Kind::PartnerSystem, Some("charlie"), None));
    for (id, house, person) in [("p-alpha", "alpha", "pid-alpha"), ("p-bravo", "bravo", "pid-bravo"), ("p-charlie", "charlie", "pid-charlie")] {
        recipients.push(recipient(id, Kind::Person, Some(house), Some(person)));
    }
    recipients.push(recipient("public", Kind::Public, None, None));
    recipients.push(Recipient { active: false, ..recipient("gone", Kind::Organisation, Some("bravo"), None) });
    Directory {
        holder: "alpha".to_owned(),
        holder_identity: "identity--00000000-0000-4000-8000-0000000000aa".to_owned(),
        members: vec![member("alpha", &[]), member("bravo", &[]), member("charlie", &[]), member("delta", &["alpha"])],
        other_clients: vec![("echo".to_owned(), texts(&["alpha"])), ("foxtrot".to_owned(), texts(&["bravo"]))],
        groups: vec![Group { id: "cell".to_owned(), members: texts(&["bravo"]), persons: texts(&["pid-charlie"]) }],
        recipients,
        standing: Vec::new(),
    }
}

pub(crate) fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn own(objects: Vec<Value>) -> What {
    What::Commit { source: Source { name: "own".to_owned(), kind: SourceKind::Own }, objects }
}

pub(crate) fn from_bravo(objects: Vec<Value>) -> What {
    let kind = SourceKind::Member("bravo".to_owned());
    What::Commit { source: Source { name: "bravo".to_owned(), kind }, objects }
}

pub(crate) fn feed(objects: Vec<Value>) -> What {
    What::Commit { source: Source { name: "feed".to_owned(), kind: SourceKind::Feed }, objects }
}

pub(crate) fn overlay(source: &str, level: Level) -> What {
    What::Overlay { source: source.to_owned(), object: INDICATOR.to_owned(), level: Some(level), audience: None }
}

pub(crate) fn lift(source: &str, left: Option<Level>) -> What {
    What::Lift { source: source.to_owned(), object: INDICATOR.to_owned(), left }
}

pub(crate) fn indicator(markings: &[&str]) -> Value {
    let object = json!({
        "type": "indicator", "spec_version": "2.1", "id": INDICATOR, "created": FIRST, "modified": FIRST,
        "description": "seen at the gate", "pattern": "[ipv4-addr:value = '192.0.2.1']", "pattern_type": "stix",
        "valid_from": FIRST,
    });
    if markings.is_empty() { object } else { put(object, "object_marking_refs", json!(markings)) }
}

pub(crate) fn later(object: Value) -> Value {
    with(object, "modified", "2025-02-01T00:00:00.000Z")
}

pub(crate) fn with(object: Value, key: &str, value: &str) -> Value {
    put(object, key, json!(value))
}

/// An audience marking; `not_before` and `not_after` among the names become its window.
pub(crate) fn audience(id: &str, names: &Value) -> Value {
    let mut says = json!({"extension_type": "property-extension"});
    let mut names = names.clone();
    for edge in ["not_before", "not_after"] {
        if let Some(at) = names.as_object_mut().and_then(|names| names.remove(edge)) {
            says = put(says, edge, at);
        }
    }
    let says = put(says, "audience", names);
    json!({
        "type": "marking-definition", "spec_version": "2.1", "id": id, "created": FIRST,
        "extensions": {"extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a1": says},
    })
}

pub(crate) fn statement(id: &str, text: &str) -> Value {
    json!({
        "type": "marking-definition", "spec_version": "2.1", "id": id, "created": FIRST,
        "definition_type": "statement", "definition": {"statement": text},
    })
}

pub(crate) fn definition_of_red() -> Value {
    json!({
        "type": "marking-definition", "spec_version": "2.1", "id": RED, "created": "2022-10-01T00:00:00.000Z",
        "name": "TLP:RED", "extensions": {"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d":
            {"extension_type": "property-extension", "tlp_2_0": "red"}},
    })
}

pub(crate) fn malware_id(number: u32) -> String {
    format!("malware--00000000-0000-4000-8000-00000000010{number}")
}

pub(crate) fn malware(number: u32, marking: &str) -> Value {
    json!({
        "type": "malware", "spec_version": "2.1", "id": malware_id(number), "created": FIRST, "modified": FIRST,
        "is_family": true, "name": "sand", "object_marking_refs": [marking],
    })
}

pub(crate) fn identity(marking: &str) -> Value {
    json!({
        "type": "identity", "spec_version": "2.1", "id": IDENTITY, "created": FIRST, "modified": FIRST,
        "name": "Someone", "object_marking_refs": [marking],
    })
}

pub(crate) fn relationship(source: &str, target: &str) -> Value {
    json!({
        "type": "relationship", "spec_version": "2.1", "id": "relationship--00000000-0000-4000-8000-000000000003",
        "created": FIRST, "modified": FIRST, "relationship_type": "indicates", "source_ref": source,
        "target_ref": target, "object_marking_refs": [CLEAR],
    })
}

pub(crate) fn report(refs: &[&str]) -> Value {
    json!({
        "type": "report", "spec_version": "2.1", "id": "report--00000000-0000-4000-8000-000000000004",
        "created": FIRST, "modified": FIRST, "name": "Week one", "published": FIRST, "object_refs": refs,
        "object_marking_refs": [CLEAR],
    })
}

pub(crate) fn names(members: &[&str]) -> Value {
    json!({"members": members})
}

pub(crate) fn with_labels(object: Value) -> Value {
    put(object, "labels", json!(["one", "two"]))
}

pub(crate) fn in_part(object: Value, marking: &str, selector: &str) -> Value {
    put(object, "granular_markings", json!([{"marking_ref": marking, "selectors": [selector]}]))
}

pub(crate) fn put(mut object: Value, key: &str, value: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
    object
}
