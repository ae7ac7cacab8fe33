//! The forms of the common types: their fields, how each is shown, read, and read back from an object that is here.
//!
//! The rule: a field is in a form only where reading back what it shows gives what was there, so a form loses nothing of an object.

use maud::{Markup, html};
use polder_stix::validate::vocab;
use polder_stix::{Id, time};
use serde_json::{Map, Value, json};

use super::object::Names;
use crate::guard::Trouble;
use crate::{limits, parts};

/// How a field is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Line,
    Text,
    /// Texts, one on each line.
    Lines,
    /// One object, of these types if any are named.
    Ref(&'static [&'static str]),
    /// Objects, one on each line.
    Refs(&'static [&'static str]),
    One(&'static [&'static str]),
    Several(&'static [&'static str]),
    Number(u64),
    Moment,
    YesNo,
    /// Algorithm and value on each line.
    Hashes,
    /// Kill chain and phase on each line.
    Phases,
    /// Name, then address or number, on each line.
    Elsewhere,
}

impl How {
    /// Its value is lines.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::Lines | Self::Refs(_) | Self::Hashes | Self::Phases | Self::Elsewhere)
    }
}

/// A field of a form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    help: &'static str,
    pub(crate) needed: bool,
    pub(crate) how: How,
}

const fn field(name: &'static str, label: &'static str, how: How) -> Field {
    Field { name, label, help: "", needed: false, how }
}

impl Field {
    const fn needed(self) -> Self {
        Self { needed: true, ..self }
    }

    const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }
}

/// A type that has a form.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    fields: &'static [Field],
}

impl Kind {
    /// It is what its value says, without author and versions.
    pub(crate) fn is_observable(&self) -> bool {
        OBSERVABLES.contains(&self.name)
    }

    /// Its fields, then those that every type but observables has.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        let common: &[Field] = if self.is_observable() { &[] } else { &COMMON };
        self.fields.iter().chain(common)
    }
}

const NAME: Field = field("name", "Name", How::Line).needed();
const DESCRIPTION: Field = field("description", "Description", How::Text);
const ALIASES: Field = field("aliases", "Also called", How::Lines).help("one on each line");
const ABOUT: Field = field("object_refs", "Objects it is about", How::Refs(&[])).needed().help("an id on each line; with scripts, found by name below");
const PHASES: Field = field("kill_chain_phases", "Kill chain phases", How::Phases).help("chain and phase on each line, like mitre-attack initial-access");
const FIRST: Field = field("first_seen", "First seen", How::Moment);
const LAST: Field = field("last_seen", "Last seen", How::Moment);
pub(crate) const COMMON: [Field; 3] = [
    field("labels", "Labels", How::Lines).help("one on each line"),
    field("confidence", "Confidence", How::Number(100)).help("0 to 100"),
    field("external_references", "Elsewhere", How::Elsewhere).help("name, then address or number, on each line, like cve CVE-2026-0001"),
];
const OBSERVABLES: [&str; 9] = ["domain-name", "ipv4-addr", "ipv6-addr", "url", "email-addr", "file", "mac-addr", "software", "user-account"];

