//! A label in MISP's terms for one peer.
//!
//! The rule: never a level that lets the far side pass it on further than the label allows; where no level fits, a sharing group that names who may have it.

use std::collections::BTreeSet;

use polder_release::{Alliance, Kind, Label, Level, Origin, Principal, Recipient};
use serde_json::{Map, Value, json};

use super::ids::derived;
use super::marks::{LOCAL, organisation_of};
use crate::model::SharingGroup;

/// When the groups we make were made: the same everywhere, so that equal groups are equal.
const MADE: &str = "2026-01-01 00:00:00";

/// Who reads, as far as it matters for what they may do with it.
#[derive(Debug, Clone)]
pub struct Peer {
    organisation: Option<Box<str>>,
    of_holder: bool,
    of_house: bool,
    acts_for: BTreeSet<Box<str>>,
    pushed: bool,
}

impl Peer {
    /// That recipient.
    #[must_use]
    pub fn of(recipient: &Recipient, alliance: &Alliance) -> Self {
        let organisation = recipient.organisation.clone().filter(|_| recipient.kind != Kind::Public);
        let of_holder = organisation.as_deref() == Some(&*alliance.holder);
        let local = alliance.groups.get(LOCAL);
        let of_house = of_holder || organisation.as_ref().is_some_and(|o| local.is_some_and(|g| g.members.contains(o)));
        // The holder's people act for the organisations whose MISP this is.
        let acts_for = local.filter(|_| of_holder).map(|g| g.members.clone()).unwrap_or_default();
        Self { of_holder, of_house, acts_for, organisation, pushed: false }
    }

    /// What is pushed belongs to our login over there, so even what is for the peer alone has to name it.
    #[must_use]
    pub fn pushed(mut self) -> Self {
        self.pushed = true;
        self
    }

    /// Does it work on the MISP of this node?
    #[must_use]
    pub(crate) fn is_of_house(&self) -> bool {
        self.of_house
    }

    /// Does it belong to the member whose node this is?
    #[must_use]
    pub(crate) fn is_of_holder(&self) -> bool {
        self.of_holder
    }

    /// Is its organisation one of these?
    #[must_use]
    pub(crate) fn is_in(&self, members: &BTreeSet<Box<str>>) -> bool {
        self.organisation.as_ref().is_some_and(|o| members.contains(o))
    }

    /// Is what comes from there its own organisation's?
    #[must_use]
    pub(crate) fn owns(&self, origin: &Origin, alliance: &Alliance) -> bool {
        origin.originator(alliance).is_some_and(|o| self.organisation.as_deref() == Some(o) || self.acts_for.contains(o))
    }
}

/// How far something may go from a peer onward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Onward {
    /// Anywhere.
    Everyone,
    /// To these organisations.
    To(BTreeSet<Box<str>>),
}

impl Onward {
    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everyone, other) | (other, Self::Everyone) => other,
            (Self::To(a), Self::To(b)) => Self::To(a.intersection(&b).cloned().collect()),
        }
    }
}

/// How far a label lets a peer pass something on. The peer is always among them.
pub(crate) fn onward(label: &Label, origin: &Origin, peer: &Peer, alliance: &Alliance) -> Onward {
    let own: BTreeSet<Box<str>> = peer.organisation.clone().into_iter().collect();
    let Some(terms) = label.terms() else { return Onward::To(own) };
    // MISP has no words for a class, a window, or a marking that nobody has explained.
    let unsayable = !terms.opaque.is_empty() || !terms.categories.is_empty() || terms.not_before_us.is_some() || terms.not_after_us.is_some();
    if unsayable || terms.class > 0 || !terms.realm.is_empty() || !terms.policy.is_empty() {
        return Onward::To(own);
    }
    let members = || alliance.members.keys().filter(|m| alliance.is_member(m)).cloned();
    let mut all = if terms.tlp.is_empty() && terms.audience.is_any() { Onward::To(own.clone()) } else { Onward::Everyone };
    for set in &terms.audience.0 {
        let named = set.iter().flat_map(|name| match name {
            Principal::Member(m) => vec![m.clone()],
            Principal::Group(g) => alliance.groups.get(g).map(|g| g.members.iter().cloned().collect()).unwrap_or_default(),
            Principal::Node(_) | Principal::Person(_) => Vec::new(),
        });
        all = all.meet(Onward::To(named.collect()));
    }
    for binding in terms.tlp.values() {
        // An audience that the originator named is its own answer to how far the level reaches, except of RED.
        let level = if binding.level == Level::Red || *origin != Origin::Own { Some(binding.level) } else { binding.reach };
        let clients = |of: &str| alliance.members.keys().filter(|m| alliance.is_client_of(m, of)).cloned().collect::<Vec<_>>();
        all = all.meet(match level {
            None | Some(Level::Clear) => Onward::Everyone,
            Some(Level::Green) => Onward::To(members().chain(members().flat_map(|m| clients(&m))).chain(own.clone()).collect()),
            Some(Level::Amber) => Onward::To(own.iter().cloned().chain(own.iter().flat_map(|o| clients(o))).collect()),
            Some(Level::AmberStrict | Level::Red) => Onward::To(own.clone()),
        });
    }
    match all {
        Onward::Everyone => Onward::Everyone,
        Onward::To(mut who) => {
            who.extend(own);
            Onward::To(who)
        }
    }
}

