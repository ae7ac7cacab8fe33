//! The plain files that say who is who: alliance, recipients, users, sources, standing releases, collections.
//!
//! The rule: what is in force is what these files say; every change goes through [`Directory::save`] and then to the store as one policy epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polder_misp::server::Words;
use polder_release::{Alliance, Audience, DefaultLabel, Group, Kind, Level, Member, Origin, Policy, Principal, Recipient, Standing};
use polder_store::Source;
use serde::{Deserialize, Serialize};

use crate::config;
use crate::failure::{Failure, file_failure};

/// `alliance.toml`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllianceFile {
    #[serde(default, rename = "member")]
    pub(crate) members: Vec<MemberEntry>,
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<GroupEntry>,
}

/// An organisation: a member, or known as a client of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberEntry {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    /// `nation`, `body` or `company`.
    #[serde(default = "body")]
    pub(crate) kind: String,
    /// Its STIX identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) identity: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) client_of: Vec<String>,
    /// `false` for an organisation outside the alliance that is a client of a member.
    #[serde(default = "yes")]
    pub(crate) in_alliance: bool,
}

fn body() -> String {
    "body".to_owned()
}
fn yes() -> bool {
    true
}

/// A named set of members and persons.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupEntry {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) members: Vec<String>,
    #[serde(default)]
    pub(crate) persons: Vec<String>,
    /// What it is as a sharing group of this node's MISP, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sharing_group: Option<SharingGroupEntry>,
}

/// What MISP says of a sharing group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SharingGroupEntry {
    pub(crate) uuid: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) releasability: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) modified: String,
}

/// `recipients.toml`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecipientsFile {
    #[serde(default, rename = "recipient")]
    pub(crate) recipients: Vec<RecipientEntry>,
}

/// Someone who may be given something.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecipientEntry {
    pub(crate) id: String,
    /// `organisation`, `node`, `person`, `partner-system` or `public`.
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) organisation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) suspended: bool,
}

/// `users.toml`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsersFile {
    #[serde(default, rename = "user")]
    pub(crate) users: Vec<UserEntry>,
}

/// A login. It belongs to exactly one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserEntry {
    pub(crate) user: String,
    pub(crate) recipient: String,
    /// `owner`, `publisher`, `user` or `reader`; what they may do over MISP.
    pub(crate) role: String,
    /// Argon2id, PHC form.
    pub(crate) password_hash: String,
    /// SHA-256 of the bearer token, hexadecimal.
    pub(crate) token_sha256: String,
    /// Of further tokens, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) more_tokens_sha256: Vec<String>,
}

/// `sources.toml`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourcesFile {
    #[serde(default, rename = "source")]
    pub(crate) sources: Vec<SourceEntry>,
}

/// Where copies come from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceEntry {
    pub(crate) name: String,
    /// `own`, `member` or `feed`.
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<String>,
    /// Level that its unmarked objects are taken to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default_tlp: Option<String>,
    /// Members that its unmarked objects are taken to name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) default_members: Vec<String>,
}

/// `standing.toml`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StandingFile {
    #[serde(default, rename = "standing")]
    pub(crate) standing: Vec<StandingEntry>,
}

/// A standing release.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StandingEntry {
    pub(crate) id: String,
    pub(crate) levels: Vec<String>,
    #[serde(default)]
    pub(crate) types: Vec<String>,
    #[serde(default)]
    pub(crate) members: Vec<String>,
    #[serde(default)]
    pub(crate) recipients: Vec<String>,
}

/// `collections.toml`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectionsFile {
    #[serde(default, rename = "collection")]
    pub(crate) collections: Vec<CollectionEntry>,
}

/// A TAXII collection: a stored query over each reader's view, and what was posted to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectionEntry {
    pub(crate) id: String,
    pub(crate) alias: String,
    pub(crate) title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// Object types it takes in; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) types: Option<Vec<String>>,
    /// Sources it takes in; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sources: Option<Vec<String>>,
    /// Recipients that may read it; `*` is everyone.
    pub(crate) read: Vec<String>,
    /// Recipients that may post to it.
    #[serde(default)]
    pub(crate) write: Vec<String>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    pub(crate) holder: String,
    pub(crate) alliance: AllianceFile,
    pub(crate) recipients: RecipientsFile,
    pub(crate) users: UsersFile,
    pub(crate) sources: SourcesFile,
    pub(crate) standing: StandingFile,
    pub(crate) collections: CollectionsFile,
    pub(crate) words: Words,
}

