//! What the MISP server asks of the node: whose key this is, who is who, and the changes its administrators make.
//!
//! The rule: only an owner's key changes who is who, and never its own organisation; whatever is removed takes its access with it at once.

use std::sync::Arc;

use polder_console::desk::Right;
use polder_misp::library::Library;
use polder_misp::server::{Access, Caller, Change, Group, Organisation, Role, Server, User, Words};
use polder_misp::{LOCAL, group_id};
use polder_release::Policy;
use polder_store::Act;
use polder_taxii::{Access as _, Login};

use crate::auth::{random_key, random_uuid, token_digest};
use crate::commands::misp_sync;
use crate::commands::people::{drop_member, drop_recipient};
use crate::directory::{Directory, GroupEntry, MemberEntry, RecipientEntry, SharingGroupEntry, SourceEntry, UserEntry};
use crate::failure::{Failure, exit};
use crate::init::{check_id, identity, new_user};
use crate::node::Node;

/// Keys that a login may have besides its first.
const KEYS_MAX: usize = 20;

impl Access for Node {
    fn key(&self, key: &str) -> Option<Caller> {
        let caller = self.auth.check(&format!("Bearer {key}"))?;
        let directory = self.directory();
        let user = directory.users.users.iter().find(|u| u.user == *caller.user)?;
        let role = role_of(&directory, user)?;
        self.beats.note(&caller.recipient, "MISP", self.store.now_us());
        Some(Caller { user: caller.user, recipient: caller.recipient, role })
    }

    fn anonymous(&self) -> Option<Caller> {
        let login = self.authenticate(None).ok()?;
        Some(Caller { user: login.user, recipient: login.recipient, role: Role::Reader })
    }

    fn policy(&self) -> Option<Policy> {
        self.directory().policy().ok()
    }

    fn name(&self, member: &str) -> String {
        let directory = self.directory();
        let named = directory.alliance.members.iter().find(|m| m.id == member).map(|m| m.name.clone());
        named.filter(|n| !n.is_empty()).unwrap_or_else(|| member.to_owned())
    }

    fn source(&self, caller: &Caller) -> Result<Box<str>, polder_store::Error> {
        self.poster_source(&Login { user: caller.user.clone(), recipient: caller.recipient.clone(), writes: true })
    }

    fn sources_of(&self, caller: &Caller) -> Vec<Box<str>> {
        let directory = self.directory();
        let acts_for = |member: &Option<String>| match member {
            None => true,
            Some(member) => is_local(&directory, member),
        };
        let administers = caller.role == Role::Administrator;
        let all = directory.sources.sources.iter().filter(|s| administers && matches!(s.kind.as_str(), "own" | "member") && acts_for(&s.member));
        all.map(|s| s.name.as_str().into()).collect()
    }

    fn organisations(&self) -> Vec<Organisation> {
        let directory = self.directory();
        let known = directory.alliance.members.iter().filter_map(|m| {
            let uuid = m.identity.as_deref()?.strip_prefix("identity--")?.to_owned();
            let name = if m.name.is_empty() { m.id.clone() } else { m.name.clone() };
            Some(Organisation { id: m.id.as_str().into(), name, uuid, local: is_local(&directory, &m.id) })
        });
        known.collect()
    }

    fn words(&self) -> Words {
        self.directory().words.clone()
    }

    fn library(&self) -> Arc<Library> {
        Node::library(self)
    }

    fn groups(&self) -> Vec<Group> {
        let directory = self.directory();
        let known = directory.alliance.groups.iter().filter_map(|g| {
            let s = g.sharing_group.clone()?;
            let members = g.members.iter().map(|m| m.as_str().into()).collect();
            Some(Group { uuid: s.uuid, name: s.name, releasability: s.releasability, description: s.description, modified: s.modified, members })
        });
        known.collect()
    }

    fn users(&self) -> Vec<User> {
        let directory = self.directory();
        let known = directory.users.users.iter().filter_map(|u| {
            let organisation = directory.recipients.recipients.iter().find(|r| r.id == u.recipient)?.organisation.as_deref()?.into();
            Some(User { name: u.user.as_str().into(), organisation, role: role_of(&directory, u)? })
        });
        known.collect()
    }

    fn servers(&self) -> Vec<Server> {
        misp_sync::listed(self).unwrap_or_default()
    }

