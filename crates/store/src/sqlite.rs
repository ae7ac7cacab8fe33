//! The store on SQLite: WAL, synchronous=FULL, bodies in a table of their own.
//!
//! INVARIANT (a flipped bit is never served): every record carries a checksum over its fields, verified whenever it is read. A damaged
//! row, body, log or ledger entry costs only itself; a damaged name, marking set or act would change what others mean, so nothing is opened.

use std::path::{Path, PathBuf};

use polder_stix::RefKind;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::Error;
use crate::backend::{Backend, LedgerRecord, Reader, Record, RowRecord};

const FORMAT: i64 = 2;
const SCHEMA: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE kind(number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE object(number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, uuid BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE marking_set(number INTEGER PRIMARY KEY, ids TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE source(number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE body(number INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, checksum INTEGER NOT NULL, bytes BLOB NOT NULL, original BLOB);
CREATE TABLE row(number INTEGER PRIMARY KEY, object INTEGER NOT NULL, source INTEGER NOT NULL, marking_set INTEGER NOT NULL,
  body INTEGER NOT NULL, body_bytes INTEGER NOT NULL, sha32 INTEGER NOT NULL, version_ns INTEGER, decimals INTEGER NOT NULL,
  lifted INTEGER NOT NULL, commit_number INTEGER NOT NULL, refs BLOB NOT NULL, outline TEXT NOT NULL, dead INTEGER NOT NULL DEFAULT 0,
  checksum INTEGER NOT NULL);
CREATE TABLE journal(number INTEGER PRIMARY KEY, stamp_us INTEGER NOT NULL, kind TEXT NOT NULL, rows_end INTEGER NOT NULL, detail TEXT NOT NULL,
  checksum INTEGER NOT NULL);
CREATE TABLE released(number INTEGER PRIMARY KEY, row INTEGER NOT NULL, recipient TEXT NOT NULL, ids TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE overlay(number INTEGER PRIMARY KEY, object INTEGER NOT NULL, source INTEGER NOT NULL, level TEXT, checksum INTEGER NOT NULL);
CREATE TABLE pin(id TEXT PRIMARY KEY, bytes BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE posted(collection TEXT NOT NULL, row INTEGER NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY(collection, row)) WITHOUT ROWID;
CREATE TABLE log_chunk(recipient TEXT NOT NULL, chunk INTEGER NOT NULL, bytes BLOB NOT NULL, checksum INTEGER NOT NULL, UNIQUE(recipient, chunk));
CREATE TABLE log_state(recipient TEXT PRIMARY KEY, commits INTEGER NOT NULL, windows_us INTEGER NOT NULL, floor_us INTEGER NOT NULL,
  checksum INTEGER NOT NULL);
CREATE TABLE ledger(number INTEGER PRIMARY KEY, recipient TEXT NOT NULL, epoch INTEGER NOT NULL, stamp_us INTEGER NOT NULL,
  listed BLOB NOT NULL, full BLOB NOT NULL, redacted BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE status(id TEXT PRIMARY KEY, recipient TEXT NOT NULL, stamp_us INTEGER NOT NULL, json TEXT NOT NULL, checksum INTEGER NOT NULL);
";

/// A store in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    connection: Connection,
}

impl Sqlite {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Damaged`], or the disk's.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA page_size=8192; PRAGMA auto_vacuum=NONE;")?;
        let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |r| r.get(0))?;
        if mode != "wal" {
            return Err(Error::Disk(format!("the file system does not support write-ahead logging (got `{mode}`)")));
        }
        connection.execute_batch(
            "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY; PRAGMA secure_delete=ON;",
        )?;
        let format: i64 = connection.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        match format {
            0 => connection.execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version={FORMAT}; COMMIT;"))?,
            FORMAT => {}
            // Format 1 did not keep when something left a view; what it wrote is read as it is.
            1 => connection.execute_batch(&format!("PRAGMA user_version={FORMAT};"))?,
            found => return Err(Error::Newer { found, known: FORMAT }),
        }
        connection.execute_batch("CREATE INDEX IF NOT EXISTS ledger_by_recipient ON ledger(recipient);")?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { path: path.to_owned(), connection })
    }
}

fn row_checksum(r: &RowRecord, refs: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for n in [r.number, r.object, u32::from(r.source), r.set, r.body, r.body_bytes, r.sha32, r.commit, u32::from(r.lifted)] {
        hasher.update(&n.to_le_bytes());
    }
    let (ns, decimals) = r.version.map_or((i64::MIN, 0), |v| v);
    hasher.update(&ns.to_le_bytes());
    hasher.update(&[decimals]);
    hasher.update(refs);
    hasher.update(r.outline.as_bytes());
    if r.dead { !hasher.finalize() } else { hasher.finalize() }
}

fn body_checksum(number: u32, bytes: &[u8], original: Option<&[u8]>) -> u32 {
    checksum(&[&number.to_le_bytes(), bytes, original.unwrap_or_default()])
}

fn ledger_checksum((recipient, epoch, stamp_us): (&str, u64, i64), listed: &[u8], full: &[u8], redacted: &[u8]) -> u32 {
    checksum(&[recipient.as_bytes(), &epoch.to_le_bytes(), &stamp_us.to_le_bytes(), listed, full, redacted])
}

/// Over parts of any length, each told apart from the next.
fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

/// Numbers in ascending runs: differences, seven bits a byte.
pub(crate) fn pack(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = 0u32;
    for n in numbers {
        let step = i64::from(n) - i64::from(last);
        last = n;
        let mut zigzag = ((step << 1) ^ (step >> 63)).unsigned_abs();
        while zigzag >= 0x80 {
            out.push(u8::try_from(zigzag & 0x7f).unwrap_or(0) | 0x80);
            zigzag >>= 7;
        }
        out.push(u8::try_from(zigzag).unwrap_or(0));
    }
    out
}

/// The inverse of [`pack`]; `None` when the bytes are not what it writes.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Vec<u32>> {
    let mut out = Vec::new();
    let (mut last, mut value, mut shift) = (0i64, 0u64, 0u32);
    for byte in bytes {
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            let step = i64::try_from(value >> 1).ok()? ^ -i64::try_from(value & 1).ok()?;
            last += step;
            out.push(u32::try_from(last).ok()?);
            (value, shift) = (0, 0);
        } else if shift > 42 {
            return None;
        }
    }
    (shift == 0).then_some(out)
}

fn pack_references(references: &[(u32, RefKind)]) -> Vec<u8> {
    pack(references.iter().flat_map(|(target, kind)| {
        let kind = match kind {
            RefKind::Optional => 0,
            RefKind::Required => 1,
            RefKind::AnyOf => 2,
        };
        [*target, kind]
    }))
}

fn unpack_references(bytes: &[u8]) -> Option<Vec<(u32, RefKind)>> {
    let numbers = unpack(bytes)?;
    let mut out = Vec::with_capacity(numbers.len() / 2);
    let mut numbers = numbers.into_iter();
    while let Some(target) = numbers.next() {
        let kind = match numbers.next()? {
            0 => RefKind::Optional,
            1 => RefKind::Required,
            2 => RefKind::AnyOf,
            _ => return None,
        };
        out.push((target, kind));
    }
    Some(out)
}

impl Backend for Sqlite {
    fn write(&mut self, records: Vec<Record>) -> Result<(), Error> {
        // Dropping the transaction on any error rolls it back.
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut removes = false;
        for record in records {
            removes |= matches!(record, Record::Remove { .. });
            write_one(&transaction, record)?;
        }
        transaction.commit()?;
        if removes {
            // What was removed leaves the write-ahead log too. A reader in the middle of a page only puts this off to the next time.
            drop(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        }
        Ok(())
    }

    fn load(&mut self, take: &mut dyn FnMut(Record)) -> Result<Vec<String>, Error> {
        let mut damaged = Vec::new();
        load_names(&self.connection, take)?;
        load_rows(&self.connection, take, &mut damaged)?;
        load_rest(&self.connection, take, &mut damaged)?;
        Ok(damaged)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.execute_batch("PRAGMA cache_size=-4096; PRAGMA query_only=ON;")?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(Box::new(SqliteReader { connection }))
    }
}

/// The checksum of a record that is kept in a row of its own table, over everything it says.
fn record_checksum(record: &Record) -> u32 {
    match record {
        Record::Kind { number, name } => checksum(&[b"kind", &number.to_le_bytes(), name.as_bytes()]),
        Record::Object { number, kind, uuid } => checksum(&[b"object", &number.to_le_bytes(), &kind.to_le_bytes(), &uuid.to_le_bytes()]),
        Record::Set { number, ids } => checksum(&[b"set", &number.to_le_bytes(), ids.as_bytes()]),
        Record::Source { number, name } => checksum(&[b"source", &number.to_le_bytes(), name.as_bytes()]),
        Record::Journal { number, stamp_us, kind, rows_end, detail } => {
            checksum(&[b"journal", &number.to_le_bytes(), &stamp_us.to_le_bytes(), kind.as_bytes(), &rows_end.to_le_bytes(), detail.as_bytes()])
        }
        Record::Grant { row, recipient, ids } => checksum(&[b"grant", &row.to_le_bytes(), recipient.as_bytes(), ids.as_bytes()]),
        Record::Overlay { object, source, level } => {
            checksum(&[b"overlay", &object.to_le_bytes(), &source.to_le_bytes(), level.as_deref().unwrap_or_default().as_bytes()])
        }
        Record::Pin { id, bytes } => checksum(&[b"pin", id.as_bytes(), bytes]),
        Record::Posted { collection, row } => checksum(&[b"posted", collection.as_bytes(), &row.to_le_bytes()]),
        Record::LogChunk { recipient, chunk, bytes } => checksum(&[b"chunk", recipient.as_bytes(), &chunk.to_le_bytes(), bytes]),
        Record::LogState { recipient, commits, windows_us, floor_us } => {
            checksum(&[b"state", recipient.as_bytes(), &commits.to_le_bytes(), &windows_us.to_le_bytes(), &floor_us.to_le_bytes()])
        }
        Record::Status { id, recipient, stamp_us, json } => {
            checksum(&[b"status", id.as_bytes(), recipient.as_bytes(), &stamp_us.to_le_bytes(), json.as_bytes()])
        }
        Record::Meta { key, value } => checksum(&[b"meta", key.as_bytes(), value]),
        // These carry checksums of their own, or are no rows.
        Record::Body { .. } | Record::Row(_) | Record::Ledger(_) | Record::Remove { .. } => 0,
    }
}

fn write_one(t: &Connection, record: Record) -> Result<(), Error> {
    let sum = record_checksum(&record);
    match record {
        Record::Kind { number, name } => t.prepare_cached("INSERT INTO kind VALUES(?,?,?)")?.execute(params![number, name, sum])?,
        Record::Object { number, kind, uuid } => {
            t.prepare_cached("INSERT INTO object VALUES(?,?,?,?)")?.execute(params![number, kind, uuid.to_be_bytes(), sum])?
        }
        Record::Set { number, ids } => t.prepare_cached("INSERT INTO marking_set VALUES(?,?,?)")?.execute(params![number, ids, sum])?,
        Record::Source { number, name } => t.prepare_cached("INSERT INTO source VALUES(?,?,?)")?.execute(params![number, name, sum])?,
        Record::Body { number, sha256, bytes, original } => {
            let checksum = body_checksum(number, &bytes, original.as_deref());
            t.prepare_cached("INSERT INTO body VALUES(?,?,?,?,?)")?.execute(params![number, sha256, checksum, bytes, original])?
        }
        Record::Row(r) => write_row(t, &r)?,
        Record::Journal { number, stamp_us, kind, rows_end, detail } => {
            t.prepare_cached("INSERT INTO journal VALUES(?,?,?,?,?,?)")?.execute(params![number, stamp_us, kind, rows_end, detail, sum])?
        }
        Record::Remove { rows, bodies } => remove(t, &rows, &bodies)?,
        Record::Grant { row, recipient, ids } => {
            t.prepare_cached("INSERT INTO released(row, recipient, ids, checksum) VALUES(?,?,?,?)")?.execute(params![row, recipient, ids, sum])?
        }
        Record::Overlay { object, source, level } => {
            t.prepare_cached("INSERT INTO overlay(object, source, level, checksum) VALUES(?,?,?,?)")?.execute(params![object, source, level, sum])?
        }
        Record::Pin { id, bytes } => t.prepare_cached("INSERT OR REPLACE INTO pin VALUES(?,?,?)")?.execute(params![id, bytes, sum])?,
        Record::Posted { collection, row } => t.prepare_cached("INSERT OR IGNORE INTO posted VALUES(?,?,?)")?.execute(params![collection, row, sum])?,
        Record::LogChunk { recipient, chunk, bytes } => {
            t.prepare_cached("INSERT OR REPLACE INTO log_chunk VALUES(?,?,?,?)")?.execute(params![recipient, chunk, bytes, sum])?
        }
        Record::LogState { recipient, commits, windows_us, floor_us } => {
            t.prepare_cached("INSERT OR REPLACE INTO log_state VALUES(?,?,?,?,?)")?.execute(params![recipient, commits, windows_us, floor_us, sum])?
        }
        Record::Ledger(l) => write_ledger(t, &l)?,
        Record::Status { id, recipient, stamp_us, json } => {
            t.prepare_cached("INSERT OR REPLACE INTO status VALUES(?,?,?,?,?)")?.execute(params![id, recipient, stamp_us, json, sum])?
        }
        Record::Meta { key, value } => t.prepare_cached("INSERT OR REPLACE INTO meta VALUES(?,?,?)")?.execute(params![key, value, sum])?,
    };
    Ok(())
}

/// A tombstone's checksum is the complement of the row's, so that no flipped bit brings a row back.
fn remove(t: &Connection, rows: &[u32], bodies: &[u32]) -> Result<usize, Error> {
    for row in rows {
        t.prepare_cached("UPDATE row SET dead=1, checksum=~checksum & 4294967295 WHERE number=? AND dead=0")?.execute([row])?;
    }
    for body in bodies {
        t.prepare_cached("DELETE FROM body WHERE number=?")?.execute([body])?;
    }
    Ok(0)
}

fn write_row(t: &Connection, r: &RowRecord) -> Result<usize, Error> {
    let refs = pack_references(&r.references);
    let checksum = row_checksum(r, &refs);
    let (ns, decimals) = r.version.map_or((None, 0), |(ns, d)| (Some(ns), d));
    let mut statement = t.prepare_cached("INSERT INTO row VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")?;
    Ok(statement.execute(params![
        r.number,
        r.object,
        r.source,
        r.set,
        r.body,
        r.body_bytes,
        r.sha32,
        ns,
        decimals,
        r.lifted,
        r.commit,
        refs,
        r.outline,
        r.dead,
        checksum
    ])?)
}

fn write_ledger(t: &Connection, l: &LedgerRecord) -> Result<usize, Error> {
    let (listed, full) = (pack(l.listed.iter().copied()), pack(l.full.iter().copied()));
    let mut redacted = Vec::with_capacity(l.redacted.len() * 36);
    for (position, digest) in &l.redacted {
        redacted.extend_from_slice(&position.to_be_bytes());
        redacted.extend_from_slice(digest);
    }
    let epoch = i64::try_from(l.epoch).unwrap_or(i64::MAX);
    let checksum = ledger_checksum((&l.recipient, l.epoch, l.stamp_us), &listed, &full, &redacted);
    let mut statement = t.prepare_cached("INSERT INTO ledger(recipient, epoch, stamp_us, listed, full, redacted, checksum) VALUES(?,?,?,?,?,?,?)")?;
    Ok(statement.execute(params![l.recipient, epoch, l.stamp_us, listed, full, redacted, checksum])?)
}

/// Runs a query and gives each row to `each`.
fn for_each(c: &Connection, sql: &str, each: &mut dyn FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>) -> Result<(), Error> {
    let mut statement = c.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(row)?;
    }
    Ok(())
}

/// Gives a record on if its checksum, in that column, is right; numbered ones must follow one another.
fn give(take: &mut dyn FnMut(Record), r: &rusqlite::Row<'_>, column: usize, expected: Option<&mut u32>, record: Record) -> rusqlite::Result<()> {
    let number = match &record {
        Record::Kind { number, .. } | Record::Source { number, .. } => u32::from(*number),
        Record::Object { number, .. } | Record::Set { number, .. } | Record::Journal { number, .. } => *number,
        _ => 0,
    };
    let follows = expected.is_none_or(|expected| std::mem::replace(expected, number.saturating_add(1)) == number);
    if !follows || r.get::<_, i64>(column)? != i64::from(record_checksum(&record)) {
        return Err(rusqlite::Error::IntegralValueOutOfRange(column, i64::from(number)));
    }
    take(record);
    Ok(())
}

/// Runs a query whose records others depend on: one that is damaged or missing is damage to all.
fn for_each_sound(c: &Connection, sql: &str, what: &str, each: &mut dyn FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>) -> Result<(), Error> {
    for_each(c, sql, each).map_err(|e| Error::Damaged(format!("{what}: {e}")))
}

fn load_names(c: &Connection, take: &mut dyn FnMut(Record)) -> Result<(), Error> {
    for_each_sound(c, "SELECT key, value, checksum FROM meta", "settings", &mut |r| give(take, r, 2, None, Record::Meta { key: r.get(0)?, value: r.get(1)? }))?;
    let mut next = 0;
    for_each_sound(c, "SELECT number, name, checksum FROM kind ORDER BY number", "types", &mut |r| {
        give(take, r, 2, Some(&mut next), Record::Kind { number: r.get(0)?, name: r.get(1)? })
    })?;
    next = 0;
    for_each_sound(c, "SELECT number, kind, uuid, checksum FROM object ORDER BY number", "objects", &mut |r| {
        give(take, r, 3, Some(&mut next), Record::Object { number: r.get(0)?, kind: r.get(1)?, uuid: u128::from_be_bytes(r.get(2)?) })
    })?;
    next = 0;
    for_each_sound(c, "SELECT number, ids, checksum FROM marking_set ORDER BY number", "marking sets", &mut |r| {
        give(take, r, 2, Some(&mut next), Record::Set { number: r.get(0)?, ids: r.get(1)? })
    })?;
    next = 0;
    for_each_sound(c, "SELECT number, name, checksum FROM source ORDER BY number", "sources", &mut |r| {
        give(take, r, 2, Some(&mut next), Record::Source { number: r.get(0)?, name: r.get(1)? })
    })?;
    next = 1;
    for_each_sound(c, "SELECT number, stamp_us, kind, rows_end, detail, checksum FROM journal ORDER BY number", "journal", &mut |r| {
        let record = Record::Journal { number: r.get(0)?, stamp_us: r.get(1)?, kind: r.get(2)?, rows_end: r.get(3)?, detail: r.get(4)? };
        give(take, r, 5, Some(&mut next), record)
    })
}

fn load_rows(c: &Connection, take: &mut dyn FnMut(Record), damaged: &mut Vec<String>) -> Result<(), Error> {
    let sql = "SELECT number, object, source, marking_set, body, body_bytes, sha32, version_ns, decimals, lifted, commit_number, refs, outline, dead, checksum FROM row ORDER BY number";
    let mut next = 0u32;
    for_each_sound(c, sql, "rows", &mut |r| {
        let refs: Vec<u8> = r.get(11)?;
        let ns: Option<i64> = r.get(7)?;
        let decimals: u8 = r.get(8)?;
        let references = unpack_references(&refs);
        let mut row = RowRecord {
            number: r.get(0)?,
            object: r.get(1)?,
            source: r.get(2)?,
            set: r.get(3)?,
            body: r.get(4)?,
            body_bytes: r.get(5)?,
            sha32: r.get(6)?,
            version: ns.map(|ns| (ns, decimals)),
            lifted: r.get(9)?,
            commit: r.get(10)?,
            references: Vec::new(),
            outline: r.get(12)?,
            dead: r.get(13)?,
            damaged: false,
        };
        // Numbers are places: were a row missing, all later ones would be taken for others.
        if std::mem::replace(&mut next, row.number.saturating_add(1)) != row.number {
            return Err(rusqlite::Error::IntegralValueOutOfRange(0, i64::from(row.number)));
        }
        let intact = r.get::<_, u32>(14)? == row_checksum(&row, &refs);
        match references.filter(|_| intact) {
            Some(references) => row.references = references,
            None => {
                damaged.push(format!("row {} does not match its checksum and is not served", row.number));
                (row.dead, row.damaged) = (false, true);
            }
        }
        take(Record::Row(Box::new(row)));
        Ok(())
    })
}

fn load_rest(c: &Connection, take: &mut dyn FnMut(Record), damaged: &mut Vec<String>) -> Result<(), Error> {
    for_each_sound(c, "SELECT row, recipient, ids, checksum FROM released ORDER BY number", "grants", &mut |r| {
        give(take, r, 3, None, Record::Grant { row: r.get(0)?, recipient: r.get(1)?, ids: r.get(2)? })
    })?;
    for_each_sound(c, "SELECT object, source, level, checksum FROM overlay ORDER BY number", "overlays", &mut |r| {
        give(take, r, 3, None, Record::Overlay { object: r.get(0)?, source: r.get(1)?, level: r.get(2)? })
    })?;
    for_each_sound(c, "SELECT id, bytes, checksum FROM pin", "pins", &mut |r| give(take, r, 2, None, Record::Pin { id: r.get(0)?, bytes: r.get(1)? }))?;
    for_each_sound(c, "SELECT collection, row, checksum FROM posted", "collections", &mut |r| {
        give(take, r, 2, None, Record::Posted { collection: r.get(0)?, row: r.get(1)? })
    })?;
    let mut known = std::collections::HashSet::new();
    for_each_sound(c, "SELECT recipient, commits, windows_us, floor_us, checksum FROM log_state", "view logs", &mut |r| {
        known.insert(r.get::<_, Box<str>>(0)?);
        give(take, r, 4, None, Record::LogState { recipient: r.get(0)?, commits: r.get(1)?, windows_us: r.get(2)?, floor_us: r.get(3)? })
    })?;
    for_each_sound(c, "SELECT recipient, chunk, bytes, checksum FROM log_chunk ORDER BY recipient, chunk", "view logs", &mut |r| {
        let (recipient, chunk): (Box<str>, u32) = (r.get(0)?, r.get(1)?);
        let record = Record::LogChunk { recipient: recipient.clone(), chunk, bytes: r.get(2)? };
        if r.get::<_, i64>(3)? != i64::from(record_checksum(&record)) && known.contains(&recipient) {
            // An empty chunk is none: the log of this recipient starts anew.
            take(Record::LogChunk { recipient, chunk, bytes: Vec::new() });
            return Ok(());
        }
        give(take, r, 3, None, record)
    })?;
    for_each(c, "SELECT number, recipient, epoch, stamp_us, listed, full, redacted, checksum FROM ledger ORDER BY number", &mut |r| {
        let recipient: Box<str> = r.get(1)?;
        let epoch = u64::try_from(r.get::<_, i64>(2)?).unwrap_or(0);
        let (listed, full, redacted): (Vec<u8>, Vec<u8>, Vec<u8>) = (r.get(4)?, r.get(5)?, r.get(6)?);
        let stamp_us: i64 = r.get(3)?;
        let intact = ledger_checksum((&recipient, epoch, stamp_us), &listed, &full, &redacted) == r.get::<_, u32>(7)?;
        match (unpack(&listed), unpack(&full), unpack_redacted(&redacted)) {
            (Some(listed), Some(full), Some(redacted)) if intact => {
                take(Record::Ledger(LedgerRecord { recipient, epoch, stamp_us, listed, full, redacted }));
            }
            _ => damaged.push(format!("ledger entry {} does not match its checksum", r.get::<_, i64>(0)?)),
        }
        Ok(())
    })
}

fn unpack_redacted(bytes: &[u8]) -> Option<Vec<(u32, [u8; 32])>> {
    let chunks = bytes.chunks_exact(36);
    if !chunks.remainder().is_empty() {
        return None;
    }
    chunks.map(|c| Some((u32::from_be_bytes(c.get(..4)?.try_into().ok()?), c.get(4..)?.try_into().ok()?))).collect()
}

struct SqliteReader {
    connection: Connection,
}

impl Reader for SqliteReader {
    fn begin_page(&mut self) -> Result<(), Error> {
        Ok(self.connection.prepare_cached("BEGIN")?.execute([]).map(|_| ())?)
    }

    fn end_page(&mut self) {
        // Reads have nothing to commit; a failure here leaves the view open only until the connection closes.
        drop(self.connection.prepare_cached("COMMIT").and_then(|mut s| s.execute([])));
    }

    fn body(&mut self, number: u32) -> Result<Vec<u8>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT bytes, checksum, original FROM body WHERE number=?")?;
        let found: Option<(Vec<u8>, u32, Option<Vec<u8>>)> = statement.query_row([number], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional()?;
        match found {
            Some((bytes, checksum, original)) if body_checksum(number, &bytes, original.as_deref()) == checksum => Ok(bytes),
            Some(_) => Err(Error::Damaged(format!("body {number} does not match its checksum and is not served"))),
            None => Err(Error::Damaged(format!("body {number} is missing"))),
        }
    }

    fn original(&mut self, number: u32) -> Result<Option<Vec<u8>>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT original FROM body WHERE number=?")?;
        Ok(statement.query_row([number], |r| r.get(0)).optional()?.flatten())
    }

    fn status(&mut self, id: &str, recipient: &str) -> Result<Option<String>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT json FROM status WHERE id=? AND recipient=?")?;
        Ok(statement.query_row([id, recipient], |r| r.get(0)).optional()?)
    }

    fn releases(&mut self, recipient: &str, take: &mut dyn FnMut(i64, &[u32])) -> Result<(), Error> {
        let mut statement = self.connection.prepare_cached("SELECT stamp_us, listed, full, redacted FROM ledger WHERE recipient=? ORDER BY number")?;
        let mut rows = statement.query([recipient])?;
        while let Some(r) = rows.next()? {
            let (listed, full, redacted): (Vec<u8>, Vec<u8>, Vec<u8>) = (r.get(1)?, r.get(2)?, r.get(3)?);
            let mut positions = unpack(&listed).unwrap_or_default();
            positions.extend(unpack(&full).unwrap_or_default());
            positions.extend(unpack_redacted(&redacted).unwrap_or_default().into_iter().map(|(position, _)| position));
            take(r.get(0)?, &positions);
        }
        Ok(())
    }

    fn acts(&mut self, limit: usize) -> Result<Vec<(i64, String, String)>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached("SELECT stamp_us, kind, detail FROM journal WHERE kind<>'arrive' ORDER BY number DESC LIMIT ?")?;
        let rows = statement.query_map([limit], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_round_trips(numbers: Vec<u32>) {
            prop_assert_eq!(unpack(&pack(numbers.iter().copied())), Some(numbers));
        }
    }
}
