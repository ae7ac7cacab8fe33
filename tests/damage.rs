//! What a reviewer found by damaging the disk and by hostile graphs.
//! The rule: what can no longer be read withholds more, never less; and no answer takes longer than its limit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use polder_release::{Alliance, DefaultLabel, Form, Kind, Member, Origin, Outbound, Policy, Recipient};
use polder_stix::Id;
use polder_store::{ManualClock, Query, Setup, Source, Store, Versions, prepare};
use serde_json::{Value, json};

use crate::scripts::temporary;

const NOW_US: i64 = 1_790_000_000_000_000;
pub(crate) const GREEN: &str = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da";
pub(crate) const RED: &str = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed";

pub(crate) fn open(dir: &Path) -> Result<Store, polder_store::Error> {
    let member = |id: &str| (id.into(), Member { id: id.into(), identity: None, client_of: [].into(), in_alliance: true });
    let alliance = Alliance { holder: "alfa".into(), members: BTreeMap::from([member("alfa"), member("bravo")]), groups: BTreeMap::new() };
    let recipients = ["alfa", "bravo"].map(|id| Recipient::new(id, Kind::Organisation, Some(id))).into();
    let sources = vec![Source { name: "own".into(), origin: Origin::Own, default: DefaultLabel::default() }];
    let policy = Policy { alliance, recipients, standing: Vec::new() };
    Store::open(dir, Setup { policy, sources, clock: Arc::new(ManualClock::at(NOW_US)), accept_clock: false })
}

pub(crate) fn ingest(store: &Store, objects: &[Value]) {
    let ready = objects.iter().map(|o| prepare(&o.to_string(), NOW_US).unwrap()).collect();
    store.ingest("own", None, ready).unwrap();
}

pub(crate) fn ids(store: &Store, recipient: &str) -> Vec<String> {
    let query = Query { versions: Versions { all: true, ..Versions::default() }, ..Query::default() };
    let released = store.page(recipient, &query, Form::Whole).unwrap();
    let page = Outbound::new(store.recipient_number(recipient).unwrap(), store).pass(released).unwrap();
    page.items.iter().map(|i| i.entry.id.to_string()).collect()
}

fn id(kind: &str, n: u32) -> String {
    Id { kind: kind.into(), uuid: 0x4000_8000_0000_0000_0000 + u128::from(n) }.to_string()
}

pub(crate) fn tool(n: u32, day: u32, marking: &str) -> Value {
    json!({"type": "tool", "spec_version": "2.1", "id": id("tool", n), "created": "2025-01-01T00:00:00.000Z", "modified": format!("2025-01-{day:02}T00:00:00.000Z"),
        "name": format!("tool of day {day}"), "object_marking_refs": [marking]})
}

fn relationship(n: u32, from: &str, to: &str) -> Value {
    json!({"type": "relationship", "spec_version": "2.1", "id": id("relationship", n), "created": "2025-01-01T00:00:00.000Z", "modified": "2025-01-01T00:00:00.000Z",
        "relationship_type": "related-to", "source_ref": from, "target_ref": to, "object_marking_refs": [GREEN]})
}

/// Flips a bit of a row's number of references, so that its checksum no longer fits.
fn damage_row(dir: &Path, row: u32) {
    let database = rusqlite::Connection::open(dir.join("store.db")).unwrap();
    assert_eq!(database.execute("UPDATE row SET body_bytes = body_bytes + 1 WHERE number = ?", [row]).unwrap(), 1);
}

#[test]
fn a_damaged_version_that_raised_the_marking_still_does() {
    let dir = temporary();
    let store = open(dir.path()).unwrap();
    ingest(&store, &[tool(1, 1, GREEN)]);
    ingest(&store, &[tool(1, 2, RED), tool(2, 1, GREEN)]);
    assert_eq!(ids(&store, "bravo"), [id("tool", 2)]);
    drop(store);
    damage_row(dir.path(), 1);
    let store = open(dir.path()).unwrap();
    assert_eq!(store.damage().len(), 1);
    assert_eq!(ids(&store, "bravo"), [id("tool", 2)]);
    assert_eq!(ids(&store, "alfa"), [id("tool", 2)]);
}

#[test]
fn a_damaged_target_is_not_an_absent_one() {
    let dir = temporary();
    let store = open(dir.path()).unwrap();
    ingest(&store, &[tool(1, 1, RED), tool(2, 1, GREEN), relationship(3, &id("tool", 2), &id("tool", 1))]);
    assert_eq!(ids(&store, "bravo"), [id("tool", 2)]);
    drop(store);
    damage_row(dir.path(), 0);
    let store = open(dir.path()).unwrap();
    assert_eq!(ids(&store, "bravo"), [id("tool", 2)]);
}

#[test]
fn a_lattice_of_relationships_is_walked_once() {
    let dir = temporary();
    let store = open(dir.path()).unwrap();
    let mut objects = vec![tool(0, 1, GREEN), tool(1, 1, GREEN)];
    let name = |level: u32, side: u32| if level == 0 { id("tool", side) } else { id("relationship", level * 2 + side) };
    // Two a level, each about both of the level below: 2^29 ways from the top to the bottom.
    for level in 1..30 {
        for side in 0..2 {
            objects.push(relationship(level * 2 + side, &name(level - 1, 0), &name(level - 1, 1)));
        }
    }
    let started = Instant::now();
    ingest(&store, &objects);
    assert_eq!(ids(&store, "bravo").len(), objects.len());
    // Not a measurement: without the memory of the walk this takes minutes.
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn the_ledger_outlives_a_write_that_failed() {
    let dir = temporary();
    let store = open(dir.path()).unwrap();
    ingest(&store, &[tool(1, 1, GREEN), tool(2, 1, GREEN)]);
    // Another writer holds the database, so that the ledger cannot be written and nothing may leave.
    let other = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let query = Query { versions: Versions::last(), ..Query::default() };
    assert!(store.page("bravo", &query, Form::Whole).is_err());
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    assert_eq!(ids(&store, "bravo").len(), 2);
    drop(store);
    let store = open(dir.path()).unwrap();
    let sent = store.what_has("bravo").unwrap();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|s| s.in_view));
    assert_eq!(ids(&store, "bravo").len(), 2);
}
