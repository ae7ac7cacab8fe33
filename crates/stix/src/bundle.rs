//! Cutting a document into the bytes of its objects: bundle, TAXII envelope, list, single object, or one object per line.
//!
//! Each object's bytes are kept as they stand in the document. What follows a fault is refused with its place, what came before it is kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Error;

/// What was found in a document.
#[derive(Debug, Default)]
pub struct Document<'a> {
    /// The objects, in order, each with the text as received.
    pub objects: Vec<&'a str>,
    /// The fault that ended the reading, if one did.
    pub fault: Option<Error>,
}

/// Cuts a document into objects.
#[must_use]
pub fn split(bytes: &[u8]) -> Document<'_> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let fault = Error::Json(format!("byte {} is not UTF-8", e.valid_up_to()));
            return Document { objects: Vec::new(), fault: Some(fault) };
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut document = Document::default();
    let mut de = serde_json::Deserializer::from_str(text);
    let first = Top { objects: &mut document.objects }.deserialize(&mut de);
    let shape = match first {
        Err(e) => {
            document.fault = Some(Error::Json(e.to_string()));
            return document;
        }
        Ok(shape) => shape,
    };
    match shape {
        Shape::Object => lines(text, &mut document),
        Shape::Container if de.end().is_ok() => {}
        Shape::Container => document.fault = Some(Error::Json("text after the end of the document".to_owned())),
        Shape::Scalar => document.fault = Some(Error::Document("a single value".to_owned())),
    }
    document
}

/// One object, or one after the other.
fn lines<'a>(text: &'a str, document: &mut Document<'a>) {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    loop {
        match stream.next() {
            None => return,
            Some(Ok(raw)) => document.objects.push(raw.get()),
            Some(Err(e)) => {
                document.fault = Some(Error::Json(format!("{e}, after {} objects", document.objects.len())));
                return;
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Container,
    Object,
    Scalar,
}

struct Top<'o, 'a> {
    objects: &'o mut Vec<&'a str>,
}

impl<'de> DeserializeSeed<'de> for Top<'_, 'de> {
    type Value = Shape;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, 'de> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bundle, an envelope, an object or a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let (mut bundle, mut id, mut any, mut list) = (false, false, false, false);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            any = true;
            match &*key {
                // A bundle has an id too, so the type decides; an envelope has neither.
                "type" => {
                    let raw = map.next_value::<&RawValue>()?;
                    // Decoded, or an escape would make the bundle an object of its own.
                    bundle = serde_json::from_str::<String>(raw.get()).is_ok_and(|kind| kind == "bundle");
                }
                "id" => {
                    id = true;
                    map.next_value::<IgnoredAny>()?;
                }
                "objects" => {
                    // A STIX 2.0 observed-data has `objects` too, as a map.
                    let raw: Result<ListOrOther, _> = map.next_value_seed(List { objects: self.objects });
                    list = raw? == ListOrOther::List;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let container = bundle || !any || (list && !id);
        if !container {
            self.objects.clear();
        }
        Ok(if container { Shape::Container } else { Shape::Object })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Shape, A::Error> {
        collect(self.objects, seq)?;
        Ok(Shape::Container)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
}

fn collect<'de, A: SeqAccess<'de>>(objects: &mut Vec<&'de str>, mut seq: A) -> Result<(), A::Error> {
    while let Some(raw) = seq.next_element::<&'de RawValue>()? {
        objects.push(raw.get());
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum ListOrOther {
    List,
    Other,
}

struct List<'o, 'a> {
    objects: &'o mut Vec<&'a str>,
}

impl<'de> DeserializeSeed<'de> for List<'_, 'de> {
    type Value = ListOrOther;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ListOrOther, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_, 'de> {
    type Value = ListOrOther;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`objects` as a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<ListOrOther, A::Error> {
        collect(self.objects, seq)?;
        Ok(ListOrOther::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListOrOther, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(ListOrOther::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape() {
        let check = |text: &str, want: &[&str], fault: Option<&str>| {
            let d = split(text.as_bytes());
            assert_eq!(d.objects, want, "{text}");
            match (fault, &d.fault) {
                (None, None) => {}
                (Some(w), Some(f)) if f.to_string().contains(w) => {}
                other => panic!("{text}: {other:?}"),
            }
        };
        check(r#"{"type":"bundle","id":"bundle--1","objects":[{"a": 1},{"b":2} ]}"#, &[r#"{"a": 1}"#, r#"{"b":2}"#], None);
        check(r#"{"type":"bundle","id":"bundle--1"}"#, &[], None);
        check(r#"{"type":"bun\u0064le","id":"bundle--1","objects":[{"a":1}]}"#, &[r#"{"a":1}"#], None);
        check(r#"{"more":false,"objects":[{"a":1}]}"#, &[r#"{"a":1}"#], None);
        check("{}", &[], None);
        check(r#"[{"a":1}]"#, &[r#"{"a":1}"#], None);
        check(r#" {"type":"x","id":"y"} "#, &[r#"{"type":"x","id":"y"}"#], None);
        check("{\"type\":\"x\",\"id\":\"y\"}\n{\"type\":\"z\",\"id\":\"y\"}\n", &[r#"{"type":"x","id":"y"}"#, r#"{"type":"z","id":"y"}"#], None);
        check(r#"{"type":"observed-data","id":"o","objects":{"0":{}}}"#, &[r#"{"type":"observed-data","id":"o","objects":{"0":{}}}"#], None);
        check(r#"{"type":"bundle","objects":[{"a":1},{"b":"#, &[r#"{"a":1}"#], Some("EOF"));
        check(r#"{"type":"bundle","objects":[{"a":1}]}x"#, &[r#"{"a":1}"#], Some("after the end"));
        check("7", &[], Some("single value"));
        check("", &[], Some("EOF"));
        check(r#"{"type":"bundle","objects":7}"#, &[], Some("as a list"));
        assert!(split(b"{\"a\":\"\xff\"}").fault.unwrap().to_string().contains("byte 6"));
    }
}
