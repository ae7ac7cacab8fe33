//! Feeds of others: MISP's own format, CSV and free text.
//!
//! The rule: a line is taken for what it plainly is or not at all, and the same line gives the same attribute each time.

use std::net::IpAddr;

use polder_peer::{Ask, Client, Document, Error, Target};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::Listed;
use crate::limits;
use crate::map::fields::number;
use crate::map::ids::{derived, uuid};
use crate::map::rows::moment;

/// What a feed is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A manifest and a file for each event.
    Misp,
    /// Lines of cells.
    Csv,
    /// Any text.
    Freetext,
}

/// Where the reading of a feed stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The ETag of what was read last.
    pub etag: Option<String>,
    /// When it was read first, seconds since 1970: the time of events made of lines.
    pub first_s: Option<i64>,
    /// The time of each event when it was taken.
    pub events: std::collections::BTreeMap<String, i64>,
}

/// Something that was read, and its ETag.
pub type Fresh<T> = (T, Option<String>);

/// A feed at a URL.
#[derive(Debug)]
pub struct Feed {
    client: Client,
    path: String,
}

impl Feed {
    /// The feed at a URL. Redirects are followed on its own host only, so none leads to a machine inside.
    ///
    /// # Errors
    /// [`Error::Setup`].
    pub fn new(url: &str, authorization: Option<String>, ca_file: Option<std::path::PathBuf>) -> Result<Self, Error> {
        let (client, path) = Client::new(&Target { url: url.to_owned(), authorization, ca_file, insecure_http: false })?;
        Ok(Self { client, path })
    }

    fn get(&self, path: &str, etag: Option<&str>) -> Result<Option<Fresh<Vec<u8>>>, Error> {
        let known = etag.map(|tag| ("If-None-Match", tag));
        let headers: Vec<(&str, &str)> = known.into_iter().collect();
        let answer = self.client.ask(&Ask { method: "GET", path, headers: &headers, body: &[], bytes_max: limits::ANSWER_BYTES_MAX, judged: &[304] })?;
        let tag = answer.header("etag").map(str::to_owned);
        Ok((answer.status != 304).then_some((answer.body, tag)))
    }

    /// The events a feed of MISP's format lists, oldest first; none when nothing has changed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn manifest(&self, etag: Option<&str>) -> Result<Option<Fresh<Vec<Listed>>>, Error> {
        let path = format!("{}/manifest.json", self.path.trim_end_matches('/').trim_end_matches("/manifest.json"));
        let Some((body, tag)) = self.get(&path, etag)? else { return Ok(None) };
        let listed: Map<String, Value> = serde_json::from_slice(&body).map_err(|e| Error::Peer(format!("the manifest of the feed is not one: {e}")))?;
        let mut events: Vec<Listed> =
            listed.iter().filter_map(|(name, about)| Some(Listed { uuid: uuid(name)?, at_s: number(about.get("timestamp")).unwrap_or_default() })).collect();
        events.sort_by(|a, b| (a.at_s, &a.uuid).cmp(&(b.at_s, &b.uuid)));
        Ok(Some((events, tag)))
    }

    /// The file of one event of a feed of MISP's format.
    ///
    /// # Errors
    /// [`Error`].
    pub fn event(&self, uuid: &str) -> Result<Document, Error> {
        let path = format!("{}/{uuid}.json", self.path.trim_end_matches('/').trim_end_matches("/manifest.json"));
        let ask = Ask { method: "GET", path: &path, headers: &[], body: &[], bytes_max: limits::ANSWER_BYTES_MAX, judged: &[] };
        Ok(self.client.fetch(&ask, limits::HELD_BYTES_MAX)?.body)
    }

    /// The text of a feed of lines; none when nothing has changed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn text(&self, etag: Option<&str>) -> Result<Option<Fresh<String>>, Error> {
        Ok(self.get(&self.path, etag)?.map(|(body, tag)| (String::from_utf8_lossy(&body).into_owned(), tag)))
    }
}

/// An event made of a feed's lines, always the same for the same URL.
#[must_use]
pub fn event_of(url: &str, text: &str, format: Format, first_s: i64) -> Value {
    let found = if format == Format::Csv { cells(text) } else { words(text) };
    let mut seen = std::collections::BTreeSet::new();
    let new = found.into_iter().filter(|pair| seen.insert(pair.clone()));
    let attributes: Vec<Value> = new
        .take(limits::FEED_VALUES_MAX)
        .map(|(kind, value)| {
            let category = if kind.starts_with("md5") || kind.starts_with("sha") { "Payload delivery" } else { "Network activity" };
            json!({"uuid": derived(&["feed", url, kind, &value]), "type": kind, "category": category, "value": value, "to_ids": true, "deleted": false,
                "timestamp": first_s.to_string(), "distribution": "5", "comment": ""})
        })
        .collect();
    let date: String = moment(first_s).chars().take(10).collect();
    json!({"Event": {"uuid": derived(&["feed", url]), "info": format!("feed {url}"), "date": date, "timestamp": first_s.to_string(), "published": true,
        "analysis": "2", "threat_level_id": "4", "Attribute": attributes}})
}

