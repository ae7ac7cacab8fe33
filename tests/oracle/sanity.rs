//! Tests of the oracle's own parts that no single verdict shows: the log, the door, removal and texts.
//! The rule: each expectation is worked out by hand from the page.
#![cfg(test)]

use serde_json::{Value, json};

use super::alliance::{AMBER, CLEAR, GREEN, RED, audience, directory, feed, from_bravo, indicator, later, malware, own, statement, with};
use super::marking::moment_us;
use super::{Entry, Event, Level, Meaning, Verdict, What, history, meaning, verdict};

const NAMED: &str = "marking-definition--0bbbbbbb-0000-4000-8000-00000000000b";

fn at(acts: Vec<(i64, What)>) -> Vec<Event> {
    let start = Event { stamp_us: 1, what: What::SetDirectory(directory()) };
    let acts = acts.into_iter().map(|(stamp_us, what)| Event { stamp_us, what });
    [start].into_iter().chain(acts).collect()
}

/// The log as (row, entered, left).
fn log(events: &[Event], recipient: &str, now_us: i64) -> Vec<(usize, i64, Option<i64>)> {
    history(events, recipient, now_us).into_iter().map(|it: Entry| (it.row, it.entered_us, it.left_us)).collect()
}

#[test]
fn dates_rise_and_an_act_takes_a_row_out() {
    let acts = at(vec![(100, own(vec![indicator(&[GREEN]), malware(1, GREEN), malware(2, AMBER)])), (200, What::Remove { rows: vec![0] })]);
    assert_eq!(log(&acts, "bravo", 300), [(0, 100, Some(200)), (1, 101, None)]);
    assert_eq!(log(&acts, "bravo", 150), [(0, 100, None), (1, 101, None)]);
    assert_eq!(log(&acts, "public", 300), []);
}

#[test]
fn a_recipient_sees_nothing_dated_before_its_creation() {
    let mut first = directory();
    first.recipients.retain(|it| it.id != "bravo");
    let acts = at(vec![(10, What::SetDirectory(first)), (100, own(vec![indicator(&[GREEN])])), (200, What::SetDirectory(directory()))]);
    assert_eq!(log(&acts, "bravo", 300), [(0, 200, None)]);
}

#[test]
fn an_authenticated_copy_takes_the_place_of_a_feed() {
    let copy = with(indicator(&[GREEN]), "description", "another text");
    let acts = at(vec![(100, feed(vec![indicator(&[GREEN])])), (200, from_bravo(vec![copy])), (300, What::Remove { rows: vec![1] })]);
    assert_eq!(log(&acts, "charlie", 400), [(0, 100, Some(200)), (1, 200, Some(300)), (0, 300, None)]);
}

#[test]
fn a_window_acts_at_its_moment() {
    let open = json!({
        "members": ["bravo"], "not_before": "1970-01-01T00:00:01Z", "not_after": "1970-01-01T00:00:02.0000001Z",
    });
    let acts = at(vec![(100, own(vec![audience(NAMED, &open), indicator(&[NAMED])]))]);
    let expected = [(0, 1_000_000, Some(2_000_001)), (1, 1_000_001, Some(2_000_001))];
    assert_eq!(log(&acts, "bravo", 9_000_000), expected);
    assert_eq!(log(&acts, "bravo", 999_999), []);
    assert_eq!(log(&acts, "bravo", 1_000_000), [(0, 1_000_000, None), (1, 1_000_001, None)]);
}

#[test]
fn other_removals_are_a_new_entry() {
    let hidden = indicator(&[AMBER]);
    let report = with(malware(1, CLEAR), "x_about_ref", hidden["id"].as_str().unwrap());
    let acts = at(vec![(100, own(vec![report.clone()])), (200, own(vec![hidden]))]);
    let entries = history(&acts, "bravo", 300);
    assert_eq!(log(&acts, "bravo", 300), [(0, 100, Some(200)), (0, 200, None)]);
    assert_eq!(entries[0].served, report);
    assert_eq!(entries[1].served.get("x_about_ref"), None);
    assert_eq!(
        entries[1].served["extensions"],
        json!({"extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a2": {
            "extension_type": "property-extension", "derived_by": "identity--00000000-0000-4000-8000-0000000000aa"}})
    );
    assert_eq!(entries[1].version.as_deref(), Some("2025-01-01T00:00:00.000Z"));
}

