//! Warninglists: values that are known and rarely worth an alarm.
//!
//! The rule: a list is asked as its type says, and only about the types it names.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

/// A list as its file has it.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    version: Value,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    category: String,
    list: Vec<Box<str>>,
    #[serde(default)]
    matching_attributes: Vec<String>,
}

/// A list.
#[derive(Debug)]
pub struct List {
    /// Its name.
    pub name: String,
    /// What is on it.
    pub description: String,
    /// Its version.
    pub version: Value,
    /// `string`, `substring`, `hostname`, `cidr` or `regex`.
    pub kind: String,
    /// `false_positive` or `known`.
    pub category: String,
    /// The types of attributes it is about; empty for all.
    pub types: Vec<String>,
    /// How many values are on it.
    pub count: usize,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Exact(HashSet<Box<str>>),
    Within(Vec<Box<str>>),
    Hosts(HashSet<Box<str>>),
    Nets(Nets),
    Patterns(Vec<regex::Regex>, Vec<Box<str>>),
}

/// Networks by their bits; which lengths there are says how often is looked.
#[derive(Debug, Default)]
struct Nets {
    lengths: [BTreeSet<u8>; 2],
    held: HashSet<(bool, u8, u128)>,
}

fn bits(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(v4) => (false, u128::from(v4.to_bits()) << 96),
        IpAddr::V6(v6) => (true, v6.to_bits()),
    }
}

fn cut(bits: u128, length: u8) -> u128 {
    if length == 0 { 0 } else { bits & (u128::MAX << (128 - u32::from(length.min(128)))) }
}

impl Nets {
    fn add(&mut self, text: &str) {
        let (address, length) = text.trim().split_once('/').map_or((text.trim(), None), |(a, l)| (a, l.parse::<u8>().ok()));
        let Ok(address) = address.parse::<IpAddr>() else { return };
        let (six, bits) = bits(address);
        let longest = if six { 128 } else { 32 };
        let length = length.unwrap_or(longest).min(longest);
        let [four_lengths, six_lengths] = &mut self.lengths;
        if six { six_lengths } else { four_lengths }.insert(length);
        self.held.insert((six, length, cut(bits, length)));
    }

    fn holds(&self, text: &str) -> bool {
        let address = text.split_once('/').map_or(text, |(a, _)| a);
        let Ok(address) = address.parse::<IpAddr>() else { return false };
        let (six, bits) = bits(address);
        let [four_lengths, six_lengths] = &self.lengths;
        let lengths = if six { six_lengths } else { four_lengths };
        lengths.iter().any(|length| self.held.contains(&(six, *length, cut(bits, *length))))
    }
}

/// A pattern as PHP has it, `/.../i`, or without its slashes.
fn pattern(text: &str) -> Option<regex::Regex> {
    let inner = text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    let (inner, insensitive) = inner.map_or((text, false), |(inner, flags)| (inner, flags.contains('i')));
    let inner = inner.replace("\\/", "/");
    regex::RegexBuilder::new(&inner).case_insensitive(insensitive).build().ok()
}

/// The host of an address, or the text itself.
fn host(value: &str) -> &str {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    rest.split_once(':').map_or(rest, |(host, port)| if port.bytes().all(|b| b.is_ascii_digit()) { host } else { rest })
}

impl List {
    pub(super) fn of(written: Written) -> Self {
        let Written { name, description, version, kind, category, list, matching_attributes: types } = written;
        let count = list.len();
        let values = match kind.as_str() {
            "substring" => Values::Within(list.into_iter().filter(|v| !v.is_empty()).collect()),
            "hostname" => Values::Hosts(list.iter().map(|v| v.trim_matches('.').to_lowercase().into()).collect()),
            "cidr" => {
                let mut nets = Nets::default();
                list.iter().for_each(|v| nets.add(v));
                Values::Nets(nets)
            }
            "regex" => {
                let (read, left): (Vec<_>, Vec<_>) = list.into_iter().map(|v| (pattern(&v), v)).partition(|(p, _)| p.is_some());
                Values::Patterns(read.into_iter().filter_map(|(p, _)| p).collect(), left.into_iter().map(|(_, v)| v).collect())
            }
            _ => Values::Exact(list.into_iter().collect()),
        };
        let category = if category.is_empty() { "false_positive".to_owned() } else { category };
        Self { name, description, version, kind, category, types, count, values }
    }

