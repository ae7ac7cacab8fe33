//! The store and the oracle, told the same scripts, must serve every recipient the same.
//! The rule: order, dates, versions, bytes and verdicts are all compared; a difference is reported as the shortest script that shows it.

use polder_release::{Form, Item, Verdict as Found};
use polder_stix::Id;
use polder_stix::time::Version;
use serde_json::Value;

use crate::oracle::{self, Entry, Event, Verdict};
use crate::scripts::{Node, Random, Step, events, read_all, script, shrink};

pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Everyone who ever occurs in a directory of the script.
pub(crate) fn recipients(events: &[Event]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for event in events {
        if let oracle::What::SetDirectory(directory) = &event.what {
            all.extend(directory.recipients.iter().map(|it| it.id.clone()));
        }
    }
    all.sort();
    all.dedup();
    all
}

#[test]
fn store_and_oracle_agree() {
    let scripts = setting("POLDER_WORLDS", 300);
    let first = setting("POLDER_SEED", 1);
    let scripts = if std::env::var_os("POLDER_SEED").is_some() { 1 } else { scripts };
    let workers = std::thread::available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || (first..first + scripts).filter(|seed| seed % workers == worker).for_each(agree));
        }
    });
}

fn agree(seed: u64) {
    let mut random = Random::new(seed);
    let length = 6 + random.below(24);
    let steps = script(&mut random, length);
    if let Err(why) = check(&steps) {
        let steps = shrink(steps, &|fewer| check(fewer).is_err());
        let short = check(&steps).err().unwrap_or(why);
        panic!("POLDER_SEED={seed}: {short}\n{}", tell(&steps));
    }
}

fn tell(steps: &[Step]) -> String {
    steps.iter().skip(1).map(|step| format!("{} at {}: {:?}\n", step.key, step.at_us, step.what)).collect()
}

/// Runs the script, comparing at every poll and, for everyone, at the end and after a restart.
pub(crate) fn check(steps: &[Step]) -> Result<(), String> {
    let all = events(steps);
    let mut node = Node::run(steps, &mut |node, recipient, at_us| {
        let until: Vec<Event> = all.iter().filter(|event| event.stamp_us <= at_us).cloned().collect();
        compare(node, &oracle::history(&until, recipient, at_us), recipient, at_us)
    })?;
    let end_us = steps.last().map_or(0, |step| step.at_us) + 60_000_000;
    node.at(end_us);
    let histories: Vec<(String, Vec<Entry>)> =
        recipients(&all).into_iter().map(|recipient| (recipient.clone(), oracle::history(&all, &recipient, end_us))).collect();
    for (recipient, expected) in &histories {
        compare(&node, expected, recipient, end_us)?;
        verdicts(&node, &all, recipient, end_us)?;
    }
    node.reopen(end_us);
    let again = |(recipient, expected): &(String, Vec<Entry>)| compare(&node, expected, recipient, end_us);
    histories.iter().try_for_each(again).map_err(|why| format!("after a restart: {why}"))
}

fn compare(node: &Node, expected: &[Entry], recipient: &str, now_us: i64) -> Result<(), String> {
    let Ok(whole) = read_all(node.store(), recipient, Form::Whole, 3) else {
        return if expected.is_empty() { Ok(()) } else { Err(format!("{recipient} is unknown")) };
    };
    let shown: Vec<(usize, &Entry)> = expected.iter().enumerate().filter(|(_, entry)| entry.left_us.is_none()).collect();
    let difference = || format!("{recipient} at {now_us}: expected {}, found {}", told(expected), found(&whole));
    if shown.len() != whole.len() {
        return Err(difference());
    }
    for ((position, entry), item) in shown.iter().zip(&whole) {
        same(*position, entry, item, node).map_err(|why| format!("{why}; {}", difference()))?;
    }
    let listed = read_all(node.store(), recipient, Form::Listed, 5)?;
    let entries = |items: &[Item]| items.iter().map(|item| item.entry.clone()).collect::<Vec<_>>();
    if entries(&listed) != entries(&whole) {
        return Err(format!("{recipient} is listed {}, given {}", found(&listed), found(&whole)));
    }
    Ok(())
}

fn same(position: usize, entry: &Entry, item: &Item, node: &Node) -> Result<(), String> {
    let at = &item.entry;
    let version = entry.version.as_deref().map(|text| Version::parse(text).unwrap());
    let agree = [
        ("position", usize::try_from(at.position).unwrap() == position),
        ("row", usize::try_from(at.row).unwrap() == entry.row),
        ("id", at.id.to_string() == entry.id),
        ("version", at.version.map(Version::ns) == version.map(Version::ns)),
        ("date", at.date_us == entry.entered_us),
    ];
    if let Some((what, _)) = agree.iter().find(|(_, agrees)| !agrees) {
        return Err(format!("another {what} at row {}", entry.row));
    }
    let served: Value = serde_json::from_slice(&item.bytes).map_err(|error| error.to_string())?;
    if served != entry.served {
        return Err(format!("row {}: expected {}, served {served}", entry.row, entry.served));
    }
    let received = node.rows.get(entry.row).ok_or("a row that never came")?;
    let whole = serde_json::from_slice::<Value>(received).map_err(|error| error.to_string())? == served;
    if whole && *received != item.bytes {
        return Err(format!("row {} is not served byte for byte", entry.row));
    }
    Ok(())
}

fn verdicts(node: &Node, events: &[Event], recipient: &str, now_us: i64) -> Result<(), String> {
    let expected = oracle::verdicts(events, recipient, now_us);
    let places = oracle::places(events);
    for (number, place) in places.iter().enumerate().filter(|(_, place)| place.live) {
        let all = node.store().explain(&Id::parse(&place.id).unwrap(), recipient).map_err(|error| error.to_string())?;
        let explained = all.iter().find(|it| usize::try_from(it.row.row) == Ok(number));
        let found = explained.map(|it| of(it.judgement.verdict));
        let right = expected.get(&number).copied().unwrap_or(Verdict::Withhold);
        if found != Some(right) {
            let why = explained.map(|it| &it.judgement);
            return Err(format!("row {number} ({}) for {recipient}: expected {right:?}, found {why:?}", place.id));
        }
    }
    Ok(())
}

pub(crate) fn of(verdict: Found) -> Verdict {
    match verdict {
        Found::Release => Verdict::Release,
        Found::Redact => Verdict::Redact,
        Found::Withhold => Verdict::Withhold,
        Found::Hold => Verdict::Hold,
    }
}

fn told(entries: &[Entry]) -> String {
    let one = |entry: &Entry| format!("{}@{}{}", entry.row, entry.entered_us % 1_000_000_000, if entry.left_us.is_some() { "-" } else { "" });
    entries.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn found(items: &[Item]) -> String {
    let one = |item: &Item| format!("{}@{}#{}", item.entry.row, item.entry.date_us % 1_000_000_000, item.entry.position);
    items.iter().map(one).collect::<Vec<_>>().join(" ")
}
