//! Tags and warninglists as MISP's administrators keep them.
//!
//! The rule: what is kept here says how people on this MISP use a word; what a tag marks is decided by what bears it, so a tag that is set is neither renamed nor deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::texts;
use super::read::tag_names;
use super::sink::Reply;
use super::{Asked, Change, Role};
use crate::library::{Library, List};
use crate::map::Wanted;
use crate::map::fields::{flag, text};

/// What is kept of words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Names of warninglists that are switched off.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub warninglists_off: BTreeSet<String>,
    /// Tags that somebody administers.
    #[serde(default, rename = "tag", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<KeptTag>,
}

/// A tag that somebody administers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptTag {
    /// Its name.
    pub name: String,
    /// What it was called first, of which its number is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// `#rrggbb`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub colour: String,
    /// Is it left out of all that is served and pushed?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unexported: bool,
    /// Is it no longer offered to who tags?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// The only member whose people may set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Box<str>>,
    /// The only login that may set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Box<str>>,
}

impl Words {
    /// Names of tags that are left out of all that is served and pushed.
    #[must_use]
    pub fn unexported(&self) -> BTreeSet<String> {
        self.tags.iter().filter(|t| t.unexported).map(|t| t.name.clone()).collect()
    }
}

/// The warninglists that are switched on.
pub(crate) struct Warninglists {
    library: Arc<Library>,
    off: BTreeSet<String>,
}

impl Warninglists {
    pub(crate) fn all(&self) -> impl Iterator<Item = &List> {
        self.library.lists.iter().filter(|l| !self.off.contains(&l.name))
    }

    /// Those an attribute is on, with what of it was found.
    pub(crate) fn warnings(&self, kind: &str, value: &str) -> Vec<(&List, String)> {
        self.all().filter(|l| l.is_for(kind)).filter_map(|l| Some((l, l.hit(value)?))).collect()
    }
}

/// The tags by which MISP's people say who may read.
const MARKING: [&str; 9] = ["tlp:clear", "tlp:green", "tlp:amber", "tlp:amber+strict", "tlp:red", "PAP:CLEAR", "PAP:GREEN", "PAP:AMBER", "PAP:RED"];

const COLOUR: &str = "#0088cc";

