//! What a marking-definition says.
//! The rule: all content that applies is joined, and what is not understood is opaque, never ignored.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Audience, Level};

pub(super) const TLP_EXTENSION: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";
pub(super) const AUDIENCE_EXTENSION: &str = "extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a1";

/// The joined meaning of content. Nothing set and not opaque: a statement, which says nothing about release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) level: Option<Level>,
    pub(crate) pap: Option<Level>,
    /// One set for each audience named, all of which must be met.
    pub(crate) audiences: Vec<Audience>,
    pub(crate) not_before_us: Option<i64>,
    pub(crate) not_after_us: Option<i64>,
    pub(crate) opaque: bool,
}

impl Meaning {
    pub(super) fn unread() -> Self {
        Self { opaque: true, ..Self::default() }
    }

    fn level(level: Option<Level>) -> Self {
        level.map_or_else(Self::unread, |level| Self { level: Some(level), ..Self::default() })
    }

    fn pap(pap: Option<Level>) -> Self {
        pap.map_or_else(Self::unread, |pap| Self { pap: Some(pap), ..Self::default() })
    }

    pub(super) fn join(self, other: Self) -> Self {
        Self {
            level: self.level.max(other.level),
            pap: self.pap.max(other.pap),
            audiences: both(self.audiences, other.audiences),
            not_before_us: self.not_before_us.max(other.not_before_us),
            not_after_us: earlier(self.not_after_us, other.not_after_us),
            opaque: self.opaque || other.opaque,
        }
    }
}

/// The content table of section 2. The id is not looked at.
pub(crate) fn meaning(definition: &Value) -> Meaning {
    let mut parts = Vec::new();
    match definition.get("extensions") {
        None => {}
        Some(Value::Object(extensions)) => parts.extend(extensions.iter().map(|(key, value)| extension(key, value))),
        Some(_) => parts.push(Meaning::unread()),
    }
    let inner = |key: &str| definition.get("definition").and_then(|content| content.get(key)).and_then(Value::as_str);
    match definition.get("definition_type").map(Value::as_str) {
        None => {}
        Some(Some("tlp")) => parts.push(Meaning::level(inner("tlp").and_then(tlp_level))),
        Some(Some("pap")) => parts.push(Meaning::pap(inner("pap").and_then(pap_level))),
        Some(Some("statement")) => match inner("statement") {
            Some(text) => parts.push(named(text).unwrap_or_default()),
            None => parts.push(Meaning::unread()),
        },
        Some(_) => parts.push(Meaning::unread()),
    }
    match definition.get("name") {
        None => {}
        Some(Value::String(name)) => parts.extend(named(name)),
        Some(_) => parts.push(Meaning::unread()),
    }
    parts.into_iter().reduce(Meaning::join).unwrap_or_else(Meaning::unread)
}

/// The level of a predefined TLP marking, of version 1 or 2.
pub(super) fn predefined(id: &str) -> Option<Level> {
    Some(match id.strip_prefix("marking-definition--")? {
        "613f2e26-407d-48c7-9eca-b8e91df99dc9" | "94868c89-83c2-464b-929b-a1a8aa3c8487" => Level::Clear,
        "34098fce-860f-48ae-8e50-ebd3cc5e41da" | "bab4a63c-aed9-4cf5-a766-dfca5abac2bb" => Level::Green,
        "f88d31f6-486f-44da-b317-01333bde0b82" | "55d920b0-5e8b-4f79-9ee9-91f868d9b421" => Level::Amber,
        "939a9414-2ddd-4d32-a0cd-375ea402b003" => Level::AmberStrict,
        "5e57c739-391a-4eb3-b6be-7d15ca92d5ed" | "e828b379-4e03-4974-9ac4-e53a884c97c1" => Level::Red,
        _ => return None,
    })
}

/// All sets of both: who is to match the join has to match each.
pub(super) fn both(one: Vec<Audience>, other: Vec<Audience>) -> Vec<Audience> {
    one.into_iter().chain(other).collect()
}

pub(super) fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn extension(key: &str, value: &Value) -> Meaning {
    match key {
        TLP_EXTENSION => Meaning::level(value.get("tlp_2_0").and_then(Value::as_str).and_then(tlp_level)),
        AUDIENCE_EXTENSION => value.as_object().and_then(audience).unwrap_or_else(Meaning::unread),
        _ => Meaning::unread(),
    }
}

