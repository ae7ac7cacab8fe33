//! A node: its directory, its settings, its store and who may log in. The commands and the servers both work on this.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use polder_misp::library::Library;
use polder_store::{Act, Prepared, Setup, Store, SystemClock};
use polder_taxii::{Access, Collection, Denied, Login, Right};

use crate::auth::Auth;
use crate::beats::Beats;
use crate::config::{self, Config, Origins};
use crate::directory::{CollectionEntry, Directory, SourceEntry};
use crate::failure::Failure;

/// An open node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) origins: Origins,
    pub(crate) store: Arc<Store>,
    pub(crate) auth: Auth,
    directory: RwLock<Arc<Directory>>,
    changing: Mutex<()>,
    /// Held by who looks at what is here and then acts on what was seen; counts these acts.
    turn: Mutex<u64>,
    library: OnceLock<Arc<Library>>,
    pub(crate) beats: Beats,
    /// Held while `misp.json` is read and written again.
    pub(crate) misp_file: Mutex<()>,
    /// MISPs that are being pushed to.
    pushes: Mutex<HashSet<String>>,
}

/// A push that goes on; the next one to the same MISP waits for its end.
#[derive(Debug)]
pub(crate) struct Pushing<'n> {
    node: &'n Node,
    name: String,
}

impl Drop for Pushing<'_> {
    fn drop(&mut self) {
        self.node.pushes.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// How the log of acts says that a login was removed.
pub(crate) const REMOVED: &str = "user remove";

impl Node {
    /// Opens the node in a directory; this process has it from now on.
    pub(crate) fn open(dir: &Path, accept_clock: bool) -> Result<Self, Failure> {
        let (config, origins) = config::load(dir)?;
        let directory = Directory::load(dir, &config.member)?;
        let setup = Setup { policy: directory.policy()?, sources: directory.store_sources()?, clock: Arc::new(SystemClock), accept_clock };
        let store = Arc::new(Store::open(&dir.join("store"), setup)?);
        let auth = Auth::new(&directory.users)?;
        Ok(Self {
            dir: dir.to_owned(),
            config,
            origins,
            store,
            auth,
            directory: RwLock::new(Arc::new(directory)),
            changing: Mutex::new(()),
            turn: Mutex::default(),
            library: OnceLock::new(),
            beats: Beats::load(dir),
            misp_file: Mutex::new(()),
            pushes: Mutex::default(),
        })
    }

    /// The source of what an organisation says; it is made if there is none.
    pub(crate) fn source_of(&self, organisation: &str, by: &str) -> Result<Box<str>, Failure> {
        let holder = self.directory().holder.clone();
        let matches = |s: &SourceEntry| if organisation == holder { s.kind == "own" } else { s.kind == "member" && s.member.as_deref() == Some(organisation) };
        if let Some(known) = self.directory().sources.sources.iter().find(|s| matches(s)) {
            return Ok(known.name.as_str().into());
        }
        let name = if organisation == holder { "own".to_owned() } else { format!("member:{organisation}") };
        let entry = SourceEntry {
            name: name.clone(),
            kind: if organisation == holder { "own" } else { "member" }.to_owned(),
            member: (organisation != holder).then(|| organisation.to_owned()),
            default_tlp: None,
            default_members: Vec::new(),
        };
        self.change(by, |d| {
            if d.sources.sources.iter().all(|s| s.name != entry.name) {
                d.sources.sources.push(entry);
            }
            Ok(())
        })?;
        Ok(name.into())
    }

    /// Who looks first and acts on what was seen goes one at a time: between a look and its act nobody recalls, raises, widens or brings a version in. Who
    /// acts counts; who looks for long looks without the turn first, and again with it if somebody has acted meanwhile.
    pub(crate) fn in_turn(&self) -> MutexGuard<'_, u64> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a push to a MISP; none while another one goes on.
    pub(crate) fn begin_push(&self, name: &str) -> Option<Pushing<'_>> {
        let free = self.pushes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        free.then(|| Pushing { node: self, name: name.to_owned() })
    }

    /// What MISP's words mean, as far as the operator has that; read when it is first asked for.
    pub(crate) fn library(&self) -> Arc<Library> {
        let load = || self.config.misp_library.as_ref().map(|folder| Library::load(&self.dir.join(folder))).unwrap_or_default();
        Arc::clone(self.library.get_or_init(|| Arc::new(load())))
    }

    /// Who is who now. A copy of it and no lock, so that whoever reads it may ask for it again.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the files and puts the change in force: all of it, or nothing.
    pub(crate) fn change<T>(&self, by: &str, change: impl FnOnce(&mut Directory) -> Result<T, Failure>) -> Result<T, Failure> {
        let one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.directory();
        let mut next = Directory::clone(&before);
        let result = change(&mut next)?;
        let (policy, sources) = (next.policy()?, next.store_sources()?);
        next.save(&self.dir)?;
        if let Err(error) = self.store.act(Act::Policy(policy, sources), by) {
            // The store did not take it, so the files must not claim it.
            before.save(&self.dir)?;
            return Err(error.into());
        }
        // A yes of theirs to what waits counts no more, and is not that of whoever bears the name next.
        for gone in before.users.users.iter().filter(|u| next.users.users.iter().all(|n| n.user != u.user)) {
            self.store.act(Act::Note(format!("{REMOVED} {}", gone.user)), by)?;
        }
        self.auth.reload(&next.users);
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        drop(one_at_a_time);
        Ok(result)
    }

    /// The recipient that is this node's own organisation.
    pub(crate) fn owner(&self) -> String {
        self.directory().owner().to_owned()
    }
}