/// Every type that has a form, the most used first.
pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "indicator",
        fields: &[
            field("name", "Name", How::Line),
            field("pattern", "STIX pattern", How::Text).needed().help("like [domain-name:value = 'host.example']"),
            field("indicator_types", "What it indicates", How::Several(vocab::INDICATOR_TYPE)),
            field("valid_from", "Valid from", How::Moment).help("empty: from now on"),
            field("valid_until", "Valid until", How::Moment),
            PHASES,
            DESCRIPTION,
        ],
    },
    Kind {
        name: "report",
        fields: &[
            field("name", "Title", How::Line).needed(),
            DESCRIPTION,
            field("report_types", "What it is about", How::Several(vocab::REPORT_TYPE)),
            field("published", "Published", How::Moment).help("empty: now"),
            ABOUT,
        ],
    },
    Kind {
        name: "note",
        fields: &[
            field("abstract", "Title", How::Line),
            field("content", "Text", How::Text).needed(),
            field("authors", "Authors", How::Lines).help("one on each line"),
            ABOUT,
        ],
    },
    Kind {
        name: "opinion",
        fields: &[
            field("opinion", "Opinion", How::One(&["strongly-disagree", "disagree", "neutral", "agree", "strongly-agree"])).needed(),
            field("explanation", "Why", How::Text),
            ABOUT,
        ],
    },
    Kind {
        name: "grouping",
        fields: &[field("name", "Name", How::Line), field("context", "Context", How::One(vocab::GROUPING_CONTEXT)).needed(), DESCRIPTION, ABOUT],
    },
    Kind {
        name: "malware",
        fields: &[
            field("name", "Name", How::Line),
            field("malware_types", "Kinds", How::Several(vocab::MALWARE_TYPE)),
            field("is_family", "It is a family", How::YesNo),
            ALIASES,
            PHASES,
            FIRST,
            LAST,
            DESCRIPTION,
        ],
    },
    Kind {
        name: "tool",
        fields: &[
            NAME,
            field("tool_types", "Kinds", How::Several(vocab::TOOL_TYPE)),
            field("tool_version", "Version of the tool", How::Line),
            ALIASES,
            PHASES,
            DESCRIPTION,
        ],
    },
    Kind {
        name: "threat-actor",
        fields: &[
            NAME,
            field("threat_actor_types", "Kinds", How::Several(vocab::THREAT_ACTOR_TYPE)),
            ALIASES,
            FIRST,
            LAST,
            field("goals", "Goals", How::Lines).help("one on each line"),
            field("sophistication", "Sophistication", How::One(vocab::THREAT_ACTOR_SOPHISTICATION)),
            field("primary_motivation", "Motive", How::One(vocab::ATTACK_MOTIVATION)),
            DESCRIPTION,
        ],
    },
    Kind {
        name: "intrusion-set",
        fields: &[
            NAME,
            ALIASES,
            FIRST,
            LAST,
            field("goals", "Goals", How::Lines).help("one on each line"),
            field("primary_motivation", "Motive", How::One(vocab::ATTACK_MOTIVATION)),
            DESCRIPTION,
        ],
    },
    Kind { name: "campaign", fields: &[NAME, ALIASES, FIRST, LAST, field("objective", "Objective", How::Line), DESCRIPTION] },
    Kind { name: "attack-pattern", fields: &[NAME, ALIASES, PHASES, DESCRIPTION] },
    Kind { name: "vulnerability", fields: &[field("name", "Name", How::Line).needed().help("like CVE-2026-0001"), DESCRIPTION] },
    Kind {
        name: "infrastructure",
        fields: &[NAME, field("infrastructure_types", "Kinds", How::Several(vocab::INFRASTRUCTURE_TYPE)), ALIASES, PHASES, FIRST, LAST, DESCRIPTION],
    },
    Kind { name: "course-of-action", fields: &[NAME, DESCRIPTION] },
    Kind { name: "incident", fields: &[NAME, DESCRIPTION] },
    Kind {
        name: "identity",
        fields: &[
            NAME,
            field("identity_class", "Kind", How::One(vocab::IDENTITY_CLASS)),
            field("sectors", "Sectors", How::Several(vocab::INDUSTRY_SECTOR)),
            field("contact_information", "How to reach it", How::Text),
            DESCRIPTION,
        ],
    },
    Kind {
        name: "location",
        fields: &[
            field("name", "Name", How::Line),
            field("country", "Country", How::Line).help("two letters"),
            field("region", "Region", How::Line).help("like northern-europe; a location needs a country or a region"),
            field("city", "City", How::Line),
            DESCRIPTION,
        ],
    },
    Kind {
        name: "sighting",
        fields: &[
            field("sighting_of_ref", "What was seen", How::Ref(&[])).needed(),
            field("count", "How often", How::Number(999_999_999)),
            FIRST,
            LAST,
            field("where_sighted_refs", "Where", How::Refs(&["identity", "location"])),
            DESCRIPTION,
        ],
    },
    Kind {
        name: "relationship",
        fields: &[
            field("source_ref", "From", How::Ref(&[])).needed(),
            field("relationship_type", "How", How::Line).needed().help("like uses, indicates, targets"),
            field("target_ref", "To", How::Ref(&[])).needed(),
            field("start_time", "From when", How::Moment),
            field("stop_time", "Until when", How::Moment),
            DESCRIPTION,
        ],
    },
    Kind { name: "domain-name", fields: &[field("value", "Domain name", How::Line).needed()] },
    Kind { name: "ipv4-addr", fields: &[field("value", "IPv4 address", How::Line).needed()] },
    Kind { name: "ipv6-addr", fields: &[field("value", "IPv6 address", How::Line).needed()] },
    Kind { name: "url", fields: &[field("value", "URL", How::Line).needed()] },
    Kind { name: "email-addr", fields: &[field("value", "Email address", How::Line).needed(), field("display_name", "Name shown", How::Line)] },
    Kind {
        name: "file",
        fields: &[
            field("hashes", "Hashes", How::Hashes).help("algorithm and value on each line, like SHA-256 9f86…; a file needs hashes or a name"),
            field("name", "Name", How::Line),
            field("size", "Bytes", How::Number(u64::MAX)),
        ],
    },
    Kind { name: "mac-addr", fields: &[field("value", "MAC address", How::Line).needed()] },
    Kind {
        name: "software",
        fields: &[NAME, field("vendor", "Vendor", How::Line), field("version", "Version", How::Line), field("cpe", "CPE 2.3", How::Line)],
    },
    Kind {
        name: "user-account",
        fields: &[
            field("account_login", "Login", How::Line).needed(),
            field("account_type", "Where", How::One(vocab::ACCOUNT_TYPE)),
            field("display_name", "Name shown", How::Line),
        ],
    },
];

