//! The `polder` program: reads the command line, finds the node, shows the answer.
//!
//! The rule: exit codes mean 0 yes, 1 no, 2 usage, 3 configuration, 4 peer or link, 5 partial; results go to stdout, everything else to stderr.

mod admit;
mod auth;
mod beats;
mod cli;
mod commands;
mod config;
mod console_desk;
mod control;
mod demo;
mod directory;
mod failure;
mod import;
mod init;
mod misp;
mod misp_access;
mod node;
mod pull;
mod render;
mod request;
mod serve;
mod tls;
mod words;

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};

use crate::cli::{Cli, Command};
use crate::failure::{Failure, exit, file_failure};
use crate::request::{Answer, Request};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version go to stdout with code 0, mistakes to stderr with code 2; a closed pipe is nobody's fault.
            drop(e.print());
            return ExitCode::from(if e.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    logs(matches!(cli.command, Command::Serve { .. }));
    let code = match run(&cli) {
        Ok(code) => code,
        Err(failure) => {
            if cli.json {
                say(&format!("{}\n", json!({"error": failure.message, "help": failure.help, "exit": failure.exit})));
            } else {
                // A message may quote an object, a file name or a peer.
                complain(&format!("error: {}\nhelp: {}", render::plain(&failure.message), render::plain(&failure.help)));
            }
            failure.exit
        }
    };
    ExitCode::from(code)
}

/// Logs on stderr, as JSON where a program reads them; POLDER_LOG sets the level. No log line carries an object's content.
fn logs(served: bool) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("POLDER_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    if served { lines.json().init() } else { lines.without_time().with_target(false).init() }
}

/// Writes to stdout; a reader that went away ends the output, not the program.
pub(crate) fn say(text: &str) {
    say_bytes(text.as_bytes());
}

fn say_bytes(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(bytes).and_then(|()| out.flush()));
}

pub(crate) fn complain(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

fn run(cli: &Cli) -> Result<u8, Failure> {
    match &cli.command {
        Command::Init(plan) => run_init(cli, plan),
        Command::Serve { listen, plain_http, until_stdin_closes } => {
            let flags = serve::Flags { listen: listen.clone(), plain_http: *plain_http, until_stdin_closes: *until_stdin_closes };
            serve::serve(&dir(cli)?, &flags, |ready| if cli.json { say(&format!("{ready}\n")) } else { say(&render::ready(ready)) })?;
            Ok(exit::OK)
        }
        Command::Demo(plan) => demo::run(cli, plan),
        Command::Completions { shell } => completions(shell),
        Command::Misp(command) => misp::run(cli, command),
        Command::Doctor { accept_clock: true } => {
            let dir = dir(cli)?;
            if control::is_running(&dir) {
                return Err(Failure::configuration(
                    format!("the node in `{}` is running, and has taken the clock as it was", dir.display()),
                    "stop the node, run `polder doctor --accept-clock`, then start it again",
                ));
            }
            let node = node::Node::open(&dir, true)?;
            // Any act writes the clock's time as the newest, which is what accepting it means.
            node.change("doctor --accept-clock", |_| Ok(()))?;
            show(cli, &commands::run(&node, "doctor", Request::Doctor, &[], &mut |_, _| {})?)
        }
        Command::Import { file, own, source, dry_run } => {
            if file.is_dir() {
                return import::folder(cli, file, source.as_ref(), *own, *dry_run);
            }
            let place = file.display().to_string();
            // A long file is read by the node itself, part by part if it is MISP's.
            let long = std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.len() > import::HELD_BYTES_MAX);
            let body = if long { Vec::new() } else { read_input(file)? };
            let file = if long { Some(std::path::absolute(file).map_err(|e| file_failure(file, "find", &e))?) } else { None };
            ask(cli, &Request::Import { source: source.clone(), own: *own, dry_run: *dry_run, place, file }, &body)
        }
        Command::Marking(cli::Marking::Pin { file }) => ask(cli, &Request::MarkingPin, &read_input(file)?),
        Command::Taxii(cli::Taxii::Pull { url, user, password_file, token_file, source, collection, ca }) => {
            pull::check_url(url)?;
            let request = Request::Pull {
                url: url.clone(),
                user: user.clone(),
                password: password_file.as_deref().map(read_secret).transpose()?,
                token: token_file.as_deref().map(read_secret).transpose()?,
                source: source.clone(),
                collection: collection.clone(),
                ca: ca.as_deref().map(pull::authority).transpose()?,
            };
            ask(cli, &request, &[])
        }
        Command::Recipient(cli::Recipient::Add { password_file: Some(file), .. }) => {
            let mut request = cli::request(&cli.command);
            if let Some(Request::RecipientAdd { password, .. }) = &mut request {
                *password = Some(read_secret(file)?);
            }
            request.map_or(Ok(exit::USAGE), |r| ask(cli, &r, &[]))
        }
        Command::User(cli::User::Add { password_file: Some(file), .. } | cli::User::Password { password_file: Some(file), .. }) => {
            let mut request = cli::request(&cli.command);
            if let Some(Request::UserAdd { password, .. } | Request::UserPassword { password, .. }) = &mut request {
                *password = Some(read_secret(file)?);
            }
            request.map_or(Ok(exit::USAGE), |r| ask(cli, &r, &[]))
        }
        other => match cli::request(other) {
            Some(request) => ask(cli, &request, &[]),
            None => Err(Failure::usage("this command does nothing here", "see `polder --help`")),
        },
    }
}

