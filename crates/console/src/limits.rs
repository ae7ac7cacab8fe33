//! Bounds of everything a browser sends and of every page.

/// Sessions at one time, of everybody.
pub const SESSIONS_MAX: usize = 10_000;
/// Sessions of one login; the oldest ends.
pub const SESSIONS_PER_LOGIN_MAX: usize = 20;
/// A session that does nothing ends after so long.
pub const SESSION_IDLE_S: u64 = 8 * 3600;
/// A session ends after so long in any case.
pub const SESSION_AGE_S: u64 = 24 * 3600;
/// A form that carries no file.
pub const FORM_BYTES_MAX: usize = 4 << 20;
/// Objects on one page of a list.
pub const PAGE_OBJECTS: usize = 50;
/// Objects on one page of a list at most.
pub const PAGE_OBJECTS_MAX: usize = 200;
/// Members of a report on one page.
pub const PAGE_MEMBERS: usize = 100;
/// Versions that a history shows.
pub const HISTORY_MAX: usize = 100;
/// Relations that an object's page shows of each kind.
pub const RELATIONS_MAX: usize = 50;
/// Characters of a value in a list.
pub const CELL_CHARS_MAX: usize = 160;
/// Entries of the ledger and of the log of acts on one page.
pub const PAGE_ENTRIES: usize = 100;
/// Times a page is decided again while the policy moves.
pub const DECISIONS_MAX: usize = 3;
/// Bytes of everything that was previewed and not saved yet, of everybody.
pub const DRAFTS_BYTES_MAX: usize = 512 << 20;
/// What was previewed is forgotten after so long.
pub const DRAFT_AGE_S: u64 = 1800;
/// Objects that a graph shows.
pub const GRAPH_NODES_MAX: usize = 300;
/// Steps from the middle of a graph.
pub const GRAPH_HOPS_MAX: usize = 3;
/// Bytes of a Navigator layer that is laid over the matrix.
pub const LAYER_BYTES_MAX: usize = 8 << 20;
/// Objects that the matrix looks at.
pub const MATRIX_OBJECTS_MAX: usize = 100_000;
/// Fields of a form.
pub const FORM_FIELDS_MAX: usize = 10_000;
/// Pages that are made at one time; others wait.
pub const PAGES_AT_ONCE_MAX: usize = 16;
/// Pages of one person that are kept current at one time.
pub const STREAMS_PER_PERSON_MAX: usize = 12;
/// Pages of everybody that are kept current at one time.
pub const STREAMS_MAX: usize = 500;
/// A page is kept current for so long; then its browser asks again.
pub const STREAM_S_MAX: u64 = 600;
/// Pages that try something on a copy of the columns at one time.
pub const REHEARSALS_AT_ONCE_MAX: usize = 2;
/// Characters of an object's JSON that its page shows.
pub const JSON_CHARS_SHOWN: usize = 50_000;
/// Bytes of a text that is looked at for marks of formatting.
pub const FORMATTED_BYTES_MAX: usize = 100_000;
/// Elements that formatting nests.
pub const FORMATTED_DEPTH_MAX: usize = 16;
/// Objects that refer to another one, looked at at once.
pub const REFERRERS_PAGE: usize = 200;
/// Of objects that refer to another one, so many are looked at.
pub const REFERRERS_LOOKED_AT_MAX: usize = 4000;
/// Objects that a list looks at to fill one page.
pub const LIST_LOOKED_AT_MAX: usize = 4000;
