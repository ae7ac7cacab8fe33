//! Ids of our STIX extensions: fixed once, never reused for something else.

/// Property extension of a marking-definition that names an audience: `audience`, `not_before`, `not_after`.
pub const AUDIENCE: &str = "extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a1";
/// Property extension of a redacted copy: `derived_by`, the identity of the member that made it.
pub const DERIVED: &str = "extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a2";
/// OASIS: TLP 2.0 as an extension of marking-definition.
pub const TLP_2: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";
/// Property extension of an object that came out of a MISP: `element`, `event_ref`, `object_ref`, `attribute_ref`, `timestamp`, `fields`.
pub const MISP: &str = "extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a3";
