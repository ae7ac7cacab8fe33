//! Tests of the oracle's own parts that no single verdict shows: the log, the door, removal and texts.
//! The rule: each expectation is worked out by hand from the page.
#![cfg(test)]

use serde_json::{Value, json};

use super::alliance::{
    AMBER, CLEAR, GREEN, INDICATOR, RED, UNKNOWN, audience, directory, feed, from_bravo, in_part, indicator, later, malware, malware_id, own, put,
    relationship, statement, with,
};
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

/// The verdicts on a row for several recipients.
fn for_each(acts: &[Event], row: usize, recipients: [&str; 4]) -> [Verdict; 4] {
    recipients.map(|recipient| verdict(acts, recipient, row, 9_000).0)
}

#[test]
fn green_reaches_the_clients_of_the_holder() {
    use Verdict::{Release, Withhold};
    let acts = at(vec![(100, own(vec![indicator(&[GREEN])])), (200, from_bravo(vec![malware(1, GREEN)])), (300, feed(vec![malware(2, GREEN)]))]);
    // Echo is no member but a client of the holder; foxtrot is a client of bravo.
    for row in 0..3 {
        assert_eq!(for_each(&acts, row, ["echo", "charlie", "foxtrot", "public"]), [Release, Release, Withhold, Withhold]);
    }
}

#[test]
fn removing_what_raised_a_marking_does_not_widen() {
    let acts = at(vec![(100, own(vec![indicator(&[GREEN])])), (200, own(vec![later(indicator(&[AMBER]))])), (300, What::Remove { rows: vec![1] })]);
    let found = [150, 250, 350].map(|now_us| verdict(&acts, "bravo", 0, now_us).0);
    assert_eq!(found, [Verdict::Release, Verdict::Withhold, Verdict::Withhold]);
    assert_eq!(log(&acts, "bravo", 400), [(0, 100, Some(200))]);
    assert_eq!(verdict(&acts, "delta", 0, 350).0, Verdict::Release);
}

#[test]
fn without_a_version_what_was_removed_tightens_what_came_before_it() {
    let marked = |name: &str, marking: &str| put(file(name), "object_marking_refs", json!([marking]));
    let gone = |row: usize| (900, What::Remove { rows: vec![row] });
    let later = at(vec![(100, own(vec![marked("a", GREEN)])), (200, own(vec![marked("b", AMBER)])), gone(1)]);
    assert_eq!(verdict(&later, "bravo", 0, 999).0, Verdict::Withhold);
    let together = at(vec![(100, own(vec![marked("a", GREEN), marked("b", AMBER)])), gone(1)]);
    assert_eq!(verdict(&together, "bravo", 0, 899).0, Verdict::Withhold);
    assert_eq!(verdict(&together, "bravo", 0, 999).0, Verdict::Release);
    let earlier = at(vec![(100, own(vec![marked("a", AMBER)])), (200, own(vec![marked("b", GREEN)])), gone(0)]);
    assert_eq!(verdict(&earlier, "bravo", 1, 999).0, Verdict::Release);
}

#[test]
fn with_and_without_a_version_each_tightens_the_other_while_live() {
    let marked = |name: &str, marking: &str| put(file(name), "object_marking_refs", json!([marking]));
    let versioned = |object: Value| with(object, "modified", "2025-01-01T00:00:00Z");
    for (open, closed) in [(marked("a", GREEN), versioned(marked("b", AMBER))), (versioned(marked("a", GREEN)), marked("b", AMBER))] {
        for (order, open_row) in [(vec![open.clone(), closed.clone()], 0), (vec![closed, open], 1)] {
            let mut acts: Vec<_> = (100..).step_by(100).zip(order.into_iter().map(|object| own(vec![object]))).collect();
            acts.push((900, What::Remove { rows: vec![1 - open_row] }));
            let acts = at(acts);
            assert_eq!(verdict(&acts, "bravo", open_row, 899).0, Verdict::Withhold);
            assert_eq!(verdict(&acts, "bravo", open_row, 999).0, Verdict::Release);
        }
    }
}

