//! What a command fails with: a message, a remedy, and the exit code that says whose turn it is.

use serde::{Deserialize, Serialize};

/// Exit codes of every command.
pub(crate) mod exit {
    pub(crate) const OK: u8 = 0;
    pub(crate) const NO: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const CONFIGURATION: u8 = 3;
    pub(crate) const PEER: u8 = 4;
    pub(crate) const PARTIAL: u8 = 5;
}

/// A failure, ready to be shown.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) help: String,
    pub(crate) exit: u8,
}

impl Failure {
    pub(crate) fn new(exit: u8, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), exit }
    }

    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message, help)
    }

    pub(crate) fn configuration(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(exit::CONFIGURATION, message, help)
    }

    /// The same, of a value that was typed and not found in a file.
    pub(crate) fn into_usage(self) -> Self {
        Self { exit: exit::USAGE, ..self }
    }

    pub(crate) fn not_found(kind: &str, name: &str, help: impl Into<String>) -> Self {
        Self::new(exit::NO, format!("no {kind} `{name}`"), help)
    }
}

impl From<polder_store::Error> for Failure {
    fn from(error: polder_store::Error) -> Self {
        let code = match error {
            polder_store::Error::Unknown { .. } => exit::NO,
            polder_store::Error::Limit { .. } => exit::USAGE,
            _ => exit::CONFIGURATION,
        };
        Self::new(code, error.to_string(), error.help())
    }
}

/// Reading or writing a file of the operator's.
pub(crate) fn file_failure(path: &std::path::Path, doing: &str, error: &std::io::Error) -> Failure {
    let help = match error.kind() {
        std::io::ErrorKind::NotFound => "check the path",
        std::io::ErrorKind::PermissionDenied => "check who owns it and its permissions",
        std::io::ErrorKind::StorageFull => "the disk is full: free some space",
        _ => "look at the system log",
    };
    Failure::configuration(format!("cannot {doing} `{}`: {error}", path.display()), help)
}
