//! The state read back from disk at start, or after a commit that failed.
//!
//! The rule: what is damaged withholds more, never less.

use std::sync::Mutex;

use polder_release::{DefaultLabel, Kind, Origin, Recipient, meaning_of_content};
use polder_stix::Id;
use polder_stix::time::Version;
use serde_json::Value;

use super::tightening::lift_of_record;
use super::{Engine, Tightening};
use crate::backend::{Backend, Reader, Record, RowRecord};
use crate::columns::{Commit, NewRow, Source};
use crate::ingest::unreadable;
use crate::viewlog::ViewLog;
use crate::{Error, logs};

impl Engine {
    /// Puts back what a backend gives at start.
    pub(crate) fn restore(&mut self, backend: &mut dyn Backend, sources: &[Source]) -> Result<(), Error> {
        let mut rest: Vec<Record> = Vec::new();
        let mut reader = backend.reader()?;
        let damaged = backend.load(&mut |record| self.absorb(record, sources, reader.as_mut(), &mut rest))?;
        self.damaged.extend(damaged);
        self.keep_gone_recipients(&rest);
        self.restore_acts(&rest);
        // One by one, as they arrived: a log that lies behind is extended with the labels as they were.
        for row in 0..self.columns.len() {
            self.columns.label_new(row);
        }
        logs::restore(self, rest);
        Ok(())
    }

    /// Takes one record back; what needs all the others first waits in `rest`.
    fn absorb(&mut self, record: Record, sources: &[Source], reader: &mut dyn Reader, rest: &mut Vec<Record>) {
        match record {
            Record::Kind { name, .. } => {
                self.columns.kind_number(&name);
            }
            Record::Object { kind, uuid, .. } => {
                self.columns.object_number(kind, uuid);
            }
            Record::Set { ids, .. } => {
                let ids: Vec<Id> = ids.split(' ').filter_map(Id::parse).collect();
                self.columns.set_number(&ids);
            }
            Record::Source { name, .. } => {
                // A source whose configuration is gone vouches for nothing any more.
                let configured = sources.iter().find(|s| s.name == name).cloned();
                self.columns.sources.push(configured.unwrap_or(Source { name, origin: Origin::Feed, default: DefaultLabel::default() }));
            }
            Record::Journal { number, stamp_us, kind, rows_end, .. } => {
                self.journal = self.journal.max(number);
                // The last entry, not the latest: an accepted clock may have gone back.
                self.last_stamp_us = stamp_us;
                if &*kind == "arrive" {
                    self.columns.commits.push(Commit { stamp_us, rows_end });
                }
            }
            Record::Row(row) => self.restore_row(&row, reader),
            Record::Meta { key, value } => {
                self.meta.insert(key, value);
            }
            other => rest.push(other),
        }
    }

    /// One who is no longer configured keeps its log: the ledger speaks of its positions, and it may come back.
    fn keep_gone_recipients(&mut self, rest: &[Record]) {
        for record in rest {
            let Record::LogState { recipient, .. } = record else { continue };
            if self.recipient(recipient).is_none() {
                let gone = Recipient { active: false, ..Recipient::new(recipient, Kind::Public, None) };
                self.policy.recipients.push(gone);
                self.logs.push(Mutex::new(ViewLog::default()));
            }
        }
    }

    fn restore_row(&mut self, row: &RowRecord, reader: &mut dyn Reader) {
        self.bodies = self.bodies.max(row.body.saturating_add(1));
        let id = self.columns.id(row.object);
        let mut damaged = row.damaged;
        let mut meaning = None;
        if &*id.kind == "marking-definition" && row.dead {
            meaning = Some(unreadable());
        } else if &*id.kind == "marking-definition" {
            let read = reader.body(row.body).map(|b| serde_json::from_slice::<Value>(&b));
            // A definition that cannot be read any more means what nobody can read.
            meaning = Some(read.map_or_else(|_| unreadable(), |v| v.map_or_else(|_| unreadable(), |v| meaning_of_content(&v))));
            if meaning == Some(unreadable()) && reader.body(row.body).is_err() {
                self.damaged.push(format!("the body of `{id}` cannot be read; what it marks is withheld"));
                damaged = true;
            }
        }
        let outline = (!row.outline.is_empty()).then(|| serde_json::from_str::<Value>(&row.outline).ok());
        damaged |= matches!(outline, Some(None));
        let new = NewRow {
            object: row.object,
            source: row.source,
            set: row.set,
            version: row.version.map(|(ns, d)| Version::from_parts(ns, d)),
            lifted: row.lifted,
            commit: row.commit,
            body: row.body,
            body_bytes: row.body_bytes,
            sha32: row.sha32,
            references: row.references.clone(),
            outline: outline.flatten(),
            meaning,
        };
        let number = self.columns.push(new);
        if row.dead {
            self.columns.kill(number);
        } else if damaged {
            self.columns.mark_damaged(number);
        }
    }

    fn restore_acts(&mut self, rest: &[Record]) {
        for record in rest {
            match record {
                Record::Grant { row, recipient, ids } => {
                    if let Some(recipient) = self.recipient(recipient) {
                        self.columns.grant(*row, recipient, ids.split(' ').filter_map(Id::parse).collect());
                    }
                }
                Record::Overlay { object, source, level } => match lift_of_record(level.as_deref()) {
                    Some(left) => self.columns.lift(*object, *source, left),
                    None => self.columns.tighten(*object, *source, Tightening::of_record(level.as_deref())),
                },
                Record::Pin { id, bytes } => {
                    if let (Some(id), Ok(value)) = (Id::parse(id), serde_json::from_slice(bytes)) {
                        self.columns.pin(id, meaning_of_content(&value));
                    }
                }
                Record::Posted { collection, row } => {
                    self.posted.entry(collection.clone()).or_default().insert(*row);
                }
                _ => {}
            }
        }
    }
}
