//! What a MISP would give away: who receives what by its distributions and groups, and what in it should not leave as it stands.
//!
//! The rule: only what can leave the organisation is a finding, and no finding repeats the value it is about.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher as _};

use polder_release::Level;
use serde::Serialize;

use crate::limits::{NAMES_MAX, PLACES_LISTED_MAX};
use crate::model::{Attribute, Event, SharingGroup, Tag};
use crate::secrets;

/// How far MISP lets something travel by itself, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Distribution 0.
    Organisation,
    /// Distribution 4: the organisations of a sharing group.
    Group,
    /// Distribution 1: every organisation on this MISP.
    Community,
    /// Distribution 2: the servers connected to it too.
    Connected,
    /// Distribution 3: all that can be reached from there.
    All,
    /// A file of a feed, which does not say.
    Unstated,
}

impl Reach {
    /// All of them, the nearest first.
    pub const ALL: [Self; 6] = [Self::Organisation, Self::Group, Self::Community, Self::Connected, Self::All, Self::Unstated];

    /// Who that is, in plain words.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::Organisation => "your organisation only",
            Self::Group => "the organisations of a sharing group",
            Self::Community => "every organisation on this MISP, and who pulls from it",
            Self::Connected => "also every organisation on the servers connected to it",
            Self::All => "every MISP that can be reached from there",
            Self::Unstated => "whoever has the file: it names no distribution",
        }
    }
}

/// What is wrong with something that can leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Its TLP tag is for fewer than its distribution reaches.
    WiderThanTlp,
    /// Its tags name more than one TLP level.
    SeveralTlp,
    /// Its TLP or PAP tag names no known level.
    UnknownLevel,
    /// PAP says that nobody may notice, and it is exported for detection.
    DetectionAgainstPap,
    /// Keys or passwords in the open.
    Credential,
    /// Data of persons.
    PersonalData,
    /// An analyst's or another person's address beside the data.
    Address,
    /// Tags that were set for here only.
    LocalTag,
    /// A sharing group that names nobody.
    GroupOfNobody,
    /// A sharing group that takes in all organisations of a server.
    GroupOfEverybody,
    /// A sharing group that is not described.
    GroupUnknown,
    /// Withdrawn here; copies elsewhere stay.
    Withdrawn,
    /// Published once and changed since; copies elsewhere are as they were.
    ChangedSince,
}

impl Kind {
    /// What it means, in plain words.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::WiderThanTlp => "goes further than its TLP tag permits",
            Self::SeveralTlp => "tags name more than one TLP level",
            Self::UnknownLevel => "a TLP or PAP tag names no known level",
            Self::DetectionAgainstPap => "exported for detection although PAP:RED forbids what can be noticed",
            Self::Credential => "carries a key or a password",
            Self::PersonalData => "carries data of persons",
            Self::Address => "carries the e-mail address of an analyst or another person",
            Self::LocalTag => "local tags that pulls and feeds take along",
            Self::GroupOfNobody => "a sharing group names nobody",
            Self::GroupOfEverybody => "a sharing group takes in every organisation of a server",
            Self::GroupUnknown => "for a sharing group that is not described",
            Self::Withdrawn => "withdrawn here, lives on where it was copied",
            Self::ChangedSince => "published once, changed since, not published again",
        }
    }
}

/// How much of one sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Events.
    pub events: usize,
    /// Attributes that are not deleted.
    pub attributes: usize,
}

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// UUID of the event.
    pub event: String,
    /// The event's title.
    pub title: String,
    /// UUID of the part, where it is not the event itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What exactly.
    pub says: String,
}

/// All findings of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub places: Vec<Place>,
}

/// Somebody who would receive something by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Receiver {
    /// Its name, or that of the group.
    pub name: String,
    /// What it would receive.
    #[serde(flatten)]
    pub count: Count,
}

