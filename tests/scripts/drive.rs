//! A real store, driven by the events of a script.
//! The rule: the clock stands at each step's moment, so two runs of one script are the same to the microsecond.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use polder_release as release;
use polder_release::{Form, Item, Outbound, Page, Principal};
use polder_stix::Id;
use polder_store::{Act, ManualClock, Outcome, Query, Setup, Store, Tightening, Versions, prepare};
use serde_json::Value;

use super::{Plain, Step, plain, sources};
use crate::oracle::{Audience, DefaultLabel, Directory, Event, Kind, Level, SourceKind, What};

/// A store and what went into it.
#[derive(Debug)]
pub(crate) struct Node {
    dir: tempfile::TempDir,
    store: Option<Arc<Store>>,
    clock: Arc<ManualClock>,
    directory: Directory,
    defaults: BTreeMap<String, DefaultLabel>,
    /// The bytes of every row, by number.
    pub(crate) rows: Vec<Vec<u8>>,
}

/// A directory in memory where there is one.
pub(crate) fn temporary() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

impl Node {
    /// Runs a whole script; `watch` is asked at every poll.
    pub(crate) fn run(steps: &[Step], watch: &mut dyn FnMut(&Self, &str, i64) -> Result<(), String>) -> Result<Self, String> {
        let mut steps = plain(steps).into_iter();
        let Some(Plain::Event(Event { stamp_us, what: What::SetDirectory(directory) })) = steps.next() else {
            return Err("a script begins with its directory".to_owned());
        };
        let clock = Arc::new(ManualClock::at(stamp_us));
        let mut node = Self { dir: temporary(), store: None, clock, directory, defaults: BTreeMap::new(), rows: Vec::new() };
        node.open();
        for step in steps {
            match step {
                Plain::Event(event) => node.apply(event)?,
                Plain::Poll { at_us, recipient } => {
                    node.clock.set(at_us);
                    watch(&node, &recipient, at_us)?;
                }
                Plain::Reopen { at_us } => node.reopen(at_us),
            }
        }
        Ok(node)
    }

    /// Runs a script whose polls are made and not looked at.
    pub(crate) fn of(steps: &[Step]) -> Result<Self, String> {
        Self::run(steps, &mut |node, recipient, _| {
            // The log of an unknown recipient cannot be brought up to date.
            drop(read_all(node.store(), recipient, Form::Whole, usize::MAX));
            Ok(())
        })
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        self.store.as_ref().unwrap()
    }

    pub(crate) fn reopen(&mut self, now_us: i64) {
        self.clock.set(now_us);
        self.store = None;
        self.open();
    }

    pub(crate) fn at(&self, now_us: i64) {
        self.clock.set(now_us);
    }

    fn open(&mut self) {
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let setup = Setup { policy: policy(&self.directory), sources: self.sources(), clock, accept_clock: false };
        self.store = Some(Arc::new(Store::open(self.dir.path(), setup).unwrap()));
    }

    fn sources(&self) -> Vec<polder_store::Source> {
        let all = sources().into_iter();
        all.map(|source| polder_store::Source {
            default: self.defaults.get(&source.name).map(default_label).unwrap_or_default(),
            name: source.name.into(),
            origin: match source.kind {
                SourceKind::Own => release::Origin::Own,
                SourceKind::Member(id) => release::Origin::Member(id.into()),
                SourceKind::Feed => release::Origin::Feed,
            },
        })
        .collect()
    }

    fn apply(&mut self, event: Event) -> Result<(), String> {
        self.clock.set(event.stamp_us);
        let id = |text: &str| Id::parse(text).unwrap();
        let act = match event.what {
            What::Commit { source, objects } => {
                return self.commit(&source.name, objects, event.stamp_us);
            }
            What::SetDirectory(directory) => {
                self.directory = directory;
                Act::Policy(policy(&self.directory), self.sources())
            }
            What::SetDefault { source, default } => {
                match default {
                    Some(default) => self.defaults.insert(source, default),
                    None => self.defaults.remove(&source),
                };
                Act::Policy(policy(&self.directory), self.sources())
            }
            What::Pin(definition) => Act::Pin(definition.to_string().into_bytes()),
            What::Overlay { source, object, level, audience } => {
                assert!(level.is_some() != audience.is_some(), "the store's overlays raise a level or keep in the house");
                Act::Overlay(id(&object), source.into(), level.map_or(Tightening::House, |level| Tightening::Level(to_level(level))))
            }
            What::Lift { source, object, left } => Act::Lift(id(&object), source.into(), left.map(to_level)),
            What::Grant { recipient, row } => Act::Grant(u32::try_from(row).unwrap(), recipient.into()),
            What::Remove { rows } => Act::Remove(rows.into_iter().map(|row| u32::try_from(row).unwrap()).collect()),
        };
        self.store().act(act, "tester").map_err(|error| format!("an act failed: {error}"))
    }