fn file(name: &str) -> Value {
    json!({"type": "file", "id": "file--00000000-0000-4000-8000-000000000007", "name": name,
        "object_marking_refs": [GREEN]})
}

#[test]
fn without_modified_all_rows_of_the_chosen_source_are_shown() {
    let acts = at(vec![
        (100, feed(vec![file("a")])),
        (200, feed(vec![file("b")])),
        (300, feed(vec![file("b")])),
        (400, feed(vec![file("a")])),
        (500, own(vec![file("c")])),
    ]);
    let expected = [(0, 100, Some(500)), (1, 200, Some(500)), (2, 400, Some(500)), (3, 500, None)];
    assert_eq!(log(&acts, "bravo", 600), expected);
}

#[test]
fn what_is_known_makes_no_row() {
    let again = with(indicator(&[GREEN]), "modified", "2025-01-01T00:00:00Z");
    let acts = at(vec![
        (100, own(vec![indicator(&[GREEN]), indicator(&[GREEN]), again])),
        (200, own(vec![indicator(&[GREEN])])),
        (400, own(vec![statement(RED, "TLP:CLEAR"), malware(2, GREEN)])),
    ]);
    // Row 1 is a variant of row 0, for its text differs; the re-definition of RED at 400 made none.
    assert_eq!(verdict(&acts, "bravo", 2, 500).0, Verdict::Release);
    assert_eq!(verdict(&acts, "bravo", 3, 500).0, Verdict::Withhold);
    assert_eq!(log(&acts, "bravo", 500), [(0, 100, None), (2, 400, None)]);
}

#[test]
fn removal_points_what_remains_again() {
    let mut object = indicator(&[GREEN]);
    object["labels"] = json!(["a", "b", "c"]);
    object["extensions"] = json!({"x": {"y": {"z": 1}}});
    object["granular_markings"] = json!([
        {"marking_ref": AMBER, "selectors": ["labels.[0]", "extensions.x.y.z"]},
        {"lang": "en", "selectors": ["labels.[2]", "labels.[0]"]},
        {"lang": "fr", "selectors": ["labels.[0]"]},
    ]);
    let acts = at(vec![(100, own(vec![object]))]);
    let (found, served) = verdict(&acts, "bravo", 0, 200);
    let served = served.unwrap();
    assert_eq!(found, Verdict::Redact);
    assert_eq!(served["labels"], json!(["b", "c"]));
    assert_eq!(served["granular_markings"], json!([{"lang": "en", "selectors": ["labels.[1]"]}]));
    assert_eq!(served["extensions"].as_object().unwrap().len(), 1);
    assert_eq!(served["extensions"].get("x"), None);
}

#[test]
fn a_denied_row_denies_what_needs_it_and_so_on() {
    let about = |number: u32, target: &str| {
        let id = format!("note--00000000-0000-4000-8000-00000000020{number}");
        json!({"type": "note", "spec_version": "2.1", "id": id, "created": "2025-01-01T00:00:00Z",
            "modified": "2025-01-01T00:00:00Z", "content": "x", "object_refs": [target],
            "object_marking_refs": [CLEAR]})
    };
    let hidden = later(indicator(&[RED]));
    let one = about(1, hidden["id"].as_str().unwrap());
    let two = about(2, one["id"].as_str().unwrap());
    let acts = at(vec![(100, own(vec![hidden, one, two]))]);
    assert_eq!(verdict(&acts, "bravo", 2, 200), (Verdict::Withhold, None));
    assert_eq!(verdict(&acts, "alpha", 2, 200).0, Verdict::Release);
}

#[test]
fn texts_name_levels() {
    let level = |text: &str| {
        let Meaning { level, pap, opaque, .. } = meaning(&statement(NAMED, text));
        (level, pap, opaque)
    };
    assert_eq!(level(" tlp:amber+strict "), (Some(Level::AmberStrict), None, false));
    assert_eq!(level("TLP White"), (Some(Level::Clear), None, false));
    assert_eq!(level("PAP_RED"), (None, Some(Level::Red), false));
    assert_eq!(level("PAP:AMBER+STRICT"), (None, None, true));
    assert_eq!(level("TLP:RED only"), (None, None, true));
    assert_eq!(level("TLPRED"), (None, None, true));
    assert_eq!(level("Copyright"), (None, None, false));
    assert_eq!(level("(TLP:RED)"), (Some(Level::Red), None, false));
    assert_eq!(level("Distribution: TLP:GREEN, then tlp amber+strict; PAP-WHITE"), (Some(Level::AmberStrict), Some(Level::Clear), false));
    assert_eq!(level("T\u{200b}LP\u{ff1a}RED"), (Some(Level::Red), None, false));
    assert_eq!(level("is TLP:NONE"), (None, None, true));
    assert_eq!(level("we use TLP."), (None, None, false));
    assert!(meaning(&json!({"name": "x"})).opaque);
    assert!(meaning(&audience(NAMED, &json!({"members": "bravo"}))).opaque);
}