/// The first thing of each line of cells that can be told.
fn cells(text: &str) -> Vec<(&'static str, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']) && !line.starts_with("//"));
    lines.filter_map(|line| line.split([',', ';', '\t']).find_map(|cell| told(cell.trim().trim_matches('"').trim()))).collect()
}

/// Everything in a text that can be told.
fn words(text: &str) -> Vec<(&'static str, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| line.split(|c: char| c.is_whitespace() || matches!(c, ',' | '"' | '\'' | '<' | '>' | '(' | ')' | '|'))).filter_map(told).collect()
}

/// What a word plainly is.
fn told(word: &str) -> Option<(&'static str, String)> {
    let plain = word.replace("[.]", ".").replace("(.)", ".").replace("[:]", ":").replace("hxxp", "http");
    let word = plain.trim_end_matches(['.', ';', ':']);
    let is_hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    match word.len() {
        32 if is_hex => return Some(("md5", word.to_ascii_lowercase())),
        40 if is_hex => return Some(("sha1", word.to_ascii_lowercase())),
        64 if is_hex => return Some(("sha256", word.to_ascii_lowercase())),
        128 if is_hex => return Some(("sha512", word.to_ascii_lowercase())),
        _ => {}
    }
    if word.starts_with("http://") || word.starts_with("https://") || word.starts_with("ftp://") {
        return Some(("url", word.to_owned()));
    }
    let (address, length) = word.split_once('/').map_or((word, None), |(a, l)| (a, Some(l)));
    if let Ok(ip) = address.parse::<IpAddr>() {
        let length_max = if ip.is_ipv4() { 32 } else { 128 };
        return length.is_none_or(|l| l.parse::<u8>().is_ok_and(|l| l <= length_max)).then(|| ("ip-dst", word.to_owned()));
    }
    if let Some((local, host)) = word.split_once('@') {
        return (!local.is_empty() && is_domain(host)).then(|| ("email-src", word.to_owned()));
    }
    is_domain(word).then(|| ("domain", word.to_ascii_lowercase()))
}

fn is_domain(word: &str) -> bool {
    let labels: Vec<&str> = word.split('.').collect();
    let sound = |label: &&str| {
        !label.is_empty() && label.len() < 64 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') && !label.starts_with('-')
    };
    let top = labels.last().is_some_and(|t| t.len() > 1 && t.bytes().all(|b| b.is_ascii_alphabetic()) || t.starts_with("xn--"));
    labels.len() > 1 && labels.iter().all(sound) && top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_for_what_they_plainly_are() {
        let check = |word: &str, want: Option<(&'static str, &str)>| assert_eq!(told(word), want.map(|(kind, value)| (kind, value.to_owned())), "{word}");
        check("192.0.2.7", Some(("ip-dst", "192.0.2.7")));
        check("192[.]0[.]2[.]7", Some(("ip-dst", "192.0.2.7")));
        check("2001:db8::/32", Some(("ip-dst", "2001:db8::/32")));
        check("192.0.2.7/99", None);
        check("hxxps://a.example/x", Some(("url", "https://a.example/x")));
        check("A.Example", Some(("domain", "a.example")));
        check("a@b.example", Some(("email-src", "a@b.example")));
        check("D41D8CD98F00B204E9800998ECF8427E", Some(("md5", "d41d8cd98f00b204e9800998ecf8427e")));
        for nothing in ["", "word", "1.5", "v2.0.1", "e.g", "-a.example", "file.123", "@b.example"] {
            check(nothing, None);
        }
    }

    #[test]
    fn a_feed_of_lines_is_one_event_that_stays_the_same() {
        let csv = "# comment\nfirst,192.0.2.7,x\n\"192.0.2.8\";y\n192.0.2.7,again\nnothing here\n";
        let event = event_of("https://feed.example/a.csv", csv, Format::Csv, 1_780_000_000);
        let values: Vec<&str> = event["Event"]["Attribute"].as_array().unwrap().iter().map(|a| a["value"].as_str().unwrap()).collect();
        assert_eq!(values, ["192.0.2.7", "192.0.2.8"]);
        assert_eq!(event, event_of("https://feed.example/a.csv", csv, Format::Csv, 1_780_000_000));
        let free = event_of("u", "seen: a.example, (hxxp://b.example/x). end", Format::Freetext, 0);
        let values: Vec<&str> = free["Event"]["Attribute"].as_array().unwrap().iter().map(|a| a["value"].as_str().unwrap()).collect();
        assert_eq!(values, ["a.example", "http://b.example/x"]);
    }
}
