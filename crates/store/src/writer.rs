//! The one thread that writes: takes requests that are waiting, changes the state, commits once, then answers.
//!
//! INVARIANT (acknowledged means on disk): answers go out after the commit; when it fails, the state is read again from disk.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use polder_release::Policy;

use crate::backend::{Backend, LedgerRecord, Reader, Record};
use crate::clock::Clock;
use crate::columns::Source;
use crate::engine::lock;
use crate::engine::{Act, Engine};
use crate::ingest::{Outcome, Prepared};
use crate::{Error, limits, logs, policy_fingerprint};

type Answer<T> = SyncSender<Result<T, Error>>;

enum Request {
    Ingest(Box<str>, Option<Box<str>>, Vec<Prepared>, Answer<Vec<Outcome>>),
    Act(Box<Act>, Box<str>, Answer<()>),
    Write(Vec<Record>, Answer<()>),
    Ledger(u32, Box<LedgerRecord>, Answer<()>),
    Reader(Answer<Box<dyn Reader>>),
    Stop,
}

/// The way to the writing thread.
#[derive(Debug)]
pub(crate) struct Writer {
    sender: Mutex<Sender<Request>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn gone<T>(_: T) -> Error {
    Error::Disk("the writing thread has ended".to_owned())
}

impl Writer {
    pub(crate) fn start(
        backend: Box<dyn Backend>,
        engine: Arc<RwLock<Engine>>,
        clock: Arc<dyn Clock>,
        policy: Policy,
        sources: Vec<Source>,
    ) -> Result<Self, Error> {
        let (sender, receiver) = channel();
        let reader = backend.reader()?;
        let mut work = Work { reader, backend, engine, clock, policy, sources };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || work.run(&receiver))?;
        Ok(Self { sender: Mutex::new(sender), thread: Mutex::new(Some(thread)) })
    }

    fn ask<T>(&self, make: impl FnOnce(Answer<T>) -> Request) -> Result<T, Error> {
        let (answer, wait) = sync_channel(1);
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).send(make(answer)).map_err(gone)?;
        wait.recv().map_err(gone)?
    }

    pub(crate) fn ingest(&self, source: Box<str>, collection: Option<Box<str>>, objects: Vec<Prepared>) -> Result<Vec<Outcome>, Error> {
        self.ask(|a| Request::Ingest(source, collection, objects, a))
    }

    pub(crate) fn act(&self, act: Act, by: Box<str>) -> Result<(), Error> {
        self.ask(|a| Request::Act(Box::new(act), by, a))
    }

    pub(crate) fn write(&self, records: Vec<Record>) -> Result<(), Error> {
        self.ask(|a| Request::Write(records, a))
    }

    /// Enters a release in the ledger, in one transaction with the log that its positions are positions of.
    pub(crate) fn ledger(&self, recipient: u32, entry: LedgerRecord) -> Result<(), Error> {
        self.ask(|a| Request::Ledger(recipient, Box::new(entry), a))
    }

    pub(crate) fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        self.ask(Request::Reader)
    }

    pub(crate) fn stop(&self) {
        // Nobody is left to hear of an error here; the thread ends either way.
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).send(Request::Stop));
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(thread.join());
        }
    }
}

struct Work {
    // Dropped before the backend, whose connection must be the last to close.
    reader: Box<dyn Reader>,
    backend: Box<dyn Backend>,
    engine: Arc<RwLock<Engine>>,
    clock: Arc<dyn Clock>,
    policy: Policy,
    sources: Vec<Source>,
}

/// An answer that waits for the commit.
enum Waiting {
    Ingest(Answer<Vec<Outcome>>, Vec<Outcome>),
    Plain(Answer<()>),
}

impl Work {
    fn run(&mut self, receiver: &Receiver<Request>) {
        while let Ok(first) = receiver.recv() {
            let mut group = vec![first];
            while group.len() < limits::GROUP_REQUESTS_MAX {
                let Ok(next) = receiver.try_recv() else { break };
                group.push(next);
            }
            let stop = group.iter().any(|r| matches!(r, Request::Stop));
            self.serve(group);
            if stop {
                self.close();
                return;
            }
        }
    }

    /// Ledger entries and the like need no change of state, so readers go on meanwhile.
    fn serve(&mut self, group: Vec<Request>) {
        let (state, plain): (Vec<_>, Vec<_>) = group.into_iter().partition(|r| matches!(r, Request::Ingest(..) | Request::Act(..)));
        let mut records = Vec::new();
        let mut waiting = Vec::new();
        let mut taken = Vec::new();
        for request in plain {
            match request {
                Request::Write(mut new, answer) => {
                    records.append(&mut new);
                    waiting.push(Waiting::Plain(answer));
                }
                Request::Ledger(_, entry, answer) if entry.epoch != self.epoch() => drop(answer.send(Err(Error::Stale))),
                Request::Ledger(recipient, entry, answer) => {
                    taken.push((recipient, self.log_of(recipient, &entry.recipient, &mut records)));
                    records.push(Record::Ledger(*entry));
                    waiting.push(Waiting::Plain(answer));
                }
                Request::Reader(answer) => drop(answer.send(self.backend.reader())),
                Request::Ingest(..) | Request::Act(..) | Request::Stop => {}
            }
        }
        if !waiting.is_empty() {
            let result = self.backend.write(records);
            if result.is_err() {
                self.mark_again(taken);
            }
            answer_all(waiting, result.err().as_ref());
        }
        if !state.is_empty() {
            self.change(state);
        }
    }

