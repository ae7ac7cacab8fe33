//! Random scripts over a small domain, so that ids, versions, markings and names collide all the time.
//! The rule: everything docs/decision.md speaks of occurs, and nothing is generated that the door refuses.

use serde_json::{Value, json};

use super::{Do, Random, RowRef, START_US, Step, sources};
use crate::oracle::alliance::{audience, directory, put, statement, texts, with};
use crate::oracle::{Audience, DefaultLabel, Directory, Level, Standing};

/// Every object of the domain but the definitions.
pub(crate) const IDS: [&str; 17] = [
    "identity--00000000-0000-4000-8000-000000000001",
    "identity--00000000-0000-4000-8000-000000000002",
    "malware--00000000-0000-4000-8000-000000000001",
    "malware--00000000-0000-4000-8000-000000000002",
    "indicator--00000000-0000-4000-8000-000000000001",
    "indicator--00000000-0000-4000-8000-000000000002",
    "relationship--00000000-0000-4000-8000-000000000001",
    "relationship--00000000-0000-4000-8000-000000000002",
    "report--00000000-0000-4000-8000-000000000001",
    "note--00000000-0000-4000-8000-000000000001",
    "sighting--00000000-0000-4000-8000-000000000001",
    "ipv4-addr--00000000-0000-4000-8000-000000000001",
    "ipv4-addr--00000000-0000-4000-8000-000000000002",
    "network-traffic--00000000-0000-4000-8000-000000000001",
    "language-content--00000000-0000-4000-8000-000000000001",
    "extension-definition--00000000-0000-4000-8000-000000000001",
    "grouping--00000000-0000-4000-8000-000000000001",
];

/// Markings that a script defines, late, never, or twice.
const CUSTOM: [&str; 4] = [
    "marking-definition--00000000-0000-4000-8000-0000000000c1",
    "marking-definition--00000000-0000-4000-8000-0000000000c2",
    "marking-definition--00000000-0000-4000-8000-0000000000c3",
    "marking-definition--00000000-0000-4000-8000-0000000000c4",
];

/// Predefined ones, the open ones more often.
const PREDEFINED: [&str; 13] = [
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
];

const SELECTORS: [&str; 18] = [
    "description",
    "labels.[0]",
    "labels.[1]",
    "name",
    "pattern",
    "object_refs.[0]",
    "object_refs.[1]",
    "external_references.[0].url",
    "no_such",
    "x_list.[0]",
    "x_list",
    "created_by_ref",
    "src_ref",
    "dst_ref",
    "protocols.[0]",
    "protocols.[1]",
    "x_deep.a",
    "x_next_ref",
];

const VERSIONS: [&str; 4] = ["2025-01-01T00:00:00.000Z", "2025-01-02T00:00:00.000Z", "2025-01-02T00:00:00Z", "2025-01-03T00:00:00.5Z"];
const LEVELS: [Level; 5] = [Level::Clear, Level::Green, Level::Amber, Level::AmberStrict, Level::Red];
const LEVEL_NAMES: [&str; 5] = ["CLEAR", "green", "AMBER", "Amber+Strict", "red"];

/// A script of about that many steps.
pub(crate) fn script(random: &mut Random, length: usize) -> Vec<Step> {
    let mut here = directory();
    let mut steps = vec![Step { key: 0, at_us: START_US, what: Do::Directory(here.clone()) }];
    let mut at_us = START_US;
    let mut brought: Vec<RowRef> = Vec::new();
    for key in 1..=u32::try_from(length).unwrap() {
        at_us += *random.pick(&[1, 2, 1_000_000, 1_000_000, 3_000_000]);
        let what = act(random, &mut here, &brought);
        if let Do::Commit { objects, .. } = &what {
            brought.extend((0..objects.len()).map(|nth| RowRef { key, nth }));
        }
        steps.push(Step { key, at_us, what });
    }
    steps
}

fn act(random: &mut Random, here: &mut Directory, brought: &[RowRef]) -> Do {
    let source = |random: &mut Random| *random.pick(&[0, 0, 0, 0, 1, 1, 2, 3, 3, 4]);
    let tightened = |random: &mut Random| if random.percent(25) { sources().len() } else { source(random) };
    let recipient = |random: &mut Random| random.pick(&directory().recipients).id.clone();
    if brought.is_empty() {
        return Do::Commit { source: source(random), objects: objects(random) };
    }
    match random.below(100) {
        0..52 => Do::Commit { source: source(random), objects: objects(random) },
        52..58 => Do::Pin(definition(random)),
        58..61 => Do::Lift { source: tightened(random), object: (*random.pick(&IDS)).to_owned(), left: random.percent(30).then(|| *random.pick(&LEVELS)) },
        61..67 => {
            Do::Overlay { source: tightened(random), object: (*random.pick(&IDS)).to_owned(), level: (!random.percent(30)).then(|| *random.pick(&LEVELS)) }
        }
        67..72 => Do::Grant { recipient: recipient(random), row: random.pick(brought).clone() },
        72..78 => Do::Remove(random.some(brought, 1, 2)),
        78..83 => Do::Default { source: random.below(sources().len()), default: default(random) },
        83..89 => {
            change(random, here);
            Do::Directory(here.clone())
        }
        89..97 => Do::Poll(recipient(random)),
        _ => Do::Reopen,
    }
}

