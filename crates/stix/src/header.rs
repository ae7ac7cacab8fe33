//! What the node needs to know of an object, taken from its bytes in one pass that also enforces I-JSON.
//!
//! The rule: nothing is believed that the pass did not see. Every string is decoded, so an id cannot hide behind an escape.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::time::Version;
use crate::{Error, Id, IdRef, limits};

/// How much an object depends on a reference (docs/decision.md, "References").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefKind {
    /// The string can be removed and the object still says something.
    Optional,
    /// Without it the object says nothing.
    Required,
    /// At least one reference of this kind must stay.
    AnyOf,
}

/// A reference to another object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Its target.
    pub target: Id,
    /// What its removal means.
    pub kind: RefKind,
}

/// The extracted header of an object.
#[derive(Debug, Clone)]
pub struct Header {
    /// `id`.
    pub id: Id,
    /// `spec_version`, when there is one.
    pub spec_version: Option<Box<str>>,
    /// `created`.
    pub created: Option<Version>,
    /// `modified`.
    pub modified: Option<Version>,
    /// `revoked`.
    pub revoked: bool,
    /// `object_marking_refs`, sorted, each once.
    pub markings: Vec<Id>,
    /// There is a non-empty `granular_markings`.
    pub granular: bool,
    /// Every reference to another object, sorted, each once.
    pub references: Vec<Reference>,
    /// What of it may be removed is more than a list of references: an id stands where its type requires a text,
    /// or the type requires one of several properties, or its author.
    pub needs_outline: bool,
}

impl Header {
    /// The version: `modified`, else `created`, else none (an unversioned object).
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.modified.or(self.created)
    }

    /// Is it of a type whose objects have versions (STIX 2.1 section 3.2: domain and relationship objects) and says none?
    #[must_use]
    pub fn lacks_version(&self) -> bool {
        self.version().is_none() && VERSIONED_TYPES.contains(&&*self.id.kind)
    }

    /// Is this STIX 2.0? Its objects have times and no `spec_version`; 2.1 observables have neither.
    #[must_use]
    pub fn is_stix_2_0(&self) -> bool {
        self.spec_version.as_deref().map_or(self.created.is_some(), |v| v == "2.0")
    }
}

/// The domain and relationship objects of STIX 2.1.
const VERSIONED_TYPES: [&str; 21] = [
    "attack-pattern",
    "campaign",
    "course-of-action",
    "grouping",
    "identity",
    "incident",
    "indicator",
    "infrastructure",
    "intrusion-set",
    "location",
    "malware",
    "malware-analysis",
    "note",
    "observed-data",
    "opinion",
    "relationship",
    "report",
    "sighting",
    "threat-actor",
    "tool",
    "vulnerability",
];

/// The parser gives names that begin so a meaning of their own, so other readers of the same bytes would see another object.
const RESERVED: &str = "$serde_json::private::";

/// Reads the header of one object and refuses what is not I-JSON.
///
/// # Errors
/// [`Error`], naming the place.
pub fn read_header(bytes: &[u8]) -> Result<Header, Error> {
    if bytes.len() > limits::OBJECT_BYTES_MAX {
        return Err(Error::TooLarge { bytes: bytes.len(), max: limits::OBJECT_BYTES_MAX });
    }
    let mut found = Found::default();
    // serde_json's own recursion limit of 128 stays on, above ours of 64.
    let mut de = serde_json::Deserializer::from_slice(bytes);
    Walk { found: &mut found, depth: 0, slot: Slot::Top }.deserialize(&mut de).and_then(|()| de.end()).map_err(|e| Error::Json(e.to_string()))?;
    found.into_header()
}

/// Where in the object a string stands, as far as references care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Top,
    Type,
    Id,
    SpecVersion,
    Created,
    Modified,
    Revoked,
    Markings,
    Granular,
    Extensions,
    Skip,
    SourceRef,
    TargetRef,
    SightingOf,
    ObjectRef,
    CreatedBy,
    ObjectRefs,
    SrcDst,
    Text,
    Other,
}

