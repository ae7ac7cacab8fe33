//! View logs on disk: entries in chunks, packed and compressed, and what the ledger says of them.

use std::collections::BTreeSet;

use crate::backend::{LedgerRecord, Record};
use crate::engine::Engine;
use crate::limits::LOG_CHUNK_ENTRIES;
use crate::viewlog::{Gone, Ground, Kept, LogEntry, ViewLog};

const GONE: u8 = 1;
const REMOVES: u8 = 2;
/// The act that took it out follows.
const LEFT: u8 = 4;
/// The act that began with it follows.
const BEGINS: u8 = 8;
/// The reader could notice that it went.
const NOTICED: u8 = 16;
/// Date, row, flags, what is removed, the act that took it out, the act that began with it.
const ENTRY_BYTES_MAX: usize = 8 + 4 + 1 + 8 + 4 + 4;

/// The records of what changed in a log since it was last written; returns the chunks, which are to be marked again if writing fails.
/// Only the writing thread calls this, so that an older chunk cannot follow a newer one to disk.
pub(crate) fn write(recipient: &str, log: &mut ViewLog, records: &mut Vec<Record>) -> BTreeSet<u32> {
    let chunks = std::mem::take(&mut log.dirty_chunks);
    for &chunk in &chunks {
        let start = (chunk as usize).saturating_mul(LOG_CHUNK_ENTRIES);
        let entries = log.entries.get(start..).unwrap_or_default();
        let mut packed = Vec::new();
        for (n, entry) in entries.iter().take(LOG_CHUNK_ENTRIES).enumerate() {
            let fingerprint = u32::try_from(start + n).map_or(0, |p| log.fingerprint(p));
            packed.extend_from_slice(&entry.date_us.to_le_bytes());
            packed.extend_from_slice(&entry.row.to_le_bytes());
            let position = u32::try_from(start + n).unwrap_or(u32::MAX);
            let left = log.left_at(entry.row, position);
            let begins = log.act_begins(position);
            let flags = [
                (entry.gone, GONE),
                (fingerprint != 0, REMOVES),
                (left.is_some(), LEFT),
                (begins.is_some(), BEGINS),
                (left.is_some_and(|l| l.noticed), NOTICED),
            ];
            packed.push(flags.into_iter().filter(|(on, _)| *on).fold(0, |all, (_, flag)| all | flag));
            if fingerprint != 0 {
                packed.extend_from_slice(&fingerprint.to_le_bytes());
            }
            for act in [left.map(|l| l.act), begins].into_iter().flatten() {
                packed.extend_from_slice(&act.to_le_bytes());
            }
        }
        // Compressing into memory cannot fail; an empty chunk would be noticed as damage at the next start.
        let bytes = zstd::bulk::compress(&packed, 1).unwrap_or_default();
        records.push(Record::LogChunk { recipient: recipient.into(), chunk, bytes });
    }
    records.push(Record::LogState { recipient: recipient.into(), commits: log.commits_done, windows_us: log.windows_done_us, floor_us: log.floor_us });
    chunks
}

fn unpack(bytes: &[u8]) -> Option<Vec<Kept>> {
    let packed = zstd::bulk::decompress(bytes, LOG_CHUNK_ENTRIES * ENTRY_BYTES_MAX).ok()?;
    let mut rest = packed.as_slice();
    let mut out = Vec::new();
    while !rest.is_empty() {
        let date_us = i64::from_le_bytes(take(&mut rest)?);
        let row = u32::from_le_bytes(take(&mut rest)?);
        let [flags] = take(&mut rest)?;
        let fingerprint = if flags & REMOVES == 0 { 0 } else { u64::from_le_bytes(take(&mut rest)?) };
        let left = if flags & LEFT == 0 { None } else { Some(Gone { act: u32::from_le_bytes(take(&mut rest)?), noticed: flags & NOTICED != 0 }) };
        let begins = if flags & BEGINS == 0 { None } else { Some(u32::from_le_bytes(take(&mut rest)?)) };
        out.push(Kept { entry: LogEntry { date_us, row, gone: flags & GONE != 0 }, fingerprint, left, begins });
    }
    Some(out)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}

/// Puts the logs and the ledger back. A log that cannot be read starts anew, from now on, so that nothing is dated before what was served.
pub(crate) fn restore(engine: &mut Engine, rest: Vec<Record>) {
    let mut broken = BTreeSet::new();
    let now_us = engine.last_stamp_us.saturating_add(1);
    for log in &mut engine.logs {
        // A recipient without a state on disk is new: nothing is dated before it was known.
        *log.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner) = ViewLog::starting(now_us, 0);
    }
    let mut chunks: std::collections::HashMap<Box<str>, u32> = std::collections::HashMap::new();
    for record in rest {
        match record {
            Record::LogState { recipient, commits, windows_us, floor_us } => {
                if let Some(log) = log_of(engine, &recipient) {
                    *log = ViewLog::starting(floor_us, commits);
                    log.windows_done_us = windows_us;
                }
            }
            Record::LogChunk { recipient, chunk, bytes } => {
                let expected = chunks.entry(recipient.clone()).or_default();
                let in_order = *expected == chunk;
                *expected += 1;
                match (log_of(engine, &recipient), unpack(&bytes).filter(|_| in_order)) {
                    (Some(log), Some(entries)) => entries.into_iter().for_each(|kept| log.restore(kept)),
                    (Some(_), None) => {
                        broken.insert(recipient);
                    }
                    (None, _) => {}
                }
            }
            Record::Ledger(entry) => {
                if let Some(log) = log_of(engine, &entry.recipient) {
                    mark(log, &entry);
                }
            }
            _ => {}
        }
    }
    let stamp = engine.last_stamp_us;
    for recipient in broken {
        engine.damaged.push(format!("the view log of `{recipient}` cannot be read; it starts anew"));
        if let Some(log) = log_of(engine, &recipient) {
            *log = ViewLog::starting(stamp.saturating_add(1), 0);
        }
    }
    let Engine { columns, policy, epoch, logs, .. } = engine;
    let ground = Ground { columns, policy, epoch: *epoch };
    for (n, log) in logs.iter_mut().enumerate() {
        let log = log.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        log.restore_holdable(&ground, u32::try_from(n).unwrap_or(u32::MAX));
    }
}

fn log_of<'e>(engine: &'e mut Engine, recipient: &str) -> Option<&'e mut ViewLog> {
    let number = engine.recipient(recipient)?;
    engine.logs.get_mut(number as usize).map(|l| l.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Notes in memory what the ledger says was sent.
pub(crate) fn mark(log: &mut ViewLog, entry: &LedgerRecord) {
    entry.listed.iter().for_each(|p| log.listed.set(*p, true));
    entry.full.iter().for_each(|p| log.sent.set(*p, true));
    for (position, digest) in &entry.redacted {
        log.sent.set(*position, true);
        log.redacted.insert(*position, *digest);
    }
}
