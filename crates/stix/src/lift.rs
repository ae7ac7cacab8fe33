//! STIX 2.0 objects lifted to 2.1 by adding what 2.1 requires; of what was there only the value of `spec_version` is replaced.
//!
//! The lift is a splice of text, so every number and every escape stays as received.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::Header;

/// The text of the lifted object, or `None` when there is nothing to lift.
#[must_use]
pub fn lift(text: &str, header: &Header) -> Option<String> {
    if !header.is_stix_2_0() {
        return None;
    }
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
    let body = text.trim_end().strip_suffix('}')?.trim_end();
    let mut out = String::with_capacity(body.len() + 64);
    match members.get("spec_version") {
        // 2.0 has no `spec_version` on objects, yet some producers write it there; only its value is wrong in 2.1.
        Some(value) => {
            let at = value.get().as_ptr().addr().checked_sub(text.as_ptr().addr())?;
            let (before, rest) = body.split_at_checked(at)?;
            out.push_str(before);
            out.push_str("\"2.1\"");
            out.push_str(rest.strip_prefix(value.get())?);
        }
        None => {
            out.push_str(body);
            push(&mut out, "\"spec_version\":\"2.1\"");
        }
    }
    match &*header.id.kind {
        "indicator" if !members.contains_key("pattern_type") => push(&mut out, "\"pattern_type\":\"stix\""),
        // 2.0 could not say whether a family or a sample is meant; its malware objects describe families and samples alike.
        "malware" if !members.contains_key("is_family") => push(&mut out, "\"is_family\":false"),
        _ => {}
    }
    out.push('}');
    Some(out)
}

fn push(out: &mut String, member: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(member);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_header;

    #[test]
    fn adds_only_what_is_required() {
        let check = |text: &str, want: Option<&str>| {
            let header = read_header(text.as_bytes()).unwrap();
            let got = lift(text, &header);
            assert_eq!(got.as_deref(), want);
            if let Some(got) = got {
                assert!(!read_header(got.as_bytes()).unwrap().is_stix_2_0());
            }
        };
        let u = "0012e5b0-0b7b-4ddd-b326-cd076b2c4c20";
        let t = r#""created":"2020-01-01T00:00:00Z""#;
        check(&format!(r#"{{"type":"ipv4-addr","id":"ipv4-addr--{u}","value":"192.0.2.1"}}"#), None);
        check(&format!(r#"{{"type":"tool","spec_version":"2.1","id":"tool--{u}",{t}}}"#), None);
        check(
            &format!(r#"{{"type":"indicator","id":"indicator--{u}", {t} }}"#),
            Some(&format!(r#"{{"type":"indicator","id":"indicator--{u}", {t},"spec_version":"2.1","pattern_type":"stix"}}"#)),
        );
        check(
            &format!(r#"{{"type":"malware","spec_version" : "2.0","id":"malware--{u}",{t}}}"#),
            Some(&format!(r#"{{"type":"malware","spec_version" : "2.1","id":"malware--{u}",{t},"is_family":false}}"#)),
        );
    }

    #[test]
    fn only_the_value_at_the_top_is_replaced() {
        let u = "0012e5b0-0b7b-4ddd-b326-cd076b2c4c20";
        let red = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed";
        let make = |version: &str, key: &str| {
            format!(
                r#" {{"type":"tool","id":"tool--{u}","created":"2017-01-01T00:00:00Z","x_tool":{{"spec_version":"1"}},"object_marking_refs":["{red}"],"x":{{"v":"2.0"}},"labels":["spec_version"],{key}:{version}}}"#
            )
        };
        for (version, key) in [(r#""2.0""#, r#""spec_version""#), (r#""2.\u0030""#, r#""spec_version" "#), (r#""2.0""#, r#""spec\u005fversion""#)] {
            let text = make(version, key);
            let header = read_header(text.as_bytes()).unwrap();
            let lifted = lift(&text, &header).unwrap();
            assert_eq!(lifted, make(r#""2.1""#, key));
            assert_eq!(read_header(lifted.as_bytes()).unwrap().markings, header.markings);
        }
    }
}
