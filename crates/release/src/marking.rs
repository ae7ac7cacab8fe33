//! What a marking says: definitions read by id and by content, and marking sets compiled into labels.
//!
//! The rule: what cannot be read is opaque, never nothing. docs/decision.md section 2 is the table this file implements.

use std::collections::{BTreeMap, BTreeSet};

use polder_stix::{Id, ext, time};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::directory::{Alliance, Origin};
use crate::label::{Audience, Binding, Label, Principal, Terms};
use crate::limits;
use crate::tlp::{Level, Pap};

/// What one marking means, before it is known whose row it marks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meaning {
    /// A TLP level.
    pub level: Option<Level>,
    /// A PAP level.
    pub pap: Option<Pap>,
    /// Named audiences.
    pub audience: Audience,
    /// Window, microseconds since 1970.
    pub not_before_us: Option<i64>,
    /// Window, microseconds since 1970.
    pub not_after_us: Option<i64>,
    /// Something in it could not be read.
    pub opaque: bool,
}

impl Meaning {
    /// The meaning of a level alone.
    #[must_use]
    pub fn of_level(level: Level) -> Self {
        Self { level: Some(level), ..Self::default() }
    }

    fn unreadable() -> Self {
        Self { opaque: true, ..Self::default() }
    }

    /// Both, the stricter of each.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.level = self.level.max(other.level);
        self.pap = self.pap.max(other.pap);
        self.audience.0.extend(other.audience.0);
        self.not_before_us = self.not_before_us.max(other.not_before_us);
        self.not_after_us = match (self.not_after_us, other.not_after_us) {
            (Some(x), Some(y)) => Some(x.min(y)),
            (x, y) => x.or(y),
        };
        self.opaque |= other.opaque;
        self
    }
}

/// The level of a predefined marking-definition, whose content is never looked at.
#[must_use]
pub fn predefined(id: &Id) -> Option<Level> {
    Level::of_predefined(id.as_ref())
}

/// What the content of a marking-definition says.
#[must_use]
pub fn meaning_of_content(definition: &Value) -> Meaning {
    let Some(object) = definition.as_object() else { return Meaning::unreadable() };
    let mut meaning = Meaning::default();
    let mut said = false;
    match object.get("extensions") {
        None => {}
        Some(Value::Object(extensions)) => {
            for (key, extension) in extensions {
                said = true;
                meaning = meaning.join(of_extension(key, extension));
            }
        }
        Some(_) => return Meaning::unreadable(),
    }
    match object.get("definition_type") {
        None => {}
        Some(Value::String(kind)) => {
            said = true;
            meaning = meaning.join(of_definition(kind, object.get("definition")));
        }
        Some(_) => return Meaning::unreadable(),
    }
    match object.get("name") {
        None => {}
        Some(Value::String(name)) => {
            if let Some(level) = of_text(name) {
                said = true;
                meaning = meaning.join(level);
            }
        }
        Some(_) => return Meaning::unreadable(),
    }
    if said { meaning } else { Meaning::unreadable() }
}

fn of_extension(key: &str, extension: &Value) -> Meaning {
    match key {
        ext::TLP_2 => extension.get("tlp_2_0").and_then(Value::as_str).and_then(Level::parse).map_or_else(Meaning::unreadable, Meaning::of_level),
        ext::AUDIENCE => of_audience(extension).unwrap_or_else(Meaning::unreadable),
        _ => Meaning::unreadable(),
    }
}

fn of_definition(kind: &str, definition: Option<&Value>) -> Meaning {
    let field = |name: &str| definition.and_then(|d| d.get(name)).and_then(Value::as_str);
    match kind {
        "tlp" => field("tlp").and_then(Level::parse).map_or_else(Meaning::unreadable, Meaning::of_level),
        "pap" => field("pap").and_then(Pap::parse).map_or_else(Meaning::unreadable, |pap| Meaning { pap: Some(pap), ..Meaning::default() }),
        "statement" => field("statement").map_or_else(Meaning::unreadable, |text| of_text(text).unwrap_or_default()),
        _ => Meaning::unreadable(),
    }
}

/// Levels written as text, as some exporters do; `None` when the text is about something else.
fn of_text(text: &str) -> Option<Meaning> {
    let text = plain(text);
    let text = text.trim();
    let (prefix, rest) = text.split_at_checked(3).unwrap_or((text, ""));
    if let Some(scheme) = Scheme::parse(prefix) {
        return Some(after_separator(rest).map_or_else(Meaning::unreadable, |name| scheme.exactly(name)));
    }
    let mentions = mentions(text);
    let ends = mentions.iter().skip(1).map(|(at, ..)| *at).chain([text.len()]);
    let said = mentions.iter().zip(ends).map(|((_, start, scheme), end)| scheme.somewhere_in(text.get(*start..end).unwrap_or_default()));
    said.reduce(Meaning::join)
}

