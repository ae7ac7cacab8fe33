//! Cursors: a position in the caller's own view log, with a MAC that ties it to the question it belongs to.
//!
//! The rule: stateless and never expiring. A cursor says nothing but a position, and works only for the recipient, collection,
//! resource and filters it was made for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const MAC_BYTES: usize = 16;

/// Makes and reads the cursors of one question.
pub(crate) struct Cursors(Hmac<Sha256>);

impl Cursors {
    /// Of a question: whatever tells it from another one.
    pub(crate) fn new(secret: &[u8; 32], scope: &[&str]) -> Self {
        // HMAC pads its key with zeros to the block size; doing it here leaves no length to be wrong.
        let mut key = [0u8; 64];
        key.iter_mut().zip(secret).for_each(|(k, s)| *k = *s);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&key.into());
        mac.update(b"polder/v1/taxii/next");
        for part in scope {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Self(mac)
    }

    /// The cursor for what follows that position.
    pub(crate) fn write(&self, position: u32) -> String {
        let mut mac = self.0.clone();
        mac.update(&position.to_be_bytes());
        let tag = mac.finalize().into_bytes();
        let bytes: Vec<u8> = position.to_be_bytes().into_iter().chain(tag.into_iter().take(MAC_BYTES)).collect();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position, if the cursor was made for this question.
    pub(crate) fn read(&self, text: &str) -> Option<u32> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|b| b.len() == 4 + MAC_BYTES)?;
        let (position, tag) = bytes.split_first_chunk::<4>()?;
        let mut mac = self.0.clone();
        mac.update(position);
        mac.verify_truncated_left(tag).ok()?;
        Some(u32::from_be_bytes(*position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_question_it_was_made_for() {
        let mine = Cursors::new(&[7; 32], &["alice", "c", "objects", "f"]);
        for position in [0, 1, 77, u32::MAX] {
            assert_eq!(mine.read(&mine.write(position)), Some(position));
        }
        let good = mine.write(5);
        for other in [
            Cursors::new(&[8; 32], &["alice", "c", "objects", "f"]),
            Cursors::new(&[7; 32], &["alicec", "", "objects", "f"]),
            Cursors::new(&[7; 32], &["bob", "c", "objects", "f"]),
            Cursors::new(&[7; 32], &["alice", "c", "manifest", "f"]),
            Cursors::new(&[7; 32], &["alice", "c", "objects", "g"]),
        ] {
            assert_eq!(other.read(&good), None);
        }
        for at in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            assert_ne!(mine.read(&String::from_utf8(bad).unwrap()), Some(5), "character {at}");
        }
        for bad in ["", "zzzz", "AAAAAAAAAAAAAAAAAAAAAAAAAAA", "=", "é"] {
            assert_eq!(mine.read(bad), None, "{bad}");
        }
    }
}