/// A server that this MISP is connected to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Connected {
    /// Its name here, or its address.
    pub name: String,
    /// The organisation it belongs to.
    pub organisation: String,
    /// That organisation's UUID.
    #[serde(skip)]
    pub organisation_uuid: String,
    /// Is it sent what may go to it?
    pub pushes: bool,
    /// Do rules hold some of that back?
    pub has_rules: bool,
    /// What may go to it, whatever the rules say.
    #[serde(flatten)]
    pub count: Count,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Which.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// What a MISP would give away.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Audit {
    /// How much was looked at.
    pub seen: Count,
    /// How much of it is not published, and so goes nowhere yet.
    pub unpublished: Count,
    /// Events that were stated again just so, by another file, and were not counted again.
    pub repeated: usize,
    #[serde(skip)]
    known: HashSet<u64>,
    /// How far it travels; every reach is there.
    pub reach: BTreeMap<Reach, Count>,
    /// Organisations that sharing groups name, by UUID.
    pub organisations: BTreeMap<String, Receiver>,
    /// Sharing groups, by UUID.
    pub groups: BTreeMap<String, Receiver>,
    /// The servers this MISP is connected to, as far as it tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Connected>,
    /// The organisations whose people work on this MISP, as far as it tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub community: Vec<String>,
    /// What is wrong with it.
    pub findings: BTreeMap<Kind, Findings>,
    /// What could not be read.
    pub unread: Vec<Unread>,
}

/// Whom something is for: the least of the distributions above it, and in every group named on the way.
#[derive(Debug, Clone)]
struct Audience<'e> {
    reach: Reach,
    groups: Vec<&'e SharingGroup>,
}

impl<'e> Audience<'e> {
    fn of(distribution: Option<i64>, group: Option<&'e SharingGroup>) -> Self {
        let start = Self { reach: if distribution.is_none() { Reach::Unstated } else { Reach::All }, groups: Vec::new() };
        start.narrowed(distribution, group)
    }

    /// The same for a part that says so itself; 5 and silence inherit.
    fn narrowed(mut self, distribution: Option<i64>, group: Option<&'e SharingGroup>) -> Self {
        let own = match distribution {
            None | Some(5) => return self,
            Some(1) => Reach::Community,
            Some(2) => Reach::Connected,
            Some(3) => Reach::All,
            Some(4) => {
                self.groups.extend(group);
                Reach::Group
            }
            // 0, and what MISP does not know: nobody but its owner.
            Some(_) => Reach::Organisation,
        };
        self.reach = self.reach.min(own);
        self
    }

    fn leaves(&self) -> bool {
        self.reach != Reach::Organisation
    }

    /// Is it sent to a server it is connected to? To a group's only if the group names whose server it is.
    fn goes_to(&self, server: &Connected) -> bool {
        let named = || self.organisations().iter().any(|(uuid, _)| uuid.eq_ignore_ascii_case(&server.organisation_uuid));
        server.pushes && (matches!(self.reach, Reach::Connected | Reach::All) || (self.reach == Reach::Group && named()))
    }

    /// The organisations that are in all groups, by UUID.
    fn organisations(&self) -> Vec<(&'e str, &'e str)> {
        if self.reach != Reach::Group {
            return Vec::new();
        }
        let mut lists = self.groups.iter().map(|g| members(g));
        let Some(first) = lists.next() else { return Vec::new() };
        lists.fold(first, |left, list| left.into_iter().filter(|(uuid, _)| list.iter().any(|(other, _)| other == uuid)).collect())
    }
}

fn members(group: &SharingGroup) -> Vec<(&str, &str)> {
    let named = group.organisations.iter().filter_map(|o| o.organisation.as_ref());
    let mut all: Vec<_> = group.creator.iter().chain(named).filter(|o| !o.uuid.is_empty()).map(|o| (o.uuid.as_str(), o.name.as_str())).collect();
    all.sort_unstable();
    all.dedup_by_key(|o| o.0);
    all
}

