//! The tasks as lists of steps; each step is printed with its time.
//!
//! Rule: the first failing step ends the task, except that the interop runner runs all of its cases before it fails.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{python, tools};

/// Everything that must hold before a change lands.
pub(crate) fn test() -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::default();
    steps.step("tools of this machine", || tools::ensure(tools::FOR_TESTS))?;
    steps.step("format", || place.cargo(&["fmt", "--all", "--check"], &[]))?;
    steps.step("lints", || place.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]))?;
    match steps.step("cargo-deny itself", || Ok(tools::cargo_deny(&place.cargo, &place.target)))? {
        // Advisories need a database from the network and are left to whoever can reach it.
        Ok(deny) => steps.step("bans, licences, sources", || {
            run(Command::new(deny).args(["--log-level", "error", "check", "bans", "licenses", "sources"]).current_dir(&place.root))
        })?,
        Err(why) => steps.skip("bans, licences, sources", &format!("the program `cargo-deny` is not here and could not be built: {why:#}")),
    }
    steps.step("cargo test", || place.cargo(&["test", "--workspace"], &[]))?;
    steps.step("release build", || place.cargo(&["build", "--release", "--package", "polder"], &[]))?;
    let venv = steps.step("python environment", || python::ensure(&place.target, &place.root.join("interop/requirements.txt")))?;
    steps.step("browser", || browser(&place))?;
    // The runner's own count of cases is the closing line, so the steps are summed up before it.
    steps.summary();
    steps.announce("interop");
    place.program(&venv, &place.root.join("interop/run.py")).context("step `interop`")
}

/// The console in Chromium, by packages of the lock file; pictures of its pages stay beside the build results.
fn browser(place: &Place) -> Result<()> {
    tools::ensure(tools::FOR_BROWSER)?;
    let programs = place.root.join("interop/browser");
    // The sources may be read-only, so the packages are installed beside a copy of the program.
    let work = place.target.join("browser");
    std::fs::create_dir_all(&work)?;
    for name in ["package.json", "package-lock.json", "run.mjs"] {
        std::fs::copy(programs.join(name), work.join(name)).with_context(|| format!("cannot copy `interop/browser/{name}`"))?;
    }
    run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&work))?;
    run(Command::new("node")
        .arg("run.mjs")
        .env("POLDER_BIN", place.target.join("release/polder"))
        .env("POLDER_SCREENS", place.target.join("screens"))
        .current_dir(&work))
}

/// The benchmarks, one after the other so that they do not share the cores.
pub(crate) fn bench(only: Option<&str>) -> Result<()> {
    let place = Place::find()?;
    let programs = bench_programs(&place.root.join("bench"), only)?;
    let mut steps = Steps::default();
    steps.step("tools of this machine", || tools::ensure(tools::FOR_TESTS))?;
    steps.step("release build", || place.cargo(&["build", "--release", "--package", "polder"], &[]))?;
    steps.step("reference of import", || place.cargo(&["build", "--release", "--package", "polder-store", "--example", "bodies_only"], &[]))?;
    let venv = steps.step("python environment", || python::ensure(&place.target, &place.root.join("interop/requirements.txt")))?;
    for program in programs {
        let name = format!("bench {}", program.file_stem().unwrap_or_default().to_string_lossy());
        steps.step(&name, || place.program(&venv, &program))?;
    }
    steps.summary();
    Ok(())
}

/// The sizes that take hours, and the tests that are ignored by default.
pub(crate) fn nightly() -> Result<()> {
    let place = Place::find()?;
    let sizes = [("POLDER_WORLDS", "10000"), ("POLDER_KILLS", "10000")];
    let mut steps = Steps::default();
    steps.step("tools of this machine", || tools::ensure(tools::FOR_TESTS))?;
    steps.step("cargo test, long sizes", || place.cargo(&["test", "--release", "--workspace", "--", "--include-ignored"], &sizes))?;
    steps.step("release build", || place.cargo(&["build", "--release", "--package", "polder"], &[]))?;
    let venv = steps.step("python environment of the oracle", || python::ensure(&place.target, &place.root.join("interop/requirements-oracle.txt")))?;
    steps.step("misp-stix as oracle", || place.program(&venv, &place.root.join("interop/oracle_misp_stix.py")))?;
    steps.summary();
    Ok(())
}

fn bench_programs(dir: &Path, only: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut programs = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list `{}`", dir.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let wanted = only.is_none_or(|only| only == stem);
        if wanted && !stem.starts_with('_') && path.extension().is_some_and(|e| e == "py") {
            programs.push(path);
        }
    }
    programs.sort();
    if programs.is_empty() {
        bail!("no program in bench/ is called `{}`", only.unwrap_or("*.py"));
    }
    Ok(programs)
}

/// Where the sources are and where builds go.
struct Place {
    root: PathBuf,
    target: PathBuf,
    cargo: OsString,
}

impl Place {
    fn find() -> Result<Self> {
        // Set by `cargo run`; a binary that is called directly works from the root of the repository.
        let root = match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(own) => Path::new(&own).join("../..").canonicalize().context("cannot find the root of the repository")?,
            None => std::env::current_dir()?,
        };
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => std::path::absolute(dir)?,
            None => root.join("target"),
        };
        Ok(Self { root, target, cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()) })
    }

    fn cargo(&self, args: &[&str], env: &[(&str, &str)]) -> Result<()> {
        run(Command::new(&self.cargo).args(args).envs(env.iter().copied()).current_dir(&self.root))
    }

    fn program(&self, python: &Path, program: &Path) -> Result<()> {
        run(Command::new(python)
            .arg(program)
            .env("POLDER_BIN", self.target.join("release/polder"))
            // The sources may be read-only, and stray caches do not belong beside them.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .current_dir(&self.root))
    }
}

/// Runs a program with our own output; anything but success is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let mut words = vec![Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

#[derive(Default)]
struct Steps {
    done: Vec<(String, String)>,
    total: Duration,
}

impl Steps {
    fn announce(&self, name: &str) {
        println!("==> {name} ({:.0} s so far)", self.total.as_secs_f64());
    }

    fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.announce(name);
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        self.total += took;
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("<== {name}: {verdict} in {:.1} s", took.as_secs_f64());
        self.done.push((name.to_owned(), format!("{verdict} {:.1} s", took.as_secs_f64())));
        if result.is_err() {
            self.summary();
        }
        result.with_context(|| format!("step `{name}`"))
    }

    fn skip(&mut self, name: &str, reason: &str) {
        println!("==> {name}: SKIPPED, {reason}");
        self.done.push((name.to_owned(), format!("skipped: {reason}")));
    }

    fn summary(&self) {
        println!("steps, {:.1} s in all:", self.total.as_secs_f64());
        for (name, what) in &self.done {
            println!("  {name:<26} {what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benchmarks_are_found_by_name() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench");
        assert!(bench_programs(&dir, None).unwrap().iter().any(|p| p.ends_with("taxii.py")));
        assert_eq!(bench_programs(&dir, Some("taxii")).unwrap().len(), 1);
        assert!(bench_programs(&dir, Some("no-such-bench")).is_err());
    }

    #[test]
    fn a_failing_step_is_an_error_that_names_the_program() {
        let mut steps = Steps::default();
        let error = steps.step("s", || run(Command::new("sh").args(["-c", "exit 7"]))).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("step `s`") && text.contains("sh -c exit 7"), "{text}");
    }
}
