//! The command line: what can be typed, and the request each command becomes.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::request::Request;

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
        /// A file, or `-` for standard input.
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
}

#[derive(Debug, Clone, Copy, ValueEnum)]
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
        #[arg(long)]
        user: Option<String>,
        /// A file with the password.
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// A file with a bearer token.
        #[arg(long)]
        token_file: Option<PathBuf>,
        /// The source that takes it.
        #[arg(long)]
        source: String,
        /// Collection id or alias [default: the first that may be read].
        #[arg(long)]
        collection: Option<String>,
        /// A file with the certificate authority to trust.
        #[arg(long)]
        ca: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Object {
    /// Print an object.
    Get {
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
        words: Vec<String>,
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
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Raise an object's marking.
    Mark {
        id: String,
        #[arg(long)]
        tlp: String,
        /// The copy from this source [default: own, else the latest].
        #[arg(long)]
        source: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Marking {
    /// Take a definition as valid for every source.
    Pin { file: PathBuf },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Source {
    /// Add a source.
    Add {
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
        name: String,
        #[arg(long)]
        default_tlp: Option<String>,
        #[arg(long, value_delimiter = ',')]
        default_members: Vec<String>,
    },
    /// List sources.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Standing {
    /// Add recipients for a level and type, where no audience is named.
    Add {
        id: String,
        #[arg(long = "level", value_delimiter = ',', required = true)]
        levels: Vec<String>,
        #[arg(long = "type", value_delimiter = ',')]
        types: Vec<String>,
        #[arg(long = "member", value_delimiter = ',')]
        members: Vec<String>,
        #[arg(long = "recipient", value_delimiter = ',')]
        recipients: Vec<String>,
    },
    /// Remove a standing release.
    Remove { id: String },
    /// List standing releases.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Recipient {
    /// Add a recipient, with a login.
    Add {
        id: String,
        /// organisation, node, person, partner-system or public.
        #[arg(long, default_value = "organisation")]
        kind: String,
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
    Suspend { id: String },
    /// It may receive again.
    Resume { id: String },
    /// List recipients.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// Add a member, or an organisation outside that is a client of one.
    Add {
        id: String,
        #[arg(long, default_value = "")]
        name: String,
        #[arg(long, value_enum, default_value = "body")]
        kind: MemberKind,
        /// Organisations whose client it is.
        #[arg(long, value_delimiter = ',')]
        client_of: Vec<String>,
        /// Not in the alliance.
        #[arg(long)]
        outside: bool,
    },
    /// Add a named group of members and persons.
    Group {
        id: String,
        #[arg(long = "member", value_delimiter = ',')]
        members: Vec<String>,
        #[arg(long = "person", value_delimiter = ',')]
        persons: Vec<String>,
    },
    /// List members.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Collection {
    /// Add a collection.
    Add {
        alias: String,
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
    /// List collections.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Why a recipient may or may not have an object.
    Explain {
        object: String,
        #[arg(long)]
        to: String,
    },
    /// Who may have an object, and what would be redacted.
    Audience { object: String },
    /// What waits for a person.
    Queue,
    /// Say yes to a held object for one recipient.
    Approve {
        object: String,
        #[arg(long)]
        to: String,
    },
    /// Say no.
    Refuse {
        object: String,
        #[arg(long)]
        to: String,
    },
    /// How many objects a recipient may have, and why the others stay.
    Summary {
        #[arg(long)]
        to: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Who was sent an object.
    WhoHas { object: String },
    /// What a recipient was sent.
    WhatHas { recipient: String },
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

/// The request of a command that asks a node something; `None` for those that do not.
pub(crate) fn request(command: &Command) -> Option<Request> {
    Some(match command {
        Command::Export { to, .. } => Request::Export { to: to.clone() },
        Command::Object(Object::Get { id, original, all }) => Request::ObjectGet { id: id.clone(), original: *original, all: *all },
        Command::Object(Object::Find { words, object_type, refers_to, since, until, limit }) => Request::ObjectFind {
            words: words.clone(),
            object_type: object_type.clone(),
            refers_to: refers_to.clone(),
            since: since.clone(),
            until: until.clone(),
            limit: *limit,
        },
        Command::Object(Object::Mark { id, tlp, source }) => Request::ObjectMark { id: id.clone(), level: tlp.clone(), source: source.clone() },
        Command::Marking(Marking::Pin { .. }) => Request::MarkingPin,
        Command::Source(Source::Add { name, kind, member, default_tlp, default_members }) => Request::SourceAdd {
            name: name.clone(),
            kind: kind.clone(),
            member: member.clone(),
            default_tlp: default_tlp.clone(),
            default_members: default_members.clone(),
        },
        Command::Source(Source::Set { name, default_tlp, default_members }) => {
            Request::SourceSet { name: name.clone(), default_tlp: default_tlp.clone(), default_members: default_members.clone() }
        }
        Command::Source(Source::List) => Request::SourceList,
        Command::Standing(Standing::Add { id, levels, types, members, recipients }) => {
            Request::StandingAdd { id: id.clone(), levels: levels.clone(), types: types.clone(), members: members.clone(), recipients: recipients.clone() }
        }
        Command::Standing(Standing::Remove { id }) => Request::StandingRemove { id: id.clone() },
        Command::Standing(Standing::List) => Request::StandingList,
        Command::Recipient(r) => recipient_request(r),
        Command::Member(Member::Add { id, name, kind, client_of, outside }) => {
            Request::MemberAdd { id: id.clone(), name: name.clone(), kind: kind.name().to_owned(), client_of: client_of.clone(), outside: *outside }
        }
        Command::Member(Member::Group { id, members, persons }) => Request::GroupAdd { id: id.clone(), members: members.clone(), persons: persons.clone() },
        Command::Member(Member::List) => Request::MemberList,
        Command::Collection(Collection::Add { alias, title, types, sources, read, write }) => Request::CollectionAdd {
            alias: alias.clone(),
            title: title.clone().unwrap_or_else(|| alias.clone()),
            types: types.clone(),
            sources: sources.clone(),
            read: read.clone(),
            write: write.clone(),
        },
        Command::Collection(Collection::List) => Request::CollectionList,
        Command::Release(r) => release_request(r),
        Command::Ledger(Ledger::WhoHas { object }) => Request::WhoHas { id: object.clone() },
        Command::Ledger(Ledger::WhatHas { recipient }) => Request::WhatHas { recipient: recipient.clone() },
        Command::Doctor { .. } => Request::Doctor,
        Command::Config(Config::Show { .. }) => Request::ConfigShow,
        Command::Init(_) | Command::Serve { .. } | Command::Demo(_) | Command::Import { .. } | Command::Taxii(_) | Command::Completions { .. } => return None,
    })
}

fn recipient_request(command: &Recipient) -> Request {
    match command {
        Recipient::Add { id, kind, organisation, person, user, .. } => Request::RecipientAdd {
            id: id.clone(),
            kind: kind.clone(),
            organisation: organisation.clone(),
            person: person.clone(),
            user: user.clone(),
            password: None,
        },
        Recipient::Suspend { id } => Request::RecipientSuspend { id: id.clone(), suspend: true },
        Recipient::Resume { id } => Request::RecipientSuspend { id: id.clone(), suspend: false },
        Recipient::List => Request::RecipientList,
    }
}

fn release_request(command: &Release) -> Request {
    match command {
        Release::Explain { object, to } => Request::Explain { id: object.clone(), to: to.clone() },
        Release::Audience { object } => Request::Audience { id: object.clone() },
        Release::Queue => Request::Queue,
        Release::Approve { object, to } => Request::Approve { id: object.clone(), to: to.clone() },
        Release::Refuse { object, to } => Request::Refuse { id: object.clone(), to: to.clone() },
        Release::Summary { to } => Request::Summary { recipient: to.clone() },
    }
}
