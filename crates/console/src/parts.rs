//! The parts pages are made of; `/console/styleguide` shows every one.
//!
//! The rule: no meaning by colour alone, and every string of an object through [`crate::text`].

use maud::{Markup, html};
use polder_release::{Label, Level, Principal};
use polder_stix::time;

use crate::text::shown;

/// A moment in UTC; a script adds the local time on hover.
pub(crate) fn moment(us: i64) -> Markup {
    moment_text(&time::from_us(us))
}

/// The same, of a text in RFC 3339.
pub(crate) fn moment_text(text: &str) -> Markup {
    let whole: String = text.chars().take(19).collect();
    html! { time datetime=(text) title=(format!("{text} (UTC)")) { (whole.replace('T', " ")) "Z" } }
}

/// A verdict as a mark: shape, word and colour.
pub(crate) fn verdict(name: &str) -> Markup {
    let (sign, word) = match name {
        "release" => ("●", "released"),
        "redact" => ("◐", "redacted"),
        "hold" => ("◇", "waits for a person"),
        "withhold" => ("○", "withheld"),
        _ => ("?", "unknown"),
    };
    html! { span.verdict.(format!("verdict-{name}")) { span aria-hidden="true" { (sign) } " " (word) } }
}

/// How an object is marked, as far as a banner says: the level's own name and shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marking {
    pub(crate) level: Option<Level>,
    /// What besides the level.
    pub(crate) more: Vec<String>,
}

impl Marking {
    /// Of an effective label.
    pub(crate) fn of(label: &Label) -> Self {
        let Some(terms) = label.terms() else { return Self { level: Some(Level::Red), more: vec!["its markings contradict each other".to_owned()] } };
        let level = terms.tlp.values().map(|b| b.level).max();
        let mut more: Vec<String> = terms.audience.0.iter().map(|set| named(set.iter())).collect();
        if let Some(pap) = terms.pap {
            more.push(format!("PAP:{}", format!("{pap:?}").to_uppercase()));
        }
        if !terms.opaque.is_empty() {
            more.push(format!("{} marking(s) nobody here has explained", terms.opaque.len()));
        }
        Self { level, more }
    }
}

fn named<'p>(set: impl Iterator<Item = &'p Principal>) -> String {
    let names: Vec<&str> = set
        .map(|p| match p {
            Principal::Group(n) | Principal::Member(n) | Principal::Node(n) | Principal::Person(n) => &**n,
        })
        .collect();
    if names.is_empty() { "for nobody".to_owned() } else { format!("for {}", names.join(", ")) }
}

/// The levels, the lowest first.
pub(crate) const LEVELS: [Level; 5] = [Level::Clear, Level::Green, Level::Amber, Level::AmberStrict, Level::Red];

/// Class and sign of a level. The shapes differ as the colours do.
pub(crate) fn level_look(level: Option<Level>) -> (&'static str, &'static str, &'static str) {
    match level {
        None => ("tlp-none", "▢", "no TLP level"),
        Some(Level::Clear) => ("tlp-clear", "◯", "TLP:CLEAR"),
        Some(Level::Green) => ("tlp-green", "▲", "TLP:GREEN"),
        Some(Level::Amber) => ("tlp-amber", "◆", "TLP:AMBER"),
        Some(Level::AmberStrict) => ("tlp-strict", "◈", "TLP:AMBER+STRICT"),
        Some(Level::Red) => ("tlp-red", "■", "TLP:RED"),
    }
}

/// Something that is so, or is not, as sign and word.
pub(crate) fn mark(class: &str, word: &str) -> Markup {
    html! { span.state.(format!("state-{class}")) { span aria-hidden="true" { @if class == "on" { "✓" } @else { "✕" } } " " (word) } }
}

/// A level as a mark in a row.
pub(crate) fn level(level: Option<Level>) -> Markup {
    let (class, sign, word) = level_look(level);
    html! { span.tlp.(class) { span aria-hidden="true" { (sign) } " " (word) } }
}

/// The banner over and under an object's page, on paper too.
pub(crate) fn banner(marking: &Marking) -> Markup {
    let (class, sign, word) = level_look(marking.level);
    html! {
        div.banner.(class) role="note" aria-label="marking" {
            span aria-hidden="true" { (sign) } " " strong { (word) }
            @for more in &marking.more { " · " (shown(more)) }
        }
    }
}

/// What somebody should know first.
pub(crate) fn notice(kind: &str, text: &Markup) -> Markup {
    let role = if kind == "error" { "alert" } else { "status" };
    html! { div.notice.(kind) role=(role) { (text) } }
}

/// A list with nothing in it, and what to do about that.
pub(crate) fn nothing(what: &str, help: &str) -> Markup {
    html! { p.nothing { (what) @if !help.is_empty() { br; span.quiet { (help) } } } }
}

/// A field of a form.
pub(crate) fn field(id: &str, label: &str, help: &str, input: &Markup) -> Markup {
    html! { div.field { label for=(id) { (label) } (input) @if !help.is_empty() { p.help id=(format!("{id}-help")) { (help) } } } }
}

/// A choice among few.
pub(crate) fn choice(id: &str, options: &[(&str, &str)], chosen: &str) -> Markup {
    html! { select id=(id) name=(id) { @for (value, word) in options { option value=(value) selected[*value == chosen] { (word) } } } }
}

/// A link to a page of an object.
pub(crate) fn object_link(id: &str, name: &str) -> Markup {
    html! { a href=(format!("/console/objects/{id}")) { @if name.is_empty() { (id) } @else { (crate::text::cut(name)) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_levels_or_verdicts_look_alike_without_colour() {
        let levels = || std::iter::once(None).chain(LEVELS.map(Some));
        let signs: std::collections::BTreeSet<_> = levels().map(|l| level_look(l).1).collect();
        let words: std::collections::BTreeSet<_> = levels().map(|l| level_look(l).2).collect();
        assert_eq!((signs.len(), words.len()), (6, 6));
        let verdicts: std::collections::BTreeSet<_> = ["release", "redact", "hold", "withhold"].map(|v| verdict(v).into_string()).into_iter().collect();
        assert_eq!(verdicts.len(), 4);
    }
}
