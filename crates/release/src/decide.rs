//! THE decision: may this recipient hold this row?
//!
//! The rule: pure, total, nothing is permitted that a test did not permit. docs/decision.md section 4 is the text; this is its only copy in
//! the product.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use polder_stix::{Id, RefKind};
use serde_json::Value;

use crate::directory::{Origin, Policy, Recipient};
use crate::label::{Attribution, Label};
use crate::limits;
use crate::reader::{LabelVerdict, Reader};
use crate::redact::outline_copy;
use crate::tlp::Level;

/// The four answers. Exhaustive on purpose: a new one must break every caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// As received, byte for byte.
    Release,
    /// A copy with something removed.
    Redact,
    /// Not to this recipient.
    Withhold,
    /// Not before a person has said yes.
    Hold,
}

/// Why. Rendered in plain words by the binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The recipient is the originator and reads back its own.
    ReadBack,
    /// Nothing stands against it.
    Permitted,
    /// The recipient is suspended.
    Suspended,
    /// The markings cannot be reconciled.
    Irreconcilable,
    /// The class is above what the recipient may hold.
    Class,
    /// A category the recipient does not hold.
    Category(Box<str>),
    /// The window has not opened or has closed.
    Window,
    /// An audience is named and the recipient is not in it.
    NotNamed,
    /// RED goes to named persons and nodes only, and no further.
    Red,
    /// Outside the level's reach.
    Reach(Level),
    /// A standing release adds the recipient.
    Standing(Level),
    /// Markings nobody has explained to this node.
    Opaque(Vec<Id>),
    /// A person said yes to this row for this recipient.
    Granted,
    /// A required reference leads to something the recipient may not hold.
    RequiredReference,
    /// Of the references of which one must stay, none may.
    NoReferenceLeft,
    /// A property the type requires is marked for others.
    RequiredProperty,
    /// Some properties are marked for others.
    Properties,
    /// Some references lead to something the recipient may not hold.
    References,
    /// A later version hides a part that this one shows.
    HiddenLater,
    /// Required references lead deeper than is followed.
    TooDeep,
}

/// What is taken out of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removal {
    /// Granular markings applied, by position among the row's granular markings.
    pub granular: Vec<u32>,
    /// Objects whose ids are removed.
    pub targets: Vec<u32>,
    /// The author's reference is removed.
    pub author: bool,
    /// What is left, as a number, where the outline is known; else 0.
    pub left: u64,
}

impl Removal {
    /// Nothing is taken out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.granular.is_empty() && self.targets.is_empty() && !self.author
    }

    /// A number that differs when what is removed differs; 0 for nothing. Stays inside.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        if self.is_empty() {
            return 0;
        }
        if self.left != 0 {
            return self.left;
        }
        let numbers = self.granular.iter().chain([&u32::MAX]).chain(&self.targets).chain([u32::from(self.author)].iter()).copied().collect::<Vec<u32>>();
        fnv(numbers.into_iter().flat_map(u32::to_le_bytes)).max(1)
    }
}

/// FNV-1a: stable over releases, which a view log on disk needs.
pub(crate) fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The answer for one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What is removed, for [`Verdict::Redact`].
    pub removal: Removal,
}

impl Judgement {
    fn no(verdict: Verdict, reason: Reason) -> Self {
        Self { verdict, reason, removal: Removal::default() }
    }

    /// The recipient may hold it, whole or in part.
    #[must_use]
    pub fn permits(&self) -> bool {
        matches!(self.verdict, Verdict::Release | Verdict::Redact)
    }
}

/// A row as the decision sees it.
#[derive(Debug, Clone, Copy)]
pub struct RowFacts {
    /// Its object.
    pub object: u32,
    /// Its source.
    pub source: u32,
    /// Its effective label.
    pub label: u32,
    /// Authored here.
    pub own: bool,
}

/// One granular marking, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granular<'h> {
    /// The label of its marking.
    pub label: u32,
    /// It cannot be applied to a part; the row's own label has its marking already.
    pub whole: bool,
    /// What it selects, as written.
    pub selectors: &'h [Box<str>],
}

/// What a node holds, at one moment.
pub trait Held {
    /// The facts of a row.
    fn facts(&self, row: u32) -> RowFacts;
    /// The type of the row's object.
    fn object_type(&self, object: u32) -> &str;
    /// The first row of an object. Removed ones count: what a removed object withheld stays withheld.
    fn first_row(&self, object: u32) -> Option<u32>;
    /// The next row of the same object, removed ones too.
    fn next_row(&self, row: u32) -> Option<u32>;
    /// The references of a row.
    fn references(&self, row: u32) -> &[(u32, RefKind)];
    /// The granular markings of a row.
    fn granular(&self, row: u32) -> Vec<Granular<'_>>;
    /// Rows with granular markings that tighten this one (docs/decision.md section 3), removed ones too.
    fn tighteners(&self, row: u32) -> Vec<u32>;
    /// The outline of a row that has granular markings, or ids where its type requires a text: what of it may go is more than a list of references.
    fn outline(&self, row: u32) -> Option<&Value>;
    /// The id of an object.
    fn id(&self, object: u32) -> Id;
    /// A label and the origin of the rows that carry it.
    fn label(&self, label: u32) -> (&Label, &Origin);
    /// The opaque markings a person has granted this recipient for this row.
    fn granted(&self, row: u32, recipient: u32) -> Option<&[Id]>;
}

