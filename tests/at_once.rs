//! Questions of people beside writing: nobody waits for ever.
//!
//! The rule: every question that reads the state and the time is asked here while another thread writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use polder_release::{Alliance, Kind, Member, Origin, Policy, Recipient};
use polder_stix::Id;
use polder_store::{Act, ManualClock, Setup, Source, Store, prepare};
use serde_json::json;

fn tool(n: usize, version: usize) -> String {
    let id = format!("tool--00000000-0000-4000-8000-{n:012x}");
    let modified = format!("2026-01-01T00:00:{:02}.{:03}Z", version / 1000, version % 1000);
    json!({"type": "tool", "spec_version": "2.1", "id": id, "created": "2026-01-01T00:00:00.000Z", "modified": modified, "name": "n",
        "object_marking_refs": ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]})
    .to_string()
}

const READERS: usize = 4;

#[test]
fn questions_are_answered_while_somebody_writes() {
    // Enough that a second lock by a reader met a waiting writer within a second or two, when it was tried.
    const ROUNDS: usize = 40_000;
    let dir = tempfile::tempdir().unwrap();
    let member = |id: &str| (id.into(), Member { id: id.into(), identity: None, client_of: [].into(), in_alliance: true });
    let alliance = Alliance { holder: "alfa".into(), members: ["alfa", "bravo"].map(member).into(), groups: [].into() };
    let recipients = ["alfa", "bravo"].map(|r| Recipient::new(r, Kind::Organisation, Some(r))).to_vec();
    let source = Source { name: "own".into(), origin: Origin::Own, default: polder_release::DefaultLabel::default() };
    let policy = Policy { alliance, recipients, standing: Vec::new() };
    let clock = Arc::new(ManualClock::at(1_780_000_000_000_000));
    let store = Arc::new(Store::<polder_release::Operations>::open(dir.path(), Setup { policy, sources: vec![source], clock, accept_clock: false }).unwrap());
    let put = |store: &Store, n, version| drop(store.ingest("own", None, vec![prepare(&tool(n, version), store.now_us()).unwrap()]).unwrap());
    put(&store, 0, 0);
    let (done, ended) = mpsc::channel();
    let ended_reading = Arc::new(AtomicUsize::new(0));
    for reader in 0..READERS {
        let (store, done, ended_reading) = (Arc::clone(&store), done.clone(), Arc::clone(&ended_reading));
        std::thread::spawn(move || {
            let id = Id::parse("tool--00000000-0000-4000-8000-000000000000").unwrap();
            for n in 0..ROUNDS {
                match reader {
                    0 => drop((store.explain_known(&id, "bravo", Some("alfa")).unwrap(), store.held(&[0], "alfa").unwrap())),
                    1 => drop((store.who_has_known(&id, Some("alfa")).unwrap(), store.what_has_known("bravo", Some("alfa")).unwrap())),
                    2 => drop((
                        store.queue_known(Some("alfa")).unwrap(),
                        store.waiting("bravo", "alfa").unwrap(),
                        store.verdicts_known("bravo", "alfa").unwrap(),
                    )),
                    _ if n % 10 > 0 => drop(store.explain_known(&id, "bravo", Some("alfa")).unwrap()),
                    _ => {
                        let mut trial = store.rehearse("own", Some("alfa")).unwrap();
                        trial.ingest(vec![prepare(&tool(0, 59_999), store.now_us()).unwrap()]).unwrap();
                        drop((trial.explain(&id, "bravo").unwrap(), trial.effects().unwrap(), trial.moved_with(&id, 10).unwrap()));
                    }
                }
            }
            ended_reading.fetch_add(1, Ordering::Relaxed);
            done.send(()).unwrap();
        });
    }
    for writer in 1..3 {
        let (store, done, ended_reading) = (Arc::clone(&store), done.clone(), Arc::clone(&ended_reading));
        std::thread::spawn(move || {
            for version in 1..usize::MAX {
                if ended_reading.load(Ordering::Relaxed) == READERS {
                    break;
                }
                // Few versions, again and again: where the disk is quick, what readers look at must not grow without end.
                put(&store, writer, version % 100);
                store.act(Act::Note("a note".to_owned()), "tester").unwrap();
            }
            done.send(()).unwrap();
        });
    }
    for _ in 0..READERS + 2 {
        ended.recv_timeout(Duration::from_secs(120)).expect("somebody waits for ever");
    }
}