fn collection(entry: &CollectionEntry) -> Collection {
    let boxed = |names: &Option<Vec<String>>| names.as_ref().map(|n| n.iter().map(|s| s.as_str().into()).collect());
    let mut rights: Vec<Right> = Vec::new();
    for recipient in entry.read.iter().chain(&entry.write) {
        if rights.iter().all(|r| *r.recipient != **recipient) {
            let everyone = |list: &[String]| list.iter().any(|r| r == "*");
            let read = entry.read.contains(recipient) || everyone(&entry.read);
            let write = entry.write.contains(recipient) || everyone(&entry.write);
            rights.push(Right { recipient: recipient.as_str().into(), list: true, read, write });
        }
    }
    Collection {
        id: entry.id.as_str().into(),
        alias: Some(entry.alias.as_str().into()),
        title: entry.title.as_str().into(),
        description: Some(entry.description.as_str()).filter(|d| !d.is_empty()).map(Into::into),
        types: boxed(&entry.types),
        sources: boxed(&entry.sources),
        rights,
    }
}

/// The role of a login of the holder's people; of another one, whether there is such a login.
fn role_of_people<'d>(directory: &'d Directory, user: &str) -> Result<&'d str, bool> {
    let entry = directory.users.users.iter().find(|u| u.user == user).ok_or(false)?;
    let recipient = directory.recipients.recipients.iter().find(|r| r.id == entry.recipient).ok_or(false)?;
    let is_of_people = recipient.organisation.as_ref() == Some(&directory.holder) && matches!(recipient.kind.as_str(), "organisation" | "person");
    if is_of_people { Ok(&entry.role) } else { Err(true) }
}

impl Node {
    fn is_of_house(&self, recipient: &str) -> bool {
        let directory = self.directory();
        directory.recipients.recipients.iter().any(|r| r.id == recipient && r.organisation.as_ref() == Some(&directory.holder))
    }

    /// May what this login sends give more than now? What other members say of their own may; of this organisation, people and programs alike, who may
    /// downgrade, where that takes one person.
    fn may_give_more(&self, login: &Login) -> bool {
        use polder_console::desk::Right;
        let directory = self.directory();
        let may = |role: &str| self.config.widen_persons_min <= 1 && Right::of(role, true).contains(&Right::Downgrade);
        !self.is_of_house(&login.recipient) || role_of_people(&directory, &login.user).is_ok_and(may)
    }

    /// May this login send what its recipient may send? Of the holder's people as their role says; programs and other members as their collections say.
    pub(crate) fn may_send(&self, directory: &Directory, user: &str) -> bool {
        use polder_console::desk::Right;
        match role_of_people(directory, user) {
            Ok(role) => Right::of(role, true).contains(&Right::Write),
            Err(known) => known,
        }
    }
}

impl Access for Node {
    fn authenticate(&self, authorization: Option<&str>) -> Result<Login, Denied> {
        let Some(header) = authorization else {
            let directory = self.directory();
            let public = directory.recipients.recipients.iter().find(|r| r.kind == "public" && !r.suspended).ok_or(Denied::Missing)?;
            return Ok(Login { user: "public".into(), recipient: public.id.as_str().into(), writes: false });
        };
        let caller = self.auth.check(header).ok_or(Denied::Wrong)?;
        let directory = self.directory();
        let active = directory.recipients.recipients.iter().any(|r| r.id == *caller.recipient && !r.suspended);
        // A suspended recipient hears what a stranger hears.
        let writes = self.may_send(&directory, &caller.user);
        if active {
            self.beats.note(&caller.recipient, "TAXII", self.store.now_us());
        }
        if active { Ok(Login { user: caller.user, recipient: caller.recipient, writes }) } else { Err(Denied::Wrong) }
    }

    fn collections(&self) -> Vec<Collection> {
        self.directory().collections.collections.iter().map(collection).collect()
    }

    fn poster_source(&self, login: &Login) -> Result<Box<str>, polder_store::Error> {
        let unknown = || polder_store::Error::Unknown { kind: "recipient", name: login.recipient.to_string() };
        let organisation = {
            let directory = self.directory();
            let entry = directory.recipients.recipients.iter().find(|r| r.id == *login.recipient).ok_or_else(unknown)?;
            entry.organisation.clone().ok_or_else(unknown)?
        };
        self.source_of(&organisation, &login.user).map_err(|e| polder_store::Error::Disk(e.message))
    }

    fn turn(&self, login: &Login) -> Option<MutexGuard<'_, u64>> {
        self.is_of_house(&login.recipient).then(|| self.in_turn())
    }

    fn keeps_definitions(&self, login: &Login) -> bool {
        !self.may_give_more(login)
    }

    fn objections(&self, login: &Login, source: &str, objects: &[Prepared]) -> Result<Vec<Option<String>>, polder_store::Error> {
        if self.may_give_more(login) {
            return Ok(vec![None; objects.len()]);
        }
        crate::commands::objections(self, &login.recipient, source, objects).map_err(|e| polder_store::Error::Disk(e.message))
    }

    fn title(&self) -> String {
        let directory = self.directory();
        let me = directory.alliance.members.iter().find(|m| m.id == directory.holder);
        me.map(|m| m.name.clone()).filter(|n| !n.is_empty()).unwrap_or_else(|| directory.holder.clone())
    }
}
