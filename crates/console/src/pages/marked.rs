//! Level and audience of an object as a form: what decides who receives it.
//!
//! The rule: markings that a form does not show stay on the object as they are.

use maud::{Markup, html};
use polder_release::{Level, audience_definition, audience_of, predefined};
use polder_stix::Id;
use serde_json::Value;

use super::objects::Seen;
use crate::guard::{Asked, Trouble};
use crate::parts;

/// What a form shows of an object's markings, and what else it carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) level: Option<Level>,
    pub(crate) members: Vec<String>,
    pub(crate) others: Vec<String>,
}

impl Marked {
    /// As an object carries them. Of several audiences, which a form cannot show, none is.
    pub(crate) fn of<P>(asked: &Asked<'_, P>, seen: &Seen) -> Result<Self, Trouble> {
        let mut out = Self::default();
        let refs = seen.object.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let mut audiences = Vec::new();
        for reference in refs {
            let Some(id) = Id::parse(reference) else { continue };
            if let Some(level) = predefined(&id) {
                out.level = out.level.max(Some(level));
            } else if let Some(members) = super::object::latest(asked, &id)?.and_then(|definition| audience_of(&definition.object)) {
                audiences.push((reference.to_owned(), members));
            } else {
                out.others.push(reference.to_owned());
            }
        }
        match audiences.as_slice() {
            [(_, members)] => out.members.clone_from(members),
            several => out.others.extend(several.iter().map(|(reference, _)| reference.clone())),
        }
        Ok(out)
    }

    /// As somebody entered them, with what else the object carries.
    pub(crate) fn entered<P>(asked: &Asked<'_, P>, others: Vec<String>) -> Result<Self, Trouble> {
        let level = asked.form("level");
        if !level.is_empty() && Level::parse(level).is_none() {
            return Err(Trouble::bad(format!("`{level}` is no TLP level"), "choose one of the list"));
        }
        let mut members: Vec<String> = asked.form_all("member").into_iter().map(str::to_owned).collect();
        members.sort_unstable();
        members.dedup();
        Ok(Self { level: Level::parse(level), members, others })
    }

    /// The definition of the audience where one is named, and what the object refers to.
    pub(crate) fn written<P>(self, asked: &Asked<'_, P>) -> Result<(Option<Value>, Vec<String>), Trouble> {
        let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
        let members: Vec<&str> = self.members.iter().map(String::as_str).collect();
        let definition = (!members.is_empty()).then(|| audience_definition(&policy.alliance.holder, &members));
        let name = definition.as_ref().and_then(|d| d.get("id")).and_then(Value::as_str).map(str::to_owned);
        let level = self.level.map(|level| level.tlp_2_id().to_string());
        Ok((definition, self.others.into_iter().chain(level).chain(name).collect()))
    }
}

/// The fields.
pub(crate) fn fields<P>(asked: &Asked<'_, P>, now: &Marked) -> Result<Markup, Trouble> {
    let policy = asked.app.desk.policy().ok_or(Trouble::Internal)?;
    let levels: Vec<(&str, &str)> = [("", "none: it stays in your organisation")].into_iter().chain(parts::LEVELS.map(|l| (l.name(), l.label()))).collect();
    let known = policy.alliance.members.keys().map(|m| &**m).filter(|m| *m != &*policy.alliance.holder || now.members.iter().any(|n| n == m));
    let gone = now.members.iter().map(String::as_str).filter(|m| !policy.alliance.members.contains_key(*m));
    let members: Vec<&str> = known.chain(gone).collect();
    Ok(html! {
        (parts::field("level", "TLP level", "TLP:RED goes to persons and nodes that are named, and to no organisation.", &parts::choice("level", &levels, now.level.map_or("", Level::name))))
        fieldset {
            legend { "Only for these members (and yourself)" }
            @if members.is_empty() { p.quiet { "There are no others yet." } }
            @for member in members { label.check { input type="checkbox" name="member" value=(member) checked[now.members.iter().any(|m| m == member)]; " " (asked.app.desk.name(member)) } }
        }
        @if !now.others.is_empty() {
            p.quiet { "Other markings stay on it: " @for (n, other) in now.others.iter().enumerate() { @if n > 0 { ", " } (parts::object_link(other, "")) } }
        }
    })
}
