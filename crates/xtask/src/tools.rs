//! Programs of the machine that the tasks call, and the Debian packages they come from.
//!
//! Rule: as root they are installed; anybody else is told the one command that installs them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::tasks::run;

/// A program, the arguments that prove it works, and the Debian packages that bring it.
pub(crate) struct Tool {
    program: &'static str,
    proof: &'static [&'static str],
    packages: &'static [&'static str],
}

/// What `test` and `bench` call. Debian splits the venv module off, and it fails only when it is used.
pub(crate) const FOR_TESTS: &[Tool] = &[
    Tool { program: "cc", proof: &["--version"], packages: &["gcc", "libc6-dev"] },
    Tool { program: "curl", proof: &["--version"], packages: &["curl"] },
    Tool { program: "python3", proof: &["-c", "import ensurepip, venv"], packages: &["python3", "python3-venv"] },
];

/// What the browser tests call besides.
pub(crate) const FOR_BROWSER: &[Tool] = &[
    Tool { program: "node", proof: &["--version"], packages: &["nodejs"] },
    Tool { program: "npm", proof: &["--version"], packages: &["npm"] },
    Tool { program: "chromium", proof: &["--version"], packages: &["chromium"] },
];

/// The release of cargo-deny that is built where there is none.
const CARGO_DENY: &str = "0.20.2";

/// The program cargo-deny: the machine's, else one built from source beside the build directory, once.
pub(crate) fn cargo_deny(cargo: &OsStr, target: &Path) -> Result<PathBuf> {
    if present("cargo-deny", &["--version"]) {
        return Ok("cargo-deny".into());
    }
    let root = target.join("tools").join(format!("cargo-deny-{CARGO_DENY}"));
    let built = root.join("bin/cargo-deny");
    if !present(&built, &["--version"]) {
        let work = root.join("build");
        run(Command::new(cargo)
            .args(["install", "--quiet", "--locked", "--version", CARGO_DENY, "cargo-deny", "--root"])
            .arg(&root)
            .env("CARGO_TARGET_DIR", &work))?;
        std::fs::remove_dir_all(&work)?;
    }
    Ok(built)
}

/// Whether the program starts and says so.
pub(crate) fn present(program: impl AsRef<OsStr>, proof: &[&str]) -> bool {
    Command::new(program).args(proof).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Makes sure that all of these work.
pub(crate) fn ensure(tools: &[Tool]) -> Result<()> {
    let missing = |tools: &[Tool]| -> Vec<&'static str> { tools.iter().filter(|t| !present(t.program, t.proof)).flat_map(|t| t.packages).copied().collect() };
    let packages = missing(tools);
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !is_root() || !present("apt-get", &["--version"]) {
        bail!("missing on this machine; install with `sudo apt-get install {list}` and run again");
    }
    println!("installing Debian packages: {list}");
    run(Command::new("apt-get").args(["--quiet", "update"]))?;
    run(Command::new("apt-get").args(["--quiet", "--yes", "--no-install-recommends", "install"]).args(&packages).env("DEBIAN_FRONTEND", "noninteractive"))?;
    let still = missing(tools);
    if !still.is_empty() {
        bail!("still missing after the installation: {}", still.join(" "));
    }
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_present_only_if_its_proof_succeeds() {
        assert!(present("sh", &["-c", "exit 0"]));
        assert!(!present("sh", &["-c", "exit 1"]));
        assert!(!present("no-such-program-here", &[]));
    }
}
