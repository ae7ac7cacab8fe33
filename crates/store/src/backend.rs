//! What an engine under the store must do: keep records durably in order, give them back at start, fetch bodies.
//!
//! The rule: [`Backend::write`] returns only when every record is on disk, and keeps all of them or none.

use polder_stix::RefKind;

use crate::Error;

/// One thing to keep. Numbers are the store's own and never leave it.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// An object type's number.
    Kind {
        /// Number.
        number: u16,
        /// Name.
        name: Box<str>,
    },
    /// An object's number.
    Object {
        /// Number.
        number: u32,
        /// Type.
        kind: u16,
        /// UUID.
        uuid: u128,
    },
    /// A marking set's number.
    Set {
        /// Number.
        number: u32,
        /// Ids, separated by spaces.
        ids: String,
    },
    /// A source's number.
    Source {
        /// Number.
        number: u16,
        /// Name.
        name: Box<str>,
    },
    /// The bytes of one or more rows.
    Body {
        /// Number.
        number: u32,
        /// SHA-256 of the bytes.
        sha256: [u8; 32],
        /// The object as it is served.
        bytes: Vec<u8>,
        /// The object as received, where it was lifted.
        original: Option<Vec<u8>>,
    },
    /// A row.
    Row(Box<RowRecord>),
    /// A commit or an act.
    Journal {
        /// Number.
        number: u32,
        /// Trusted time, microseconds since 1970.
        stamp_us: i64,
        /// `arrive`, or the name of an act.
        kind: Box<str>,
        /// Rows below this number exist.
        rows_end: u32,
        /// What, as JSON; for acts also by whom.
        detail: String,
    },
    /// Rows that are gone; their bodies go when no other row needs them.
    Remove {
        /// The rows.
        rows: Vec<u32>,
        /// Bodies no live row needs.
        bodies: Vec<u32>,
    },
    /// A person's yes.
    Grant {
        /// The row.
        row: u32,
        /// The recipient's id.
        recipient: Box<str>,
        /// The opaque ids it covers, separated by spaces.
        ids: String,
    },
    /// A person's tightening of one object of one source, or the lift of those before it.
    Overlay {
        /// The object.
        object: u32,
        /// The source.
        source: u16,
        /// TLP level's name; none keeps it with the holder's organisation; `lifted`, alone or before a level's name, ends those before it.
        level: Option<Box<str>>,
    },
    /// A pinned definition.
    Pin {
        /// Its id.
        id: Box<str>,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// A row posted to a collection.
    Posted {
        /// The collection's id.
        collection: Box<str>,
        /// The row.
        row: u32,
    },
    /// Part of a view log.
    LogChunk {
        /// The recipient's id.
        recipient: Box<str>,
        /// Which part.
        chunk: u32,
        /// Its entries, packed.
        bytes: Vec<u8>,
    },
    /// Where a view log stands.
    LogState {
        /// The recipient's id.
        recipient: Box<str>,
        /// Commits it has processed.
        commits: u32,
        /// Windows up to here are processed, microseconds since 1970.
        windows_us: i64,
        /// Nothing is dated earlier.
        floor_us: i64,
    },
    /// A release.
    Ledger(LedgerRecord),
    /// The answer to a POST, for its status resource.
    Status {
        /// Its UUID.
        id: Box<str>,
        /// Who posted.
        recipient: Box<str>,
        /// When, microseconds since 1970.
        stamp_us: i64,
        /// The resource.
        json: String,
    },
    /// A value by name.
    Meta {
        /// Name.
        key: Box<str>,
        /// Value.
        value: Vec<u8>,
    },
}

/// A row as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct RowRecord {
    /// Number, never reused.
    pub number: u32,
    /// Object.
    pub object: u32,
    /// Source.
    pub source: u16,
    /// Marking set.
    pub set: u32,
    /// Body.
    pub body: u32,
    /// Length of the body.
    pub body_bytes: u32,
    /// First 32 bits of the body's SHA-256.
    pub sha32: u32,
    /// Version, nanoseconds since 1970 and decimals; none for an unversioned object.
    pub version: Option<(i64, u8)>,
    /// It was lifted from STIX 2.0.
    pub lifted: bool,
    /// The commit it came with.
    pub commit: u32,
    /// References.
    pub references: Vec<(u32, RefKind)>,
    /// Outline of an object with granular markings, as JSON; empty for others.
    pub outline: String,
    /// A tombstone.
    pub dead: bool,
    /// It does not match its checksum: nobody may hold it or an earlier or later copy of the same object from that source. Set by `load`.
    pub damaged: bool,
}

/// A release as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRecord {
    /// The recipient's id.
    pub recipient: Box<str>,
    /// The policy epoch.
    pub epoch: u64,
    /// Trusted time, microseconds since 1970.
    pub stamp_us: i64,
    /// Positions in the recipient's view log that were named.
    pub listed: Vec<u32>,
    /// Positions sent as received.
    pub full: Vec<u32>,
    /// Positions sent as redacted copies, with the SHA-256 of the bytes sent.
    pub redacted: Vec<(u32, [u8; 32])>,
}

/// An engine.
pub trait Backend: Send {
    /// Keeps the records, all or none, and returns when they are on disk.
    ///
    /// # Errors
    /// When they are not; nothing was kept then.
    fn write(&mut self, records: Vec<Record>) -> Result<(), Error>;

    /// Gives back everything but bodies: kinds, objects, sets, sources, journal, rows, then the rest, each in order of number.
    ///
    /// # Errors
    /// The disk's, or [`Error::Damaged`]. A damaged row is given as such and named in the list returned.
    fn load(&mut self, take: &mut dyn FnMut(Record)) -> Result<Vec<String>, Error>;

    /// A connection that reads.
    ///
    /// # Errors
    /// The disk's.
    fn reader(&self) -> Result<Box<dyn Reader>, Error>;
}

/// A connection that reads bodies.
pub trait Reader: Send {
    /// Keeps one view of the disk for the bodies of one page, so that each does not cost the locks of its own.
    ///
    /// # Errors
    /// The disk's.
    fn begin_page(&mut self) -> Result<(), Error>;

    /// Lets that view go.
    fn end_page(&mut self);

    /// The bytes of a body, verified.
    ///
    /// # Errors
    /// [`Error::Damaged`] when they are not what was written.
    fn body(&mut self, number: u32) -> Result<Vec<u8>, Error>;

    /// The bytes as received, where the object was lifted.
    ///
    /// # Errors
    /// The disk's.
    fn original(&mut self, number: u32) -> Result<Option<Vec<u8>>, Error>;

    /// A status resource of that recipient.
    ///
    /// # Errors
    /// The disk's.
    fn status(&mut self, id: &str, recipient: &str) -> Result<Option<String>, Error>;

    /// The journal's acts (not the arrivals), newest first.
    ///
    /// # Errors
    /// The disk's.
    fn acts(&mut self, limit: usize) -> Result<Vec<(i64, String, String)>, Error>;

    /// Gives each release to that recipient, the earliest first: when, and the positions it named or sent.
    ///
    /// # Errors
    /// The disk's.
    fn releases(&mut self, recipient: &str, take: &mut dyn FnMut(i64, &[u32])) -> Result<(), Error>;
}