    fn change(&self, caller: &Caller, change: Change) -> Result<String, String> {
        let own_key = matches!(&change, Change::NewKey { user, .. } if *user == caller.user);
        if caller.role != Role::Administrator && !own_key {
            return Err("You do not have permission to use this functionality.".to_owned());
        }
        let told = |f: Failure| format!("{}; {}", f.message, f.help);
        match &change {
            Change::KeepServer { before, server, key } => {
                return misp_sync::keep_server(self, &caller.user, before.as_deref(), server, key.clone()).map_err(told);
            }
            Change::RemoveServer { name } => return misp_sync::remove(self, name).map(|_| name.clone()).map_err(told),
            _ => {}
        }
        self.may_change(&change, own_key).map_err(told)?;
        if let Change::RemoveOrganisation { id } = &change {
            self.empty_sources(id, &caller.user).map_err(|f| format!("{}; {}", f.message, f.help))?;
        }
        let was_here = |id: &str| self.store.recipient_number(id).is_some();
        let now: String = polder_stix::time::from_us(self.store.now_us()).chars().take(19).collect();
        Node::change(self, &caller.user, |d| made(d, change, &was_here, &now.replace('T', " "))).map_err(|f| format!("{}; {}", f.message, f.help))
    }
}

impl Node {
    /// From afar only organisations whose people work here are managed, with their users, and oneself; never the holder or another owner.
    fn may_change(&self, change: &Change, own_key: bool) -> Result<(), Failure> {
        let directory = self.directory();
        let of_user = |user: &str| {
            let entry = directory.users.users.iter().find(|u| u.user == user)?;
            directory.recipients.recipients.iter().find(|r| r.id == entry.recipient)?.organisation.clone()
        };
        let (organisation, holder_too) = match change {
            Change::RenameOrganisation { id, .. } | Change::RemoveOrganisation { id } => (Some(id.to_string()), false),
            Change::AddUser { organisation, .. } => (Some(organisation.to_string()), true),
            Change::NewKey { user, .. } if !own_key => {
                may_go(&directory, user)?;
                (of_user(user), true)
            }
            Change::EditUser { user, .. } | Change::RemoveUser { user } => (of_user(user), true),
            _ => return Ok(()),
        };
        match organisation {
            Some(id) if !is_local(&directory, &id) || (id == directory.holder && !holder_too) => {
                Err(Failure::new(exit::NO, format!("`{id}` is not managed from here"), "its people and its name are changed on the node's own machine"))
            }
            _ => Ok(()),
        }
    }

    /// Takes the markings out of the sources of a member that hold nothing else; one that holds more keeps the member.
    fn empty_sources(&self, member: &str, by: &str) -> Result<(), Failure> {
        let of = |s: &&SourceEntry| s.member.as_deref() == Some(member);
        let names: Vec<String> = self.directory().sources.sources.iter().filter(of).map(|s| s.name.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let (mut definitions, mut others) = (Vec::new(), 0usize);
        for (id, _, _) in self.store.verdicts(&self.owner())? {
            let rows = self.store.rows_of(&id).into_iter().filter(|r| names.iter().any(|n| **n == *r.source)).map(|r| r.row);
            if &*id.kind == "marking-definition" { definitions.extend(rows) } else { others += rows.count() }
        }
        if others > 0 {
            let why = format!("`{member}` has sent what is kept here");
            return Err(Failure::new(exit::NO, why, "delete its events first, or remove its users one by one"));
        }
        definitions.sort_unstable();
        definitions.dedup();
        if !definitions.is_empty() {
            self.store.act(Act::Remove(definitions), by)?;
        }
        Ok(())
    }
}

/// What a login may do. The holder's people send and publish; an owner among them administers. Others as their entry says, or if a collection
/// takes what they post.
fn role_of(directory: &Directory, user: &UserEntry) -> Option<Role> {
    let recipient = directory.recipients.recipients.iter().find(|r| r.id == user.recipient && !r.suspended)?;
    let named = recipient.organisation.is_some() && recipient.kind != "public";
    let posts = || directory.collections.collections.iter().any(|c| c.write.iter().any(|w| *w == recipient.id || w == "*"));
    let people = matches!(recipient.kind.as_str(), "organisation" | "person");
    Some(if recipient.organisation.as_ref() == Some(&directory.holder) {
        match user.role.as_str() {
            "owner" => Role::Administrator,
            // Those who release, audit or only read send nothing themselves.
            role if people && !Right::of(role, true).contains(&Right::Write) => Role::Reader,
            _ => Role::Publisher,
        }
    } else {
        match user.role.as_str() {
            "publisher" if named => Role::Publisher,
            "user" if named => Role::User,
            _ if named && posts() => Role::Publisher,
            _ => Role::Reader,
        }
    })
}

fn is_local(directory: &Directory, member: &str) -> bool {
    member == directory.holder || directory.alliance.groups.iter().any(|g| g.id == LOCAL && g.members.iter().any(|m| m == member))
}

fn written(role: Role) -> &'static str {
    match role {
        Role::Administrator => "owner",
        Role::Publisher => "publisher",
        Role::User => "user",
        Role::Reader => "reader",
    }
}