/// The form of a type, if it has one.
pub(crate) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.name == name)
}

/// References that a form shows; an object with more keeps them as they are.
const REFS_MAX: usize = 1000;

/// A value as its field shows it; none where it is not what the field takes.
fn written(how: How, value: &Value) -> Option<Vec<String>> {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let texts = || value.as_array()?.iter().map(text).collect::<Option<Vec<String>>>();
    Some(match how {
        How::Line | How::One(_) | How::Ref(_) | How::Moment => vec![text(value).filter(|t| !t.contains(char::is_control))?],
        How::Text => vec![text(value).filter(|t| !t.contains('\r'))?],
        How::Lines | How::Several(_) => texts()?,
        How::Refs(_) => texts().filter(|all| all.len() <= REFS_MAX)?,
        How::Number(_) => vec![value.as_u64()?.to_string()],
        How::YesNo => vec![if value.as_bool()? { "yes" } else { "no" }.to_owned()],
        How::Hashes => value.as_object()?.iter().map(|(algorithm, hash)| Some(format!("{algorithm} {}", hash.as_str()?))).collect::<Option<_>>()?,
        How::Phases => {
            let line = |v: &Value| Some(format!("{} {}", v.get("kill_chain_name")?.as_str()?, v.get("phase_name")?.as_str()?));
            value.as_array()?.iter().map(line).collect::<Option<_>>()?
        }
        How::Elsewhere => {
            let line = |v: &Value| {
                let where_to = v.get("url").or_else(|| v.get("external_id"))?.as_str()?;
                Some(format!("{} {where_to}", v.get("source_name")?.as_str()?))
            };
            value.as_array()?.iter().map(line).collect::<Option<_>>()?
        }
    })
}

/// What was entered, as the object says it; none if that is nothing.
pub(crate) fn read(field: &Field, entered: &[&str]) -> Result<Option<Value>, Trouble> {
    let label = field.label;
    let bad = |what: &str, help: &str| Trouble::bad(format!("`{what}` in `{label}` cannot be read"), help);
    let first = entered.first().map_or("", |e| e.trim());
    let lines = || entered.iter().flat_map(|e| e.lines()).map(str::trim).filter(|l| !l.is_empty());
    // A first word and the rest of each line.
    let pairs = |help: &str| {
        let pair = |l: &str| l.split_once(char::is_whitespace).map(|(a, b)| (a.to_owned(), b.trim().to_owned())).ok_or_else(|| bad(l, help));
        lines().map(pair).collect::<Result<Vec<_>, _>>()
    };
    let list = |all: Vec<Value>| if all.is_empty() { None } else { Some(Value::Array(all)) };
    Ok(match field.how {
        _ if lines().next().is_none() => None,
        How::Line | How::One(_) => Some(first.into()),
        How::Text => Some(entered.first().map_or("", |e| e.trim_matches(['\r', '\n'])).replace("\r\n", "\n").into()),
        How::Lines | How::Several(_) => list(lines().map(Value::from).collect()),
        How::Ref(_) => Some(id_of(first).ok_or_else(|| bad(first, "find the object, or enter its id"))?.into()),
        How::Refs(_) => {
            let ids = lines().map(|l| id_of(l).ok_or_else(|| bad(l, "on each line stands the id of one object, what it is called after it in quotes")));
            list(ids.collect::<Result<Vec<_>, _>>()?.into_iter().map(Value::from).collect())
        }
        How::Number(max) => Some(first.parse::<u64>().ok().filter(|n| *n <= max).ok_or_else(|| bad(first, &format!("enter a number from 0 to {max}")))?.into()),
        How::Moment => {
            let help = "write it like 2026-01-31, or 2026-01-31T12:00:00Z, in UTC";
            let day = format!("{first}T00:00:00Z");
            Some([first, &day].into_iter().find(|t| time::to_us(t).is_some()).ok_or_else(|| bad(first, help))?.into())
        }
        How::YesNo => Some((first == "yes").into()),
        How::Hashes => Some(Value::Object(pairs("write the algorithm, then the value")?.into_iter().map(|(k, v)| (k, v.into())).collect::<Map<_, _>>())),
        How::Phases => {
            let phase = |(chain, phase): (String, String)| json!({"kill_chain_name": chain, "phase_name": phase});
            list(pairs("write the chain, then the phase")?.into_iter().map(phase).collect())
        }
        How::Elsewhere => {
            let one = |(name, to): (String, String)| {
                if to.contains("://") { json!({"source_name": name, "url": to}) } else { json!({"source_name": name, "external_id": to}) }
            };
            list(pairs("write a name, then the address or number")?.into_iter().map(one).collect())
        }
    })
}

