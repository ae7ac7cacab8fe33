//! What a command asks of a node: the same value whether the node is this process or answers on its control socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request. A body (the file to import, the definition to pin) travels beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Request {
    Import {
        source: Option<String>,
        own: bool,
        dry_run: bool,
        place: String,
        file: Option<PathBuf>,
    },
    Export {
        to: String,
        format: String,
    },
    ObjectGet {
        id: String,
        original: bool,
        all: bool,
    },
    ObjectFind {
        words: Vec<String>,
        object_type: Option<String>,
        refers_to: Option<String>,
        since: Option<String>,
        until: Option<String>,
        limit: usize,
    },
    ObjectMark {
        id: String,
        level: String,
        source: Option<String>,
        #[serde(default)]
        dry_run: bool,
    },
    ObjectRecall {
        id: String,
        #[serde(default)]
        dry_run: bool,
    },
    /// Another level and audience for an own object; without an answer it is only tried.
    ObjectWiden {
        id: String,
        level: String,
        /// Whom it is for, like `members:bravo`.
        audience: Vec<String>,
        /// Markings besides that stay on it.
        keep: Vec<String>,
        /// The copy that whoever answers was shown.
        seen: Option<String>,
        answer: Option<String>,
    },
    /// An end of what people here tightened copies of an object to; without an answer it is only tried.
    ObjectLift {
        id: String,
        /// A level that stays; empty for none.
        #[serde(default)]
        left: String,
        /// The copies that whoever answers was shown.
        #[serde(default)]
        seen: Option<String>,
        answer: Option<String>,
    },
    MarkingPin,
    SourceAdd {
        name: String,
        kind: String,
        member: Option<String>,
        default_tlp: Option<String>,
        default_members: Vec<String>,
    },
    SourceSet {
        name: String,
        default_tlp: Option<String>,
        default_members: Vec<String>,
    },
    SourceRemove {
        name: String,
    },
    SourceList,
    StandingAdd {
        id: String,
        levels: Vec<String>,
        types: Vec<String>,
        members: Vec<String>,
        recipients: Vec<String>,
    },
    StandingRemove {
        id: String,
    },
    StandingList,
    RecipientAdd {
        id: String,
        kind: String,
        organisation: Option<String>,
        person: Option<String>,
        user: Option<String>,
        password: Option<String>,
    },
    RecipientSuspend {
        id: String,
        suspend: bool,
    },
    RecipientRemove {
        id: String,
    },
    RecipientList,
    MemberAdd {
        id: String,
        name: String,
        kind: String,
        identity: Option<String>,
        client_of: Vec<String>,
        outside: bool,
    },
    MemberRemove {
        id: String,
    },
    MemberList,
    GroupAdd {
        id: String,
        members: Vec<String>,
        persons: Vec<String>,
    },
    GroupRemove {
        id: String,
    },
    CollectionAdd {
        alias: String,
        title: String,
        types: Option<Vec<String>>,
        sources: Option<Vec<String>>,
        read: Vec<String>,
        write: Vec<String>,
    },
    CollectionRemove {
        alias: String,
    },
    CollectionList,
    Explain {
        id: String,
        to: String,
    },
    Audience {
        id: String,
    },
    Queue,
    Approve {
        id: String,
        to: String,
        /// Copies that whoever answers was shown, as the queue's `copy` names them; none means all that wait.
        #[serde(default)]
        seen: Option<Vec<String>>,
    },
    Refuse {
        id: String,
        to: String,
        /// Copies that whoever answers was shown, as the queue's `copy` names them; none means all that wait.
        #[serde(default)]
        seen: Option<Vec<String>>,
    },
    WhoHas {
        id: String,
        /// Also when, what stands in other MISPs, and when it was recalled.
        #[serde(default)]
        receipts: bool,
    },
    WhatHas {
        recipient: String,
    },
    Summary {
        recipient: String,
    },
    UserAdd {
        user: String,
        recipient: String,
        role: String,
        password: Option<String>,
    },
    UserPassword {
        user: String,
        password: Option<String>,
    },
    UserRole {
        user: String,
        role: String,
    },
    UserRemove {
        user: String,
    },
    UserList,
    Pull {
        url: String,
        user: Option<String>,
        password: Option<String>,
        token: Option<String>,
        source: String,
        collection: Option<String>,
        ca: Option<String>,
    },
    MispAdd {
        name: String,
        url: String,
        key: String,
        source: String,
        to: Option<String>,
        ca: Option<String>,
    },
    MispSet {
        name: String,
        url: Option<String>,
        key: Option<String>,
        to: Option<String>,
        ca: Option<String>,
    },
    MispRemove {
        name: String,
    },
    MispTest {
        name: String,
    },
    MispPull {
        name: String,
        full: bool,
    },
    MispPush {
        name: String,
        /// Only events that have this UUID or a part with it, and what is said about it.
        #[serde(default)]
        only: Option<String>,
    },
    MispStatus,
    MispLibrary,
    MispFeed {
        url: String,
        source: String,
        format: String,
        ca: Option<String>,
    },
    Doctor,
    ConfigShow,
}

/// An answer: a value to show, or bytes to pass on as they are, and the exit code.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) exit: u8,
}

impl Answer {
    pub(crate) fn ok(value: Value) -> Self {
        Self { value, ..Self::default() }
    }
}