    /// Is it about attributes of this type?
    pub(crate) fn is_for(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|t| t == kind || t == "All")
    }

    /// What of a value is on the list: the value, or one half of it.
    #[must_use]
    pub fn hit(&self, value: &str) -> Option<String> {
        let halves = value.split_once('|').map(|(a, b)| [a, b]);
        let parts = std::iter::once(value).chain(halves.into_iter().flatten());
        parts.into_iter().find(|part| self.holds(part)).map(str::to_owned)
    }

    fn holds(&self, value: &str) -> bool {
        match &self.values {
            Values::Exact(all) => all.contains(value),
            Values::Within(all) => all.iter().any(|v| value.contains(&**v)),
            Values::Hosts(all) => {
                let host = host(value).trim_matches('.').to_lowercase();
                let mut rest = Some(host.as_str());
                std::iter::from_fn(|| {
                    let now = rest?;
                    rest = now.split_once('.').map(|(_, parent)| parent);
                    Some(now)
                })
                .any(|name| all.contains(name))
            }
            Values::Nets(nets) => nets.holds(value) || nets.holds(host(value)),
            Values::Patterns(all, _) => all.iter().any(|p| p.is_match(value)),
        }
    }

    /// What is on it, as it was written where that is kept.
    #[must_use]
    pub fn values(&self) -> Vec<String> {
        let mut all: Vec<String> = match &self.values {
            Values::Exact(all) | Values::Hosts(all) => all.iter().map(ToString::to_string).collect(),
            Values::Within(all) => all.iter().map(ToString::to_string).collect(),
            Values::Nets(nets) => nets.held.iter().map(net).collect(),
            Values::Patterns(all, left) => all.iter().map(|p| p.as_str().to_owned()).chain(left.iter().map(ToString::to_string)).collect(),
        };
        all.sort_unstable();
        all
    }
}

fn net((six, length, bits): &(bool, u8, u128)) -> String {
    let address: IpAddr = if *six { IpAddr::V6((*bits).into()) } else { IpAddr::V4(u32::try_from(bits >> 96).unwrap_or_default().into()) };
    format!("{address}/{length}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_asked_as_its_type_says() {
        let check = |kind: &str, list: &[&str], value: &str, want: Option<&str>| {
            let list = List::of(serde_json::from_value(serde_json::json!({"name": "n", "type": kind, "list": list})).unwrap());
            assert_eq!(list.hit(value).as_deref(), want, "{kind} {value}");
        };
        check("string", &["a.example"], "a.example", Some("a.example"));
        check("string", &["a.example"], "b.a.example", None);
        check("string", &["203.0.113.7"], "a.example|203.0.113.7", Some("203.0.113.7"));
        check("substring", &["exam"], "an example", Some("an example"));
        check("hostname", &["A.example."], "x.a.example", Some("x.a.example"));
        check("hostname", &["a.example"], "ba.example", None);
        check("hostname", &["a.example"], "https://u@x.a.example:8443/p?q", Some("https://u@x.a.example:8443/p?q"));
        check("cidr", &["192.0.2.0/24", "2001:db8::/32"], "192.0.2.200", Some("192.0.2.200"));
        check("cidr", &["192.0.2.0/24"], "192.0.3.1", None);
        check("cidr", &["192.0.2.0/24", "2001:db8::/32"], "2001:db8:1::1", Some("2001:db8:1::1"));
        check("cidr", &["198.51.100.1"], "198.51.100.1|443", Some("198.51.100.1"));
        check("cidr", &["0.0.0.0/0"], "no address", None);
        check("regex", &["/^ab+c$/i"], "ABBC", Some("ABBC"));
        check("regex", &["(unclosed"], "(unclosed", None);
    }
}
