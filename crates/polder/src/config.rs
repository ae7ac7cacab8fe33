//! `polder.toml`: one file, `POLDER_*` over it, flags over both.
//!
//! The rule: unknown keys and variables are refused, and so are values no node can run with, by whichever command reads them first.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, file_failure};

/// The node's settings. Every field's doc is its documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The member whose node this is; must stand in `alliance.toml`.
    pub(crate) member: String,
    /// Where TAXII listens.
    #[serde(default = "listen")]
    pub(crate) listen: String,
    /// Serve plain HTTP. Only sensible on loopback or behind a proxy that ends TLS.
    #[serde(default)]
    pub(crate) plain_http: bool,
    /// Certificate chain, PEM; made by `init`, and by `serve` when certificate and key are gone.
    #[serde(default = "tls_cert")]
    pub(crate) tls_cert: String,
    /// Private key, PEM.
    #[serde(default = "tls_key")]
    pub(crate) tls_key: String,
    /// How others reach this node, when it is not the listening address: `https://taxii.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// Objects of a page when the client does not say.
    #[serde(default = "page_default")]
    pub(crate) page_objects_default: usize,
    /// Objects of a page at most.
    #[serde(default = "page_max")]
    pub(crate) page_objects_max: usize,
    /// Bytes of a POST at most.
    #[serde(default = "content_max")]
    pub(crate) content_bytes_max: usize,
    /// A folder with object templates, taxonomies, galaxies and warninglists as MISP's projects publish them; below the node's directory unless it is absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) misp_library: Option<String>,
    /// Persons who have to say yes before something held is released.
    #[serde(default = "one")]
    pub(crate) widen_persons_min: usize,
}

fn one() -> usize {
    1
}

fn listen() -> String {
    "127.0.0.1:6100".to_owned()
}
pub(crate) fn tls_cert() -> String {
    "tls/cert.pem".to_owned()
}
pub(crate) fn tls_key() -> String {
    "tls/key.pem".to_owned()
}
fn page_default() -> usize {
    1000
}
fn page_max() -> usize {
    10_000
}
fn content_max() -> usize {
    100 * 1024 * 1024
}

/// Where a value came from.
pub(crate) type Origins = Vec<(String, String, String)>;

/// The settings as they hold, with where each came from.
pub(crate) fn load(dir: &Path) -> Result<(Config, Origins), Failure> {
    let path = dir.join("polder.toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::configuration(
                format!("`{}` is no polder node: there is no polder.toml in it", dir.display()),
                "make one with `polder init --dir DIR`, or name another with `--dir` or POLDER_DIR",
            ));
        }
        Err(e) => return Err(file_failure(&path, "read", &e)),
    };
    let mut table: toml::Table = parse(&path, &text)?;
    let from_file: Vec<String> = table.keys().cloned().collect();
    let from_env = from_environment(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))))?;
    for (key, value) in &from_env {
        table.insert((*key).to_owned(), value.clone());
    }
    let config: Config = table.clone().try_into().map_err(|e: toml::de::Error| malformed(&path, &e.to_string()))?;
    let shown = toml::Table::try_from(&config).unwrap_or_default();
    let origin = |key: &str| {
        if from_env.iter().any(|(k, _)| *k == key) {
            format!("environment, {}", variable(key))
        } else if from_file.iter().any(|k| k == key) {
            "polder.toml".to_owned()
        } else {
            "default".to_owned()
        }
    };
    if let Some((key, problem, help)) = problem(&config) {
        let line = text.lines().position(|l| l.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')));
        let place = match (origin(key).as_str(), line) {
            ("polder.toml", Some(line)) => format!("`{}`, line {}", path.display(), line + 1),
            (other, _) => other.to_owned(),
        };
        return Err(Failure::configuration(format!("{place}: {problem}"), help));
    }
    let origins = shown.iter().map(|(k, v)| (k.clone(), v.to_string(), origin(k))).collect();
    Ok((config, origins))
}

