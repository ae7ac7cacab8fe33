//! Organisations, users and roles, as MISP's administrators manage them.
//!
//! The rule: who administers belongs to the holder; everyone else sees their own organisation and themselves, and may change their own key only.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::sink::Reply;
use super::{Asked, Role};
use crate::map::fields::text;

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// The member's id.
    pub id: Box<str>,
    /// Its name for people.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Do its people work on this node's MISP?
    pub local: bool,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name; MISP's are e-mail addresses.
    pub name: Box<str>,
    /// The member it belongs to.
    pub organisation: Box<str>,
    /// What it may do.
    pub role: Role,
}

/// What an administrator wants changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new organisation.
    AddOrganisation {
        /// Its name.
        name: String,
        /// Its UUID, if it has one elsewhere.
        uuid: Option<String>,
        /// Do its people work here?
        local: bool,
    },
    /// Another name.
    RenameOrganisation {
        /// Whose.
        id: Box<str>,
        /// Which.
        name: String,
    },
    /// It goes, with its users.
    RemoveOrganisation {
        /// Which.
        id: Box<str>,
    },
    /// A new login; its key is answered.
    AddUser {
        /// The name.
        name: String,
        /// The member it belongs to.
        organisation: Box<str>,
        /// What it may do.
        role: Role,
    },
    /// Another name or role.
    EditUser {
        /// Whose.
        user: Box<str>,
        /// The name.
        name: Option<String>,
        /// What it may do.
        role: Option<Role>,
    },
    /// It goes.
    RemoveUser {
        /// Which.
        user: Box<str>,
    },
    /// A new sharing group; its UUID is answered.
    AddGroup {
        /// What it is; without a UUID it is given one.
        group: super::Group,
    },
    /// Other words for one.
    EditGroup {
        /// What it is now; its members stay.
        group: super::Group,
    },
    /// It goes.
    RemoveGroup {
        /// Its UUID.
        group: String,
    },
    /// A member joins a group or leaves it.
    GroupMember {
        /// Its UUID.
        group: String,
        /// The member.
        organisation: Box<str>,
        /// Does it belong to it from now on?
        belongs: bool,
    },
    /// Another MISP to be in step with, or another name, key or direction for one.
    KeepServer {
        /// What it was called, if it is not new.
        before: Option<String>,
        /// What it is.
        server: super::Server,
        /// The key it gave us; none keeps the one there is.
        key: Option<String>,
    },
    /// A new tag, or other words for one.
    KeepTag {
        /// What it was called, if it is not new.
        before: Option<String>,
        /// What it is.
        tag: super::KeptTag,
    },
    /// It goes.
    RemoveTag {
        /// What it is called.
        name: String,
    },
    /// These warninglists are off, and all others on.
    WarninglistsOff {
        /// What they are called.
        names: std::collections::BTreeSet<String>,
    },
    /// It is forgotten.
    RemoveServer {
        /// What it is called.
        name: String,
    },
    /// Another key, which is answered.
    NewKey {
        /// Whose.
        user: Box<str>,
        /// Do those before no longer open anything?
        only: bool,
    },
}

impl Role {
    const ALL: [Self; 4] = [Self::Administrator, Self::User, Self::Publisher, Self::Reader];

    /// Number and name as a new MISP has them.
    fn known_as(self) -> (u8, &'static str) {
        match self {
            Self::Administrator => (1, "admin"),
            Self::User => (3, "User"),
            Self::Publisher => (4, "Publisher"),
            Self::Reader => (6, "Read Only"),
        }
    }

    fn numbered(number: &str) -> Option<Self> {
        // MISP's organisation administrators and synchronisation users publish; here nobody administers but the holder.
        let number = if matches!(number, "2" | "5") { "4" } else { number };
        Self::ALL.into_iter().find(|r| r.known_as().0.to_string() == number)
    }

    fn shown(self) -> Value {
        let (id, name) = self.known_as();
        let (writes, publishes, administers) = (self.writes(), self.publishes(), self == Self::Administrator);
        json!({"id": id.to_string(), "name": name, "perm_add": writes, "perm_modify": writes, "perm_modify_org": writes, "perm_publish": publishes,
            "perm_sync": publishes, "perm_admin": administers, "perm_site_admin": administers, "perm_auth": true, "perm_tagger": writes, "perm_tag_editor": administers,
            "perm_sighting": writes, "perm_sharing_group": administers, "perm_delegate": false, "perm_object_template": false,
            "perm_galaxy_editor": false, "perm_analyst_data": writes, "perm_audit": false, "default_role": self == Self::User})
    }
}

