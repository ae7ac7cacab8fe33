//! `polder init`: a new node directory, with an owner who can log in.

use std::path::Path;

use serde_json::{Value, json};

use crate::auth::{hash_password, random_key, random_text, random_uuid, token_digest};
use crate::config::{self, Config};
use crate::directory::{CollectionEntry, Directory, MemberEntry, RecipientEntry, SourceEntry, UserEntry};
use crate::failure::{Failure, file_failure};

/// What a new node is made from.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) member: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) listen: String,
    pub(crate) plain_http: bool,
    pub(crate) uuid: Option<String>,
    pub(crate) password: Option<String>,
}

/// A login that was just made; the password and the token are shown once.
#[derive(Debug, Clone)]
pub(crate) struct NewUser {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) token: String,
    pub(crate) entry: UserEntry,
}

pub(crate) fn new_user(user: &str, recipient: &str, role: &str, password: Option<String>) -> Result<NewUser, Failure> {
    let password = match password {
        Some(given) => given,
        None => random_text(12)?,
    };
    let token = random_key()?;
    let entry = UserEntry {
        user: user.to_owned(),
        recipient: recipient.to_owned(),
        role: role.to_owned(),
        password_hash: hash_password(&password)?,
        token_sha256: token_digest(&token),
        more_tokens_sha256: Vec::new(),
    };
    Ok(NewUser { user: user.to_owned(), password, token, entry })
}

pub(crate) fn check_id(kind: &str, id: &str) -> Result<(), Failure> {
    let fits = !id.is_empty() && id.len() <= 100 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@:".contains(&b));
    if fits { Ok(()) } else { Err(Failure::usage(format!("`{id}` cannot be the id of a {kind}"), "use letters, digits and - _ . @ :")) }
}

/// Makes the directory; refuses one that is a node already.
pub(crate) fn init(dir: &Path, plan: &Plan) -> Result<Value, Failure> {
    check_id("member", &plan.member)?;
    if !config::is_address(&plan.listen) {
        return Err(Failure::usage(format!("`{}` is no address to listen on", plan.listen), config::ADDRESS_HELP));
    }
    if dir.join("polder.toml").exists() {
        return Err(Failure::configuration(format!("`{}` is a node already", dir.display()), "choose another directory; nothing was changed"));
    }
    std::fs::create_dir_all(dir).map_err(|e| file_failure(dir, "create", &e))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(|e| file_failure(dir, "protect", &e))?;
    }
    let owner = new_user("owner", &plan.member, "owner", plan.password.clone())?;
    let collection = random_uuid()?;
    let directory = first_directory(plan, &owner, &collection)?;
    directory.save(dir)?;
    let config = Config {
        member: plan.member.clone(),
        listen: plan.listen.clone(),
        plain_http: plan.plain_http,
        tls_cert: "tls/cert.pem".to_owned(),
        tls_key: "tls/key.pem".to_owned(),
        base_url: None,
        page_objects_default: 1000,
        page_objects_max: 10_000,
        content_bytes_max: 100 * 1024 * 1024,
        misp_library: None,
        widen_persons_min: 1,
    };
    let text = toml::to_string(&config).map_err(|e| Failure::configuration(format!("cannot write polder.toml: {e}"), "report this as a defect"))?;
    config::write(&dir.join("polder.toml"), &format!("# Settings of this node; docs/user-guide.md lists every key.\n\n{text}"))?;
    Ok(
        json!({"dir": dir.display().to_string(), "member": plan.member, "user": owner.user, "password": owner.password, "token": owner.token, "collection": collection}),
    )
}

/// The STIX identity of an organisation: of the UUID that its MISP has for it, or a new one.
pub(crate) fn identity(uuid: Option<&str>) -> Result<String, Failure> {
    let Some(uuid) = uuid else { return Ok(format!("identity--{}", random_uuid()?)) };
    let bad = || Failure::usage(format!("`{uuid}` is no UUID"), "give it as MISP shows it under the organisation");
    Ok(polder_stix::Id::parse(&format!("identity--{uuid}")).ok_or_else(bad)?.to_string())
}

fn first_directory(plan: &Plan, owner: &NewUser, collection: &str) -> Result<Directory, Failure> {
    let mut directory = Directory { holder: plan.member.clone(), ..Directory::default() };
    directory.alliance.members.push(MemberEntry {
        id: plan.member.clone(),
        name: plan.name.clone(),
        kind: plan.kind.clone(),
        identity: Some(identity(plan.uuid.as_deref())?),
        client_of: Vec::new(),
        in_alliance: true,
    });
    directory.recipients.recipients.push(RecipientEntry {
        id: plan.member.clone(),
        kind: "organisation".to_owned(),
        organisation: Some(plan.member.clone()),
        person: None,
        suspended: false,
    });
    directory.users.users.push(owner.entry.clone());
    for (name, kind) in [("own", "own"), ("import", "feed")] {
        directory.sources.sources.push(SourceEntry {
            name: name.to_owned(),
            kind: kind.to_owned(),
            member: None,
            default_tlp: None,
            default_members: Vec::new(),
        });
    }
    directory.collections.collections.push(CollectionEntry {
        id: collection.to_owned(),
        alias: "all".to_owned(),
        title: "Everything this reader may have".to_owned(),
        description: "Each reader sees its own view; two readers rarely see the same.".to_owned(),
        types: None,
        sources: None,
        read: vec!["*".to_owned()],
        write: vec![plan.member.clone()],
    });
    Ok(directory)
}
