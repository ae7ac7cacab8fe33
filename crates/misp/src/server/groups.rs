//! Sharing groups of this node: who belongs to them is kept with the alliance, so that who joins later is given what was shared before.
//!
//! The rule: a group is shown to those who belong to it and to who administers; it is found by its UUID, never by another MISP's number.

use serde_json::{Map, Value, json};

use super::people::Change;
use super::sink::Reply;
use super::{Asked, Role};
use crate::map::fields::{number, text};
use crate::map::ids::uuid;
use crate::map::marks::organisation_of;

/// A sharing group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// For whom it is, in words.
    pub releasability: String,
    /// More words.
    pub description: String,
    /// When it was last changed, `YYYY-MM-DD HH:MM:SS`.
    pub modified: String,
    /// The members that were added to it; the holder belongs to each.
    pub members: Vec<Box<str>>,
}

impl Asked<'_> {
    /// The groups the caller may know of.
    fn groups(&self) -> Vec<Group> {
        let own = self.me.organisation.as_deref().unwrap_or_default();
        let all = self.caller.role == Role::Administrator || own == &*self.policy.alliance.holder;
        self.app.access.groups().into_iter().filter(|g| all || g.members.iter().any(|m| **m == *own)).collect()
    }

    fn group(&self, name: &str) -> Option<Group> {
        let reader = self.reader();
        self.groups().into_iter().find(|g| g.uuid.eq_ignore_ascii_case(name) || reader.number(&g.uuid).to_string() == name)
    }

    fn group_named(&self) -> Result<Group, Reply> {
        let given = ["sharing_group_id", "sg_id", "uuid", "id"].iter().find_map(|key| self.call.text(key));
        let name = if self.call.first().is_empty() { given.unwrap_or_default() } else { self.call.first().to_owned() };
        self.group(&name).ok_or_else(|| self.not_found("Invalid sharing group or no editing rights."))
    }

    /// Names the group that an element is for, where it gives the number or UUID of one of this node's.
    pub(crate) fn group_into(&self, fields: &mut Map<String, Value>) -> Result<(), Reply> {
        let level = fields.get("distribution").filter(|d| !d.is_null() && **d != "");
        if self.reader().peer.is_of_house() && level.is_some_and(|level| !number(Some(level)).is_some_and(|n| (0..=5).contains(&n))) {
            return Err(self.invalid(
                "distribution",
                "Options: Your organisation only (0), This community only (1), Connected communities (2), All communities (3), Sharing group (4), Inherit (5)",
            ));
        }
        if number(fields.get("distribution")) != Some(4) {
            return Ok(());
        }
        let given = fields.get("SharingGroup").and_then(Value::as_object);
        if given.is_some_and(|g| g.get("SharingGroupOrg").and_then(Value::as_array).is_some_and(|o| !o.is_empty())) {
            return Ok(());
        }
        let named = given.map(|g| text(g, "uuid").to_owned()).filter(|u| !u.is_empty());
        let named = named.or_else(|| fields.get("sharing_group_id").map(super::call::texts)?.into_iter().next());
        let Some(group) = named.and_then(|name| self.group(&name)) else { return Ok(()) };
        fields.insert("SharingGroup".to_owned(), json!({"uuid": group.uuid, "name": group.name, "releasability": group.releasability}));
        Ok(())
    }

    fn shown_group(&self, group: &Group) -> Value {
        let reader = self.reader();
        let id = reader.number(&group.uuid).to_string();
        let alliance = &self.policy.alliance;
        let of = |member: &str| {
            let uuid = alliance.members.get(member).and_then(|m| organisation_of(m.identity.as_deref()?)).unwrap_or_default();
            (reader.number(&uuid).to_string(), json!({"id": reader.number(&uuid).to_string(), "uuid": uuid, "name": self.app.access.name(member)}))
        };
        let (creator, by) = of(&alliance.holder);
        let listed = group.members.iter().map(|m| {
            let (org, organisation) = of(m);
            json!({"id": org, "sharing_group_id": id, "org_id": org, "extend": false, "Organisation": organisation})
        });
        json!({"SharingGroup": {"id": id, "uuid": group.uuid, "name": group.name, "releasability": group.releasability, "description": group.description,
            "modified": group.modified, "created": group.modified, "org_id": creator, "organisation_uuid": by.get("uuid"), "active": true, "local": true, "roaming": false},
            "Organisation": by, "SharingGroupOrg": listed.collect::<Vec<_>>(), "SharingGroupServer": [], "editable": self.caller.role == Role::Administrator})
    }
}

