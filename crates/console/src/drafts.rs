//! What somebody previewed and has not saved yet, and what is to be told of what they did.
//!
//! The rule: one of each for each person, in memory and bounded; a draft is saved as it was shown, or not at all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::limits;

/// Something that was previewed.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) bytes: Vec<u8>,
    pub(crate) source: String,
    pub(crate) place: String,
    name: String,
    at: Instant,
}

/// All of them, by login.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    held: Mutex<HashMap<String, Draft>>,
    /// What somebody did and was not told yet that it is done.
    notes: Mutex<HashMap<String, String>>,
}

impl Drafts {
    /// Keeps one instead of what the person had; its name. None if others take up all the room.
    pub(crate) fn keep(&self, user: &str, bytes: Vec<u8>, source: &str, place: &str) -> Option<String> {
        let name: String = Sha256::new().chain_update(source).chain_update([0]).chain_update(&bytes).finalize().iter().map(|b| format!("{b:02x}")).collect();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(user);
        held.retain(|_, d| d.at.elapsed() < Duration::from_secs(limits::DRAFT_AGE_S));
        let taken: usize = held.values().map(|d| d.bytes.len()).sum();
        if taken.saturating_add(bytes.len()) > limits::DRAFTS_BYTES_MAX {
            return None;
        }
        held.insert(user.to_owned(), Draft { bytes, source: source.to_owned(), place: place.to_owned(), name: name.clone(), at: Instant::now() });
        Some(name)
    }

    /// Forgets what a person had.
    pub(crate) fn drop_of(&self, user: &str) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(user);
    }

    /// Notes what somebody did, to be told on the next page.
    pub(crate) fn note(&self, user: &str, what: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).insert(user.to_owned(), what);
    }

    /// What was noted, once.
    pub(crate) fn take_note(&self, user: &str) -> Option<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).remove(user)
    }

    /// Takes the one that was shown under that name.
    pub(crate) fn take(&self, user: &str, name: &str) -> Option<Draft> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.get(user).is_none_or(|d| d.name != name) {
            return None;
        }
        held.remove(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_saved_as_it_was_shown_by_who_made_it() {
        let drafts = Drafts::default();
        let first = drafts.keep("ana", b"1".to_vec(), "own", "p").unwrap();
        assert!(drafts.take("eve", &first).is_none());
        let second = drafts.keep("ana", b"2".to_vec(), "own", "p").unwrap();
        assert!(drafts.take("ana", &first).is_none(), "another was shown since");
        assert_eq!(drafts.take("ana", &second).unwrap().bytes, b"2");
        assert!(drafts.take("ana", &second).is_none(), "once");
        assert!(drafts.keep("ana", vec![0; limits::DRAFTS_BYTES_MAX + 1], "own", "p").is_none());
    }
}