/// The strictest level of a label.
pub(crate) fn level(label: &Label) -> Option<Level> {
    label.terms()?.tlp.values().map(|b| b.level).max()
}

/// Puts a label's terms into an element: its distribution, and the group that goes with it.
pub(crate) fn put(element: &mut Map<String, Value>, onward: &Onward, origin: &Origin, peer: &Peer, alliance: &Alliance) {
    element.shift_remove("SharingGroup");
    let level = match onward {
        Onward::Everyone => 3,
        Onward::To(who) if !peer.pushed && who.iter().all(|w| Some(w) == peer.organisation.as_ref()) => 0,
        Onward::To(who) => match group(who, origin, alliance) {
            Some(group) => {
                element.insert("SharingGroup".to_owned(), group);
                4
            }
            None => 0,
        },
    };
    element.insert("distribution".to_owned(), level.to_string().into());
}

/// May MISP's own group stand, since it names just those who may have it and nobody can be added to it on the way?
pub(crate) fn may_stand(given: &SharingGroup, onward: &Onward, alliance: &Alliance) -> bool {
    let Onward::To(who) = onward else { return false };
    let widens = given.roaming || given.servers.iter().any(|s| s.all_orgs) || given.organisations.iter().any(|o| o.extend);
    let named = given.organisations.iter().filter_map(|o| o.organisation.as_ref()).chain(&given.creator);
    let known: BTreeSet<String> = who.iter().filter_map(|w| organisation_of(alliance.members.get(w)?.identity.as_deref()?)).collect();
    !widens
        && given.active != Some(false)
        && !given.organisations.is_empty()
        && named.into_iter().all(|o| super::ids::uuid(&o.uuid).is_some_and(|u| known.contains(&u)))
}

/// A sharing group of those organisations and whose it is, who has it anyway; none if there is nobody MISP could tell by its UUID.
fn group(who: &BTreeSet<Box<str>>, origin: &Origin, alliance: &Alliance) -> Option<Value> {
    let listed = who.iter().map(|w| &**w).chain(origin.originator(alliance)).filter_map(|w| alliance.members.get(w));
    let mut named: Vec<(String, &str)> = listed.filter_map(|m| Some((organisation_of(m.identity.as_deref()?)?, &*m.id))).collect();
    named.sort();
    named.dedup();
    let mut parts = vec!["group"];
    parts.extend(named.iter().map(|(uuid, _)| uuid.as_str()));
    let uuid = derived(&parts);
    let (creator, _) = named.iter().find(|(_, id)| *id == &*alliance.holder).or(named.first())?;
    let organisation = |(uuid, name): &(String, &str)| json!({"uuid": uuid, "name": name});
    let members: Vec<Value> = named.iter().map(|o| json!({"extend": false, "Organisation": organisation(o)})).collect();
    let name = format!("polder {}", uuid.get(..8).unwrap_or_default());
    let by = named.iter().find(|(uuid, _)| uuid == creator).map(organisation);
    let names: Vec<&str> = named.iter().map(|(_, name)| *name).collect();
    Some(
        json!({"uuid": uuid, "name": name, "releasability": names.join(", "), "description": "", "organisation_uuid": creator, "active": true, "created": MADE,
        "modified": MADE, "local": false, "roaming": false, "Organisation": by, "SharingGroupOrg": members, "SharingGroupServer": []}),
    )
}
