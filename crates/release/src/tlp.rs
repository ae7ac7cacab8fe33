//! Levels of the Traffic Light Protocol (FIRST, TLP 2.0) and of PAP, in order of strictness.

use polder_stix::IdRef;

/// A TLP level; TLP 1 WHITE is CLEAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Everyone.
    Clear,
    /// The community.
    Green,
    /// The organisation and its clients.
    Amber,
    /// The organisation only.
    AmberStrict,
    /// Named persons or nodes only.
    Red,
}

/// Permissible actions: what may be done with it, never who may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pap {
    /// Anything.
    Clear,
    /// Active measures.
    Green,
    /// Passive cross-checks with third parties.
    Amber,
    /// Nothing an adversary could notice.
    Red,
}

impl Level {
    /// Reads a level's name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "clear" | "white" => Some(Self::Clear),
            "green" => Some(Self::Green),
            "amber" => Some(Self::Amber),
            "amber+strict" => Some(Self::AmberStrict),
            "red" => Some(Self::Red),
            _ => None,
        }
    }

    /// The name in configuration and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::AmberStrict => "amber+strict",
            Self::Red => "red",
        }
    }

    /// The level as FIRST writes it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Clear => "TLP:CLEAR",
            Self::Green => "TLP:GREEN",
            Self::Amber => "TLP:AMBER",
            Self::AmberStrict => "TLP:AMBER+STRICT",
            Self::Red => "TLP:RED",
        }
    }

    /// The level of a predefined marking-definition: TLP 1 (STIX 2.1 section 7.2.1.4) or TLP 2 (OASIS common objects).
    #[must_use]
    pub fn of_predefined(id: IdRef<'_>) -> Option<Self> {
        if id.kind != "marking-definition" {
            return None;
        }
        PREDEFINED.iter().find(|(uuid, _)| *uuid == id.uuid).map(|(_, level)| *level)
    }

    /// The id of the TLP 2 marking-definition.
    #[must_use]
    pub fn tlp_2_id(self) -> polder_stix::Id {
        let uuid = PREDEFINED.iter().skip(4).find(|(_, level)| *level == self).map_or(0, |(uuid, _)| *uuid);
        polder_stix::Id { kind: "marking-definition".into(), uuid }
    }
}

/// TLP 1 first, then TLP 2.
const PREDEFINED: [(u128, Level); 9] = [
    (0x613f2e26_407d_48c7_9eca_b8e91df99dc9, Level::Clear),
    (0x34098fce_860f_48ae_8e50_ebd3cc5e41da, Level::Green),
    (0xf88d31f6_486f_44da_b317_01333bde0b82, Level::Amber),
    (0x5e57c739_391a_4eb3_b6be_7d15ca92d5ed, Level::Red),
    (0x94868c89_83c2_464b_929b_a1a8aa3c8487, Level::Clear),
    (0xbab4a63c_aed9_4cf5_a766_dfca5abac2bb, Level::Green),
    (0x55d920b0_5e8b_4f79_9ee9_91f868d9b421, Level::Amber),
    (0x939a9414_2ddd_4d32_a0cd_375ea402b003, Level::AmberStrict),
    (0xe828b379_4e03_4974_9ac4_e53a884c97c1, Level::Red),
];

impl Pap {
    /// Reads a level's name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "clear" | "white" => Some(Self::Clear),
            "green" => Some(Self::Green),
            "amber" => Some(Self::Amber),
            "red" => Some(Self::Red),
            _ => None,
        }
    }
}
