//! The search database: words of names and values beside the store, built again from the rows at any time.
//!
//! The rule: it gives candidates only. What is a hit is found out on the copy that the reader is served, so what is removed for it is not found.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use polder_release::Realm;
use polder_stix::{Id, time};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use crate::backend::Reader;
use crate::engine::{Engine, lock};
use crate::page::{Query, Versions};
use crate::{Error, Store, limits};

const FORMAT: i64 = 2;
const SCHEMA: &str = "
CREATE TABLE term(row INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(text, content='term', content_rowid='row', tokenize='ascii', detail=none, columnsize=0);
INSERT INTO words(words, rank) VALUES('secure-delete', 1);
CREATE TABLE mark(rows INTEGER NOT NULL, last INTEGER NOT NULL, gone INTEGER NOT NULL, gone_sum INTEGER NOT NULL);
INSERT INTO mark VALUES(0, 0, 0, 0);
";

/// Properties whose texts are prose, not names or values.
const PROSE: [&str; 7] = ["contents", "definition", "description", "explanation", "payload_bin", "schema", "type"];

/// What is looked for: all of it.
#[derive(Debug, Clone, Default)]
pub struct Find {
    /// Words; of each, the parts between punctuation stand side by side in one text, the last as a beginning if it has three letters.
    pub words: Vec<String>,
    /// Only these types.
    pub types: Option<Vec<Box<str>>>,
    /// Only objects that name this one.
    pub refers_to: Option<Id>,
    /// In view since, microseconds since 1970.
    pub since_us: Option<i64>,
    /// In view until.
    pub until_us: Option<i64>,
}

impl Find {
    /// Did it come into view when it should have?
    pub(crate) fn is_timely(&self, date_us: i64) -> bool {
        self.since_us.is_none_or(|t| date_us > t) && self.until_us.is_none_or(|t| date_us <= t)
    }

    /// Is an object, as it is served, what is looked for?
    pub(crate) fn is_in(&self, served: &[u8]) -> bool {
        serde_json::from_slice(served).is_ok_and(|object| self.matches(&object))
    }

    fn matches(&self, object: &Value) -> bool {
        let texts: Vec<Vec<String>> = texts(object).iter().map(|t| tokens(t)).collect();
        let found = |word: &String| names_id(word).is_some_and(|id| has_id(object, &id)) || texts.iter().any(|t| stands_in(&tokens(word), t));
        self.words.iter().all(found) && self.refers_to.as_ref().is_none_or(|id| refers_to(object, id))
    }
}

/// Questions for [`Store::page`], the newest objects first; what a question yields is what is looked for.
#[derive(Debug)]
pub struct Candidates {
    ids: std::vec::IntoIter<Id>,
    find: Arc<Find>,
}

impl Iterator for Candidates {
    type Item = Query;

    fn next(&mut self) -> Option<Query> {
        let ids: Vec<Id> = self.ids.by_ref().take(limits::SEARCH_PAGE_OBJECTS).collect();
        (!ids.is_empty()).then(|| Query { ids: Some(ids), versions: Versions::last(), find: Some(Arc::clone(&self.find)), ..Query::default() })
    }
}

impl<R: Realm> Store<R> {
    /// Where to look in a recipient's view for something, the newest arrivals first. Few questions hold nothing, and most hold several objects.
    ///
    /// # Errors
    /// As [`Store::page`].
    pub fn candidates(&self, recipient: &str, find: &Find) -> Result<Candidates, Error> {
        self.view_size(recipient)?;
        let rows = self.search.rows(find);
        let engine = self.engine();
        let unknown = || Error::Unknown { kind: "recipient", name: recipient.to_owned() };
        let number = engine.recipient(recipient).ok_or_else(unknown)?;
        let log = lock(engine.logs.get(number as usize).ok_or_else(unknown)?);
        let columns = &engine.columns;
        let rows = rows.unwrap_or_else(|| (0..columns.len()).rev().collect());
        let types: Option<Vec<u16>> = find.types.as_ref().map(|t| t.iter().filter_map(|k| columns.kind_known(k)).collect());
        let mut seen = HashSet::new();
        let mut ids = Vec::new();
        for row in rows {
            let Some(entry) = log.position(row).and_then(|p| log.entries.get(p as usize)) else { continue };
            let Some(object) = columns.row(row).map(|r| r.object) else { continue };
            let wanted = types.as_ref().is_none_or(|t| t.contains(&columns.object_kind(object))) && find.is_timely(entry.date_us);
            if wanted && seen.insert(object) {
                ids.push(columns.id(object));
            }
        }
        Ok(Candidates { ids: ids.into_iter(), find: Arc::new(find.clone()) })
    }

    /// Rows in the search database, and rows there are.
    #[must_use]
    pub fn searchable(&self) -> (u32, u32) {
        let done = lock(&self.search.work).index.as_ref().map_or(0, |i| i.rows);
        (done, self.engine().columns.len())
    }
}

/// The search database of a store and the thread that fills it.
#[derive(Debug)]
pub(crate) struct Search {
    work: Arc<Mutex<Work>>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Work {
    path: PathBuf,
    engine: Arc<RwLock<Engine>>,
    reader: Option<Box<dyn Reader>>,
    index: Option<Index>,
}

impl Search {
    pub(crate) fn start(path: &Path, engine: &Arc<RwLock<Engine>>, reader: Box<dyn Reader>) -> Result<Self, Error> {
        let mut work = Work { path: path.to_owned(), engine: Arc::clone(engine), reader: Some(reader), index: None };
        if path.exists() {
            // Before anything changes, so that an older copy of the store beside a newer index is noticed.
            if let Err(error) = work.index() {
                tracing::warn!(%error, "the search database cannot be opened");
            }
        }
        let work = Arc::new(Mutex::new(work));
        let (wake, woken) = sync_channel(1);
        let shared = Arc::clone(&work);
        let thread = std::thread::Builder::new().name("store-search".to_owned()).spawn(move || follow(&shared, &woken))?;
        let search = Self { work, wake: Some(wake), thread: Some(thread) };
        search.wake();
        Ok(search)
    }

    /// Says that there may be something new.
    pub(crate) fn wake(&self) {
        if let Some(wake) = &self.wake {
            // One that waits already is enough.
            wake.try_send(()).ok();
        }
    }

    /// Erases the words of removed rows, now.
    pub(crate) fn erase(&self) {
        if let Err(error) = lock(&self.work).erase() {
            tracing::warn!(%error, "the words of removed objects could not be erased from the search database; `polder doctor` tries again");
        }
    }

    /// Rows that may hold what is looked for, the newest first; none when it cannot be said without a look at every one.
    fn rows(&self, find: &Find) -> Option<Vec<u32>> {
        let mut work = lock(&self.work);
        let referring = find.refers_to.as_ref().map(|id| work.referring(id));
        if referring.is_some() || find.words.is_empty() {
            return referring;
        }
        if let Some(ids) = find.words.iter().map(|w| names_id(w)).collect::<Option<Vec<Id>>>() {
            return Some(work.rows_of(ids));
        }
        match work.indexed(find) {
            Ok(rows) => Some(rows),
            Err(error) => {
                tracing::warn!(%error, "the search database cannot be used, looking at every object instead");
                work.index = None;
                None
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        let mut work = lock(&self.work);
        (work.reader, work.index) = (None, None);
    }
}

/// Waits until nothing new has come for a while, so that bringing objects in does not share its cores with this.
fn follow(work: &Mutex<Work>, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        loop {
            match woken.recv_timeout(Duration::from_millis(limits::SEARCH_PAUSE_MS)) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        loop {
            let more = lock(work).step();
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "the search database cannot be written");
                    break;
                }
            }
            if let Err(std::sync::mpsc::TryRecvError::Disconnected) = woken.try_recv() {
                return;
            }
        }
    }
}

impl Work {
    fn index(&mut self) -> Result<&mut Index, Error> {
        let index = match self.index.take() {
            Some(index) => index,
            None => Index::open(&self.path, &self.engine)?,
        };
        Ok(self.index.insert(index))
    }

    /// Takes in the next rows; true when there are more.
    fn step(&mut self) -> Result<bool, Error> {
        self.erase()?;
        let from = self.index()?.rows;
        let Some(reader) = self.reader.as_mut() else { return Ok(false) };
        let (bodies, to) = {
            let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
            let to = engine.columns.len().min(from.saturating_add(limits::SEARCH_BATCH_ROWS));
            let live = (from..to).filter_map(|n| engine.columns.row(n).filter(|r| r.is_live()).map(|r| (n, r.body)));
            (live.collect::<Vec<(u32, u32)>>(), to)
        };
        if from == to {
            return Ok(false);
        }
        let mut texts = Vec::with_capacity(bodies.len());
        for (row, body) in bodies {
            match reader.body(body) {
                Ok(bytes) => texts.push((row, words_of(&bytes))),
                // Removed meanwhile, or reported as damaged when it is asked for.
                Err(Error::Damaged(_)) => {}
                Err(e) => return Err(e),
            }
        }
        let last = last_mark(&self.engine, to);
        self.index()?.add(&texts, to, last)?;
        Ok(true)
    }

    fn erase(&mut self) -> Result<(), Error> {
        let dead = {
            let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
            (self.index.as_ref().is_none_or(|i| i.gone as usize != engine.columns.dead().len())).then(|| engine.columns.dead().to_vec())
        };
        match dead {
            Some(dead) => self.index()?.erase(&dead),
            None => Ok(()),
        }
    }

    fn indexed(&mut self, find: &Find) -> Result<Vec<u32>, Error> {
        while self.step()? {}
        self.index()?.rows_with(&find.words)
    }

    fn referring(&self, id: &Id) -> Vec<u32> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let columns = &engine.columns;
        let mut rows: Vec<u32> = match (&*id.kind, columns.find_object(id.as_ref())) {
            ("marking-definition", _) => {
                let objects = columns.marked_with(&BTreeSet::from([id.clone()]), None);
                objects.into_iter().flat_map(|o| columns.live_rows_of(o)).collect()
            }
            (_, Some(object)) => columns.referrers(object).collect(),
            (_, None) => Vec::new(),
        };
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows.dedup();
        rows
    }

    fn rows_of(&self, ids: Vec<Id>) -> Vec<u32> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let objects = ids.into_iter().filter_map(|id| engine.columns.find_object(id.as_ref()));
        let mut rows: Vec<u32> = objects.flat_map(|o| engine.columns.live_rows_of(o)).collect();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows
    }
}

