//! One peer over HTTP: requests that are repeated while the link or the peer asks for patience, and never leave the peer's host.
//!
//! The rule: credentials go to the host the operator named, over TLS unless it is this machine, and every answer is bounded.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::{Credentials, PullError, PullTarget};
use crate::{MEDIA_TYPE, limits};

/// The way to one peer.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    /// Scheme, host and port.
    base: String,
    host: String,
    authorization: Option<String>,
    answered: std::cell::Cell<bool>,
}

/// An answer with status 200, or the status that a caller wanted to judge.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) last: Option<String>,
    pub(super) body: Vec<u8>,
}

/// One attempt: an answer, or whether trying again may help, how long to wait, and what is wrong.
struct Again {
    wait: Option<Duration>,
    error: PullError,
}

impl Client {
    /// A client for the peer, and the path the target names.
    pub(super) fn new(target: &PullTarget) -> Result<(Self, String), PullError> {
        let uri: Uri = target.url.parse().map_err(|_| PullError::Setup(format!("`{}` is not a URL", target.url)))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(PullError::Setup(format!("`{}` has no scheme or no host", target.url)));
        };
        if authority.as_str().contains('@') {
            return Err(PullError::Setup("the URL holds credentials; give them apart from it".to_owned()));
        }
        let plain = match scheme {
            "https" => false,
            "http" => true,
            _ => return Err(PullError::Setup(format!("the scheme `{scheme}` is not http or https"))),
        };
        if plain && !target.insecure_http && !is_loopback(authority.host()) {
            return Err(PullError::Setup(format!("`{}` is not encrypted", target.url)));
        }
        let authorization = match &target.credentials {
            Credentials::None => None,
            Credentials::Basic { user, password } => Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))),
            Credentials::Bearer(token) => Some(format!("Bearer {token}")),
        };
        let agent = agent(target.ca_file.as_deref(), plain)?;
        let client = Self {
            agent,
            base: format!("{scheme}://{authority}"),
            host: authority.host().to_ascii_lowercase(),
            authorization,
            answered: std::cell::Cell::new(false),
        };
        Ok((client, uri.path().to_owned()))
    }

    /// The path of a URL that the peer names, if it is on the peer's host. Peers behind proxies get their own scheme and port wrong.
    pub(super) fn path_of(&self, named: &str) -> Result<String, PullError> {
        let elsewhere = || PullError::Peer(format!("the peer points to `{}`, which is not on its own host `{}`", clip(named), self.host));
        let uri: Uri = named.parse().map_err(|_| elsewhere())?;
        match uri.host() {
            None if uri.path().starts_with('/') => {}
            Some(host) if host.eq_ignore_ascii_case(&self.host) => {}
            _ => return Err(elsewhere()),
        }
        Ok(uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string))
    }

    /// GETs a path. An answer that is neither 200 nor in `judged` is an error.
    pub(super) fn get(&self, path: &str, bytes_max: u64, judged: &[u16]) -> Result<Answer, PullError> {
        let mut attempt = 0;
        loop {
            match self.attempt(path, bytes_max, judged) {
                Ok(answer) => {
                    self.answered.set(true);
                    return Ok(answer);
                }
                Err(Again { wait: Some(wait), error }) => {
                    attempt += 1;
                    let error = match error {
                        PullError::Link(what) => PullError::Link(format!("`{}`: {what}", self.base)),
                        other => other,
                    };
                    // Somebody who never answered is told about soon; a pull that was under way is worth waiting for.
                    let patience = if self.answered.get() { limits::PULL_ATTEMPTS_MAX } else { 2 };
                    if attempt >= patience {
                        return Err(error);
                    }
                    let pause = wait.max(Duration::from_millis(250).saturating_mul(1 << attempt)).min(Duration::from_secs(limits::PULL_WAIT_S_MAX));
                    tracing::warn!(%error, attempt, pause_ms = pause.as_millis(), "trying again");
                    std::thread::sleep(pause);
                }
                Err(Again { wait: None, error }) => return Err(error),
            }
        }
    }

    fn attempt(&self, path: &str, bytes_max: u64, judged: &[u16]) -> Result<Answer, Again> {
        let mut path = path.to_owned();
        for _ in 0..=limits::PULL_REDIRECTS_MAX {
            let mut request = self.agent.get(format!("{}{path}", self.base)).header("Accept", MEDIA_TYPE);
            if let Some(authorization) = &self.authorization {
                request = request.header("Authorization", authorization);
            }
            let response = request.call().map_err(fault)?;
            let status = response.status().as_u16();
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return finished(response, status, bytes_max, judged);
            }
            let place = header(&response, "location").unwrap_or_default();
            path = self.path_of(&place).map_err(|error| Again { wait: None, error })?;
        }
        Err(Again { wait: None, error: PullError::Peer("the peer redirects in circles".to_owned()) })
    }
}

