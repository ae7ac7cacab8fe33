//! UUIDs made from what they stand for.
//!
//! The rule: the same content gives the same id on every node, and version 5, since MISP refuses versions it does not know.

use sha1::{Digest, Sha1};

/// Names below which our ids are made.
const NAMESPACE: u128 = 0x6f2b_0c1e_6f0f_4a53_9d5c_7f9b_e2b1_f0a0;

/// The UUID (RFC 9562, version 5) of some parts, in lower case.
pub(crate) fn derived(parts: &[&str]) -> String {
    let mut hash = Sha1::new_with_prefix(NAMESPACE.to_be_bytes());
    for part in parts {
        // With its length before it, no part runs into the next.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 20] = hash.finalize().into();
    let high = digest.iter().take(16).fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
    written((high & !(0xf << 76) & !(0x3 << 62)) | (5 << 76) | (2 << 62))
}

/// A UUID as text.
pub(crate) fn written(uuid: u128) -> String {
    let all = format!("{uuid:032x}");
    let (a, rest) = all.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// The UUID of a text as MISP writes it, in lower case; none for what is no UUID.
pub(crate) fn uuid(text: &str) -> Option<String> {
    let id = polder_stix::Id::parse(&format!("x--{}", text.trim()))?;
    Some(written(id.uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_of_version_5_and_do_not_run_together() {
        let one = derived(&["ab", "c"]);
        assert_eq!(one, derived(&["ab", "c"]));
        assert_ne!(one, derived(&["a", "bc"]));
        assert_eq!((one.len(), one.as_bytes()[14], uuid(&one.to_uppercase())), (36, b'5', Some(one.clone())));
        assert!(matches!(one.as_bytes()[19], b'8'..=b'b'));
        assert_eq!(uuid("7"), None);
    }
}
