//! Commands about who is who: recipients, logins, members.
//!
//! The rule: a password is never an argument, since others see those; it comes from a file or is made.

use std::path::PathBuf;

use clap::Subcommand;

use super::MemberKind;

#[derive(Debug, Subcommand)]
pub(crate) enum Recipient {
    /// Add a recipient, with a login.
    Add {
        /// Its id; it cannot be given to another later.
        id: String,
        /// organisation, node, person, partner-system or public.
        #[arg(long, default_value = "organisation")]
        kind: String,
        /// The member it belongs to, or the client of one; not for kind public.
        #[arg(long)]
        organisation: Option<String>,
        /// The person, for kind person.
        #[arg(long)]
        person: Option<String>,
        /// Name of its login [default: the recipient's id].
        #[arg(long)]
        user: Option<String>,
        /// A file with its password [default: one is made].
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Nothing goes to it any more, from now on.
    Suspend {
        /// Its id.
        id: String,
    },
    /// It may receive again.
    Resume {
        /// Its id.
        id: String,
    },
    /// Remove it for good, with its logins and its rights; its id cannot be used again.
    Remove {
        /// Its id.
        id: String,
    },
    /// List recipients.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add a login; its password and its key are shown once.
    Add {
        /// Its name.
        user: String,
        /// The recipient it belongs to [default: this node's own organisation].
        #[arg(long)]
        recipient: Option<String>,
        /// owner, analyst, release-officer, auditor, or reader; of others than the node's own people, reader.
        #[arg(long, default_value = "reader")]
        role: String,
        /// A file with its password [default: one is made].
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Give it another password; every session of it ends.
    Password {
        /// Its name.
        user: String,
        /// A file with the password [default: one is made].
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Give it another role.
    Role {
        /// Its name.
        user: String,
        /// owner, analyst, release-officer, auditor, or reader.
        role: String,
    },
    /// Remove it; every session of it ends.
    Remove {
        /// Its name.
        user: String,
    },
    /// List logins.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// Add a member, or an organisation outside that is a client of one.
    Add {
        /// Its id, as audiences name it.
        id: String,
        /// Its name.
        #[arg(long, default_value = "")]
        name: String,
        /// What it is.
        #[arg(long, value_enum, default_value = "body")]
        kind: MemberKind,
        /// Its UUID, as MISP and STIX identities have it [default: a new one].
        #[arg(long)]
        uuid: Option<String>,
        /// Organisations whose client it is.
        #[arg(long, value_delimiter = ',')]
        client_of: Vec<String>,
        /// Not in the alliance.
        #[arg(long)]
        outside: bool,
    },
    /// Add a named group of members and persons.
    Group {
        /// Its id, as audiences name it.
        id: String,
        /// Members in it.
        #[arg(long = "member", value_delimiter = ',')]
        members: Vec<String>,
        /// Persons in it.
        #[arg(long = "person", value_delimiter = ',')]
        persons: Vec<String>,
    },
    /// Remove a member that no recipient and no source belongs to.
    Remove {
        /// Its id.
        id: String,
    },
    /// Remove a group; audiences that name it then name nobody by it.
    RemoveGroup {
        /// Its id.
        id: String,
    },
    /// List members and groups.
    List,
}
