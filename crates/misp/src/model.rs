//! Typed views of MISP's JSON, and where a document holds events.
//!
//! The rule: MISP 2.4 prints numbers and booleans as strings and 2.5 as themselves; both are read, and an empty list stands for nothing.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Its UUID.
    #[serde(deserialize_with = "text")]
    pub uuid: String,
    /// Its title.
    #[serde(deserialize_with = "text")]
    pub info: String,
    /// How far MISP lets it travel, 0 to 4; files of feeds do not say.
    #[serde(deserialize_with = "number")]
    pub distribution: Option<i64>,
    /// Was it published, and not changed since?
    #[serde(deserialize_with = "flag")]
    pub published: bool,
    /// When it was last published, seconds since 1970; 0 is never.
    #[serde(deserialize_with = "number")]
    pub publish_timestamp: Option<i64>,
    /// When it was last changed, seconds since 1970.
    #[serde(deserialize_with = "number")]
    pub timestamp: Option<i64>,
    /// The analyst who made it.
    #[serde(deserialize_with = "text")]
    pub event_creator_email: String,
    /// Who made it.
    #[serde(rename = "Orgc", deserialize_with = "maybe")]
    pub orgc: Option<Organisation>,
    /// The group it is for, with distribution 4.
    #[serde(rename = "SharingGroup", deserialize_with = "maybe")]
    pub sharing_group: Option<SharingGroup>,
    /// Its tags.
    #[serde(rename = "Tag", deserialize_with = "list")]
    pub tags: Vec<Tag>,
    /// Attributes that stand in no object.
    #[serde(rename = "Attribute", deserialize_with = "list")]
    pub attributes: Vec<Attribute>,
    /// Its objects.
    #[serde(rename = "Object", deserialize_with = "list")]
    pub objects: Vec<Object>,
    /// Its reports.
    #[serde(rename = "EventReport", deserialize_with = "list")]
    pub reports: Vec<Report>,
}

/// An attribute.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Attribute {
    /// Its UUID.
    #[serde(deserialize_with = "text")]
    pub uuid: String,
    /// One of MISP's types.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    /// One of MISP's categories.
    #[serde(deserialize_with = "text")]
    pub category: String,
    /// What it says.
    #[serde(deserialize_with = "text")]
    pub value: String,
    /// A remark.
    #[serde(deserialize_with = "text")]
    pub comment: String,
    /// What it is in its object.
    #[serde(deserialize_with = "text")]
    pub object_relation: String,
    /// Is it for detection?
    #[serde(deserialize_with = "flag")]
    pub to_ids: bool,
    /// Withdrawn, but kept.
    #[serde(deserialize_with = "flag")]
    pub deleted: bool,
    /// When it was last changed, seconds since 1970.
    #[serde(deserialize_with = "number")]
    pub timestamp: Option<i64>,
    /// How far MISP lets it travel, 0 to 5.
    #[serde(deserialize_with = "number")]
    pub distribution: Option<i64>,
    /// The group it is for, with distribution 4.
    #[serde(rename = "SharingGroup", deserialize_with = "maybe")]
    pub sharing_group: Option<SharingGroup>,
    /// Its tags.
    #[serde(rename = "Tag", deserialize_with = "list")]
    pub tags: Vec<Tag>,
}

/// An object: attributes under a template.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Object {
    /// Its UUID.
    #[serde(deserialize_with = "text")]
    pub uuid: String,
    /// The template's name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// A remark.
    #[serde(deserialize_with = "text")]
    pub comment: String,
    /// Withdrawn, but kept.
    #[serde(deserialize_with = "flag")]
    pub deleted: bool,
    /// How far MISP lets it travel, 0 to 5.
    #[serde(deserialize_with = "number")]
    pub distribution: Option<i64>,
    /// The group it is for, with distribution 4.
    #[serde(rename = "SharingGroup", deserialize_with = "maybe")]
    pub sharing_group: Option<SharingGroup>,
    /// Its attributes.
    #[serde(rename = "Attribute", deserialize_with = "list")]
    pub attributes: Vec<Attribute>,
}

/// A report in markdown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Its UUID.
    #[serde(deserialize_with = "text")]
    pub uuid: String,
    /// Its title.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Its text.
    #[serde(deserialize_with = "text")]
    pub content: String,
    /// Withdrawn, but kept.
    #[serde(deserialize_with = "flag")]
    pub deleted: bool,
    /// How far MISP lets it travel, 0 to 5.
    #[serde(deserialize_with = "number")]
    pub distribution: Option<i64>,
    /// The group it is for, with distribution 4.
    #[serde(rename = "SharingGroup", deserialize_with = "maybe")]
    pub sharing_group: Option<SharingGroup>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Tag {
    /// Its text.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Set here for here; never to leave.
    #[serde(deserialize_with = "flag")]
    pub local: bool,
    /// May it leave at all?
    #[serde(deserialize_with = "flag")]
    pub exportable: bool,
}

impl Default for Tag {
    fn default() -> Self {
        Self { name: String::new(), local: false, exportable: true }
    }
}

/// An organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Organisation {
    /// Its UUID, which is what counts.
    #[serde(deserialize_with = "text")]
    pub uuid: String,
    /// Its name, which does not.
    #[serde(deserialize_with = "text")]
    pub name: String,
}

