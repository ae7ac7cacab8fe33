//! Who is calling: passwords and tokens checked against users.toml.
//!
//! The rule: a slow hash runs once per credential and process, never per request; what was verified is remembered by a keyed digest only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::directory::{UserEntry, UsersFile};
use crate::failure::Failure;

/// Slow verifications per second for one share of the names; beyond, a credential that was not verified before is refused unchecked.
const VERIFICATIONS_PER_S_MAX: u32 = 5;
const SHARES: u8 = 64;
const REMEMBERED_MAX: usize = 4096;

/// A caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) user: Box<str>,
    pub(crate) recipient: Box<str>,
}

/// The check.
#[derive(Debug)]
pub(crate) struct Auth {
    key: [u8; 32],
    users: RwLock<Vec<UserEntry>>,
    verified: RwLock<HashMap<[u8; 32], Caller>>,
    /// When a second began, and how many passwords were tried in it, by share of the names.
    budget: Mutex<HashMap<u8, (Instant, u32)>>,
}

/// Random bytes as text.
pub(crate) fn random_text(bytes: usize) -> Result<String, Failure> {
    let mut raw = vec![0; bytes];
    getrandom::fill(&mut raw).map_err(|e| Failure::configuration(format!("no randomness: {e}"), "look at the system log"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(raw))
}

/// A random key: 40 letters and digits, the form MISP takes for the key of another server.
pub(crate) fn random_key() -> Result<String, Failure> {
    let mut raw = [0u8; 20];
    getrandom::fill(&mut raw).map_err(|e| Failure::configuration(format!("no randomness: {e}"), "look at the system log"))?;
    Ok(raw.iter().map(|b| format!("{b:02x}")).collect())
}

/// A random UUID, version 4.
pub(crate) fn random_uuid() -> Result<String, Failure> {
    let mut raw = [0u8; 16];
    getrandom::fill(&mut raw).map_err(|e| Failure::configuration(format!("no randomness: {e}"), "look at the system log"))?;
    let n = (u128::from_be_bytes(raw) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let id = polder_stix::Id { kind: "x".into(), uuid: n }.to_string();
    Ok(id.trim_start_matches("x--").to_owned())
}

pub(crate) fn hash_password(password: &str) -> Result<String, Failure> {
    let hash =
        Argon2::default().hash_password(password.as_bytes()).map_err(|e| Failure::usage(format!("the password cannot be used: {e}"), "choose another"))?;
    Ok(hash.to_string())
}

pub(crate) fn token_digest(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

impl Auth {
    pub(crate) fn new(users: &UsersFile) -> Result<Self, Failure> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| Failure::configuration(format!("no randomness: {e}"), "look at the system log"))?;
        Ok(Self { key, users: RwLock::new(users.users.clone()), verified: RwLock::default(), budget: Mutex::default() })
    }

    /// Takes a changed users.toml; what was verified counts on only for logins that did not change.
    pub(crate) fn reload(&self, users: &UsersFile) {
        let before = std::mem::replace(&mut *self.users.write().unwrap_or_else(PoisonError::into_inner), users.users.clone());
        let entry = |all: &[UserEntry], name: &str| all.iter().find(|u| u.user == name).cloned();
        let stays = |caller: &Caller| matches!((entry(&before, &caller.user), entry(&users.users, &caller.user)), (Some(old), Some(new)) if old == new);
        self.verified.write().unwrap_or_else(PoisonError::into_inner).retain(|_, caller| stays(caller));
    }

    /// The caller behind an `Authorization` header.
    pub(crate) fn check(&self, header: &str) -> Option<Caller> {
        let digest = self.digest(header);
        if let Some(known) = self.verified.read().unwrap_or_else(PoisonError::into_inner).get(&digest) {
            return Some(known.clone());
        }
        let caller = self.verify(header)?;
        let mut verified = self.verified.write().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED_MAX {
            verified.clear();
        }
        verified.insert(digest, caller.clone());
        Some(caller)
    }

    /// The caller of this name and password.
    pub(crate) fn check_password(&self, user: &str, password: &str) -> Option<Caller> {
        // A name with a colon would be read as another name and another password.
        if user.contains(':') {
            return None;
        }
        self.check(&format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
    }

    fn digest(&self, header: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.key).chain_update(header.as_bytes()).finalize().into()
    }

    fn verify(&self, header: &str) -> Option<Caller> {
        let (scheme, value) = header.split_once(' ')?;
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        let caller = |u: &UserEntry| Caller { user: u.user.as_str().into(), recipient: u.recipient.as_str().into() };
        if scheme.eq_ignore_ascii_case("bearer") {
            let digest = token_digest(value.trim());
            let is = |known: &String| bool::from(known.as_bytes().ct_eq(digest.as_bytes()));
            return users.iter().find(|u| is(&u.token_sha256) || u.more_tokens_sha256.iter().any(is)).map(caller);
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
        let (name, password) = decoded.split_once(':')?;
        let found = users.iter().find(|u| u.user == name);
        if !self.spend(name) {
            return None;
        }
        // An unknown name costs as much as a wrong password, so that names cannot be told apart by time.
        let hash = found.or_else(|| users.first()).map(|u| u.password_hash.as_str())?;
        let right = Argon2::default().verify_password(password.as_bytes(), &PasswordHash::new(hash).ok()?).is_ok();
        found.filter(|_| right).map(caller)
    }

    /// By shares of the names, so that a flood of guesses for one keeps few others out, and known names are not told from unknown ones.
    fn spend(&self, name: &str) -> bool {
        let [share, ..] = self.digest(name);
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.retain(|_, (began, _)| began.elapsed() <= Duration::from_secs(1));
        let (_, tried) = budget.entry(share % SHARES).or_insert_with(|| (Instant::now(), 0));
        *tried += 1;
        *tried <= VERIFICATIONS_PER_S_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens() {
        let entry = UserEntry {
            user: "ana".into(),
            recipient: "xa".into(),
            role: "owner".into(),
            password_hash: hash_password("p:w").unwrap(),
            token_sha256: token_digest("t0ken"),
            more_tokens_sha256: vec![token_digest("an0ther")],
        };
        let auth = Auth::new(&UsersFile { users: vec![entry] }).unwrap();
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        for (header, want) in [
            (basic("ana:p:w"), true),
            (basic("ana:p:x"), false),
            (basic("eve:p:w"), false),
            (basic("ana"), false),
            ("Bearer t0ken".into(), true),
            ("bearer t0ken".into(), true),
            ("Bearer an0ther".into(), true),
            ("Bearer t0kem".into(), false),
            ("Bearer ".into(), false),
            (String::new(), false),
            ("Digest x".into(), false),
        ] {
            for _ in 0..2 {
                assert_eq!(auth.check(&header).is_some(), want, "{header}");
            }
        }
        auth.reload(&UsersFile::default());
        assert!(auth.check(&basic("ana:p:w")).is_none());
    }

    #[test]
    fn uuids_are_version_4() {
        let uuid = random_uuid().unwrap();
        assert_eq!((uuid.len(), uuid.get(14..15)), (36, Some("4")));
        assert!(matches!(uuid.get(19..20), Some("8" | "9" | "a" | "b")));
    }
}
