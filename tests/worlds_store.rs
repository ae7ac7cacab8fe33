//! Two worlds: scripts that differ only in work hidden from a recipient must look the same to it, byte for byte.
//! The rule: what is hidden is for the oracle to say; the product is only looked at, through observers.

use std::fmt::Write as _;
use std::sync::Arc;

use polder_release::{Form, Gate, Item};
use polder_stix::Id;
use polder_stix::time::Version;
use polder_store::{Find, Query, Store, Versions};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::oracle;
use crate::scripts::{IDS, Node, Random, START_US, Step, altered, events, page, read_all, script, shrink};
use crate::store_vs_oracle::setting;

/// One who looks at a node as a recipient can.
pub(crate) trait Observer {
    /// Everything the recipient can learn.
    fn observe(&self, store: &Arc<Store>, recipient: &str) -> Vec<u8>;
}

/// Two scripts that a recipient cannot tell apart, and the moment at which it looks.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) one: Vec<Step>,
    pub(crate) other: Vec<Step>,
    pub(crate) recipient: &'static str,
    pub(crate) now_us: i64,
}

const RECIPIENTS: [&str; 9] = ["bravo", "charlie", "delta", "echo", "node-bravo", "p-charlie", "p-alpha", "public", "siem-charlie"];

/// Id, version, when it came and went, and what was served.
pub(crate) type Served = (String, Option<String>, i64, Option<i64>, Value);

/// What the recipient is ever served, without numbers of rows, which are nobody's business.
pub(crate) fn served(steps: &[Step], recipient: &str, now_us: i64) -> Vec<Served> {
    let history = oracle::history(&events(steps), recipient, now_us).into_iter();
    history.map(|it| (it.id, it.version, it.entered_us, it.left_us, it.served)).collect()
}

/// A pair from a seed: hidden changes are piled up on a script as long as the recipient is served the same.
pub(crate) fn pair(seed: u64) -> Option<Pair> {
    let mut random = Random::new(seed);
    let length = 6 + random.below(14);
    let one = script(&mut random, length);
    let recipient = *random.pick(&RECIPIENTS);
    let now_us = one.last()?.at_us + 60_000_000;
    let right = served(&one, recipient, now_us);
    let mut other = one.clone();
    for _ in 0..8 {
        let next = altered(&mut random, &other);
        if served(&next, recipient, now_us) == right {
            other = next;
        }
    }
    (events(&one) != events(&other)).then_some(Pair { one, other, recipient, now_us })
}

/// The nodes of a pair, at the moment of looking.
pub(crate) fn nodes(pair: &Pair) -> Option<(Node, Node)> {
    let node = |steps: &[Step]| {
        let node = Node::of(steps).ok()?;
        node.at(pair.now_us);
        Some(node)
    };
    Some((node(&pair.one)?, node(&pair.other)?))
}

pub(crate) fn differs(observer: &dyn Observer, (one, other): &(Node, Node), recipient: &str) -> bool {
    observer.observe(one.store(), recipient) != observer.observe(other.store(), recipient)
}

/// Every kind of question there is, in both forms.
pub(crate) struct Pages;

impl Observer for Pages {
    fn observe(&self, store: &Arc<Store>, recipient: &str) -> Vec<u8> {
        let mut seen = String::new();
        for form in [Form::Whole, Form::Listed] {
            for (number, query) in queries().into_iter().enumerate() {
                writeln!(seen, "query {number}: {}", answer(store, recipient, query, form)).unwrap();
            }
        }
        for find in searches() {
            writeln!(seen, "{find:?}: {}", hits(store, recipient, &find)).unwrap();
        }
        writeln!(seen, "{:?}", store.view_size(recipient).map_err(|error| error.to_string())).unwrap();
        seen.into_bytes()
    }
}

fn queries() -> Vec<Query> {
    let all = || Query { versions: Versions { all: true, ..Versions::default() }, ..Query::default() };
    let last = || Query { versions: Versions::last(), ..Query::default() };
    let first = || Query { versions: Versions { first: true, ..Versions::default() }, ..Query::default() };
    let ids = |id: &str| Some(vec![Id::parse(id).unwrap()]);
    let mut queries = vec![all(), last(), first(), Query { newest_version_first: true, ..all() }];
    queries.extend((1..4).map(|limit| Query { limit: Some(limit), ..all() }));
    queries.extend([0, 1, 2, 5, 9, 20].map(|after| Query { after: Some(after), ..all() }));
    queries.extend((0..30).map(|s| Query { added_after_us: Some(START_US + s * 2_000_000), limit: Some(2), ..all() }));
    queries.extend(IDS.map(|id| Query { ids: ids(id), ..all() }));
    queries.extend(IDS.map(|id| Query { ids: ids(id), newest_version_first: true, limit: Some(1), ..last() }));
    let absent = ["malware--00000000-0000-4000-8000-0000000000ff", "marking-definition--00000000-0000-4000-8000-0000000000c1"];
    queries.extend(absent.map(|id| Query { ids: ids(id), ..all() }));
    for kind in ["malware", "indicator", "marking-definition", "x-absent"] {
        queries.push(Query { types: Some(vec![kind.into()]), ..all() });
        queries.push(Query { collection: Some("c".into()), collection_types: Some(vec![kind.into()]), ..last() });
    }
    for source in ["own", "bravo", "feed-1", "x-absent"] {
        queries.push(Query { sources: Some(vec![source.into()]), ..all() });
    }
    for at in ["2025-01-02T00:00:00Z", "2026-01-01T00:00:01Z"] {
        queries.push(Query { versions: Versions { at: vec![Version::parse(at).unwrap()], ..Versions::default() }, ..Query::default() });
    }
    queries
}

