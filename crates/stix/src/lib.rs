//! STIX objects as received bytes plus a small extracted header: what came in can go out byte for byte.
//!
//! Nothing in this crate does I/O, reads a clock or knows a recipient.

pub mod bundle;
pub mod canonical;
pub mod ext;
mod header;
mod id;
pub mod lift;
pub mod limits;
pub mod sco_id;
pub mod selector;
pub mod time;
pub mod validate;

pub use header::{Header, RefKind, Reference, read_header};
pub use id::{Id, IdRef};

/// Why an object or a document is refused, with the place in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not I-JSON (RFC 7493): syntax, duplicate names, lone surrogates, numbers out of range, depth.
    #[error("not acceptable JSON: {0}")]
    Json(String),
    /// A property that every object needs is missing or unreadable.
    #[error("property `{property}`: {problem}")]
    Property {
        /// Name of the top-level property.
        property: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The object is larger than `object_bytes_max`.
    #[error("object of {bytes} bytes, the limit is {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The document is neither a bundle, an envelope, an object, a list of objects nor lines of objects.
    #[error("neither a STIX bundle, a TAXII envelope, an object nor lines of objects: {0}")]
    Document(String),
}

impl Error {
    /// One line that says what the person with the input can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Json(_) => "mend the text at that place, or ask its producer for valid I-JSON (RFC 7493)",
            Self::Property { .. } => "every object needs `type`, an `id` of the form `type--uuid` and valid times",
            Self::TooLarge { .. } => "split the object: members belong in references, not in one list",
            Self::Document(_) => "give a file with a bundle, an envelope with `objects`, or one object per line",
        }
    }
}
