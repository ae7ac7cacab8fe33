//! Deterministic identifiers of cyber-observable objects, as STIX 2.1 section 2.9 makes them.
//!
//! One rule holds here: the same observation gets the same identifier on every node, so nothing but the contributing
//! properties is read.
//!
//! The specification leaves three things open, and this module does in each what `python-stix2` does, since that is
//! what most published identifiers were made with:
//! - of several hashes one counts: `MD5`, `SHA-1`, `SHA-256`, `SHA-512` in this order, else the first one written;
//!   `artifact` chooses like `file` does, though its text does not say so;
//! - a timestamp is taken in its shortest form to the microsecond, so `00.000Z` counts as `00Z`;
//! - an object with none of its contributing properties, and every `process`, has no deterministic identifier.

use serde_json::{Map, Value};
use sha1::{Digest, Sha1};

/// Namespace `00abedb4-aa42-466c-9c01-fed23315a9b7`, fixed by the specification.
const NAMESPACE: [u8; 16] = [0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7];

/// The order in which one of several hashes is chosen.
const HASH_PREFERENCE: [&str; 4] = ["MD5", "SHA-1", "SHA-256", "SHA-512"];

/// The identifier the object should have, when it is an observable with a property that contributes to one.
#[must_use]
pub fn deterministic_id(object: &Value) -> Option<String> {
    let object = object.as_object()?;
    let kind = object.get("type")?.as_str()?;
    let mut contributing = Map::new();
    for name in contributing_names(kind)? {
        if let Some(value) = object.get(*name) {
            contributing.insert((*name).to_owned(), contribution(name, value)?);
        }
    }
    if contributing.is_empty() {
        return None;
    }
    let canonical = serde_json_canonicalizer::to_vec(&contributing).ok()?;
    Some(format!("{kind}--{}", uuid_v5(&canonical)))
}

/// Properties that contribute to the identifier of a type; nothing for types that have none.
fn contributing_names(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "artifact" => &["hashes", "payload_bin"],
        "autonomous-system" => &["number"],
        "directory" => &["path"],
        "domain-name" | "email-addr" | "ipv4-addr" | "ipv6-addr" | "mac-addr" | "url" => &["value"],
        "email-message" => &["from_ref", "subject", "body"],
        "file" => &["hashes", "name", "parent_directory_ref", "extensions"],
        "mutex" => &["name"],
        "network-traffic" => &["start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions"],
        "software" => &["name", "cpe", "swid", "vendor", "version"],
        "user-account" => &["account_type", "user_id", "account_login"],
        "windows-registry-key" => &["key", "values"],
        "x509-certificate" => &["hashes", "serial_number"],
        _ => return None,
    })
}

fn contribution(name: &str, value: &Value) -> Option<Value> {
    match name {
        "hashes" => one_hash(value.as_object()?),
        "start" | "end" => value.as_str().map(|text| Value::String(shortest_timestamp(text))),
        _ => Some(value.clone()),
    }
}

fn one_hash(hashes: &Map<String, Value>) -> Option<Value> {
    let preferred = HASH_PREFERENCE.iter().find_map(|name| hashes.get_key_value(*name));
    let (name, value) = preferred.or_else(|| hashes.iter().next())?;
    Some(Value::Object(Map::from_iter([(name.clone(), value.clone())])))
}

fn shortest_timestamp(text: &str) -> String {
    let Some((seconds, fraction)) = text.strip_suffix('Z').and_then(|body| body.split_once('.')) else {
        return text.to_owned();
    };
    let micros = fraction.get(..6).unwrap_or(fraction).trim_end_matches('0');
    if micros.is_empty() { format!("{seconds}Z") } else { format!("{seconds}.{micros}Z") }
}

/// A UUID of version 5 in the namespace of STIX.
fn uuid_v5(name: &[u8]) -> String {
    let digest = Sha1::new().chain_update(NAMESPACE).chain_update(name).finalize();
    let mut text = String::with_capacity(36);
    for (index, byte) in digest.iter().take(16).enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let byte = match index {
            6 => (byte & 0x0f) | 0x50,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        for nibble in [byte >> 4, byte & 0x0f] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validate::tests::{data_file, lines_of};

    fn check(object: &Value, expected: Option<&str>) {
        assert_eq!(deterministic_id(object).as_deref(), expected, "{object}");
    }

    #[test]
    fn ids_follow_the_contributing_properties() {
        let address = json!({"type": "ipv4-addr", "value": "198.51.100.3"});
        check(&address, Some("ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"));
        let with_more = json!({"type": "ipv4-addr", "id": "x", "value": "198.51.100.3", "defanged": true});
        check(&with_more, Some("ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"));
        check(&json!({"type": "user-account", "display_name": "J"}), None);
        check(&json!({"type": "process", "pid": 3}), None);
        check(&json!({"type": "file", "hashes": {}}), None);
        check(&json!({"type": "identity", "name": "x"}), None);
        check(&json!("ipv4-addr"), None);
    }

    #[test]
    fn preferred_hash_decides_alone() {
        let hashes = |hashes: Value| deterministic_id(&json!({"type": "file", "hashes": hashes}));
        let md5 = hashes(json!({"MD5": "bb"}));
        assert_eq!(hashes(json!({"SHA-256": "aa", "MD5": "bb"})), md5);
        assert_ne!(hashes(json!({"SHA-256": "aa"})), md5);
        assert_eq!(hashes(json!({"TLSH": "1", "SSDEEP": "2"})), hashes(json!({"TLSH": "1"})));
    }

    #[test]
    fn timestamps_count_in_their_shortest_form() {
        for (written, counted) in [
            ("2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00Z"),
            ("2020-01-01T00:00:00.120Z", "2020-01-01T00:00:00.12Z"),
            ("2020-01-01T00:00:00.1234567Z", "2020-01-01T00:00:00.123456Z"),
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ] {
            assert_eq!(shortest_timestamp(written), counted);
        }
    }

    #[test]
    fn recorded_vectors_agree() {
        let Some(path) = data_file("sco-ids/python-stix2-3.0.2-vectors.jsonl") else {
            return;
        };
        let vectors = lines_of(&path);
        assert!(vectors.len() >= 40, "too few vectors: {}", vectors.len());
        for vector in vectors {
            let expected = if vector["uuid_version"] == 5 { vector["id"].as_str() } else { None };
            check(&vector["input"], expected);
        }
    }
}
