//! The one internal form that markings compile to, and its join.
//!
//! INVARIANT (labels only tighten): join is commutative, associative and idempotent, and what join(a, b) permits, a and b permit.

use std::collections::{BTreeMap, BTreeSet};

use polder_stix::Id;

use crate::tlp::{Level, Pap};

/// Someone an audience names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Principal {
    /// A group of the alliance.
    Group(Box<str>),
    /// A member.
    Member(Box<str>),
    /// A node, by recipient id.
    Node(Box<str>),
    /// A person.
    Person(Box<str>),
}

impl Principal {
    /// The list of an audience that it stands in.
    #[must_use]
    pub fn list(&self) -> &'static str {
        match self {
            Self::Group(_) => "groups",
            Self::Member(_) => "members",
            Self::Node(_) => "nodes",
            Self::Person(_) => "persons",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Group(name) | Self::Member(name) | Self::Node(name) | Self::Person(name) => name,
        }
    }

    /// List and name in one word, like `members:bravo`.
    #[must_use]
    pub fn word(&self) -> String {
        format!("{}:{}", self.list(), self.name())
    }

    /// Reads such a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let (list, name) = word.split_once(':').filter(|(_, name)| !name.is_empty())?;
        Some(match list {
            "groups" => Self::Group(name.into()),
            "members" => Self::Member(name.into()),
            "nodes" => Self::Node(name.into()),
            "persons" => Self::Person(name.into()),
            _ => return None,
        })
    }
}

/// The sets a recipient must match, all of them. No set: everyone. An empty set: nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Audience(pub BTreeSet<BTreeSet<Principal>>);

impl Audience {
    /// Just this set.
    #[must_use]
    pub fn of(names: impl IntoIterator<Item = Principal>) -> Self {
        Self(BTreeSet::from([names.into_iter().collect()]))
    }

    /// Nobody is named, so nobody is excluded.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }
}

/// What an originator's TLP level binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Binding {
    /// The strictest level: what recipients may do next.
    pub level: Level,
    /// The strictest level that stood without a named audience, or came from elsewhere: it limits who receives at all.
    /// Kept beside `level`, since joining a level with somebody else's audience must not widen the level's reach.
    pub reach: Option<Level>,
}

/// Whether the originator's name may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Attribution {
    /// As the holder likes.
    #[default]
    Free,
    /// It must travel.
    Required,
    /// It must not.
    Forbidden,
}

/// The parts of a label that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Terms {
    /// The realm's name; empty is operations.
    pub realm: Box<str>,
    /// The policy's name; empty is the alliance's.
    pub policy: Box<str>,
    /// Position in the policy's hierarchy; 0 is unclassified.
    pub class: u8,
    /// Level per originator; `None` for a feed, which has none.
    pub tlp: BTreeMap<Option<Box<str>>, Binding>,
    /// Who is named.
    pub audience: Audience,
    /// All of these a recipient must hold.
    pub categories: BTreeSet<Box<str>>,
    /// Permissible actions.
    pub pap: Option<Pap>,
    /// May the originator be named?
    pub attribution: Attribution,
    /// Not before this time, microseconds since 1970.
    pub not_before_us: Option<i64>,
    /// Only before this time, microseconds since 1970.
    pub not_after_us: Option<i64>,
    /// Markings that could not be read.
    pub opaque: BTreeSet<Id>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            realm: "".into(),
            policy: "".into(),
            class: 0,
            tlp: BTreeMap::new(),
            audience: Audience::default(),
            categories: BTreeSet::new(),
            pap: None,
            attribution: Attribution::Free,
            not_before_us: None,
            not_after_us: None,
            opaque: BTreeSet::new(),
        }
    }
}

/// A label: canonical, so that equal labels are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// Irreconcilable: nobody.
    Top,
    /// These terms.
    Terms(Terms),
}

impl Label {
    /// The stricter of both, in every field.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Terms(a), Self::Terms(b)) if a.realm == b.realm && a.policy == b.policy => Self::Terms(join_terms(a, b)),
            _ => Self::Top,
        }
    }

    /// The terms, unless nobody may hold it.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Top => None,
            Self::Terms(t) => Some(t),
        }
    }
}

fn join_terms(a: &Terms, b: &Terms) -> Terms {
    let mut tlp = a.tlp.clone();
    for (origin, binding) in &b.tlp {
        tlp.entry(origin.clone())
            .and_modify(|have| *have = Binding { level: have.level.max(binding.level), reach: have.reach.max(binding.reach) })
            .or_insert(*binding);
    }
    Terms {
        realm: a.realm.clone(),
        policy: a.policy.clone(),
        class: a.class.max(b.class),
        tlp,
        audience: Audience(a.audience.0.union(&b.audience.0).cloned().collect()),
        categories: a.categories.union(&b.categories).cloned().collect(),
        pap: a.pap.max(b.pap),
        attribution: a.attribution.max(b.attribution),
        not_before_us: a.not_before_us.max(b.not_before_us),
        not_after_us: match (a.not_after_us, b.not_after_us) {
            (Some(x), Some(y)) => Some(x.min(y)),
            (x, y) => x.or(y),
        },
        opaque: a.opaque.union(&b.opaque).cloned().collect(),
    }
}