/// What tells the row before this one from one of another store that bears the same number.
fn last_mark(engine: &RwLock<Engine>, rows: u32) -> i64 {
    let engine = engine.read().unwrap_or_else(PoisonError::into_inner);
    let last = rows.checked_sub(1).and_then(|n| engine.columns.row(n));
    let stamp_us = last.and_then(|r| engine.columns.commits.get(r.commit as usize)).map_or(0, |c| c.stamp_us);
    if rows > engine.columns.len() { -1 } else { stamp_us ^ i64::from(last.map_or(0, |r| r.sha32)) }
}

/// Tells one set of removed rows from another, in whatever order.
fn sum_of(rows: &[u32]) -> i64 {
    rows.iter().fold(0i64, |sum, row| sum.wrapping_add((i64::from(*row) + 1).wrapping_mul(0x1E37_79B9_7F4A_7C15)))
}

#[derive(Debug)]
struct Index {
    connection: Connection,
    /// Rows below this number are in it.
    rows: u32,
    /// Removed rows it has taken note of.
    gone: u32,
}

impl Index {
    /// Opens the file; one that cannot be read, or is of another store or an older state of this one, is begun anew.
    fn open(path: &Path, engine: &RwLock<Engine>) -> Result<Self, Error> {
        match Self::try_open(path) {
            Ok((index, last, sum)) if last == last_mark(engine, index.rows) && index.may_follow(sum, engine) => return Ok(index),
            Ok(_) => tracing::warn!("the search database is not of this store, building it again"),
            Err(error) => tracing::warn!(%error, "the search database cannot be read, building it again"),
        }
        for end in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            match std::fs::remove_file(&name) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
        }
        Ok(Self::try_open(path)?.0)
    }

    /// Can what the store has removed by now have come of what it had removed then?
    fn may_follow(&self, sum: i64, engine: &RwLock<Engine>) -> bool {
        let engine = engine.read().unwrap_or_else(PoisonError::into_inner);
        let (gone, dead) = (self.gone as usize, engine.columns.dead());
        gone < dead.len() || (gone == dead.len() && sum == sum_of(dead))
    }

    fn try_open(path: &Path) -> Result<(Self, i64, i64), Error> {
        let connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON; PRAGMA cache_size=-4096;")?;
        let format: i64 = connection.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        if format != FORMAT {
            connection.execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version={FORMAT}; COMMIT;"))?;
        }
        let mark = connection.query_row("SELECT rows, last, gone, gone_sum FROM mark", [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))).optional()?;
        let (rows, last, gone, sum) = mark.ok_or_else(|| Error::Damaged("the search database".to_owned()))?;
        Ok((Self { connection, rows, gone }, last, sum))
    }

    fn add(&mut self, texts: &[(u32, String)], to: u32, last: i64) -> Result<(), Error> {
        let transaction = self.connection.transaction()?;
        for (row, text) in texts {
            transaction.prepare_cached("INSERT OR REPLACE INTO term VALUES(?,?)")?.execute(params![row, text])?;
            transaction.prepare_cached("INSERT INTO words(rowid, text) VALUES(?,?)")?.execute(params![row, text])?;
        }
        transaction.prepare_cached("UPDATE mark SET rows=?, last=?")?.execute(params![to, last])?;
        transaction.commit()?;
        self.rows = to;
        Ok(())
    }

    /// Leaves no trace of these rows' words, in the file or its log.
    fn erase(&mut self, dead: &[u32]) -> Result<(), Error> {
        let gone = u32::try_from(dead.len()).unwrap_or(u32::MAX);
        let transaction = self.connection.transaction()?;
        let mut any = false;
        for row in dead {
            let text: Option<String> = transaction.prepare_cached("SELECT text FROM term WHERE row=?")?.query_row([row], |r| r.get(0)).optional()?;
            if let Some(text) = text {
                transaction.prepare_cached("INSERT INTO words(words, rowid, text) VALUES('delete',?,?)")?.execute(params![row, text])?;
                transaction.prepare_cached("DELETE FROM term WHERE row=?")?.execute([row])?;
                any = true;
            }
        }
        transaction.prepare_cached("UPDATE mark SET gone=?, gone_sum=?")?.execute(params![gone, sum_of(dead)])?;
        transaction.commit()?;
        if any {
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        self.gone = gone;
        Ok(())
    }

    fn rows_with(&self, words: &[String]) -> Result<Vec<u32>, Error> {
        let mut parts = Vec::new();
        for word in words.iter().filter(|w| names_id(w).is_none()) {
            let tokens = tokens(word);
            let last = tokens.len().saturating_sub(1);
            parts.extend(tokens.iter().enumerate().map(|(n, t)| if n == last && begins(t) { format!("\"{t}\"*") } else { format!("\"{t}\"") }));
        }
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = self.connection.prepare_cached("SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC")?;
        let rows = statement.query_map([parts.join(" AND ")], |r| r.get(0))?.collect::<Result<Vec<u32>, _>>()?;
        Ok(rows)
    }
}