/// What the tags of a thing say.
#[derive(Debug, Default)]
struct Tags {
    levels: Vec<Level>,
    unknown: Vec<String>,
    pap_red: bool,
    local: Vec<String>,
}

impl Tags {
    fn read(tags: &[Tag]) -> Self {
        let mut said = Self::default();
        for tag in tags {
            if tag.local || !tag.exportable {
                said.local.push(tag.name.clone());
            }
            let name = tag.name.to_ascii_lowercase();
            if let Some(level) = name.strip_prefix("tlp:") {
                // `tlp:white` is the first standard's name of CLEAR.
                match Level::parse(if level == "white" { "clear" } else { level }) {
                    Some(level) if said.levels.contains(&level) => {}
                    Some(level) => said.levels.push(level),
                    None => said.unknown.push(tag.name.clone()),
                }
            } else if let Some(level) = name.strip_prefix("pap:") {
                said.pap_red |= level == "red";
                if !["red", "amber", "green", "clear", "white"].contains(&level) {
                    said.unknown.push(tag.name.clone());
                }
            }
        }
        said
    }

    fn strictest(&self) -> Option<Level> {
        self.levels.iter().max().copied()
    }
}

/// May something of this level travel that far? A sharing group names its audience, as the originator may at any level.
fn permits(level: Level, reach: Reach) -> bool {
    match level {
        Level::Clear => true,
        Level::Green => reach <= Reach::All,
        Level::Amber => reach <= Reach::Community,
        Level::AmberStrict | Level::Red => reach <= Reach::Group,
    }
}

/// Adds findings about one event.
struct About<'a> {
    audit: &'a mut Audit,
    event: &'a Event,
}

impl About<'_> {
    fn found(&mut self, kind: Kind, part: Option<&str>, says: impl Into<String>) {
        let findings = self.audit.findings.entry(kind).or_default();
        findings.count += 1;
        if findings.places.len() < PLACES_LISTED_MAX {
            // A title that holds such a thing is not repeated either.
            let is_told = secrets::credential(&self.event.info).is_none() && !secrets::holds_address(&self.event.info);
            let title = if is_told { self.event.info.clone() } else { "(a title that is not repeated here)".to_owned() };
            let event = self.event.uuid.clone();
            findings.places.push(Place { event, title, part: part.filter(|p| !p.is_empty()).map(str::to_owned), says: says.into() });
        }
    }

    /// Judges the tags of the event or a part against how far it goes.
    fn tags(&mut self, said: &Tags, part: Option<&str>, reach: Reach) {
        if said.levels.len() > 1 {
            let names: Vec<_> = said.levels.iter().map(|l| l.label()).collect();
            self.found(Kind::SeveralTlp, part, names.join(", "));
        }
        for name in &said.unknown {
            self.found(Kind::UnknownLevel, part, format!("`{name}`"));
        }
        for name in &said.local {
            self.found(Kind::LocalTag, part, format!("`{name}`"));
        }
        if let Some(level) = said.strictest().filter(|level| !permits(*level, reach)) {
            self.found(Kind::WiderThanTlp, part, format!("{}, and it goes to {}", level.label(), reach.says()));
        }
    }

    fn text(&mut self, part: Option<&str>, what: &str, text: &str) {
        if let Some(secret) = secrets::credential(text) {
            self.found(Kind::Credential, part, format!("{secret} in the {what}"));
        }
        if secrets::holds_address(text) {
            self.found(Kind::Address, part, format!("in the {what}"));
        }
    }

    fn attribute(&mut self, attribute: &Attribute, reach: Reach) {
        let part = Some(attribute.uuid.as_str());
        self.tags(&Tags::read(&attribute.tags), part, reach);
        self.text(part, "comment", &attribute.comment);
        if let Some(secret) = secrets::credential(&attribute.value) {
            self.found(Kind::Credential, part, format!("{secret} in the value"));
        } else if attribute.object_relation == "password" {
            self.found(Kind::Credential, part, "a password of an object");
        }
        if is_personal(attribute) {
            self.found(Kind::PersonalData, part, format!("type `{}`, category `{}`", attribute.kind, attribute.category));
        }
    }

    fn withdrawn(&mut self, part: &str, at: Option<i64>) {
        let Some(published) = self.event.publish_timestamp.filter(|t| *t > 0) else { return };
        let says = if at.is_some_and(|at| at > published) {
            "withdrawn after the last publication: nobody has been told"
        } else {
            "published as withdrawn: who does not pull again keeps it"
        };
        self.found(Kind::Withdrawn, Some(part), says);
    }

    fn groups(&mut self, part: Option<&str>, audience: &Audience<'_>) {
        if audience.reach == Reach::Group && audience.groups.is_empty() {
            self.found(Kind::GroupUnknown, part, "distribution 4 without the group's organisations");
        }
        for group in &audience.groups {
            for server in group.servers.iter().filter(|s| s.all_orgs) {
                let name = server.server.as_ref().map_or("", |s| s.name.as_str());
                self.found(Kind::GroupOfEverybody, part, format!("`{}` with the server `{name}`", group.name));
            }
            if group.active == Some(false) {
                self.found(Kind::GroupOfNobody, part, format!("`{}` is not active", group.name));
            } else if members(group).is_empty() && !group.servers.iter().any(|s| s.all_orgs) {
                self.found(Kind::GroupOfNobody, part, format!("`{}`", group.name));
            }
        }
    }
}

