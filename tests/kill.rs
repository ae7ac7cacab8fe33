//! Acknowledged means on disk: a process that takes objects in is killed at random moments, and nothing it acknowledged may be missing.
//! The rule: the child says a number only after the store has, and the parent believes no number it was not told.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use polder_release::{Form, Item};
use polder_store::{Setup, Store, SystemClock, prepare};
use serde_json::json;

use crate::oracle::alliance::{GREEN, directory};
use crate::scripts::{Random, policy, read_all, temporary};
use crate::store_vs_oracle::setting;

const CHILD: &str = "POLDER_KILL_CHILD";

fn open(dir: &std::path::Path) -> Result<Store, String> {
    let own = polder_store::Source { name: "own".into(), origin: polder_release::Origin::Own, default: polder_release::DefaultLabel::default() };
    let setup = Setup { policy: policy(&directory()), sources: vec![own], clock: Arc::new(SystemClock), accept_clock: false };
    Store::open(dir, setup).map_err(|error| error.to_string())
}

fn object(number: u64) -> String {
    json!({
        "type": "indicator", "spec_version": "2.1", "id": format!("indicator--00000000-0000-4000-8000-{number:012x}"),
        "created": "2025-01-01T00:00:00Z", "modified": "2025-01-01T00:00:00Z", "pattern": "[ipv4-addr:value = '192.0.2.1']",
        "pattern_type": "stix", "valid_from": "2025-01-01T00:00:00Z", "description": "x".repeat(usize::try_from(number % 3000).unwrap()),
        "object_marking_refs": [GREEN],
    })
    .to_string()
}

/// Not a test of its own: what the killed process runs.
#[test]
#[ignore = "started by `nothing_acknowledged_is_lost` in a process of its own"]
fn child() {
    let dir = std::env::var_os(CHILD).expect("only the parent starts this");
    let store = open(dir.as_ref()).unwrap();
    let first = u64::try_from(read_all(&store, "alpha", Form::Listed, 10_000).unwrap().len()).unwrap();
    let mut out = std::io::stdout().lock();
    for number in first.. {
        let prepared = prepare(&object(number), store.now_us()).unwrap();
        store.ingest("own", None, vec![prepared]).unwrap();
        if number % 3 == 0 {
            // Reading writes too: logs and the ledger.
            read_all(&store, "bravo", Form::Whole, 10_000).unwrap();
        }
        writeln!(out, "\nacknowledged {number}").unwrap();
        out.flush().unwrap();
    }
}

/// Starts a child, kills it after a while, and returns the numbers it acknowledged.
fn run_and_kill(dir: &std::path::Path, random: &mut Random) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--ignored", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let listener = std::thread::spawn(move || {
        let number = |line: String| line.strip_prefix("acknowledged ")?.parse().ok();
        BufReader::new(output).lines().map_while(Result::ok).filter_map(number).collect()
    });
    std::thread::sleep(Duration::from_micros(20_000 + random.next() % 90_000));
    child.kill().unwrap();
    child.wait().unwrap();
    listener.join().unwrap()
}

#[test]
fn nothing_acknowledged_is_lost() {
    let kills = setting("POLDER_KILLS", 200);
    let mut random = Random::new(u64::from(std::process::id()));
    let mut dir = temporary();
    let mut told = 0;
    let mut most = 0u64;
    for kill in 0..kills {
        if kill % 25 == 24 {
            // A new store now and then: the first moments of one are a special case.
            (dir, most) = (temporary(), 0);
        }
        let numbers = run_and_kill(dir.path(), &mut random);
        told += numbers.len();
        most = most.max(numbers.iter().max().map_or(0, |number| number + 1));
        let store = open(dir.path()).unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        assert_eq!(store.damage(), Vec::<String>::new(), "kill {kill}");
        for recipient in ["alpha", "bravo"] {
            let all = read_all(&store, recipient, Form::Whole, 10_000).unwrap();
            check(&all, most).unwrap_or_else(|why| panic!("kill {kill}, {recipient}: {why}"));
        }
        let verdicts = store.verdicts("bravo").unwrap();
        assert!(verdicts.iter().all(|(.., judgement)| judgement.permits()), "kill {kill}");
    }
    println!("{kills} kills, {told} acknowledgements, {most} objects in the last store");
    assert!(u64::try_from(told).unwrap() > kills, "hardly anything was acknowledged: {told}");
}

/// Every object up to the last acknowledged one, whole, in order, at rising dates.
fn check(all: &[Item], acknowledged: u64) -> Result<(), String> {
    if u64::try_from(all.len()).unwrap() < acknowledged {
        return Err(format!("{} of {acknowledged} objects", all.len()));
    }
    for (number, item) in (0u64..).zip(all) {
        if item.bytes != object(number).as_bytes() {
            return Err(format!("object {number} is not what was sent"));
        }
    }
    if all.windows(2).all(|two| two[0].entry.date_us < two[1].entry.date_us) { Ok(()) } else { Err("dates do not rise".to_owned()) }
}