/// Cached answers of [`Reader::test`] for one recipient and one policy epoch: labels are few, rows are many.
pub type LabelCache = RefCell<Vec<Option<LabelVerdict>>>;

/// The decision for one recipient over what is held at one moment.
#[derive(Debug)]
pub struct Judge<'a, H> {
    held: &'a H,
    policy: &'a Policy,
    number: u32,
    recipient: &'a Recipient,
    reader: Reader<'a>,
    now_us: i64,
    epoch: u64,
    cache: &'a LabelCache,
    /// Rows of which a later version is known to hide a part, or not: the same row is asked for again and again along references.
    later: RefCell<HashMap<u32, bool>>,
}

impl<'a, H: Held> Judge<'a, H> {
    /// For a recipient by number; `None` when there is no such recipient. The cache must be of this recipient and epoch.
    pub fn new(held: &'a H, policy: &'a Policy, number: u32, now_us: i64, epoch: u64, cache: &'a LabelCache) -> Option<Self> {
        let recipient = policy.recipients.get(usize::try_from(number).ok()?)?;
        let reader = Reader::new(recipient, &policy.alliance);
        Some(Self { held, policy, number, recipient, reader, now_us, epoch, cache, later: RefCell::default() })
    }

    /// The recipient's number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The policy epoch it decides under.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What is held.
    #[must_use]
    pub fn held(&self) -> &'a H {
        self.held
    }

    /// The policy it decides by.
    #[must_use]
    pub fn policy(&self) -> &'a Policy {
        self.policy
    }

    /// The label in force for a row, and who introduced it.
    pub(crate) fn label_of(&self, row: u32) -> Box<(Label, Origin)> {
        let (label, origin) = self.held.label(self.held.facts(row).label);
        Box::new((label.clone(), origin.clone()))
    }

    fn label_verdict(&self, number: u32) -> LabelVerdict {
        if number == u32::MAX {
            // A row without a label: nobody, and nothing to remember.
            return LabelVerdict::Deny(Reason::Irreconcilable);
        }
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(Some(known)) = self.cache.borrow().get(at) {
            return known.clone();
        }
        let (label, origin) = self.held.label(number);
        let verdict = self.reader.test(label, origin, self.now_us);
        let windowed = label.terms().is_some_and(|t| t.not_before_us.is_some() || t.not_after_us.is_some());
        if !windowed {
            let mut cache = self.cache.borrow_mut();
            if cache.len() <= at {
                cache.resize(at.saturating_add(1), None);
            }
            if let Some(slot) = cache.get_mut(at) {
                *slot = Some(verdict.clone());
            }
        }
        verdict
    }

    /// Tests 1 to 7 for a label of this row: `Ok(true)` when it is read back in full.
    fn label_permits(&self, row: u32, facts: &RowFacts, label: u32) -> Result<Reason, Judgement> {
        let (opaque, yes) = match self.label_verdict(label) {
            LabelVerdict::ReadBack => return Ok(Reason::ReadBack),
            LabelVerdict::Permit => return Ok(Reason::Permitted),
            LabelVerdict::Deny(reason) => return Err(Judgement::no(Verdict::Withhold, reason)),
            LabelVerdict::Opaque => (true, Reason::Granted),
            LabelVerdict::IfStanding(level, opaque) => {
                let kind = self.held.object_type(facts.object);
                if !self.policy.standing.iter().any(|s| s.adds(level, kind, self.recipient, &self.policy.alliance)) {
                    return Err(Judgement::no(Verdict::Withhold, Reason::Reach(level)));
                }
                (opaque, Reason::Standing(level))
            }
        };
        if !opaque {
            return Ok(yes);
        }
        let (terms, _) = self.held.label(label);
        let unread: Vec<Id> = terms.terms().map(|t| t.opaque.iter().cloned().collect()).unwrap_or_default();
        if self.held.granted(row, self.number).is_some_and(|granted| unread.iter().all(|id| granted.contains(id))) {
            return Ok(Reason::Granted);
        }
        let verdict = if facts.own { Verdict::Hold } else { Verdict::Withhold };
        Err(Judgement::no(verdict, Reason::Opaque(unread)))
    }

    /// The answer for a live row.
    #[must_use]
    pub fn judge(&self, row: u32) -> Judgement {
        let facts = self.held.facts(row);
        let reason = match self.label_permits(row, &facts, facts.label) {
            Err(no) => return no,
            Ok(Reason::ReadBack) => return Judgement { verdict: Verdict::Release, reason: Reason::ReadBack, removal: Removal::default() },
            Ok(reason) => reason,
        };
        if self.hidden_later(row, &facts) {
            return Judgement::no(Verdict::Withhold, Reason::HiddenLater);
        }
        let mut removal = Removal { author: self.hides_author(facts.label), ..Removal::default() };
        removal.granular = self.applied(row, &facts);
        let outline = self.held.outline(row);
        let (mut any_of, mut any_left) = (false, false);
        let references = self.held.references(row);
        let mut walk = Walk::default();
        if !references.is_empty() {
            walk.stack.push(row);
        }
        for (target, kind) in references {
            let denied = self.denied(*target, &facts, &mut walk).yes;
            match kind {
                RefKind::Required if denied => return Judgement::no(Verdict::Withhold, Reason::RequiredReference),
                RefKind::Required | RefKind::Optional => {}
                RefKind::AnyOf => {
                    any_of = true;
                    any_left |= !denied;
                }
            }
            if denied {
                removal.targets.push(*target);
            }
        }
        if any_of && !any_left {
            return Judgement::no(Verdict::Withhold, Reason::NoReferenceLeft);
        }
        removal.targets.sort_unstable();
        removal.targets.dedup();
        if let (Some(outline), false) = (outline, removal.is_empty()) {
            match self.left(outline, &removal) {
                Some(left) => removal.left = left,
                None => return Judgement::no(Verdict::Withhold, Reason::RequiredProperty),
            }
        }
        let (verdict, reason) = match (removal.granular.is_empty() && !removal.author, removal.targets.is_empty()) {
            (true, true) => (Verdict::Release, reason),
            (true, false) => (Verdict::Redact, Reason::References),
            (false, _) => (Verdict::Redact, Reason::Properties),
        };
        Judgement { verdict, reason, removal }
    }

    /// Granular markings of the row that the recipient may not hold, by position.
    fn applied(&self, row: u32, facts: &RowFacts) -> Vec<u32> {
        let marks = self.held.granular(row);
        let denied = marks.iter().enumerate().filter(|(_, mark)| !mark.whole && self.label_permits(row, facts, mark.label).is_err());
        denied.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
    }

    /// What a later version hides is not to be had by asking for an earlier one.
    fn hidden_later(&self, row: u32, facts: &RowFacts) -> bool {
        let later = self.held.tighteners(row);
        if later.is_empty() {
            return false;
        }
        if let Some(known) = self.later.borrow().get(&row) {
            return *known;
        }
        let hidden = later.len() > limits::TIGHTENERS_MAX || self.uncovered(row, facts, &later);
        self.later.borrow_mut().insert(row, hidden);
        hidden
    }

    /// Do these hide a part that the row's own hidden selectors do not cover?
    fn uncovered(&self, row: u32, facts: &RowFacts, later: &[u32]) -> bool {
        // An element's place in a list says nothing about another version of the list.
        let mine: HashSet<&str> = self.hidden(row, facts).into_iter().filter(|selector| !selector.contains('[')).collect();
        let covered = |selector: &str| {
            let ends = selector.match_indices('.').map(|(at, _)| at).chain([selector.len()]);
            ends.filter_map(|end| selector.get(..end)).any(|start| mine.contains(start))
        };
        let mut compared = 0;
        for other in later {
            let marks = self.held.granular(*other);
            compared += marks.iter().map(|mark| mark.selectors.len()).sum::<usize>();
            if compared > limits::SELECTORS_COMPARED_MAX || self.hidden(*other, &self.held.facts(*other)).into_iter().any(|selector| !covered(selector)) {
                return true;
            }
        }
        false
    }

    /// What the row's granular markings hide from the recipient, as written.
    fn hidden(&self, row: u32, facts: &RowFacts) -> Vec<&str> {
        let marks = self.held.granular(row).into_iter();
        let denied = marks.filter(|mark| !mark.whole && self.label_permits(row, facts, mark.label).is_err());
        denied.flat_map(|mark| mark.selectors.iter().map(|s| &**s)).collect()
    }

    fn left(&self, outline: &Value, removal: &Removal) -> Option<u64> {
        let denied: BTreeSet<Id> = removal.targets.iter().map(|target| self.held.id(*target)).collect();
        outline_copy(outline, &removal.granular, &denied, removal.author)
    }

    fn hides_author(&self, label: u32) -> bool {
        self.held.label(label).0.terms().is_some_and(|t| t.attribution == Attribution::Forbidden)
    }

    /// Is there a row of the object in scope, and may the recipient hold none of them?
    fn denied(&self, object: u32, from: &RowFacts, walk: &mut Walk) -> Answer {
        let mut present = false;
        let mut low = usize::MAX;
        let mut next = self.held.first_row(object);
        while let Some(row) = next {
            next = self.held.next_row(row);
            let facts = self.held.facts(row);
            if !from.own && facts.source != from.source {
                continue;
            }
            let answer = self.holdable(row, &facts, walk);
            if answer.yes {
                return Answer { yes: false, low: answer.low };
            }
            low = low.min(answer.low);
            present = true;
        }
        Answer { yes: present, low }
    }

    /// The yes or no of [`Judge::judge`], without what would be removed. A row under examination counts as permitted.
    fn holdable(&self, row: u32, facts: &RowFacts, walk: &mut Walk) -> Answer {
        if let Some(depth) = walk.stack.iter().position(|r| *r == row) {
            return Answer { yes: true, low: depth };
        }
        if let Some(known) = walk.known.get(&row) {
            return Answer::sure(*known);
        }
        if let Some(known) = walk.known_here(row) {
            walk.cuts += 1;
            return Answer::sure(known);
        }
        match self.label_permits(row, facts, facts.label) {
            Err(_) => return Answer::sure(false),
            Ok(Reason::ReadBack) => return Answer::sure(true),
            Ok(_) if self.hidden_later(row, facts) => return Answer::sure(false),
            Ok(_) => {}
        }
        walk.steps += 1;
        if walk.stack.len() >= limits::REFERENCE_DEPTH_MAX || walk.steps > limits::REFERENCE_STEPS_MAX {
            walk.cuts += 1;
            return Answer::sure(false);
        }
        let (cuts, depth) = (walk.cuts, walk.stack.len());
        walk.stack.push(row);
        let answer = self.references_permit(row, facts, walk);
        walk.stack.pop();
        // A no stands whatever was assumed. A yes stands if it assumed nothing about the rows that led here. Neither does if the walk was cut.
        let final_yes = answer.yes && answer.low >= depth;
        if cuts == walk.cuts && (final_yes || !answer.yes) {
            walk.known.insert(row, answer.yes);
        } else if final_yes {
            walk.yes_to.entry(row).and_modify(|to| *to = depth.max(*to)).or_insert(depth);
        } else if !answer.yes {
            walk.no_from.entry(row).and_modify(|from| *from = depth.min(*from)).or_insert(depth);
        }
        if final_yes { Answer::sure(true) } else { answer }
    }

    fn references_permit(&self, row: u32, facts: &RowFacts, walk: &mut Walk) -> Answer {
        let outline = self.held.outline(row);
        let mut removal = Removal::default();
        if outline.is_some() {
            removal.granular = self.applied(row, facts);
        }
        let (mut any_of, mut any_left, mut low) = (false, false, usize::MAX);
        for (target, kind) in self.held.references(row) {
            match kind {
                RefKind::Optional if outline.is_none() => {}
                RefKind::AnyOf if outline.is_none() && any_left => {}
                _ => {
                    let denied = self.denied(*target, facts, walk);
                    low = low.min(denied.low);
                    any_of |= *kind == RefKind::AnyOf;
                    any_left |= *kind == RefKind::AnyOf && !denied.yes;
                    if denied.yes && *kind == RefKind::Required {
                        return Answer { yes: false, low };
                    }
                    if denied.yes {
                        removal.targets.push(*target);
                    }
                }
            }
        }
        let whole = outline.is_none_or(|outline| removal.is_empty() || self.left(outline, &removal).is_some());
        Answer { yes: (!any_of || any_left) && whole, low }
    }
}

/// A yes or no, and the lowest place on the way here that it took for permitted.
#[derive(Debug, Clone, Copy)]
struct Answer {
    yes: bool,
    low: usize,
}

impl Answer {
    fn sure(yes: bool) -> Self {
        Self { yes, low: usize::MAX }
    }
}

/// One walk along references: where it is, and what it has found out for good.
#[derive(Debug, Default)]
struct Walk {
    stack: Vec<u32>,
    known: HashMap<u32, bool>,
    /// Where the walk was cut below a row: how deep it stood at least when the answer was no, and at most when it was yes. Deeper a no stays a no, and less
    /// deep a yes a yes.
    no_from: HashMap<u32, usize>,
    yes_to: HashMap<u32, usize>,
    steps: u32,
    cuts: u32,
}

impl Walk {
    /// What was found out about a row where the walk was cut, if it holds at this depth.
    fn known_here(&self, row: u32) -> Option<bool> {
        let depth = self.stack.len();
        if self.no_from.get(&row).is_some_and(|from| depth >= *from) {
            return Some(false);
        }
        self.yes_to.get(&row).is_some_and(|to| depth <= *to).then_some(true)
    }
}