/// Properties that some type requires and that are no references.
const REQUIRED_TEXTS: [&str; 20] = [
    "name",
    "content",
    "contents",
    "context",
    "extension_types",
    "first_observed",
    "is_family",
    "is_multipart",
    "last_observed",
    "number",
    "number_observed",
    "opinion",
    "path",
    "pattern",
    "pattern_type",
    "product",
    "protocols",
    "published",
    "relationship_type",
    "schema",
];

impl Slot {
    fn of_top_level(key: &str) -> Self {
        match key {
            "type" => Self::Type,
            "id" => Self::Id,
            "spec_version" => Self::SpecVersion,
            "created" => Self::Created,
            "modified" => Self::Modified,
            "revoked" => Self::Revoked,
            "object_marking_refs" => Self::Markings,
            "granular_markings" => Self::Granular,
            "extensions" => Self::Extensions,
            "source_ref" => Self::SourceRef,
            "target_ref" => Self::TargetRef,
            "sighting_of_ref" => Self::SightingOf,
            "object_ref" => Self::ObjectRef,
            "created_by_ref" => Self::CreatedBy,
            "object_refs" => Self::ObjectRefs,
            "src_ref" | "dst_ref" => Self::SrcDst,
            "valid_from" | "value" | "version" | "hashes" | "result" => Self::Text,
            key if REQUIRED_TEXTS.contains(&key) => Self::Text,
            _ => Self::Other,
        }
    }

    fn ref_kind(self, object_type: &str) -> RefKind {
        match (self, object_type) {
            (Self::SourceRef | Self::TargetRef, "relationship")
            | (Self::SightingOf, "sighting")
            | (Self::ObjectRef, "language-content")
            | (Self::CreatedBy, "extension-definition") => RefKind::Required,
            (Self::ObjectRefs, "report" | "grouping" | "note" | "opinion" | "observed-data") | (Self::SrcDst, "network-traffic") => RefKind::AnyOf,
            _ => RefKind::Optional,
        }
    }
}

#[derive(Default)]
struct Found {
    seen_map: bool,
    kind: Option<String>,
    id: Option<String>,
    spec_version: Option<String>,
    created: Option<String>,
    modified: Option<String>,
    revoked: bool,
    markings: Vec<Id>,
    bad_marking: Option<String>,
    granular: bool,
    wrong_type: Option<&'static str>,
    references: Vec<(Slot, Id)>,
}

impl Found {
    fn string(&mut self, slot: Slot, text: &str, depth: usize) {
        match (slot, depth) {
            (Slot::Type, 1) => {
                self.required_text(text);
                self.kind = Some(text.to_owned());
            }
            (Slot::Id, 1) => self.id = Some(text.to_owned()),
            (Slot::SpecVersion, 1) => {
                self.required_text(text);
                self.spec_version = Some(text.to_owned());
            }
            (Slot::Created, 1) => self.created = Some(text.to_owned()),
            (Slot::Modified, 1) => self.modified = Some(text.to_owned()),
            (Slot::Markings, 2) => match Id::parse(text) {
                Some(id) if &*id.kind == "marking-definition" => self.markings.push(id),
                _ => self.bad_marking = Some(text.to_owned()),
            },
            (Slot::Markings, _) => self.wrong_type = Some("object_marking_refs"),
            (Slot::Granular, 1) => self.wrong_type = Some("granular_markings"),
            (Slot::Extensions, 1) => self.wrong_type = Some("extensions"),
            (Slot::Skip, _) => {}
            _ => self.reference(slot, text),
        }
    }

    fn reference(&mut self, slot: Slot, text: &str) {
        if let Some(id) = IdRef::parse(text) {
            self.references.push((slot, id.to_owned()));
        }
    }

    /// A type or a `spec_version` may have the form of an id too, and then it can be one that has to leave.
    fn required_text(&mut self, text: &str) {
        self.reference(Slot::Text, text);
    }

    /// A value that is no string where a header property needs one.
    fn other(&mut self, slot: Slot, depth: usize) {
        let name = match slot {
            Slot::Type => "type",
            Slot::Id => "id",
            Slot::SpecVersion => "spec_version",
            Slot::Created => "created",
            Slot::Modified => "modified",
            Slot::Markings => "object_marking_refs",
            Slot::Granular => "granular_markings",
            Slot::Extensions => "extensions",
            _ => return,
        };
        if depth == 1 || (depth == 2 && slot == Slot::Markings) {
            self.wrong_type = Some(name);
        }
    }