fn read<T: serde::de::DeserializeOwned + Default>(dir: &Path, name: &str) -> Result<T, Failure> {
    let path = dir.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => config::parse(&path, &text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
        Err(e) => Err(file_failure(&path, "read", &e)),
    }
}

fn store<T: Serialize>(dir: &Path, name: &str, what: &str, value: &T) -> Result<(), Failure> {
    let text = toml::to_string(value).map_err(|e| Failure::configuration(format!("cannot write `{name}`: {e}"), "report this as a defect"))?;
    config::write(&dir.join(name), &format!("# {what}\n\n{text}"))
}

impl Directory {
    pub(crate) fn load(dir: &Path, holder: &str) -> Result<Self, Failure> {
        Ok(Self {
            holder: holder.to_owned(),
            alliance: read(dir, "alliance.toml")?,
            recipients: read(dir, "recipients.toml")?,
            users: read(dir, "users.toml")?,
            sources: read(dir, "sources.toml")?,
            standing: read(dir, "standing.toml")?,
            collections: read(dir, "collections.toml")?,
            words: read(dir, "misp_words.toml")?,
        })
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<(), Failure> {
        self.policy()?;
        self.store_sources()?;
        store(dir, "alliance.toml", "Members of the alliance, organisations known as their clients, and groups.", &self.alliance)?;
        store(dir, "recipients.toml", "Who may be given something.", &self.recipients)?;
        store(dir, "users.toml", "Logins; each belongs to one recipient.", &self.users)?;
        store(dir, "sources.toml", "Where copies come from, and what their unmarked objects are taken to be marked with.", &self.sources)?;
        store(dir, "standing.toml", "Standing releases: recipients added for a level and type where no audience is named; never for red.", &self.standing)?;
        if self.words != Words::default() || dir.join("misp_words.toml").exists() {
            store(dir, "misp_words.toml", "MISP's tags that somebody administers, and warninglists that are off.", &self.words)?;
        }
        store(dir, "collections.toml", "TAXII collections.", &self.collections)
    }

    /// The files as the decision takes them.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        let members: BTreeMap<Box<str>, Member> = self
            .alliance
            .members
            .iter()
            .map(|m| {
                let member = Member {
                    id: m.id.as_str().into(),
                    identity: m.identity.as_deref().map(Into::into),
                    client_of: boxed(&m.client_of),
                    in_alliance: m.in_alliance,
                };
                (member.id.clone(), member)
            })
            .collect();
        if !members.contains_key(self.holder.as_str()) {
            return Err(Failure::configuration(
                format!("alliance.toml has no member `{}`, which polder.toml names as this node's", self.holder),
                "add it, or correct `member` in polder.toml",
            ));
        }
        let groups = self.alliance.groups.iter().map(|g| (g.id.as_str().into(), Group { members: boxed(&g.members), persons: boxed(&g.persons) })).collect();
        let alliance = Alliance { holder: self.holder.as_str().into(), members, groups };
        let recipients = self.recipients.recipients.iter().map(recipient).collect::<Result<_, _>>()?;
        let standing = self.standing.standing.iter().map(standing).collect::<Result<_, _>>()?;
        Ok(Policy { alliance, recipients, standing })
    }

    /// The sources as the store takes them.
    pub(crate) fn store_sources(&self) -> Result<Vec<Source>, Failure> {
        self.sources.sources.iter().map(source).collect()
    }

    /// Every name is a member's, or that of an organisation known as a client of one.
    pub(crate) fn need_members(&self, names: &[String]) -> Result<(), Failure> {
        let help = "see `polder member list`, or add it: `polder member add ID`";
        need("member", names, |n| self.alliance.members.iter().any(|m| m.id == n), help)
    }