/// Two scales that look alike in text.
#[derive(Debug, Clone, Copy)]
enum Scheme {
    Tlp,
    Pap,
}

impl Scheme {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "tlp" => Some(Self::Tlp),
            "pap" => Some(Self::Pap),
            _ => None,
        }
    }

    fn level(self, name: &str) -> Option<Meaning> {
        match self {
            Self::Tlp => Level::parse(name).map(Meaning::of_level),
            Self::Pap => Pap::parse(name).map(|pap| Meaning { pap: Some(pap), ..Meaning::default() }),
        }
    }

    fn exactly(self, name: &str) -> Meaning {
        self.level(name).unwrap_or_else(Meaning::unreadable)
    }

    /// The strictest level among the words, the first of which has to be one.
    fn somewhere_in(self, text: &str) -> Meaning {
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let first = words.first().map_or_else(Meaning::unreadable, |word| self.exactly(word));
        let rest = words.iter().filter_map(|word| match (*word, self) {
            // `amber+strict` falls into two words.
            ("strict", Self::Tlp) => Some(Meaning::of_level(Level::AmberStrict)),
            ("strict", Self::Pap) => Some(Meaning::unreadable()),
            (word, _) => self.level(word),
        });
        rest.fold(first, Meaning::join)
    }
}

/// Every place where a scheme's name begins a word and a separator follows: where it is, where the level should be, which.
fn mentions(text: &str) -> Vec<(usize, usize, Scheme)> {
    let mut found = Vec::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let tail = text.get(at..).and_then(|rest| rest.split_at_checked(3));
        if let Some((name, rest)) = tail.filter(|_| !before.is_alphanumeric())
            && let (Some(scheme), Some(after)) = (Scheme::parse(name), after_separator(rest))
        {
            found.push((at, text.len() - after.len(), scheme));
        }
        before = c;
    }
    found
}

/// What follows the separators; `None` when there are none.
fn after_separator(rest: &str) -> Option<&str> {
    let after = rest.trim_start_matches([':', '-', '_', ' ']);
    (after.len() < rest.len()).then_some(after)
}

/// The text as a person sees it: without characters that have no width, full-width letters as usual ones, in lower case.
fn plain(text: &str) -> String {
    let seen = |c: char| match u32::from(c) {
        0xad | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff => None,
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0),
        _ if c.is_whitespace() => Some(' '),
        _ => Some(c),
    };
    text.chars().filter_map(seen).map(|c| c.to_ascii_lowercase()).collect()
}

fn of_audience(extension: &Value) -> Option<Meaning> {
    let extension = extension.as_object()?;
    let window = |name: &str| match extension.get(name) {
        None => Some(None),
        Some(v) => moment_us(v.as_str()?).map(Some),
    };
    let (not_before_us, not_after_us) = (window("not_before")?, window("not_after")?);
    let audience = match extension.get("audience") {
        None => Audience::default(),
        Some(v) => Audience::of(principals(v.as_object()?)?),
    };
    let known = ["extension_type", "audience", "not_before", "not_after"];
    let says = !audience.is_any() || not_before_us.is_some() || not_after_us.is_some();
    (says && extension.keys().all(|k| known.contains(&k.as_str()))).then_some(Meaning { audience, not_before_us, not_after_us, ..Meaning::default() })
}

/// The first whole microsecond that is not before the moment: a window opens and closes no earlier than it says.
fn moment_us(text: &str) -> Option<i64> {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let more = fraction.bytes().skip(6).any(|b| matches!(b, b'1'..=b'9'));
    time::to_us(text)?.checked_add(i64::from(more))
}

fn principals(lists: &Map<String, Value>) -> Option<BTreeSet<Principal>> {
    let mut all = BTreeSet::new();
    for (kind, list) in lists {
        let make: fn(Box<str>) -> Principal = match kind.as_str() {
            "members" => Principal::Member,
            "groups" => Principal::Group,
            "persons" => Principal::Person,
            "nodes" => Principal::Node,
            _ => return None,
        };
        for name in list.as_array()? {
            all.insert(make(name.as_str()?.into()));
        }
    }
    (all.len() <= limits::AUDIENCE_NAMES_MAX).then_some(all)
}

/// When our definitions of audiences were made: the same each time, so that equal ones are one.
const AUDIENCE_MADE: &str = "2026-01-01T00:00:00.000Z";