const KEYS: &[&str] = &[
    "member",
    "listen",
    "plain_http",
    "tls_cert",
    "tls_key",
    "base_url",
    "page_objects_default",
    "page_objects_max",
    "content_bytes_max",
    "misp_library",
    "widen_persons_min",
];

/// Variables that are no settings: the directory and the log's level, and what this project's own tests and runs are told by.
const OTHER_VARIABLES: &[&str] = &[
    "POLDER_DIR",
    "POLDER_LOG",
    "POLDER_BIN",
    "POLDER_CI_TARGET",
    "POLDER_DATA",
    "POLDER_INTEROP_JOBS",
    "POLDER_KILLS",
    "POLDER_KILL_CHILD",
    "POLDER_KILL_SEED",
    "POLDER_SEED",
    "POLDER_TOOLS",
    "POLDER_WORLDS",
];

fn variable(key: &str) -> String {
    format!("POLDER_{}", key.to_uppercase())
}

/// The settings among the environment's variables.
fn from_environment(variables: impl Iterator<Item = (String, String)>) -> Result<Vec<(&'static str, toml::Value)>, Failure> {
    let mut found = Vec::new();
    for (name, value) in variables.filter(|(name, _)| name.starts_with("POLDER_") && !OTHER_VARIABLES.contains(&name.as_str())) {
        let Some(key) = KEYS.iter().find(|k| variable(k) == name) else {
            let known: Vec<String> = KEYS.iter().map(|k| variable(k)).collect();
            return Err(Failure::configuration(
                format!("the environment variable `{name}` is no setting"),
                format!("unset it; known are {}", known.join(", ")),
            ));
        };
        let value =
            value.parse::<i64>().map(toml::Value::Integer).or_else(|_| value.parse::<bool>().map(toml::Value::Boolean)).unwrap_or(toml::Value::String(value));
        found.push((*key, value));
    }
    Ok(found)
}

/// How an address to listen on is written; for helps.
pub(crate) const ADDRESS_HELP: &str = "write it as ADDRESS:PORT, like 127.0.0.1:6100, 0.0.0.0:6100 or [::]:6100";

/// May this be an address to listen on?
pub(crate) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
    };
    is_host && port.parse::<u16>().is_ok()
}

/// The first setting that no node can run with: its key, what is wrong, and the remedy.
fn problem(config: &Config) -> Option<(&'static str, String, String)> {
    let most = polder_store::limits::PAGE_OBJECTS_MAX;
    let is_url =
        |url: &str| url.parse::<axum::http::Uri>().is_ok_and(|u| matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some_and(|h| !h.is_empty()));
    let found = |key, problem: String, help: &str| Some((key, problem, help.to_owned()));
    if config.member.is_empty() {
        return found("member", "`member` is empty".to_owned(), "name the member whose node this is, as alliance.toml does");
    }
    if !is_address(&config.listen) {
        return found("listen", format!("`listen` is `{}`, which is no address", config.listen), ADDRESS_HELP);
    }
    for (key, file) in [("tls_cert", &config.tls_cert), ("tls_key", &config.tls_key)] {
        if file.is_empty() {
            return found(key, format!("`{key}` is empty"), "name a PEM file, or leave the key out");
        }
    }
    if let Some(url) = config.base_url.as_deref().filter(|u| !is_url(u)) {
        return found("base_url", format!("`base_url` is `{url}`, which is no http or https URL"), "write it like https://taxii.example");
    }
    if !(1..=most).contains(&config.page_objects_max) {
        return found("page_objects_max", format!("`page_objects_max` is {}", config.page_objects_max), &format!("choose 1 to {most}"));
    }
    if !(1..=config.page_objects_max).contains(&config.page_objects_default) {
        let help = format!("choose 1 to {}, which is `page_objects_max`", config.page_objects_max);
        return found("page_objects_default", format!("`page_objects_default` is {}", config.page_objects_default), &help);
    }
    if config.content_bytes_max == 0 {
        return found("content_bytes_max", "`content_bytes_max` is 0, so nothing could be posted".to_owned(), "choose the bytes one POST may have");
    }
    None
}

