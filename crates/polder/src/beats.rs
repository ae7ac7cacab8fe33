//! When each recipient last asked for something: an hour a cell, ninety of them.
//!
//! The rule: it says that somebody asked, never for what; losing it loses nothing but that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use polder_console::desk::Asking;
use serde::{Deserialize, Serialize};

/// Cells that are kept.
const HOURS: i64 = 90;
const HOUR_US: i64 = 3_600_000_000;
/// So often it is written down at most.
const WRITTEN_EVERY_US: i64 = 60_000_000;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Beat {
    last_us: i64,
    /// Hours since 1970, and how often it asked in each.
    hours: BTreeMap<i64, u32>,
    /// The protocols over which it asked, and when last.
    #[serde(default)]
    over: BTreeMap<String, i64>,
}

#[derive(Debug, Default)]
struct Held {
    beats: BTreeMap<String, Beat>,
    written_us: i64,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Beats {
    path: PathBuf,
    held: Mutex<Held>,
    /// How often anybody asked since this process began.
    count: AtomicU64,
}

impl Beats {
    /// As they were written down; none where that cannot be read.
    pub(crate) fn load(dir: &Path) -> Self {
        let path = dir.join("beats.json");
        let beats = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, held: Mutex::new(Held { beats, written_us: 0 }), count: AtomicU64::new(0) }
    }

    /// A recipient asks for something over a protocol.
    pub(crate) fn note(&self, recipient: &str, over: &str, now_us: i64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = now_us.div_euclid(HOUR_US);
        let beat = held.beats.entry(recipient.to_owned()).or_default();
        beat.last_us = beat.last_us.max(now_us);
        *beat.hours.entry(hour).or_default() += 1;
        beat.hours.retain(|h, _| *h > hour - HOURS);
        beat.over.insert(over.to_owned(), now_us);
        beat.over.retain(|_, at| at.div_euclid(HOUR_US) > hour - HOURS);
        if now_us - held.written_us >= WRITTEN_EVERY_US {
            held.written_us = now_us;
            self.write(&held);
        }
    }

    /// How often anybody asked so far: it differs when somebody has.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// When it last asked, how often in each of the last hours, this one last, and over what in these.
    pub(crate) fn of(&self, recipient: &str, now_us: i64) -> Asking {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = now_us.div_euclid(HOUR_US);
        let Some(beat) = held.beats.get(recipient) else { return Asking { hours: vec![0; usize::try_from(HOURS).unwrap_or(0)], ..Asking::default() } };
        let over = beat.over.iter().filter(|(_, at)| at.div_euclid(HOUR_US) > hour - HOURS).map(|(over, _)| over.clone()).collect();
        Asking { last_us: Some(beat.last_us), hours: (hour - HOURS + 1..=hour).map(|h| beat.hours.get(&h).copied().unwrap_or(0)).collect(), over }
    }

    fn write(&self, held: &Held) {
        if let Ok(text) = serde_json::to_string(&held.beats)
            && let Err(failure) = crate::config::write(&self.path, &text)
        {
            tracing::warn!(error = %failure.message, "when recipients asked could not be written down");
        }
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.written_us > 0 {
            self.write(&held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ninety_hours_are_kept_over_a_start() {
        let dir = tempfile::tempdir().unwrap();
        let beats = Beats::load(dir.path());
        let at = |hour: i64| hour * HOUR_US + 7;
        for hour in [1000, 1000, 1050, 1089] {
            beats.note("bravo", if hour == 1000 { "MISP" } else { "TAXII" }, at(hour));
        }
        drop(beats);
        let beats = Beats::load(dir.path());
        let Asking { last_us, hours, over } = beats.of("bravo", at(1089));
        assert_eq!((last_us, hours.len(), hours[0], hours[50], hours[89]), (Some(at(1089)), 90, 2, 1, 1));
        assert_eq!(over, ["MISP", "TAXII"]);
        assert_eq!(beats.of("bravo", at(1090)).hours[89], 0);
        beats.note("bravo", "TAXII", at(1090));
        let now = beats.of("bravo", at(1090));
        assert_eq!((now.hours[0], now.over), (0, vec!["TAXII".to_owned()]), "what is older is forgotten");
        assert_eq!(beats.of("charlie", at(1)).last_us, None);
    }
}
