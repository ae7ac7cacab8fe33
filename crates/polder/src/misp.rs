//! `polder misp audit`: reads MISP's files, shows what they would give away.
//!
//! The rule: nothing is sent anywhere and no node is opened; a file that cannot be read is named, and the others are read.

use std::io::Read;
use std::path::{Path, PathBuf};

use polder_misp::audit::{Audit, Kind};
use polder_misp::{limits, model};
use serde_json::json;

use crate::cli::Cli;
use crate::failure::{Failure, exit, file_failure};
use crate::render::{plain, table};

/// Places of each kind that the terminal shows.
const PLACES_SHOWN_MAX: usize = 3;

/// Audits a file or a folder.
pub(crate) fn audit(cli: &Cli, place: &Path, html: Option<&Path>) -> Result<u8, Failure> {
    if ["http://", "https://"].iter().any(|scheme| place.to_string_lossy().starts_with(scheme)) {
        return Err(Failure::usage("only files can be audited so far", "export the events as JSON and name the file or its folder"));
    }
    let mut files = Vec::new();
    gather(place, 0, &mut files)?;
    let mut audit = Audit::default();
    let bar = crate::progress_bar(cli);
    bar.set_length(u64::try_from(files.len()).unwrap_or(u64::MAX));
    for (n, file) in files.iter().enumerate() {
        bar.set_message(format!("{n} of {} files", files.len()));
        match read(file).and_then(|bytes| model::events(&bytes).map_err(|e| e.to_string())) {
            Ok(events) => events.iter().for_each(|event| audit.add(event)),
            Err(why) => audit.unread(&file.display().to_string(), why),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if audit.seen.events == 0 {
        let why = audit.unread.first().map_or_else(|| "there is no JSON file".to_owned(), |u| format!("`{}`: {}", u.place, u.reason));
        let help = "name a file that MISP exported as JSON (`Download as... MISP JSON`), or a folder of such files";
        return Err(Failure::new(exit::NO, format!("`{}` holds no MISP event: {why}", place.display()), help));
    }
    if let Some(path) = html {
        std::fs::write(path, polder_misp::html(&audit)).map_err(|e| file_failure(path, "write", &e))?;
    }
    crate::say(&if cli.json { format!("{}\n", json!(audit)) } else { shown(&audit, html) });
    Ok(if audit.unread.is_empty() { exit::OK } else { exit::PARTIAL })
}

/// The JSON files of a folder, and of its folders; a feed's manifest repeats what its events say.
pub(crate) fn gather(place: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !place.is_dir() {
        files.push(place.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(place).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(|e| file_failure(place, "read", &e))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link to a folder may lead in circles.
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        if is_folder && depth < limits::FOLDER_DEPTH_MAX {
            gather(&path, depth + 1, files)?;
        } else if !path.is_dir() && path.extension().is_some_and(|e| e == "json") && entry.file_name() != "manifest.json" {
            files.push(path);
        }
        if files.len() > limits::FILES_MAX {
            let what = format!("`{}` holds more than {} files", place.display(), limits::FILES_MAX);
            return Err(Failure::usage(what, "audit its folders one by one"));
        }
    }
    Ok(())
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|e| e.to_string())?;
    opened.take(limits::FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > limits::FILE_BYTES_MAX {
        return Err(format!("longer than {} bytes", limits::FILE_BYTES_MAX));
    }
    Ok(bytes)
}

/// The summary for a terminal.
fn shown(audit: &Audit, html: Option<&Path>) -> String {
    let row = |name: &str, events: usize, attributes: usize| vec![plain(name), events.to_string(), attributes.to_string()];
    let head = |name: &str| vec![name.to_owned(), "EVENTS".to_owned(), "ATTRIBUTES".to_owned()];
    let mut rows = vec![head("GOES TO")];
    rows.extend(audit.reach.iter().map(|(reach, n)| row(reach.says(), n.events, n.attributes)));
    rows.push(row("looked at", audit.seen.events, audit.seen.attributes));
    let mut out = table(&rows);
    for (title, named) in [("ORGANISATION OF A SHARING GROUP", &audit.organisations), ("SHARING GROUP", &audit.groups)] {
        if !named.is_empty() {
            let mut rows = vec![head(title)];
            rows.extend(named.values().map(|r| row(&r.name, r.count.events, r.count.attributes)));
            out.push_str(&format!("\n{}", table(&rows)));
        }
    }
    out.push_str(if audit.findings.is_empty() { "\nnothing was found that contradicts itself or should stay\n" } else { "\nwhat to look at\n" });
    for (kind, findings) in &audit.findings {
        out.push_str(&format!("  {} ({})\n", kind.says(), findings.count));
        for place in findings.places.iter().take(PLACES_SHOWN_MAX) {
            let part = place.part.as_deref().map(|p| format!(", part {}", plain(p))).unwrap_or_default();
            out.push_str(&format!("    {}: event {}{part}: {}\n", plain(&place.title), plain(&place.event), plain(&place.says)));
        }
    }
    for file in &audit.unread {
        out.push_str(&format!("not read: {}: {}\n", plain(&file.place), plain(&file.reason)));
    }
    if !audit.unread.is_empty() {
        out.push_str("help: the other files were read; export these again from MISP, or leave them out\n");
    }
    if audit.findings.contains_key(&Kind::Withdrawn) {
        out.push_str("MISP itself cannot recall what was copied: ask those who have it\n");
    }
    match html {
        Some(path) => out + &format!("the report is in {}\n", path.display()),
        None => out + "`--html FILE` writes the whole report, `--json` all that was found\n",
    }
}
