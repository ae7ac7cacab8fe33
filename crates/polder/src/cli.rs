//! The command line: what can be typed.
//!
//! The rule: every word and flag says what it is; what cannot be right by itself is refused here.

mod misp;
mod people;
mod requests;

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use misp::Misp;
pub(crate) use people::{Member, Recipient, User};
pub(crate) use requests::request;

/// Share threat intelligence with allies: see who will receive each item before it is shared.
#[derive(Debug, Parser)]
#[command(name = "polder", version, about = "Share threat intelligence with allies: see who will receive each item before it is shared", max_term_width = 110)]
pub(crate) struct Cli {
    /// The node's directory.
    #[arg(long, global = true, env = "POLDER_DIR", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new node.
    Init(Init),
    /// Serve the node: TAXII 2.1, and commands on its control socket.
    Serve {
        /// Where to listen, ADDRESS:PORT.
        #[arg(long)]
        listen: Option<String>,
        /// Plain HTTP instead of TLS.
        #[arg(long)]
        plain_http: bool,
        /// End when standard input closes.
        #[arg(long, hide = true)]
        until_stdin_closes: bool,
    },
    /// Three members of one alliance on this machine, with a campaign to share.
    Demo(Demo),
    /// Take objects in: a STIX 2.0 or 2.1 bundle, a TAXII envelope, or one object per line.
    Import {
        /// A file, a folder of MISP's JSON, or `-` for standard input.
        file: PathBuf,
        /// This member introduces them.
        #[arg(long, conflicts_with = "source")]
        own: bool,
        /// The source they come from [default: import].
        #[arg(long)]
        source: Option<String>,
        /// Keep nothing; say what would happen and who would receive it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Everything a recipient may hold, as a bundle.
    Export {
        /// The recipient.
        #[arg(long)]
        to: String,
        /// What it is written as.
        #[arg(long, value_enum, default_value = "stix")]
        format: ExportFormat,
        /// A file instead of standard output.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// TAXII as a client.
    #[command(subcommand)]
    Taxii(Taxii),
    /// Look at objects, and raise their marking.
    #[command(subcommand)]
    Object(Object),
    /// Marking definitions.
    #[command(subcommand)]
    Marking(Marking),
    /// Where copies come from.
    #[command(subcommand)]
    Source(Source),
    /// Standing releases.
    #[command(subcommand)]
    Standing(Standing),
    /// Who may be given something.
    #[command(subcommand)]
    Recipient(Recipient),
    /// Logins: who may come in, and what each may do.
    #[command(subcommand)]
    User(User),
    /// Members of the alliance, and groups of them.
    #[command(subcommand)]
    Member(Member),
    /// TAXII collections.
    #[command(subcommand)]
    Collection(Collection),
    /// Who may have what, and why.
    #[command(subcommand)]
    Release(Release),
    /// What was sent to whom.
    #[command(subcommand)]
    Ledger(Ledger),
    /// MISP beside this node.
    #[command(subcommand)]
    Misp(Misp),
    /// Is this node well? Damage, clock, limits.
    Doctor {
        /// Take the system clock as right although the node has recorded later times.
        #[arg(long)]
        accept_clock: bool,
    },
    /// Settings.
    #[command(subcommand)]
    Config(Config),
    /// Shell completions.
    Completions {
        /// The shell.
        shell: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// Id of the member, as audiences will name it.
    #[arg(long)]
    pub(crate) member: Option<String>,
    /// Its name.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Its UUID, as its MISP and STIX identities have it [default: a new one].
    #[arg(long)]
    pub(crate) uuid: Option<String>,
    /// What it is.
    #[arg(long, value_enum, default_value = "body")]
    pub(crate) kind: MemberKind,
    /// Where TAXII will listen.
    #[arg(long, default_value = "127.0.0.1:6100")]
    pub(crate) listen: String,
    /// Port on 127.0.0.1, short for --listen.
    #[arg(long, conflicts_with = "listen")]
    pub(crate) taxii_port: Option<u16>,
    /// Serve plain HTTP instead of TLS.
    #[arg(long)]
    pub(crate) plain_http: bool,
    /// A file with the owner's password [default: one is made].
    #[arg(long)]
    pub(crate) password_file: Option<PathBuf>,
    /// One more name or address in the certificate that is made.
    #[arg(long = "tls-name", value_name = "NAME", conflicts_with = "plain_http")]
    pub(crate) tls_names: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FeedFormat {
    /// MISP's: a manifest and a file for each event.
    Misp,
    /// Lines of cells; the first cell that can be told counts.
    Csv,
    /// Any text.
    Freetext,
}

impl FeedFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Misp => "misp",
            Self::Csv => "csv",
            Self::Freetext => "freetext",
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A bundle of STIX 2.1.
    Stix,
    /// The events that came from a MISP, as its JSON.
    Misp,
}

impl ExportFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stix => "stix",
            Self::Misp => "misp",
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum MemberKind {
    Nation,
    Body,
    Company,
}

impl MemberKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nation => "nation",
            Self::Body => "body",
            Self::Company => "company",
        }
    }
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Demo {
    /// End with a summary instead of running until Ctrl-C.
    #[arg(long)]
    pub(crate) once: bool,
    /// First of three ports [default: free ones].
    #[arg(long)]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Taxii {
    /// Pull a peer's collection into a source.
    Pull {
        /// Discovery, API root or collection.
        url: String,
        /// The login the peer gave us.
        #[arg(long, requires = "password_file")]
        user: Option<String>,
        /// A file with its password.
        #[arg(long, requires = "user")]
        password_file: Option<PathBuf>,
        /// A file with a bearer token.
        #[arg(long, conflicts_with_all = ["user", "password_file"])]
        token_file: Option<PathBuf>,
        /// The source that takes it.
        #[arg(long)]
        source: String,
        /// Collection id or alias [default: the first that may be read].
        #[arg(long)]
        collection: Option<String>,
        /// A file (PEM) with the certificate authority to trust, or with the peer's own certificate.
        #[arg(long)]
        ca: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Object {
    /// Print an object.
    Get {
        /// Its STIX id.
        id: String,
        /// As received, before STIX 2.0 was lifted.
        #[arg(long)]
        original: bool,
        /// Every copy: versions, sources, variants.
        #[arg(long)]
        all: bool,
    },
    /// Find objects by words in names and values.
    Find {
        /// Words that all must occur.
        words: Vec<String>,
        /// Objects of this STIX type only.
        #[arg(long = "type")]
        object_type: Option<String>,
        /// That refer to this object.
        #[arg(long)]
        refers_to: Option<String>,
        /// Added later than this time.
        #[arg(long)]
        since: Option<String>,
        /// Added up to this time.
        #[arg(long)]
        until: Option<String>,
        /// How many are shown at most.
        #[arg(long, default_value_t = 50, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
        limit: usize,
    },
    /// Raise an object's marking.
    Mark {
        /// Its STIX id.
        id: String,
        /// The level: clear, green, amber, amber+strict or red.
        #[arg(long)]
        tlp: String,
        /// The copy from this source [default: own, else the latest].
        #[arg(long)]
        source: Option<String>,
        /// Only say who could have it then; nothing is changed.
        #[arg(long)]
        dry_run: bool,
    },
    /// Give an object again that was raised or recalled here: the copies from elsewhere count as their senders marked them.
    Lift {
        /// Its STIX id.
        id: String,
        /// A level to which it stays raised here.
        #[arg(long)]
        to: Option<String>,
        /// Only say who could have it then; nothing is changed.
        #[arg(long)]
        dry_run: bool,
    },
    /// Take an object back: from now on it stays with this organisation. Says who was sent it.
    Recall {
        /// Its STIX id.
        id: String,
        /// Only say who could have it then; nothing is changed.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Marking {
    /// Take a definition as valid for every source.
    Pin {
        /// A file with the definition, or `-` for standard input.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Source {
    /// Add a source.
    Add {
        /// Its name, for `import --source`.
        name: String,
        /// own, member or feed.
        #[arg(long, default_value = "feed")]
        kind: String,
        /// The member that vouches for it.
        #[arg(long)]
        member: Option<String>,
        /// TLP level its unmarked objects are taken to have.
        #[arg(long)]
        default_tlp: Option<String>,
        /// Members its unmarked objects are taken to name.
        #[arg(long, value_delimiter = ',')]
        default_members: Vec<String>,
    },
    /// Change a source's default label.
    Set {
        /// Its name.
        name: String,
        /// TLP level its unmarked objects are taken to have; `none` for no default label.
        #[arg(long)]
        default_tlp: Option<String>,
        /// Members its unmarked objects are taken to name.
        #[arg(long, value_delimiter = ',')]
        default_members: Vec<String>,
    },
    /// Remove a source that holds no object.
    Remove {
        /// Its name.
        name: String,
    },
    /// List sources.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Standing {
    /// Add recipients for a level and type, where no audience is named.
    Add {
        /// A name for it.
        id: String,
        /// Levels it speaks of; never red.
        #[arg(long = "level", value_delimiter = ',', required = true)]
        levels: Vec<String>,
        /// Object types it speaks of [default: all].
        #[arg(long = "type", value_delimiter = ',')]
        types: Vec<String>,
        /// Members it adds, with all their recipients.
        #[arg(long = "member", value_delimiter = ',')]
        members: Vec<String>,
        /// Single recipients it adds.
        #[arg(long = "recipient", value_delimiter = ',')]
        recipients: Vec<String>,
    },
    /// Remove a standing release.
    Remove {
        /// Its name.
        id: String,
    },
    /// List standing releases.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Collection {
    /// Add a collection.
    Add {
        /// Its name in URLs.
        alias: String,
        /// Its title, for people [default: the alias].
        #[arg(long)]
        title: Option<String>,
        /// Object types it takes in [default: all].
        #[arg(long = "type", value_delimiter = ',')]
        types: Option<Vec<String>>,
        /// Sources it takes in [default: all].
        #[arg(long = "source", value_delimiter = ',')]
        sources: Option<Vec<String>>,
        /// Recipients that may read it; `*` for everyone.
        #[arg(long, value_delimiter = ',', default_value = "*")]
        read: Vec<String>,
        /// Recipients that may post to it.
        #[arg(long, value_delimiter = ',')]
        write: Vec<String>,
    },
    /// Remove a collection; the objects stay.
    Remove {
        /// Its alias.
        alias: String,
    },
    /// List collections.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Why a recipient may or may not have an object.
    Explain {
        /// The object's STIX id.
        object: String,
        /// The recipient.
        #[arg(long)]
        to: String,
    },
    /// Who may have an object, and what would be redacted.
    Audience {
        /// The object's STIX id.
        object: String,
    },
    /// What waits for a person.
    Queue,
    /// Say yes to a held object for one recipient.
    Approve {
        /// The object's STIX id.
        object: String,
        /// The recipient.
        #[arg(long)]
        to: String,
    },
    /// Say no to a held object for one recipient.
    Refuse {
        /// The object's STIX id.
        object: String,
        /// The recipient.
        #[arg(long)]
        to: String,
    },
    /// How many objects a recipient may have, and why the others stay.
    Summary {
        /// The recipient.
        #[arg(long)]
        to: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Who was sent an object.
    WhoHas {
        /// The object's STIX id.
        object: String,
    },
    /// What a recipient was sent.
    WhatHas {
        /// Its id.
        recipient: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Settings as they hold.
    Show {
        /// With where each comes from.
        #[arg(long)]
        origin: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_word_and_flag_says_what_it_is() {
        fn check(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some_and(|h| !h.to_string().is_empty()), "`{path}` has no help for `{}`", argument.get_id());
            }
            for sub in command.get_subcommands() {
                assert!(sub.get_about().is_some(), "`{path} {}` has no help", sub.get_name());
                check(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        check(&Cli::command(), "polder");
    }

    #[test]
    fn logins_are_named_once_and_whole() {
        let pull = |flags: &str| Cli::try_parse_from(format!("polder taxii pull https://taxii.example/ --source s {flags}").split_whitespace()).is_ok();
        for (flags, want) in [
            ("", true),
            ("--user u --password-file f", true),
            ("--token-file t", true),
            ("--user u", false),
            ("--password-file f", false),
            ("--user u --token-file t", false),
            ("--user u --password-file f --token-file t", false),
        ] {
            assert_eq!(pull(flags), want, "{flags}");
        }
    }
}
