//! MISP's distribution, sharing groups and tags as marking-definitions.
//!
//! The rule: each counts as a marking, so the stricter of them holds; what cannot be read becomes a marking that nobody explains, never none.

use std::collections::{BTreeSet, HashMap};

use polder_release::{Alliance, Level, Pap, meaning_of_content};
use polder_stix::{Id, ext};
use serde_json::{Map, Value, json};

use super::ids::{derived, uuid};
use crate::model::{SharingGroup, Tag};

/// When our definitions were made: the same on every node, so that equal definitions are equal bytes.
const MADE: &str = "2026-01-01T00:00:00.000Z";

/// Who the organisations of a MISP are in the alliance.
#[derive(Debug, Clone, Default)]
pub struct Folk {
    holder: Box<str>,
    by_organisation: HashMap<String, Box<str>>,
    groups: BTreeSet<Box<str>>,
}

/// The id in the alliance of a sharing group of this node.
#[must_use]
pub fn group_id(uuid: &str) -> String {
    format!("sg:{uuid}")
}

impl Folk {
    /// As the alliance is now. A member is the organisation whose UUID its identity has.
    #[must_use]
    pub fn of(alliance: &Alliance) -> Self {
        let known = alliance.members.values().filter(|m| alliance.is_member(&m.id));
        let by_organisation = known.filter_map(|m| Some((organisation_of(m.identity.as_deref()?)?, m.id.clone()))).collect();
        Self { holder: alliance.holder.clone(), by_organisation, groups: alliance.groups.keys().cloned().collect() }
    }
}

/// The UUID of the organisation that a STIX identity stands for.
pub(crate) fn organisation_of(identity: &str) -> Option<String> {
    uuid(identity.strip_prefix("identity--")?)
}

/// The group of the organisations whose people work on this node's MISP; MISP calls them local.
pub const LOCAL: &str = "misp-local";

/// What MISP says by one of the markings, where an object's markings come from there: that an event waits to be published, or is for its makers alone.
#[must_use]
pub fn in_words(alliance: &Alliance, markings: &[Id]) -> Option<&'static str> {
    let folk = Folk::of(alliance);
    let mut marks = Marks::new(&folk);
    let (house, holder) = (marks.house(), marks.holder());
    let has = |id: &str| markings.iter().any(|marking| marking.to_string() == id);
    if has(&house) {
        return Some("the event is not published; until it is, it is for those who work on this MISP");
    }
    has(&holder).then_some("distribution 0: your organisation only")
}

/// What nobody here can explain of a definition that was made of MISP's words: what it is, and what was said.
#[must_use]
pub fn unexplained_in_words(definition: &Value) -> Option<String> {
    let kind = definition.get("definition_type")?.as_str()?.strip_prefix(UNEXPLAINED)?;
    Some(format!("{kind} `{}`", definition.get("definition")?.get("value")?.as_str()?))
}

/// Before the kind of what cannot be explained.
const UNEXPLAINED: &str = "x-misp-";

/// Compiles markings, and keeps the definitions they need.
#[derive(Debug)]
pub(crate) struct Marks<'f> {
    folk: &'f Folk,
    made: BTreeSet<String>,
    fresh: HashMap<String, String>,
}

impl<'f> Marks<'f> {
    pub(crate) fn new(folk: &'f Folk) -> Self {
        Self { folk, made: BTreeSet::new(), fresh: HashMap::new() }
    }

    /// The definitions that an object is marked with and that nobody has taken yet, as STIX objects.
    pub(crate) fn definitions_of(&mut self, object: &Map<String, Value>) -> Vec<String> {
        let named = object.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        named.filter_map(|id| self.fresh.remove(id)).collect()
    }

    /// Only the holder's own organisation.
    pub(crate) fn holder(&mut self) -> String {
        let holder = self.folk.holder.clone();
        self.audience(&BTreeSet::from([&*holder]))
    }

    /// The holder's own organisation and those whose people work on its MISP: who sees there what is still being written.
    pub(crate) fn house(&mut self) -> String {
        let holder = self.folk.holder.clone();
        let audience = json!({"extension_type": "property-extension", "audience": {"members": [holder], "groups": [LOCAL]}});
        self.definition(&["house", &holder], json!({"extensions": {ext::AUDIENCE: audience}}))
    }

    /// Does an identity stand for the holder?
    pub(crate) fn is_holder(&self, identity: &str) -> bool {
        organisation_of(identity).and_then(|uuid| self.folk.by_organisation.get(&uuid)) == Some(&self.folk.holder)
    }

    /// The holder, and these members.
    pub(crate) fn readers(&mut self, members: &BTreeSet<Box<str>>) -> String {
        let holder = self.folk.holder.clone();
        let all: BTreeSet<&str> = members.iter().map(|m| &**m).chain([&*holder]).collect();
        self.audience(&all)
    }

