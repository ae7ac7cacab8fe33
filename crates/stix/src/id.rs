//! STIX identifiers, `type--uuid`: two ids are the same when type and UUID are, whatever the case of the digits.

use std::fmt;

/// An identifier that borrows its type name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdRef<'a> {
    /// Object type, as in `indicator`.
    pub kind: &'a str,
    /// The UUID's 128 bits.
    pub uuid: u128,
}

/// An identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Object type, as in `indicator`.
    pub kind: Box<str>,
    /// The UUID's 128 bits.
    pub uuid: u128,
}

impl<'a> IdRef<'a> {
    /// Reads `type--uuid`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let cut = text.len().checked_sub(36)?;
        let (front, uuid) = text.split_at_checked(cut)?;
        let kind = front.strip_suffix("--")?;
        let bytes_ok = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if kind.is_empty() || kind.len() > 250 || !kind.bytes().all(bytes_ok) {
            return None;
        }
        Some(Self { kind, uuid: parse_uuid(uuid)? })
    }

    /// The same id with its own type name.
    #[must_use]
    pub fn to_owned(self) -> Id {
        Id { kind: self.kind.into(), uuid: self.uuid }
    }
}

impl Id {
    /// Reads `type--uuid`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        IdRef::parse(text).map(IdRef::to_owned)
    }

    /// The borrowed form.
    #[must_use]
    pub fn as_ref(&self) -> IdRef<'_> {
        IdRef { kind: &self.kind, uuid: self.uuid }
    }
}

fn parse_uuid(text: &str) -> Option<u128> {
    let mut value = 0u128;
    let mut digits = 0;
    for (at, byte) in text.bytes().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        value = (value << 4) | u128::from(char::from(byte).to_digit(16)?);
        digits += 1;
    }
    (digits == 32).then_some(value)
}

impl fmt::Display for IdRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let u = self.uuid;
        write!(
            f,
            "{}--{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            self.kind,
            u >> 96,
            (u >> 80) & 0xffff,
            (u >> 64) & 0xffff,
            (u >> 48) & 0xffff,
            u & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let good = "indicator--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20";
        assert_eq!(Id::parse(good).unwrap().to_string(), good);
        assert_eq!(Id::parse(&good.to_uppercase()).unwrap().uuid, Id::parse(good).unwrap().uuid);
        for bad in [
            "",
            "indicator",
            "indicator--",
            "--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20",
            "indicator-0012e5b0-0b7b-4ddd-b326-cd076b2c4c20",
            "indicator--0012e5b0-0b7b-4ddd-b326-cd076b2c4c2",
            "indicator--0012e5b0x0b7b-4ddd-b326-cd076b2c4c20",
            "a b--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20",
            "indicator--0012e5b0-0b7b-4ddd-b326-cd076b2c4cé0",
        ] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
    }
}
