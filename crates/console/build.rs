//! Builds the scripts of the pages from npm packages, by their lock file; without Node the pages are plain, and say so.
//!
//! The rule: a build never fails for want of scripts. `POLDER_ASSETS=DIR` takes `console.js` from there instead (for packagers); `POLDER_ASSETS=none` builds plain pages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const INPUTS: [&str; 3] = ["package.json", "package-lock.json", "src/main.js"];

fn main() {
    println!("cargo::rerun-if-env-changed=POLDER_ASSETS");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let script = out.join("console.js");
    for input in INPUTS {
        println!("cargo::rerun-if-changed=web/{input}");
    }
    let given = std::env::var("POLDER_ASSETS").unwrap_or_default();
    let made = match given.as_str() {
        "" => built(&out, &script),
        "none" => Err("POLDER_ASSETS=none".to_owned()),
        dir => {
            println!("cargo::rerun-if-changed={dir}/console.js");
            std::fs::copy(Path::new(dir).join("console.js"), &script).map(drop).map_err(|e| format!("`{dir}/console.js`: {e}"))
        }
    };
    if let Err(why) = made {
        println!("cargo::warning=the console is built without scripts, its pages are plain: {why}");
        #[expect(clippy::disallowed_methods, reason = "a build writes to its own output")]
        if let Err(e) = std::fs::write(&script, "") {
            println!("cargo::error=cannot write `{}`: {e}", script.display());
        }
    }
}

fn built(out: &Path, script: &Path) -> Result<(), String> {
    let web = out.join("web");
    std::fs::create_dir_all(web.join("src")).map_err(|e| e.to_string())?;
    for input in INPUTS {
        std::fs::copy(Path::new("web").join(input), web.join(input)).map_err(|e| format!("web/{input}: {e}"))?;
    }
    // The lock file names the digest of each package; nothing of theirs runs while they are installed.
    run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error"]).current_dir(&web))?;
    run(Command::new("node")
        .args(["node_modules/esbuild/bin/esbuild", "src/main.js", "--bundle", "--minify", "--format=iife", "--target=es2022", "--legal-comments=none"])
        .arg(format!("--outfile={}", script.display()))
        .current_dir(&web))
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().map_err(|e| format!("`{name}`: {e}"))?;
    if done.status.success() { Ok(()) } else { Err(format!("`{name}`: {}", String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or_default())) }
}