/// MISP's types and its category of persons' data.
fn is_personal(attribute: &Attribute) -> bool {
    const TYPES: [&str; 8] = [
        "target-email",
        "target-user",
        "whois-registrant-email",
        "whois-registrant-name",
        "whois-registrant-phone",
        "phone-number",
        "identity-card-number",
        "passport-number",
    ];
    attribute.category == "Person" || TYPES.contains(&attribute.kind.as_str())
}

impl Audit {
    /// Looks at one event, once.
    pub fn add(&mut self, event: &Event) {
        if !self.known.insert(Digest::of(event)) {
            self.repeated += 1;
            return;
        }
        let whole = Audience::of(event.distribution, event.sharing_group.as_ref());
        let mut counts = Tally::default();
        counts.event(&whole);
        let event_goes: Vec<bool> = self.servers.iter().map(|s| whole.goes_to(s)).collect();
        let mut about = About { audit: self, event };
        if whole.leaves() {
            let said = Tags::read(&event.tags);
            about.tags(&said, None, whole.reach);
            about.groups(None, &whole);
            about.text(None, "title", &event.info);
            if !event.event_creator_email.is_empty() {
                about.found(Kind::Address, None, "the analyst who made the event");
            }
            if !event.published && event.publish_timestamp.is_some_and(|t| t > 0) {
                about.found(Kind::ChangedSince, None, "copies elsewhere are as they were");
            }
            let detected = event.attributes.iter().chain(event.objects.iter().flat_map(|o| &o.attributes)).filter(|a| a.to_ids && !a.deleted).count();
            if said.pap_red && detected > 0 {
                about.found(Kind::DetectionAgainstPap, None, format!("{detected} attributes"));
            }
        }
        for report in &event.reports {
            let audience = whole.clone().narrowed(report.distribution, report.sharing_group.as_ref());
            if audience.leaves() && !report.deleted {
                about.text(Some(&report.uuid), "report", &report.content);
            }
        }
        for attribute in &event.attributes {
            counts.attribute(&mut about, attribute, false, &whole);
        }
        for object in &event.objects {
            let audience = whole.clone().narrowed(object.distribution, object.sharing_group.as_ref());
            if audience.leaves() && object.deleted {
                about.withdrawn(&object.uuid, None);
            } else if audience.leaves() {
                about.text(Some(&object.uuid), "comment", &object.comment);
            }
            for attribute in &object.attributes {
                counts.attribute(&mut about, attribute, object.deleted, &audience);
            }
        }
        if !event.published {
            self.unpublished.events += 1;
            self.unpublished.attributes += counts.attributes;
        }
        counts.enter(self, &event_goes);
    }

