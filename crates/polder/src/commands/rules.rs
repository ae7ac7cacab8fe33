//! Sources, standing releases, collections: what decides over many objects at once.
//!
//! The rule: a value that cannot be is usage, a name that nobody knows is no, and either leaves everything as it was.

use serde_json::{Value, json};

use super::effect;
use super::people::{list, taken};
use crate::directory::{self, CollectionEntry, SourceEntry, StandingEntry};
use crate::failure::{Failure, exit};
use crate::init::check_id;
use crate::node::Node;
use crate::request::{Answer, Request};

pub(super) fn run(node: &Node, by: &str, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::SourceAdd { name, kind, member, default_tlp, default_members } => {
            add_source(node, by, SourceEntry { name, kind, member, default_tlp, default_members })
        }
        Request::SourceSet { name, default_tlp, default_members } => set_source(node, by, &name, default_tlp.as_deref(), default_members),
        Request::SourceRemove { name } => remove_source(node, by, &name),
        Request::SourceList => Ok(list(&node.directory().sources.sources, "sources")),
        Request::StandingAdd { id, levels, types, members, recipients } => add_standing(node, by, StandingEntry { id, levels, types, members, recipients }),
        Request::StandingRemove { id } => remove_standing(node, by, &id),
        Request::StandingList => Ok(list(&node.directory().standing.standing, "standing")),
        Request::CollectionAdd { alias, title, types, sources, read, write } => {
            let id = crate::auth::random_uuid()?;
            add_collection(node, by, CollectionEntry { id, alias, title, description: String::new(), types, sources, read, write })
        }
        Request::CollectionRemove { alias } => remove_collection(node, by, &alias),
        Request::CollectionList => Ok(list(&node.directory().collections.collections, "collections")),
        other => Err(Failure::usage(format!("this node does not know the request {other:?}"), "use the same program version for the node and the command")),
    }
}

fn add_source(node: &Node, by: &str, entry: SourceEntry) -> Result<Answer, Failure> {
    check_id("source", &entry.name)?;
    directory::source(&entry).map_err(Failure::into_usage)?;
    node.change(by, |d| {
        if d.sources.sources.iter().any(|s| s.name == entry.name) {
            return Err(taken("source", &entry.name));
        }
        d.need_members(entry.member.as_slice())?;
        d.need_members(&entry.default_members)?;
        let value = json!({"source": entry});
        d.sources.sources.push(entry);
        Ok(Answer::ok(value))
    })
}

fn no_source(name: &str) -> Failure {
    Failure::not_found("source", name, "see `polder source list`")
}

fn set_source(node: &Node, by: &str, name: &str, default_tlp: Option<&str>, default_members: Vec<String>) -> Result<Answer, Failure> {
    if default_tlp.is_none() && default_members.is_empty() {
        return Err(Failure::usage("nothing to change was named", "use `--default-tlp LEVEL`, `--default-tlp none` or `--default-members A,B`"));
    }
    if let Some(level) = default_tlp.filter(|l| *l != "none") {
        directory::level(level).map_err(Failure::into_usage)?;
    }
    let (entry, audience) = effect::of(node, || {
        node.change(by, |d| {
            d.need_members(&default_members)?;
            let slot = d.sources.sources.iter_mut().find(|s| s.name == name).ok_or_else(|| no_source(name))?;
            match default_tlp {
                None => {}
                Some("none") => (slot.default_tlp, slot.default_members) = (None, Vec::new()),
                Some(level) => slot.default_tlp = Some(level.to_owned()),
            }
            if !default_members.is_empty() {
                slot.default_members = default_members;
            }
            Ok(slot.clone())
        })
    })?;
    Ok(Answer::ok(json!({"source": entry, "audience": audience})))
}