/// Reads a TOML file of the node, refusing unknown keys with their place.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, Failure> {
    toml::from_str(text).map_err(|e| malformed(path, &e.to_string()))
}

fn malformed(path: &Path, problem: &str) -> Failure {
    // The picture of the line would be broken up on one line; its number and the problem say enough.
    let said: Vec<&str> = problem.lines().filter(|l| !l.contains('|')).map(str::trim).collect();
    Failure::configuration(format!("`{}`: {}", path.display(), said.join(": ")), "mend that line; docs/user-guide.md lists every key")
}

/// Writes a file so that a crash leaves the old or the new one.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let temporary = path.with_extension("new");
    let fail = |e: std::io::Error| file_failure(path, "write", &e);
    let mut options = std::fs::OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    std::fs::rename(&temporary, path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts() {
        for (text, want) in [
            ("127.0.0.1:6100", true),
            ("0.0.0.0:0", true),
            ("localhost:80", true),
            ("[::]:6100", true),
            ("[2001:db8::1]:6100", true),
            ("not an address", false),
            ("127.0.0.1", false),
            (":6100", false),
            ("::1:6100", false),
            ("[zz]:1", false),
            ("127.0.0.1:65536", false),
            ("a b:1", false),
            ("", false),
        ] {
            assert_eq!(is_address(text), want, "{text}");
        }
    }

    #[test]
    fn values_no_node_can_run_with_are_named_with_their_key() {
        let good: Config = toml::from_str("member = 'alfa'").unwrap();
        assert_eq!(problem(&good), None);
        for (text, key) in [
            ("member = ''", "member"),
            ("member = 'a'\nlisten = 'x'", "listen"),
            ("member = 'a'\ntls_cert = ''", "tls_cert"),
            ("member = 'a'\nbase_url = 'taxii.example'", "base_url"),
            ("member = 'a'\nbase_url = 'ftp://taxii.example'", "base_url"),
            ("member = 'a'\npage_objects_max = 0", "page_objects_max"),
            ("member = 'a'\npage_objects_max = 10001", "page_objects_max"),
            ("member = 'a'\npage_objects_max = 10\npage_objects_default = 11", "page_objects_default"),
            ("member = 'a'\ncontent_bytes_max = 0", "content_bytes_max"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(problem(&config).map(|p| p.0), Some(key), "{text}");
        }
    }

    #[test]
    fn the_place_of_a_bad_value_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("polder.toml"), "# settings\nmember = 'alfa'\nlisten = 'nowhere'\n").unwrap();
        let failure = load(dir.path()).unwrap_err();
        assert!(failure.message.contains("polder.toml`, line 3: `listen` is `nowhere`"), "{}", failure.message);
    }

    #[test]
    fn variables_that_are_no_settings_are_refused() {
        let read = |name: &str, value: &str| from_environment([(name.to_owned(), value.to_owned())].into_iter());
        assert_eq!(read("POLDER_PLAIN_HTTP", "true").unwrap(), [("plain_http", toml::Value::Boolean(true))]);
        assert_eq!(read("POLDER_PAGE_OBJECTS_MAX", "7").unwrap(), [("page_objects_max", toml::Value::Integer(7))]);
        for ignored in ["HOME", "POLDER_DIR", "POLDER_LOG"] {
            assert!(read(ignored, "x").unwrap().is_empty(), "{ignored}");
        }
        let failure = read("POLDER_LISTN", "127.0.0.1:1").unwrap_err();
        assert!(failure.message.contains("`POLDER_LISTN`") && failure.help.contains("POLDER_LISTEN"), "{failure:?}");
    }
}