#[test]
fn a_removed_definition_reads_as_opaque() {
    let definition = || statement(NAMED, "TLP:GREEN");
    let second = with(definition(), "created", "2025-02-01T00:00:00.000Z");
    let acts = at(vec![(100, own(vec![definition()])), (200, own(vec![second])), (300, What::Remove { rows: vec![1] })]);
    assert_eq!(verdict(&acts, "bravo", 0, 250).0, Verdict::Release);
    assert_eq!(verdict(&acts, "bravo", 0, 350).0, Verdict::Hold);
    assert_eq!(verdict(&acts, "p-alpha", 0, 350).0, Verdict::Release);
    assert_eq!(verdict(&acts, "public", 0, 350).0, Verdict::Withhold);
}

#[test]
fn a_removed_definition_keeps_its_own_marking() {
    let definition = |level: &str, marking: &str| put(statement(NAMED, level), "object_marking_refs", json!([marking]));
    let later = with(definition("TLP:CLEAR", AMBER), "created", "2025-02-01T00:00:00.000Z");
    let acts = at(vec![(100, own(vec![definition("TLP:CLEAR", GREEN)])), (200, own(vec![later])), (300, What::Remove { rows: vec![1] })]);
    assert_eq!(for_each(&acts[..2], 0, ["bravo", "delta", "p-alpha", "public"]), [Verdict::Release, Verdict::Release, Verdict::Release, Verdict::Withhold]);
    // AMBER keeps bravo out before the unread marking is asked about.
    assert_eq!(for_each(&acts, 0, ["bravo", "delta", "p-alpha", "public"]), [Verdict::Withhold, Verdict::Hold, Verdict::Release, Verdict::Withhold]);
}

#[test]
fn a_removed_definition_takes_no_audience_from_one_of_the_same_id() {
    let first = with(put(statement(NAMED, "TLP:CLEAR"), "object_marking_refs", json!([RED])), "created", "2025-02-01T00:00:00.000Z");
    let named = audience(NAMED, &json!({"persons": ["pid-alpha"]}));
    let acts = at(vec![(100, own(vec![first])), (200, own(vec![named])), (300, What::Remove { rows: vec![0] })]);
    // Live, the first means what both say, and an audience named beside RED says where it goes; removed, it is RED for nobody.
    assert_eq!([250, 350].map(|now_us| verdict(&acts, "p-alpha", 1, now_us).0), [Verdict::Release, Verdict::Withhold]);
}

#[test]
fn a_definition_removed_last_reads_as_opaque() {
    let marked = indicator(&[NAMED]);
    let definition = |level: &str, created: &str| with(statement(NAMED, level), "created", created);
    let first = || definition("TLP:GREEN", "2025-01-01T00:00:00.000Z");
    let second = || definition("TLP:AMBER", "2024-01-01T00:00:00.000Z");
    let remove = |row: usize| What::Remove { rows: vec![row] };
    let acts = at(vec![(100, own(vec![marked, first()])), (200, own(vec![second()])), (300, remove(2)), (400, own(vec![second()])), (500, remove(1))]);
    // What came last counts, whatever its version says.
    let found = [150, 250, 350, 450, 550].map(|now_us| verdict(&acts, "bravo", 0, now_us).0);
    assert_eq!(found, [Verdict::Release, Verdict::Withhold, Verdict::Hold, Verdict::Withhold, Verdict::Withhold]);
    assert_eq!([350, 450, 550].map(|now_us| verdict(&acts, "delta", 0, now_us).0), [Verdict::Hold, Verdict::Release, Verdict::Release]);
    // The level that is still defined binds beside what is not read, and a pin replaces both.
    assert_eq!(verdict(&acts, "public", 0, 350).0, Verdict::Withhold);
    let pinned = [&acts[..4], &at(vec![(360, What::Pin(statement(NAMED, "TLP:CLEAR")))])[1..]].concat();
    assert_eq!(verdict(&pinned, "public", 0, 370).0, Verdict::Release);
}

#[test]
fn a_definition_removed_in_another_source_is_not_asked_about() {
    let acts = at(vec![
        (100, own(vec![indicator(&[NAMED]), statement(NAMED, "TLP:GREEN")])),
        (200, feed(vec![statement(NAMED, "TLP:GREEN")])),
        (300, What::Remove { rows: vec![2] }),
    ]);
    assert_eq!(verdict(&acts, "bravo", 0, 350).0, Verdict::Release);
}

