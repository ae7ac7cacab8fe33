//! Members, recipients, sources, standing releases, collections; doctor and settings.

use serde_json::{Value, json};

use crate::directory::{CollectionEntry, GroupEntry, MemberEntry, RecipientEntry, SourceEntry, StandingEntry};
use crate::failure::{Failure, exit};
use crate::init::{check_id, new_user};
use crate::node::Node;
use crate::request::{Answer, Request};

pub(super) fn run(node: &Node, by: &str, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::SourceAdd { name, kind, member, default_tlp, default_members } => {
            add_source(node, by, SourceEntry { name, kind, member, default_tlp, default_members })
        }
        Request::SourceSet { name, default_tlp, default_members } => set_source(node, by, &name, default_tlp.as_deref(), default_members),
        Request::SourceList => Ok(list(&node.directory().sources.sources, "sources")),
        Request::StandingAdd { id, levels, types, members, recipients } => add_standing(node, by, StandingEntry { id, levels, types, members, recipients }),
        Request::StandingRemove { id } => remove_standing(node, by, &id),
        Request::StandingList => Ok(list(&node.directory().standing.standing, "standing")),
        Request::RecipientAdd { id, kind, organisation, person, user, password } => {
            add_recipient(node, by, RecipientEntry { id, kind, organisation, person, suspended: false }, user.as_deref(), password)
        }
        Request::RecipientSuspend { id, suspend } => suspend_recipient(node, by, &id, suspend),
        Request::RecipientList => Ok(list(&node.directory().recipients.recipients, "recipients")),
        Request::MemberAdd { id, name, kind, client_of, outside } => {
            add_member(node, by, MemberEntry { id, name, kind, identity: None, client_of, in_alliance: !outside })
        }
        Request::MemberList => Ok(list(&node.directory().alliance.members, "members")),
        Request::GroupAdd { id, members, persons } => add_group(node, by, GroupEntry { id, members, persons }),
        Request::CollectionAdd { alias, title, types, sources, read, write } => {
            let id = crate::auth::random_uuid()?;
            add_collection(node, by, CollectionEntry { id, alias, title, description: String::new(), types, sources, read, write })
        }
        Request::CollectionList => Ok(list(&node.directory().collections.collections, "collections")),
        Request::Doctor => doctor(node),
        Request::ConfigShow => Ok(config_show(node)),
        other => Err(Failure::usage(format!("this node does not know the request {other:?}"), "use the same program version for the node and the command")),
    }
}

fn list<T: serde::Serialize>(entries: &[T], name: &str) -> Answer {
    Answer::ok(json!({ name: entries }))
}

fn taken(kind: &str, id: &str) -> Failure {
    Failure::new(exit::NO, format!("there is a {kind} `{id}` already"), "choose another id, or look at the list; nothing was changed")
}

fn add_source(node: &Node, by: &str, entry: SourceEntry) -> Result<Answer, Failure> {
    check_id("source", &entry.name)?;
    node.change(by, |d| {
        if d.sources.sources.iter().any(|s| s.name == entry.name) {
            return Err(taken("source", &entry.name));
        }
        let value = json!({"source": entry});
        d.sources.sources.push(entry);
        Ok(Answer::ok(value))
    })
}

fn set_source(node: &Node, by: &str, name: &str, default_tlp: Option<&str>, default_members: Vec<String>) -> Result<Answer, Failure> {
    if default_tlp.is_none() && default_members.is_empty() {
        return Err(Failure::usage("nothing to change was named", "use `--default-tlp LEVEL`, `--default-tlp none` or `--default-members A,B`"));
    }
    node.change(by, |d| {
        let slot = d.sources.sources.iter_mut().find(|s| s.name == name).ok_or_else(|| Failure::not_found("source", name, "see `polder source list`"))?;
        match default_tlp {
            None => {}
            Some("none") => (slot.default_tlp, slot.default_members) = (None, Vec::new()),
            Some(level) => slot.default_tlp = Some(level.to_owned()),
        }
        if !default_members.is_empty() {
            slot.default_members = default_members;
        }
        Ok(Answer::ok(json!({"source": slot})))
    })
}

fn add_standing(node: &Node, by: &str, entry: StandingEntry) -> Result<Answer, Failure> {
    check_id("standing release", &entry.id)?;
    node.change(by, |d| {
        if d.standing.standing.iter().any(|s| s.id == entry.id) {
            return Err(taken("standing release", &entry.id));
        }
        let value = json!({"standing": entry});
        d.standing.standing.push(entry);
        Ok(Answer::ok(value))
    })
}

fn remove_standing(node: &Node, by: &str, id: &str) -> Result<Answer, Failure> {
    node.change(by, |d| {
        let before = d.standing.standing.len();
        d.standing.standing.retain(|s| s.id != id);
        if d.standing.standing.len() == before {
            return Err(Failure::not_found("standing release", id, "see `polder standing list`"));
        }
        Ok(Answer::ok(json!({"removed": id})))
    })
}