pub(crate) fn dir(cli: &Cli) -> Result<PathBuf, Failure> {
    cli.dir.clone().ok_or_else(|| Failure::usage("no node was named", "use `--dir DIR` or set POLDER_DIR"))
}

/// Asks the running node, else opens the directory itself.
pub(crate) fn ask(cli: &Cli, request: &Request, body: &[u8]) -> Result<u8, Failure> {
    let dir = dir(cli)?;
    let bar = progress_bar(cli);
    let mut progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
        // How many pages a peer has is not known before the last.
        bar.set_message(if total == 0 { format!("page {done}") } else { format!("{done} of {total} objects") });
    };
    let answer = answer(&dir, request, body, &mut progress);
    bar.finish_and_clear();
    show(cli, &answer?)
}

fn answer(dir: &Path, request: &Request, body: &[u8], progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    if let Some(answer) = control::ask(dir, request, body, progress)? {
        return Ok(answer);
    }
    let node = node::Node::open(dir, false)?;
    commands::run(&node, "the command line, node stopped", request.clone(), body, progress)
}

pub(crate) fn progress_bar(cli: &Cli) -> indicatif::ProgressBar {
    if cli.json || !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("{bar:40} {msg}");
    indicatif::ProgressBar::new(0).with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
}

pub(crate) fn show(cli: &Cli, answer: &Answer) -> Result<u8, Failure> {
    if let Some(bytes) = &answer.bytes {
        if let Command::Export { out: Some(path), .. } = &cli.command {
            std::fs::write(path, bytes).map_err(|e| file_failure(path, "write", &e))?;
            let counted = ["objects", "events"].iter().find_map(|what| Some((what, answer.value.get(*what)?)));
            let text = counted.map_or_else(String::new, |(what, n)| format!("{n} {what} written to {}\n", path.display()));
            say(&if cli.json { format!("{}\n", answer.value) } else { text });
        } else {
            say_bytes(bytes);
        }
        if let Some(damaged) = answer.value.get("damaged").and_then(Value::as_u64).filter(|n| *n > 0) {
            complain(&format!(
                "error: {damaged} objects are damaged on disk and were left out\nhelp: `polder doctor` names them; restore the store from a backup"
            ));
        }
        return Ok(answer.exit);
    }
    if cli.json {
        say(&format!("{}\n", answer.value));
    } else {
        say(&render::answer(&answer.value, matches!(cli.command, Command::Config(cli::Config::Show { origin: true }))));
    }
    Ok(answer.exit)
}

fn read_input(file: &Path) -> Result<Vec<u8>, Failure> {
    if file.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).map_err(|e| file_failure(file, "read", &e))?;
        return Ok(body);
    }
    std::fs::read(file).map_err(|e| file_failure(file, "read", &e))
}

pub(crate) fn read_secret(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| file_failure(file, "read", &e))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn run_init(cli: &Cli, plan: &cli::Init) -> Result<u8, Failure> {
    let member = match &plan.member {
        Some(member) => member.clone(),
        None => prompt("id of your organisation, as allies will name it (for example `alfa`)")?,
    };
    let name = match &plan.name {
        Some(name) => name.clone(),
        None if plan.member.is_some() => member.clone(),
        None => prompt("its name")?,
    };
    let dir = match &cli.dir {
        Some(dir) => dir.clone(),
        None => PathBuf::from(prompt("directory for the node")?),
    };
    let listen = plan.taxii_port.map_or_else(|| plan.listen.clone(), |p| format!("127.0.0.1:{p}"));
    let password = plan.password_file.as_deref().map(read_secret).transpose()?;
    let made = init::init(
        &dir,
        &init::Plan { member, name, kind: plan.kind.name().to_owned(), listen, plain_http: plan.plain_http, uuid: plan.uuid.clone(), password },
    )?;
    // Opening it once makes the store, so that what can fail fails now.
    let node = node::Node::open(&dir, false)?;
    if !plan.plain_http {
        tls::make(&dir, &node.config, &plan.tls_names)?;
    }
    drop(node);
    if cli.json {
        say(&format!("{made}\n"))
    } else {
        say(&render::init(&made))
    }
    Ok(exit::OK)
}

fn prompt(question: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("missing: {question}"), "give it as a flag; see `polder init --help`"));
    }
    complain(&format!("{question}: "));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|e| file_failure(Path::new("-"), "read", &e))?;
    let answer = line.trim().to_owned();
    if answer.is_empty() { Err(Failure::usage("nothing was entered", "start again; nothing was changed")) } else { Ok(answer) }
}

fn completions(shell: &str) -> Result<u8, Failure> {
    use clap::{CommandFactory, ValueEnum};
    let shell = clap_complete::Shell::from_str(shell, true)
        .map_err(|_| Failure::usage(format!("no completions for `{shell}`"), "use bash, zsh, fish, elvish or powershell"))?;
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "polder", &mut out);
    say_bytes(&out);
    Ok(exit::OK)
}
