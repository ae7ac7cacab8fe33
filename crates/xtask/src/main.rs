//! Project tasks: `cargo xtask test`, `bench` and `nightly`.
//!
//! Rule: a task installs what it needs itself or says in one line what to install; nothing is skipped silently.

mod python;
mod tasks;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask TASK

  test            format, lints, licences, cargo test, then programs others wrote against a running node
  bench [NAME]    every program in bench/, or the one named; prints JSON and a table
  nightly         the long rigs: the test suite in release with 10,000 worlds and 10,000 kills
  help            this text";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next();
    let rest: Vec<String> = args.collect();
    let done = match task.as_deref() {
        Some("test") if rest.is_empty() => tasks::test(),
        Some("bench") if rest.len() <= 1 => tasks::bench(rest.first().map(String::as_str)),
        Some("nightly") if rest.is_empty() => tasks::nightly(),
        Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
