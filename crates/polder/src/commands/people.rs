//! Members of the alliance, groups of them, and recipients.
//!
//! The rule: an id is one party's for good; what is removed takes along what only made sense with it, and nothing is widened by that.

use serde_json::{Value, json};

use super::rules::{remove_from, removed};
use crate::directory::{self, Directory, GroupEntry, MemberEntry, RecipientEntry};
use crate::failure::{Failure, exit};
use crate::init::{check_id, new_user};
use crate::node::Node;
use crate::request::{Answer, Request};

pub(super) fn run(node: &Node, by: &str, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::RecipientAdd { id, kind, organisation, person, user, password } => {
            add_recipient(node, by, RecipientEntry { id, kind, organisation, person, suspended: false }, user.as_deref(), password)
        }
        Request::RecipientSuspend { id, suspend } => suspend_recipient(node, by, &id, suspend),
        Request::RecipientRemove { id } => remove_recipient(node, by, &id),
        Request::RecipientList => Ok(list(&node.directory().recipients.recipients, "recipients")),
        Request::MemberAdd { id, name, kind, identity, client_of, outside } => {
            add_member(node, by, MemberEntry { id, name, kind, identity, client_of, in_alliance: !outside })
        }
        Request::MemberRemove { id } => remove_member(node, by, &id),
        Request::MemberList => {
            let alliance = &node.directory().alliance;
            Ok(Answer::ok(json!({"members": alliance.members, "groups": alliance.groups})))
        }
        Request::GroupAdd { id, members, persons } => add_group(node, by, GroupEntry { id, members, persons, sharing_group: None }),
        Request::GroupRemove { id } => remove_group(node, by, &id),
        other => super::rules::run(node, by, other),
    }
}

pub(super) fn list<T: serde::Serialize>(entries: &[T], name: &str) -> Answer {
    Answer::ok(json!({ name: entries }))
}

pub(super) fn taken(kind: &str, id: &str) -> Failure {
    Failure::new(exit::NO, format!("there is a {kind} `{id}` already"), "choose another id, or look at the list; nothing was changed")
}