fn searches() -> Vec<Find> {
    let word = |word: &str| Find { words: vec![word.to_owned()], ..Find::default() };
    let mut all: Vec<Find> = ["sand", "wee", "192.0.2", "example.com", "two", IDS[4]].map(word).to_vec();
    all.extend(IDS.map(|id| Find { refers_to: Id::parse(id), ..Find::default() }));
    all.push(Find {
        since_us: Some(START_US + 7_000_000),
        until_us: Some(START_US + 20_000_000),
        types: Some(vec!["malware".into(), "report".into()]),
        ..word("sand")
    });
    all
}

/// What a search finds, in order.
fn hits(store: &Store, recipient: &str, find: &Find) -> String {
    let queries = match store.candidates(recipient, find) {
        Ok(queries) => queries,
        Err(error) => return error.to_string(),
    };
    let mut told = String::new();
    for query in queries {
        let items = page(store, recipient, &query, Form::Whole).map(|page| page.items).unwrap_or_default();
        for item in items.iter().rev() {
            write!(told, "{} {} {}; ", item.entry.id, item.entry.date_us, String::from_utf8_lossy(&item.bytes)).unwrap();
        }
    }
    told
}

/// All pages of an answer, with everything of them that can go out.
fn answer(store: &Store, recipient: &str, mut query: Query, form: Form) -> String {
    let mut told = String::new();
    loop {
        let page = match page(store, recipient, &query, form) {
            Ok(page) => page,
            Err(error) => return format!("{told}{error}"),
        };
        for Item { entry, bytes, mark, .. } in &page.items {
            let version = entry.version.map(|version| version.to_string());
            let text = String::from_utf8_lossy(bytes);
            write!(told, "{} {} {version:?} {} {mark:?} {text}; ", entry.position, entry.id, entry.date_us).unwrap();
        }
        write!(told, "next {:?}; ", page.next).unwrap();
        if page.next.is_none() || page.next == query.after {
            return told;
        }
        query.after = page.next;
    }
}

#[test]
fn hidden_work_shows_nowhere() {
    let wanted = setting("POLDER_WORLDS", 300);
    let first = setting("POLDER_SEED", 1);
    let alone = std::env::var_os("POLDER_SEED").is_some();
    let (mut found, mut seed) = (0, first);
    while found < if alone { 1 } else { wanted } {
        seed = if alone { first } else { seed + 1 };
        let pair = pair(seed);
        assert!(!alone || pair.is_some(), "POLDER_SEED={seed} gives no pair");
        let Some(pair) = pair else { continue };
        found += 1;
        let Some(nodes) = nodes(&pair) else { panic!("POLDER_SEED={seed}: a script did not run") };
        if differs(&Pages, &nodes, pair.recipient) {
            panic!("POLDER_SEED={seed}: {}", report(&pair));
        }
    }
    let tried = seed - first;
    println!("{found} pairs of {tried} scripts");
    assert!(alone || found * 100 >= tried * 30, "only {found} of {tried} scripts gave a pair");
}

/// The shortest pair that still shows the difference.
fn report(pair: &Pair) -> String {
    let shows = |one: &[Step], other: &[Step]| {
        let same = served(one, pair.recipient, pair.now_us) == served(other, pair.recipient, pair.now_us);
        let pair = Pair { one: one.to_vec(), other: other.to_vec(), ..*pair };
        same && nodes(&pair).is_some_and(|nodes| differs(&Pages, &nodes, pair.recipient))
    };
    // Steps that both have go first, then those of one alone.
    let without = |steps: &[Step], kept: &[Step]| -> Vec<Step> {
        let gone = |step: &&Step| pair.one.iter().any(|it| it.key == step.key) && kept.iter().all(|it| it.key != step.key);
        steps.iter().filter(|step| !gone(step)).cloned().collect()
    };
    let one = shrink(pair.one.clone(), &|fewer| shows(fewer, &without(&pair.other, fewer)));
    let other = without(&pair.other, &one);
    let other = shrink(other, &|fewer| shows(&one, fewer));
    let short = Pair { one, other, ..*pair };
    let nodes = nodes(&short).unwrap();
    let look = |node: &Node| String::from_utf8_lossy(&Pages.observe(node.store(), short.recipient)).into_owned();
    let (left, right) = (look(&nodes.0), look(&nodes.1));
    let line = left.lines().zip(right.lines()).find(|(one, other)| one != other);
    format!("{} is shown\n{line:#?}\n{:#?}\n{:#?}", short.recipient, events(&short.one).get(1..), events(&short.other).get(1..))
}