    fn into_header(self) -> Result<Header, Error> {
        let fail = |property, problem: String| Err(Error::Property { property, problem });
        if !self.seen_map {
            return Err(Error::Document("a single value that is not an object".to_owned()));
        }
        if let Some(property) = self.wrong_type {
            return fail(property, "has the wrong JSON type".to_owned());
        }
        let Some(kind) = self.kind else { return fail("type", "is missing".to_owned()) };
        let Some(id_text) = self.id else { return fail("id", "is missing".to_owned()) };
        let Some(id) = Id::parse(&id_text) else { return fail("id", format!("`{}` is not of the form `type--uuid`", clip(&id_text))) };
        if *id.kind != *kind {
            return fail("id", format!("`{id}` does not begin with the object's type `{}`", clip(&kind)));
        }
        if kind == "bundle" {
            return fail("type", "is a bundle, not an object; send its objects".to_owned());
        }
        if let Some(bad) = self.bad_marking {
            return fail("object_marking_refs", format!("`{}` is not the id of a marking-definition", clip(&bad)));
        }
        let time = |property: &'static str, text: Option<String>| match text {
            None => Ok(None),
            Some(t) => match Version::parse(&t) {
                Some(v) => Ok(Some(v)),
                None => Err(Error::Property { property, problem: format!("`{}` is not a UTC timestamp like 2026-01-31T12:00:00.000Z", clip(&t)) }),
            },
        };
        let id_for_text = self.references.iter().any(|(slot, _)| *slot == Slot::Text);
        let one_of_several = kind == "malware-analysis" && !self.references.is_empty();
        let references = self.references.into_iter().map(|(slot, target)| Reference { target, kind: slot.ref_kind(&kind) });
        // Who holds an object may see it named in itself; it counts only as one of several that may stay.
        let mut references: Vec<Reference> = references.filter(|r| r.target != id || r.kind == RefKind::AnyOf).collect();
        if references.len() > limits::REFERENCES_MAX {
            return fail("object_refs", format!("more than {} references", limits::REFERENCES_MAX));
        }
        references.sort_unstable();
        references.dedup();
        let mut markings = self.markings;
        markings.sort_unstable();
        markings.dedup();
        Ok(Header {
            id,
            spec_version: self.spec_version.map(Into::into),
            created: time("created", self.created)?,
            modified: time("modified", self.modified)?,
            revoked: self.revoked,
            markings,
            granular: self.granular,
            references,
            needs_outline: id_for_text || one_of_several || kind == "extension-definition",
        })
    }
}