fn add_recipient(node: &Node, by: &str, entry: RecipientEntry, user: Option<&str>, password: Option<String>) -> Result<Answer, Failure> {
    check_id("recipient", &entry.id)?;
    directory::recipient(&entry).map_err(Failure::into_usage)?;
    let login = match (user, entry.kind.as_str()) {
        (_, "public") => None,
        (user, _) => Some(new_user(user.unwrap_or(&entry.id), &entry.id, "reader", password)?),
    };
    node.change(by, |d| {
        if d.recipients.recipients.iter().any(|r| r.id == entry.id) {
            return Err(taken("recipient", &entry.id));
        }
        // The store would give a newcomer the grants and the ledger of the one who had the id before.
        if node.store.recipient_number(&entry.id).is_some() {
            let why = format!("`{}` was a recipient here before, and what it was granted and sent is kept under that id", entry.id);
            return Err(Failure::new(exit::NO, why, "choose another id"));
        }
        d.need_members(entry.organisation.as_slice())?;
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
fn open_to_public(d: &mut Directory, id: &str, value: &mut Value) {
    let mut opened = Vec::new();
    for collection in d.collections.collections.iter_mut().filter(|c| c.read.iter().any(|r| r == "*")) {
        collection.read.push(id.to_owned());
        opened.push(collection.alias.clone());
    }
    if let Some(map) = value.as_object_mut() {
        map.insert("reads_without_credentials".to_owned(), json!(opened));
    }
}

fn no_recipient(id: &str) -> Failure {
    Failure::not_found("recipient", id, "see `polder recipient list`")
}

fn suspend_recipient(node: &Node, by: &str, id: &str, suspend: bool) -> Result<Answer, Failure> {
    node.change(by, |d| {
        let slot = d.recipients.recipients.iter_mut().find(|r| r.id == id).ok_or_else(|| no_recipient(id))?;
        slot.suspended = suspend;
        Ok(Answer::ok(json!({"recipient": id, "suspended": suspend})))
    })
}

fn remove_recipient(node: &Node, by: &str, id: &str) -> Result<Answer, Failure> {
    node.change(by, |d| drop_recipient(d, id))
}

/// Its logins, its rights and its places in standing releases go with it.
pub(crate) fn drop_recipient(d: &mut Directory, id: &str) -> Result<Answer, Failure> {
    if d.recipients.recipients.iter().all(|r| r.id != id) {
        return Err(no_recipient(id));
    }
    if d.owner() == id {
        return Err(Failure::new(exit::NO, format!("`{id}` is this node's own organisation"), "`polder recipient list` shows the others"));
    }
    let logins: Vec<String> = d.users.users.iter().filter(|u| u.recipient == id).map(|u| u.user.clone()).collect();
    d.recipients.recipients.retain(|r| r.id != id);
    d.users.users.retain(|u| u.recipient != id);
    for collection in &mut d.collections.collections {
        collection.read.retain(|r| r != id);
        collection.write.retain(|r| r != id);
    }
    for standing in &mut d.standing.standing {
        standing.recipients.retain(|r| r != id);
    }
    let ended = end_empty_standing(d);
    Ok(Answer::ok(json!({"removed": id, "logins": logins, "standing_ended": ended})))
}

/// A standing release that adds nobody any more is none.
fn end_empty_standing(d: &mut Directory) -> Vec<String> {
    let is_empty = |s: &directory::StandingEntry| s.members.is_empty() && s.recipients.is_empty();
    let ended = d.standing.standing.iter().filter(|s| is_empty(s)).map(|s| s.id.clone()).collect();
    d.standing.standing.retain(|s| !is_empty(s));
    ended
}

fn add_member(node: &Node, by: &str, mut entry: MemberEntry) -> Result<Answer, Failure> {
    check_id("member", &entry.id)?;
    entry.identity = Some(crate::init::identity(entry.identity.as_deref())?);
    node.change(by, |d| {
        if d.alliance.members.iter().any(|m| m.id == entry.id) {
            return Err(taken("member", &entry.id));
        }
        if let Some(other) = d.alliance.members.iter().find(|m| m.identity == entry.identity) {
            return Err(Failure::new(exit::NO, format!("that UUID is `{}`'s", other.id), "see `polder member list --json`"));
        }
        let value = json!({"member": entry});
        d.alliance.members.push(entry);
        Ok(Answer::ok(value))
    })
}

fn remove_member(node: &Node, by: &str, id: &str) -> Result<Answer, Failure> {
    node.change(by, |d| drop_member(d, id))
}

/// Groups, clients and standing releases lose the name, which only narrows them; what a recipient or a source is would change, so those go first.
pub(crate) fn drop_member(d: &mut Directory, id: &str) -> Result<Answer, Failure> {
    if d.alliance.members.iter().all(|m| m.id != id) {
        return Err(Failure::not_found("member", id, "see `polder member list`"));
    }
    if d.holder == id {
        return Err(Failure::new(exit::NO, format!("`{id}` is this node's own organisation"), "`polder member list` shows the others"));
    }
    let stays = |why: String, help: String| Err(Failure::new(exit::NO, why, help));
    if let Some(r) = d.recipients.recipients.iter().find(|r| r.organisation.as_deref() == Some(id)) {
        return stays(format!("the recipient `{}` belongs to `{id}`", r.id), format!("`polder recipient remove {}` first", r.id));
    }
    if let Some(s) = d.sources.sources.iter().find(|s| s.member.as_deref() == Some(id)) {
        return stays(format!("`{id}` vouches for the source `{}`", s.name), format!("`polder source remove {}` first, which needs it to be empty", s.name));
    }
    if let Some(s) = d.sources.sources.iter().find(|s| s.default_members.iter().any(|m| m == id)) {
        let help = format!("`polder source set {} --default-members A,B` without it, or `--default-tlp none`, first", s.name);
        return stays(format!("the default label of the source `{}` names `{id}`", s.name), help);
    }
    d.alliance.members.retain(|m| m.id != id);
    for member in &mut d.alliance.members {
        member.client_of.retain(|m| m != id);
    }
    for group in &mut d.alliance.groups {
        group.members.retain(|m| m != id);
    }
    for standing in &mut d.standing.standing {
        standing.members.retain(|m| m != id);
    }
    let ended = end_empty_standing(d);
    Ok(Answer::ok(json!({"removed": id, "standing_ended": ended})))
}

fn add_group(node: &Node, by: &str, entry: GroupEntry) -> Result<Answer, Failure> {
    check_id("group", &entry.id)?;
    node.change(by, |d| {
        if d.alliance.groups.iter().any(|g| g.id == entry.id) {
            return Err(taken("group", &entry.id));
        }
        d.need_members(&entry.members)?;
        let value = json!({"group": entry});
        d.alliance.groups.push(entry);
        Ok(Answer::ok(value))
    })
}

fn remove_group(node: &Node, by: &str, id: &str) -> Result<Answer, Failure> {
    node.change(by, |d| {
        remove_from(&mut d.alliance.groups, |g| g.id == id, || Failure::not_found("group", id, "see `polder member list`"))?;
        Ok(removed(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init;

    /// Runs the requests; the exit codes.
    fn codes(node: &Node, requests: Vec<Request>) -> Vec<u8> {
        let code = |request| super::super::run(node, "test", request, &[], &mut |_, _| {}).map_or_else(|f| f.exit, |a| a.exit);
        requests.into_iter().map(code).collect()
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    fn member(id: &str) -> Request {
        Request::MemberAdd { id: id.into(), name: String::new(), kind: "body".into(), identity: None, client_of: Vec::new(), outside: false }
    }

    fn recipient(id: &str, kind: &str, organisation: Option<&str>) -> Request {
        Request::RecipientAdd {
            id: id.into(),
            kind: kind.into(),
            organisation: organisation.map(Into::into),
            person: None,
            user: None,
            password: Some("p".into()),
        }
    }

    fn standing(id: &str, level: &str, members: &[&str], recipients: &[&str]) -> Request {
        Request::StandingAdd { id: id.into(), levels: names(&[level]), types: Vec::new(), members: names(members), recipients: names(recipients) }
    }

    fn source(name: &str, kind: &str, member: Option<&str>, tlp: Option<&str>) -> Request {
        Request::SourceAdd {
            name: name.into(),
            kind: kind.into(),
            member: member.map(Into::into),
            default_tlp: tlp.map(Into::into),
            default_members: Vec::new(),
        }
    }

    fn collection(alias: &str, read: &[&str], sources: Option<&[&str]>) -> Request {
        let sources = sources.map(names);
        Request::CollectionAdd { alias: alias.into(), title: "t".into(), types: None, sources, read: names(read), write: Vec::new() }
    }

    fn node(dir: &std::path::Path) -> Node {
        let plan = init::Plan {
            member: "alfa".into(),
            name: "A".into(),
            kind: "body".into(),
            listen: "127.0.0.1:0".into(),
            plain_http: true,
            uuid: None,
            password: None,
        };
        init::init(dir, &plan).unwrap();
        Node::open(dir, false).unwrap()
    }

    #[test]
    fn wrong_values_are_usage_and_unknown_names_are_no() {
        let dir = tempfile::tempdir().unwrap();
        let node = node(dir.path());
        let (no, usage) = (exit::NO, exit::USAGE);
        for (request, want) in [
            (recipient("b", "organisation", None), usage),
            (recipient("b", "nosuch", Some("alfa")), usage),
            (recipient("b", "person", Some("alfa")), usage),
            (recipient("b", "organisation", Some("nosuch")), no),
            (source("s", "nosuch", None, None), usage),
            (source("s", "member", None, None), usage),
            (source("s", "feed", None, Some("purple")), usage),
            (source("s", "member", Some("nosuch"), None), no),
            (Request::SourceSet { name: "import".into(), default_tlp: Some("purple".into()), default_members: Vec::new() }, usage),
            (Request::SourceSet { name: "import".into(), default_tlp: None, default_members: names(&["nosuch"]) }, no),
            (standing("s", "red", &["alfa"], &[]), usage),
            (standing("s", "purple", &["alfa"], &[]), usage),
            (standing("s", "amber", &[], &[]), usage),
            (standing("s", "amber", &["nosuch"], &[]), no),
            (standing("s", "amber", &[], &["nosuch"]), no),
            (collection("c", &["nosuch"], None), no),
            (collection("c", &["*"], Some(&["nosuch"])), no),
            (Request::GroupAdd { id: "g".into(), members: names(&["nosuch"]), persons: Vec::new() }, no),
        ] {
            let told = format!("{request:?}");
            assert_eq!(codes(&node, vec![request]), [want], "{told}");
        }
        let directory = node.directory();
        assert_eq!((directory.recipients.recipients.len(), directory.sources.sources.len(), directory.standing.standing.len()), (1, 2, 0));
    }

    #[test]
    fn what_is_removed_takes_along_what_only_made_sense_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let node = node(dir.path());
        let group = Request::GroupAdd { id: "desk".into(), members: names(&["bravo"]), persons: Vec::new() };
        let made = vec![
            member("bravo"),
            group,
            recipient("bravo", "organisation", Some("bravo")),
            standing("s", "amber", &[], &["bravo"]),
            standing("t", "amber", &["bravo"], &[]),
            source("from-bravo", "member", Some("bravo"), None),
            collection("c", &["bravo", "alfa"], Some(&["from-bravo"])),
        ];
        assert_eq!(codes(&node, made), [exit::OK; 7]);
        let remove_member = || Request::MemberRemove { id: "bravo".into() };
        let remove_source = || Request::SourceRemove { name: "from-bravo".into() };
        let refused = vec![remove_member(), remove_source(), Request::MemberRemove { id: "alfa".into() }, Request::RecipientRemove { id: "alfa".into() }];
        assert_eq!(codes(&node, refused), [exit::NO; 4]);
        assert_eq!(codes(&node, vec![Request::RecipientRemove { id: "bravo".into() }]), [exit::OK]);
        {
            let directory = node.directory();
            assert!(directory.users.users.iter().all(|u| u.recipient != "bravo"));
            assert!(directory.collections.collections.iter().all(|c| !c.read.iter().any(|r| r == "bravo")));
            assert_eq!(directory.standing.standing.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["t"]);
        }
        // What was granted and sent is kept under the id, so it is nobody else's.
        assert_eq!(codes(&node, vec![recipient("bravo", "organisation", Some("bravo"))]), [exit::NO]);
        assert_eq!(codes(&node, vec![Request::CollectionRemove { alias: "c".into() }, remove_source(), remove_member()]), [exit::OK; 3]);
        assert!(node.directory().standing.standing.is_empty());
        assert!(node.directory().alliance.groups.iter().all(|g| g.members.is_empty()));
        assert_eq!(codes(&node, vec![Request::GroupRemove { id: "desk".into() }, Request::GroupRemove { id: "desk".into() }]), [exit::OK, exit::NO]);
        drop(node);
        let again = Node::open(dir.path(), false).unwrap();
        assert_eq!(codes(&again, vec![recipient("bravo", "organisation", Some("alfa"))]), [exit::NO], "after a start");
    }
}
