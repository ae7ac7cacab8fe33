//! Store errors, by blame: the operator, the disk, the caller.

use std::path::PathBuf;

/// What went wrong, and whose turn it is.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process has the directory.
    #[error("`{0}` is in use by another process")]
    Locked(PathBuf),
    /// There is no node there.
    #[error("`{0}` holds no polder store")]
    Missing(PathBuf),
    /// Written by a later version.
    #[error("the store has format {found}, this program reads up to {known}")]
    Newer {
        /// Format found.
        found: i64,
        /// Newest format known.
        known: i64,
    },
    /// Exercise and operations never share a file.
    #[error("the store belongs to the realm `{found}`, this node to `{known}`")]
    Realm {
        /// Realm the file names.
        found: String,
        /// Realm it was opened as.
        known: &'static str,
    },
    /// The disk is full; nothing of the request was kept.
    #[error("the disk is full, nothing of this request was kept")]
    DiskFull,
    /// Bytes on disk are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The disk or its driver failed.
    #[error("the disk failed: {0}")]
    Disk(String),
    /// The system clock lies behind what this node has already seen.
    #[error("the system clock is {behind_s} s behind the time this node has already recorded, so nothing leaves")]
    ClockBehind {
        /// How far.
        behind_s: i64,
    },
    /// The policy moved after the decision; nothing was entered in the ledger, and it has to be decided again.
    #[error("the policy changed while the page was made")]
    Stale,
    /// The caller asked for something that does not exist.
    #[error("no {kind} `{name}`")]
    Unknown {
        /// What was asked for.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The caller asked for more than is allowed.
    #[error("{what}: {found}, the limit is {max}")]
    Limit {
        /// What.
        what: &'static str,
        /// How much.
        found: usize,
        /// How much is allowed.
        max: usize,
    },
}

impl Error {
    /// One line that says what the operator can do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Locked(_) => "stop the other process; commands reach a running node by themselves",
            Self::Missing(_) => "run `polder init` first, or point `--dir` at a node",
            Self::Newer { .. } => "use the program version that wrote it, or a later one",
            Self::Realm { .. } => "give every realm a directory of its own",
            Self::DiskFull => "free some space and send the request again",
            Self::Damaged(_) => "restore that file from a backup; what is readable goes on being served",
            Self::Disk(_) => "look at the system log; what was acknowledged is on disk",
            Self::ClockBehind { .. } => "set the clock, or run `polder doctor --accept-clock` if the recorded time is the wrong one",
            Self::Stale => "try again",
            Self::Unknown { .. } => "`polder recipient list`, `polder source list` and `polder object find` show what there is",
            Self::Limit { .. } => "send it in smaller parts",
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Disk("the database is locked by another program".to_owned()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Disk(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull { Self::DiskFull } else { Self::Disk(error.to_string()) }
    }
}
