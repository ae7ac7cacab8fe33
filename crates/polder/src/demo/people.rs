//! Who is who in the demo: the same alliance on each node, and the others' logins there.

use std::path::Path;

use serde_json::{Value, json};

use crate::directory::{Directory, GroupEntry, MemberEntry, RecipientEntry, SourceEntry, StandingEntry};
use crate::failure::Failure;
use crate::init;

/// The nodes, in order.
pub(super) const NODES: [&str; 3] = ["alfa", "bravo", "charlie"];
/// An organisation outside the alliance.
pub(super) const OUTSIDER: &str = "zulu";

/// Logins of each node's own people besides its owner.
const ROLES: [&str; 3] = ["analyst", "release-officer", "auditor"];

/// Name, kind, whose client, STIX identity.
const MEMBERS: [(&str, &str, &str, Option<&str>, &str); 3] = [
    ("alfa", "Alfa CSIRT", "nation", None, ALFA_IDENTITY),
    ("bravo", "Bravo CSIRT", "nation", None, "identity--0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e02"),
    ("charlie", "Charlie Port Services", "company", Some("alfa"), "identity--0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e03"),
];
/// The identity that alfa's objects in the campaign carry.
const ALFA_IDENTITY: &str = "identity--456dec4c-5bda-450a-8ac5-5a692b0a7baa";

/// Makes a node's directory; returns its logins, the owner's first.
pub(super) fn make(dir: &Path, name: &str, port: u16) -> Result<Vec<Value>, Failure> {
    let title = MEMBERS.iter().find(|m| m.0 == name).map_or(name, |m| m.1);
    let plan = init::Plan {
        member: name.to_owned(),
        name: title.to_owned(),
        kind: "nation".to_owned(),
        listen: format!("127.0.0.1:{port}"),
        plain_http: true,
        uuid: None,
        password: None,
    };
    let made = init::init(dir, &plan)?;
    let field = |key: &str| made.get(key).cloned().unwrap_or_default();
    let mut users = vec![json!({"user": field("user"), "password": field("password"), "token": field("token"), "recipient": name, "role": "owner"})];
    let mut directory = Directory::load(dir, name)?;
    alliance(&mut directory);
    for role in ROLES {
        let login = init::new_user(role, name, role, None)?;
        directory.users.users.push(login.entry.clone());
        users.push(json!({"user": login.user, "password": login.password, "token": login.token, "recipient": name, "role": role}));
    }
    for other in NODES.iter().chain([&OUTSIDER]).filter(|o| **o != name) {
        users.push(add(&mut directory, other, "organisation", other, None)?);
    }
    if name == "alfa" {
        users.push(add(&mut directory, "duty@bravo", "person", "bravo", Some("duty@bravo"))?);
        directory.standing.standing.push(StandingEntry {
            id: "indicators-for-bravo".to_owned(),
            levels: vec!["amber".to_owned()],
            types: vec!["indicator".to_owned()],
            members: vec!["bravo".to_owned()],
            recipients: Vec::new(),
        });
    } else {
        let source = SourceEntry {
            name: "member:alfa".to_owned(),
            kind: "member".to_owned(),
            member: Some("alfa".to_owned()),
            default_tlp: None,
            default_members: Vec::new(),
        };
        directory.sources.sources.push(source);
    }
    directory.save(dir)?;
    Ok(users)
}

fn alliance(directory: &mut Directory) {
    let member = |(id, name, kind, client_of, identity): (&str, &str, &str, Option<&str>, &str)| MemberEntry {
        id: id.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        identity: Some(identity.to_owned()),
        client_of: client_of.map(str::to_owned).into_iter().collect(),
        in_alliance: true,
    };
    directory.alliance.members = MEMBERS.into_iter().map(member).collect();
    directory.alliance.groups = vec![GroupEntry {
        id: "port-desk".to_owned(),
        members: vec!["alfa".to_owned(), "bravo".to_owned()],
        persons: vec!["duty@bravo".to_owned()],
        sharing_group: None,
    }];
}

fn add(directory: &mut Directory, id: &str, kind: &str, organisation: &str, person: Option<&str>) -> Result<Value, Failure> {
    let login = init::new_user(id, id, "reader", None)?;
    directory.recipients.recipients.push(RecipientEntry {
        id: id.to_owned(),
        kind: kind.to_owned(),
        organisation: Some(organisation.to_owned()),
        person: person.map(str::to_owned),
        suspended: false,
    });
    directory.users.users.push(login.entry.clone());
    Ok(json!({"user": login.user, "password": login.password, "token": login.token, "recipient": id, "role": "reader"}))
}