/// The marking-definition by which a holder names an audience: one id for one audience of one holder, whatever the order of names.
#[must_use]
pub fn audience_definition(holder: &str, audience: &BTreeSet<Principal>) -> Value {
    let mut hash = Sha256::new();
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    audience.iter().for_each(|p| names.entry(p.list()).or_default().push(p.name()));
    let members = names.get("members").into_iter().flatten().copied();
    let others = names.iter().filter(|(list, _)| **list != "members").flat_map(|(list, names)| std::iter::once(*list).chain(names.iter().copied()));
    for part in ["console audience", holder].into_iter().chain(members).chain(others) {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let first = hash.finalize().iter().take(16).fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
    // Written as one that is made of a name (version 5), which STIX's readers know.
    let uuid = (first & !(0xf << 76) & !(0x3 << 62)) | (0x5 << 76) | (0x2 << 62);
    let id = Id { kind: "marking-definition".into(), uuid }.to_string();
    let name = audience.iter().map(Principal::name).collect::<Vec<_>>().join(", ");
    let said = json!({"extension_type": "property-extension", "audience": names});
    json!({"type": "marking-definition", "spec_version": "2.1", "id": id, "created": AUDIENCE_MADE, "name": format!("for {name}"), "extensions": {ext::AUDIENCE: said}})
}

/// Whom such a definition names, if it names anybody and says nothing else.
#[must_use]
pub fn audience_of(definition: &Value) -> Option<BTreeSet<Principal>> {
    let extensions = definition.get("extensions").and_then(Value::as_object).filter(|all| all.len() == 1)?;
    let said = extensions.get(ext::AUDIENCE)?.as_object()?;
    let plain = said.keys().all(|key| key == "extension_type" || key == "audience") && definition.get("definition").is_none();
    let audience = principals(said.get("audience").filter(|_| plain)?.as_object()?)?;
    // Whatever else it says, as in its name, counts too.
    let only = Meaning { audience: Audience::of(audience.iter().cloned()), ..Meaning::default() };
    (!audience.is_empty() && meaning_of_content(definition) == only).then_some(audience)
}

/// What a source's unmarked rows are taken to be marked with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DefaultLabel {
    /// A level.
    pub level: Option<Level>,
    /// An audience.
    pub audience: Audience,
}

/// The definitions that hold for one source: its own, and the pinned ones of this node.
pub trait Definitions {
    /// The joined meaning of the source's own live definitions of this id; `None` when it has none.
    fn in_source(&self, id: &Id) -> Option<Meaning>;
    /// The meaning a person pinned for every source.
    fn pinned(&self, id: &Id) -> Option<Meaning>;
}

fn meaning_of(id: &Id, definitions: &dyn Definitions) -> Meaning {
    if let Some(level) = predefined(id) {
        return Meaning::of_level(level);
    }
    match (definitions.in_source(id), definitions.pinned(id)) {
        (Some(own), Some(pinned)) if !own.opaque => own.join(pinned),
        (_, Some(pinned)) => pinned,
        (Some(own), None) => own,
        (None, None) => Meaning::unreadable(),
    }
}

/// Compiles a marking set into the label of a row of that origin. `default`: what to do when nothing names a level or an audience;
/// `None` adds nothing (granular markings).
#[must_use]
pub fn compile(set: &[Id], origin: &Origin, alliance: &Alliance, definitions: &dyn Definitions, default: Option<&DefaultLabel>) -> Label {
    let mut joined = Meaning::default();
    let mut opaque = BTreeSet::new();
    for id in set {
        let meaning = meaning_of(id, definitions);
        if meaning.opaque {
            opaque.insert(id.clone());
        }
        joined = joined.join(meaning);
    }
    Label::Terms(terms(joined, opaque, origin, alliance, default))
}

/// Compiles a marking-definition's own row: what it compiles to, joined with its own markings. `content` is what its source says of the id, all in all.
#[must_use]
pub fn compile_definition(
    id: &Id,
    content: &Meaning,
    set: &[Id],
    origin: &Origin,
    alliance: &Alliance,
    definitions: &dyn Definitions,
    default: &DefaultLabel,
) -> Label {
    if predefined(id).is_some() {
        let clear = Binding { level: Level::Clear, reach: Some(Level::Clear) };
        return Label::Terms(Terms { tlp: BTreeMap::from([(originator(origin, alliance), clear)]), ..Terms::default() });
    }
    let mut joined = content.clone();
    match definitions.pinned(id) {
        Some(pinned) if joined.opaque => joined = pinned,
        Some(pinned) => joined = joined.join(pinned),
        None => {}
    }
    let mut opaque = BTreeSet::new();
    if joined.opaque {
        opaque.insert(id.clone());
    }
    for marking in set {
        let meaning = meaning_of(marking, definitions);
        if meaning.opaque {
            opaque.insert(marking.clone());
        }
        joined = joined.join(meaning);
    }
    Label::Terms(terms(joined, opaque, origin, alliance, Some(default)))
}

