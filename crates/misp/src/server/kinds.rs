//! The attribute types and categories MISP has.
//!
//! The rule: data/types.tsv is the list; nothing here knows a type by name.

use serde_json::{Map, Value, json};

const LIST: &str = include_str!("../../data/types.tsv");

/// One type.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) category: &'static str,
    pub(crate) to_ids: bool,
    categories: Vec<&'static str>,
}

fn categories() -> Vec<&'static str> {
    LIST.lines().find_map(|line| line.strip_prefix('@')).map(|line| line.split(';').collect()).unwrap_or_default()
}

/// Every type.
pub(crate) fn all() -> impl Iterator<Item = Kind> {
    let names = categories();
    LIST.lines().filter_map(move |line| {
        let mut cells = line.split('\t');
        let (name, category, to_ids, may) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        let categories = may.split(';').filter_map(|n| names.get(n.parse::<usize>().ok()?).copied()).collect();
        Some(Kind { name, category, to_ids: to_ids == "1", categories })
    })
}

/// A type by name.
pub(crate) fn find(name: &str) -> Option<Kind> {
    all().find(|kind| kind.name == name)
}

/// As `attributes/describeTypes` tells it.
pub(crate) fn described() -> Value {
    let defaults: Map<String, Value> = all().map(|k| (k.name.to_owned(), json!({"default_category": k.category, "to_ids": u8::from(k.to_ids)}))).collect();
    let mappings: Map<String, Value> = categories()
        .into_iter()
        .map(|category| (category.to_owned(), all().filter(|k| k.categories.contains(&category)).map(|k| k.name).collect::<Vec<_>>().into()))
        .collect();
    let types: Vec<&str> = all().map(|k| k.name).collect();
    json!({"result": {"sane_defaults": defaults, "types": types, "categories": categories(), "category_type_mappings": mappings}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_types_and_categories_are_there() {
        let described = &described()["result"];
        assert_eq!((described["types"].as_array().unwrap().len(), described["categories"].as_array().unwrap().len()), (194, 16));
        for kind in all() {
            assert!(kind.categories.contains(&kind.category), "{}", kind.name);
        }
    }
}