/// A sharing group: organisations, and the servers that may carry for it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SharingGroup {
    /// Its UUID.
    #[serde(deserialize_with = "text")]
    pub uuid: String,
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Does it count?
    #[serde(deserialize_with = "maybe_flag")]
    pub active: Option<bool>,
    /// May any server carry for it?
    #[serde(deserialize_with = "flag")]
    pub roaming: bool,
    /// Who made it, and belongs to it.
    #[serde(rename = "Organisation", deserialize_with = "maybe")]
    pub creator: Option<Organisation>,
    /// Who belongs to it.
    #[serde(rename = "SharingGroupOrg", deserialize_with = "list")]
    pub organisations: Vec<GroupOrganisation>,
    /// Which servers carry for it.
    #[serde(rename = "SharingGroupServer", deserialize_with = "list")]
    pub servers: Vec<GroupServer>,
}

/// A member of a sharing group.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GroupOrganisation {
    /// Who.
    #[serde(rename = "Organisation", deserialize_with = "maybe")]
    pub organisation: Option<Organisation>,
    /// May it add others?
    #[serde(deserialize_with = "flag")]
    pub extend: bool,
}

/// A server of a sharing group.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GroupServer {
    /// Does every organisation of that server belong to the group?
    #[serde(deserialize_with = "flag")]
    pub all_orgs: bool,
    /// Which.
    #[serde(rename = "Server", deserialize_with = "maybe")]
    pub server: Option<Server>,
}

/// A MISP server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: String,
}

/// Why a document is none of MISP's.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// No JSON.
    #[error("no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Valid JSON that holds no event.
    #[error("holds no MISP event")]
    NoEvent,
}

/// The events of a document: an event, a list of events, or the answer of a search.
///
/// # Errors
/// [`Unread`], which for an event with a wrongly typed field names field and type.
pub fn events(document: &[u8]) -> Result<Vec<Event>, Unread> {
    let mut found = Vec::new();
    gather(serde_json::from_slice(document)?, &mut found)?;
    if found.is_empty() { Err(Unread::NoEvent) } else { Ok(found) }
}

fn gather(value: Value, found: &mut Vec<Event>) -> Result<(), Unread> {
    match value {
        Value::Array(list) => list.into_iter().try_for_each(|one| gather(one, found)),
        Value::Object(mut map) => {
            if let Some(inner) = map.remove("Event").or_else(|| map.remove("response")) {
                return gather(inner, found);
            }
            // An event that stands alone has a title and a date or parts; a manifest of a feed has neither.
            if map.contains_key("info") && (map.contains_key("Attribute") || map.contains_key("Object") || map.contains_key("date")) {
                found.push(serde_json::from_value(Value::Object(map))?);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn odd<E: serde::de::Error>(wanted: &str, found: &Value) -> E {
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "another text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    E::custom(format!("{wanted} was expected and {found} is there"))
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::Bool(b) => Ok(Some(i64::from(b))),
        Value::Number(n) => n.as_i64().map(Some).ok_or_else(|| D::Error::custom(format!("`{n}` is no whole number"))),
        Value::String(s) if s.trim().is_empty() => Ok(None),
        Value::String(s) => s.trim().parse().map(Some).map_err(|_| odd("a number", &Value::String(s))),
        other => Err(odd("a number", &other)),
    }
}

fn maybe_flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::Bool(b) => Ok(Some(b)),
        Value::Number(n) => Ok(Some(n.as_i64() != Some(0))),
        Value::String(s) => match s.as_str() {
            "" => Ok(None),
            "0" | "false" => Ok(Some(false)),
            "1" | "true" => Ok(Some(true)),
            _ => Err(odd("a boolean", &Value::String(s))),
        },
        other => Err(odd("a boolean", &other)),
    }
}

fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    maybe_flag(from).map(Option::unwrap_or_default)
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(String::new()),
        Value::String(s) => Ok(s),
        other @ (Value::Number(_) | Value::Bool(_)) => Ok(other.to_string()),
        other => Err(odd("a text", &other)),
    }
}

fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.into_iter().map(|item| serde_json::from_value(item).map_err(D::Error::custom)).collect(),
        other => Err(odd("a list", &other)),
    }
}

fn maybe<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::Array(items) if items.is_empty() => Ok(None),
        other => serde_json::from_value(other).map(Some).map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_are_the_same() {
        let old = br#"{"Event":{"info":"x","date":"2026-01-01","distribution":"4","published":"1","SharingGroup":[],
            "Attribute":[{"value":7,"to_ids":"0","distribution":"5","deleted":"1"}],"Tag":[{"name":"a","exportable":"0"},{"name":"b"}]}}"#;
        let new = br#"{"response":[{"Event":{"info":"x","date":"2026-01-01","distribution":4,"published":true,"SharingGroup":null,
            "Attribute":[{"value":"7","to_ids":false,"distribution":5,"deleted":true}],"Tag":[{"name":"a","exportable":false},{"name":"b","local":0}]}}]}"#;
        let (old, new) = (events(old).unwrap(), events(new).unwrap());
        assert_eq!(old, new);
        assert!(!old[0].tags[0].exportable && old[0].tags[1].exportable, "a tag may leave unless it says otherwise");
    }

    #[test]
    fn what_is_wrongly_typed_is_named_and_what_is_no_event_is_not_taken_for_one() {
        let wrong = |text: &str| events(text.as_bytes()).unwrap_err().to_string();
        assert!(wrong(r#"{"info":"x","date":"d","distribution":"far"}"#).contains("a number was expected"));
        assert!(wrong(r#"{"info":"x","Attribute":{"0":{}}}"#).contains("a list was expected and an object"));
        assert!(wrong("{").starts_with("no JSON"));
        for none in ["[]", "{}", "7", r#"{"response":{"Attribute":[]}}"#, r#"{"0000":{"info":"of a manifest","date":"2026-01-01"}}"#] {
            assert_eq!(wrong(none), "holds no MISP event", "{none}");
        }
    }
}
