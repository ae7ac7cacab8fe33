//! Sessions of people at their browsers.
//!
//! The rule: a session is only as good as the login behind it is now: each request asks again who that is, and a new password ends it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::desk::Person;
use crate::limits;

/// Name of a node's session cookie.
pub(crate) fn cookie_name(secret: &[u8; 32]) -> String {
    let digest: [u8; 32] = Sha256::new().chain_update("console cookie").chain_update(secret).finalize().into();
    format!("polder_session_{}", hex(&digest).chars().take(8).collect::<String>())
}

#[derive(Debug)]
struct Session {
    user: Box<str>,
    since: Box<str>,
    began: Instant,
    seen: Instant,
}

/// All of them, by the digest of their tokens: what is in memory opens nothing.
#[derive(Debug)]
pub(crate) struct Sessions {
    key: [u8; 32],
    held: Mutex<HashMap<[u8; 32], Session>>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Session {
    fn is_over(&self) -> bool {
        self.seen.elapsed() > Duration::from_secs(limits::SESSION_IDLE_S) || self.began.elapsed() > Duration::from_secs(limits::SESSION_AGE_S)
    }
}

impl Sessions {
    pub(crate) fn new() -> Option<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok()?;
        Some(Self { key, held: Mutex::default() })
    }

    /// Begins one; its token. The oldest of the same login ends where there are too many.
    pub(crate) fn begin(&self, person: &Person) -> Option<String> {
        let mut raw = [0; 32];
        getrandom::fill(&mut raw).ok()?;
        let token = hex(&raw);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, s| !s.is_over());
        let mut own: Vec<(Instant, [u8; 32])> = held.iter().filter(|(_, s)| s.user == person.user).map(|(k, s)| (s.seen, *k)).collect();
        own.sort();
        let over = (own.len() + 1).saturating_sub(limits::SESSIONS_PER_LOGIN_MAX);
        own.iter().take(over).for_each(|(_, key)| drop(held.remove(key)));
        if held.len() >= limits::SESSIONS_MAX {
            return None;
        }
        let now = Instant::now();
        held.insert(digest(&token), Session { user: person.user.clone(), since: person.since.clone(), began: now, seen: now });
        Some(token)
    }

    /// Whose session it is, if that person may still log in as then.
    pub(crate) fn person(&self, token: &str, now: impl FnOnce(&str) -> Option<Person>) -> Option<Person> {
        let key = digest(token);
        let (user, since) = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let session = held.get_mut(&key)?;
            if session.is_over() {
                held.remove(&key);
                return None;
            }
            session.seen = Instant::now();
            (session.user.clone(), session.since.clone())
        };
        let person = now(&user).filter(|p| p.since == since);
        if person.is_none() {
            self.end(token);
        }
        person
    }

    /// The same without counting as something the person did.
    pub(crate) fn peek(&self, token: &str, now: impl FnOnce(&str) -> Option<Person>) -> Option<Person> {
        let (user, since) = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let session = held.get(&digest(token)).filter(|s| !s.is_over())?;
            (session.user.clone(), session.since.clone())
        };
        now(&user).filter(|p| p.since == since)
    }

    pub(crate) fn end(&self, token: &str) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(token));
    }

    /// What a form of this session carries, so that no other site can send it.
    pub(crate) fn form_token(&self, token: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(token.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    pub(crate) fn is_form_token(&self, token: &str, given: &str) -> bool {
        let right = self.form_token(token);
        !right.is_empty() && bool::from(right.as_bytes().ct_eq(given.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(user: &str, since: &str) -> Person {
        Person { user: user.into(), recipient: "xa".into(), role: "owner".into(), rights: Vec::new(), since: since.into() }
    }

    #[test]
    fn a_session_ends_with_the_login_behind_it() {
        let sessions = Sessions::new().unwrap();
        let ana = person("ana", "1");
        let token = sessions.begin(&ana).unwrap();
        assert_eq!(sessions.person(&token, |_| Some(ana.clone())).as_ref(), Some(&ana));
        assert!(sessions.person("another", |_| Some(ana.clone())).is_none());
        assert!(sessions.person(&token, |_| Some(person("ana", "2"))).is_none(), "another password");
        assert!(sessions.person(&token, |_| Some(ana.clone())).is_none(), "it stays ended");
        let token = sessions.begin(&ana).unwrap();
        assert!(sessions.person(&token, |_| None).is_none(), "suspended");
        let token = sessions.begin(&ana).unwrap();
        sessions.end(&token);
        assert!(sessions.person(&token, |_| Some(ana.clone())).is_none(), "logged out");
    }

    #[test]
    fn the_oldest_of_too_many_ends() {
        let sessions = Sessions::new().unwrap();
        let ana = person("ana", "1");
        let all: Vec<String> = (0..=limits::SESSIONS_PER_LOGIN_MAX).map(|_| sessions.begin(&ana).unwrap()).collect();
        assert!(sessions.person(&all[0], |_| Some(ana.clone())).is_none());
        assert!(all[1..].iter().all(|t| sessions.person(t, |_| Some(ana.clone())).is_some()));
    }

    #[test]
    fn a_form_belongs_to_its_session() {
        let sessions = Sessions::new().unwrap();
        let token = sessions.form_token("a");
        assert!(sessions.is_form_token("a", &token) && !sessions.is_form_token("b", &token) && !sessions.is_form_token("a", ""));
    }
}
