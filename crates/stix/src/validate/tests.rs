//! Tests of validation: cases of our own through one `check`, and recorded verdicts of others where they are at hand.
//!
//! One rule holds here: data that is not there is said to be skipped, never silently passed.

use std::{
    env, fs,
    path::{Path as FilePath, PathBuf},
};

use serde_json::{Value, json};

use super::*;

/// What a case must give: the grave finding, a mild one at a path, or none.
#[derive(Clone, Copy, Debug)]
enum Outcome<'a> {
    Clean,
    Warns(&'a str),
    Refused(&'a str),
}

use Outcome::{Clean, Refused, Warns};

/// Validates `base` with the members of `change` set, or removed where they are null.
fn check(base: &Value, change: Value, outcome: Outcome<'_>) {
    let mut object = base.clone();
    let members = object.as_object_mut().unwrap();
    let Value::Object(change) = change else { panic!("a change is an object") };
    for (name, value) in change {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    let findings = validate(&object);
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let has = |grade: Grade, path: &str| findings.iter().any(|f| f.grade == grade && f.path == path);
    let refused = findings.iter().any(|f| f.grade == Grade::Refuse);
    let fits = match outcome {
        Clean => findings.is_empty(),
        Warns(path) => has(Grade::Warn, path) && !refused,
        Refused(path) => has(Grade::Refuse, path),
    };
    assert!(fits, "{object}: expected {outcome:?}, got {text:?}");
}

fn tool() -> Value {
    json!({
        "type": "tool",
        "spec_version": "2.1",
        "id": "tool--0b3fd3d9-7c4b-4a4d-9d8a-1f6f7a1e2c3d",
        "created": "2024-02-29T08:00:00.000Z",
        "modified": "2024-03-01T08:00:00.123456Z",
        "name": "pump tester",
        "labels": ["field"],
    })
}

const MARKING: &str = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da";

#[test]
fn identity_and_versions_are_refused_when_broken() {
    let tool = tool();
    for (change, outcome) in [
        (json!({}), Clean),
        (json!({"type": null}), Refused("")),
        (json!({"type": 5}), Refused("type")),
        (json!({"id": null}), Refused("")),
        (json!({"id": "tool--x"}), Refused("id")),
        (json!({"id": "malware--0b3fd3d9-7c4b-4a4d-9d8a-1f6f7a1e2c3d"}), Refused("id")),
        (json!({"id": "tool--0b3fd3d9-7c4b-1a4d-9d8a-1f6f7a1e2c3d"}), Warns("id")),
        (json!({"id": "tool--0b3fd3d9-7c4b-7a4d-9d8a-1f6f7a1e2c3d"}), Warns("id")),
        (json!({"created": "yesterday"}), Refused("created")),
        (json!({"modified": "2024-02-30T00:00:00.000Z"}), Refused("modified")),
        (json!({"modified": 5}), Refused("modified")),
        (json!({"modified": "2024-02-29T07:59:59.999Z"}), Warns("modified")),
        (json!({"modified": "2024-03-01T08:00:00Z"}), Warns("modified")),
        (json!({"created": null}), Warns("")),
        (json!({"spec_version": 2.1}), Refused("spec_version")),
        (json!({"spec_version": "3.0"}), Warns("spec_version")),
        (json!({"spec_version": null}), Warns("")),
    ] {
        check(&tool, change, outcome);
    }
    assert_eq!(validate(&json!([]))[0].grade, Grade::Refuse);
    assert_eq!(validate(&json!([]))[0].to_string(), "refuse: is not an object");
}

#[test]
fn markings_are_refused_when_malformed() {
    let tool = tool();
    let granular = |marking: Value| json!({"granular_markings": [marking]});
    for (change, outcome) in [
        (json!({"object_marking_refs": [MARKING]}), Clean),
        (json!({"object_marking_refs": MARKING}), Refused("object_marking_refs")),
        (json!({"object_marking_refs": ["TLP:RED"]}), Refused("object_marking_refs[0]")),
        (json!({"object_marking_refs": []}), Warns("object_marking_refs")),
        (granular(json!({"marking_ref": MARKING, "selectors": ["labels.[0]", "name"]})), Clean),
        (granular(json!({"lang": "fr", "selectors": ["name"]})), Clean),
        (granular(json!({"selectors": ["name"]})), Refused("granular_markings[0]")),
        (granular(json!({"marking_ref": "x", "selectors": ["name"]})), Refused("granular_markings[0].marking_ref")),
        (granular(json!({"marking_ref": MARKING})), Refused("granular_markings[0].selectors")),
        (granular(json!({"marking_ref": MARKING, "selectors": [1]})), Refused("granular_markings[0].selectors[0]")),
        (granular(json!({"marking_ref": MARKING, "selectors": ["labels.[1]"]})), Warns("granular_markings[0].selectors[0]")),
        (granular(json!({"marking_ref": MARKING, "selectors": ["absent"]})), Warns("granular_markings[0].selectors[0]")),
        (json!({"granular_markings": {}}), Refused("granular_markings")),
    ] {
        check(&tool, change, outcome);
    }
}

#[test]
fn domain_objects_follow_their_tables() {
    let tool = tool();
    for (change, outcome) in [
        (json!({"name": null}), Warns("")),
        (json!({"name": 5}), Warns("name")),
        (json!({"aliases": []}), Warns("aliases")),
        (json!({"tool_types": ["exploitation"]}), Clean),
        (json!({"tool_types": ["spanner"]}), Warns("tool_types[0]")),
        (json!({"confidence": 100}), Clean),
        (json!({"confidence": 101}), Warns("confidence")),
        (json!({"lang": "xx"}), Warns("lang")),
        (json!({"created_by_ref": "identity--1"}), Warns("created_by_ref")),
        (json!({"x_rank": 5}), Warns("x_rank")),
        (json!({"severity": 5}), Warns("severity")),
        (json!({"kill_chain_phases": [{"kill_chain_name": "pump-chain", "phase_name": "open"}]}), Clean),
        (json!({"kill_chain_phases": [{"kill_chain_name": "Pump chain", "phase_name": "open"}]}), Warns("kill_chain_phases[0].kill_chain_name")),
        (json!({"external_references": [{"source_name": "cve", "external_id": "CVE-2024-0001"}]}), Clean),
        (json!({"external_references": [{"source_name": "list", "external_id": "CVE-2024-0001"}]}), Warns("external_references[0]")),
        (json!({"external_references": [{"source_name": "list", "url": "https://example.org/"}]}), Warns("external_references")),
    ] {
        check(&tool, change, outcome);
    }
}

#[test]
fn custom_content_needs_an_extension() {
    let id = "extension-definition--5f3a2c1e-9b7d-4e6f-8a1b-2c3d4e5f6a7b";
    let extended = |kind: &str| json!({(id): {"extension_type": kind}});
    let tool = tool();
    check(&tool, json!({"rank": 5, "extensions": extended("toplevel-property-extension")}), Clean);
    check(&tool, json!({"rank": 5, "extensions": extended("property-extension")}), Warns("rank"));
    check(&tool, json!({"extensions": {(id): {"rank": 5}}}), Warns(&format!("extensions.{id}")));
    check(&tool, json!({"extensions": {"Rank": {"rank": 5}}}), Warns("extensions.Rank"));
    let pump = json!({"type": "water-pump", "id": "water-pump--0b3fd3d9-7c4b-4a4d-9d8a-1f6f7a1e2c3d"});
    check(&tool, pump.clone(), Warns(""));
    let mut known = pump;
    known["extensions"] = extended("new-sdo");
    check(&tool, known, Clean);
}

#[test]
fn observables_follow_their_tables() {
    let file = json!({"type": "file", "id": "file--5a27d487-c542-5f97-a131-a8866b477b46", "name": "report.pdf"});
    let pe = |member: Value| json!({"extensions": {"windows-pebinary-ext": member}});
    for (change, outcome) in [
        (json!({}), Clean),
        (json!({"name": null}), Warns("")),
        (json!({"hashes": {"MD5": "00"}}), Warns("hashes.MD5")),
        (json!({"hashes": {"CRC": "00"}}), Warns("hashes.CRC")),
        (json!({"id": "file--5a27d487-c542-4f97-a131-a8866b477b46"}), Warns("id")),
        (json!({"content_ref": "file--5a27d487-c542-5f97-a131-a8866b477b46"}), Warns("content_ref")),
        (json!({"mime_type": "application/pdf", "name_enc": "UTF-8"}), Clean),
        (json!({"mime_type": "application/unheard-of"}), Warns("mime_type")),
        (json!({"size": -1}), Warns("size")),
        (pe(json!({"pe_type": "exe", "imphash": "x"})), Clean),
        (pe(json!({"pe_type": "exe"})), Warns("extensions.windows-pebinary-ext")),
        (pe(json!({"pe_type": "exe", "sections": [{"size": 3}]})), Warns("extensions.windows-pebinary-ext.sections[0]")),
        (pe(json!({"pe_type": "exe", "time_date_stamp": "2024-01-01T00:00:00.1Z"})), Warns("extensions.windows-pebinary-ext.time_date_stamp")),
    ] {
        check(&file, change, outcome);
    }
    let address = json!({"type": "ipv6-addr", "id": "ipv6-addr--5a27d487-c542-5f97-a131-a8866b477b46", "value": "2001:db8::1"});
    check(&address, json!({"value": "2001:db8::/32"}), Clean);
    check(&address, json!({"value": "2001:db8::/129"}), Warns("value"));
    check(&address, json!({"spec_version": "2.0"}), Warns("spec_version"));
}

#[test]
fn indicators_need_a_pattern_that_reads() {
    let change = |pattern: &str| {
        json!({
            "type": "indicator",
            "id": "indicator--0b3fd3d9-7c4b-4a4d-9d8a-1f6f7a1e2c3d",
            "description": "pump traffic",
            "pattern_type": "stix",
            "pattern": pattern,
            "valid_from": "2024-01-01T00:00:00Z",
        })
    };
    for (pattern, outcome) in [
        ("[ipv4-addr:value = '192.0.2.1'] REPEATS 2 TIMES WITHIN 5.5 SECONDS", Clean),
        ("[ipv4-addr:value = '192.0.2.1'", Warns("pattern")),
        ("[ab:value = 1]", Warns("pattern")),
        ("[file:hashes.MD5 = '00']", Warns("pattern")),
        ("[file:hashes.'SHA-256' MATCHES '^00']", Clean),
    ] {
        check(&tool(), change(pattern), outcome);
    }
    let (open, close) = ("(".repeat(9000), ")".repeat(9000));
    for deep in [format!("{open}[a:b = 1]{close}"), format!("[{open}a:b = 1{close}]")] {
        assert_eq!(pattern::parse(&deep).unwrap_err().expected, "less nesting");
    }
}

#[test]
fn tlp_markings_are_the_published_ones() {
    let green = json!({
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": MARKING,
        "created": "2017-01-20T00:00:00.000Z",
        "definition_type": "tlp",
        "name": "TLP:GREEN",
        "definition": {"tlp": "green"},
    });
    for (change, outcome) in [
        (json!({}), Clean),
        (json!({"definition": {"tlp": "red"}}), Warns("")),
        (json!({"object_marking_refs": [MARKING]}), Warns("object_marking_refs[0]")),
        (json!({"definition_type": "statement"}), Warns("definition")),
        (json!({"definition_type": "statement", "definition": {"statement": "free to all"}}), Clean),
        (json!({"definition_type": null}), Warns("")),
    ] {
        check(&green, change, outcome);
    }
}

#[test]
fn bundles_are_checked_member_by_member() {
    let bundle = json!({"type": "bundle", "id": "bundle--0b3fd3d9-7c4b-4a4d-9d8a-1f6f7a1e2c3d"});
    check(&bundle, json!({"objects": [tool()]}), Clean);
    check(&bundle, json!({"objects": [tool(), tool()]}), Warns("objects[1]"));
    check(&bundle, json!({"objects": [5]}), Refused("objects[0]"));
    check(&bundle, json!({"objects": [bundle.clone()]}), Refused("objects[0]"));
}

#[test]
fn recommendations_can_be_left_out() {
    let mut custom = tool();
    custom["x_rank"] = json!(5);
    let options = Options { recommendations: false, version: Version::V21 };
    assert_eq!(validate_with(&custom, options), []);
    assert_eq!(validate(&custom).len(), 1);
}

/// Recorded verdicts we knowingly differ from: test name and reason. There are none.
const DEVIATIONS: &[(&str, &str)] = &[];

#[test]
fn recorded_verdicts_agree() {
    let Some(path) = data_file("validator/stix2-validator-verdicts.jsonl") else {
        return;
    };
    let mut counted = 0;
    let mut wrong = Vec::new();
    for line in lines_of(&path) {
        let options = line["options"].as_object().unwrap();
        if !options.keys().all(|name| matches!(name.as_str(), "strict" | "version")) {
            continue;
        }
        counted += 1;
        // Without `strict` the recording counts requirements only.
        let recommendations = line["options"]["strict"] == true;
        let version = if line["options"]["version"] == "2.0" { Version::V20 } else { Version::V21 };
        let findings = validate_with(&line["object"], Options { recommendations, version });
        let test = line["test"].as_str().unwrap();
        if findings.is_empty() != line["valid"].as_bool().unwrap() && !DEVIATIONS.iter().any(|(name, _)| *name == test) {
            wrong.push(format!("{test}: {findings:?}, recorded {}", line["errors"]));
        }
    }
    assert!(DEVIATIONS.len() <= 3);
    assert!(counted >= 100, "too few verdicts: {counted}");
    assert!(wrong.is_empty(), "{} of {counted}: {wrong:#?}", wrong.len());
}

#[test]
fn recorded_patterns_agree() {
    let Some(path) = data_file("patterns/pattern-syntax.jsonl") else {
        return;
    };
    let lines = lines_of(&path);
    assert!(lines.len() >= 30, "too few patterns: {}", lines.len());
    for line in lines {
        let result = pattern::parse(line["pattern"].as_str().unwrap());
        assert_eq!(result.is_ok(), line["valid"].as_bool().unwrap(), "{}: {result:?}", line["pattern"]);
    }
}

/// A file of recorded data, or nothing, which is then said aloud.
pub(crate) fn data_file(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/stix");
    let root = env::var_os("POLDER_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = root.join(name);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("SKIPPED: no recorded data `{name}`; set POLDER_DATA to the folder that holds it");
    None
}

/// The JSON values of a file with one on each line.
pub(crate) fn lines_of(path: &FilePath) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