/// The id at the beginning of a line; what follows in quotes is what somebody calls it, and is an attacker's.
fn id_of(line: &str) -> Option<String> {
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let named = rest.trim().is_empty() || rest.trim_start().starts_with('"');
    Id::parse(first).filter(|_| named).map(|id| id.to_string())
}

/// What a field shows of an object, if reading that back gives what the object says.
pub(crate) fn shown(field: &Field, object: &Map<String, Value>) -> Option<Vec<String>> {
    let Some(value) = object.get(field.name) else { return Some(Vec::new()) };
    // A part that is marked for itself is named by its place, which an edit of the whole would move.
    let selectors = object.get("granular_markings").and_then(Value::as_array).into_iter().flatten().filter_map(|g| g.get("selectors")?.as_array()).flatten();
    let below = format!("{}.", field.name);
    if value.is_array() && selectors.filter_map(Value::as_str).any(|s| s.starts_with(&below)) {
        return None;
    }
    let shown = written(field.how, value)?;
    let entered: Vec<&str> = shown.iter().map(String::as_str).collect();
    (read(field, &entered).ok()?.as_ref() == Some(value)).then_some(shown)
}

/// A field with what it shows.
pub(crate) fn input(field: &Field, shown: &[String], names: &Names) -> Markup {
    let Field { name, label, help, needed, how } = *field;
    let about = (!help.is_empty()).then(|| format!("{name}-help"));
    let first = shown.first().map_or("", String::as_str);
    let called = |id: &String| {
        let name = Id::parse(id).and_then(|id| names.get(&id).map(|n| crate::text::plain(n, limits::CELL_CHARS_MAX))).unwrap_or_default();
        if name.is_empty() { id.clone() } else { format!("{id} \"{name}\"") }
    };
    // As many lines as it has, within reason.
    let lines = shown.iter().map(|s| s.lines().count().max(1)).sum::<usize>();
    let rows = lines.clamp(if matches!(how, How::Text) { 4 } else { 2 }, 16);
    let area = |lines: Vec<String>| html! { textarea id=(name) name=(name) rows=(rows) required[needed] aria-describedby=[about.as_ref()] spellcheck="false" { (lines.join("\n")) } };
    let line = |value: &str, hint: &str| html! { input id=(name) name=(name) value=(value) placeholder=(hint) required[needed] aria-describedby=[about.as_ref()] autocomplete="off" spellcheck="false"; };
    let control = match how {
        How::Several(words) => return several(field, words, shown),
        How::Text | How::Lines | How::Hashes | How::Phases | How::Elsewhere => area(shown.to_vec()),
        How::Refs(_) => area(shown.iter().map(called).collect()),
        How::Ref(_) => line(&shown.first().map(called).unwrap_or_default(), ""),
        How::Line => line(first, ""),
        How::Moment => line(first, "2026-01-31T12:00:00Z"),
        How::Number(max) => {
            html! { input id=(name) name=(name) type="number" min="0" max=(max) value=(first) required[needed] aria-describedby=[about.as_ref()]; }
        }
        How::One(words) => {
            let empty = if needed { "choose one" } else { "not said" };
            let own = (!first.is_empty() && !words.contains(&first)).then_some(first);
            let options: Vec<(&str, &str)> = std::iter::once(("", empty)).chain(words.iter().copied().chain(own).map(|w| (w, w))).collect();
            parts::choice(name, &options, first)
        }
        How::YesNo => parts::choice(name, &[("no", "no"), ("yes", "yes")], if first.is_empty() { "no" } else { first }),
    };
    let types = match how {
        How::Ref(types) | How::Refs(types) => Some(types),
        _ => None,
    };
    html! {
        (parts::field(name, label, help, &control))
        @if let Some(types) = types {
            // Shown by the script that makes it work; ids can be entered without.
            div.pick hidden data-pick=(name) data-types=(types.join(" ")) {
                input type="search" aria-label=(format!("Find an object: {label}")) placeholder="find an object by words of its name" autocomplete="off" spellcheck="false";
                ul.found aria-live="polite" {}
            }
        }
    }
}