    /// Every name is a recipient's.
    pub(crate) fn need_recipients(&self, names: &[String]) -> Result<(), Failure> {
        let help = "see `polder recipient list`, or add it: `polder recipient add ID --organisation MEMBER`";
        need("recipient", names, |n| self.recipients.recipients.iter().any(|r| r.id == n), help)
    }

    /// Every name is a source's.
    pub(crate) fn need_sources(&self, names: &[String]) -> Result<(), Failure> {
        let help = "see `polder source list`, or add it: `polder source add NAME`";
        need("source", names, |n| self.sources.sources.iter().any(|s| s.name == n), help)
    }

    /// The recipient that is this node's own organisation.
    pub(crate) fn owner(&self) -> &str {
        let own = self.recipients.recipients.iter().find(|r| r.kind == "organisation" && r.organisation.as_deref() == Some(&self.holder));
        own.map_or(&self.holder, |r| &r.id)
    }
}

fn need(kind: &str, names: &[String], is_known: impl Fn(&str) -> bool, help: &str) -> Result<(), Failure> {
    names.iter().find(|n| !is_known(n)).map_or(Ok(()), |unknown| Err(Failure::not_found(kind, unknown, help)))
}

fn boxed(names: &[String]) -> BTreeSet<Box<str>> {
    names.iter().map(|n| n.as_str().into()).collect()
}

/// A TLP level by name, with or without the prefix.
pub(crate) fn level(name: &str) -> Result<Level, Failure> {
    let bare = name.get(..4).filter(|p| p.eq_ignore_ascii_case("tlp:")).and_then(|_| name.get(4..)).unwrap_or(name);
    Level::parse(bare).ok_or_else(|| Failure::configuration(format!("`{name}` is not a TLP level"), "use clear, green, amber, amber+strict or red"))
}

/// The entry as the decision takes it.
pub(crate) fn recipient(entry: &RecipientEntry) -> Result<Recipient, Failure> {
    let kind = Kind::parse(&entry.kind).ok_or_else(|| {
        Failure::configuration(
            format!("recipient `{}` has the unknown kind `{}`", entry.id, entry.kind),
            "use organisation, node, person, partner-system or public",
        )
    })?;
    if kind != Kind::Public && entry.organisation.is_none() {
        return Err(Failure::configuration(format!("recipient `{}` belongs to no organisation", entry.id), "name it with --organisation"));
    }
    if (kind == Kind::Person) != entry.person.is_some() {
        return Err(Failure::configuration(format!("recipient `{}`: kind `person` and a person's id go together", entry.id), "name the person with --person"));
    }
    let mut out = Recipient::new(&entry.id, kind, entry.organisation.as_deref());
    out.person = entry.person.as_deref().map(Into::into);
    out.active = !entry.suspended;
    Ok(out)
}

/// The entry as the decision takes it.
pub(crate) fn standing(entry: &StandingEntry) -> Result<Standing, Failure> {
    let levels = entry.levels.iter().map(|l| level(l)).collect::<Result<BTreeSet<_>, _>>()?;
    if levels.contains(&Level::Red) {
        return Err(Failure::configuration(
            format!("standing release `{}` names red", entry.id),
            "red goes to named persons and nodes only: name them with an audience marking",
        ));
    }
    Ok(Standing { id: entry.id.as_str().into(), levels, types: boxed(&entry.types), members: boxed(&entry.members), recipients: boxed(&entry.recipients) })
}

/// The entry as the store takes it.
pub(crate) fn source(entry: &SourceEntry) -> Result<Source, Failure> {
    let origin = match (entry.kind.as_str(), &entry.member) {
        ("own", None) => Origin::Own,
        ("member", Some(member)) => Origin::Member(member.as_str().into()),
        ("feed", None) => Origin::Feed,
        _ => {
            return Err(Failure::configuration(
                format!("source `{}`: kind `{}` does not fit", entry.name, entry.kind),
                "use own, feed, or member together with --member",
            ));
        }
    };
    let audience = match entry.default_members.as_slice() {
        [] => Audience::default(),
        names => Audience::of(names.iter().map(|n| Principal::Member(n.as_str().into()))),
    };
    let default = DefaultLabel { level: entry.default_tlp.as_deref().map(level).transpose()?, audience };
    Ok(Source { name: entry.name.as_str().into(), origin, default })
}
