//! `polder import FOLDER`: the files of a folder of MISP's JSON, one after the other.
//!
//! The rule: a file that cannot be taken is named and the others are taken.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::failure::{Failure, exit};
use crate::request::{Answer, Request};
use crate::{commands, control, node};

/// Bytes of a file that are read before the node is asked.
pub(crate) const HELD_BYTES_MAX: u64 = 8 << 20;

/// Imports the files of a folder.
pub(crate) fn folder(cli: &Cli, folder: &Path, source: Option<&String>, own: bool, dry_run: bool) -> Result<u8, Failure> {
    if dry_run {
        return Err(Failure::usage("`--dry-run` takes one file", "name a file of the folder"));
    }
    let mut files = Vec::new();
    crate::misp::gather(folder, 0, &mut files)?;
    if files.is_empty() {
        return Err(Failure::usage(format!("`{}` holds no JSON file", folder.display()), "name a folder with MISP's events, one in each file"));
    }
    let dir = crate::dir(cli)?;
    let bar = crate::progress_bar(cli);
    bar.set_length(u64::try_from(files.len()).unwrap_or(u64::MAX));
    // A node that runs is asked; one that does not is opened once for all files.
    let mut opened = None;
    let mut sum = Answer::default();
    for (n, file) in files.iter().enumerate() {
        bar.set_message(format!("{n} of {} files", files.len()));
        let place = file.display().to_string();
        let body = match crate::misp::read(file) {
            Ok(body) => body,
            Err(reason) => {
                add(&mut sum, &refused(&place, &reason, "see whether the file can be read"));
                continue;
            }
        };
        let request = Request::Import { source: source.cloned(), own, dry_run, place: place.clone(), file: None };
        let answer = match &opened {
            None => match control::ask(&dir, &request, &body, &mut |_, _| {}) {
                Ok(None) => {
                    let node = opened.insert(node::Node::open(&dir, false)?);
                    commands::run(node, "the command line, node stopped", request, &body, &mut |_, _| {})
                }
                Ok(Some(answer)) => Ok(answer),
                Err(failure) => Err(failure),
            },
            Some(node) => commands::run(node, "the command line, node stopped", request, &body, &mut |_, _| {}),
        };
        match answer {
            Ok(answer) => add(&mut sum, &answer.value),
            // What is wrong with one file says nothing of the others; anything else is wrong for all.
            Err(failure) if failure.message.starts_with(&format!("`{place}`")) => add(&mut sum, &refused(&place, &failure.message, &failure.help)),
            Err(failure) => return Err(failure),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    sum.exit = if sum.value.get("refused").and_then(Value::as_array).is_some_and(|r| !r.is_empty()) { exit::PARTIAL } else { exit::OK };
    crate::show(cli, &sum)
}

fn refused(place: &str, reason: &str, help: &str) -> Value {
    json!({"refused": [{"place": place, "id": null, "reason": reason, "help": help}]})
}

/// Adds one file's counts to the sum.
fn add(sum: &mut Answer, one: &Value) {
    if sum.value.is_null() {
        sum.value = json!({"source": null, "new": 0, "known": 0, "variant": 0, "conflict": 0, "lifted": 0, "refused": [], "seconds": 0.0,
            "misp": {"events": 0, "unchanged": 0, "older": 0}});
    }
    merge(&mut sum.value, one);
}

fn merge(sum: &mut Value, one: &Value) {
    match (sum, one) {
        (Value::Object(sum), Value::Object(one)) => {
            for (key, value) in one {
                merge(sum.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(sum), Value::Array(one)) => sum.extend(one.iter().cloned()),
        (Value::Number(sum), Value::Number(one)) => {
            let whole = sum.as_u64().zip(one.as_u64()).map(|(a, b)| a.saturating_add(b).into());
            let part = || serde_json::Number::from_f64(sum.as_f64().unwrap_or_default() + one.as_f64().unwrap_or_default());
            if let Some(total) = whole.or_else(part) {
                *sum = total;
            }
        }
        (sum, one) => *sum = one.clone(),
    }
}