    /// Adds a file that could not be read.
    pub fn unread(&mut self, place: &str, reason: impl std::fmt::Display) {
        self.unread.push(Unread { place: place.to_owned(), reason: reason.to_string() });
    }

    /// Findings of all kinds.
    #[must_use]
    pub fn findings(&self) -> usize {
        self.findings.values().map(|f| f.count).sum()
    }
}

/// What an event says, in short.
#[derive(Default)]
struct Digest(DefaultHasher);

impl Digest {
    fn of(event: &Event) -> u64 {
        let mut digest = Self::default();
        // It cannot fail: nothing is written anywhere.
        write!(digest, "{event:?}").unwrap_or_default();
        digest.0.finish()
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Who receives how much of one event.
#[derive(Debug, Default)]
struct Tally<'e> {
    event: Option<Reach>,
    reach: BTreeMap<Reach, usize>,
    attributes: usize,
    organisations: BTreeMap<&'e str, (&'e str, usize)>,
    groups: BTreeMap<&'e str, (&'e str, usize)>,
    /// Attributes by server.
    servers: Vec<usize>,
}

impl<'e> Tally<'e> {
    fn event(&mut self, audience: &Audience<'e>) {
        self.event = Some(audience.reach);
        self.name(audience, 0);
    }

    fn name(&mut self, audience: &Audience<'e>, attributes: usize) {
        for (uuid, name) in audience.organisations() {
            self.organisations.entry(uuid).or_insert((name, 0)).1 += attributes;
        }
        if audience.reach == Reach::Group {
            for group in &audience.groups {
                self.groups.entry(&group.uuid).or_insert((&group.name, 0)).1 += attributes;
            }
        }
    }

    fn attribute(&mut self, about: &mut About<'_>, attribute: &'e Attribute, is_gone: bool, above: &Audience<'e>) {
        let audience = above.clone().narrowed(attribute.distribution, attribute.sharing_group.as_ref());
        if attribute.deleted || is_gone {
            // An object that was withdrawn speaks for its attributes.
            if audience.leaves() && !is_gone {
                about.withdrawn(&attribute.uuid, attribute.timestamp);
            }
            return;
        }
        self.attributes += 1;
        *self.reach.entry(audience.reach).or_default() += 1;
        self.name(&audience, 1);
        let servers = &about.audit.servers;
        self.servers.resize(servers.len(), 0);
        self.servers.iter_mut().zip(servers).filter(|(_, s)| audience.goes_to(s)).for_each(|(n, _)| *n += 1);
        if audience.leaves() {
            if attribute.distribution == Some(4) {
                about.groups(Some(&attribute.uuid), &audience);
            }
            about.attribute(attribute, audience.reach);
        }
    }

    fn enter(self, audit: &mut Audit, event_goes: &[bool]) {
        audit.seen.events += 1;
        audit.seen.attributes += self.attributes;
        for reach in Reach::ALL {
            let count = audit.reach.entry(reach).or_default();
            count.events += usize::from(self.event == Some(reach));
            count.attributes += self.reach.get(&reach).copied().unwrap_or_default();
        }
        for (n, server) in audit.servers.iter_mut().enumerate().filter(|(n, _)| event_goes.get(*n) == Some(&true)) {
            server.count.events += 1;
            server.count.attributes += self.servers.get(n).copied().unwrap_or_default();
        }
        for (told, named) in [(&mut audit.organisations, self.organisations), (&mut audit.groups, self.groups)] {
            for (uuid, (name, attributes)) in named {
                if told.len() >= NAMES_MAX && !told.contains_key(uuid) {
                    continue;
                }
                let receiver = told.entry(uuid.to_owned()).or_insert_with(|| Receiver { name: name.to_owned(), ..Receiver::default() });
                receiver.count.events += 1;
                receiver.count.attributes += attributes;
            }
        }
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
