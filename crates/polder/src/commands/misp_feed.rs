//! Feeds of others, read into a source.
//!
//! The rule: what a feed no longer holds is withdrawn here too, and nothing is asked twice that has not changed.

use std::collections::BTreeMap;

use polder_misp::client::Receiver;
use polder_misp::feed::{Feed, Format, State, event_of};
use polder_peer::Document;
use polder_release::Origin;
use serde_json::json;

use super::intake::Report;
use super::misp_sync::{origin_of, take, told};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::request::Answer;

/// Which feed, and what it counts as.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) url: String,
    pub(super) source: String,
    pub(super) format: String,
    pub(super) ca: Option<String>,
}

/// Reads what is new in a feed.
pub(super) fn read(node: &Node, by: &str, asked: &Asked, progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let started = std::time::Instant::now();
    node.directory().need_sources(std::slice::from_ref(&asked.source))?;
    if origin_of(node, &asked.source)? == Some(Origin::Own) {
        let help = "what a feed says is not one's own: `polder source add NAME --kind feed`, and name that";
        return Err(Failure::usage(format!("the source `{}` is of kind own", asked.source), help));
    }
    tracing::info!(by, url = asked.url, "feed");
    let path = node.dir.join("feeds.json");
    let mut all: BTreeMap<String, State> = std::fs::read(&path).ok().and_then(|t| serde_json::from_slice(&t).ok()).unwrap_or_default();
    let key = format!("{} {}", asked.source, asked.url);
    let mut state = all.remove(&key).unwrap_or_default();
    let feed = Feed::new(&asked.url, None, asked.ca.as_ref().map(Into::into))?;
    let mut report = Report::default();
    let counts = match asked.format.as_str() {
        "misp" => events(node, &feed, asked, &mut state, &mut report, progress)?,
        format => lines(node, &feed, asked, if format == "csv" { Format::Csv } else { Format::Freetext }, &mut state, &mut report)?,
    };
    all.insert(key, state);
    crate::config::write(&path, &json!(all).to_string())?;
    Ok(told(report, &asked.source, started, counts))
}

fn events(
    node: &Node,
    feed: &Feed,
    asked: &Asked,
    state: &mut State,
    report: &mut Report,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(u64, usize, usize), Failure> {
    let Some((listed, etag)) = feed.manifest(state.etag.as_deref())? else { return Ok((0, 0, 0)) };
    let due: Vec<_> = listed.iter().filter(|e| state.events.get(&e.uuid) != Some(&e.at_s)).collect();
    let (mut withdrawn, mut done) = (0, 0u64);
    let mut whole = true;
    for event in &due {
        match feed.event(&event.uuid) {
            Ok(document) => {
                // A feed says for nobody in particular how far its events may go; nothing is narrowed.
                let receiver = Receiver::new(std::slice::from_ref(&event.uuid), true, Vec::new());
                let taken = take(node, &asked.source, &receiver, (&event.uuid, &document), report)?;
                withdrawn += taken.unwrap_or_default();
                whole &= taken.is_some();
                if taken.is_some() {
                    state.events.insert(event.uuid.clone(), event.at_s);
                }
            }
            // One file that is broken says nothing of the others; it is asked for again next time.
            Err(polder_peer::Error::Peer(why)) => {
                whole = false;
                report.refused.push(json!({"place": event.uuid, "id": null, "reason": why, "help": "tell the feed's operator"}));
            }
            Err(other) => return Err(other.into()),
        }
        done += 1;
        progress(done, u64::try_from(due.len()).unwrap_or(u64::MAX));
    }
    state.etag = etag.filter(|_| whole);
    Ok((done, withdrawn, 0))
}

fn lines(node: &Node, feed: &Feed, asked: &Asked, format: Format, state: &mut State, report: &mut Report) -> Result<(u64, usize, usize), Failure> {
    let Some((text, etag)) = feed.text(state.etag.as_deref())? else { return Ok((0, 0, 0)) };
    let first_s = *state.first_s.get_or_insert(node.store.now_us() / 1_000_000);
    let event = event_of(&asked.url, &text, format, first_s);
    let empty = event.get("Event").and_then(|e| e.get("Attribute")).and_then(serde_json::Value::as_array).is_none_or(Vec::is_empty);
    if empty {
        let why = format!("`{}` holds nothing that can be told: no address, name, URL or digest", asked.url);
        return Err(Failure::new(exit::PEER, why, "check the URL and `--format`; what was read before stays"));
    }
    let name = event.get("Event").and_then(|e| e.get("uuid")).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let receiver = Receiver::new(&[name], true, Vec::new());
    let document = Document::Held(event.to_string().into_bytes());
    let withdrawn = take(node, &asked.source, &receiver, (&asked.url, &document), report)?;
    state.etag = etag;
    Ok((1, withdrawn.unwrap_or_default(), 0))
}
