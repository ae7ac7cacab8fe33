//! `polder demo`: three members of one alliance on this machine, each a real node process, and a campaign of alfa's own.
//!
//! The rule: nothing is staged. What is shown is what the nodes answered; the same commands work by hand.

mod people;
mod story;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::cli::{Cli, Demo};
use crate::failure::{Failure, exit, file_failure};
use crate::request::{Answer, Request};
use crate::{control, say};

/// The campaign, written by us: crates/polder/demo/README.md says what is in it.
const CAMPAIGN: &[u8] = include_bytes!("../demo/campaign.json");

/// A node of the demo. Its process ends with this one: it watches its standard input, which closes when we die.
struct Running {
    name: &'static str,
    dir: PathBuf,
    child: Child,
    alive: Option<ChildStdin>,
    ready: Value,
    users: Vec<Value>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.alive.take());
        drop(self.child.wait());
    }
}

impl Running {
    fn text(&self, key: &str) -> &str {
        self.ready.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn ask(&self, request: &Request, body: &[u8]) -> Result<Answer, Failure> {
        control::ask(&self.dir, request, body, &mut |_, _| {})?
            .ok_or_else(|| Failure::new(exit::PEER, format!("the node `{}` does not answer", self.name), "its messages are above"))
    }

    /// Logins of its own people, as somebody who opens the console needs them.
    fn own_logins(&self) -> Vec<Value> {
        let own = self.users.iter().filter(|u| u.get("recipient").and_then(Value::as_str) == Some(self.name));
        own.map(|u| json!({"user": u.get("user"), "password": u.get("password"), "role": u.get("role"), "recipient": u.get("recipient")})).collect()
    }

    fn user(&self, recipient: &str) -> &Value {
        self.users.iter().find(|u| u.get("recipient").and_then(Value::as_str) == Some(recipient)).unwrap_or(&Value::Null)
    }
}

/// Runs the demo until Ctrl-C, or once.
pub(crate) fn run(cli: &Cli, plan: &Demo) -> Result<u8, Failure> {
    let started = Instant::now();
    let quiet = cli.json;
    let (dir, temporary) = place(cli)?;
    let tell = |text: &str| {
        if !quiet {
            say(text)
        }
    };
    tell("making three nodes: nations alfa and bravo, and the company charlie, a client of alfa\n");
    let mut nodes = Vec::new();
    for (n, name) in people::NODES.iter().enumerate() {
        let port = plan.port.map_or(0, |p| p.saturating_add(u16::try_from(n).unwrap_or(0)));
        let users = people::make(&dir.join(name), name, port)?;
        nodes.push(start(&dir.join(name), name, users)?);
    }
    let [alfa, bravo, charlie] = nodes.as_slice() else { return Err(Failure::configuration("the demo has three nodes", "report this as a defect")) };
    tell("alfa takes in its campaign\n");
    let report = alfa.ask(&Request::Import { source: None, own: true, dry_run: false, place: "campaign.json".to_owned(), file: None }, CAMPAIGN)?;
    tell(&crate::render::answer(&report.value, false));
    for node in [bravo, charlie] {
        let user = alfa.user(node.name);
        let pulled = node.ask(&pull_request(alfa, user), &[])?;
        tell(&format!("{} pulled from alfa over TAXII: {} objects\n", node.name, pulled.value.get("new").unwrap_or(&Value::Null)));
    }
    let ready_s = (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    if quiet {
        say(&format!("{}\n", described(&nodes, ready_s)));
    } else {
        story::tell(alfa, bravo, ready_s)?;
        if plan.once {
            say("\nwithout `--once` the nodes stay, and commands to try are shown\n");
        } else {
            story::next(alfa, bravo, charlie);
        }
    }
    if !plan.once {
        wait_for_ctrl_c()?;
    }
    drop(nodes);
    if temporary {
        std::fs::remove_dir_all(&dir).map_err(|e| file_failure(&dir, "remove", &e))?;
    }
    Ok(exit::OK)
}

fn pull_request(alfa: &Running, user: &Value) -> Request {
    let text = |key: &str| user.get(key).and_then(Value::as_str).map(str::to_owned);
    Request::Pull {
        url: alfa.text("taxii").to_owned(),
        user: text("user"),
        password: text("password"),
        token: None,
        source: "member:alfa".to_owned(),
        collection: None,
        ca: None,
    }
}

/// Where the nodes live: `--dir`, or a new temporary directory that goes when the demo ends.
fn place(cli: &Cli) -> Result<(PathBuf, bool), Failure> {
    if let Some(dir) = &cli.dir {
        if people::NODES.iter().any(|n| dir.join(n).exists()) {
            return Err(Failure::configuration(format!("`{}` holds a demo already", dir.display()), "choose another directory, or remove it"));
        }
        std::fs::create_dir_all(dir).map_err(|e| file_failure(dir, "create", &e))?;
        return Ok((dir.clone(), false));
    }
    let dir = std::env::temp_dir().join(format!("polder-demo-{}", crate::auth::random_text(6)?));
    std::fs::create_dir_all(&dir).map_err(|e| file_failure(&dir, "create", &e))?;
    Ok((dir, true))
}

fn start(dir: &Path, name: &'static str, users: Vec<Value>) -> Result<Running, Failure> {
    let failed = |e: std::io::Error| Failure::configuration(format!("cannot start the node `{name}`: {e}"), "look at the system's limits for processes");
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = std::process::Command::new(program)
        .args(["--json", "serve", "--until-stdin-closes", "--dir"])
        .arg(dir)
        .env_remove("POLDER_DIR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let alive = child.stdin.take();
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(failed)?;
    }
    let ready: Value = serde_json::from_str(&line).unwrap_or_default();
    let mut running = Running { name, dir: dir.to_owned(), child, alive, ready, users };
    if running.text("taxii").is_empty() {
        let said = running.ready.get("error").and_then(Value::as_str).unwrap_or("it ended without a word").to_owned();
        drop(running.alive.take());
        return Err(Failure::configuration(format!("the node `{name}` did not start: {said}"), "with `--port`, choose three free ones in a row"));
    }
    Ok(running)
}

fn described(nodes: &[Running], ready_s: f64) -> Value {
    let node = |n: &Running| {
        json!({"name": n.name, "dir": n.dir.display().to_string(), "pid": n.child.id(), "taxii": n.text("taxii"), "api_root": n.text("api_root"),
            "console": {"url": n.text("console"), "users": n.own_logins()}, "collection": n.text("collection"), "misp": {"url": n.text("misp"), "key": n.user(n.name).get("token")}, "users": n.users})
    };
    json!({"nodes": nodes.iter().map(node).collect::<Vec<_>>(), "ready_s": ready_s})
}

fn wait_for_ctrl_c() -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::configuration(format!("cannot wait for Ctrl-C: {e}"), "use `--once`");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(crate::serve::stop_signal());
    Ok(())
}