impl Asked<'_> {
    pub(crate) fn warninglists(&self) -> Warninglists {
        Warninglists { library: self.app.access.library(), off: self.words.warninglists_off.clone() }
    }

    fn is_of_house(&self) -> bool {
        self.reader().peer.is_of_house()
    }

    /// Why the caller may not set a tag, if it may not.
    fn barred(&self, name: &str) -> Option<&'static str> {
        let tag = self.words.tags.iter().find(|t| t.name == name && self.caller.role != Role::Administrator)?;
        if tag.organisation.is_some() && tag.organisation != self.me.organisation {
            return Some("Invalid Tag. This tag can only be set by a fixed organisation.");
        }
        (tag.user.as_ref().is_some_and(|u| *u != self.caller.user)).then_some("Invalid Tag. This tag can only be set by a fixed user.")
    }

    /// People who work here set no tag that is another's. What other MISPs send is theirs.
    pub(crate) fn may_set(&self, name: &str) -> Result<(), Reply> {
        let Some(why) = self.barred(name).filter(|_| self.is_of_house()) else { return Ok(()) };
        let body = json!({"saved": false, "name": why, "message": why, "url": self.call.path, "errors": why});
        Err(Reply { status: axum::http::StatusCode::FORBIDDEN, ..Reply::json(&body) })
    }

    pub(crate) fn may_set_all(&self, element: &Map<String, Value>) -> Result<(), Reply> {
        if self.words.tags.is_empty() { Ok(()) } else { tag_names(element).iter().try_for_each(|name| self.may_set(name)) }
    }

    /// The tags of an element that was sent, with those that its sender was not shown.
    pub(crate) fn retagged(&self, held: Option<&Value>, sent: Value) -> Value {
        let name = |t: &Value| t.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Value::Array(mut tags) = sent else { return sent };
        let said: BTreeSet<String> = tags.iter().map(name).collect();
        tags.retain(|t| !flag(t.get("deleted")));
        let unseen = held.and_then(Value::as_array).into_iter().flatten().filter(|t| !said.contains(&name(t)) && self.unexported.contains(&name(t)));
        tags.extend(unseen.cloned());
        tags.into()
    }

    /// Names of the tags on what the caller may see, with or without those that are left out of answers.
    fn set_tags(&self, unexported_tags: bool) -> Result<BTreeSet<String>, Reply> {
        let mut names = BTreeSet::new();
        for head in self.heads()? {
            let mut out = Vec::new();
            self.view(|view| view.event(text(&head, "uuid"), Wanted { unexported_tags, ..Wanted::ALL }, &mut out))?;
            let event: Value = serde_json::from_slice(&out).map_err(|e| self.failed(&e))?;
            every_tag(&event, &mut names);
        }
        Ok(names)
    }

    /// Every tag the caller knows of. Who works here also knows those that mark, and those that are kept and not another's.
    fn tags(&self) -> Result<BTreeMap<String, KeptTag>, Reply> {
        let plain = |name: String| (name.clone(), KeptTag { name, ..KeptTag::default() });
        let mut all: BTreeMap<String, KeptTag> = self.set_tags(false)?.into_iter().map(plain).collect();
        if self.is_of_house() {
            all.extend(MARKING.iter().map(|name| plain((*name).to_owned())));
            all.extend(self.words.tags.iter().filter(|t| self.barred(&t.name).is_none()).map(|t| (t.name.clone(), t.clone())));
        }
        Ok(all)
    }

    fn tag_number(&self, tag: &KeptTag) -> String {
        self.reader().number(tag.first_name.as_ref().unwrap_or(&tag.name)).to_string()
    }

    fn shown_tag(&self, tag: &KeptTag) -> Value {
        let reader = self.reader();
        let organisations = self.app.access.organisations();
        let org = tag.organisation.as_ref().and_then(|id| organisations.iter().find(|o| o.id == *id)).map(|o| reader.number(&o.uuid).to_string());
        let user = tag.user.as_ref().map(|name| self.user_number(name));
        let none = || "0".to_owned();
        let colour = if tag.colour.is_empty() { COLOUR } else { &tag.colour };
        json!({"id": self.tag_number(tag), "name": tag.name, "colour": colour, "exportable": !tag.unexported, "hide_tag": tag.hidden,
            "org_id": org.unwrap_or_else(none), "user_id": user.unwrap_or_else(none), "is_galaxy": tag.name.starts_with("misp-galaxy:"), "local_only": false})
    }

    fn tag_named(&self) -> Result<KeptTag, Reply> {
        let name = self.call.first();
        let found = self.tags()?.into_values().find(|t| t.name == name || self.tag_number(t) == name);
        found.ok_or_else(|| self.not_found("Invalid tag."))
    }

    /// A tag as it was sent, over what it was.
    fn sent_tag(&self, mut tag: KeptTag) -> Result<KeptTag, Reply> {
        let sent = self.call.object("Tag");
        let given = |key: &str| sent.get(key).filter(|v| !v.is_null());
        let one = |key: &str| given(key).map(texts).and_then(|t| t.into_iter().next()).filter(|t| !t.is_empty());
        if let Some(name) = given("name").and_then(Value::as_str).map(str::trim) {
            name.clone_into(&mut tag.name);
        }
        if tag.name.is_empty() {
            return Err(self.invalid("name", "Please provide a name."));
        }
        if let Some(colour) = one("colour") {
            let is_colour = colour.strip_prefix('#').is_some_and(|c| c.len() == 6 && c.bytes().all(|b| b.is_ascii_hexdigit()));
            tag.colour = if is_colour { colour } else { return Err(self.invalid("colour", "Colour has to be in the RGB format (#FFFFFF)")) };
        }
        tag.unexported = given("exportable").map_or(tag.unexported, |e| !flag(Some(e)));
        if tag.unexported && is_marking(&tag.name) {
            return Err(self.invalid("exportable", "Who receives this has to know how it is marked: a TLP or PAP tag always goes with it."));
        }
        tag.hidden = given("hide_tag").map_or(tag.hidden, |h| flag(Some(h)));
        if let Some(number) = one("org_id") {
            let known = || self.organisation(&number).map(|o| o.id).ok_or_else(|| self.invalid("org_id", "The organisation is not known."));
            tag.organisation = if number == "0" { None } else { Some(known()?) };
        }
        if let Some(number) = one("user_id") {
            let known = || self.user_of_number(&number).ok_or_else(|| self.invalid("user_id", "The user is not known."));
            tag.user = if number == "0" { None } else { Some(known()?) };
        }
        Ok(tag)
    }

    fn is_not_set(&self, name: &str, what: &str) -> Result<(), Reply> {
        if self.set_tags(true)?.contains(name) {
            return Err(
                self.invalid("name", &format!("The tag is set on events or attributes, and may say who reads them: take it off there, then {what} it."))
            );
        }
        Ok(())
    }
}

