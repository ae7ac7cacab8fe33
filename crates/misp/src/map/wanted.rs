//! How much of an event is asked for.
//!
//! The rule: asking for less shows less; nothing that is asked for widens what a reader may have.

use serde_json::{Map, Value};

use super::fields::{flag, stays};

/// How much of an event is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Parts that were withdrawn.
    pub deleted: bool,
    /// What the reader was sent and may no longer have, as deleted and without what it said.
    pub left: bool,
    /// Parts that stand.
    pub standing: bool,
    /// Tags that stay here; only the holder's people have them at all.
    pub local_tags: bool,
    /// Tags that are left out of all that is served; to see whether one is set.
    pub unexported_tags: bool,
    /// The files of attachments and samples.
    pub attachments: bool,
    /// Galaxies, besides the tags that name their clusters.
    pub galaxies: bool,
    /// Its attributes, objects and reports.
    pub parts: bool,
    /// Sightings under their attributes.
    pub sightings: bool,
    /// Proposals and what analysts wrote.
    pub said: bool,
}

impl Wanted {
    /// Everything there is.
    pub const ALL: Self = Self {
        deleted: true,
        left: false,
        standing: true,
        local_tags: true,
        unexported_tags: false,
        attachments: true,
        galaxies: true,
        parts: true,
        sightings: true,
        said: true,
    };

    pub(crate) fn takes(self, fields: &Map<String, Value>) -> bool {
        if flag(fields.get("deleted")) { self.deleted } else { self.standing }
    }

    pub(crate) fn trim(self, fields: &mut Map<String, Value>) {
        if !self.local_tags
            && let Some(list) = fields.get_mut("Tag").and_then(Value::as_array_mut)
        {
            list.retain(|tag| !tag.as_object().is_some_and(stays));
        }
        if !self.attachments {
            fields.shift_remove("data");
        }
        if !self.galaxies {
            fields.shift_remove("Galaxy");
        }
    }
}