impl Asked<'_> {
    pub(crate) fn administrator(&self) -> Result<(), Reply> {
        if self.caller.role == Role::Administrator { Ok(()) } else { Err(self.forbidden("You do not have permission to use this functionality.")) }
    }

    pub(crate) fn change(&self, change: Change) -> Result<String, Reply> {
        self.app.access.change(&self.caller, change).map_err(|why| {
            let body = json!({"saved": false, "name": why, "message": why, "url": self.call.path, "errors": why});
            Reply { status: StatusCode::FORBIDDEN, ..Reply::json(&body) }
        })
    }

    /// The organisations the caller may know of.
    fn organisations(&self) -> Vec<Organisation> {
        let own = self.me.organisation.as_deref().unwrap_or_default();
        let all = self.caller.role == Role::Administrator;
        self.app.access.organisations().into_iter().filter(|o| all || &*o.id == own).collect()
    }

    /// The organisation of a number, UUID or name.
    pub(crate) fn organisation(&self, name: &str) -> Option<Organisation> {
        let reader = self.reader();
        self.organisations().into_iter().find(|o| o.uuid.eq_ignore_ascii_case(name) || o.name == name || reader.number(&o.uuid).to_string() == name)
    }

    fn organisation_named(&self) -> Result<Organisation, Reply> {
        self.organisation(self.call.first()).ok_or_else(|| self.not_found("Invalid organisation"))
    }

    fn users(&self) -> Vec<User> {
        let all = self.caller.role == Role::Administrator;
        self.app.access.users().into_iter().filter(|u| all || u.name == self.caller.user).collect()
    }

    /// This reader's number for a login.
    pub(crate) fn user_number(&self, name: &str) -> String {
        self.reader().number(&user_key(name)).to_string()
    }

    /// The login of a number.
    pub(crate) fn user_of_number(&self, number: &str) -> Option<Box<str>> {
        self.users().into_iter().find(|u| self.user_number(&u.name) == number).map(|u| u.name)
    }

    fn user_named(&self) -> Result<User, Reply> {
        let name = self.call.first();
        let of = |u: &User| *u.name == *name || self.user_number(&u.name) == name || (name == "me" && u.name == self.caller.user);
        self.users().into_iter().find(of).ok_or_else(|| self.not_found("Invalid user."))
    }

    fn shown_organisation(&self, organisation: &Organisation) -> Map<String, Value> {
        let number = self.reader().number(&organisation.uuid).to_string();
        let Value::Object(map) = json!({"id": number, "name": organisation.name, "uuid": organisation.uuid, "local": organisation.local, "description": "",
            "type": "", "nationality": "", "sector": "", "contacts": ""})
        else {
            return Map::new();
        };
        map
    }

    fn shown_user(&self, user: &User, key: Option<&str>) -> Map<String, Value> {
        let organisation = self.app.access.organisations().into_iter().find(|o| o.id == user.organisation);
        let of = organisation.as_ref().map(|o| self.shown_organisation(o)).unwrap_or_default();
        let Value::Object(mut map) = json!({"id": self.user_number(&user.name), "email": user.name, "org_id": of.get("id"),
            "role_id": user.role.known_as().0.to_string(), "disabled": false, "autoalert": false, "contactalert": false, "termsaccepted": true,
            "Organisation": of})
        else {
            return Map::new();
        };
        map.extend(key.map(|k| ("authkey".to_owned(), k.into())));
        map
    }
}

fn user_key(name: &str) -> String {
    format!("user:{name}")
}

/// The caller's login, organisation and rights; of an administrator, anybody's.
pub(crate) fn view_user(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let user = if matches!(asked.call.first(), "me" | "") { asked.myself() } else { asked.user_named()? };
    let shown = asked.shown_user(&user, None);
    let (role, organisation) = (user.role.shown(), shown.get("Organisation").cloned());
    Ok(Reply::json(&json!({"User": shown, "Role": role, "UserSetting": [], "Organisation": organisation})))
}

impl Asked<'_> {
    fn myself(&self) -> User {
        let organisation = self.me.organisation.clone().unwrap_or_default();
        User { name: self.caller.user.clone(), organisation, role: self.caller.role }
    }
}

pub(crate) fn list_users(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let (searched, of) = (asked.call.text("value"), asked.call.text("searchorg"));
    let wanted = of.and_then(|o| asked.organisation(&o));
    let found = asked.users().into_iter().filter(|u| searched.as_deref().is_none_or(|s| u.name.contains(s)));
    let found = found.filter(|u| wanted.as_ref().is_none_or(|o| o.id == u.organisation));
    let listed = found.map(|u| {
        let shown = asked.shown_user(&u, None);
        json!({"Organisation": shown.get("Organisation"), "User": shown, "Role": u.role.shown()})
    });
    Ok(Reply::json(&Value::Array(listed.collect())))
}

