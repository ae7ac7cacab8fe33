//! What is bounded in this crate: every limit has its unit in its name and is shown by `polder doctor`.

/// Deepest nesting of arrays and objects accepted in one object.
pub const DEPTH_MAX: usize = 64;
/// Largest object accepted.
pub const OBJECT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest integer magnitude (STIX 2.1 section 2.4, I-JSON section 2.2).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// References taken from one object.
pub const REFERENCES_MAX: usize = 1_000_000;
