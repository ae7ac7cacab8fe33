//! The one door: decided, then entered in the ledger, then released, then past the sink. No step can be skipped, because no type but the
//! step before can be turned into the next one.
//!
//! INVARIANT (one door): [`Decided`] and [`Released`] have private fields; [`decide`] and [`commit`] are their only constructors.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use polder_stix::Id;
use polder_stix::time::Version;
use sha2::{Digest, Sha256};

use crate::decide::{Held, Judge, Verdict};
use crate::directory::Origin;
use crate::label::Label;
use crate::realm::{Operations, Realm};
use crate::redact::redact;

/// A place in a recipient's view log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position in the log.
    pub position: u32,
    /// The row.
    pub row: u32,
    /// The object's id.
    pub id: Id,
    /// The object's version; none for an unversioned object, which is known by its date.
    pub version: Option<Version>,
    /// When the recipient's entitlement began, microseconds since 1970.
    pub date_us: i64,
    /// What the log says is removed from it.
    pub fingerprint: u64,
}

/// How much of a row goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// That it exists: id, version, date.
    Listed,
    /// The object.
    Whole,
    /// The object and its label, for a carrier that says in its own words who else may have it.
    Labelled,
}

/// What the ledger keeps of one entry that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// That it exists.
    Listed,
    /// As received.
    Full,
    /// A redacted copy with this SHA-256.
    Redacted([u8; 32]),
}

/// One entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it stands in the log.
    pub entry: Entry,
    /// The object's bytes; empty when only listed.
    pub bytes: Vec<u8>,
    /// What the ledger keeps of it.
    pub mark: Mark,
    /// What is in force for it, and who introduced it; only of [`Form::Labelled`].
    pub label: Option<Box<(Label, Origin)>>,
}

/// Entries for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In log order.
    pub items: Vec<Item>,
    /// The last position that was looked at, when there is more.
    pub next: Option<u32>,
    /// Entries that are permitted and whose bytes are damaged, so that they are not there.
    pub unreadable: usize,
}

/// A page that was decided, and may go nowhere yet.
#[derive(Debug)]
pub struct Decided<P, R: Realm = Operations> {
    page: P,
    recipient: u32,
    epoch: u64,
    realm: PhantomData<R>,
}

impl<R: Realm> Decided<Page, R> {
    /// Drops what was not meant after all, before it is entered in the ledger as released.
    pub fn retain(&mut self, mut meant: impl FnMut(&Item) -> bool) {
        self.page.items.retain(|item| meant(item));
    }
}

/// A page whose release stands in the ledger on disk.
#[derive(Debug)]
pub struct Released<P, R: Realm = Operations> {
    page: P,
    recipient: u32,
    epoch: u64,
    realm: PhantomData<R>,
}

/// Decides a page of rows that are held in realm `R`. Rows that may not go, or no longer go in the form the log says, are left out; so are rows whose body is damaged
/// (`body_of` gives `None`).
///
/// # Errors
/// Whatever fetching a body failed with.
pub fn decide<R: Realm, H: Held, E>(
    judge: &Judge<'_, H>,
    entries: Vec<Entry>,
    next: Option<u32>,
    form: Form,
    id_of: &dyn Fn(u32) -> Id,
    body_of: &mut dyn FnMut(u32) -> Result<Option<Vec<u8>>, E>,
) -> Result<Decided<Page, R>, E> {
    let mut page = Page { items: Vec::with_capacity(entries.len()), next, unreadable: 0 };
    for entry in entries {
        let judgement = judge.judge(entry.row);
        if !judgement.permits() || judgement.removal.fingerprint() != entry.fingerprint {
            continue;
        }
        if form == Form::Listed {
            page.items.push(Item { entry, bytes: Vec::new(), mark: Mark::Listed, label: None });
            continue;
        }
        let Some(bytes) = body_of(entry.row)? else {
            page.unreadable += 1;
            continue;
        };
        let label = (form == Form::Labelled).then(|| judge.label_of(entry.row));
        let item = if judgement.verdict == Verdict::Release {
            Item { entry, bytes, mark: Mark::Full, label }
        } else {
            let denied: BTreeSet<Id> = judgement.removal.targets.iter().map(|t| id_of(*t)).collect();
            let by = judge.policy().alliance.holder_identity();
            let Ok(bytes) = redact(&bytes, &judgement.removal.granular, &denied, judgement.removal.author, by) else { continue };
            let mark = Mark::Redacted(Sha256::digest(&bytes).into());
            Item { entry, bytes, mark, label }
        };
        page.items.push(item);
    }
    Ok(Decided { page, recipient: judge.number(), epoch: judge.epoch(), realm: PhantomData })
}

/// Where releases are written before anything leaves.
pub trait Ledger {
    /// The realm it keeps account of.
    type Realm: Realm;
    /// What can fail.
    type Error;
    /// Makes the marks durable; returns when they are on disk.
    ///
    /// # Errors
    /// When they are not; nothing leaves then.
    fn record(&mut self, recipient: u32, epoch: u64, page: &Page) -> Result<(), Self::Error>;
}

/// Enters a decided page in the ledger.
///
/// # Errors
/// The ledger's; nothing is released then.
pub fn commit<L: Ledger>(decided: Decided<Page, L::Realm>, ledger: &mut L) -> Result<Released<Page, L::Realm>, L::Error> {
    ledger.record(decided.recipient, decided.epoch, &decided.page)?;
    Ok(Released { page: decided.page, recipient: decided.recipient, epoch: decided.epoch, realm: PhantomData })
}

/// What the sink asks again before each write.
pub trait Gate {
    /// The realm whose pages it lets out.
    type Realm: Realm;
    /// The policy epoch in force.
    fn epoch(&self) -> u64;
    /// May anything go to this recipient at all?
    fn may_receive(&self, recipient: u32) -> bool;
}

/// Why the sink refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The policy changed between decision and write; decide again.
    #[error("the policy changed while the page was made")]
    Epoch,
    /// The page was made for somebody else, or the recipient is suspended.
    #[error("the page is not for this recipient")]
    Recipient,
}

/// The one sink towards a recipient.
#[derive(Debug)]
pub struct Outbound<'g, G> {
    recipient: u32,
    gate: &'g G,
}

impl<'g, G: Gate> Outbound<'g, G> {
    /// Towards that recipient.
    pub fn new(recipient: u32, gate: &'g G) -> Self {
        Self { recipient, gate }
    }

    /// Opens a released page for writing, if it is for this recipient and the policy has not moved.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn pass<P>(&self, released: Released<P, G::Realm>) -> Result<P, Refused> {
        if released.recipient != self.recipient || !self.gate.may_receive(self.recipient) {
            return Err(Refused::Recipient);
        }
        if released.epoch != self.gate.epoch() {
            return Err(Refused::Epoch);
        }
        Ok(released.page)
    }
}
