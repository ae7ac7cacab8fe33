//! The search database: it finds what is there, forgets what is gone, and may be lost.
//! The rule: a search never says more than the copy that its reader is served.

use std::path::Path;

use polder_release::Form;
use polder_stix::Id;
use polder_store::{Act, Find, Store};
use serde_json::{Value, json};

use crate::damage::{GREEN, RED, ids, ingest, open, tool};
use crate::scripts::{page, temporary};

fn named(n: u32, name: &str) -> Value {
    let mut object = tool(n, 1, GREEN);
    object["name"] = json!(name);
    object
}

/// What a recipient finds by a word, newest first.
fn found(store: &Store, recipient: &str, word: &str) -> Vec<String> {
    let find = Find { words: vec![word.to_owned()], ..Find::default() };
    let queries = store.candidates(recipient, &find).unwrap();
    let pages = queries.flat_map(|query| page(store, recipient, &query, Form::Whole).unwrap().items.into_iter().rev());
    pages.map(|item| serde_json::from_slice::<Value>(&item.bytes).unwrap()["name"].as_str().unwrap().to_owned()).collect()
}

fn has_bytes(dir: &Path, word: &str) -> Vec<String> {
    let holds = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).to_lowercase().contains(word);
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file() && holds(path)).map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn words_of_what_was_removed_are_nowhere() {
    let dir = temporary();
    let store = open(dir.path()).unwrap();
    ingest(&store, &[named(1, "Quetzalcoatl"), named(2, "Other")]);
    assert_eq!(found(&store, "alfa", "quetz"), ["Quetzalcoatl"]);
    assert!(!has_bytes(dir.path(), "quetzalcoatl").is_empty());
    let rows = store.rows_of(&Id::parse(tool(1, 1, GREEN)["id"].as_str().unwrap()).unwrap());
    store.act(Act::Remove(rows.iter().map(|row| row.row).collect()), "test").unwrap();
    assert_eq!((found(&store, "alfa", "quetz"), has_bytes(dir.path(), "quetzalcoatl")), (vec![], vec![]));
    assert_eq!(found(&store, "alfa", "other"), ["Other"]);
    drop(store);
    assert_eq!(has_bytes(dir.path(), "quetzalcoatl"), Vec::<String>::new());
}

#[test]
fn what_is_hidden_from_a_reader_it_does_not_find() {
    let dir = temporary();
    let store = open(dir.path()).unwrap();
    let mut object = named(1, "Open");
    object["aliases"] = json!(["Hidden"]);
    object["granular_markings"] = json!([{"marking_ref": RED, "selectors": ["aliases"]}]);
    ingest(&store, &[object]);
    assert_eq!((found(&store, "alfa", "hidden"), found(&store, "bravo", "hidden")), (vec!["Open".to_owned()], vec![]));
    assert_eq!(store.what_has("bravo").unwrap(), [], "what was looked at and not found was not sent");
    assert_eq!(found(&store, "bravo", "open"), ["Open"]);
}

#[test]
fn a_search_database_that_is_lost_or_of_another_state_is_built_again() {
    let dir = temporary();
    let (here, before) = (dir.path(), temporary());
    let store = open(here).unwrap();
    ingest(&store, &[named(1, "first")]);
    drop(store);
    std::fs::copy(here.join("store.db"), before.path().join("store.db")).unwrap();
    let store = open(here).unwrap();
    ingest(&store, &[named(2, "second")]);
    assert_eq!(found(&store, "alfa", "second"), ["second"]);
    drop(store);
    // An older copy of the store is put back, and something else comes in under the same number.
    std::fs::copy(before.path().join("store.db"), here.join("store.db")).unwrap();
    let store = open(here).unwrap();
    ingest(&store, &[named(3, "third")]);
    assert_eq!(["first", "second", "third"].map(|word| found(&store, "alfa", word).len()), [1, 0, 1]);
    drop(store);
    let damage: [fn(&Path); 3] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::write(path, b"no database").unwrap(),
        |path| std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(6000).unwrap(),
    ];
    for (n, damage) in damage.into_iter().enumerate() {
        damage(&here.join("search.db"));
        let store = open(here).unwrap();
        assert_eq!(found(&store, "alfa", "third"), ["third"], "damage {n}");
        assert_eq!(ids(&store, "alfa").len(), 2);
    }
}