fn made(d: &mut Directory, change: Change, was_here: &dyn Fn(&str) -> bool, now: &str) -> Result<String, Failure> {
    match change {
        Change::AddOrganisation { name, uuid, local } => add_organisation(d, name, uuid.as_deref(), local, was_here),
        Change::RenameOrganisation { id, name } => {
            let member = d.alliance.members.iter_mut().find(|m| m.id == *id).ok_or_else(|| unknown("organisation", &id))?;
            member.name = name;
            Ok(id.into())
        }
        Change::RemoveOrganisation { id } => remove_organisation(d, &id),
        Change::AddUser { name, organisation, role } => add_user(d, &name, &organisation, role),
        Change::EditUser { user, name, role } => edit_user(d, &user, name, role),
        Change::RemoveUser { user } => {
            may_go(d, &user)?;
            d.users.users.retain(|u| u.user != *user);
            Ok(user.into())
        }
        Change::AddGroup { group } => add_group(d, group, now),
        Change::EditGroup { group } => {
            let entry = sharing_group(d, &group.uuid)?;
            let before = entry.sharing_group.take().unwrap_or_default();
            let Group { name, releasability, description, .. } = group;
            entry.sharing_group = Some(SharingGroupEntry { name, releasability, description, modified: now.to_owned(), ..before });
            Ok(entry.id.clone())
        }
        Change::RemoveGroup { group } => {
            let id = sharing_group(d, &group)?.id.clone();
            d.alliance.groups.retain(|g| g.id != id);
            Ok(group)
        }
        Change::GroupMember { group, organisation, belongs } => {
            d.need_members(&[organisation.to_string()])?;
            let entry = sharing_group(d, &group)?;
            entry.members.retain(|m| **m != *organisation);
            if belongs {
                entry.members.push(organisation.into());
            }
            if let Some(entry) = &mut entry.sharing_group {
                now.clone_into(&mut entry.modified);
            }
            Ok(group)
        }
        Change::NewKey { user, only } => {
            let entry = d.users.users.iter_mut().find(|u| u.user == *user).ok_or_else(|| unknown("user", &user))?;
            let key = random_key()?;
            if only {
                entry.more_tokens_sha256.clear();
                entry.token_sha256 = token_digest(&key);
            } else if entry.more_tokens_sha256.len() < KEYS_MAX {
                entry.more_tokens_sha256.push(token_digest(&key));
            } else {
                return Err(Failure::new(exit::NO, format!("`{user}` has {KEYS_MAX} more keys already"), "reset the key, which ends all of them"));
            }
            Ok(key)
        }
        Change::KeepTag { before, tag } => {
            let name = tag.name.clone();
            d.words.tags.retain(|t| Some(&t.name) != before.as_ref() && t.name != name);
            d.words.tags.push(tag);
            Ok(name)
        }
        Change::RemoveTag { name } => {
            d.words.tags.retain(|t| t.name != name);
            Ok(name)
        }
        Change::WarninglistsOff { names } => {
            d.words.warninglists_off = names;
            Ok(String::new())
        }
        // What is not in the directory was done before.
        Change::KeepServer { server, .. } => Ok(server.name),
        Change::RemoveServer { name } => Ok(name),
    }
}

fn unknown(kind: &str, id: &str) -> Failure {
    Failure::not_found(kind, id, "look at the list")
}

fn sharing_group<'d>(d: &'d mut Directory, uuid: &str) -> Result<&'d mut GroupEntry, Failure> {
    let found = d.alliance.groups.iter_mut().find(|g| g.sharing_group.as_ref().is_some_and(|s| s.uuid == uuid));
    found.ok_or_else(|| unknown("sharing group", uuid))
}

fn add_group(d: &mut Directory, group: Group, now: &str) -> Result<String, Failure> {
    let uuid = if group.uuid.is_empty() { random_uuid()? } else { group.uuid };
    let id = group_id(&uuid);
    if d.alliance.groups.iter().any(|g| g.id == id) {
        return Err(Failure::new(exit::NO, format!("there is a sharing group with the UUID `{uuid}` already"), "edit that one"));
    }
    let Group { name, releasability, description, .. } = group;
    let entry = SharingGroupEntry { uuid: uuid.clone(), name, releasability, description, modified: now.to_owned() };
    d.alliance.groups.push(GroupEntry { id, members: Vec::new(), persons: Vec::new(), sharing_group: Some(entry) });
    Ok(uuid)
}

/// An id that nobody has or had, made of a name.
fn id_of(name: &str, is_free: &dyn Fn(&str) -> bool) -> String {
    let words: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(60).collect();
    let words = words.split('-').filter(|w| !w.is_empty()).collect::<Vec<_>>().join("-");
    let words = if words.is_empty() { "organisation".to_owned() } else { words };
    let mut id = words.clone();
    let mut n = 1;
    while !is_free(&id) {
        n += 1;
        id = format!("{words}-{n}");
    }
    id
}

