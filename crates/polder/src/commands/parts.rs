//! Parts of an object that are kept from somebody, from one version to the next.
//!
//! The rule: what was kept stays kept, wherever in its list it stands by now; a part that is gone needs no mark.

use std::collections::{BTreeSet, HashSet};

use polder_stix::selector::{self, Step};
use serde_json::Value;

/// Selectors (STIX 2.1 section 7.2.3.1) of what is kept from somebody.
#[derive(Debug, Default)]
pub(super) struct Kept(HashSet<String>);

impl Kept {
    pub(super) fn of<'s>(selectors: impl IntoIterator<Item = &'s str>) -> Self {
        Self(selectors.into_iter().filter_map(selector::parse).map(|steps| selector::write(&steps)).collect())
    }

    /// Is this place kept, or something that it is in?
    pub(super) fn covers(&self, place: &str) -> bool {
        let ends = place.match_indices('.').map(|(at, _)| at).chain([place.len()]);
        ends.filter_map(|end| place.get(..end)).any(|within| self.0.contains(within))
    }
}

/// Does a version show what was kept in the one before it, if by now that is kept which `kept` says? What stands elsewhere counts as known only where no
/// mark kept it.
pub(super) fn shows(was: &Value, is: &Value, (before, marked): (&Kept, &Kept), kept: &dyn Fn(&str) -> bool) -> bool {
    let parse = |text: &String| selector::parse(text);
    let places: BTreeSet<Vec<Option<Step>>> = before.0.iter().filter_map(parse).map(|steps| steps.into_iter().map(any_index).collect()).collect();
    places.iter().any(|place| {
        let (secret, rest): (Vec<_>, Vec<_>) = at(was, place).into_iter().partition(|(place, _)| before.covers(place));
        let plain: Vec<_> = rest.into_iter().filter(|(place, _)| !marked.covers(place)).collect();
        let plain_whole: HashSet<String> = plain.iter().map(|(_, value)| value.to_string()).collect();
        let plain_words: HashSet<&str> = plain.iter().flat_map(|(_, value)| words(value)).collect();
        let words_kept: HashSet<&str> = secret.iter().flat_map(|(_, value)| words(value)).filter(|word| !plain_words.contains(word)).collect();
        let whole_kept: HashSet<String> = secret.iter().map(|(_, value)| value.to_string()).collect();
        let shown = |(place, value): &(String, &Value)| {
            let whole = value.to_string();
            let is_old = plain_whole.contains(&whole);
            !kept(place) && !is_old && (before.covers(place) || whole_kept.contains(&whole) || words(value).iter().any(|word| words_kept.contains(word)))
        };
        at(is, place).iter().any(shown)
    })
}

/// The same place in every element of a list.
fn any_index(step: Step) -> Option<Step> {
    match step {
        Step::Key(_) => Some(step),
        Step::Index(_) => None,
    }
}

/// What stands at such places, with their selectors.
fn at<'v>(value: &'v Value, steps: &[Option<Step>]) -> Vec<(String, &'v Value)> {
    let mut all = vec![(String::new(), value)];
    for step in steps {
        let mut next = Vec::new();
        for (place, value) in all {
            let within = |step: String| if place.is_empty() { step } else { format!("{place}.{step}") };
            match (step, value) {
                (Some(Step::Key(key)), Value::Object(map)) => next.extend(map.get(key).map(|value| (within(key.clone()), value))),
                (None, Value::Array(list)) => next.extend(list.iter().enumerate().map(|(n, value)| (within(format!("[{n}]")), value))),
                _ => {}
            }
        }
        all = next;
    }
    all
}

/// The texts in a value, without those that name where something is from: many parts have these in common.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(words).collect(),
        Value::Object(map) => {
            let said = map.iter().filter(|(key, _)| !matches!(key.as_str(), "source_name" | "kill_chain_name"));
            said.flat_map(|(_, value)| words(value)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(what: &str, was: &Value, is: &Value, (before, now): (&[&str], &[&str]), want: bool) {
        let (before, now) = (Kept::of(before.iter().copied()), Kept::of(now.iter().copied()));
        assert_eq!(shows(was, is, (&before, &before), &|place| now.covers(place)), want, "{what}");
    }

    #[test]
    fn what_another_mark_keeps_is_not_known_to_all() {
        let (value, marks) = (json!({"l": ["s", "s", "p"]}), Kept::of(["l.[0]", "l.[1]"]));
        let (one, other) = (Kept::of(["l.[0]"]), Kept::of(["l.[1]"]));
        assert!(shows(&value, &value, (&one, &marks), &|place| other.covers(place)), "the other mark is no reason to drop this one");
        assert!(!shows(&value, &value, (&one, &one), &|place| other.covers(place)), "where nothing keeps the other one it is known");
    }

    #[test]
    fn what_was_kept_stays_kept() {
        let l = |all: &[&str]| json!({"l": all});
        let (first, second): (&[&str], &[&str]) = (&["l.[0]"], &["l.[1]"]);
        check("nothing changes", &l(&["s", "p"]), &l(&["s", "p"]), (first, first), false);
        check("the mark is gone", &l(&["s", "p"]), &l(&["s", "p"]), (first, &[]), true);
        check("the part is gone", &l(&["s", "p"]), &l(&["p"]), (first, &[]), false);
        check("it moves with its mark", &l(&["s", "p"]), &l(&["p", "s"]), (first, second), false);
        check("it moves and its mark stays", &l(&["s", "p"]), &l(&["p", "s"]), (first, first), true);
        check("another text in its place", &l(&["s", "p"]), &l(&["other", "p"]), (first, first), false);
        check("another text in its place without the mark", &l(&["s", "p"]), &l(&["other", "p"]), (first, &[]), true);
        check("another one joins it", &l(&["s", "p"]), &l(&["s", "p", "q"]), (first, first), false);
        check("the whole list is kept by now", &l(&["s", "p"]), &l(&["p", "s"]), (first, &["l"]), false);
        check("a part of what was kept", &l(&["s", "p"]), &l(&["s", "p"]), (&["l"], first), true);
        check("the same text was there for all", &l(&["s", "s"]), &l(&["s", "s"]), (first, &[]), false);
        check("a property", &json!({"x": "s"}), &json!({"x": "t"}), (&["x"], &["x"]), false);
        check("a property without its mark", &json!({"x": "s"}), &json!({"x": "t"}), (&["x"], &[]), true);
        check("a property that is gone", &json!({"x": "s"}), &json!({}), (&["x"], &[]), false);
        check("a dictionary is kept whole", &json!({"x": {"y": "s"}}), &json!({"x": {"y": "s"}}), (&["x.y"], &["x"]), false);
        let e = |all: &[(&str, &str)]| json!({"e": all.iter().map(|(n, u)| json!({"source_name": n, "url": u})).collect::<Vec<_>>()});
        check("an element moves, is changed, and loses its mark", &e(&[("a", "s"), ("b", "p")]), &e(&[("b", "p"), ("c", "s")]), (&["e.[0]"], &["e.[0]"]), true);
        check("one from the same place joins", &e(&[("a", "s")]), &e(&[("a", "s"), ("a", "q")]), (&["e.[0]"], &["e.[0]"]), false);
        check("within an element", &e(&[("a", "s"), ("b", "p")]), &e(&[("b", "p"), ("a", "s")]), (&["e.[0].url"], &["e.[1].url"]), false);
        check("within an element, moved", &e(&[("a", "s"), ("b", "p")]), &e(&[("b", "p"), ("a", "s")]), (&["e.[0].url"], &["e.[0].url"]), true);
    }
}