/// A way in which a product could leak, on top of what it shows.
struct Planted {
    name: &'static str,
    leak: Leak,
}

type Leak = fn(&Store, &str) -> String;

impl Observer for Planted {
    fn observe(&self, store: &Arc<Store>, recipient: &str) -> Vec<u8> {
        let mut seen = Pages.observe(store, recipient);
        seen.extend((self.leak)(store, recipient).into_bytes());
        seen
    }
}

fn shown(store: &Store, recipient: &str) -> Vec<Item> {
    read_all(store, recipient, Form::Whole, 100).unwrap_or_default()
}

fn ids() -> impl Iterator<Item = Id> {
    IDS.into_iter().map(|id| Id::parse(id).unwrap())
}

fn planted() -> Vec<Planted> {
    let leaks: [(&'static str, Leak); 16] = [
        ("the total of rows", |store, _| format!("{:?}", store.counts()[0])),
        ("the number of labels", |store, _| format!("{:?}", store.counts()[2])),
        ("an ETag over all rows", |store, recipient| {
            let all: Vec<_> = store.verdicts(recipient).unwrap_or_default().into_iter().map(|(id, version, _)| (id, version)).collect();
            format!("{:?}", Sha256::digest(format!("{all:?}")))
        }),
        ("403 where 404 is due", |store, _| ids().map(|id| if store.rows_of(&id).is_empty() { "404 " } else { "403 " }).collect()),
        ("numbers of rows", |store, recipient| shown(store, recipient).iter().map(|item| format!("{} ", item.entry.row)).collect()),
        ("the date of the last act", |store, _| format!("{:?}", store.acts(1).unwrap().first().map(|act| act.0))),
        ("versions that are hidden", |store, recipient| {
            let all = shown(store, recipient).into_iter().map(|item| item.entry.id);
            all.map(|id| format!("{:?} ", store.rows_of(&id).iter().map(|row| row.version).collect::<Vec<_>>())).collect()
        }),
        ("the ids of stripped references", |store, recipient| {
            let all = shown(store, recipient).into_iter().flat_map(|item| store.explain(&item.entry.id, recipient).unwrap());
            all.map(|it| format!("{:?} ", it.removed_references)).collect()
        }),
        ("sizes of collections by type", |store, recipient| {
            let all = store.verdicts(recipient).unwrap_or_default();
            ["malware", "indicator", "report"].map(|kind| all.iter().filter(|(id, ..)| &*id.kind == kind).count().to_string()).join(" ")
        }),
        ("the reason of a refusal", |store, recipient| {
            ids().map(|id| format!("{:?} ", store.explain(&id, recipient).unwrap_or_default().first().map(|it| it.judgement.reason.clone()))).collect()
        }),
        ("the length of the queue", |store, _| store.queue().len().to_string()),
        ("who else has it", |store, _| ids().map(|id| format!("{} ", store.who_has(&id).len())).collect()),
        ("the policy epoch", |store, _| store.epoch().to_string()),
        ("markings of what is hidden", |store, _| ids().map(|id| format!("{:?} ", store.rows_of(&id).first().map(|row| row.markings.clone()))).collect()),
        ("a digest of the original", |store, recipient| {
            let all = shown(store, recipient).into_iter();
            all.map(|item| format!("{:?} ", Sha256::digest(store.row_bytes(item.entry.row, false).unwrap()))).collect()
        }),
        ("how many are withheld", |store, recipient| {
            let all = store.verdicts(recipient).unwrap_or_default();
            all.iter().filter(|(.., judgement)| !judgement.permits()).count().to_string()
        }),
    ];
    leaks.into_iter().map(|(name, leak)| Planted { name, leak }).collect()
}

#[test]
fn every_planted_leak_is_caught() {
    let mut left = planted();
    let mut seed = 50_000;
    while !left.is_empty() && seed < 52_000 {
        seed += 1;
        let Some(pair) = pair(seed) else { continue };
        let nodes = nodes(&pair).unwrap();
        left.retain(|leak| !differs(leak, &nodes, pair.recipient));
    }
    let left: Vec<_> = left.iter().map(|leak| leak.name).collect();
    assert!(left.is_empty(), "never noticed: {left:?}");
}