/// The store keeps what came from a source under its name for good, so a source with objects stays.
fn remove_source(node: &Node, by: &str, name: &str) -> Result<Answer, Failure> {
    if node.directory().sources.sources.iter().all(|s| s.name != name) {
        return Err(no_source(name));
    }
    let objects = objects_of(node, name)?;
    if objects > 0 {
        let why = format!("the source `{name}` holds {objects} objects, and what is kept of them needs it");
        return Err(Failure::new(exit::NO, why, format!("`polder source set {name} --default-tlp none` takes its default label away")));
    }
    node.change(by, |d| {
        let takes = |c: &&CollectionEntry| c.sources.iter().flatten().any(|s| s == name);
        if let Some(collection) = d.collections.collections.iter().find(takes) {
            let why = format!("the collection `{}` takes from the source `{name}`", collection.alias);
            return Err(Failure::new(exit::NO, why, format!("`polder collection remove {}` first", collection.alias)));
        }
        d.sources.sources.retain(|s| s.name != name);
        Ok(removed(name))
    })
}

fn objects_of(node: &Node, source: &str) -> Result<usize, Failure> {
    let mut ids: Vec<polder_stix::Id> = node.store.verdicts(&node.owner())?.into_iter().map(|(id, _, _)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids.iter().filter(|id| node.store.rows_of(id).iter().any(|r| *r.source == *source)).count())
}

pub(super) fn removed(name: &str) -> Answer {
    Answer::ok(json!({"removed": name}))
}

/// Drops every entry that is meant; hand-written files may name one twice.
pub(super) fn remove_from<T>(list: &mut Vec<T>, is_meant: impl Fn(&T) -> bool, missing: impl FnOnce() -> Failure) -> Result<(), Failure> {
    let before = list.len();
    list.retain(|entry| !is_meant(entry));
    if list.len() == before { Err(missing()) } else { Ok(()) }
}

fn add_standing(node: &Node, by: &str, entry: StandingEntry) -> Result<Answer, Failure> {
    check_id("standing release", &entry.id)?;
    directory::standing(&entry).map_err(Failure::into_usage)?;
    if entry.members.is_empty() && entry.recipients.is_empty() {
        return Err(Failure::usage(format!("the standing release `{}` adds nobody", entry.id), "name who it is for: `--member A,B` or `--recipient R`"));
    }
    let (value, audience) = effect::of(node, || {
        node.change(by, |d| {
            if d.standing.standing.iter().any(|s| s.id == entry.id) {
                return Err(taken("standing release", &entry.id));
            }
            d.need_members(&entry.members)?;
            d.need_recipients(&entry.recipients)?;
            let value: Value = json!(entry);
            d.standing.standing.push(entry);
            Ok(value)
        })
    })?;
    Ok(Answer::ok(json!({"standing": value, "audience": audience})))
}

fn remove_standing(node: &Node, by: &str, id: &str) -> Result<Answer, Failure> {
    node.change(by, |d| {
        remove_from(&mut d.standing.standing, |s| s.id == id, || Failure::not_found("standing release", id, "see `polder standing list`"))?;
        Ok(removed(id))
    })
}

fn add_collection(node: &Node, by: &str, entry: CollectionEntry) -> Result<Answer, Failure> {
    check_id("collection", &entry.alias)?;
    node.change(by, |d| {
        if d.collections.collections.iter().any(|c| c.alias == entry.alias) {
            return Err(taken("collection", &entry.alias));
        }
        let named: Vec<String> = entry.read.iter().chain(&entry.write).filter(|r| *r != "*").cloned().collect();
        d.need_recipients(&named)?;
        d.need_sources(entry.sources.as_deref().unwrap_or_default())?;
        let value = json!({"collection": entry});
        d.collections.collections.push(entry);
        Ok(Answer::ok(value))
    })
}

fn remove_collection(node: &Node, by: &str, alias: &str) -> Result<Answer, Failure> {
    node.change(by, |d| {
        remove_from(&mut d.collections.collections, |c| c.alias == alias, || Failure::not_found("collection", alias, "see `polder collection list`"))?;
        Ok(removed(alias))
    })
}
