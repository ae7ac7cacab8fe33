//! What people here tighten copies to, and how the records of an overlay and of its end read.
//!
//! The rule: a record that cannot be read keeps the object in the house.

use polder_release::Level;

/// What a person tightens an object of a source to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tightening {
    /// A TLP level that is at least this.
    Level(Level),
    /// It stays with the holder's organisation: a recall.
    House,
}

impl Tightening {
    /// As the record says it; a level that cannot be read keeps the object in the house.
    pub(crate) fn of_record(level: Option<&str>) -> Self {
        level.and_then(Level::parse).map_or(Self::House, Self::Level)
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Level(level) => level.label(),
            Self::House => "this organisation",
        }
    }

    pub(super) fn record(self) -> Option<Box<str>> {
        match self {
            Self::Level(level) => Some(level.name().into()),
            Self::House => None,
        }
    }
}

/// How the record of an overlay says that those before it were lifted. A program that does not know the word keeps the object in the house.
const LIFTED: &str = "lifted";

pub(crate) fn lift_record(left: Option<Level>) -> Box<str> {
    left.map_or_else(|| LIFTED.into(), |level| format!("{LIFTED} {}", level.name()).into())
}

/// What a lift left, if the record is of one.
pub(crate) fn lift_of_record(record: Option<&str>) -> Option<Option<Level>> {
    match record?.strip_prefix(LIFTED)?.trim_start() {
        "" => Some(None),
        level => Level::parse(level).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lift_reads_as_it_was_written_and_nothing_else_does() {
        for left in [None, Some(Level::Green), Some(Level::AmberStrict)] {
            assert_eq!(lift_of_record(Some(&lift_record(left))), Some(left), "{left:?}");
        }
        for other in [None, Some("amber"), Some("lifted purple"), Some("")] {
            assert_eq!(lift_of_record(other), None, "{other:?}");
        }
        assert_eq!(Tightening::of_record(Some("lifted purple")), Tightening::House);
        assert_eq!(Tightening::of_record(Some(&lift_record(Some(Level::Green)))), Tightening::House, "as a program from before reads it");
    }
}