fn default(random: &mut Random) -> Option<DefaultLabel> {
    let level = random.percent(60).then(|| *random.pick(&LEVELS));
    let named = random
        .percent(50)
        .then(|| Audience { members: random.some(&["alpha", "bravo", "charlie"], 0, 2).into_iter().map(str::to_owned).collect(), ..Audience::default() });
    random.percent(75).then_some(DefaultLabel { level, audience: named })
}

/// Changes who is who. The holder and its identity stay, and the groups name only members.
fn change(random: &mut Random, here: &mut Directory) {
    let all = directory();
    match random.below(6) {
        0 => {
            let n = random.below(here.recipients.len());
            here.recipients[n].active ^= true;
        }
        1 if here.recipients.len() > 4 => {
            here.recipients.remove(random.below(here.recipients.len()));
        }
        2 => {
            let missing = |it: &&crate::oracle::Recipient| here.recipients.iter().all(|known| known.id != it.id);
            if let Some(back) = all.recipients.iter().find(missing).cloned() {
                here.recipients.push(back);
            }
        }
        3 => {
            here.groups[0].members = random.some(&texts(&["bravo", "charlie", "delta"]), 0, 2);
            here.groups[0].persons = random.some(&texts(&["pid-bravo", "pid-charlie"]), 0, 1);
        }
        4 => {
            let n = random.below(here.members.len());
            here.members[n].client_of = if n > 0 && random.percent(50) { texts(&["alpha"]) } else { Vec::new() };
        }
        _ => {
            here.standing = (0..random.below(3))
                .map(|_| Standing {
                    levels: random.some(&LEVELS, 1, 2),
                    types: random.some(&texts(&["indicator", "malware", "report"]), 0, 2),
                    members: random.some(&texts(&["bravo", "charlie", "echo"]), 0, 2),
                    recipients: random.some(&texts(&["public", "node-bravo", "p-charlie"]), 0, 1),
                })
                .collect();
        }
    }
}

fn objects(random: &mut Random) -> Vec<Value> {
    (0..=random.below(5)).map(|_| if random.percent(22) { definition(random) } else { object(random) }).collect()
}

