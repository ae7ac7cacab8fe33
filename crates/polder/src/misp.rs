//! `polder misp`: what MISP's events would give away, and the commands about other MISPs.
//!
//! The rule: an audit opens no node and writes nowhere; a file that cannot be read is named, and the others are read.

use std::io::Read;
use std::path::{Path, PathBuf};

use polder_misp::audit::{Audit, Kind};
use polder_misp::client::{Local, Remote};
use polder_misp::{limits, model};
use serde_json::json;

use crate::cli::{Cli, Misp as Command};
use crate::failure::{Failure, exit, file_failure};
use crate::pull::{authority, check_url};
use crate::render::{plain, table};
use crate::request::Request;

/// Places of each kind that the terminal shows.
const PLACES_SHOWN_MAX: usize = 3;

/// Carries out a command about MISPs.
pub(crate) fn run(cli: &Cli, command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Audit { place, html, key_file, ca } => audit(cli, place, html.as_deref(), key_file.as_deref(), ca.as_deref()),
        Command::Add { name, url, key_file, source, to, ca } => {
            check_url(url)?;
            let ca = ca.as_deref().map(authority).transpose()?;
            let key = crate::read_secret(key_file)?;
            let request = Request::MispAdd { name: name.clone(), url: url.clone(), key, source: source.clone(), to: to.clone(), ca };
            crate::ask(cli, &request, &[])
        }
        Command::Set { name, url, key_file, to, ca } => {
            url.as_deref().map(check_url).transpose()?;
            let ca = ca.as_deref().map(authority).transpose()?;
            let key = key_file.as_deref().map(crate::read_secret).transpose()?;
            let request = Request::MispSet { name: name.clone(), url: url.clone(), key, to: to.clone(), ca };
            crate::ask(cli, &request, &[])
        }
        Command::Remove { name } => crate::ask(cli, &Request::MispRemove { name: name.clone() }, &[]),
        Command::Test { name } => crate::ask(cli, &Request::MispTest { name: name.clone() }, &[]),
        Command::Pull { name, full, watch } => watched(cli, &Request::MispPull { name: name.clone(), full: *full }, *watch),
        Command::Push { name, watch } => watched(cli, &Request::MispPush { name: name.clone(), only: None }, *watch),
        Command::Feed { url, source, format, ca, watch } => {
            check_url(url)?;
            let ca = ca.as_deref().map(authority).transpose()?;
            watched(cli, &Request::MispFeed { url: url.clone(), source: source.clone(), format: format.name().to_owned(), ca }, *watch)
        }
        Command::Status => crate::ask(cli, &Request::MispStatus, &[]),
        Command::Library => crate::ask(cli, &Request::MispLibrary, &[]),
    }
}

/// Asks once, or again and again. A peer that cannot be reached now may be later.
fn watched(cli: &Cli, request: &Request, every_s: Option<u64>) -> Result<u8, Failure> {
    let Some(every_s) = every_s else { return crate::ask(cli, request, &[]) };
    loop {
        match crate::ask(cli, request, &[]) {
            Ok(_) => {}
            Err(failure) if failure.exit == exit::PEER => {
                crate::complain(&format!("error: {}\nhelp: {}; trying again in {every_s} s", failure.message, failure.help))
            }
            Err(failure) => return Err(failure),
        }
        std::thread::sleep(std::time::Duration::from_secs(every_s));
    }
}

