//! What is bounded in asking a peer.

/// Redirects followed for one request, on the same host only.
pub const REDIRECTS_MAX: usize = 5;
/// Attempts at one request.
pub const ATTEMPTS_MAX: u32 = 6;
/// Longest wait between two attempts, seconds.
pub const WAIT_S_MAX: u64 = 120;
/// Seconds to wait for a connection.
pub const CONNECT_S_MAX: u64 = 30;
/// Seconds to wait for the head of an answer.
pub const ANSWER_S_MAX: u64 = 300;
/// Bytes of a long answer that are laid on disk at once.
pub const PART_BYTES: u64 = 1 << 18;
/// Seconds one answer may take to arrive.
pub const BODY_S_MAX: u64 = 3600;