/// A word's last part stands for all that begin with it, if it has three letters.
fn begins(token: &str) -> bool {
    token.chars().count() >= 3
}

/// Runs of letters and digits, in lower case.
fn tokens(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|t| !t.is_empty()).map(str::to_lowercase).collect()
}

/// Do the parts of a word stand side by side in a text?
fn stands_in(word: &[String], text: &[String]) -> bool {
    let Some((last, front)) = word.split_last() else { return false };
    text.windows(word.len()).any(|here| {
        let Some((end, start)) = here.split_last() else { return false };
        start == front && (end == last || (begins(last) && end.starts_with(last.as_str())))
    })
}

fn names_id(word: &str) -> Option<Id> {
    Id::parse(word)
}

fn has_id(object: &Value, id: &Id) -> bool {
    object.get("id").and_then(Value::as_str).and_then(Id::parse).is_some_and(|own| own == *id)
}

fn refers_to(value: &Value, id: &Id) -> bool {
    match value {
        Value::Array(list) => list.iter().any(|v| refers_to(v, id)),
        Value::Object(map) => map.iter().any(|(k, v)| k != "id" && refers_to(v, id)),
        Value::String(s) => Id::parse(s).is_some_and(|other| other == *id),
        _ => false,
    }
}

/// The words of an object's names and values, each once.
fn words_of(bytes: &[u8]) -> String {
    let Ok(object) = serde_json::from_slice::<Value>(bytes) else { return String::new() };
    let words: BTreeSet<String> = texts(&object).into_iter().flat_map(tokens).collect();
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// The texts of an object that are names or values: no prose, no ids, no times.
fn texts(object: &Value) -> Vec<&str> {
    let mut out = Vec::new();
    collect(object, &mut out);
    out
}

fn beginning(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.get(..line.floor_char_boundary(limits::SEARCH_BEGINNING_BYTES)).unwrap_or_default()
}

fn collect<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::Array(list) => list.iter().for_each(|v| collect(v, out)),
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(k, _)| !PROSE.contains(&k.as_str())) {
                match value {
                    // A note without a title is known by how it begins.
                    Value::String(text) if key == "content" => out.push(beginning(text)),
                    other => collect(other, out),
                }
            }
        }
        Value::String(text) if Id::parse(text).is_none() && time::to_us(text).is_none() => {
            let cut = text.floor_char_boundary(limits::SEARCH_TEXT_BYTES_MAX);
            out.push(text.get(..cut).unwrap_or_default());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_stand_in_names_and_values() {
        let object = json!({"type": "malware", "id": "malware--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20", "name": "Cozy-Bear 2", "value": "mail.evil.example",
            "pattern": "[ipv4-addr:value = '198.51.100.7']", "description": "prose", "content": "Telephone tree\nnot this", "abstract": "Call with pilots", "x_strasse": "Straße ΟΔΟΣ", "created": "2026-01-01T00:00:00Z",
            "created_by_ref": "identity--0012e5b0-0b7b-4ddd-b326-cd076b2c4c21", "hashes": {"MD5": "d41d8cd98f00b204e9800998ecf8427e"}});
        let find = |word: &str| Find { words: vec![word.to_owned()], ..Find::default() }.matches(&object);
        for word in [
            "cozy",
            "COZ",
            "bear",
            "cozy-bear",
            "cozy bear 2",
            "evil.example",
            "evil.exam",
            "198.51.100",
            "198.51.100.7",
            "straße",
            "οδος",
            "d41d8cd9",
            "telephone",
            "pilots",
        ] {
            assert!(find(word), "{word}");
        }
        for word in [
            "co",
            "vil.example",
            "bear-cozy",
            "prose",
            "98.51.100",
            "198.51.100.70",
            "198.51.1",
            "identity",
            "2026",
            "malware",
            "not this",
            "0012e5b0",
            "",
            "--",
        ] {
            assert!(!find(word), "{word}");
        }
        assert!(find("malware--0012e5b0-0b7b-4ddd-b326-cd076b2c4c20"));
        assert!(!find("identity--0012e5b0-0b7b-4ddd-b326-cd076b2c4c21"));
    }
}
