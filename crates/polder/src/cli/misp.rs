//! `polder misp`: what can be typed.
//!
//! The rule: as in the module above.

use std::path::PathBuf;

use clap::Subcommand;

use super::FeedFormat;

#[derive(Debug, Subcommand)]
pub(crate) enum Misp {
    /// Say what a MISP gives away: to whom by distribution and sharing group, and what contradicts its own tags. Needs no node.
    Audit {
        /// A file with MISP events, a folder of such files (a feed, an export), or the URL of a MISP.
        place: PathBuf,
        /// Write the report as one page of HTML too.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Of a URL: a file with a key that may read; nothing is written there.
        #[arg(long)]
        key_file: Option<PathBuf>,
        /// Of a URL: certificates (PEM) its certificate is judged by.
        #[arg(long)]
        ca: Option<PathBuf>,
    },
    /// Name another MISP to be in step with.
    Add {
        /// What it is called here.
        name: String,
        /// Its URL.
        url: String,
        /// A file with the key it gave us.
        #[arg(long)]
        key_file: PathBuf,
        /// The source that what it sends counts as: of kind own for a MISP of this organisation, else of kind member or feed.
        #[arg(long)]
        source: String,
        /// The recipient whose view is pushed to it.
        #[arg(long)]
        to: Option<String>,
        /// Certificates (PEM) its certificate is judged by, instead of the public ones.
        #[arg(long)]
        ca: Option<PathBuf>,
    },
    /// Change how a MISP is reached, or whose view is pushed to it; what was pushed is not forgotten.
    Set {
        /// What it is called here.
        name: String,
        /// Its URL, if it has moved.
        #[arg(long)]
        url: Option<String>,
        /// A file with another key.
        #[arg(long)]
        key_file: Option<PathBuf>,
        /// The recipient whose view is pushed to it.
        #[arg(long)]
        to: Option<String>,
        /// Certificates (PEM) its certificate is judged by, instead of the public ones.
        #[arg(long)]
        ca: Option<PathBuf>,
    },
    /// Forget a MISP; what came from it stays, and what was pushed to it cannot be taken back any more.
    Remove {
        /// What it is called here.
        name: String,
    },
    /// Ask a MISP who it is, who we are to it and what we may do there.
    Test {
        /// What it is called here.
        name: String,
    },
    /// Pull what is new or changed there.
    Pull {
        /// What it is called here.
        name: String,
        /// Ask for every event again.
        #[arg(long)]
        full: bool,
        /// Again after so many seconds, until Ctrl-C.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
        watch: Option<u64>,
    },
    /// Push what its recipient may have and it does not have yet.
    Push {
        /// What it is called here.
        name: String,
        /// Again after so many seconds, until Ctrl-C.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
        watch: Option<u64>,
    },
    /// Read a feed: what is new in it, and what is no longer there.
    Feed {
        /// Its URL.
        url: String,
        /// The source that it counts as.
        #[arg(long)]
        source: String,
        /// What it is written in.
        #[arg(long, value_enum, default_value = "misp")]
        format: FeedFormat,
        /// Certificates (PEM) its certificate is judged by, instead of the public ones.
        #[arg(long)]
        ca: Option<PathBuf>,
        /// Again after so many seconds, until Ctrl-C.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
        watch: Option<u64>,
    },
    /// The MISPs, how the last pull and push went, and what cannot be taken back there.
    Status,
    /// What was read of object templates, taxonomies, galaxies and warninglists (`misp_library` in polder.toml).
    Library,
}