fn originator(origin: &Origin, alliance: &Alliance) -> Option<Box<str>> {
    origin.originator(alliance).map(Into::into)
}

fn terms(mut joined: Meaning, opaque: BTreeSet<Id>, origin: &Origin, alliance: &Alliance, default: Option<&DefaultLabel>) -> Terms {
    let unmarked = joined.level.is_none() && joined.audience.is_any() && opaque.is_empty();
    if let (true, Some(default)) = (unmarked, default) {
        joined.level = default.level;
        joined.audience = default.audience.clone();
        if default.level.is_none() && default.audience.is_any() {
            joined.audience = Audience::of([Principal::Member(alliance.holder.clone())]);
        }
    }
    let mut tlp = BTreeMap::new();
    if let Some(level) = joined.level {
        let named = !joined.audience.is_any() && *origin == Origin::Own;
        tlp.insert(originator(origin, alliance), Binding { level, reach: (!named).then_some(level) });
    }
    Terms {
        tlp,
        audience: joined.audience,
        pap: joined.pap,
        not_before_us: joined.not_before_us,
        not_after_us: joined.not_after_us,
        opaque,
        ..Terms::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlp(level: Level) -> Option<Meaning> {
        Some(Meaning::of_level(level))
    }

    #[test]
    fn a_level_inside_a_text_was_taken_for_a_statement() {
        for text in [
            "(TLP:RED)",
            "Distribution: TLP:RED",
            "[tlp red] all rights reserved",
            "T\u{200b}LP:RED",
            "\u{feff}TLP:RED",
            "\u{ff34}\u{ff2c}\u{ff30}\u{ff1a}\u{ff32}\u{ff25}\u{ff24}",
            "see TLP:GREEN, TLP:RED",
            "see TLP:GREEN or RED",
            "x TLP\u{a0}RED",
            "\u{e9} TLP__red\u{2014}ours",
        ] {
            assert_eq!(of_text(text), tlp(Level::Red), "{text}");
        }
        for text in ["(TLP:AMBER+STRICT)", "is TLP:AMBER-STRICT", "is TLP: amber strict", "TLP:AMBER+STRICT"] {
            assert_eq!(of_text(text), tlp(Level::AmberStrict), "{text}");
        }
        assert_eq!(of_text("Red Org, TLP:GREEN"), tlp(Level::Green), "what stands before names nothing");
        let both = Meaning { pap: Some(Pap::Red), ..Meaning::of_level(Level::Green) };
        assert_eq!(of_text("(TLP:GREEN, PAP:RED)"), Some(both));
    }

    #[test]
    fn what_names_no_level_exactly_is_opaque() {
        for text in ["TLP:RED only", "TLPRED", "TLP", "TLP:", "x TLP: ", "is TLP:REDD", "is TLP:R\u{435}d", "PAP:AMBER+STRICT", "is TLP:NONE, TLP:x"] {
            assert_eq!(of_text(text), Some(Meaning::unreadable()), "{text}");
        }
        let part = of_text("is TLP:x, TLP:RED").unwrap();
        assert!(part.opaque && part.level == Some(Level::Red));
        assert!(of_text("is PAP:AMBER+STRICT").unwrap().opaque);
    }

    #[test]
    fn prose_stays_a_statement() {
        for text in [
            "",
            "x",
            "Copyright 2015-2026, Example Corporation. EX&CK and EX&CK Tables are registered trademarks of Example Corporation.",
            "be kind, red team",
            "the paper: clear",
            "we follow TLP.",
            "the FTLP:RED protocol",
            "\u{1f600}\u{e9}",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
    }

    #[test]
    fn an_audience_alone_is_an_audience() {
        let plain = audience_definition("alfa", &BTreeSet::from([Principal::Member("bravo".into())]));
        assert_eq!(audience_of(&plain), Some(BTreeSet::from([Principal::Member("bravo".into())])));
        let with = |key: &str, value: Value| {
            let mut more = plain.clone();
            more[key] = value;
            more
        };
        for name in ["TLP:RED", "tlp red", "\u{ff34}\u{ff2c}\u{ff30}\u{ff1a}\u{ff32}\u{ff25}\u{ff24}", "PAP:RED"] {
            assert_eq!(audience_of(&with("name", name.into())), None, "{name} says a level, too");
        }
        assert_eq!(audience_of(&with("definition", serde_json::json!({"statement": "said"}))), None);
    }
}
