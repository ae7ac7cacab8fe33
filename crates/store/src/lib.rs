//! The node's store: rows, journal, view logs and ledger in one directory, and the one door through which rows leave it.
//!
//! The rule: acknowledged means on disk, and what a recipient is given comes out of [`Store::page`] as a `Released` page or not at all.

mod backend;
mod clock;
mod columns;
mod engine;
mod error;
mod ingest;
pub mod limits;
mod logs;
mod look;
mod moved;
mod page;
mod rehearse;
mod search;
mod sqlite;
mod viewlog;
mod writer;

use std::fs::File;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

use polder_release::{Operations, Policy, Realm};

pub use backend::{Backend, LedgerRecord, Reader, Record, RowRecord};
pub use clock::{Clock, ManualClock, SystemClock};
pub use columns::Source;
pub use engine::{Act, Tightening};
pub use error::Error;
pub use ingest::{Outcome, Prepared, Refusal, prepare};
pub use look::{Explained, RowView, Sharing, Tightened};
pub use moved::Left;
pub use page::{Query, Versions};
pub use rehearse::{Effect, Moved, Rehearsal};
pub use search::{Candidates, Find};
pub use sqlite::Sqlite;

use engine::Engine;
use search::Search;
use writer::Writer;

/// What a store is opened with.
#[derive(Debug)]
pub struct Setup {
    /// Who is who, and what stands.
    pub policy: Policy,
    /// Configured sources.
    pub sources: Vec<Source>,
    /// The clock; [`SystemClock`] outside tests.
    pub clock: Arc<dyn Clock>,
    /// Take the system clock as right even if it lies behind.
    pub accept_clock: bool,
}

/// An open store of one realm. One process has it at a time.
#[derive(Debug)]
pub struct Store<R: Realm = Operations> {
    dir: PathBuf,
    engine: Arc<RwLock<Engine>>,
    readers: Mutex<Vec<Box<dyn Reader>>>,
    writer: Writer,
    search: Search,
    clock: Arc<dyn Clock>,
    secret: [u8; 32],
    _lock: File,
    realm: PhantomData<R>,
}