fn add_recipient(node: &Node, by: &str, entry: RecipientEntry, user: Option<&str>, password: Option<String>) -> Result<Answer, Failure> {
    check_id("recipient", &entry.id)?;
    let login = match (user, entry.kind.as_str()) {
        (_, "public") => None,
        (user, _) => Some(new_user(user.unwrap_or(&entry.id), &entry.id, "reader", password)?),
    };
    node.change(by, |d| {
        if d.recipients.recipients.iter().any(|r| r.id == entry.id) {
            return Err(taken("recipient", &entry.id));
        }
        if let Some(login) = &login {
            if d.users.users.iter().any(|u| u.user == login.user) {
                return Err(taken("user", &login.user));
            }
            d.users.users.push(login.entry.clone());
        }
        let mut value = json!({"recipient": entry.id});
        if let (Some(login), Some(map)) = (&login, value.as_object_mut()) {
            map.insert("user".into(), login.user.as_str().into());
            map.insert("password".into(), login.password.as_str().into());
            map.insert("token".into(), login.token.as_str().into());
        }
        if entry.kind == "public" {
            open_to_public(d, &entry.id, &mut value);
        }
        d.recipients.recipients.push(entry);
        Ok(Answer::ok(value))
    })
}

/// `*` means everyone with a login, so the public needs a right of its own: in the collections that every login may read.
fn open_to_public(d: &mut crate::directory::Directory, id: &str, value: &mut Value) {
    let mut opened = Vec::new();
    for collection in d.collections.collections.iter_mut().filter(|c| c.read.iter().any(|r| r == "*")) {
        collection.read.push(id.to_owned());
        opened.push(collection.alias.clone());
    }
    if let Some(map) = value.as_object_mut() {
        map.insert("reads_without_credentials".to_owned(), json!(opened));
    }
}

fn suspend_recipient(node: &Node, by: &str, id: &str, suspend: bool) -> Result<Answer, Failure> {
    node.change(by, |d| {
        let slot = d.recipients.recipients.iter_mut().find(|r| r.id == id).ok_or_else(|| Failure::not_found("recipient", id, "see `polder recipient list`"))?;
        slot.suspended = suspend;
        Ok(Answer::ok(json!({"recipient": id, "suspended": suspend})))
    })
}

fn add_member(node: &Node, by: &str, mut entry: MemberEntry) -> Result<Answer, Failure> {
    check_id("member", &entry.id)?;
    entry.identity = Some(format!("identity--{}", crate::auth::random_uuid()?));
    node.change(by, |d| {
        if d.alliance.members.iter().any(|m| m.id == entry.id) {
            return Err(taken("member", &entry.id));
        }
        let value = json!({"member": entry});
        d.alliance.members.push(entry);
        Ok(Answer::ok(value))
    })
}

fn add_group(node: &Node, by: &str, entry: GroupEntry) -> Result<Answer, Failure> {
    check_id("group", &entry.id)?;
    node.change(by, |d| {
        if d.alliance.groups.iter().any(|g| g.id == entry.id) {
            return Err(taken("group", &entry.id));
        }
        let value = json!({"group": entry});
        d.alliance.groups.push(entry);
        Ok(Answer::ok(value))
    })
}

fn add_collection(node: &Node, by: &str, entry: CollectionEntry) -> Result<Answer, Failure> {
    check_id("collection", &entry.alias)?;
    node.change(by, |d| {
        if d.collections.collections.iter().any(|c| c.alias == entry.alias) {
            return Err(taken("collection", &entry.alias));
        }
        let value = json!({"collection": entry});
        d.collections.collections.push(entry);
        Ok(Answer::ok(value))
    })
}

fn limit(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_owned(), value.into())
}

fn doctor(node: &Node) -> Result<Answer, Failure> {
    let mut damage = node.store.damage();
    damage.extend(node.store.verify()?);
    let behind_s = node.store.clock_behind_us() / 1_000_000;
    let counts: serde_json::Map<String, Value> = node.store.counts().into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
    let limits: serde_json::Map<String, Value> = [
        limit("stix.object_bytes_max", polder_stix::limits::OBJECT_BYTES_MAX),
        limit("stix.depth_max", polder_stix::limits::DEPTH_MAX),
        limit("stix.references_max", polder_stix::limits::REFERENCES_MAX),
        limit("release.reference_depth_max", polder_release::limits::REFERENCE_DEPTH_MAX),
        limit("release.audience_names_max", polder_release::limits::AUDIENCE_NAMES_MAX),
        limit("release.granular_max", polder_release::limits::GRANULAR_MAX),
        limit("store.commit_objects_max", polder_store::limits::COMMIT_OBJECTS_MAX),
        limit("store.page_objects_max", polder_store::limits::PAGE_OBJECTS_MAX),
        limit("store.page_bytes_max", polder_store::limits::PAGE_BYTES_MAX),
        limit("store.labels_per_source_max", polder_store::limits::LABELS_PER_SOURCE_MAX),
        limit("store.version_ahead_s_max", polder_store::limits::VERSION_AHEAD_S_MAX),
        limit("store.clock_behind_us_max", polder_store::limits::CLOCK_BEHIND_US_MAX),
        limit("taxii.content_bytes_max", node.config.content_bytes_max),
        limit("taxii.page_objects_max", node.config.page_objects_max),
    ]
    .into_iter()
    .collect();
    let clock_ok = behind_s * 1_000_000 <= polder_store::limits::CLOCK_BEHIND_US_MAX;
    let well = damage.is_empty() && clock_ok;
    let value = json!({"well": well, "damage": damage, "clock_behind_s": behind_s, "held": counts, "limits": limits, "dir": node.dir.display().to_string()});
    Ok(Answer { value, bytes: None, exit: if well { exit::OK } else { exit::NO } })
}

fn config_show(node: &Node) -> Answer {
    let rows: Vec<Value> = node.origins.iter().map(|(k, v, o)| json!({"key": k, "value": v, "origin": o})).collect();
    Answer::ok(json!({"config": rows}))
}
