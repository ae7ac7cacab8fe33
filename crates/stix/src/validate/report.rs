//! Where findings are collected, and the path that says where in the object they are.
//!
//! One rule holds here: a path costs nothing until a finding needs it as text.

use std::fmt;

use super::{Finding, Grade, Options};

/// A place inside an object, linked back to the root.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    /// The object itself.
    Root,
    /// A member of an object.
    Key(&'a Path<'a>, &'a str),
    /// An item of a list.
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    /// The member `key` of this place.
    pub(super) fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    /// The item `index` of this place.
    pub(super) fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Collects the findings of one object.
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
    pub(super) options: Options,
}

impl Report {
    /// The node cannot handle the object safely.
    pub(super) fn refuse(&mut self, at: &Path<'_>, message: impl Into<String>) {
        self.add(Grade::Refuse, at, message);
    }

    /// The object breaks a requirement of the specification.
    pub(super) fn warn(&mut self, at: &Path<'_>, message: impl Into<String>) {
        self.add(Grade::Warn, at, message);
    }

    /// The object departs from a recommendation; dropped when the caller wants requirements only.
    pub(super) fn advise(&mut self, at: &Path<'_>, message: impl Into<String>) {
        if self.options.recommendations {
            self.add(Grade::Warn, at, message);
        }
    }

    fn add(&mut self, grade: Grade, at: &Path<'_>, message: impl Into<String>) {
        self.findings.push(Finding { grade, path: at.to_string(), message: message.into() });
    }
}
