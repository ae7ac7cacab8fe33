//! MISP: what an instance gives away. The only crate that knows MISP's words.
//!
//! The rule: MISP's JSON is an attacker's; scalars are taken as numbers or strings, what is not known is ignored here and lost nowhere.

pub mod audit;
pub mod client;
pub mod feed;
pub mod library;
pub mod limits;
pub mod map;
pub mod model;
mod report;
mod secrets;
pub mod server;

pub use map::{LOCAL, LOCAL_STATE, group_id, in_words, unexplained_in_words};
pub use report::html;

/// Is a STIX object an element of a MISP event?
#[must_use]
pub fn is_element(object: &[u8]) -> bool {
    let object: serde_json::Value = serde_json::from_slice(object).unwrap_or_default();
    object.get("extensions").and_then(|e| e.get(polder_stix::ext::MISP)).is_some()
}
