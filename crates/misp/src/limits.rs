//! What is bounded in MISP's input.
//!
//! The rule: a limit's unit is the last word of its name.

/// Bytes of one file with events.
pub const FILE_BYTES_MAX: u64 = 1 << 30;
/// Files of one folder.
pub const FILES_MAX: usize = 1_000_000;
/// Folders within folders.
pub const FOLDER_DEPTH_MAX: usize = 16;
/// Places that an audit lists for each kind of finding; all are counted.
pub const PLACES_LISTED_MAX: usize = 1_000;
/// Sharing groups and organisations that an audit tells apart.
pub const NAMES_MAX: usize = 100_000;
/// Bytes of one event of another MISP.
pub const ANSWER_BYTES_MAX: u64 = 1 << 30;
/// Bytes of any other answer of another MISP, which is held.
pub const LIST_BYTES_MAX: u64 = 256 << 20;
/// Bytes of an event that is pushed, which is held several times over; a longer one can be pulled.
pub const PUSHED_BYTES_MAX: usize = 32 << 20;
/// Values of one feed of lines.
pub const FEED_VALUES_MAX: usize = 1_000_000;
/// Bytes of an answer that is held until it is whole; longer ones go out part by part.
pub const HELD_BYTES_MAX: usize = 1 << 20;
/// Bytes of such a part.
pub const PART_BYTES: usize = 1 << 18;
/// Bytes of a request that are held in memory before a long event is laid on disk.
pub const BODY_HELD_BYTES_MAX: usize = 8 << 20;
/// Parts that are made ahead of who reads them.
pub const PARTS_AHEAD: usize = 4;
/// Bytes of a request that is sent unpacked.
pub const PLAIN_BODY_BYTES_MAX: usize = 1_024;
/// Events of which sightings are asked of another MISP at once.
pub const SIGHTINGS_EVENTS: usize = 20;
/// Objects that are kept in one commit.
pub const BATCH_OBJECTS: usize = 1_000;
/// Times a page is decided again while the policy moves.
pub const DECISIONS_MAX: usize = 5;
/// Bytes of a value that is looked up in the search database; longer ones are looked for row by row.
pub const SEARCHED_VALUE_BYTES_MAX: usize = 200;
/// Events of which sightings are asked at once.
pub const SIGHTED_EVENTS_MAX: usize = 100;
/// Proposals that are asked of another MISP at once.
pub const PROPOSALS_ASKED: usize = 1_000;
/// How often that is done in one pull.
pub const PROPOSAL_PAGES_MAX: usize = 1_000;
/// Custom clusters of another MISP that are looked at in one pull.
pub const CLUSTERS_ASKED: usize = 100_000;
/// Sightings that are sent to another MISP at once.
pub const SIGHTINGS_SENT: usize = 500;
/// Notes, opinions or relationships that are asked of another MISP at once.
pub const ANALYST_DATA_ASKED: usize = 100;
/// How deep notes about notes are shown in one another; deeper ones are listed only.
pub const ANALYST_DATA_DEPTH_MAX: usize = 32;
/// Attributes of a list that says no limit.
pub const LISTED_DEFAULT: usize = 60;
/// Attributes of which an answer looks for others with the same value.
pub const CORRELATED_MAX: usize = 10_000;
/// Objects that are asked of the store at once.
pub const PAGE_OBJECTS: usize = 10_000;
/// Bytes of one file of the library.
pub const LIBRARY_FILE_BYTES_MAX: u64 = 256 << 20;
/// Values that are looked for on warninglists at once.
pub const WARNED_VALUES_MAX: usize = 10_000;
