//! Taking back what was said to another MISP besides events: clusters, proposals, and what analysts wrote.
//!
//! The rule: what goes in place of what was said names it and says nothing; MISP has no words for taking back a sighting, and that is told.

use polder_peer::{Error, clip};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Remote;
use super::beside::Beside;
use crate::map::Said;
use crate::map::aside::ANALYST_DATA;
use crate::map::fields::text;
use crate::map::left::WITHDRAWN;

/// Something that is there by our hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct There {
    /// `Sighting`, `ShadowAttribute`, `Note`, `Opinion`, `Relationship` or `GalaxyCluster`.
    pub name: String,
    /// The UUID of the event it is about; empty if it is about none.
    pub event: String,
    /// By what it is known there.
    pub fields: Map<String, Value>,
    /// The operator was told that it cannot be taken back.
    #[serde(default)]
    pub told: bool,
}

/// What names a thing without saying what it says.
const NAMING: &[&str] =
    &["uuid", "object_uuid", "object_type", "created", "orgc_uuid", "org_uuid", "event_uuid", "type", "Orgc", "Org", "Galaxy", "timestamp", "version"];

impl There {
    /// As it was sent.
    #[must_use]
    pub fn of(said: &Said) -> Self {
        let fields = said.fields.iter().filter(|(key, _)| NAMING.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone()));
        Self { name: said.name.clone(), event: said.event.clone(), fields: fields.collect(), told: false }
    }

    /// What is to be there in its place.
    fn emptied(&self, now_s: i64) -> Map<String, Value> {
        let own = text(&self.fields, "uuid");
        let written: String = polder_stix::time::from_us(now_s.saturating_mul(1_000_000)).replace('T', " ").chars().take(19).collect();
        let told = match self.name.as_str() {
            "GalaxyCluster" => json!({"value": WITHDRAWN, "description": WITHDRAWN, "source": "", "authors": [], "collection_uuid": "", "published": true,
                "tag_name": format!("misp-galaxy:{}=\"{own}\"", text(&self.fields, "type")), "version": now_s.to_string(), "distribution": "0",
                "GalaxyElement": [], "GalaxyClusterRelation": []}),
            "ShadowAttribute" => json!({"type": "text", "category": "Other", "value": format!("withdrawn {own}"), "to_ids": false, "comment": "",
                "deleted": true, "timestamp": now_s.to_string()}),
            "Opinion" => json!({"opinion": "50", "comment": "", "authors": "", "distribution": "0", "modified": written}),
            "Relationship" => json!({"relationship_type": WITHDRAWN, "related_object_uuid": text(&self.fields, "object_uuid"),
                "related_object_type": text(&self.fields, "object_type"), "authors": "", "distribution": "0", "modified": written}),
            _ => json!({"note": WITHDRAWN, "language": "", "authors": "", "distribution": "0", "modified": written}),
        };
        let mut fields = self.fields.clone();
        fields.extend(told.as_object().cloned().unwrap_or_default());
        fields
    }

    /// Is what is there now empty?
    fn is_empty(&self, there: &Map<String, Value>) -> bool {
        match self.name.as_str() {
            "GalaxyCluster" => text(there, "value") == WITHDRAWN,
            "Opinion" => text(there, "comment").is_empty(),
            "Relationship" => text(there, "relationship_type") == WITHDRAWN,
            _ => text(there, "note") == WITHDRAWN,
        }
    }
}

impl Remote {
    /// Takes something back, and reads what is there then; `Some` is why it still stands.
    ///
    /// # Errors
    /// [`Error`].
    pub fn take_back(&self, there: &There, now_s: i64) -> Result<Option<String>, Error> {
        let own = text(&there.fields, "uuid");
        let emptied = Value::Object(there.emptied(now_s));
        let mut went = Beside::default();
        let read = match there.name.as_str() {
            "GalaxyCluster" => {
                self.offer("/galaxies/pushCluster", &json!([{"GalaxyCluster": emptied}]), 1, &mut went)?;
                format!("/galaxy_clusters/view/{own}")
            }
            "ShadowAttribute" => {
                self.offer(&format!("/events/pushProposals/{}", there.event), &json!([emptied]), 1, &mut went)?;
                let why = went.refused.first().cloned();
                return Ok(why.or_else(|| (went.sent == 0).then(|| "the proposal still stands there".to_owned())));
            }
            kind if ANALYST_DATA.contains(&kind) => {
                self.offer("/analyst_data/pushAnalystData", &json!({kind: emptied}), 1, &mut went)?;
                format!("/analyst_data/index/{kind}/uuid[]:{own}.json")
            }
            _ => return Ok(Some("MISP has no way to take a sighting back".to_owned())),
        };
        let answer = self.ask("GET", &read, None, &[], &[200, 403, 404])?;
        let read: Value = if answer.status == 200 { serde_json::from_slice(&answer.body).unwrap_or_default() } else { Value::Null };
        let read = read.get("response").cloned().unwrap_or(read);
        let one = read.get(0).unwrap_or(&read);
        let now = one.get(&there.name).unwrap_or(one).as_object().filter(|o| text(o, "uuid").eq_ignore_ascii_case(own));
        Ok(now.filter(|now| !there.is_empty(now)).map(|_| went.refused.first().map_or_else(|| "it still stands there".to_owned(), |why| clip(why))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_says_nothing() {
        let said = json!({"uuid": "u", "object_uuid": "o", "object_type": "Event", "note": "secret", "comment": "secret", "value": "secret", "description": "secret",
            "GalaxyElement": [{"key": "secret", "value": "secret"}], "relationship_type": "secret", "authors": "secret", "type": "kind", "tag_name": "secret"});
        for name in ["Note", "Opinion", "Relationship", "GalaxyCluster", "ShadowAttribute"] {
            let fields = said.as_object().cloned().unwrap();
            let said = Said {
                event: String::new(),
                attribute: String::new(),
                about: String::new(),
                name: name.to_owned(),
                origin: polder_release::Origin::Own,
                fields,
            };
            let emptied = There::of(&said).emptied(1_780_000_000);
            assert!(!Value::Object(emptied.clone()).to_string().contains("secret"), "{name}: {emptied:?}");
            assert!(name == "ShadowAttribute" || There::of(&said).is_empty(&emptied), "{name}");
        }
    }
}
