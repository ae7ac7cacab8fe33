//! Level and audience of an object as a form: what decides who receives it.
//!
//! The rule: markings that a form does not show as ticks stay on the object as they are, or are taken off by name.

use std::collections::BTreeSet;

use maud::{Markup, html};
use polder_release::{Kind, Level, Origin, Policy, Principal, audience_definition, audience_of, predefined};
use polder_stix::Id;
use serde_json::Value;

use super::object::{self, Names};
use super::objects::Seen;
use super::preview;
use crate::guard::{Asked, Trouble};
use crate::parts;
use crate::text::cut;

/// What a form shows of an object's markings, and what else it carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) level: Option<Level>,
    pub(crate) audience: BTreeSet<Principal>,
    pub(crate) others: Vec<String>,
}

impl Marked {
    /// As an object carries them. An audience is shown as ticks if it is the only one, and defined by this organisation; any other one is named.
    pub(crate) fn of<P>(asked: &Asked<'_, P>, seen: &Seen) -> Result<Self, Trouble> {
        let mut out = Self::default();
        let mut audiences = Vec::new();
        let refs = seen.object.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for reference in refs {
            let Some(id) = Id::parse(reference) else { continue };
            if let Some(level) = predefined(&id) {
                out.level = out.level.max(Some(level));
                continue;
            }
            match own_audience(asked, &id)? {
                Some(audience) => audiences.push((reference.to_owned(), audience)),
                None => out.others.push(reference.to_owned()),
            }
        }
        match audiences.as_slice() {
            [(_, audience)] => out.audience.clone_from(audience),
            several => out.others.extend(several.iter().map(|(reference, _)| reference.clone())),
        }
        Ok(out)
    }

    /// As somebody entered them.
    pub(crate) fn entered(level: &str, words: &[&str], others: Vec<String>) -> Result<Self, Trouble> {
        if !level.is_empty() && Level::parse(level).is_none() {
            return Err(Trouble::bad(format!("`{level}` is no TLP level"), "choose one of the list"));
        }
        let unread = |word: &str| Trouble::bad(format!("`{word}` names nobody"), "choose among those of the form");
        let audience = words.iter().map(|word| Principal::of_word(word).ok_or_else(|| unread(word))).collect::<Result<_, _>>()?;
        let others = others.into_iter().map(|other| Id::parse(&other).map_or(other, |id| id.to_string())).collect();
        Ok(Self { level: Level::parse(level), audience, others })
    }

    /// The definition of the audience where one is named, and what the object refers to.
    pub(crate) fn written<P>(self, asked: &Asked<'_, P>) -> Result<(Option<Value>, Vec<String>), Trouble> {
        let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
        let definition = (!self.audience.is_empty()).then(|| audience_definition(&policy.alliance.holder, &self.audience));
        let name = definition.as_ref().and_then(|d| d.get("id")).and_then(Value::as_str).map(str::to_owned);
        let level = self.level.map(|level| level.tlp_2_id().to_string());
        Ok((definition, self.others.into_iter().chain(level).chain(name).collect()))
    }

    /// Whom it is for, as requests name them.
    pub(crate) fn words(&self) -> Vec<String> {
        self.audience.iter().map(Principal::word).collect()
    }
}

/// Whom a definition names that this organisation made, as far as it says nothing else.
fn own_audience<P>(asked: &Asked<'_, P>, id: &Id) -> Result<Option<BTreeSet<Principal>>, Trouble> {
    let own = preview::copies_held(asked, id)?.iter().all(|c| c.origin == Origin::Own);
    Ok(object::latest(asked, id)?.filter(|_| own).and_then(|definition| audience_of(&definition.object)))
}

/// Everybody whom an audience can name, those of an object first.
fn choices(policy: &Policy, now: &BTreeSet<Principal>) -> Vec<Principal> {
    let members = policy.alliance.members.keys().filter(|m| **m != policy.alliance.holder).cloned().map(Principal::Member);
    let groups = policy.alliance.groups.keys().cloned().map(Principal::Group);
    let persons = policy.recipients.iter().filter(|r| r.active).filter_map(|r| r.person.clone()).map(Principal::Person);
    let nodes = policy.recipients.iter().filter(|r| r.active && r.kind == Kind::Node).map(|r| Principal::Node(r.id.clone()));
    let mut all: Vec<Principal> = members.chain(groups).chain(persons).chain(nodes).collect();
    all.extend(now.iter().filter(|p| !all.contains(p)).cloned().collect::<Vec<_>>());
    all
}

/// What other markings are called.
pub(crate) fn names_of<P>(asked: &Asked<'_, P>, others: &[String]) -> Result<Names, Trouble> {
    object::named(asked, others.iter().filter_map(|id| Id::parse(id)).collect())
}

/// The fields. Other markings stay, unless they can be taken off one by one.
pub(crate) fn fields<P>(asked: &Asked<'_, P>, now: &Marked, others: Others) -> Result<Markup, Trouble> {
    let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
    let levels: Vec<(&str, &str)> = [("", "no TLP level")].into_iter().chain(parts::LEVELS.map(|l| (l.name(), l.label()))).collect();
    let all = choices(&policy, &now.audience);
    let names = names_of(asked, &now.others)?;
    let name = |id: &str| Id::parse(id).and_then(|id| names.get(&id).cloned()).unwrap_or_default();
    Ok(html! {
        (parts::field("level", "TLP level", "With neither level nor audience it stays in your organisation. TLP:RED goes to persons and nodes that are named, and to no organisation.", &parts::choice("level", &levels, now.level.map_or("", Level::name))))
        fieldset {
            legend { "Only for these (and yourself)" }
            @if all.is_empty() { p.quiet { "There are no others yet." } }
            div.several { @for who in &all { label.check { input type="checkbox" name="for" value=(who.word()) checked[now.audience.contains(who)]; " " (called(asked, who)) } } }
        }
        @if !now.others.is_empty() {
            @match others {
                Others::Stay => { p.quiet { "Other markings stay on it: " @for (n, other) in now.others.iter().enumerate() { @if n > 0 { ", " } (parts::object_link(other, &name(other))) } } }
                Others::Chosen => {
                    fieldset {
                        legend { "Other markings that stay on it" }
                        @for other in &now.others { label.check { input type="checkbox" name="keep" value=(other) checked; " " (cut(&if name(other).is_empty() { other.clone() } else { name(other) })) } }
                    }
                }
            }
        }
    })
}

/// What a form does with markings that it does not show as ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    Stay,
    Chosen,
}

/// Somebody as a person reads it.
pub(crate) fn called<P>(asked: &Asked<'_, P>, who: &Principal) -> Markup {
    html! {
        @match who {
            Principal::Member(id) => { (cut(&asked.app.desk.name(id))) }
            Principal::Group(id) => { (cut(id)) span.quiet { " (group)" } }
            Principal::Person(id) => { (cut(id)) span.quiet { " (person)" } }
            Principal::Node(id) => { (cut(id)) span.quiet { " (node)" } }
        }
    }
}
