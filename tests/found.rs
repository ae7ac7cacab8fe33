//! Defects that random scripts found, each told once as a short script.
//! The rule: a test is named after what went wrong, and says by hand what is right.

use polder_release::Form;
use serde_json::{Value, json};

use crate::oracle::Directory;
use crate::oracle::alliance::{
    AMBER, CLEAR, GREEN, INDICATOR, NAMED, OTHER, RED, STRICT, audience, directory, in_part, indicator, later, malware, malware_id, names, put, relationship,
    report, with,
};
use crate::scripts::{Do, Node, RowRef, START_US, Step, read_all};
use crate::store_vs_oracle::check;

/// The steps, a second apart, after the directory.
fn script(acts: Vec<Do>) -> Vec<Step> {
    let acts = [Do::Directory(directory())].into_iter().chain(acts);
    acts.zip(0u32..).map(|(what, key)| Step { key, at_us: START_US + i64::from(key) * 1_000_000, what }).collect()
}

fn own(objects: Vec<Value>) -> Do {
    Do::Commit { source: 0, objects }
}

/// Removes an object that a step brought.
fn remove(step: u32, nth: usize) -> Do {
    Do::Remove(vec![RowRef { key: step, nth }])
}

fn removed(step: u32) -> Do {
    remove(step, 0)
}

/// What the recipient is served in the end, with positions; the oracle has to agree on all of it.
fn served(acts: Vec<Do>, recipient: &str) -> Vec<(u32, Value)> {
    let steps = script(acts);
    check(&steps).unwrap();
    let node = Node::of(&steps).unwrap();
    let items = read_all(node.store(), recipient, Form::Whole, 100).unwrap();
    items.iter().map(|item| (item.entry.position, serde_json::from_slice(&item.bytes).unwrap())).collect()
}

#[test]
fn a_copy_was_served_without_its_type() {
    for selector in ["type", "id", "spec_version", "modified"] {
        assert_eq!(served(vec![own(vec![in_part(indicator(&[GREEN]), AMBER, selector)])], "bravo"), [], "{selector}");
    }
}

#[test]
fn parts_of_a_required_list_went_together() {
    let object = put(
        report(&[INDICATOR, &malware_id(1)]),
        "granular_markings",
        json!([
            {"marking_ref": AMBER, "selectors": ["object_refs.[0]"]}, {"marking_ref": STRICT, "selectors": ["object_refs.[1]"]},
        ]),
    );
    // One may go, not both, and what is not served must not be listed either: `check` compares the lists.
    assert_eq!(served(vec![own(vec![object.clone()])], "bravo"), []);
    let for_client = served(vec![own(vec![object])], "delta");
    assert_eq!(for_client[0].1["object_refs"], json!([INDICATOR]));
}

#[test]
fn one_of_two_equal_references_was_taken_for_both() {
    let object = in_part(report(&[INDICATOR, INDICATOR]), AMBER, "object_refs.[0]");
    assert_eq!(served(vec![own(vec![object])], "bravo")[0].1["object_refs"], json!([INDICATOR]));
}

#[test]
fn a_marking_that_points_nowhere_was_applied_to_a_part_too() {
    let object = in_part(indicator(&[AMBER]), GREEN, "no_such");
    assert_eq!(served(vec![own(vec![object.clone()])], "echo"), [(0, object)]);
}

#[test]
fn what_hides_inside_a_hidden_part_made_a_new_entry() {
    let object = in_part(put(malware(1, CLEAR), "x_list", json!([INDICATOR, "text"])), AMBER, "x_list");
    let then = served(vec![own(vec![object]), Do::Poll("bravo".to_owned()), own(vec![indicator(&[RED])])], "bravo");
    assert_eq!(then.len(), 1);
    assert_eq!((then[0].0, then[0].1.get("x_list")), (0, None), "the arrival of what is hidden shows");
}

#[test]
fn the_same_removal_by_another_marking_made_a_new_entry() {
    let parts = json!([{"marking_ref": RED, "selectors": ["description"]}, {"marking_ref": NAMED, "selectors": ["description"]}]);
    let object = put(indicator(&[CLEAR]), "granular_markings", parts);
    let defined = audience(NAMED, &names(&["charlie"]));
    // To a person of the house an unread marking is no bar, and one that names others is.
    let then = served(vec![own(vec![object]), own(vec![put(defined, "object_marking_refs", json!([OTHER]))])], "p-alpha");
    assert_eq!(then.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [0]);
}

#[test]
fn an_id_where_a_text_belongs_was_listed_and_not_served() {
    let object = with(indicator(&[CLEAR]), "pattern", &malware_id(1));
    assert_eq!(served(vec![own(vec![malware(1, RED), object])], "bravo"), []);
}

#[test]
fn a_reference_to_itself_was_no_reference() {
    let itself = "report--00000000-0000-4000-8000-000000000004";
    let objects = vec![indicator(&[RED]), report(&[INDICATOR, itself])];
    assert_eq!(served(vec![own(objects)], "bravo")[0].1["object_refs"], json!([itself]));
}