/// Audits a file, a folder, or the published events of a MISP.
fn audit(cli: &Cli, place: &Path, html: Option<&Path>, key_file: Option<&Path>, ca: Option<&Path>) -> Result<u8, Failure> {
    let mut audit = Audit::default();
    let url = place.to_string_lossy().into_owned();
    let bar = crate::progress_bar(cli);
    if url.starts_with("http://") || url.starts_with("https://") {
        check_url(&url)?;
        let key_file = key_file.ok_or_else(|| Failure::usage("a MISP is audited with a key", "give a file with a key that may read: `--key-file FILE`"))?;
        let ca = ca.map(authority).transpose()?;
        audit_server(&mut audit, &url, &crate::read_secret(key_file)?, ca, &bar).map_err(|e| Failure::new(exit::PEER, e.to_string(), e.help()))?;
    } else {
        audit_files(&mut audit, place, &bar)?;
    }
    bar.finish_and_clear();
    if audit.seen.events == 0 {
        let why = audit.unread.first().map_or_else(|| "there is nothing to read".to_owned(), |u| format!("`{}`: {}", u.place, u.reason));
        let help = "name a file that MISP exported as JSON (`Download as... MISP JSON`), a folder of such files, or the URL of a MISP with published events";
        return Err(Failure::new(exit::NO, format!("`{}` holds no MISP event: {why}", place.display()), help));
    }
    if let Some(path) = html {
        std::fs::write(path, polder_misp::html(&audit)).map_err(|e| file_failure(path, "write", &e))?;
    }
    crate::say(&if cli.json { format!("{}\n", json!(audit)) } else { shown(&audit, html) });
    Ok(if audit.unread.is_empty() { exit::OK } else { exit::PARTIAL })
}

fn audit_files(audit: &mut Audit, place: &Path, bar: &indicatif::ProgressBar) -> Result<(), Failure> {
    let mut files = Vec::new();
    gather(place, 0, &mut files)?;
    bar.set_length(u64::try_from(files.len()).unwrap_or(u64::MAX));
    for (n, file) in files.iter().enumerate() {
        bar.set_message(format!("{n} of {} files", files.len()));
        match read(file).and_then(|bytes| model::events(&bytes).map_err(|e| e.to_string())) {
            Ok(events) => events.iter().for_each(|event| audit.add(event)),
            Err(why) => audit.unread(&file.display().to_string(), why),
        }
        bar.inc(1);
    }
    Ok(())
}

/// Reads the published events of a MISP one by one; nothing is asked of it that would write.
fn audit_server(audit: &mut Audit, url: &str, key: &str, ca: Option<String>, bar: &indicatif::ProgressBar) -> Result<(), polder_peer::Error> {
    let mut remote = Remote::new(url, key, ca.map(Into::into))?;
    remote.about()?;
    (audit.servers, audit.community) = remote.connections()?;
    let listed = remote.index(None)?.unwrap_or_default().events;
    bar.set_length(u64::try_from(listed.len()).unwrap_or(u64::MAX));
    for (n, event) in listed.iter().enumerate() {
        bar.set_message(format!("{n} of {} events", listed.len()));
        let Some(document) = remote.event(&event.uuid, Local::Kept)? else { continue };
        match model::events(document.to_string().as_bytes()) {
            Ok(events) => events.iter().for_each(|event| audit.add(event)),
            Err(why) => audit.unread(&event.uuid, why.to_string()),
        }
        bar.inc(1);
    }
    Ok(())
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
    rows.push(row("of them not published: nowhere until they are", audit.unpublished.events, audit.unpublished.attributes));
    let mut out = table(&rows);
    for (title, named) in [("ORGANISATION OF A SHARING GROUP", &audit.organisations), ("SHARING GROUP", &audit.groups)] {
        if !named.is_empty() {
            let mut rows = vec![head(title)];
            rows.extend(named.values().map(|r| row(&r.name, r.count.events, r.count.attributes)));
            out.push_str(&format!("\n{}", table(&rows)));
        }
    }
    if !audit.servers.is_empty() {
        let mut rows = vec![head("CONNECTED SERVER")];
        rows.extend(audit.servers.iter().map(|s| {
            let how = match (s.pushes, s.has_rules) {
                (false, _) => "nothing is pushed to it",
                (true, true) => "less what its push rules hold back",
                (true, false) => "pushed",
            };
            let whose = if s.organisation.is_empty() { String::new() } else { format!(" of {}", s.organisation) };
            row(&format!("{}{whose}, {how}", s.name), s.count.events, s.count.attributes)
        }));
        out.push_str(&format!("\n{}", table(&rows)));
    }
    if !audit.community.is_empty() {
        out.push_str(&format!("\norganisations on this MISP: {}\n", plain(&audit.community.join(", "))));
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