fn audience(value: &Map<String, Value>) -> Option<Meaning> {
    // What it says beyond what we know could be a limit, so it is not read at all.
    let only = |map: &Map<String, Value>, known: &[&str]| map.keys().all(|key| known.contains(&key.as_str()));
    let names = value.get("audience").map(|names| names.as_object().ok_or(()));
    let Ok(names) = names.transpose() else {
        return None;
    };
    if !only(value, &["extension_type", "audience", "not_before", "not_after"])
        || !names.is_none_or(|names| only(names, &["members", "groups", "persons", "nodes"]))
        || !["audience", "not_before", "not_after"].iter().any(|key| value.contains_key(*key))
    {
        return None;
    }
    let list = |key: &str| -> Option<BTreeSet<String>> {
        let Some(list) = names.and_then(|names| names.get(key)) else {
            return Some(BTreeSet::new());
        };
        list.as_array()?.iter().map(|id| id.as_str().map(str::to_owned)).collect()
    };
    let moment = |key: &str| -> Option<Option<i64>> {
        let Some(text) = value.get(key) else {
            return Some(None);
        };
        Some(Some(moment_us(text.as_str()?)?))
    };
    let audience = Audience { members: list("members")?, groups: list("groups")?, persons: list("persons")?, nodes: list("nodes")? };
    Some(Meaning {
        audiences: names.map(|_| audience).into_iter().collect(),
        not_before_us: moment("not_before")?,
        not_after_us: moment("not_after")?,
        ..Meaning::default()
    })
}

/// What a text names: nothing if it mentions neither scale; opaque if it begins with one and is not exactly a level; else the
/// strictest levels of what it mentions, opaque for each mention that a level does not follow.
fn named(text: &str) -> Option<Meaning> {
    let text: String = text.chars().filter(|letter| !is_unseen(*letter)).map(narrow).collect();
    let text = text.trim().to_ascii_lowercase();
    for (scale, read) in SCALES {
        if let Some(rest) = text.strip_prefix(scale) {
            let name = rest.trim_start_matches(BETWEEN);
            return Some(if name.len() < rest.len() { read(name) } else { Meaning::unread() });
        }
    }
    // Cut into mentions from the end, each with the text up to the next.
    let letters: Vec<char> = text.chars().collect();
    let (mut end, mut all) = (letters.len(), None);
    for start in (1..letters.len()).rev().filter(|at| !letters[at - 1].is_alphanumeric()) {
        for (scale, read) in SCALES {
            let tail: String = letters[start..end].iter().collect();
            let Some(rest) = tail.strip_prefix(scale).filter(|rest| rest.starts_with(BETWEEN)) else { continue };
            let (one, other) = (mention(rest, scale, read), all.take());
            all = Some(other.map_or(one.clone(), |other: Meaning| other.join(one)));
            end = start;
        }
    }
    all
}

type ReadLevel = fn(&str) -> Meaning;

const BETWEEN: [char; 4] = [':', '-', '_', ' '];
const SCALES: [(&str, ReadLevel); 2] = [("tlp", |name| Meaning::level(tlp_level(name))), ("pap", |name| Meaning::pap(pap_level(name)))];

fn mention(rest: &str, scale: &str, read: ReadLevel) -> Meaning {
    let mut words = rest.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut meaning = words.next().map_or_else(Meaning::unread, read);
    for word in words {
        let more = match word {
            "strict" if scale == "tlp" => read("amber+strict"),
            "strict" => Meaning::unread(),
            _ if pap_level(word).is_some() => read(word),
            _ => continue,
        };
        meaning = meaning.join(more);
    }
    meaning
}

fn is_unseen(letter: char) -> bool {
    let ranges = ['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{fe00}'..='\u{fe0f}'];
    ['\u{ad}', '\u{180e}', '\u{feff}'].contains(&letter) || ranges.iter().any(|range| range.contains(&letter))
}

fn narrow(letter: char) -> char {
    if letter.is_whitespace() {
        return ' ';
    }
    let wide = ('\u{ff01}'..='\u{ff5e}').zip('!'..='~');
    wide.into_iter().find(|(wide, _)| *wide == letter).map_or(letter, |(_, usual)| usual)
}

fn tlp_level(name: &str) -> Option<Level> {
    if name.eq_ignore_ascii_case("amber+strict") { Some(Level::AmberStrict) } else { pap_level(name) }
}

fn pap_level(name: &str) -> Option<Level> {
    Some(match name.to_ascii_lowercase().as_str() {
        "clear" | "white" => Level::Clear,
        "green" => Level::Green,
        "amber" => Level::Amber,
        "red" => Level::Red,
        _ => return None,
    })
}

/// A STIX timestamp in microseconds, rounded up: the first whole microsecond that is not before it.
pub(super) fn moment_us(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').map_or((time, None), |(time, fraction)| (time, Some(fraction)));
    let fraction = fraction.unwrap_or("0");
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = |year: i64, month: i64| match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day < 1 || day > length(year, month) {
        return None;
    }
    let mut days = day - 1;
    // Counting every year is slow and plainly right.
    days += (1..month).map(|month| length(year, month)).sum::<i64>();
    days += (0..year).map(|year| if leap(year) { 366 } else { 365 }).sum::<i64>();
    days -= (0..1970).map(|year| if leap(year) { 366 } else { 365 }).sum::<i64>();
    let micros: i64 = fraction.bytes().chain([b'0'; 6]).take(6).fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    let rest = i64::from(fraction.bytes().skip(6).any(|byte| byte != b'0'));
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros + rest)
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}