    fn commit(&mut self, source: &str, objects: Vec<Value>, now_us: i64) -> Result<(), String> {
        let mut prepared = Vec::new();
        for object in objects {
            // Two spellings of one content, so that what comes out can be told from what was put together anew.
            let length = object.to_string().len();
            let text = if length % 2 == 0 { object.to_string() } else { serde_json::to_string_pretty(&object).unwrap() };
            prepared.extend(prepare(&text, now_us).ok());
        }
        let bytes: Vec<Vec<u8>> = prepared.iter().map(|object| object.bytes().to_vec()).collect();
        let outcomes = self.store().ingest(source, None, prepared).map_err(|error| format!("a commit failed: {error}"))?;
        for (outcome, bytes) in outcomes.into_iter().zip(bytes) {
            match outcome {
                Outcome::New | Outcome::Variant | Outcome::Conflict => self.rows.push(bytes),
                Outcome::Known => {}
                Outcome::Refused(why) => return Err(format!("refused: {}", why.reason)),
            }
        }
        Ok(())
    }
}

/// Everything a recipient may see, read page by page.
pub(crate) fn read_all(store: &Store, recipient: &str, form: Form, limit: usize) -> Result<Vec<Item>, String> {
    let mut all = Vec::new();
    let versions = Versions { all: true, ..Versions::default() };
    let mut query = Query { limit: Some(limit), versions, ..Query::default() };
    loop {
        let page = page(store, recipient, &query, form)?;
        all.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(all),
        }
    }
}

/// One page, through the sink.
pub(crate) fn page(store: &Store, recipient: &str, query: &Query, form: Form) -> Result<Page, String> {
    let released = store.page(recipient, query, form).map_err(|error| error.to_string())?;
    let number = store.recipient_number(recipient).ok_or("no such recipient")?;
    match Outbound::new(number, store).pass(released) {
        // One who is suspended is told nothing.
        Err(polder_release::Refused::Recipient) => Ok(Page::default()),
        other => other.map_err(|error| error.to_string()),
    }
}

pub(crate) fn to_level(level: Level) -> release::Level {
    match level {
        Level::Clear => release::Level::Clear,
        Level::Green => release::Level::Green,
        Level::Amber => release::Level::Amber,
        Level::AmberStrict => release::Level::AmberStrict,
        Level::Red => release::Level::Red,
    }
}

fn default_label(default: &DefaultLabel) -> release::DefaultLabel {
    release::DefaultLabel { level: default.level.map(to_level), audience: release::Audience(default.audience.iter().map(principals).collect()) }
}

pub(crate) fn principals(audience: &Audience) -> BTreeSet<Principal> {
    let of = |names: &BTreeSet<String>, make: fn(Box<str>) -> Principal| -> Vec<Principal> { names.iter().map(|name| make(name.as_str().into())).collect() };
    [
        of(&audience.members, Principal::Member),
        of(&audience.groups, Principal::Group),
        of(&audience.persons, Principal::Person),
        of(&audience.nodes, Principal::Node),
    ]
    .concat()
    .into_iter()
    .collect()
}

fn set<T: From<String> + Ord>(names: &[String]) -> BTreeSet<T> {
    names.iter().map(|name| name.clone().into()).collect()
}

/// The directory as the product has it.
pub(crate) fn policy(directory: &Directory) -> release::Policy {
    let inside = directory.members.iter().map(|member| (&member.id, &member.client_of, true));
    let outside = directory.other_clients.iter().map(|(id, client_of)| (id, client_of, false));
    let member = |(id, client_of, in_alliance): (&String, &Vec<String>, bool)| {
        let identity = (*id == directory.holder).then(|| directory.holder_identity.as_str().into());
        (id.as_str().into(), release::Member { id: id.as_str().into(), identity, client_of: set(client_of), in_alliance })
    };
    let groups = directory.groups.iter().map(|group| {
        let members = set(&group.members);
        (group.id.as_str().into(), release::Group { members, persons: set(&group.persons) })
    });
    let recipients = directory.recipients.iter().map(|it| release::Recipient {
        person: it.person.as_deref().map(Into::into),
        active: it.active,
        ..release::Recipient::new(&it.id, kind(it.kind), it.organisation.as_deref())
    });
    let standing = directory.standing.iter().enumerate().map(|(number, it)| release::Standing {
        id: format!("rule-{number}").into(),
        levels: it.levels.iter().copied().map(to_level).collect(),
        types: set(&it.types),
        members: set(&it.members),
        recipients: set(&it.recipients),
    });
    release::Policy {
        alliance: release::Alliance {
            holder: directory.holder.as_str().into(),
            members: inside.chain(outside).map(member).collect(),
            groups: groups.collect(),
        },
        recipients: recipients.collect(),
        standing: standing.collect(),
    }
}

fn kind(kind: Kind) -> release::Kind {
    match kind {
        Kind::Organisation => release::Kind::Organisation,
        Kind::Node => release::Kind::Node,
        Kind::Person => release::Kind::Person,
        Kind::PartnerSystem => release::Kind::PartnerSystem,
        Kind::Public => release::Kind::Public,
    }
}
