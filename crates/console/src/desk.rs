//! What the pages ask of the node: who somebody is, and the same requests as the command line makes.
//!
//! The rule: a login may do what its role says and sees what its recipient may hold; no role sees past a label.

use polder_release::Policy;
use serde_json::Value;

/// The node, as the pages see it.
pub trait Desk: Send + Sync {
    /// Who has this name and password. Called off the async threads; it may be slow.
    fn login(&self, user: &str, password: &str) -> Option<Person>;

    /// Who a login is now; nobody once it is gone, or its recipient is suspended.
    fn person(&self, user: &str) -> Option<Person>;

    /// The policy in force.
    fn policy(&self) -> Option<Policy>;

    /// The name of the node's own organisation, and of any other by its id.
    fn name(&self, member: &str) -> String;

    /// When and how a recipient asked this node for something.
    fn asking(&self, recipient: &str) -> Asking;

    /// Differs when somebody has asked this node for something since.
    fn pulse(&self) -> u64;

    /// Carries out a request of the command line's, as far as this person's recipient may know; `body` travels beside it.
    ///
    /// # Errors
    /// What the command line would say.
    fn ask(&self, person: &Person, request: Value, body: &[u8]) -> Result<Value, Told>;
}

/// When and how a recipient asked for something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asking {
    /// Last, microseconds since 1970.
    pub last_us: Option<i64>,
    /// How often in each of the last hours, this one last.
    pub hours: Vec<u32>,
    /// Over which protocols.
    pub over: Vec<String>,
}

/// Why a request was not carried out, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The login.
    pub user: Box<str>,
    /// The recipient it belongs to.
    pub recipient: Box<str>,
    /// As the files name it.
    pub role: Box<str>,
    /// What it may do.
    pub rights: Vec<Right>,
    /// Changes when the password does, which ends every session.
    pub since: Box<str>,
}

impl Person {
    /// May this person do that?
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }
}

/// What a login may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read its recipient's view.
    Read,
    /// See who else may have what it may hold itself: of the holder's people.
    Preview,
    /// Bring objects in, and change the organisation's own.
    Write,
    /// Answer what waits for a person.
    Release,
    /// Raise markings of what came from elsewhere, and suspend.
    Tighten,
    /// Save a version that gives somebody an object, or more of it, than now.
    Downgrade,
    /// Say who is who.
    Administer,
    /// Read the ledger and the log of acts.
    Audit,
}

impl Right {
    /// Its name in pages and tests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Preview => "preview",
            Self::Write => "write",
            Self::Release => "release",
            Self::Tighten => "tighten",
            Self::Downgrade => "downgrade",
            Self::Administer => "administer",
            Self::Audit => "audit",
        }
    }

    /// What a role may do. Only the holder's own people do more than read.
    #[must_use]
    pub fn of(role: &str, is_of_holder: bool) -> Vec<Self> {
        use Right::{Administer, Audit, Downgrade, Preview, Read, Release, Tighten, Write};
        match (is_of_holder, role) {
            (false, _) => vec![Read],
            (true, "owner") => vec![Read, Preview, Write, Release, Tighten, Downgrade, Administer, Audit],
            (true, "release-officer") => vec![Read, Preview, Release, Tighten, Downgrade],
            (true, "analyst" | "publisher" | "user") => vec![Read, Preview, Write, Tighten],
            (true, "auditor") => vec![Read, Preview, Audit],
            (true, _) => vec![Read, Preview],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holders_people_do_more_than_read() {
        for role in ["owner", "analyst", "release-officer", "auditor", "publisher", "user", "reader", "anything"] {
            assert_eq!(Right::of(role, false), [Right::Read], "{role}");
            let rights = Right::of(role, true);
            assert!(rights.contains(&Right::Read) && (role == "owner" || !rights.contains(&Right::Administer)), "{role}");
        }
        assert!(!Right::of("auditor", true).contains(&Right::Write) && !Right::of("analyst", true).contains(&Right::Release));
        assert!(!Right::of("analyst", true).contains(&Right::Downgrade) && Right::of("owner", true).contains(&Right::Downgrade));
        // Law 14: tightening waits for nobody, so who may change anything may raise a marking.
        assert!(Right::of("analyst", true).contains(&Right::Tighten) && Right::of("release-officer", true).contains(&Right::Tighten));
    }
}