pub(crate) fn add_user(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let sent = asked.call.object("User");
    let given = |key: &str| sent.get(key).map(super::call::texts).and_then(|t| t.into_iter().next()).filter(|t| !t.is_empty());
    let name = given("email").ok_or_else(|| asked.invalid("email", "Please enter a valid email address."))?;
    let place = || asked.invalid("org_id", "The organisation is not known.");
    let organisation = match given("org_id") {
        Some(of) => asked.organisation(&of).ok_or_else(place)?.id,
        None => asked.me.organisation.clone().ok_or_else(place)?,
    };
    let role = match given("role_id") {
        Some(number) => Role::numbered(&number).ok_or_else(|| asked.invalid("role_id", "There is no such role."))?,
        None => Role::User,
    };
    let key = asked.change(Change::AddUser { name: name.clone(), organisation: organisation.clone(), role })?;
    let user = User { name: name.into(), organisation, role };
    Ok(Reply::json(&json!({"User": asked.shown_user(&user, Some(&key))})))
}

pub(crate) fn edit_user(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let user = asked.user_named()?;
    let sent = asked.call.object("User");
    let given = |key: &str| sent.get(key).map(super::call::texts).and_then(|t| t.into_iter().next()).filter(|t| !t.is_empty());
    let name = given("email").filter(|n| **n != *user.name);
    let role = match given("role_id") {
        Some(number) => Some(Role::numbered(&number).ok_or_else(|| asked.invalid("role_id", "There is no such role."))?),
        None => None,
    };
    let role = role.filter(|r| *r != user.role);
    if name.is_some() || role.is_some() {
        asked.change(Change::EditUser { user: user.name.clone(), name: name.clone(), role })?;
    }
    let user = User { name: name.map_or(user.name, Into::into), role: role.unwrap_or(user.role), organisation: user.organisation };
    Ok(Reply::json(&json!({"User": asked.shown_user(&user, None)})))
}

pub(crate) fn delete_user(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let user = asked.user_named()?;
    asked.change(Change::RemoveUser { user: user.name })?;
    Ok(asked.done("User deleted."))
}

/// A new key for oneself, or, by an administrator, for another.
pub(crate) fn new_key(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let user = asked.user_named()?;
    let key = asked.change(Change::NewKey { user: user.name.clone(), only: asked.call.controller == "users" })?;
    let id = asked.user_number(&user.name);
    let start: String = key.chars().take(4).collect();
    let end: String = key.chars().skip(36).collect();
    Ok(Reply::json(&json!({"AuthKey": {"authkey_raw": key, "authkey_start": start, "authkey_end": end, "user_id": id, "User": {"id": id, "email": user.name}},
        "message": key, "success": true})))
}

pub(crate) fn list_organisations(asked: &Asked<'_>) -> Reply {
    let searched = asked.call.text("searchall").map(|s| s.to_lowercase());
    let found = asked.organisations().into_iter().filter(|o| searched.as_deref().is_none_or(|s| o.name.to_lowercase().contains(s)));
    Reply::json(&Value::Array(found.map(|o| json!({"Organisation": asked.shown_organisation(&o)})).collect()))
}

pub(crate) fn view_organisation(asked: &Asked<'_>) -> Result<Reply, Reply> {
    Ok(Reply::json(&json!({"Organisation": asked.shown_organisation(&asked.organisation_named()?)})))
}

pub(crate) fn add_organisation(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let sent = asked.call.object("Organisation");
    let name = text(&sent, "name").trim().to_owned();
    if name.is_empty() {
        return Err(asked.invalid("name", "Please provide a name."));
    }
    let uuid = Some(text(&sent, "uuid")).filter(|u| !u.is_empty());
    let uuid = uuid.map(|u| crate::map::ids::uuid(u).ok_or_else(|| asked.invalid("uuid", "Please provide a valid RFC 4122 UUID"))).transpose()?;
    let local = sent.get("local").is_none_or(|l| crate::map::fields::flag(Some(l)));
    let id = asked.change(Change::AddOrganisation { name, uuid, local })?;
    let made = asked.app.access.organisations().into_iter().find(|o| *o.id == *id).ok_or_else(|| asked.internal())?;
    Ok(Reply::json(&json!({"Organisation": asked.shown_organisation(&made)})))
}

pub(crate) fn edit_organisation(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let organisation = asked.organisation_named()?;
    let sent = asked.call.object("Organisation");
    let name = text(&sent, "name").trim().to_owned();
    if !name.is_empty() && name != organisation.name {
        asked.change(Change::RenameOrganisation { id: organisation.id.clone(), name: name.clone() })?;
    }
    let name = if name.is_empty() { organisation.name.clone() } else { name };
    Ok(Reply::json(&json!({"Organisation": asked.shown_organisation(&Organisation { name, ..organisation })})))
}

pub(crate) fn delete_organisation(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let organisation = asked.organisation_named()?;
    asked.change(Change::RemoveOrganisation { id: organisation.id })?;
    Ok(asked.done("Organisation deleted"))
}

/// The roles there are; they cannot be changed, since each is one of what a login here may do.
pub(crate) fn roles() -> Reply {
    Reply::json(&Value::Array(Role::ALL.into_iter().map(|r| json!({"Role": r.shown()})).collect()))
}
