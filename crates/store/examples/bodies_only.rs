//! The reference that `polder import` is measured against: parses a bundle, inserts the bytes of each object durably, and does nothing else.
//!
//! `cargo run --release -p polder-store --example bodies_only -- BUNDLE DIRECTORY`; prints a line of JSON.
#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};
use serde_json::value::RawValue;

#[derive(serde::Deserialize)]
struct Bundle<'b> {
    #[serde(borrow)]
    objects: Vec<&'b RawValue>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(dir)) = (arguments.next(), arguments.next()) else { return Err("usage: bodies_only BUNDLE DIRECTORY".into()) };
    let started = Instant::now();
    let text = std::fs::read(file)?;
    let bundle: Bundle<'_> = serde_json::from_slice(&text)?;
    let mut connection = Connection::open(Path::new(&dir).join("bodies.db"))?;
    connection.execute_batch("PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")?;
    connection.execute_batch("CREATE TABLE body(number INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")?;
    // As many objects in a commit as an import has.
    for part in bundle.objects.chunks(1000) {
        let transaction = connection.transaction()?;
        for object in part {
            transaction.prepare_cached("INSERT INTO body(bytes) VALUES(?)")?.execute(params![object.get().as_bytes()])?;
        }
        transaction.commit()?;
    }
    drop(connection);
    println!("{{\"objects\":{},\"wall_s\":{:.3}}}", bundle.objects.len(), started.elapsed().as_secs_f64());
    Ok(())
}