#[test]
fn removing_the_version_that_raised_the_marking_let_the_earlier_one_out() {
    let acts = || vec![own(vec![indicator(&[GREEN])]), own(vec![later(indicator(&[RED]))]), removed(2)];
    assert_eq!(served(acts(), "bravo"), []);
    let after_a_restart = acts().into_iter().chain([Do::Reopen, own(vec![malware(1, GREEN)])]).collect();
    assert_eq!(served(after_a_restart, "bravo"), [(1, malware(1, GREEN))]);
    // The same version may come again with another marking: its owner corrects it.
    let again = vec![own(vec![indicator(&[RED])]), removed(1), own(vec![indicator(&[GREEN])])];
    assert_eq!(served(again, "bravo"), [(0, indicator(&[GREEN]))]);
}

#[test]
fn removing_an_object_let_out_what_was_withheld_for_it() {
    let link = || relationship(INDICATOR, &malware_id(1));
    let acts = vec![own(vec![indicator(&[GREEN]), malware(1, RED), put(link(), "object_marking_refs", json!([GREEN]))]), remove(1, 1)];
    assert_eq!(served(acts, "bravo"), [(0, indicator(&[GREEN]))]);
    // One that bravo could hold takes nothing with it.
    let open = vec![own(vec![indicator(&[GREEN]), malware(1, GREEN), put(link(), "object_marking_refs", json!([GREEN]))]), remove(1, 1)];
    assert_eq!(served(open, "bravo").len(), 2);
}

#[test]
fn what_a_later_version_hides_was_to_be_had_from_an_earlier_one() {
    let first = || put(indicator(&[GREEN]), "description", json!("at the gate"));
    let hides = |selector: &str| later(in_part(first(), RED, selector));
    let late = served(vec![own(vec![first()]), own(vec![hides("description")])], "bravo");
    assert_eq!(late.len(), 1, "the first version stays away");
    assert!(late[0].1["modified"] == hides("description")["modified"] && late[0].1.get("description").is_none());
    let both = served(vec![own(vec![in_part(first(), RED, "description")]), own(vec![hides("description")])], "bravo");
    assert_eq!(both.len(), 2, "what both hide, neither withholds");
    let removed = served(vec![own(vec![first()]), own(vec![hides("description")]), removed(2)], "bravo");
    assert_eq!(removed, []);
}

#[test]
fn an_element_that_a_later_version_moved_and_hides_was_to_be_had_from_the_earlier_one() {
    let with = |first: &str, second: &str| in_part(put(indicator(&[GREEN]), "labels", json!([first, second])), RED, "labels.[0]");
    let then = served(vec![own(vec![with("harmless", "secret")]), own(vec![later(with("secret", "harmless"))])], "bravo");
    assert_eq!(then.len(), 1);
    assert_eq!(then[0].1["labels"], json!(["harmless"]));
}

#[test]
fn many_versions_with_many_hidden_parts_took_minutes() {
    let version = |n: usize| {
        let selectors: Vec<String> = (0..300).map(|k| format!("x_part.k{k}")).collect();
        let part: Value = (0..300).map(|k| (format!("k{k}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
        let object = put(with(indicator(&[GREEN]), "modified", &format!("2025-02-01T00:{:02}:{:02}Z", n / 60, n % 60)), "x_part", part);
        put(object, "granular_markings", json!([{"marking_ref": RED, "selectors": selectors}]))
    };
    let started = std::time::Instant::now();
    let node = Node::of(&script(vec![own((0..200).map(version).collect())])).unwrap();
    let items = read_all(node.store(), "bravo", Form::Listed, 1000).unwrap();
    // The rest have more later versions, or more selectors to compare with, than are looked at.
    assert!((1..64).contains(&items.len()), "{}", items.len());
    // Not a measurement: it took a minute.
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn a_restart_forgot_how_rows_were_labelled() {
    // At first GREEN shows it to bravo; AMBER then takes it away, and the third arrives after that.
    let acts = vec![own(vec![indicator(&[GREEN])]), own(vec![later(indicator(&[AMBER]))]), Do::Reopen, own(vec![malware(1, GREEN)])];
    assert_eq!(served(acts, "bravo"), [(1, malware(1, GREEN))], "position 0 is the entry that has gone");
}

#[test]
fn who_left_and_came_back_after_a_restart_began_a_second_log() {
    let mut without = directory();
    without.recipients.retain(|it| it.id != "bravo");
    let away = || Do::Directory(without.clone());
    let back = || Do::Directory(Directory { ..directory() });
    let acts = vec![own(vec![indicator(&[GREEN])]), Do::Poll("bravo".to_owned()), away(), Do::Reopen, back()];
    assert_eq!(served(acts, "bravo"), [(1, indicator(&[GREEN]))], "the ledger speaks of position 0");
}

#[test]
fn a_window_opened_a_fraction_of_a_microsecond_early() {
    let object = indicator(&[NAMED]);
    for (edge, at, shown) in
        [("not_before", "2026-01-01T00:00:02.0000001Z", 0), ("not_before", "2026-01-01T00:00:02Z", 2), ("not_after", "2026-01-01T00:00:02.0000001Z", 2)]
    {
        let names = with(names(&["bravo"]), edge, at);
        let steps = script(vec![own(vec![audience(NAMED, &names), object.clone()]), Do::Poll("bravo".to_owned())]);
        check(&steps).unwrap();
        let mut seen = Vec::new();
        Node::run(&steps, &mut |node, recipient, _| {
            seen.push(read_all(node.store(), recipient, Form::Listed, 100)?.len());
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [shown], "{edge} {at}");
    }
}