/// A definition of a custom marking, of every content there is.
pub(crate) fn definition(random: &mut Random) -> Value {
    let id = *random.pick(&CUSTOM);
    let name = *random.pick(&LEVEL_NAMES);
    let mut made = match random.below(9) {
        0 => statement(id, "be kind"),
        1 => statement(id, &format!("TLP:{name}")),
        2 => statement(id, "PAP:RED"),
        3 => with(statement(id, "all rights reserved"), "name", &format!("tlp {name}")),
        4 => put(
            audience(id, &json!({})),
            "extensions",
            json!({"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {"extension_type": "property-extension", "tlp_2_0": name.to_lowercase()}}),
        ),
        5 => put(
            statement(id, &format!("TLP:{name}")),
            "extensions",
            json!({"extension-definition--00000000-0000-4000-8000-0000000000ee": {"extension_type": "property-extension"}}),
        ),
        _ => audience(id, &names(random)),
    };
    made = with(made, "created", VERSIONS[random.below(4)]);
    if random.percent(30) {
        made = put(made, "object_marking_refs", json!(markings(random)));
    }
    if random.percent(15) {
        made = with(made, "created_by_ref", IDS[random.below(2)]);
    }
    made
}

fn names(random: &mut Random) -> Value {
    let mut names = json!({});
    for (kind, all) in [
        ("members", ["alpha", "bravo", "charlie", "delta", "bravo"]),
        ("groups", ["cell", "cell", "cell", "nobody", "cell"]),
        ("persons", ["pid-alpha", "pid-bravo", "pid-charlie", "pid-bravo", "pid-charlie"]),
        ("nodes", ["node-bravo", "node-bravo", "bravo", "node-x", "node-bravo"]),
    ] {
        if random.percent(45) {
            names = put(names, kind, json!(random.some(&all, 0, 3)));
        }
    }
    for edge in ["not_before", "not_after"] {
        if random.percent(20) {
            // Half seconds, where no step ever stands.
            let at_us = START_US + 1_000_000 * i64::try_from(random.below(45)).unwrap() + 500_000;
            names = with(names, edge, &polder_stix::time::from_us(at_us));
        }
    }
    names
}

fn markings(random: &mut Random) -> Vec<&'static str> {
    let one = |random: &mut Random| {
        if random.percent(62) { *random.pick(&PREDEFINED) } else { *random.pick(&CUSTOM) }
    };
    (0..=random.below(2)).map(|_| one(random)).collect()
}

/// An object of the domain.
pub(crate) fn object(random: &mut Random) -> Value {
    let id = *random.pick(&IDS);
    let any = |random: &mut Random| *random.pick(&IDS);
    let kind = id.split_once("--").unwrap().0;
    let mut made = json!({"type": kind, "id": id});
    if kind != "ipv4-addr" && kind != "network-traffic" {
        made = with(made, "spec_version", "2.1");
        made = with(made, "created", VERSIONS[0]);
        made = with(made, "modified", VERSIONS[random.below(4)]);
    }
    for (key, value) in of_type(random, kind) {
        made = put(made, key, value);
    }
    if kind != "extension-definition" && random.percent(30) {
        made = with(made, "created_by_ref", IDS[random.below(2)]);
    }
    for (key, value) in [
        ("description", json!(*random.pick(&["seen at the gate", "seen again"]))),
        ("labels", json!(["one", "two"])),
        ("external_references", json!([{"source_name": "one", "url": "https://example.com/"}, {"source_name": "two"}])),
        ("x_next_ref", json!(any(random))),
        ("x_deep", json!({"a": [{"b_ref": any(random), "c": 1}], "z": {}})),
        ("x_list", json!([any(random), any(random), "text"])),
    ] {
        if random.percent(20) {
            made = put(made, key, value);
        }
    }
    if random.percent(4) {
        // An id where a text belongs is a reference like any other.
        let text = if kind == "network-traffic" { ("protocols", json!([any(random), "tcp"])) } else { ("name", json!(any(random))) };
        made = put(made, text.0, text.1);
    }
    if random.percent(80) {
        made = put(made, "object_marking_refs", json!(markings(random)));
    }
    if random.percent(25) {
        let parts = (0..=random.below(2)).map(|_| part(random, &made)).collect();
        made = put(made, "granular_markings", Value::Array(parts));
    }
    made
}

fn part(random: &mut Random, object: &Value) -> Value {
    // Mostly what is there: a selector that points nowhere makes the whole object stricter and hides the rest.
    let there = |selector: &&&str| {
        let path = format!("/{}", selector.replace('.', "/").replace(['[', ']'], ""));
        object.pointer(&path).is_some()
    };
    let mut some: Vec<&str> = SELECTORS.iter().filter(there).copied().collect();
    if some.is_empty() || random.percent(6) {
        some = SELECTORS.to_vec();
    }
    let selectors = random.some(&some, 1, 2);
    if random.percent(10) { json!({"lang": "de", "selectors": selectors}) } else { json!({"marking_ref": markings(random)[0], "selectors": selectors}) }
}

fn of_type(random: &mut Random, kind: &str) -> Vec<(&'static str, Value)> {
    let mut any = || *random.pick(&IDS);
    match kind {
        "identity" => vec![("name", json!("Someone"))],
        "malware" => vec![("is_family", json!(true)), ("name", json!("sand"))],
        "indicator" => vec![("pattern", json!("[ipv4-addr:value = '192.0.2.1']")), ("pattern_type", json!("stix")), ("valid_from", json!(VERSIONS[0]))],
        "relationship" => vec![("relationship_type", json!("related-to")), ("source_ref", json!(any())), ("target_ref", json!(any()))],
        "report" => vec![("name", json!("Week one")), ("published", json!(VERSIONS[0])), ("object_refs", refs(random))],
        "note" => vec![("content", json!("noted")), ("object_refs", refs(random))],
        "grouping" => vec![("context", json!("suspicious-activity")), ("object_refs", refs(random))],
        "sighting" => vec![("sighting_of_ref", json!(any())), ("where_sighted_refs", refs(random))],
        "ipv4-addr" => vec![("value", json!(*random.pick(&["192.0.2.1", "192.0.2.2"])))],
        "network-traffic" => {
            let (src, dst) = (any(), any());
            let mut parts = vec![("protocols", json!(["ipv4", "tcp"]))];
            if random.percent(80) {
                parts.push(("src_ref", json!(src)));
            }
            if random.percent(80) {
                parts.push(("dst_ref", json!(dst)));
            }
            parts
        }
        "language-content" => vec![("object_ref", json!(any())), ("contents", json!({"de": {"name": "Sand"}}))],
        "extension-definition" => vec![
            ("created_by_ref", json!(IDS[random.below(2)])),
            ("name", json!("more")),
            ("schema", json!("https://example.com/schema")),
            ("version", json!("1.0")),
            ("extension_types", json!(["property-extension"])),
        ],
        _ => Vec::new(),
    }
}

fn refs(random: &mut Random) -> Value {
    json!(random.some(&IDS, 1, 3))
}