    /// What a distribution says: design.md's decision on MISP, level by level. None is said where there is none, and by 5, which inherits.
    pub(crate) fn of_distribution(&mut self, distribution: Option<i64>, group: Option<&SharingGroup>) -> Vec<String> {
        match distribution {
            None | Some(5) => Vec::new(),
            Some(0) => vec![self.holder()],
            Some(1) => vec![Level::Amber.tlp_2_id().to_string()],
            Some(2 | 3) => vec![Level::Green.tlp_2_id().to_string()],
            Some(4) => vec![self.of_group(group)],
            Some(other) => vec![self.unexplained("distribution", &other.to_string())],
        }
    }

    /// Does a group name only organisations that the alliance knows, and can nobody be added to it on the way?
    pub(crate) fn is_closed(&self, group: &SharingGroup) -> bool {
        let widens = group.roaming || group.servers.iter().any(|s| s.all_orgs) || group.organisations.iter().any(|o| o.extend);
        let mut named = group.organisations.iter().filter_map(|o| o.organisation.as_ref()).chain(&group.creator);
        let alone = group.organisations.iter().all(|o| o.organisation.is_some());
        !widens && alone && named.all(|o| uuid(&o.uuid).is_some_and(|u| self.folk.by_organisation.contains_key(&u)))
    }

    fn of_group(&mut self, group: Option<&SharingGroup>) -> String {
        // A group that was switched off reaches nobody, as one of which nothing but a local number is known.
        let counted = group.filter(|g| g.active != Some(false));
        // One of this node's own is only named, and has whoever belongs to it at the time.
        let named = counted.filter(|g| g.organisations.is_empty()).and_then(|g| uuid(&g.uuid)).map(|u| group_id(&u));
        if let Some(id) = named.filter(|id| self.folk.groups.contains(id.as_str())) {
            let holder = self.folk.holder.clone();
            let audience = json!({"extension_type": "property-extension", "audience": {"members": [holder], "groups": [id]}});
            return self.definition(&["group", &id, &holder], json!({"extensions": {ext::AUDIENCE: audience}}));
        }
        let organisations = counted.into_iter().flat_map(|g| {
            let members = g.organisations.iter().filter_map(|o| o.organisation.as_ref());
            members.chain(&g.creator).map(|o| o.uuid.as_str())
        });
        let folk = self.folk;
        let known: BTreeSet<&str> = organisations.filter_map(|o| folk.by_organisation.get(&uuid(o)?)).map(|m| &**m).collect();
        self.audience(&known)
    }

    /// What tags say.
    pub(crate) fn of_tags(&mut self, tags: &[Tag]) -> Vec<String> {
        tags.iter().flat_map(|tag| self.of_tag(&tag.name)).collect()
    }

    fn of_tag(&mut self, name: &str) -> Vec<String> {
        let low = name.trim().to_ascii_lowercase();
        if low.starts_with("exercise:") {
            return vec![self.unexplained("tag", &low)];
        }
        // A tag of one's own that begins with a level is read as that level, and never as clear.
        if let Some(level) = low.strip_prefix("tlp:").and_then(|rest| rest.split_once("__")).and_then(|(level, _)| Level::parse(level)) {
            return vec![level.max(Level::Green).tlp_2_id().to_string()];
        }
        let rest = low.strip_prefix("pap").unwrap_or_default();
        if rest.starts_with(|c: char| c.is_alphanumeric()) {
            return Vec::new();
        }
        // Analysts write levels in many ways, and exporters turn tags into statements; both are read alike.
        let said = meaning_of_content(&json!({"definition_type": "statement", "definition": {"statement": low}}));
        let mut marks: Vec<String> = said.level.map(|level| level.tlp_2_id().to_string()).into_iter().collect();
        if let Some(pap) = said.pap {
            let level = match pap {
                Pap::Clear => "clear",
                Pap::Green => "green",
                Pap::Amber => "amber",
                Pap::Red => "red",
            };
            marks.push(self.definition(&["pap", level], json!({"definition_type": "pap", "definition": {"pap": level}})));
        }
        if said.opaque {
            marks.push(self.unexplained("tag", &low));
        }
        marks
    }

    fn audience(&mut self, members: &BTreeSet<&str>) -> String {
        let mut parts = vec!["audience"];
        parts.extend(members);
        let audience = json!({"extension_type": "property-extension", "audience": {"members": members}});
        self.definition(&parts, json!({"extensions": {ext::AUDIENCE: audience}}))
    }

    /// A definition that nobody can read, so that what it marks waits for a person.
    fn unexplained(&mut self, what: &str, value: &str) -> String {
        let kind = format!("{UNEXPLAINED}{what}");
        self.definition(&[&kind, value], json!({"definition_type": &kind, "definition": {"value": value}}))
    }

    fn definition(&mut self, parts: &[&str], content: Value) -> String {
        let id = format!("marking-definition--{}", derived(parts));
        if self.made.insert(id.clone()) {
            let mut object = json!({"type": "marking-definition", "spec_version": "2.1", "id": id, "created": MADE});
            if let (Some(object), Value::Object(content)) = (object.as_object_mut(), content) {
                object.extend(content);
            }
            self.fresh.insert(id.clone(), object.to_string());
        }
        id
    }
}
