//! What every engine under the store must do, asked of the one there is.
//! The rule: the suite is generic; only damage is done by hand to the file.

use std::path::{Path, PathBuf};

use polder_release::{Exercise, Operations};
use polder_stix::RefKind;
use polder_store::{Backend, Error, LedgerRecord, Record, RowRecord, Sqlite, Store};

use crate::scripts::{Random, temporary};

const BODY: &[u8] = b"a body that stands nowhere else in the file";
const DIGEST: [u8; 32] = *b"a digest that stands nowhere els";
const SET: &str = "marking-definition--00000000-0000-4000-8000-00000000abcd";

fn row(number: u32) -> RowRecord {
    RowRecord {
        number,
        object: 0,
        source: 0,
        set: 0,
        body: number,
        body_bytes: 43,
        sha32: 7,
        version: Some((1_700_000_000_000_000_000, 3)),
        lifted: false,
        commit: 0,
        references: vec![(0, RefKind::Required), (3, RefKind::AnyOf), (9, RefKind::Optional)],
        outline: format!("outline of row {number}"),
        dead: false,
        damaged: false,
    }
}

/// One record of each kind, in the order in which they are given back. Bodies are not.
fn records() -> Vec<Record> {
    let ledger = LedgerRecord { recipient: "bravo".into(), epoch: 3, stamp_us: 5, listed: vec![1, 2], full: vec![7], redacted: vec![(8, DIGEST)] };
    vec![
        Record::Meta { key: "key".into(), value: b"value".to_vec() },
        Record::Kind { number: 0, name: "indicator".into() },
        Record::Object { number: 0, kind: 0, uuid: 0x1234_5678_9abc_def0_1122_3344_5566_7788 },
        Record::Set { number: 0, ids: SET.to_owned() },
        Record::Source { number: 0, name: "own".into() },
        Record::Journal { number: 1, stamp_us: 4, kind: "arrive".into(), rows_end: 2, detail: "detail of the act".to_owned() },
        Record::Row(Box::new(row(0))),
        Record::Row(Box::new(row(1))),
        Record::Grant { row: 1, recipient: "bravo".into(), ids: SET.to_owned() },
        Record::Overlay { object: 0, source: 0, level: Some("amber".into()) },
        Record::Pin { id: SET.into(), bytes: b"{\"a pinned definition\":1}".to_vec() },
        Record::Posted { collection: "collection".into(), row: 1 },
        Record::LogState { recipient: "bravo".into(), commits: 1, windows_us: 2, floor_us: 3 },
        Record::LogChunk { recipient: "bravo".into(), chunk: 0, bytes: b"a chunk of a log".to_vec() },
        Record::Ledger(ledger),
    ]
}

fn body(number: u32) -> Record {
    Record::Body { number, sha256: [9; 32], bytes: [BODY, &number.to_be_bytes()].concat(), original: (number == 1).then(|| b"as received".to_vec()) }
}

fn all_of(backend: &mut dyn Backend) -> Result<(Vec<Record>, Vec<String>), Error> {
    let mut all = Vec::new();
    let damaged = backend.load(&mut |record| all.push(record))?;
    Ok((all, damaged))
}

/// What a write that fails, and a status, leave behind.
fn failures(backend: &mut dyn Backend) {
    // All or none: the second row has a number that is taken, so the third is not kept either.
    let kept = backend.write(vec![Record::Row(Box::new(row(2))), Record::Row(Box::new(row(0))), Record::Row(Box::new(row(3)))]);
    assert!(kept.is_err());
    assert_eq!(all_of(backend).unwrap().0, records(), "a write that fails keeps nothing");
    backend.write(vec![Record::Status { id: "s".into(), recipient: "bravo".into(), stamp_us: 1, json: "{}".to_owned() }]).unwrap();
    let mut reader = backend.reader().unwrap();
    assert_eq!(reader.status("s", "bravo").unwrap().as_deref(), Some("{}"));
    assert_eq!(reader.status("s", "charlie").unwrap(), None, "a status is for who posted");
}

/// The suite. `open` opens the same engine again and again.
fn suite<B: Backend>(open: &dyn Fn() -> B) {
    let mut backend = open();
    assert_eq!(all_of(&mut backend).unwrap().0, []);
    backend.write(records().into_iter().chain([body(0), body(1)]).collect()).unwrap();
    assert_eq!(all_of(&mut backend).unwrap(), (records(), vec![]), "what was written is given back");
    let mut reader = backend.reader().unwrap();
    assert_eq!(reader.body(1).unwrap(), [BODY, &1u32.to_be_bytes()].concat());
    assert_eq!((reader.original(0).unwrap(), reader.original(1).unwrap()), (None, Some(b"as received".to_vec())));
    assert!(matches!(reader.body(9), Err(Error::Damaged(_))), "a body that is not there");
    failures(&mut backend);
    backend.write(vec![Record::Remove { rows: vec![0], bodies: vec![0] }]).unwrap();
    drop((backend, reader));
    let mut backend = open();
    let (all, damaged) = all_of(&mut backend).unwrap();
    let dead: Vec<_> = all.iter().filter_map(|record| if let Record::Row(row) = record { Some((row.number, row.dead)) } else { None }).collect();
    assert_eq!((dead, damaged), (vec![(0, true), (1, false)], vec![]), "a removed row stays as a tombstone");
    assert!(backend.reader().unwrap().body(0).is_err(), "and its body goes");
}

#[test]
fn sqlite_conforms() {
    let dir = temporary();
    suite(&|| Sqlite::open(&dir.path().join("store.db")).unwrap());
}

