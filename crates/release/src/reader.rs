//! What a label alone says to a recipient, for one recipient or for all of them at once.
//!
//! The rule: docs/decision.md section 4, tests 1 to 7, in that order; nothing is permitted that a test did not permit.

use std::collections::HashMap;

use crate::decide::Reason;
use crate::directory::{Alliance, Group, Kind, Origin, Recipient};
use crate::label::{Audience, Label, Principal, Terms};
use crate::tlp::Level;

/// What a label alone says to a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelVerdict {
    /// In full, whatever else.
    ReadBack,
    /// Yes, as far as the label goes.
    Permit,
    /// Only if a standing release names this level and the object's type; the flag: then the opaque markings still stand.
    IfStanding(Level, bool),
    /// Everything but the opaque markings permits.
    Opaque,
    /// No.
    Deny(Reason),
}

/// A recipient and how it stands to the holder, worked out once for all labels.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    recipient: &'a Recipient,
    alliance: &'a Alliance,
    of_holder: bool,
    client: bool,
    member: bool,
    /// Every principal that names it.
    names: Vec<Principal>,
    /// Those that name it as a person or a node, not through its organisation.
    individual_names: Vec<Principal>,
}

impl<'a> Reader<'a> {
    /// The recipient as the alliance knows it.
    #[must_use]
    pub fn new(recipient: &'a Recipient, alliance: &'a Alliance) -> Self {
        let organisation = recipient.organisation.as_deref();
        let member = organisation.filter(|o| alliance.is_member(o));
        let person = recipient.person.as_deref().filter(|_| recipient.kind == Kind::Person);
        let mut individual_names: Vec<Principal> = person.map(|p| Principal::Person(p.into())).into_iter().collect();
        if recipient.kind == Kind::Node {
            individual_names.push(Principal::Node(recipient.id.clone()));
        }
        let groups = |names: &dyn Fn(&Group) -> bool| -> Vec<Principal> {
            alliance.groups.iter().filter(|(_, g)| names(g)).map(|(id, _)| Principal::Group(id.clone())).collect()
        };
        individual_names.extend(groups(&|g| person.is_some_and(|p| g.persons.contains(p))));
        let mut names = individual_names.clone();
        names.extend(member.map(|m| Principal::Member(m.into())));
        names.extend(groups(&|g| member.is_some_and(|m| g.members.contains(m))));
        Self {
            recipient,
            alliance,
            of_holder: recipient.is_of(&alliance.holder),
            client: organisation.is_some_and(|o| alliance.is_client_of(o, &alliance.holder)),
            member: member.is_some(),
            names,
            individual_names,
        }
    }

    /// Tests a label of a row of that origin.
    #[must_use]
    pub fn test(&self, label: &Label, origin: &Origin, now_us: i64) -> LabelVerdict {
        self.test_named(label, origin, now_us, &|audience| is_in(&self.names, audience))
    }

    /// The same, where it is known by other means whether an audience names the recipient.
    fn test_named(&self, label: &Label, origin: &Origin, now_us: i64, named: &dyn Fn(&Audience) -> bool) -> LabelVerdict {
        let recipient = self.recipient;
        if !recipient.active {
            return LabelVerdict::Deny(Reason::Suspended);
        }
        let Some(terms) = label.terms().filter(|t| t.realm.is_empty() && t.policy.is_empty()) else {
            return LabelVerdict::Deny(Reason::Irreconcilable);
        };
        if terms.class > recipient.class_max {
            return LabelVerdict::Deny(Reason::Class);
        }
        if let Some(missing) = terms.categories.iter().find(|c| !recipient.categories.contains(*c)) {
            return LabelVerdict::Deny(Reason::Category(missing.clone()));
        }
        let reads_back = matches!(recipient.kind, Kind::Organisation | Kind::Node);
        if reads_back && origin.originator(self.alliance).is_some_and(|o| recipient.is_of(o)) {
            return LabelVerdict::ReadBack;
        }
        if terms.not_before_us.is_some_and(|t| now_us < t) || terms.not_after_us.is_some_and(|t| now_us >= t) {
            return LabelVerdict::Deny(Reason::Window);
        }
        if !terms.audience.is_any() && !named(&terms.audience) {
            return LabelVerdict::Deny(Reason::NotNamed);
        }
        let standing = match self.test_levels(terms, origin) {
            Ok(standing) => standing,
            Err(reason) => return LabelVerdict::Deny(reason),
        };
        let opaque = !terms.opaque.is_empty() && !self.of_holder;
        match (standing, opaque) {
            (Some(level), opaque) => LabelVerdict::IfStanding(level, opaque),
            (None, true) => LabelVerdict::Opaque,
            (None, false) => LabelVerdict::Permit,
        }
    }

