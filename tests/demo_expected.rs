//! The demo's expected table, written by hand, against the product: every object, every reader, at alfa and one hop later at bravo.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_release::{Alliance, DefaultLabel, Form, Group, Kind, Level, Member, Origin, Outbound, Policy, Recipient, Standing, Verdict};
use polder_stix::{Id, bundle};
use polder_store::{ManualClock, Query, Setup, Source, Store, Versions, prepare};
use serde_json::Value;

const NOW_US: i64 = 1_790_000_000_000_000;

fn expected() -> Value {
    serde_json::from_str(include_str!("fixtures/demo-expected.json")).unwrap()
}

fn policy(holder: &str, expected: &Value) -> Policy {
    let member = |id: &str, client_of: &[&str]| {
        let identity = (id == "alfa").then(|| expected["holder_identity"].as_str().unwrap().into());
        (id.into(), Member { id: id.into(), identity, client_of: client_of.iter().map(|c| (*c).into()).collect(), in_alliance: true })
    };
    let members = BTreeMap::from([member("alfa", &[]), member("bravo", &[]), member("charlie", &["alfa"])]);
    let desk = Group { members: ["alfa", "bravo"].map(Into::into).into(), persons: ["duty@bravo".into()].into() };
    let organisation = |id: &str| Recipient::new(id, Kind::Organisation, Some(id));
    let mut recipients: Vec<Recipient> = ["alfa", "bravo", "charlie", "zulu"].map(organisation).into();
    let mut duty = Recipient::new("duty@bravo", Kind::Person, Some("bravo"));
    duty.person = Some("duty@bravo".into());
    recipients.push(duty);
    let standing = Standing {
        id: "indicators".into(),
        levels: [Level::Amber].into(),
        types: ["indicator".into()].into(),
        members: ["bravo".into()].into(),
        recipients: [].into(),
    };
    let standing = if holder == "alfa" { vec![standing] } else { Vec::new() };
    Policy { alliance: Alliance { holder: holder.into(), members, groups: BTreeMap::from([("port-desk".into(), desk)]) }, recipients, standing }
}

fn node(dir: &tempfile::TempDir, holder: &str, origin: Origin) -> Store {
    let sources = vec![Source { name: "in".into(), origin, default: DefaultLabel::default() }];
    let setup = Setup { policy: policy(holder, &expected()), sources, clock: Arc::new(ManualClock::at(NOW_US)), accept_clock: false };
    Store::open(dir.path(), setup).unwrap()
}

fn ingest<'t>(store: &Store, texts: impl Iterator<Item = &'t str>) {
    let objects = texts.map(|t| prepare(t, NOW_US).unwrap()).collect();
    store.ingest("in", None, objects).unwrap();
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Release => "release",
        Verdict::Redact => "redact",
        Verdict::Withhold => "withhold",
        Verdict::Hold => "hold",
    }
}

/// Compares every row of the table with what the store says; returns the number of pairs compared.
fn check(store: &Store, table: &Value, readers: &[&str]) -> usize {
    let mut compared = 0;
    for row in table.as_array().unwrap() {
        let id = Id::parse(row["id"].as_str().unwrap()).unwrap();
        for reader in readers {
            let want = row[*reader].as_str().unwrap();
            let got = store.explain(&id, reader).unwrap();
            let this = got.iter().find(|e| e.row.version.map(|v| v.to_string()).as_deref() == row["version"].as_str()).unwrap();
            assert_eq!(word(this.judgement.verdict), want, "{} ({}) for {reader}: {:?}", id, row["name"], this.judgement.reason);
            compared += 1;
        }
    }
    compared
}

#[test]
fn every_object_meets_every_reader_as_written_by_hand() {
    let expected = expected();
    let campaign = include_bytes!("../crates/polder/demo/campaign.json");
    let document = bundle::split(campaign);
    let alfa_dir = tempfile::tempdir().unwrap();
    let alfa = node(&alfa_dir, "alfa", Origin::Own);
    ingest(&alfa, document.objects.iter().copied());
    let at_alfa = check(&alfa, &expected["objects"], &["alfa", "bravo", "charlie", "zulu", "duty@bravo"]);

    let query = Query { versions: Versions { all: true, ..Versions::default() }, ..Query::default() };
    let released = alfa.page("bravo", &query, Form::Whole).unwrap();
    let page = Outbound::new(alfa.recipient_number("bravo").unwrap(), &alfa).pass(released).unwrap();
    let texts: Vec<String> = page.items.into_iter().map(|i| String::from_utf8(i.bytes).unwrap()).collect();
    let bravo_dir = tempfile::tempdir().unwrap();
    let bravo = node(&bravo_dir, "bravo", Origin::Member("alfa".into()));
    ingest(&bravo, texts.iter().map(String::as_str));
    let later = check(&bravo, &expected["later_hop_at_bravo"], &["bravo", "charlie", "zulu"]);
    println!("{at_alfa} pairs at alfa, {later} one hop later");
    assert_eq!(later, texts.len() * 3);
}
