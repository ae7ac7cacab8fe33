//! The Python environment of the interop and bench programs, kept beside the build results.
//!
//! Rule: it is built again only when the list of packages or the Python itself changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::tasks::run;

/// The environment's Python, with the packages of `requirements` installed.
pub(crate) fn ensure(target: &Path, requirements: &Path) -> Result<PathBuf> {
    // An environment for each list, named after it.
    let name = requirements.file_stem().unwrap_or_default().to_string_lossy().replace("requirements", "interop-venv");
    let dir = target.join(name);
    let python = dir.join("bin/python");
    let stamp = dir.join("polder-stamp");
    let wanted = stamp_text(requirements)?;
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        println!("unchanged, re-used");
        return Ok(python);
    }
    std::fs::create_dir_all(target).with_context(|| format!("cannot create `{}`", target.display()))?;
    // `--clear`: an environment of another Python, or a half-built one, is not repaired but replaced.
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write `{}`", stamp.display()))?;
    Ok(python)
}

fn stamp_text(requirements: &Path) -> Result<String> {
    let list = std::fs::read_to_string(requirements).with_context(|| format!("cannot read `{}`", requirements.display()))?;
    let version = Command::new("python3").arg("--version").output().context("cannot start `python3`")?;
    if !version.status.success() {
        bail!("`python3 --version` failed: {}", version.status);
    }
    Ok(format!("{}{list}", String::from_utf8_lossy(&version.stdout)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs Python with its venv module; `cargo xtask nightly` runs it"]
    fn built_once_and_again_when_the_list_changes() {
        let home = std::env::temp_dir().join(format!("polder-xtask-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let list = home.join("requirements.txt");
        std::fs::write(&list, "# nothing\n").unwrap();
        let python = ensure(&home, &list).unwrap();
        let trace = home.join("interop-venv/trace");
        std::fs::write(&trace, "").unwrap();
        assert_eq!(ensure(&home, &list).unwrap(), python);
        assert!(trace.exists(), "an unchanged list built the environment again");
        std::fs::write(&list, "# still nothing\n").unwrap();
        ensure(&home, &list).unwrap();
        assert!(!trace.exists(), "a changed list kept the old environment");
        std::fs::write(&list, "no such requirement ===\n").unwrap();
        assert!(ensure(&home, &list).is_err());
        assert!(!home.join("interop-venv/polder-stamp").exists(), "a failed build must not look finished");
        std::fs::remove_dir_all(&home).unwrap();
    }
}