#[test]
fn a_part_hidden_later_is_not_in_an_earlier_version() {
    let hiding = || in_part(indicator(&[GREEN]), AMBER, "description");
    let plain = at(vec![(100, own(vec![indicator(&[GREEN])])), (200, own(vec![later(hiding())]))]);
    assert_eq!(verdict(&plain, "bravo", 0, 150).0, Verdict::Release);
    assert_eq!(verdict(&plain, "bravo", 0, 250), (Verdict::Withhold, None));
    let served = verdict(&plain, "bravo", 1, 250).1.unwrap();
    assert_eq!(served.get("description"), None);
    assert_eq!(log(&plain, "bravo", 300), [(0, 100, Some(200)), (1, 200, None)]);
    let removed = [plain, vec![Event { stamp_us: 300, what: What::Remove { rows: vec![1] } }]].concat();
    assert_eq!(verdict(&removed, "bravo", 0, 350), (Verdict::Withhold, None));
    assert_eq!(verdict(&removed, "delta", 0, 350).0, Verdict::Release);
    assert_eq!(log(&removed, "bravo", 400), [(0, 100, Some(200)), (1, 200, Some(300))]);

    let both = at(vec![(100, own(vec![hiding()])), (200, own(vec![later(hiding())]))]);
    let (found, served) = verdict(&both, "bravo", 0, 250);
    assert_eq!((found, served.unwrap().get("description")), (Verdict::Redact, None));
    assert_eq!(log(&both, "bravo", 300), [(0, 100, None), (1, 200, None)]);
}

#[test]
fn a_selector_covers_itself_and_what_is_inside_it() {
    let object = |selectors: &[&str]| {
        let references = json!([{"source_name": "one", "url": "https://example.com/"}, {"source_name": "two"}, {"source_name": "three"}]);
        let object = put(indicator(&[GREEN]), "external_references", references);
        let object = put(put(object, "x_note", json!({"by": "x", "of": "y"})), "x_notes", json!("z"));
        put(object, "granular_markings", json!([{"marking_ref": AMBER, "selectors": selectors}]))
    };
    let earlier = |first: &[&str], second: &[&str]| {
        let acts = at(vec![(100, own(vec![object(first)])), (200, own(vec![later(object(second))]))]);
        verdict(&acts, "bravo", 0, 300).0
    };
    for (first, second) in [
        (&["x_note"][..], &["x_note"][..]),
        (&["x_note"], &["x_note.by"]),
        (&["external_references"], &["external_references.[1]"]),
        (&["external_references", "x_note"], &["x_note.of", "external_references.[1].source_name"]),
    ] {
        assert_eq!(earlier(first, second), Verdict::Redact, "{first:?} {second:?}");
    }
    for (first, second) in [
        (&["x_note"][..], &["x_notes"][..]),
        (&["x_note.by"], &["x_note"]),
        (&["x_note.by", "x_note.of"], &["x_note"]),
        (&["external_references.[0]"], &["external_references.[1]"]),
        // The same place may hold something else in the other version.
        (&["external_references.[0]"], &["external_references.[0]"]),
        (&["external_references.[0]"], &["external_references.[0].url"]),
        (&["external_references.[0]"], &["external_references"]),
        // The whole element goes with its part, but selectors are compared as written.
        (&["external_references.[0].url"], &["external_references.[0]"]),
        (&["x_note"], &["x_note", "description"]),
    ] {
        assert_eq!(earlier(first, second), Verdict::Withhold, "{first:?} {second:?}");
    }
}

#[test]
fn variants_hide_for_one_another() {
    let hiding = |selector: &str| in_part(indicator(&[GREEN]), AMBER, selector);
    let acts = at(vec![(100, own(vec![hiding("description"), put(hiding("x_a"), "x_a", json!(1))]))]);
    assert_eq!([0, 1].map(|row| verdict(&acts, "bravo", row, 200).0), [Verdict::Withhold; 2]);
    assert_eq!([0, 1].map(|row| verdict(&acts, "delta", row, 200).0), [Verdict::Release; 2]);
}