fn finished(response: Response<Body>, status: u16, bytes_max: u64, judged: &[u16]) -> Result<Answer, Again> {
    if status == 200 || judged.contains(&status) {
        let last = header(&response, "x-taxii-date-added-last");
        let body = response.into_body().into_with_config().limit(bytes_max).read_to_vec().map_err(fault)?;
        return Ok(Answer { status, last, body });
    }
    let patience = header(&response, "retry-after").and_then(|t| t.trim().parse().ok()).unwrap_or(0);
    let title = response.into_body().into_with_config().limit(65_536).read_to_vec().ok().and_then(|b| said(&b)).unwrap_or_default();
    let error = match status {
        401 | 403 => PullError::Credentials(status),
        429 | 502 | 503 | 504 => PullError::Link(format!("the peer answers {status}{title}")),
        _ => PullError::Peer(format!("the peer answers {status}{title}")),
    };
    let again = matches!(status, 429 | 502..=504);
    Err(Again { wait: again.then(|| Duration::from_secs(patience)), error })
}

/// The title of the peer's error resource.
fn said(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    value.get("title").and_then(|t| t.as_str()).map(|t| format!(": `{}`", clip(t)))
}

/// What a peer says is quoted only as far as a person would read it, on one line.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

fn fault(error: ureq::Error) -> Again {
    let of_tls = |e: &std::io::Error| e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    let tls = |why: String| {
        // rustls says `invalid peer certificate` of every certificate it does not take.
        let remedy = if why.contains("certificate") { "; name the authority it is signed by, or the certificate itself, with `--ca FILE`" } else { "" };
        Again { wait: None, error: PullError::Peer(format!("TLS with the peer failed: {why}{remedy}")) }
    };
    match error {
        ureq::Error::Io(e) if of_tls(&e) => tls(e.to_string()),
        ureq::Error::Rustls(e) => tls(e.to_string()),
        ureq::Error::BodyExceedsLimit(max) => Again { wait: None, error: PullError::Peer(format!("the peer sends more than {max} bytes at once")) },
        ureq::Error::BadUri(e) => Again { wait: None, error: PullError::Setup(e) },
        error => Again { wait: Some(Duration::ZERO), error: PullError::Link(error.to_string()) },
    }
}

fn agent(ca_file: Option<&Path>, plain: bool) -> Result<Agent, PullError> {
    let seconds = |s| Some(Duration::from_secs(s));
    let mut tls = TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    tls = match ca_file {
        Some(path) => tls.root_certs(RootCerts::new_with_certs(&certificates(path)?)),
        None => tls.root_certs(RootCerts::WebPki),
    };
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .https_only(!plain)
        .http_status_as_error(false)
        // Redirects are followed by hand, on the same host only.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(seconds(limits::PULL_CONNECT_S_MAX))
        .timeout_recv_response(seconds(limits::PULL_ANSWER_S_MAX))
        .timeout_recv_body(seconds(limits::PULL_BODY_S_MAX))
        .user_agent(concat!("polder/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.into())
}

fn certificates(path: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>, PullError> {
    let unusable = |why: String| PullError::Setup(format!("`{}` cannot be used as the peer's certificate authority: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| unusable(e.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(unusable("it holds no certificate".to_owned())) } else { Ok(found) }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
