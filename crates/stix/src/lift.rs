//! STIX 2.0 objects lifted to 2.1 by adding what 2.1 requires; nothing that was there is touched.
//!
//! The lift is a splice of text before the closing brace, so every number and every escape stays as received.

use crate::Header;

/// The text of the lifted object, or `None` when there is nothing to lift.
#[must_use]
pub fn lift(text: &str, header: &Header) -> Option<String> {
    if !header.is_stix_2_0() {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let present = |name: &str| value.get(name).is_some();
    let body = text.trim_end().strip_suffix('}')?.trim_end();
    let mut out = String::with_capacity(body.len() + 64);
    match value.get("spec_version").and_then(serde_json::Value::as_str) {
        // 2.0 has no `spec_version` on objects, yet some producers write it there; only its value is wrong in 2.1.
        Some(_) => out.push_str(&replace_spec_version(body)?),
        None => {
            out.push_str(body);
            push(&mut out, "\"spec_version\":\"2.1\"");
        }
    }
    match &*header.id.kind {
        "indicator" if !present("pattern_type") => push(&mut out, "\"pattern_type\":\"stix\""),
        // 2.0 could not say whether a family or a sample is meant; its malware objects describe families and samples alike.
        "malware" if !present("is_family") => push(&mut out, "\"is_family\":false"),
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

fn replace_spec_version(body: &str) -> Option<String> {
    let at = body.find("\"spec_version\"")?;
    let (before, rest) = body.split_at_checked(at)?;
    let after = rest.split_once("\"2.0\"")?.1;
    Some(format!("{before}\"spec_version\":\"2.1\"{after}"))
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
            Some(&format!(r#"{{"type":"malware","spec_version":"2.1","id":"malware--{u}",{t},"is_family":false}}"#)),
        );
    }
}
