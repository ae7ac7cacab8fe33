//! Objects made ready at the door, outside any lock: header, lift, digest, granular markings, what a definition means.

use polder_release::{Meaning, analyse_granular, meaning_of_content, outline, predefined};
use polder_stix::{Header, Id, RefKind, lift, read_header};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::columns::GranularColumn;
use crate::limits;

/// An object that may come in.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) header: Header,
    pub(crate) bytes: Vec<u8>,
    pub(crate) original: Option<Vec<u8>>,
    pub(crate) sha256: [u8; 32],
    pub(crate) outline: Option<Value>,
    pub(crate) meaning: Option<Meaning>,
}

impl Prepared {
    /// The object's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// It came as STIX 2.0.
    #[must_use]
    pub fn is_lifted(&self) -> bool {
        self.original.is_some()
    }

    /// The bytes that will be kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why an object may not come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its id, as far as it could be read.
    pub id: Option<Id>,
    /// What is wrong, with the place.
    pub reason: String,
    /// What to do about it.
    pub help: &'static str,
}

/// Makes an object ready.
///
/// # Errors
/// [`Refusal`], naming the place and the remedy.
pub fn prepare(text: &str, now_us: i64) -> Result<Prepared, Box<Refusal>> {
    let refuse = |id: Option<&Id>, reason: String, help| Err(Box::new(Refusal { id: id.cloned(), reason, help }));
    let header = match read_header(text.as_bytes()) {
        Ok(header) => header,
        Err(e) => return refuse(None, e.to_string(), e.help()),
    };
    let ahead_ns = now_us.saturating_add(limits::VERSION_AHEAD_S_MAX.saturating_mul(1_000_000)).saturating_mul(1000);
    if let Some(version) = header.version().filter(|v| v.ns() > ahead_ns) {
        return refuse(
            Some(&header.id),
            format!("version {version} lies more than a day in the future"),
            "check the producer's clock; a version from the future would hide all later ones",
        );
    }
    let lifted = lift::lift(text, &header);
    let (header, bytes, original) = match lifted {
        None => (header, text.as_bytes().to_vec(), None),
        Some(new) => match read_header(new.as_bytes()) {
            Ok(after) if same_but_lifted(&header, &after) => (after, new.into_bytes(), Some(text.as_bytes().to_vec())),
            Ok(_) => return refuse(Some(&header.id), "cannot be lifted to STIX 2.1: it would not say the same".to_owned(), "send it as STIX 2.1"),
            Err(e) => return refuse(Some(&header.id), format!("cannot be lifted to STIX 2.1: {e}"), "send it as STIX 2.1"),
        },
    };
    let is_definition = &*header.id.kind == "marking-definition";
    let has_outline = header.granular || header.needs_outline;
    // An object that cannot be read here could not be read later either, and its markings would count for nothing.
    let value: Option<Value> = match (is_definition || has_outline).then(|| serde_json::from_slice(&bytes)).transpose() {
        Ok(value) => value,
        Err(e) => return refuse(Some(&header.id), format!("cannot be read: {e}"), "mend the text, or ask its producer for valid I-JSON (RFC 7493)"),
    };
    let meaning = value.as_ref().filter(|_| is_definition).map(meaning_of_content);
    if let (Some(level), Some(said)) = (predefined(&header.id), &meaning)
        && *said != Meaning::of_level(level)
    {
        let reason = format!("`{}` is the predefined {} and may not be re-defined", header.id, level.label());
        return refuse(Some(&header.id), reason, "give the marking an id of its own");
    }
    let outline = value.as_ref().filter(|_| has_outline).map(outline);
    let sha256 = Sha256::digest(&bytes).into();
    Ok(Prepared { header, bytes, original, sha256, outline, meaning })
}

/// A lift adds what 2.1 requires and changes nothing that a decision looks at.
fn same_but_lifted(before: &Header, after: &Header) -> bool {
    before.id == after.id
        && before.version() == after.version()
        && before.revoked == after.revoked
        && before.markings == after.markings
        && before.references == after.references
        && before.granular == after.granular
        && before.needs_outline == after.needs_outline
}

/// The granular markings of an object with that outline.
pub(crate) fn granular_columns(outline: &Value) -> Vec<GranularColumn> {
    let unreadable = Id { kind: "marking-definition".into(), uuid: 0 };
    analyse_granular(outline, &unreadable).into_iter().map(GranularColumn::new).collect()
}

/// What a definition means whose content is lost.
pub(crate) fn unreadable() -> Meaning {
    Meaning { opaque: true, ..Meaning::default() }
}

/// What became of one object of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A new row.
    New,
    /// Held already, the same content from the same source.
    Known,
    /// Kept: other content for an id and version that is held already.
    Variant,
    /// Kept: other content for an id and version, both vouched for by one originator.
    Conflict,
    /// Not kept, and why.
    Refused(Box<Refusal>),
}

/// References sorted by the target's number, as rows keep them.
pub(crate) fn sorted(mut references: Vec<(u32, RefKind)>) -> Vec<(u32, RefKind)> {
    references.sort_unstable();
    references
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 1_800_000_000_000_000;
    const ID: &str = "0012e5b0-0b7b-4ddd-b326-cd076b2c4c20";
    const RED: &str = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed";

    #[test]
    fn a_reserved_name_switched_granular_markings_off() {
        let text = format!(
            r#"{{"x":{{"$serde_json::private::RawValue":5}},"type":"malware","id":"malware--{ID}","spec_version":"2.1","granular_markings":[{{"marking_ref":"{RED}","selectors":["x"]}}]}}"#
        );
        assert!(prepare(&text, NOW_US).unwrap_err().reason.contains("reserved name"));
        let sound = prepare(&text.replace("$serde_json::private::RawValue", "y"), NOW_US).unwrap();
        assert!(sound.outline.is_some());
    }

    #[test]
    fn a_lift_deleted_the_markings() {
        let text = format!(
            r#"{{"type":"tool","id":"tool--{ID}","created":"2017-01-01T00:00:00.000Z","name":"a","x_tool":{{"spec_version":"1"}},"object_marking_refs":["{RED}"],"x":{{"v":"2.0"}},"spec_version":"2.0"}}"#
        );
        let lifted = prepare(&text, NOW_US).unwrap();
        assert_eq!(lifted.header().markings, [Id::parse(RED).unwrap()]);
        assert_eq!(lifted.bytes(), text.replace(r#""spec_version":"2.0""#, r#""spec_version":"2.1""#).as_bytes());
        let other = read_header(text.replace(RED, &RED.replace("5e57", "5e58")).as_bytes()).unwrap();
        assert!(!same_but_lifted(lifted.header(), &other));
    }

    #[test]
    fn a_copy_that_can_fail_has_an_outline() {
        let outline_of =
            |kind: &str, extra: &str| prepare(&format!(r#"{{"type":"{kind}","id":"{kind}--{ID}","spec_version":"2.1"{extra}}}"#), NOW_US).unwrap().outline;
        assert!(outline_of("malware-analysis", &format!(r#","product":"p","analysis_sco_refs":["file--{ID}"]"#)).is_some());
        assert!(outline_of("tool", &format!(r#","x_ref":"file--{ID}""#)).is_none());
        let text = format!(r#"{{"type":"tool","id":"tool--{ID}","extensions":"x"}}"#);
        assert!(prepare(&text, NOW_US).unwrap_err().reason.contains("`extensions`"));
    }
}
