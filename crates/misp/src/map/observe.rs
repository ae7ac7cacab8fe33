//! What an attribute's type and value are in STIX: a cyber-observable where one fits, and a pattern.
//!
//! The rule: nothing is guessed; a value that does not fit its type's form stays a custom object that says just what MISP said.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

/// The type of attributes that no STIX type fits.
pub(crate) const CUSTOM: &str = "x-misp-attribute";

/// Something observable.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observable {
    /// Type and properties of the object; none where no single object can say it.
    pub(crate) object: Option<(&'static str, Map<String, Value>)>,
    /// The observation in STIX patterning, without brackets.
    pub(crate) pattern: String,
}

/// What a type and a value observe; none where STIX has no word for it.
pub(crate) fn observable(kind: &str, value: &str) -> Option<Observable> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    if let Some((first, second)) = kind.split_once('|') {
        return composite(kind, first, second, value);
    }
    let simple = |name: &'static str, property: &str, value: &str| one(name, property, json!(value));
    match kind {
        "ip-src" | "ip-dst" => address(value).map(|(name, value)| simple(name, "value", &value)),
        "domain" | "hostname" if is_plain(value) => Some(simple("domain-name", "value", value)),
        "url" | "uri" | "link" => Some(simple("url", "value", value)),
        "email" | "email-src" | "email-dst" if value.contains('@') && is_plain(value) => Some(simple("email-addr", "value", value)),
        "email-subject" => {
            let object = properties(&[("is_multipart", json!(false)), ("subject", json!(value))]);
            Some(Observable { object: Some(("email-message", object)), pattern: comparison("email-message:subject", value) })
        }
        "mutex" => Some(simple("mutex", "name", value)),
        "filename" => Some(simple("file", "name", value)),
        "mac-address" => mac(value).map(|value| simple("mac-addr", "value", &value)),
        "regkey" => Some(simple("windows-registry-key", "key", value)),
        "AS" => {
            let digits = value.trim_start_matches(|c: char| c.eq_ignore_ascii_case(&'a') || c.eq_ignore_ascii_case(&'s')).trim();
            let number: u32 = digits.parse().ok()?;
            let object = properties(&[("number", json!(number))]);
            Some(Observable { object: Some(("autonomous-system", object)), pattern: format!("autonomous-system:number = {number}") })
        }
        _ => hash(kind, value),
    }
}

fn composite(kind: &str, first: &str, second: &str, value: &str) -> Option<Observable> {
    // A value key of the registry holds bars of its own; the last one separates.
    let (left, right) = if kind == "regkey|value" { value.split_once('|') } else { value.rsplit_once('|') }?;
    let both = |a: Observable, b: Observable| Observable { object: None, pattern: format!("{} AND {}", a.pattern, b.pattern) };
    match (first, second) {
        ("filename", algorithm) => {
            let (name, hash) = (observable("filename", left)?, hash(algorithm, right)?);
            let pattern = format!("{} AND {}", name.pattern, hash.pattern);
            let mut object = hash.object;
            if let Some((_, properties)) = &mut object {
                properties.insert("name".to_owned(), json!(left.trim()));
            }
            Some(Observable { object, pattern })
        }
        ("domain", "ip") => Some(both(observable("domain", left)?, observable("ip-dst", right)?)),
        ("ip-src" | "ip-dst" | "hostname", "port") => {
            let port: u16 = right.trim().parse().ok()?;
            let way = if first == "ip-src" { "src" } else { "dst" };
            let end = observable(first, left)?.pattern;
            let (_, end) = end.split_once(":value")?;
            Some(Observable { object: None, pattern: format!("network-traffic:{way}_ref.value{end} AND network-traffic:{way}_port = {port}") })
        }
        ("regkey", "value") => {
            let value = json!([{"data": right}]);
            let object = properties(&[("key", json!(left)), ("values", value)]);
            let pattern = format!("{} AND {}", comparison("windows-registry-key:key", left), comparison("windows-registry-key:values[*].data", right));
            Some(Observable { object: Some(("windows-registry-key", object)), pattern })
        }
        _ => None,
    }
}

fn one(name: &'static str, property: &str, value: Value) -> Observable {
    let pattern = comparison(&format!("{name}:{property}"), value.as_str().unwrap_or_default());
    Observable { object: Some((name, properties(&[(property, value)]))), pattern }
}

fn properties(pairs: &[(&str, Value)]) -> Map<String, Value> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// A comparison of STIX patterning (STIX 2.1 section 9.6) with a text.
pub(crate) fn comparison(path: &str, value: &str) -> String {
    format!("{path} = '{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn is_plain(value: &str) -> bool {
    !value.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '|' | '[' | ']'))
}

