//! Times the decision: 10,000 labels for 200 recipients decided anew, and one cached row. Prints a table and a line of JSON.
//!
//! `cargo run --release -p polder-release --example bench_decision`
#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use polder_release::{
    Alliance, Audience, Binding, Granular, Held, Judge, Kind, Label, LabelCache, LabelVerdict, Level, Member, Origin, Policy, Principal, Reader, Readers,
    Recipient, RowFacts, Terms,
};
use polder_stix::{Id, RefKind};

const MEMBERS: usize = 40;
const RECIPIENTS: usize = 200;
const LABELS: usize = 10_000;
const ROWS: u32 = 1_000_000;

fn name(n: usize) -> Box<str> {
    format!("member-{n}").into()
}

fn policy() -> Policy {
    let member = |n| (name(n), Member { id: name(n), identity: None, client_of: [name(n / 2)].into(), in_alliance: n % 5 != 4 });
    let recipient = |n: usize| Recipient::new(&format!("r{n}"), if n.is_multiple_of(3) { Kind::Node } else { Kind::Organisation }, Some(&name(n % MEMBERS)));
    Policy {
        alliance: Alliance { holder: name(0), members: (0..MEMBERS).map(member).collect(), groups: BTreeMap::new() },
        recipients: (0..RECIPIENTS).map(recipient).collect(),
        standing: Vec::new(),
    }
}

fn label(n: usize) -> Label {
    let level = match n % 5 {
        0 => Level::Clear,
        1 => Level::Green,
        2 => Level::Amber,
        3 => Level::AmberStrict,
        _ => Level::Red,
    };
    let named = n.is_multiple_of(2);
    let audience = if named { Audience::of((0..1 + n % 20).map(|k| Principal::Member(name((n / 7 + k * 3) % MEMBERS)))) } else { Audience::default() };
    let tlp = BTreeMap::from([(Some(name(0)), Binding { level, reach: (!named).then_some(level) })]);
    Label::Terms(Terms { tlp, audience, not_after_us: Some(i64::try_from(n).unwrap_or(0) + 1_000_000_000), ..Terms::default() })
}

struct Rows {
    labels: Vec<Label>,
}

impl Held for Rows {
    fn facts(&self, row: u32) -> RowFacts {
        RowFacts { object: row, source: 0, label: row % u32::try_from(self.labels.len()).unwrap_or(1), own: true }
    }
    fn object_type(&self, _: u32) -> &'static str {
        "indicator"
    }
    fn first_row(&self, object: u32) -> Option<u32> {
        Some(object)
    }
    fn next_row(&self, _: u32) -> Option<u32> {
        None
    }
    fn references(&self, _: u32) -> &[(u32, RefKind)] {
        &[]
    }
    fn granular(&self, _: u32) -> Vec<Granular<'_>> {
        Vec::new()
    }
    fn tighteners(&self, _: u32) -> Vec<u32> {
        Vec::new()
    }
    fn outline(&self, _: u32) -> Option<&serde_json::Value> {
        None
    }
    fn id(&self, object: u32) -> Id {
        Id { kind: "indicator".into(), uuid: u128::from(object) }
    }
    fn label(&self, label: u32) -> (&Label, &Origin) {
        const TOP: &Label = &Label::Top;
        (self.labels.get(label as usize).unwrap_or(TOP), &Origin::Own)
    }
    fn granted(&self, _: u32, _: u32) -> Option<&[Id]> {
        None
    }
}

fn main() {
    let policy = policy();
    let labels: Vec<Label> = (0..LABELS).map(label).collect();
    let mut best_ms = f64::MAX;
    let mut yes = 0usize;
    for _ in 0..5 {
        let start = Instant::now();
        yes = 0;
        let readers: Vec<Reader<'_>> = policy.recipients.iter().map(|r| Reader::new(r, &policy.alliance)).collect();
        let readers = Readers::named_by(&readers);
        for label in &labels {
            yes += readers.test(black_box(label), &Origin::Own, 0).filter(|verdict| *verdict == LabelVerdict::Permit).count();
        }
        best_ms = best_ms.min(start.elapsed().as_secs_f64() * 1000.0);
    }
    // Cached: labels without a window, as almost all are.
    let open = labels.into_iter().map(|l| match l {
        Label::Terms(t) => Label::Terms(Terms { not_after_us: None, ..t }),
        Label::Top => Label::Top,
    });
    let rows = Rows { labels: open.collect() };
    let cache = LabelCache::default();
    let Some(judge) = Judge::new(&rows, &policy, 7, 0, 1, &cache) else { return };
    let mut best_ns = f64::MAX;
    for _ in 0..4 {
        let start = Instant::now();
        let permitted = (0..ROWS).filter(|row| judge.judge(*row).permits()).count();
        black_box(permitted);
        best_ns = best_ns.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(ROWS));
    }
    println!("{LABELS} labels x {RECIPIENTS} recipients decided anew: {best_ms:.1} ms ({yes} permitted; bar 50 ms)");
    println!("one row, label cached: {best_ns:.1} ns (bar 20 ns)");
    println!("{{\"labels\":{LABELS},\"recipients\":{RECIPIENTS},\"redecide_ms\":{best_ms:.1},\"row_cached_ns\":{best_ns:.1}}}");
}