#[test]
fn a_grant_to_the_row_that_hides_counts() {
    let first = indicator(&[GREEN, UNKNOWN]);
    let second = in_part(later(first.clone()), UNKNOWN, "description");
    let granted = |rows: &[usize]| {
        let grants = rows.iter().map(|row| (300, What::Grant { recipient: "bravo".to_owned(), row: *row }));
        let commits = [(100, own(vec![first.clone()])), (200, own(vec![second.clone()]))];
        let acts = at(commits.into_iter().chain(grants).collect());
        [0, 1].map(|row| verdict(&acts, "bravo", row, 400).0)
    };
    assert_eq!(granted(&[]), [Verdict::Hold, Verdict::Hold]);
    assert_eq!(granted(&[1]), [Verdict::Hold, Verdict::Release]);
    assert_eq!(granted(&[0]), [Verdict::Withhold, Verdict::Hold]);
    assert_eq!(granted(&[0, 1]), [Verdict::Release, Verdict::Release]);
}

#[test]
fn no_grant_to_a_removed_row_counts() {
    let first = indicator(&[GREEN, UNKNOWN]);
    let second = in_part(later(first.clone()), UNKNOWN, "description");
    let grant = |row: usize| What::Grant { recipient: "bravo".to_owned(), row };
    let acts = at(vec![(100, own(vec![first])), (200, own(vec![second])), (300, grant(0)), (400, grant(1)), (500, What::Remove { rows: vec![1] })]);
    assert_eq!([350, 450, 550].map(|now_us| verdict(&acts, "bravo", 0, now_us).0), [Verdict::Withhold, Verdict::Release, Verdict::Withhold]);
    assert_eq!(log(&acts, "bravo", 600), [(0, 400, Some(500)), (1, 401, Some(500))]);
}

#[test]
fn without_a_version_what_was_removed_hides_what_it_hid() {
    let hiding = |name: &str| in_part(put(put(file(name), "hashes", json!({"MD5": "0"})), "size", json!(1)), AMBER, "size");
    let plain = |name: &str| put(put(file(name), "hashes", json!({"MD5": "0"})), "size", json!(1));
    let gone = |row: usize| (900, What::Remove { rows: vec![row] });
    let later = at(vec![(100, own(vec![plain("a")])), (200, own(vec![hiding("b")])), gone(1)]);
    assert_eq!([150, 250, 950].map(|now_us| verdict(&later, "bravo", 0, now_us).0), [Verdict::Release, Verdict::Withhold, Verdict::Withhold]);
    let together = at(vec![(100, own(vec![plain("a"), hiding("b")])), gone(1)]);
    assert_eq!([150, 950].map(|now_us| verdict(&together, "bravo", 0, now_us).0), [Verdict::Withhold, Verdict::Release]);
}

#[test]
fn a_row_withheld_for_its_parts_is_a_denied_target() {
    let hiding = later(in_part(indicator(&[GREEN]), AMBER, "pattern"));
    let about = with(malware(2, CLEAR), "x_about_ref", INDICATOR);
    let link = relationship(INDICATOR, &malware_id(1));
    let acts = at(vec![(100, own(vec![indicator(&[GREEN]), malware(1, CLEAR), link, about])), (200, own(vec![hiding]))]);
    assert_eq!([0, 2, 3].map(|row| verdict(&acts, "bravo", row, 150).0), [Verdict::Release; 3]);
    let expected = [Verdict::Withhold, Verdict::Withhold, Verdict::Redact, Verdict::Withhold];
    assert_eq!([0, 2, 3, 4].map(|row| verdict(&acts, "bravo", row, 250).0), expected);
}

