//! What is bounded in this crate.

/// Depth of required references followed before a row counts as withheld.
pub const REFERENCE_DEPTH_MAX: usize = 32;
/// Members, groups, persons and nodes named by one audience marking.
pub const AUDIENCE_NAMES_MAX: usize = 4096;
/// Granular markings of one object.
pub const GRANULAR_MAX: usize = 4096;
/// Rows looked at along required references for one answer, before it is no.
pub const REFERENCE_STEPS_MAX: u32 = 1_000_000;
