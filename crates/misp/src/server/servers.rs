//! The MISPs this node is in step with, as MISP's administrators manage servers.
//!
//! The rule: only who administers knows of them, and no answer repeats a key.

use serde_json::{Value, json};

use super::call::texts;
use super::sink::Reply;
use super::{Asked, Change};
use crate::map::fields::{flag, text};

/// A MISP this node is in step with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What it is called here.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The member whose it is.
    pub organisation: Box<str>,
    /// Is it pushed to?
    pub pushes: bool,
}

impl Asked<'_> {
    fn server_number(&self, server: &Server) -> String {
        self.reader().number(&format!("server:{}", server.name)).to_string()
    }

    fn shown_server(&self, server: &Server) -> Value {
        let of = |organisation: &str| {
            let known = self.app.access.organisations().into_iter().find(|o| *o.id == *organisation);
            known.map(|o| json!({"id": self.reader().number(&o.uuid).to_string(), "name": o.name, "uuid": o.uuid})).unwrap_or_default()
        };
        let (own, remote) = (of(self.me.organisation.as_deref().unwrap_or_default()), of(&server.organisation));
        json!({"Server": {"id": self.server_number(server), "name": server.name, "url": server.url, "org_id": own.get("id"), "remote_org_id": remote.get("id"),
            "push": server.pushes, "pull": true, "push_sightings": server.pushes, "internal": own == remote, "self_signed": false, "authkey": ""},
            "Organisation": own, "RemoteOrg": remote})
    }

    fn server_named(&self) -> Result<Server, Reply> {
        let name = self.call.first();
        let all = self.app.access.servers();
        all.into_iter().find(|s| s.name == name || self.server_number(s) == name).ok_or_else(|| self.not_found("Invalid server"))
    }
}

pub(crate) fn list(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    Ok(Reply::json(&Value::Array(asked.app.access.servers().iter().map(|s| asked.shown_server(s)).collect())))
}

/// A new one, or another name, key or direction for one there is.
pub(crate) fn keep(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let before = if asked.call.action == "edit" { Some(asked.server_named()?) } else { None };
    let sent = asked.call.object("Server");
    let given = |key: &str| sent.get(key).map(texts).and_then(|t| t.into_iter().next()).filter(|t| !t.is_empty());
    let url = given("url").or_else(|| before.as_ref().map(|b| b.url.clone())).ok_or_else(|| asked.invalid("url", "Please enter a valid base-url."))?;
    let name = given("name").or_else(|| before.as_ref().map(|b| b.name.clone())).unwrap_or_else(|| url.clone());
    let organisation = match given("remote_org_id") {
        // The first organisation of a MISP is the one whose it is.
        Some(number) if number == "1" => asked.me.organisation.clone(),
        Some(number) => asked.organisation(&number).map(|o| o.id),
        None => before.as_ref().map(|b| b.organisation.clone()),
    };
    let organisation = organisation.ok_or_else(|| asked.invalid("remote_org_id", "The organisation is not known."))?;
    let pushes = sent.get("push").map_or_else(|| before.as_ref().is_some_and(|b| b.pushes), |push| flag(Some(push)));
    let key = Some(text(&sent, "authkey").to_owned()).filter(|k| !k.is_empty());
    let server = Server { name, url, organisation, pushes };
    asked.change(Change::KeepServer { before: before.map(|b| b.name), server: server.clone(), key })?;
    Ok(Reply::json(&asked.shown_server(&server)))
}

/// It is forgotten; what came from it stays.
pub(crate) fn delete(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let server = asked.server_named()?;
    asked.change(Change::RemoveServer { name: server.name })?;
    Ok(asked.done("Server deleted"))
}