#[test]
fn all_content_of_a_definition_is_joined() {
    let named = |name: &str| meaning(&with(statement(NAMED, "TLP:GREEN"), "name", name));
    assert_eq!(named("TLP:AMBER").level, Some(Level::Amber));
    assert_eq!(named("TLP:CLEAR").level, Some(Level::Green));
    assert_eq!((named("PAP:RED").level, named("PAP:RED").pap), (Some(Level::Green), Some(Level::Red)));
    assert_eq!((named("TLP:NONE").level, named("TLP:NONE").opaque), (Some(Level::Green), true));
    assert!(!named("ours").opaque);
}

#[test]
fn without_a_version_a_later_commit_tightens_the_earlier() {
    let marked = |marking: &str| {
        let mut object = file("a");
        object["object_marking_refs"] = json!([marking]);
        own(vec![object])
    };
    let stricter = at(vec![(100, marked(GREEN)), (200, marked(AMBER))]);
    assert_eq!(verdict(&stricter, "bravo", 0, 300).0, Verdict::Withhold);
    assert_eq!(verdict(&stricter, "bravo", 0, 150).0, Verdict::Release);
    let weaker = at(vec![(100, marked(AMBER)), (200, marked(GREEN))]);
    assert_eq!(verdict(&weaker, "bravo", 0, 300).0, Verdict::Withhold);
    assert_eq!(verdict(&weaker, "bravo", 1, 300).0, Verdict::Release);
}

#[test]
fn traffic_keeps_one_end() {
    let end = |number: u32, marking: &str| {
        let id = format!("ipv4-addr--00000000-0000-4000-8000-00000000030{number}");
        json!({"type": "ipv4-addr", "id": id, "value": "192.0.2.7", "object_marking_refs": [marking]})
    };
    let traffic = json!({
        "type": "network-traffic", "id": "network-traffic--00000000-0000-4000-8000-000000000008",
        "src_ref": end(1, AMBER)["id"], "dst_ref": end(2, AMBER)["id"], "protocols": ["tcp"],
        "object_marking_refs": [CLEAR],
    });
    let one = at(vec![(100, own(vec![end(1, AMBER), end(2, GREEN), traffic.clone()]))]);
    let (found, served) = verdict(&one, "bravo", 2, 200);
    let served = served.unwrap();
    assert_eq!((found, served.get("src_ref"), served.get("dst_ref")), (Verdict::Redact, None, traffic.get("dst_ref")));
    let both = at(vec![(100, own(vec![end(1, AMBER), end(2, AMBER), traffic]))]);
    assert_eq!(verdict(&both, "bravo", 2, 200).0, Verdict::Withhold);
}

#[test]
fn a_part_of_an_element_takes_the_whole_element() {
    let mut object = indicator(&[GREEN]);
    object["external_references"] = json!([{"source_name": "one", "url": "https://example.com/"}, {"source_name": "two"}]);
    object["granular_markings"] = json!([{"marking_ref": AMBER, "selectors": ["external_references.[0].url"]}]);
    let acts = at(vec![(100, own(vec![object]))]);
    let served = verdict(&acts, "bravo", 0, 200).1.unwrap();
    assert_eq!(served["external_references"], json!([{"source_name": "two"}]));
}

#[test]
fn moments_are_read() {
    assert_eq!(moment_us("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(moment_us("2026-01-01T00:00:00.5Z"), Some(1_767_225_600_500_000));
    assert_eq!(moment_us("2024-02-29T00:00:00.0000001Z"), Some(1_709_164_800_000_001));
    assert_eq!(moment_us("2023-02-29T00:00:00Z"), None);
    assert_eq!(moment_us("2023-02-28T00:00:00+00:00"), None);
}