impl std::fmt::Debug for dyn Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl<R: Realm> Store<R> {
    /// Opens the store in a directory, or makes one there.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Newer`], [`Error::Realm`], [`Error::Damaged`], or the disk's.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self, Error> {
        std::fs::create_dir_all(dir)?;
        let lock = take_lock(dir)?;
        let backend = Sqlite::open(&dir.join("store.db"))?;
        Self::over(dir, lock, Box::new(backend), setup)
    }

    fn over(dir: &Path, lock: File, mut backend: Box<dyn Backend>, setup: Setup) -> Result<Self, Error> {
        let mut engine = Engine::empty(setup.policy.clone());
        engine.restore(backend.as_mut(), &setup.sources)?;
        if setup.accept_clock {
            engine.last_stamp_us = engine.last_stamp_us.min(setup.clock.now_us());
        }
        match engine.meta.get("realm") {
            Some(found) if found != R::NAME.as_bytes() => return Err(Error::Realm { found: String::from_utf8_lossy(found).into_owned(), known: R::NAME }),
            Some(_) => {}
            // Stores from before there were exercises do not say.
            None if engine.meta.contains_key("secret") && R::NAME != Operations::NAME => {
                return Err(Error::Realm { found: Operations::NAME.to_owned(), known: R::NAME });
            }
            None => backend.write(vec![Record::Meta { key: "realm".into(), value: R::NAME.into() }])?,
        }
        let secret = match engine.meta.get("secret").map(|s| <[u8; 32]>::try_from(s.as_slice())) {
            Some(Ok(secret)) => secret,
            _ => {
                let mut secret = [0; 32];
                getrandom::fill(&mut secret).map_err(|e| Error::Disk(format!("no randomness: {e}")))?;
                backend.write(vec![Record::Meta { key: "secret".into(), value: secret.to_vec() }])?;
                secret
            }
        };
        let for_search = backend.reader()?;
        let readers = (0..4).map(|_| backend.reader()).collect::<Result<Vec<_>, _>>()?;
        let engine = Arc::new(RwLock::new(engine));
        let sources = setup.sources.clone();
        let writer = Writer::start(backend, Arc::clone(&engine), Arc::clone(&setup.clock), setup.policy.clone(), sources)?;
        let search = Search::start(&dir.join("search.db"), &engine, for_search)?;
        let store =
            Self { dir: dir.to_owned(), engine, readers: Mutex::new(readers), writer, search, clock: setup.clock, secret, _lock: lock, realm: PhantomData };
        store.settle(setup.policy, setup.sources)?;
        Ok(store)
    }

    /// Puts the configured policy in force if it is not the one the store last ran under.
    fn settle(&self, policy: Policy, sources: Vec<Source>) -> Result<(), Error> {
        let fingerprint = policy_fingerprint(&policy, &sources);
        let known = self.engine().meta.get("policy").cloned();
        let fresh = self.engine().columns.sources.len() != sources.len();
        // What is damaged now tightens what was decided before.
        let hurt = !self.engine().damaged.is_empty();
        if fresh || hurt || known.as_deref() != Some(&fingerprint[..]) {
            self.engine.write().unwrap_or_else(std::sync::PoisonError::into_inner).unsettled = true;
            self.act(Act::Policy(policy, sources), "configuration")?;
        }
        Ok(())
    }

    pub(crate) fn engine(&self) -> RwLockReadGuard<'_, Engine> {
        self.engine.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The state and the trusted time. One lock: who reads the time for itself while it holds the state waits for ever once somebody wants to write.
    pub(crate) fn moment(&self) -> (RwLockReadGuard<'_, Engine>, i64) {
        let engine = self.engine();
        let now_us = self.clock.now_us().max(engine.last_stamp_us);
        (engine, now_us)
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A secret of this store, for cursors.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// The trusted time: the system clock, never behind what was recorded.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.clock.now_us().max(self.engine().last_stamp_us)
    }

    /// How far the system clock lies behind the trusted time.
    #[must_use]
    pub fn clock_behind_us(&self) -> i64 {
        self.engine().last_stamp_us.saturating_sub(self.clock.now_us()).max(0)
    }

    /// Damage found when the store was opened.
    #[must_use]
    pub fn damage(&self) -> Vec<String> {
        self.engine().damaged.clone()
    }

    /// Reads every live body and says which are damaged.
    ///
    /// # Errors
    /// The disk's.
    pub fn verify(&self) -> Result<Vec<String>, Error> {
        let bodies = self.engine().columns.live_bodies();
        self.with_reader(|reader| {
            let mut damaged = Vec::new();
            for body in bodies {
                match reader.body(body) {
                    Err(Error::Damaged(what)) => damaged.push(what),
                    other => drop(other?),
                }
            }
            Ok(damaged)
        })
    }

    /// Brings objects in from a source, in one commit; returns when they are on disk, with what became of each.
    ///
    /// # Errors
    /// [`Error::Unknown`] source, [`Error::Limit`], or the disk's; nothing was kept then.
    pub fn ingest(&self, source: &str, collection: Option<&str>, objects: Vec<Prepared>) -> Result<Vec<Outcome>, Error> {
        if objects.len() > limits::COMMIT_OBJECTS_MAX {
            return Err(Error::Limit { what: "objects in one commit", found: objects.len(), max: limits::COMMIT_OBJECTS_MAX });
        }
        let outcomes = self.writer.ingest(source.into(), collection.map(Into::into), objects)?;
        self.search.wake();
        Ok(outcomes)
    }

    /// Carries out an act of a person; returns when it is on disk and in force.
    ///
    /// # Errors
    /// [`Error::Unknown`], or the disk's; nothing has changed then.
    pub fn act(&self, act: Act, by: &str) -> Result<(), Error> {
        let removes = matches!(act, Act::Remove(_));
        self.writer.act(act, by.into())?;
        if removes {
            self.search.erase();
        }
        Ok(())
    }

    /// Keeps a status resource.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep_status(&self, id: &str, recipient: &str, json: String) -> Result<(), Error> {
        let stamp_us = self.now_us();
        self.writer.write(vec![Record::Status { id: id.into(), recipient: recipient.into(), stamp_us, json }])
    }

    /// A status resource kept for that recipient.
    ///
    /// # Errors
    /// The disk's.
    pub fn status(&self, id: &str, recipient: &str) -> Result<Option<String>, Error> {
        self.with_reader(|r| r.status(id, recipient))
    }

    /// The latest acts: when, what, by whom (JSON).
    ///
    /// # Errors
    /// The disk's.
    pub fn acts(&self, limit: usize) -> Result<Vec<(i64, String, String)>, Error> {
        self.with_reader(|r| r.acts(limit))
    }

    pub(crate) fn with_reader<T>(&self, use_it: impl FnOnce(&mut dyn Reader) -> Result<T, Error>) -> Result<T, Error> {
        let taken = self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        let mut reader = match taken {
            Some(reader) => reader,
            None => self.writer.reader()?,
        };
        let result = use_it(reader.as_mut());
        let mut pool = self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if pool.len() < 8 {
            pool.push(reader);
        }
        result
    }
}

/// A process that is just ending, or one that was started in this very moment and has not let go of our files yet, is waited for.
fn take_lock(dir: &Path) -> Result<File, Error> {
    let file = File::options().create(true).write(true).truncate(false).open(dir.join("lock"))?;
    for _ in 0..limits::LOCK_ATTEMPTS_MAX {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(limits::LOCK_PAUSE_MS)),
            Err(std::fs::TryLockError::Error(e)) => return Err(e.into()),
        }
    }
    Err(Error::Locked(dir.to_owned()))
}

/// What tells one configured policy from another.
pub(crate) fn policy_fingerprint(policy: &Policy, sources: &[Source]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(format!("{policy:?}{sources:?}")).into()
}

impl<R: Realm> Drop for Store<R> {
    fn drop(&mut self) {
        self.search.stop();
        // The writer's connection must be the last, since only a connection that writes can clear the write-ahead log away.
        self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        self.writer.stop();
    }
}
