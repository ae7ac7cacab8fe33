//! RFC 8785: the one form in which two texts of the same object are the same bytes.

use sha2::{Digest, Sha256};

use crate::Error;

/// The RFC 8785 form of an object.
///
/// # Errors
/// [`Error::Json`] when the bytes are not JSON.
pub fn canonical(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| Error::Json(e.to_string()))?;
    serde_json_canonicalizer::to_vec(&value).map_err(|e| Error::Json(e.to_string()))
}

/// SHA-256 over the RFC 8785 form: what tells a copy from a variant.
///
/// # Errors
/// [`Error::Json`] when the bytes are not JSON.
pub fn digest(bytes: &[u8]) -> Result<[u8; 32], Error> {
    Ok(Sha256::digest(canonical(bytes)?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_object_same_digest() {
        let a = br#"{"b":1.0,"a":"\u00e9"}"#;
        let b = "{ \"a\" : \"é\", \"b\" : 1 }".as_bytes();
        assert_eq!(digest(a), digest(b));
        assert_ne!(digest(a), digest(br#"{"a":"e","b":1}"#));
    }
}
