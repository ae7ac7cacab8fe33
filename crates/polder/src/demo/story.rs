//! What the demo shows once the nodes have shared: who received what, what stayed and why, and what TAXII cannot take back.

use serde_json::Value;

use super::{Running, people};
use crate::failure::Failure;
use crate::request::Request;
use crate::{render, say};

/// The object whose marking is raised: bravo has it, and loses it.
const RAISED: &str = "indicator--aee46f31-d353-4cc2-8c05-8942e80ea579";

pub(super) fn tell(alfa: &Running, bravo: &Running, ready_s: f64) -> Result<(), Failure> {
    say(&format!("\nready after {ready_s} s\n\nwho may have what at alfa\n"));
    say(&shares(alfa, &["alfa", "bravo", "charlie", people::OUTSIDER, "duty@bravo"])?);
    say("\nwhat bravo could pass on of what it received (TLP binds what a recipient does next)\n");
    say(&shares(bravo, &["charlie", people::OUTSIDER])?);
    say("\none object, and what each reader meets\n");
    let audience = alfa.ask(&Request::Audience { id: RAISED.to_owned() }, &[])?;
    say(&render::answer(&audience.value, false));
    say("\nalfa raises its marking to TLP:RED\n");
    let marked = alfa.ask(&Request::ObjectMark { id: RAISED.to_owned(), level: "red".to_owned(), source: None, dry_run: false }, &[])?;
    say(&render::answer(&marked.value, false));
    let after = alfa.ask(&Request::Explain { id: RAISED.to_owned(), to: "bravo".to_owned() }, &[])?;
    say(&render::answer(&after.value, false));
    let copy = bravo.ask(&Request::ObjectGet { id: RAISED.to_owned(), original: false, all: false }, &[]);
    say(match copy {
        Ok(_) => "bravo no longer sees it at alfa. The copy in bravo's own node is still there: TAXII has no way to recall what was pulled.\n",
        Err(_) => "bravo no longer sees it at alfa.\n",
    });
    Ok(())
}

fn shares(node: &Running, readers: &[&str]) -> Result<String, Failure> {
    let mut rows = vec![["READER", "RELEASED", "REDACTED", "HELD", "WITHHELD", "STAYS BECAUSE"].map(str::to_owned).to_vec()];
    for reader in readers {
        let value = node.ask(&Request::Summary { recipient: (*reader).to_owned() }, &[])?.value;
        let count = |verdict: &str| value.pointer(&format!("/verdicts/{verdict}")).and_then(Value::as_u64).unwrap_or(0).to_string();
        let because = value.get("withheld_because").and_then(Value::as_object);
        let why: Vec<String> = because.into_iter().flatten().map(|(k, v)| format!("{k} ({v})")).collect();
        rows.push(vec![(*reader).to_owned(), count("release"), count("redact"), count("hold"), count("withhold"), why.join(", ")]);
    }
    Ok(render::table(&rows))
}

pub(super) fn next(alfa: &Running, bravo: &Running, charlie: &Running) {
    let login = |node: &Running, recipient: &str| {
        let user = node.user(recipient);
        let field = |key: &str| user.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("{}:{}", field("user"), field("password"))
    };
    say("\nopen in a browser, one node in each, and look at the same campaign through three pairs of eyes\n");
    for node in [alfa, bravo, charlie] {
        let login = node.user(node.name);
        let field = |key: &str| login.get(key).and_then(Value::as_str).unwrap_or_default();
        say(&format!("  {}  {} / {}\n", node.text("console"), field("user"), field("password")));
    }
    say("\ntry next\n");
    say(&format!("  polder --dir {} release queue\n", alfa.dir.display()));
    say(&format!("  polder --dir {} release audience {RAISED}\n", alfa.dir.display()));
    say(&format!("  polder --dir {} ledger what-has charlie\n", alfa.dir.display()));
    say(&format!("  polder --dir {} object find gauge\n", bravo.dir.display()));
    for node in [alfa, bravo, charlie] {
        let url = format!("{}collections/all/objects/", node.text("api_root"));
        say(&format!("  curl -u {} -H 'Accept: application/taxii+json;version=2.1' {url}\n", login(node, node.name)));
    }
    say(&format!("  (as the outsider at alfa: -u {})\n", login(alfa, people::OUTSIDER)));
}
