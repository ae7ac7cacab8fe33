//! Granular markings: which part of an object an entry is about.
//! The rule: an entry that points nowhere is about everything.

use std::collections::BTreeSet;

use serde_json::Value;

use super::removal::{Path, Step, read_selector, resolves};

/// One entry of `granular_markings` that carries a marking.
#[derive(Debug, Clone)]
pub(super) struct Marked {
    pub(super) index: usize,
    pub(super) marking: String,
    selectors: Vec<String>,
}

impl Marked {
    /// What goes when this entry denies: the leaf, or the whole element at the first index.
    pub(super) fn paths(&self) -> impl Iterator<Item = Path> {
        self.selectors.iter().map(|selector| {
            let path = read_selector(selector);
            let through = path.iter().position(|step| matches!(step, Step::Index(_)));
            path.into_iter().take(through.map_or(usize::MAX, |index| index + 1)).collect()
        })
    }

    fn is_pointed(&self, object: &Value) -> bool {
        !self.selectors.is_empty() && self.selectors.iter().all(|selector| selects(object, selector))
    }
}

/// Is every selector of `others` one of `ones`, or of something inside one of `ones`? A place in a list covers nothing.
pub(super) fn cover(ones: &[Marked], others: &[Marked]) -> bool {
    let selectors = |list: &[Marked]| list.iter().flat_map(|entry| entry.selectors.clone()).collect::<Vec<String>>();
    let ones: Vec<String> = selectors(ones).into_iter().filter(|one| !one.contains('[')).collect();
    let covers = |one: &String, other: &String| one == other || other.starts_with(&format!("{one}."));
    selectors(others).iter().all(|other| ones.iter().any(|one| covers(one, other)))
}

/// The markings of entries that count as markings of the whole object.
pub(super) fn of_whole_object(object: &Value) -> BTreeSet<String> {
    entries(object).into_iter().filter(|entry| !entry.is_pointed(object)).map(|entry| entry.marking).collect()
}

/// The entries that are about parts.
pub(super) fn of_parts(object: &Value) -> Vec<Marked> {
    entries(object).into_iter().filter(|entry| entry.is_pointed(object)).collect()
}

fn entries(object: &Value) -> Vec<Marked> {
    let list = object.get("granular_markings").and_then(Value::as_array);
    let marked = |(index, entry): (usize, &Value)| {
        let marking = entry.get("marking_ref")?.as_str()?.to_owned();
        let selectors = entry.get("selectors").and_then(Value::as_array).into_iter().flatten();
        let selectors = selectors.map(|selector| selector.as_str().unwrap_or_default().to_owned()).collect();
        Some(Marked { index, marking, selectors })
    };
    list.into_iter().flatten().enumerate().filter_map(marked).collect()
}

/// Markings are no part that can be taken out: a selector of them points nowhere.
fn selects(object: &Value, selector: &str) -> bool {
    let path = read_selector(selector);
    let marks = |key: &str| path.first() == Some(&Step::Key(key.to_owned()));
    !selector.is_empty() && !marks("granular_markings") && !marks("object_marking_refs") && resolves(object, &path)
}