fn add_organisation(d: &mut Directory, name: String, uuid: Option<&str>, local: bool, was_here: &dyn Fn(&str) -> bool) -> Result<String, Failure> {
    let identity = identity(uuid)?;
    if let Some(other) = d.alliance.members.iter().find(|m| m.name == name || m.identity.as_deref() == Some(&identity)) {
        return Err(Failure::new(exit::NO, format!("an organisation with this name or UUID exists already: `{}`", other.id), "edit that one"));
    }
    let free = |id: &str| {
        let taken = d.alliance.members.iter().any(|m| m.id == id) || d.recipients.recipients.iter().any(|r| r.id == id);
        !taken && !was_here(id)
    };
    let id = id_of(&name, &free);
    check_id("member", &id)?;
    // Those whose people work here are this holder's clients; one that is only known is outside until the owner says otherwise.
    let client_of = if local { vec![d.holder.clone()] } else { Vec::new() };
    d.alliance.members.push(MemberEntry { id: id.clone(), name, kind: "body".to_owned(), identity: Some(identity), client_of, in_alliance: local });
    if local {
        d.recipients.recipients.push(RecipientEntry {
            id: id.clone(),
            kind: "organisation".to_owned(),
            organisation: Some(id.clone()),
            person: None,
            suspended: false,
        });
        match d.alliance.groups.iter_mut().find(|g| g.id == LOCAL) {
            Some(group) => group.members.push(id.clone()),
            None => d.alliance.groups.push(GroupEntry { id: LOCAL.to_owned(), members: vec![id.clone()], persons: Vec::new(), sharing_group: None }),
        }
    }
    Ok(id)
}

fn remove_organisation(d: &mut Directory, id: &str) -> Result<String, Failure> {
    let recipients: Vec<String> = d.recipients.recipients.iter().filter(|r| r.organisation.as_deref() == Some(id)).map(|r| r.id.clone()).collect();
    if !is_local(d, id) && !recipients.is_empty() {
        let help = "its owner removes it with `polder member remove`";
        return Err(Failure::new(exit::NO, format!("`{id}` is a member with logins of its own"), help));
    }
    for recipient in recipients {
        drop_recipient(d, &recipient)?;
    }
    d.sources.sources.retain(|s| s.member.as_deref() != Some(id));
    drop_member(d, id)?;
    Ok(id.to_owned())
}

fn add_user(d: &mut Directory, name: &str, organisation: &str, role: Role) -> Result<String, Failure> {
    check_id("user", name)?;
    if d.users.users.iter().any(|u| u.user == name) {
        return Err(Failure::new(exit::NO, format!("there is a user `{name}` already"), "choose another name"));
    }
    if role == Role::Administrator && organisation != d.holder {
        let why = "only people of the holder's own organisation administer this node";
        return Err(Failure::new(exit::NO, why.to_owned(), "choose another role"));
    }
    let of = |r: &&RecipientEntry| r.kind == "organisation" && r.organisation.as_deref() == Some(organisation);
    let recipient = d.recipients.recipients.iter().find(of);
    let help = format!("add it: `polder recipient add {organisation} --kind organisation --organisation {organisation}`");
    let recipient = recipient.ok_or_else(|| Failure::new(exit::NO, format!("`{organisation}` is no recipient here"), help))?.id.clone();
    let made = new_user(name, &recipient, written(role), None)?;
    d.users.users.push(made.entry);
    Ok(made.token)
}

/// An owner cannot be removed or changed from here, or nobody might be left who can.
fn may_go(d: &Directory, user: &str) -> Result<(), Failure> {
    let entry = d.users.users.iter().find(|u| u.user == user).ok_or_else(|| unknown("user", user))?;
    if entry.role == "owner" {
        return Err(Failure::new(exit::NO, format!("`{user}` is an owner of this node"), "an owner is changed on the node's own machine"));
    }
    Ok(())
}

fn edit_user(d: &mut Directory, user: &str, name: Option<String>, role: Option<Role>) -> Result<String, Failure> {
    may_go(d, user)?;
    if let Some(name) = &name {
        check_id("user", name)?;
        if d.users.users.iter().any(|u| u.user == *name) {
            return Err(Failure::new(exit::NO, format!("there is a user `{name}` already"), "choose another name"));
        }
    }
    if role == Some(Role::Administrator) {
        return Err(Failure::new(exit::NO, "an owner is made on the node's own machine".to_owned(), "choose another role"));
    }
    let entry = d.users.users.iter_mut().find(|u| u.user == user).ok_or_else(|| unknown("user", user))?;
    if let Some(role) = role {
        entry.role = written(role).to_owned();
    }
    if let Some(name) = name {
        entry.user = name;
    }
    Ok(entry.user.clone())
}
