//! What goes between MISPs besides events: custom clusters, sightings, proposals, and what analysts write.
//!
//! The rule: the other side is asked what it lacks where it can say so, and is sent that alone; what it does not take is told, and the rest goes on.

use std::collections::{BTreeMap, BTreeSet};

use polder_peer::{Error, clip};
use serde_json::{Map, Value, json};

use super::{Remote, odd};
use crate::limits;
use crate::map::Said;
use crate::map::aside::{ANALYST_DATA, custom_cluster};
use crate::map::fields::{number, text};
use crate::map::ids::uuid;

/// What became of a kind of thing that was offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// How many the other side took.
    pub sent: usize,
    /// The UUIDs of those that were sent and not refused; if the answer was lost, those too.
    pub named: Vec<String>,
    /// What it said where it took none.
    pub refused: Vec<String>,
}

/// Fields that mean something only here, or name a person.
const HERE: &[&str] = &["id", "org_id", "orgc_id", "event_id", "attribute_id", "old_id", "galaxy_id", "sharing_group_id", "_canEdit", "email"];

fn leaving(said: &Said) -> Map<String, Value> {
    let mut fields = said.fields.clone();
    fields.retain(|key, _| !HERE.contains(&key.as_str()));
    fields
}

/// The UUIDs in what is sent: of a list, or of one thing under its name.
fn named(body: &Value) -> Vec<String> {
    let one = |value: &Value| {
        let inner = value.get("GalaxyCluster").unwrap_or(value);
        Some(inner.get("uuid")?.as_str()?.to_owned())
    };
    match body {
        Value::Array(list) => list.iter().filter_map(one).collect(),
        Value::Object(map) => map.values().filter_map(one).collect(),
        _ => Vec::new(),
    }
}

impl Remote {
    /// Custom clusters that are new or have a newer version, by the versions that are known.
    ///
    /// # Errors
    /// [`Error`].
    pub fn clusters(&self, known: &BTreeMap<String, i64>) -> Result<Vec<Map<String, Value>>, Error> {
        let mut all = Vec::new();
        for (id, version) in self.clusters_there(&[])?.into_iter().take(limits::CLUSTERS_ASKED) {
            if known.get(&id).is_some_and(|k| *k >= version) {
                continue;
            }
            let path = format!("/galaxy_clusters/view/{id}");
            let answer = self.ask("GET", &path, None, &[], &[200, 403, 404])?;
            if answer.status != 200 {
                continue;
            }
            let read: Value = serde_json::from_slice(&answer.body).map_err(|e| odd(&path, e))?;
            all.extend(custom_cluster(&read).filter(|cluster| text(cluster, "uuid") == id));
        }
        Ok(all)
    }

    /// UUIDs and versions of the custom clusters that are there.
    fn clusters_there(&self, wanted: &[String]) -> Result<BTreeMap<String, i64>, Error> {
        let path = "/galaxy_clusters/restSearch";
        let mut body = json!({"published": 1, "minimal": 1, "custom": 1});
        if let (false, Some(map)) = (wanted.is_empty(), body.as_object_mut()) {
            map.insert("uuid".to_owned(), json!(wanted));
        }
        let answer = self.ask("POST", path, Some(&body), &[], &[200, 403, 404])?;
        if answer.status != 200 {
            return Ok(BTreeMap::new());
        }
        let read: Value = serde_json::from_slice(&answer.body).map_err(|e| odd(path, e))?;
        let list = read.get("response").and_then(Value::as_array).ok_or_else(|| odd(path, "no `response`"))?;
        let of = |one: &Value| {
            let cluster = one.get("GalaxyCluster").unwrap_or(one);
            Some((uuid(cluster.get("uuid")?.as_str()?)?, number(cluster.get("version")).unwrap_or_default()))
        };
        Ok(list.iter().filter_map(of).collect())
    }

    /// Sends custom clusters that the other side has not, or has in an older version.
    ///
    /// # Errors
    /// [`Error`].
    pub fn send_clusters(&self, ours: &[Said], beside: &mut Beside) -> Result<(), Error> {
        let names: Vec<String> = ours.iter().map(|s| text(&s.fields, "uuid").to_owned()).collect();
        let there = if names.is_empty() { BTreeMap::new() } else { self.clusters_there(&names)? };
        for said in ours {
            let version = number(said.fields.get("version")).unwrap_or_default();
            if there.get(text(&said.fields, "uuid")).is_some_and(|v| *v >= version) {
                continue;
            }
            let mut fields = leaving(said);
            fields.insert("published".to_owned(), true.into());
            self.offer("/galaxies/pushCluster", &json!([{"GalaxyCluster": fields}]), 1, beside)?;
        }
        Ok(())
    }