/// A file with one record of each kind, closed.
fn file(dir: &Path) -> PathBuf {
    let path = dir.join("store.db");
    let mut backend = Sqlite::open(&path).unwrap();
    backend.write(records().into_iter().chain([body(0), body(1)]).collect()).unwrap();
    path
}

/// Flips a bit of the first place where these bytes stand.
fn damage(path: &Path, what: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(what.len()).position(|window| window == what).expect("the bytes stand in the file");
    bytes[at + what.len() / 2] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_body_is_not_read() {
    let dir = temporary();
    let path = file(dir.path());
    damage(&path, &[BODY, &0u32.to_be_bytes()].concat());
    let mut reader = Sqlite::open(&path).unwrap().reader().unwrap();
    assert!(matches!(reader.body(0), Err(Error::Damaged(_))));
    assert!(reader.body(1).is_ok());
}

#[test]
fn a_damaged_row_is_given_as_damaged() {
    let dir = temporary();
    let path = file(dir.path());
    damage(&path, row(1).outline.as_bytes());
    let (all, damaged) = all_of(&mut Sqlite::open(&path).unwrap()).unwrap();
    let hurt: Vec<_> = all.iter().filter_map(|record| if let Record::Row(row) = record { Some(row.damaged) } else { None }).collect();
    assert_eq!((hurt, damaged.len()), (vec![false, true], 1));
}

#[test]
fn a_damaged_ledger_entry_is_named() {
    let dir = temporary();
    let path = file(dir.path());
    damage(&path, &DIGEST);
    let (all, damaged) = all_of(&mut Sqlite::open(&path).unwrap()).unwrap();
    assert!(!all.iter().any(|record| matches!(record, Record::Ledger(_))));
    assert_eq!(damaged.len(), 1);
}

/// What is not noticed as damage is what was written, wherever the bit flips.
#[test]
fn a_flipped_bit_is_noticed_wherever_it_is() {
    let dir = temporary();
    let path = file(dir.path());
    let sound = std::fs::read(&path).unwrap();
    let used: Vec<usize> = (0..sound.len()).filter(|at| sound[*at] != 0).collect();
    let mut random = Random::new(7);
    let mut silent = Vec::new();
    for _ in 0..1500 {
        let at = *random.pick(&used);
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << random.below(8);
        std::fs::write(&path, &bytes).unwrap();
        for rest in ["store.db-wal", "store.db-shm"] {
            // There is none after a clean close.
            drop(std::fs::remove_file(dir.path().join(rest)));
        }
        let Ok(mut backend) = Sqlite::open(&path) else {
            continue;
        };
        let Ok((all, damaged)) = all_of(&mut backend) else {
            continue;
        };
        let unlike: Vec<_> = all.iter().filter(|record| !is_dead(record) && !records().contains(record)).cloned().collect();
        if !unlike.is_empty() && damaged.is_empty() {
            silent.push((at, unlike));
        }
        if let Ok(mut reader) = backend.reader() {
            for number in [0, 1] {
                let read = reader.body(number);
                assert!(read.is_err() || read.unwrap() == [BODY, &number.to_be_bytes()].concat(), "a false body after byte {at}");
            }
        }
    }
    assert!(silent.is_empty(), "{} silent changes: {silent:?}", silent.len());
}

/// Given in a form that says it is lost: a row as dead, a part of a log as empty, which makes the log start anew.
fn is_dead(record: &Record) -> bool {
    matches!(record, Record::Row(row) if row.dead) || matches!(record, Record::LogChunk { bytes, .. } if bytes.is_empty())
}

#[test]
fn a_newer_format_is_refused() {
    let dir = temporary();
    let path = file(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    // The user version stands at byte 60 of the file's header (SQLite file format, section 1.3).
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(Sqlite::open(&path), Err(Error::Newer { found: 99, .. })));
}

fn setup() -> polder_store::Setup {
    polder_store::Setup {
        policy: crate::scripts::policy(&crate::oracle::alliance::directory()),
        sources: Vec::new(),
        clock: std::sync::Arc::new(polder_store::ManualClock::at(1)),
        accept_clock: false,
    }
}

#[test]
fn a_second_process_finds_it_locked() {
    let dir = temporary();
    let first = <Store>::open(dir.path(), setup()).unwrap();
    assert!(matches!(<Store>::open(dir.path(), setup()), Err(Error::Locked(_))));
    drop(first);
    assert!(<Store>::open(dir.path(), setup()).is_ok());
}

#[test]
fn a_store_of_one_realm_does_not_open_as_another() {
    let (trained, real, old) = (temporary(), temporary(), temporary());
    assert!(Store::<Exercise>::open(trained.path(), setup()).is_ok());
    assert!(matches!(Store::<Operations>::open(trained.path(), setup()), Err(Error::Realm { found, known: "operations" }) if found == "exercise"));
    assert!(Store::<Exercise>::open(trained.path(), setup()).is_ok(), "the refusal left it as it was");
    assert!(Store::<Operations>::open(real.path(), setup()).is_ok());
    assert!(matches!(Store::<Exercise>::open(real.path(), setup()), Err(Error::Realm { .. })));

    // A store from before realms were written down is of operations.
    assert!(Store::<Operations>::open(old.path(), setup()).is_ok());
    let rows = rusqlite::Connection::open(old.path().join("store.db")).unwrap().execute("DELETE FROM meta WHERE key='realm'", []).unwrap();
    assert_eq!(rows, 1);
    assert!(matches!(Store::<Exercise>::open(old.path(), setup()), Err(Error::Realm { .. })));
    assert!(Store::<Operations>::open(old.path(), setup()).is_ok());
}
