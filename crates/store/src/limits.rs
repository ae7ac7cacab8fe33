//! What is bounded in this crate.

/// Objects in one commit.
pub const COMMIT_OBJECTS_MAX: usize = 10_000;
/// Entries of a page.
pub const PAGE_OBJECTS_MAX: usize = 10_000;
/// Bytes of a page; the entry that crosses it ends the page.
pub const PAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Requests that share one transaction.
pub const GROUP_REQUESTS_MAX: usize = 256;
/// Distinct labels of one source; beyond, its rows are refused.
pub const LABELS_PER_SOURCE_MAX: usize = 65_536;
/// Rows one node holds.
pub const ROWS_MAX: usize = 200_000_000;
/// How far a version may lie in the future.
pub const VERSION_AHEAD_S_MAX: i64 = 86_400;
/// How far the system clock may lie behind the trusted time before nothing leaves.
pub const CLOCK_BEHIND_US_MAX: i64 = 5_000_000;
/// Entries of a view log kept in one chunk on disk.
pub const LOG_CHUNK_ENTRIES: usize = 4096;
/// Bytes of one text that can be searched.
pub const SEARCH_TEXT_BYTES_MAX: usize = 16_384;
/// Bytes of the first line of a note that are searched.
pub const SEARCH_BEGINNING_BYTES: usize = 160;
/// Rows taken into the search database in one transaction.
pub const SEARCH_BATCH_ROWS: u32 = 2000;
/// Objects looked at together for a search.
pub const SEARCH_PAGE_OBJECTS: usize = 100;
/// How long nothing new must have come before the search database is filled.
pub const SEARCH_PAUSE_MS: u64 = 300;
/// Distinct object types one store knows, in ids and in references.
pub const TYPES_MAX: usize = 60_000;
/// Attempts to take the directory's lock.
pub const LOCK_ATTEMPTS_MAX: u32 = 20;
/// Pause between them.
pub const LOCK_PAUSE_MS: u64 = 25;