    /// Sends sightings of one event that are not there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn send_sightings(&self, event: &str, ours: &[&Said], beside: &mut Beside) -> Result<(), Error> {
        let path = format!("/sightings/filterSightingUuidsForPush/{event}");
        for some in ours.chunks(limits::SIGHTINGS_SENT) {
            let names: Vec<&str> = some.iter().map(|s| text(&s.fields, "uuid")).collect();
            let answer = self.ask("POST", &path, Some(&json!(names)), &[], &[200, 403, 404])?;
            let there: Value = if answer.status == 200 { serde_json::from_slice(&answer.body).map_err(|e| odd(&path, e))? } else { Value::Null };
            let there: BTreeSet<&str> = there.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let new = some.iter().filter(|s| !there.contains(text(&s.fields, "uuid"))).map(|s| {
                let mut fields = leaving(s);
                if !s.attribute.is_empty() {
                    fields.insert("attribute_uuid".to_owned(), s.attribute.as_str().into());
                }
                Value::Object(fields)
            });
            let new: Vec<Value> = new.collect();
            if !new.is_empty() {
                let count = new.len();
                self.offer(&format!("/sightings/bulkSaveSightings/{event}"), &Value::Array(new), count, beside)?;
            }
        }
        Ok(())
    }

    /// Sends proposals about one event; the other side tells which it has.
    ///
    /// # Errors
    /// [`Error`].
    pub fn send_proposals(&self, event: &str, ours: &[&Said], beside: &mut Beside) -> Result<(), Error> {
        let sent: Vec<Value> = ours.iter().map(|s| Value::Object(leaving(s))).collect();
        self.offer(&format!("/events/pushProposals/{event}"), &Value::Array(sent), ours.len(), beside)
    }

    /// Sends what analysts wrote that the other side lacks.
    ///
    /// # Errors
    /// [`Error`].
    pub fn send_analyst_data(&self, ours: &[Said], beside: &mut Beside) -> Result<(), Error> {
        let path = "/analyst_data/filterAnalystDataForPush";
        let of = |kind: &str| {
            ours.iter()
                .filter(|s| s.name == kind)
                .map(|s| (text(&s.fields, "uuid").to_owned(), text(&s.fields, "modified").into()))
                .collect::<Map<String, Value>>()
        };
        let offered: Map<String, Value> = ANALYST_DATA.into_iter().map(|kind| (kind.to_owned(), of(kind).into())).collect();
        if ours.is_empty() {
            return Ok(());
        }
        let answer = self.ask("POST", path, Some(&offered.into()), &[], &[200, 403, 404])?;
        if answer.status != 200 {
            return Ok(());
        }
        let wanted: Value = serde_json::from_slice(&answer.body).map_err(|e| odd(path, e))?;
        for said in ours {
            if wanted.get(&said.name).and_then(|w| w.get(text(&said.fields, "uuid"))).is_some() {
                self.offer("/analyst_data/pushAnalystData", &json!({said.name.clone(): leaving(said)}), 1, beside)?;
            }
        }
        Ok(())
    }

    pub(super) fn offer(&self, path: &str, body: &Value, count: usize, beside: &mut Beside) -> Result<(), Error> {
        let before = beside.named.len();
        beside.named.extend(named(body));
        let answer = self.ask("POST", path, Some(body), &[], &[200, 400, 403, 404, 405])?;
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status == 200 {
            let taken = said.get("counter").or_else(|| said.get("saved")).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            let none = said.get("success") == Some(&Value::Bool(false)) || said.get("saved") == Some(&Value::Bool(false));
            let taken = if none { 0 } else { taken.unwrap_or(count).min(count) };
            beside.sent += taken;
            if taken == 0 {
                beside.named.truncate(before);
            }
        } else {
            beside.named.truncate(before);
            let why = said.get("message").and_then(Value::as_str).unwrap_or_default();
            beside.refused.push(clip(&format!("{} {why}", answer.status)));
        }
        Ok(())
    }
}
