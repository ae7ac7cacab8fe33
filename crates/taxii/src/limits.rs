//! What is bounded in this crate.

/// Objects on a page when the client does not say.
pub const PAGE_OBJECTS_DEFAULT: usize = 1_000;
/// Objects on a page at most.
pub const PAGE_OBJECTS_MAX: usize = polder_store::limits::PAGE_OBJECTS_MAX;
/// Bytes of one POST.
pub const CONTENT_BYTES_MAX: usize = 100 * 1024 * 1024;
/// How often a page is decided again because the policy moved meanwhile.
pub const DECISIONS_MAX: usize = 3;
/// Characters of one message in a status.
pub const MESSAGE_CHARS_MAX: usize = 500;
/// Seconds a client is asked to wait when the node cannot serve for now.
pub const RETRY_AFTER_S: u64 = 30;

/// Bytes of one page a peer may send.
pub const PULL_PAGE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of a discovery, API root or collections resource a peer may send.
pub const PULL_RESOURCE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Pages of one pull; a peer that goes on beyond is sending in circles.
pub const PULL_PAGES_MAX: u64 = 10_000_000;
/// Characters of a peer's cursor.
pub const PULL_NEXT_CHARS_MAX: usize = 4096;
/// Records of a manifest taken in.
pub const PULL_MANIFEST_RECORDS_MAX: usize = 20_000_000;
