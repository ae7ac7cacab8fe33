//! Who is who: the alliance, its members, groups and persons, and the recipients of this node.
//!
//! Plain data behind the type that a signed roster will fill; nothing here decides anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::tlp::Level;

/// What a recipient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An organisation's shared login.
    Organisation,
    /// Another node.
    Node,
    /// A person.
    Person,
    /// A MISP, a TAXII client, a SIEM.
    PartnerSystem,
    /// Anyone, without credentials.
    Public,
}

impl Kind {
    /// Reads the name used in files and on the command line.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "organisation" => Some(Self::Organisation),
            "node" => Some(Self::Node),
            "person" => Some(Self::Person),
            "partner-system" => Some(Self::PartnerSystem),
            "public" => Some(Self::Public),
            _ => None,
        }
    }

    /// The name used in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Node => "node",
            Self::Person => "person",
            Self::PartnerSystem => "partner-system",
            Self::Public => "public",
        }
    }
}

/// An organisation the node knows: a member, or a client of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id, as audiences name it.
    pub id: Box<str>,
    /// Its id as a STIX identity.
    pub identity: Option<Box<str>>,
    /// Organisations whose client it is.
    pub client_of: BTreeSet<Box<str>>,
    /// In the alliance, or only known as a client of a member.
    pub in_alliance: bool,
}

/// A named set of members and persons.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its members.
    pub members: BTreeSet<Box<str>>,
    /// Its persons.
    pub persons: BTreeSet<Box<str>>,
}

/// The alliance as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alliance {
    /// The member whose node this is.
    pub holder: Box<str>,
    /// Organisations by id.
    pub members: BTreeMap<Box<str>, Member>,
    /// Groups by id.
    pub groups: BTreeMap<Box<str>, Group>,
}

impl Alliance {
    /// Is the organisation in the alliance?
    #[must_use]
    pub fn is_member(&self, organisation: &str) -> bool {
        organisation == &*self.holder || self.members.get(organisation).is_some_and(|m| m.in_alliance)
    }

    /// Is the organisation a client of the other?
    #[must_use]
    pub fn is_client_of(&self, organisation: &str, provider: &str) -> bool {
        self.members.get(organisation).is_some_and(|m| m.client_of.contains(provider))
    }

    /// The STIX identity of the holder, where one is configured.
    #[must_use]
    pub fn holder_identity(&self) -> Option<&str> {
        self.members.get(&self.holder).and_then(|m| m.identity.as_deref())
    }
}

/// Someone who may be given something: an organisation, node, person or partner system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Its id; nodes are named by it in audiences.
    pub id: Box<str>,
    /// What it is.
    pub kind: Kind,
    /// Its organisation; none for the public.
    pub organisation: Option<Box<str>>,
    /// The person it is, for kind `person`.
    pub person: Option<Box<str>>,
    /// Not suspended.
    pub active: bool,
    /// Highest class it may hold.
    pub class_max: u8,
    /// Categories it may hold.
    pub categories: BTreeSet<Box<str>>,
}

impl Recipient {
    /// A recipient of a kind and organisation, active, without class or categories.
    #[must_use]
    pub fn new(id: &str, kind: Kind, organisation: Option<&str>) -> Self {
        Self { id: id.into(), kind, organisation: organisation.map(Into::into), person: None, active: true, class_max: 0, categories: BTreeSet::new() }
    }

    /// Does it belong to the organisation?
    #[must_use]
    pub fn is_of(&self, organisation: &str) -> bool {
        self.organisation.as_deref() == Some(organisation)
    }
}

/// A member's rule for its own rows that adds recipients where no audience is named; never for RED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub id: Box<str>,
    /// Levels it speaks of.
    pub levels: BTreeSet<Level>,
    /// Object types it speaks of; empty means all.
    pub types: BTreeSet<Box<str>>,
    /// Members it adds.
    pub members: BTreeSet<Box<str>>,
    /// Recipients it adds.
    pub recipients: BTreeSet<Box<str>>,
}

impl Standing {
    /// Does the rule add this recipient for this level and type?
    #[must_use]
    pub fn adds(&self, level: Level, object_type: &str, recipient: &Recipient, alliance: &Alliance) -> bool {
        level != Level::Red
            && self.levels.contains(&level)
            && (self.types.is_empty() || self.types.contains(object_type))
            && (self.recipients.contains(&recipient.id) || recipient.organisation.as_deref().is_some_and(|o| self.members.contains(o) && alliance.is_member(o)))
    }
}

/// Everything a decision depends on besides the rows: one policy epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The alliance.
    pub alliance: Alliance,
    /// Recipients, in the order of their numbers.
    pub recipients: Vec<Recipient>,
    /// Standing releases.
    pub standing: Vec<Standing>,
}

/// Where a copy came from, as far as the decision cares.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// This member introduced it.
    Own,
    /// It came with that organisation's credentials or signature.
    Member(Box<str>),
    /// Nobody vouches for it.
    Feed,
}

impl Origin {
    /// The organisation that introduced it, if one did.
    #[must_use]
    pub fn originator<'a>(&'a self, alliance: &'a Alliance) -> Option<&'a str> {
        match self {
            Self::Own => Some(&alliance.holder),
            Self::Member(id) => Some(id),
            Self::Feed => None,
        }
    }
}