#[test]
fn a_removed_target_counts_as_if_it_were_still_there() {
    let linked = |targets: Vec<Value>, acts: &[What]| {
        let mut objects = vec![malware(1, CLEAR), relationship(INDICATOR, &malware_id(1))];
        objects.extend(targets);
        let acts = [own(objects)].into_iter().chain(acts.iter().cloned());
        verdict(&at((100..).step_by(100).zip(acts).collect()), "bravo", 1, 9_000).0
    };
    let remove = |rows: &[usize]| What::Remove { rows: rows.to_vec() };
    let variant = with(indicator(&[AMBER]), "description", "another text");
    let twins = || vec![indicator(&[GREEN]), variant.clone()];
    assert_eq!(linked(twins(), &[]), Verdict::Withhold);
    assert_eq!(linked(twins(), &[remove(&[2, 3])]), Verdict::Withhold);
    // The twin that remains is bound no more, and may be held.
    assert_eq!(linked(twins(), &[remove(&[3])]), Verdict::Release);
    let parts = || vec![indicator(&[GREEN]), later(in_part(indicator(&[GREEN]), AMBER, "pattern"))];
    assert_eq!(linked(parts(), &[remove(&[2, 3])]), Verdict::Withhold);
    assert_eq!(linked(parts(), &[remove(&[3])]), Verdict::Withhold);
    assert_eq!(linked(parts(), &[remove(&[2])]), Verdict::Withhold);
    // Of these the later may be held, without its text, and may be still when it is gone.
    let texts = || vec![indicator(&[GREEN]), later(in_part(indicator(&[GREEN]), AMBER, "description"))];
    assert_eq!(linked(texts(), &[remove(&[3])]), Verdict::Release);
    assert_eq!(linked(texts(), &[remove(&[2, 3])]), Verdict::Release);
    // Removed with what bound it, a version is bound by it as before.
    let raised = || vec![indicator(&[GREEN]), later(indicator(&[AMBER]))];
    assert_eq!(linked(raised(), &[remove(&[2]), remove(&[3])]), Verdict::Withhold);
    assert_eq!(linked(raised(), &[remove(&[3]), own(vec![put(later(indicator(&[GREEN])), "x_a", json!(1))])]), Verdict::Release);
    let strange = || vec![indicator(&[GREEN, UNKNOWN])];
    let grant = What::Grant { recipient: "bravo".to_owned(), row: 2 };
    assert_eq!(linked(strange(), &[]), Verdict::Withhold);
    assert_eq!(linked(strange(), std::slice::from_ref(&grant)), Verdict::Release);
    assert_eq!(linked(strange(), &[grant, remove(&[2])]), Verdict::Withhold);
}

#[test]
fn a_copy_keeps_one_of_what_its_type_needs_one_of() {
    let found = |object: Value, selector: &str| {
        let acts = at(vec![(100, own(vec![in_part(object, AMBER, selector)]))]);
        verdict(&acts, "bravo", 0, 200).0
    };
    let hashed = || put(file("a"), "hashes", json!({"MD5": "d41d8cd98f00b204e9800998ecf8427e"}));
    let without = |mut object: Value, key: &str| {
        object.as_object_mut().unwrap().remove(key);
        object
    };
    assert_eq!(found(hashed(), "name"), Verdict::Redact);
    assert_eq!(found(hashed(), "hashes.MD5"), Verdict::Redact);
    assert_eq!(found(file("a"), "name"), Verdict::Withhold);
    assert_eq!(found(without(hashed(), "name"), "hashes.MD5"), Verdict::Withhold);
    // What the object never had is not lost.
    assert_eq!(found(put(without(file("a"), "name"), "size", json!(1)), "size"), Verdict::Redact);

    let address = json!({"type": "ipv4-addr", "id": "ipv4-addr--00000000-0000-4000-8000-000000000301", "value": "192.0.2.7",
        "object_marking_refs": [RED]});
    let analysis = json!({
        "type": "malware-analysis", "spec_version": "2.1", "id": "malware-analysis--00000000-0000-4000-8000-000000000005",
        "created": "2025-01-01T00:00:00Z", "modified": "2025-01-01T00:00:00Z", "product": "sieve", "result": "malicious",
        "object_marking_refs": [GREEN],
    });
    let seen = || put(analysis.clone(), "analysis_sco_refs", json!([address["id"]]));
    assert_eq!(found(analysis.clone(), "result"), Verdict::Withhold);
    assert_eq!(found(seen(), "result"), Verdict::Redact);
    let denied = |object: Value| verdict(&at(vec![(100, own(vec![address.clone(), object]))]), "bravo", 1, 200).0;
    assert_eq!(denied(seen()), Verdict::Redact);
    assert_eq!(denied(without(seen(), "result")), Verdict::Withhold);
}

#[test]
fn moments_are_read() {
    assert_eq!(moment_us("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(moment_us("2026-01-01T00:00:00.5Z"), Some(1_767_225_600_500_000));
    assert_eq!(moment_us("2024-02-29T00:00:00.0000001Z"), Some(1_709_164_800_000_001));
    assert_eq!(moment_us("2023-02-29T00:00:00Z"), None);
    assert_eq!(moment_us("2023-02-28T00:00:00+00:00"), None);
}