    /// The TLP part: permitted, or permitted if a standing release names the level returned.
    fn test_levels(&self, terms: &Terms, origin: &Origin) -> Result<Option<Level>, Reason> {
        let mut standing = None;
        for (originator, binding) in &terms.tlp {
            if binding.level == Level::Red {
                let named = !terms.audience.is_any() && is_in(&self.individual_names, &terms.audience);
                if *origin != Origin::Own || !named {
                    return Err(Reason::Red);
                }
            }
            let Some(reach) = binding.reach else { continue };
            if self.reached_by(reach) {
                continue;
            }
            let first_hop = *origin == Origin::Own && originator.as_deref() == Some(&*self.alliance.holder);
            if !first_hop || binding.level == Level::Red || standing.is_some() {
                return Err(Reason::Reach(reach));
            }
            standing = Some(reach);
        }
        Ok(standing)
    }

    fn reached_by(&self, level: Level) -> bool {
        match level {
            Level::Clear => true,
            Level::Green => self.member || self.client,
            Level::Amber => self.of_holder || self.client,
            Level::AmberStrict => self.of_holder,
            Level::Red => false,
        }
    }
}

/// Does every set of the audience hold one of the names?
fn is_in(names: &[Principal], audience: &Audience) -> bool {
    audience.0.iter().all(|set| names.iter().any(|name| set.contains(name)))
}

/// All recipients of a policy, so that who is named is worked out once for each label and not for each recipient.
#[derive(Debug)]
pub struct Readers<'a> {
    readers: Vec<Reader<'a>>,
    /// Who answers to a name, one bit each.
    named: HashMap<&'a Principal, Vec<u64>>,
    words: usize,
}

impl<'a> Readers<'a> {
    /// Works out whom names name.
    #[must_use]
    pub fn named_by(readers: &'a [Reader<'a>]) -> Self {
        let words = readers.len().div_ceil(64);
        let mut named: HashMap<&Principal, Vec<u64>> = HashMap::new();
        for (n, reader) in readers.iter().enumerate() {
            for name in &reader.names {
                if let Some(word) = named.entry(name).or_insert_with(|| vec![0; words]).get_mut(n / 64) {
                    *word |= 1 << (n % 64);
                }
            }
        }
        Self { readers: readers.to_vec(), named, words }
    }

    /// What the label says to each recipient, in their order.
    pub fn test<'t>(&'t self, label: &'t Label, origin: &'t Origin, now_us: i64) -> impl Iterator<Item = LabelVerdict> + 't {
        let in_all = label.terms().map(|t| self.in_all(&t.audience)).unwrap_or_default();
        let is_in = move |n: usize| in_all.get(n / 64).is_some_and(|word| word >> (n % 64) & 1 == 1);
        self.readers.iter().enumerate().map(move |(n, reader)| reader.test_named(label, origin, now_us, &|_| is_in(n)))
    }

    /// Who is in every set of an audience.
    fn in_all(&self, audience: &Audience) -> Vec<u64> {
        let mut all = vec![u64::MAX; self.words];
        for set in &audience.0 {
            let mut here = vec![0; self.words];
            for who in set.iter().filter_map(|name| self.named.get(name)) {
                here.iter_mut().zip(who).for_each(|(word, bits)| *word |= bits);
            }
            all.iter_mut().zip(here).for_each(|(word, bits)| *word &= bits);
        }
        all
    }
}

/// Tests a label of a row of that origin against a recipient.
#[must_use]
pub fn test_label(label: &Label, origin: &Origin, recipient: &Recipient, alliance: &Alliance, now_us: i64) -> LabelVerdict {
    Reader::new(recipient, alliance).test(label, origin, now_us)
}
