//! `polder.toml`: one file, `POLDER_*` over it, flags over both; unknown keys are refused.

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
    /// Certificate chain, PEM; made by `init` when there is none.
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
}

fn listen() -> String {
    "127.0.0.1:6100".to_owned()
}
fn tls_cert() -> String {
    "tls/cert.pem".to_owned()
}
fn tls_key() -> String {
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
    let mut from_env = Vec::new();
    for key in KEYS {
        let variable = format!("POLDER_{}", key.to_uppercase());
        if let Ok(value) = std::env::var(&variable) {
            let value = value
                .parse::<i64>()
                .map(toml::Value::Integer)
                .or_else(|_| value.parse::<bool>().map(toml::Value::Boolean))
                .unwrap_or(toml::Value::String(value));
            table.insert((*key).to_owned(), value);
            from_env.push(*key);
        }
    }
    let config: Config = table.clone().try_into().map_err(|e: toml::de::Error| malformed(&path, &e.to_string()))?;
    let shown = toml::Table::try_from(&config).unwrap_or_default();
    let origin = |key: &str| {
        if from_env.contains(&key) {
            format!("environment, POLDER_{}", key.to_uppercase())
        } else if from_file.iter().any(|k| k == key) {
            "polder.toml".to_owned()
        } else {
            "default".to_owned()
        }
    };
    let origins = shown.iter().map(|(k, v)| (k.clone(), v.to_string(), origin(k))).collect();
    Ok((config, origins))
}

const KEYS: &[&str] = &["member", "listen", "plain_http", "tls_cert", "tls_key", "base_url", "page_objects_default", "page_objects_max", "content_bytes_max"];

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
