//! What is bounded in this crate.

/// Depth of required references followed before a row counts as withheld.
pub const REFERENCE_DEPTH_MAX: usize = 32;
/// Members, groups, persons and nodes named by one audience marking.
pub const AUDIENCE_NAMES_MAX: usize = 4096;
/// Granular markings of one object.
pub const GRANULAR_MAX: usize = 4096;
/// Rows looked at along required references for one answer, before it is no.
pub const REFERENCE_STEPS_MAX: u32 = 1_000_000;
/// Rows with granular markings that one row is compared with; with more it is withheld.
pub const TIGHTENERS_MAX: usize = 64;
/// Selectors of those rows, together; with more it is withheld.
pub const SELECTORS_COMPARED_MAX: usize = 4096;