/// A hostile string is quoted in errors only up to a length a person would read.
fn clip(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(80) {
        Some((at, _)) => Cow::Owned(format!("{}...", text.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

struct Walk<'f> {
    found: &'f mut Found,
    depth: usize,
    slot: Slot,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        let depth = self.depth + 1;
        if depth > limits::DEPTH_MAX {
            return Err(E::custom(format_args!("nested deeper than {} levels", limits::DEPTH_MAX)));
        }
        Ok(depth)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.found.string(self.slot, text, self.depth);
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        if self.slot == Slot::Revoked && self.depth == 1 {
            self.found.revoked = value;
        }
        self.found.other(self.slot, self.depth);
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.found.other(self.slot, self.depth);
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.visit_u64(value.unsigned_abs())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        if value > limits::INTEGER_MAX {
            return Err(E::custom(format_args!("integer out of range, the largest magnitude is {}", limits::INTEGER_MAX)));
        }
        self.found.other(self.slot, self.depth);
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.found.other(self.slot, self.depth);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        if self.slot != Slot::Markings && self.slot != Slot::Granular || self.depth > 1 {
            self.found.other(self.slot, self.depth);
        }
        let Self { found, slot, .. } = self;
        let mut any = false;
        while seq.next_element_seed(Walk { found, depth, slot })?.is_some() {
            any = true;
        }
        if any && slot == Slot::Granular && depth == 2 {
            found.granular = true;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        let Self { found, slot, .. } = self;
        found.seen_map |= slot == Slot::Top;
        if slot != Slot::Extensions {
            found.other(slot, depth - 1);
        }
        let mut names = Names::default();
        while let Some(Key(key)) = map.next_key()? {
            if key.starts_with(RESERVED) {
                return Err(A::Error::custom(format_args!("reserved name `{}`", clip(&key))));
            }
            let slot = match (slot, &*key) {
                (Slot::Top, k) => Slot::of_top_level(k),
                (Slot::Granular, "marking_ref") => Slot::Skip,
                (slot, _) => slot,
            };
            if let Err(key) = names.insert(key) {
                return Err(A::Error::custom(format_args!("duplicate name `{}`", clip(&key))));
            }
            map.next_value_seed(Walk { found, depth, slot })?;
        }
        Ok(())
    }
}

struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// The names of one map: a short list first, a set when there are many, so that a hostile map costs no square.
#[derive(Default)]
struct Names<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Names<'de> {
    fn insert(&mut self, key: Cow<'de, str>) -> Result<(), Cow<'de, str>> {
        if self.few.contains(&key) || self.many.contains(&key) {
            return Err(key);
        }
        if self.few.len() < 24 {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "indicator--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20";
    const B: &str = "malware--0012e5b0-0b7b-4ddd-b326-cd076b2c4c21";
    const M: &str = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed";

    fn refs(json: &serde_json::Value) -> Vec<(String, RefKind)> {
        let header = read_header(json.to_string().as_bytes()).unwrap();
        header.references.into_iter().map(|r| (r.target.to_string(), r.kind)).collect()
    }

    #[test]
    fn references_of_every_kind() {
        let r = format!("relationship--{}", A.split_once("--").unwrap().1);
        let o = serde_json::json!({"type":"relationship","id":r,"source_ref":A,"target_ref":B,"created_by_ref":M,"x":{"y":[{"z":B}]},"object_marking_refs":[M],"granular_markings":[{"marking_ref":M,"selectors":["x"]}]});
        assert_eq!(
            refs(&o),
            vec![(A.to_owned(), RefKind::Required), (B.to_owned(), RefKind::Optional), (B.to_owned(), RefKind::Required), (M.to_owned(), RefKind::Optional)]
        );
        let o = serde_json::json!({"type":"report","id":format!("report--{}", A.split_once("--").unwrap().1),"object_refs":[A,B],"source_ref":B});
        assert_eq!(refs(&o).len(), 3);
        // An escape does not hide an id.
        let text = format!(r#"{{"type":"indicator","id":"{A}","x":"malware\u002d-0012e5b0-0b7b-4ddd-b326-cd076b2c4c21"}}"#);
        assert_eq!(read_header(text.as_bytes()).unwrap().references[0].target.to_string(), B);
    }

    #[test]
    fn refuses_with_the_place() {
        let check = |text: &str, want: &str| {
            let error = read_header(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        };
        check("{", "EOF");
        check("[]", "not an object");
        check("7", "not an object");
        check(r#"{"type":"indicator"}"#, "`id`: is missing");
        check(&format!(r#"{{"id":"{A}"}}"#), "`type`: is missing");
        check(&format!(r#"{{"type":"malware","id":"{A}"}}"#), "does not begin");
        check(&format!(r#"{{"type":"indicator","id":"{A}","id":"{A}"}}"#), "duplicate name `id`");
        check(&format!(r#"{{"type":"indicator","id":"{A}","x":{{"a":1,"\u0061":2}}}}"#), "duplicate name `a`");
        check(&format!(r#"{{"type":"indicator","id":"{A}","x":"\ud800"}}"#), "hex escape");
        check(&format!(r#"{{"type":"indicator","id":"{A}","x":1e999}}"#), "out of range");
        check(&format!(r#"{{"type":"indicator","id":"{A}","x":9007199254740993}}"#), "out of range");
        check(&format!(r#"{{"type":"indicator","id":"{A}","modified":"yesterday"}}"#), "`modified`: `yesterday`");
        check(&format!(r#"{{"type":"indicator","id":"{A}","modified":7}}"#), "wrong JSON type");
        check(&format!(r#"{{"type":"indicator","id":"{A}","object_marking_refs":"{M}"}}"#), "`object_marking_refs`");
        check(&format!(r#"{{"type":"indicator","id":"{A}","object_marking_refs":["{B}"]}}"#), "not the id of a marking-definition");
        check(&format!(r#"{{"type":"indicator","id":"{A}","object_marking_refs":[7]}}"#), "wrong JSON type");
        check(&format!(r#"{{"type":"indicator","id":"{A}","granular_markings":{{}}}}"#), "`granular_markings`");
        check(&format!(r#"{{"type":"indicator","id":"{A}","x":{}1{}}}"#, "[".repeat(64), "]".repeat(64)), "deeper than 64");
        assert!(read_header(format!(r#"{{"type":"indicator","id":"{A}","x":{}1{}}}"#, "[".repeat(63), "]".repeat(63)).as_bytes()).is_ok());
    }

    #[test]
    fn a_name_the_parser_reads_as_something_else_is_refused() {
        for name in ["$serde_json::private::RawValue", "$serde_json::private::Number", "\\u0024serde_json::private::RawValue"] {
            for at in [format!(r#""{name}":5"#), format!(r#""x":{{"{name}":5}}"#), format!(r#""x":[{{"{name}":"1"}}]"#)] {
                let error = read_header(format!(r#"{{{at},"type":"indicator","id":"{A}"}}"#).as_bytes()).unwrap_err().to_string();
                assert!(error.contains("reserved name `$serde_json::private::"), "{at}: {error}");
            }
        }
    }

    #[test]
    fn a_bundle_is_no_object() {
        let id = format!("bundle--{}", A.split_once("--").unwrap().1);
        for kind in ["bundle", r"bun\u0064le"] {
            let text = format!(r#"{{"type":"{kind}","id":"{id}","objects":[{{"type":"indicator","id":"{A}"}}]}}"#);
            let error = read_header(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("is a bundle, not an object; send its objects"), "{error}");
        }
    }

    #[test]
    fn extensions_are_an_object_or_the_copy_could_not_say_what_it_is() {
        for bad in ["\"x\"", "7", "null", "[]", "[{}]", "true", "1.5"] {
            let error = read_header(format!(r#"{{"type":"indicator","id":"{A}","extensions":{bad}}}"#).as_bytes()).unwrap_err().to_string();
            assert!(error.contains("`extensions`: has the wrong JSON type"), "{bad}: {error}");
        }
        let header =
            read_header(format!(r#"{{"type":"indicator","id":"{A}","extensions":{{"x":[7,"{B}",null,{{}}]}},"x":{{"extensions":7}}}}"#).as_bytes()).unwrap();
        assert_eq!(header.references[0].target.to_string(), B);
    }

    #[test]
    fn an_outline_is_needed_wherever_removal_can_fail() {
        let needs = |kind: &str, extra: &str| {
            let id = format!("{kind}--{}", A.split_once("--").unwrap().1);
            read_header(format!(r#"{{"type":"{kind}","id":"{id}"{extra}}}"#).as_bytes()).unwrap().needs_outline
        };
        assert!(needs("malware-analysis", &format!(r#","analysis_sco_refs":["{B}"]"#)), "its only result can go");
        assert!(!needs("malware-analysis", ""));
        assert!(needs("extension-definition", ""), "its author can be hidden and is required");
        assert!(needs("language-content", &format!(r#","contents":{{"a":"{B}"}}"#)));
        assert!(needs("tool", &format!(r#","spec_version":"{B}""#)), "an id for a version");
        assert!(needs(B, ""), "an id for a type");
        assert!(!needs("tool", &format!(r#","x_ref":"{B}""#)));
    }

    #[test]
    fn versions() {
        let version = |extra: &str| read_header(format!(r#"{{"type":"indicator","id":"{A}"{extra}}}"#).as_bytes()).unwrap().version().map(|v| v.to_string());
        assert_eq!(version(r#","created":"2020-01-01T00:00:00Z","modified":"2021-01-01T00:00:00.000Z""#).as_deref(), Some("2021-01-01T00:00:00.000Z"));
        assert_eq!(version(r#","created":"2020-01-01T00:00:00Z""#).as_deref(), Some("2020-01-01T00:00:00Z"));
        assert_eq!(version(""), None);
    }
}
