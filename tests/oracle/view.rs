//! The view of a recipient over time.
//! The rule: after every step the log tells exactly what changed in what is shown, each entry at a date of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::world::{Row, World};
use super::{Event, SourceKind, judge};

/// A row that entered the view, and perhaps left it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) row: usize,
    pub(crate) id: String,
    /// The text of `modified`, else of `created`.
    pub(crate) version: Option<String>,
    pub(crate) entered_us: i64,
    pub(crate) left_us: Option<i64>,
    pub(crate) served: Value,
}

/// The view log of a recipient up to and including `now_us`.
pub(crate) fn history(events: &[Event], recipient: &str, now_us: i64) -> Vec<Entry> {
    let mut world = World::default();
    let mut log = Log::default();
    let mut clock = None;
    for event in events.iter().filter(|event| event.stamp_us <= now_us) {
        for edge in edges_after(&world, clock).filter(|edge| *edge < event.stamp_us) {
            log.step(&world, recipient, edge);
        }
        world.apply(event);
        log.step(&world, recipient, event.stamp_us);
        clock = Some(event.stamp_us);
    }
    for edge in edges_after(&world, clock).filter(|edge| *edge <= now_us) {
        log.step(&world, recipient, edge);
    }
    log.entries
}

fn edges_after(world: &World, clock: Option<i64>) -> impl Iterator<Item = i64> {
    world.edges().into_iter().filter(move |edge| clock.is_some_and(|clock| *edge > clock))
}

#[derive(Default)]
struct Log {
    entries: Vec<Entry>,
    last: Option<i64>,
}

impl Log {
    fn step(&mut self, world: &World, recipient: &str, now_us: i64) {
        let shown = choose(world, recipient, now_us, &self.shown());
        for entry in &mut self.entries {
            if entry.left_us.is_none() && shown.get(&entry.row) != Some(&entry.served) {
                entry.left_us = Some(now_us);
            }
        }
        let before = self.shown();
        for (number, served) in shown.into_iter().filter(|(number, _)| !before.contains(number)) {
            let Some(row) = world.rows.get(number) else {
                continue;
            };
            let version = row.version_text().map(str::to_owned);
            let entered_us = self.date(now_us);
            let id = row.id().to_owned();
            self.entries.push(Entry { row: number, id, version, entered_us, left_us: None, served });
        }
    }

    fn shown(&self) -> BTreeSet<usize> {
        self.entries.iter().filter(|entry| entry.left_us.is_none()).map(|entry| entry.row).collect()
    }

    fn date(&mut self, stamp_us: i64) -> i64 {
        let date = self.last.map_or(stamp_us, |last| stamp_us.max(last + 1));
        self.last = Some(date);
        date
    }
}

/// Of the rows the recipient may hold, those that are shown, with what is served of each.
fn choose(world: &World, recipient: &str, now_us: i64, before: &BTreeSet<usize>) -> BTreeMap<usize, Value> {
    let held: BTreeMap<usize, Value> = judge::all(world, recipient, now_us).into_iter().filter_map(|(row, (_, served))| Some((row, served?))).collect();
    let rows: Vec<&Row> = held.keys().filter_map(|number| world.rows.get(*number)).collect();
    let rank = |row: &Row| row.source.kind == SourceKind::Feed;
    let mut shown = BTreeSet::new();
    for row in &rows {
        if let Some(version) = row.version() {
            let copies = rows.iter().filter(|it| it.id() == row.id() && it.version().as_ref() == Some(&version));
            let chosen = copies.min_by_key(|it| (rank(it), !before.contains(&it.number), it.number));
            shown.extend(chosen.map(|it| it.number));
        } else {
            let copies: Vec<&&Row> = rows.iter().filter(|it| it.id() == row.id() && it.version().is_none()).collect();
            let seen = |name: &str| copies.iter().any(|it| it.source.name == name && before.contains(&it.number));
            let chosen = copies.iter().min_by_key(|it| (rank(it), !seen(&it.source.name), it.number));
            let source = chosen.map(|it| &it.source.name);
            shown.extend(copies.iter().filter(|it| Some(&it.source.name) == source).map(|it| it.number));
        }
    }
    held.into_iter().filter(|(row, _)| shown.contains(row)).collect()
}