fn several(field: &Field, words: &[&str], shown: &[String]) -> Markup {
    let others = shown.iter().map(String::as_str).filter(|s| !words.contains(s));
    html! {
        fieldset {
            legend { (field.label) }
            div.several { @for word in words.iter().copied().chain(others) {
                label.check { input type="checkbox" name=(field.name) value=(word) checked[shown.iter().any(|s| s == word)]; " " (crate::text::shown(word)) }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> &'static Field {
        KINDS.iter().flat_map(Kind::fields).find(|f| f.name == name).unwrap()
    }

    #[test]
    fn a_field_shows_what_it_can_give_back_and_nothing_else() {
        let id = "malware--0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e02";
        for (name, value, kept) in [
            ("name", json!("A name"), true),
            ("name", json!(" spaces around "), false),
            ("name", json!(7), false),
            ("description", json!("two\nlines\n  and an indent"), true),
            ("labels", json!(["one", "two words"]), true),
            ("labels", json!(["one", ""]), false),
            ("labels", json!("one"), false),
            ("confidence", json!(80), true),
            ("confidence", json!(101), false),
            ("first_seen", json!("2026-01-31T12:00:00.000Z"), true),
            ("object_refs", json!([id, id]), true),
            ("object_refs", json!(["no id"]), false),
            ("hashes", json!({"SHA-256": "ab", "MD5": "cd"}), true),
            ("kill_chain_phases", json!([{"kill_chain_name": "mitre-attack", "phase_name": "impact"}]), true),
            ("kill_chain_phases", json!([{"kill_chain_name": "two words", "phase_name": "impact"}]), false),
            ("external_references", json!([{"source_name": "cve", "external_id": "CVE-2026-0001"}, {"source_name": "x", "url": "https://x.example/a"}]), true),
            ("external_references", json!([{"source_name": "cve", "external_id": "CVE-2026-0001", "description": "more"}]), false),
            ("is_family", json!(true), true),
            ("indicator_types", json!(["benign", "of our own"]), true),
            ("name", json!("two\nlines"), false),
            ("description", json!("an old\r\nend of line"), false),
        ] {
            let object = Map::from_iter([(name.to_owned(), value.clone())]);
            assert_eq!(shown(named(name), &object).is_some(), kept, "{name} {value}");
        }
        assert_eq!(shown(named("name"), &Map::new()), Some(Vec::new()), "what is not there is empty");
        let marked = json!({"labels": ["a", "b"], "granular_markings": [{"marking_ref": id, "selectors": ["labels.[1]"]}]});
        assert_eq!(shown(named("labels"), marked.as_object().unwrap()), None, "a place in it is marked for itself");
    }

    #[test]
    fn what_is_entered_is_read_with_its_name_beside_an_id() {
        let id = "malware--0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e02";
        let refs = |text: &str| read(named("object_refs"), &[text]);
        assert_eq!(refs(&format!("{id} \"Some name of it\"\r\n\r\n{id}")).unwrap(), Some(json!([id, id])));
        assert_eq!(refs(&format!("{id} \"{id} \" {id}\"")).unwrap(), Some(json!([id])), "a name is no reference");
        assert!(refs("Some name").is_err() && refs(&format!("{id} {id}")).is_err() && refs("  ").unwrap().is_none());
        assert!(read(named("first_seen"), &["yesterday"]).is_err() && read(named("confidence"), &["-1"]).is_err());
    }
}