    /// Acts are done by this thread, so what it reads here stands until the ledger is written.
    fn epoch(&self) -> u64 {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).epoch
    }

    /// The records of a recipient's log, and the chunks they hold.
    fn log_of(&self, recipient: u32, id: &str, records: &mut Vec<Record>) -> BTreeSet<u32> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.logs.get(recipient as usize).map(|log| logs::write(id, &mut lock(log), records)).unwrap_or_default()
    }

    fn mark_again(&self, taken: Vec<(u32, BTreeSet<u32>)>) {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        for (recipient, chunks) in taken {
            if let Some(log) = engine.logs.get(recipient as usize) {
                lock(log).dirty_chunks.extend(chunks);
            }
        }
    }

    fn change(&mut self, requests: Vec<Request>) {
        let engine = Arc::clone(&self.engine);
        let mut engine = engine.write().unwrap_or_else(PoisonError::into_inner);
        let mut records = Vec::new();
        // Bodies of requests in this group are not on disk yet when the next request is compared with them.
        let mut pending = std::collections::HashMap::new();
        let mut waiting = Vec::new();
        let mut broken = None;
        let mut next = None;
        for request in requests {
            if let Some(error) = &broken {
                refuse(request, error);
                continue;
            }
            let stamp_us = self.clock.now_us().max(engine.last_stamp_us.saturating_add(1));
            match request {
                Request::Ingest(source, collection, objects, answer) => {
                    let Some(number) = engine.source(&source) else {
                        drop(answer.send(Err(Error::Unknown { kind: "source", name: source.into() })));
                        continue;
                    };
                    match engine.ingest(number, collection.as_deref(), objects, stamp_us, self.reader.as_mut(), (&mut records, &mut pending)) {
                        Ok(outcomes) => waiting.push(Waiting::Ingest(answer, outcomes)),
                        Err(e) => {
                            drop(answer.send(Err(e.clone())));
                            broken = Some(e);
                        }
                    }
                }
                Request::Act(act, by, answer) => {
                    let policy = if let Act::Policy(policy, sources) = &*act { Some((policy.clone(), sources.clone())) } else { None };
                    match engine.act(*act, &by, stamp_us, &mut records) {
                        Ok(()) => {
                            if let Some((policy, sources)) = policy {
                                let value = policy_fingerprint(&policy, &sources).to_vec();
                                engine.meta.insert("policy".into(), value.clone());
                                records.push(Record::Meta { key: "policy".into(), value });
                                next = Some((policy, sources));
                            }
                            waiting.push(Waiting::Plain(answer));
                        }
                        Err(e) => drop(answer.send(Err(e))),
                    }
                }
                Request::Write(..) | Request::Ledger(..) | Request::Reader(_) | Request::Stop => {}
            }
        }
        let result = match broken {
            Some(error) => Err(error),
            None => self.backend.write(records),
        };
        if let Err(error) = &result {
            tracing::error!(%error, "commit failed, reading the state again from disk");
            self.reload(&mut engine);
        } else if let Some((policy, sources)) = next {
            // Only what is on disk is what a reload goes back to.
            (self.policy, self.sources) = (policy, sources);
        }
        drop(engine);
        answer_all(waiting, result.err().as_ref());
    }

    /// The state in memory is ahead of the disk: take the disk's.
    fn reload(&mut self, engine: &mut Engine) {
        let epoch = engine.epoch;
        let mut fresh = Engine::empty(self.policy.clone());
        if let Err(error) = fresh.restore(self.backend.as_mut(), &self.sources) {
            // Nothing can be served from a state that cannot be read.
            tracing::error!(%error, "the state cannot be read again; nothing is served until a restart");
            fresh = Engine::empty(Policy { recipients: Vec::new(), ..self.policy.clone() });
        }
        fresh.epoch = epoch.saturating_add(1);
        *engine = fresh;
    }

    fn close(&mut self) {
        let mut records = Vec::new();
        self.engine.write().unwrap_or_else(PoisonError::into_inner).log_records(&mut records);
        if let Err(error) = self.backend.write(records) {
            tracing::warn!(%error, "view logs not written; the next start works them out");
        }
    }
}

fn refuse(request: Request, error: &Error) {
    match request {
        Request::Ingest(_, _, _, answer) => drop(answer.send(Err(error.clone()))),
        Request::Act(_, _, answer) | Request::Ledger(_, _, answer) | Request::Write(_, answer) => drop(answer.send(Err(error.clone()))),
        Request::Reader(answer) => drop(answer.send(Err(error.clone()))),
        Request::Stop => {}
    }
}

fn answer_all(waiting: Vec<Waiting>, error: Option<&Error>) {
    // A caller that has gone away no longer wants its answer.
    for one in waiting {
        match (one, error) {
            (Waiting::Ingest(answer, outcomes), None) => drop(answer.send(Ok(outcomes))),
            (Waiting::Ingest(answer, _), Some(e)) => drop(answer.send(Err(e.clone()))),
            (Waiting::Plain(answer), None) => drop(answer.send(Ok(()))),
            (Waiting::Plain(answer), Some(e)) => drop(answer.send(Err(e.clone()))),
        }
    }
}