fn is_marking(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("tlp:") || name.starts_with("pap:")
}

/// Names of the tags at any depth.
fn every_tag(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            names.extend(tag_names(map));
            map.values().for_each(|v| every_tag(v, names));
        }
        Value::Array(list) => list.iter().for_each(|v| every_tag(v, names)),
        _ => {}
    }
}

/// The tags the caller knows of: all of them, or those of a name.
pub(crate) fn tags(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let all = asked.tags()?;
    if asked.call.action == "index" {
        return Ok(Reply::json(&json!({"Tag": all.values().map(|t| asked.shown_tag(t)).collect::<Vec<_>>()})));
    }
    let wanted = asked.call.text("tagname").or_else(|| asked.call.text("name")).unwrap_or_else(|| asked.call.first().to_owned()).to_lowercase();
    let strict = asked.call.flag("strict_tagname").unwrap_or(false);
    let bare = wanted.trim_matches('%');
    let is = |name: &str| {
        let name = name.to_lowercase();
        match (wanted.starts_with('%'), wanted.ends_with('%')) {
            (false, false) if strict => name == wanted,
            (false, true) => name.starts_with(bare),
            (true, false) => name.ends_with(bare),
            _ => name.contains(bare),
        }
    };
    Ok(Reply::json(&all.values().filter(|t| is(&t.name)).map(|t| json!({"Tag": asked.shown_tag(t)})).collect()))
}

/// One of them.
pub(crate) fn view_tag(asked: &Asked<'_>) -> Result<Reply, Reply> {
    Ok(Reply::json(&asked.shown_tag(&asked.tag_named()?)))
}

/// A new one.
pub(crate) fn add_tag(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let tag = asked.sent_tag(KeptTag::default())?;
    if asked.words.tags.iter().any(|t| t.name == tag.name) {
        return Err(asked.invalid("name", "A tag with this name exists already."));
    }
    asked.change(Change::KeepTag { before: None, tag: tag.clone() })?;
    Ok(Reply::json(&json!({"Tag": asked.shown_tag(&tag)})))
}

/// Other words for one.
pub(crate) fn edit_tag(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let before = asked.tag_named()?;
    let mut tag = asked.sent_tag(before.clone())?;
    if tag.name != before.name {
        tag.first_name = before.first_name.clone().or_else(|| Some(before.name.clone()));
        asked.is_not_set(&before.name, "rename")?;
        if asked.tags()?.contains_key(&tag.name) {
            return Err(asked.invalid("name", "A tag with this name exists already."));
        }
    }
    asked.change(Change::KeepTag { before: Some(before.name), tag: tag.clone() })?;
    Ok(Reply::json(&json!({"Tag": asked.shown_tag(&tag)})))
}

/// It goes, if nothing bears it.
pub(crate) fn delete_tag(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let tag = asked.tag_named()?;
    asked.is_not_set(&tag.name, "delete")?;
    asked.change(Change::RemoveTag { name: tag.name })?;
    Ok(asked.done("Tag deleted."))
}

/// Switches warninglists on or off.
pub(crate) fn toggle_lists(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let (names, ids) = (asked.call.texts("name").unwrap_or_default(), asked.call.texts("id").unwrap_or_default());
    let library = asked.app.access.library();
    let is = |l: &List| names.iter().any(|n| super::filter::like(n, &l.name)) || ids.contains(&asked.reader().number(&l.name).to_string());
    let found: BTreeSet<String> = library.lists.iter().filter(|l| is(l)).map(|l| l.name.clone()).collect();
    if found.is_empty() {
        return Ok(Reply::json(&json!({"saved": false, "errors": "Warninglist(s) not found."})));
    }
    let (count, on) = (found.len(), asked.call.flag("enabled"));
    let off = |name: &String| on.map_or_else(|| !asked.words.warninglists_off.contains(name), |on| !on);
    let (off, on_again): (BTreeSet<String>, BTreeSet<String>) = found.into_iter().partition(off);
    let mut all = &asked.words.warninglists_off | &off;
    all.retain(|name| !on_again.contains(name));
    asked.change(Change::WarninglistsOff { names: all })?;
    let how = on.map_or("toggled", |on| if on { "enabled" } else { "disabled" });
    Ok(Reply::json(&json!({"saved": true, "success": format!("{count} warninglist(s) {how}")})))
}