/// The groups the caller belongs to; all of them, for who administers.
pub(crate) fn list(asked: &Asked<'_>) -> Reply {
    let shown: Vec<Value> = asked.groups().iter().map(|g| asked.shown_group(g)).collect();
    Reply::json(&json!({"response": shown}))
}

/// One group.
pub(crate) fn view(asked: &Asked<'_>) -> Result<Reply, Reply> {
    Ok(Reply::json(&asked.shown_group(&asked.group_named()?)))
}

/// A new group, of the organisations named.
pub(crate) fn add(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let sent = asked.call.object("SharingGroup");
    if text(&sent, "name").trim().is_empty() {
        return Err(asked.invalid("name", "Please provide a name."));
    }
    let given = text(&sent, "uuid");
    if !given.is_empty() && uuid(given).is_none() {
        return Err(asked.invalid("uuid", "Please provide a valid RFC 4122 UUID"));
    }
    let field = |key: &str| text(&sent, key).to_owned();
    let group = Group {
        uuid: uuid(given).unwrap_or_default(),
        name: field("name"),
        releasability: field("releasability"),
        description: field("description"),
        ..Group::default()
    };
    let made = asked.change(Change::AddGroup { group })?;
    for one in asked.call.body.get("SharingGroupOrg").and_then(Value::as_array).into_iter().flatten() {
        let named = ["uuid", "org_id"].iter().find_map(|key| one.get(*key).or_else(|| one.get("Organisation")?.get(*key)));
        let organisation = named.map(super::call::texts).and_then(|t| asked.organisation(t.first()?));
        let organisation = organisation.ok_or_else(|| asked.invalid("SharingGroupOrg", "An organisation of the group is not known."))?;
        asked.change(Change::GroupMember { group: made.clone(), organisation: organisation.id, belongs: true })?;
    }
    Ok(Reply::json(&asked.shown_group(&asked.group(&made).ok_or_else(|| asked.internal())?)))
}

/// Changes what a group is called and said to be for.
pub(crate) fn edit(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let group = asked.group_named()?;
    let sent = asked.call.object("SharingGroup");
    let field = |key: &str, before: &str| Some(text(&sent, key)).filter(|t| !t.is_empty()).unwrap_or(before).to_owned();
    let group = Group {
        name: field("name", &group.name),
        releasability: field("releasability", &group.releasability),
        description: field("description", &group.description),
        ..group
    };
    asked.change(Change::EditGroup { group: group.clone() })?;
    Ok(Reply::json(&asked.shown_group(&group)))
}

/// A group goes; what was for it is for the holder alone.
pub(crate) fn delete(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let group = asked.group_named()?;
    asked.change(Change::RemoveGroup { group: group.uuid })?;
    Ok(asked.done("SharingGroup deleted"))
}

/// An organisation joins a group or leaves it.
pub(crate) fn member(asked: &Asked<'_>, belongs: bool) -> Result<Reply, Reply> {
    asked.administrator()?;
    let group = asked.group_named()?;
    let given = ["org_id", "org", "organisation"].iter().find_map(|key| asked.call.text(key)).or_else(|| asked.call.args.get(1).cloned());
    let organisation = given.and_then(|o| asked.organisation(&o)).ok_or_else(|| asked.not_found("Invalid organisation."))?;
    asked.change(Change::GroupMember { group: group.uuid, organisation: organisation.id, belongs })?;
    let said = if belongs { "Organisation added to the sharing group." } else { "Organisation removed from the sharing group." };
    Ok(asked.done(said))
}