/// An address or a network in CIDR form, with its type.
fn address(value: &str) -> Option<(&'static str, String)> {
    let (address, length) = value.split_once('/').map_or((value, None), |(a, l)| (a, Some(l)));
    let ip: IpAddr = address.parse().ok()?;
    let length_max = if ip.is_ipv4() { 32 } else { 128 };
    if length.is_some_and(|l| !l.parse::<u8>().is_ok_and(|l| l <= length_max)) {
        return None;
    }
    Some((if ip.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" }, value.to_owned()))
}

fn mac(value: &str) -> Option<String> {
    let digits: String = value.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let low = digits.to_ascii_lowercase();
    let pairs: Vec<&str> = (0..6).filter_map(|n| low.get(2 * n..2 * n + 2)).collect();
    Some(pairs.join(":"))
}

/// The algorithm's name in STIX (vocabulary `hash-algorithm-ov`) and the digits of its digests.
fn algorithm(kind: &str) -> Option<(&'static str, usize)> {
    Some(match kind {
        "md5" => ("MD5", 32),
        "sha1" => ("SHA-1", 40),
        "sha256" => ("SHA-256", 64),
        "sha512" => ("SHA-512", 128),
        "sha3-256" => ("SHA3-256", 64),
        "sha3-512" => ("SHA3-512", 128),
        _ => return None,
    })
}

fn hash(kind: &str, value: &str) -> Option<Observable> {
    let value = value.trim();
    let name = match kind {
        "ssdeep" if value.split(':').count() == 3 => "SSDEEP",
        "tlsh" if matches!(value.len(), 70 | 72) => "TLSH",
        _ => {
            let (name, digits) = algorithm(kind)?;
            if value.len() != digits || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            name
        }
    };
    let quoted = if name == "MD5" || name == "SSDEEP" || name == "TLSH" { name.to_owned() } else { format!("'{name}'") };
    let object = properties(&[("hashes", json!({name: value}))]);
    Some(Observable { object: Some(("file", object)), pattern: comparison(&format!("file:hashes.{quoted}"), value) })
}

/// The pattern of an indicator, and the language it is in.
pub(crate) fn pattern(kind: &str, value: &str) -> (String, &'static str) {
    match kind {
        "yara" => (value.to_owned(), "yara"),
        "sigma" => (value.to_owned(), "sigma"),
        "snort" => (value.to_owned(), "snort"),
        "suricata" => (value.to_owned(), "suricata"),
        "stix2-pattern" => (value.to_owned(), "stix"),
        _ => {
            let said = observable(kind, value).map(|o| o.pattern);
            let generic = || format!("{} AND {}", comparison(&format!("{CUSTOM}:x_misp_type"), kind), comparison(&format!("{CUSTOM}:x_misp_value"), value));
            (format!("[{}]", said.unwrap_or_else(generic)), "stix")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, value: &str, want_type: Option<&str>, want_pattern: &str) {
        let found = observable(kind, value);
        assert_eq!(found.as_ref().and_then(|o| o.object.as_ref().map(|(name, _)| *name)), want_type, "{kind} {value}");
        assert_eq!(pattern(kind, value).0, want_pattern, "{kind} {value}");
    }

    #[test]
    fn types_and_values_are_read_and_nothing_is_guessed() {
        check("ip-dst", "192.0.2.7", Some("ipv4-addr"), "[ipv4-addr:value = '192.0.2.7']");
        check("ip-src", "2001:db8::/32", Some("ipv6-addr"), "[ipv6-addr:value = '2001:db8::/32']");
        check("ip-dst", "192.0.2.7/33", None, "[x-misp-attribute:x_misp_type = 'ip-dst' AND x-misp-attribute:x_misp_value = '192.0.2.7/33']");
        check("ip-dst|port", "192.0.2.7|443", None, "[network-traffic:dst_ref.value = '192.0.2.7' AND network-traffic:dst_port = 443]");
        check(
            "hostname|port",
            "a.example|https",
            None,
            "[x-misp-attribute:x_misp_type = 'hostname|port' AND x-misp-attribute:x_misp_value = 'a.example|https']",
        );
        check("domain|ip", "a.example|192.0.2.7", None, "[domain-name:value = 'a.example' AND ipv4-addr:value = '192.0.2.7']");
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        check("md5", md5, Some("file"), &format!("[file:hashes.MD5 = '{md5}']"));
        check("filename|md5", &format!("it's|{md5}"), Some("file"), &format!("[file:name = 'it\\'s' AND file:hashes.MD5 = '{md5}']"));
        check("md5", "short", None, "[x-misp-attribute:x_misp_type = 'md5' AND x-misp-attribute:x_misp_value = 'short']");
        check(
            "regkey|value",
            r"HKLM\a|b",
            Some("windows-registry-key"),
            r"[windows-registry-key:key = 'HKLM\\a' AND windows-registry-key:values[*].data = 'b']",
        );
        check("AS", "AS64496", Some("autonomous-system"), "[autonomous-system:number = 64496]");
        check("mac-address", "00-00-5E-00-53-01", Some("mac-addr"), "[mac-addr:value = '00:00:5e:00:53:01']");
        check("comment", "", None, "[x-misp-attribute:x_misp_type = 'comment' AND x-misp-attribute:x_misp_value = '']");
        check("yara", "rule a { condition: true }", None, "rule a { condition: true }");
    }
}
