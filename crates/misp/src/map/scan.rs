//! Reads a document of MISP part by part, however large its events are.
//!
//! The rule: an event's head and one of its parts at a time are in memory, never its lists.

use std::fmt;
use std::io::Read;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::model::Unread;

/// A part of an event that comes in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An attribute that stands alone.
    Attribute,
    /// An object with its attributes.
    Object,
    /// A report.
    Report,
}

impl Part {
    fn of(key: &str) -> Option<Self> {
        match key {
            "Attribute" => Some(Self::Attribute),
            "Object" => Some(Self::Object),
            "EventReport" => Some(Self::Report),
            _ => None,
        }
    }
}

/// Is a document MISP's, as far as its first keys tell? STIX has its own.
pub fn is_misp(document: &[u8]) -> bool {
    let mut said = None;
    // It gives up as soon as it knows.
    let _ = serde_json::Deserializer::from_slice(document).deserialize_any(First(&mut said));
    said == Some(true)
}

struct First<'a>(&'a mut Option<bool>);

impl<'de> DeserializeSeed<'de> for First<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for First<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        list.next_element_seed(First(self.0))?;
        Err(A::Error::custom("known"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            *self.0 = match key.as_str() {
                "Event" | "response" | "info" | "Orgc" | "orgc_id" | "threat_level_id" | "analysis" => Some(true),
                "type" | "objects" | "spec_version" => Some(false),
                _ => None,
            };
            if self.0.is_some() {
                return Err(A::Error::custom("known"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// The heads of a document's events, without their parts; none at the number of what turned out to be no event.
///
/// # Errors
/// [`Unread`].
pub(crate) fn heads(document: impl Read) -> Result<Vec<Option<Map<String, Value>>>, Unread> {
    let mut heads = Vec::new();
    let mut walk = Walk { number: 0, heads: Some(&mut heads), each: None };
    run(document, &mut walk)?;
    if heads.iter().all(Option::is_none) { Err(Unread::NoEvent) } else { Ok(heads) }
}

/// Calls `each` with every part: the number of its event, which list it is in, itself. `each` says whether to go on.
///
/// # Errors
/// [`Unread`].
pub(crate) fn parts(document: impl Read, each: &mut dyn FnMut(usize, Part, Value) -> bool) -> Result<(), Unread> {
    run(document, &mut Walk { number: 0, heads: None, each: Some(each) })
}

fn run(document: impl Read, walk: &mut Walk<'_>) -> Result<(), Unread> {
    let mut from = serde_json::Deserializer::from_reader(document);
    from.deserialize_any(Top(walk))?;
    Ok(from.end()?)
}

struct Walk<'w> {
    number: usize,
    heads: Option<&'w mut Vec<Option<Map<String, Value>>>>,
    each: Option<&'w mut dyn FnMut(usize, Part, Value) -> bool>,
}

struct Top<'a, 'w>(&'a mut Walk<'w>);

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, or a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Top(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let walk = self.0;
        let mut head = Map::new();
        let (mut number, mut has_parts) = (None, false);
        while let Some(key) = map.next_key::<String>()? {
            if number.is_none() && matches!(key.as_str(), "Event" | "response") {
                map.next_value_seed(Top(walk))?;
                continue;
            }
            let number = *number.get_or_insert_with(|| {
                walk.number += 1;
                walk.number - 1
            });
            match Part::of(&key) {
                Some(_) if walk.each.is_none() => {
                    has_parts = true;
                    map.next_value::<IgnoredAny>()?;
                }
                Some(part) => map.next_value_seed(Parts { number, part, key: &key, walk })?,
                None if walk.heads.is_none() => drop(map.next_value::<IgnoredAny>()?),
                None => drop(head.insert(key, map.next_value()?)),
            }
        }
        if let (Some(_), Some(heads)) = (number, walk.heads.as_deref_mut()) {
            // An event has a title and a date or parts; an entry of a feed's manifest is told apart by its place, below a UUID.
            let is_event = head.contains_key("info") && (has_parts || head.contains_key("date"));
            heads.push(is_event.then_some(head));
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

struct Parts<'a, 'w> {
    number: usize,
    part: Part,
    key: &'a str,
    walk: &'a mut Walk<'w>,
}

impl<'de> DeserializeSeed<'de> for Parts<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Parts<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list in `{}`", self.key)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<Value>()? {
            if !self.walk.each.as_mut().is_none_or(|each| each(self.number, self.part, value)) {
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<&[&str], &str>) {
        let mut found = Vec::new();
        let result = heads(text.as_bytes()).and_then(|heads| {
            found = heads.iter().map(|h| h.as_ref().map_or("-".to_owned(), |h| h["info"].to_string())).collect();
            parts(text.as_bytes(), &mut |number, part, value| {
                found[number] += &format!(" {part:?}{value}");
                true
            })
        });
        match want {
            Ok(want) => assert_eq!((result.map_err(|e| e.to_string()), found), (Ok(()), want.iter().map(|w| (*w).to_owned()).collect()), "{text}"),
            Err(want) => assert!(result.unwrap_err().to_string().contains(want), "{text}"),
        }
    }

    #[test]
    fn misp_is_told_from_stix() {
        for yes in [r#"{"Event":{}}"#, r#"[{"Event":1"#, r#"{"response":[]}"#, r#"{"id":"1","uuid":"x","info":"a"}"#] {
            assert!(is_misp(yes.as_bytes()), "{yes}");
        }
        for no in ["", "[]", "7", "{}", r#"{"type":"bundle","Event":1}"#, r#"{"id":"x","objects":[{"Event":1}]}"#, r#"[{"id":1,"type":"tool"},{"info":1}]"#] {
            assert!(!is_misp(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn events_are_found_wherever_exports_put_them() {
        let event = r#"{"info":"a","Attribute":[1,2],"Tag":[{"name":"t"}],"Object":[3],"EventReport":null}"#;
        let said: &[&str] = &["\"a\" Attribute1 Attribute2 Object3"];
        check(event, Ok(said));
        check(&format!(r#"{{"Event":{event}}}"#), Ok(said));
        check(&format!(r#"{{"response":[{{"Event":{event}}},{{"Event":{{"info":"b","date":"d"}}}}]}}"#), Ok(&[said[0], "\"b\""]));
        check(&format!("[{event},{{\"x\":1}}]"), Ok(&[said[0], "-"]));
        check("[]", Err("holds no MISP event"));
        check(r#"{"Event":7}"#, Err("holds no MISP event"));
        check(r#"{"info":"a","Attribute":{"0":{}}}"#, Err("a list in `Attribute`"));
        check("{", Err("no JSON"));
        check(r#"{"info":"a","date":"d"} x"#, Err("no JSON"));
    }
}
