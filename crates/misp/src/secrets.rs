//! What should not be in shared text: addresses of people, and keys and passwords.
//!
//! The rule: what is found is never repeated, only named by its kind.

/// A kind of secret in a text, if there is one.
pub(crate) fn credential(text: &str) -> Option<&'static str> {
    if text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    if text.split_whitespace().any(holds_login) {
        return Some("a login in a URL");
    }
    if text.split(|c: char| !c.is_ascii_alphanumeric()).any(is_cloud_key) {
        return Some("a cloud access key");
    }
    names_password(text).then_some("a password")
}

/// A URL with a user and a password before its host.
fn holds_login(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').and_then(|(login, _)| login.split_once(':')).is_some_and(|(user, password)| !user.is_empty() && !password.is_empty())
}

/// The form of the access keys of the largest cloud: four letters that say what it is, and sixteen more.
fn is_cloud_key(word: &str) -> bool {
    word.len() == 20 && ["AKIA", "ASIA"].iter().any(|p| word.starts_with(p)) && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// `password: x`, `pwd=x` and the like.
fn names_password(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["password", "passwd", "passwort", "pwd"].iter().any(|name| {
        lower.match_indices(name).any(|(at, _)| {
            let rest = lower.get(at + name.len()..).unwrap_or_default();
            rest.strip_prefix([':', '=']).or_else(|| rest.strip_prefix(" =")).is_some_and(|value| value.trim_start().starts_with(|c: char| !c.is_whitespace()))
        })
    })
}

/// Does the text hold an e-mail address?
pub(crate) fn holds_address(text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._%+-@".contains(c);
    // A login in a URL looks like one.
    text.split_whitespace().filter(|word| !word.contains("://")).flat_map(|word| word.split(|c| !inside(c))).any(|word| {
        let word = word.trim_matches(['.', '-']);
        matches!(word.split_once('@'), Some((user, host))
            if !user.is_empty() && !host.contains('@') && host.rsplit_once('.').is_some_and(|(name, top)| !name.is_empty() && top.len() >= 2))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_words_about_them() {
        for (text, found) in [
            ("-----BEGIN RSA PRIVATE KEY-----\nMII", Some("a private key")),
            ("see ftp://bob:hunter2@files.example/x", Some("a login in a URL")),
            ("https://example.com:8443/@page", None),
            ("https://bob@example.com/", None),
            ("id AKIAABCDEFGHIJKLMNOP.", Some("a cloud access key")),
            ("AKIAABCDEFGHIJKLMNO", None),
            ("user bob, Password: hunter2", Some("a password")),
            ("pwd=x", Some("a password")),
            ("steals passwords from browsers", None),
            ("the password was: unknown", None),
            ("password:", None),
        ] {
            assert_eq!(credential(text), found, "{text}");
        }
    }

    #[test]
    fn addresses_are_told_from_other_signs() {
        for (text, holds) in [
            ("ask bob@example.com.", true),
            ("<bob.x+y@mail.example.org>", true),
            ("@example.com", false),
            ("bob@host", false),
            ("a@b@example.com", false),
            ("rule x@2.0", false),
            ("ftp://bob:secret@files.example/", false),
        ] {
            assert_eq!(holds_address(text), holds, "{text}");
        }
    }
}
