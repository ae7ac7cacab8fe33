//! One peer over HTTP: requests that are repeated while the link or the peer asks for patience, and never leave the peer's host.
//!
//! The rule: credentials go to the host the operator named, over TLS unless it is this machine, and every answer is bounded.

pub mod limits;

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{Request, Response, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

/// Who the peer is, and what to show it.
#[derive(Clone)]
pub struct Target {
    /// URL of one of its resources.
    pub url: String,
    /// The `Authorization` header, as the peer wants it.
    pub authorization: Option<String>,
    /// Certificates (PEM) the peer's certificate is judged by, instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Allow `http` to other machines: everything, the credentials too, can then be read on the way.
    pub insecure_http: bool,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why a peer could not be asked, by blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer answers what it should not, or is not the one meant.
    #[error("{0}")]
    Peer(String),
    /// The connection does not hold, or the peer is too busy.
    #[error("the peer cannot be reached: {0}")]
    Link(String),
    /// The peer does not accept the credentials.
    #[error("the peer refuses the credentials ({0})")]
    Credentials(u16),
    /// What it was told to do cannot be done.
    #[error("{0}")]
    Setup(String),
}

impl Error {
    /// One line that says what the operator can do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Peer(_) => "check the URL and the certificate authority; if both are right, tell the peer's operator",
            Self::Link(_) => "run it again later; it goes on from the last page",
            Self::Credentials(_) => "check user and password, token or key, and ask the peer for the right to read",
            Self::Setup(_) => "give an https URL that the peer's operator told you, and a readable certificate file",
        }
    }
}

/// The way to one peer.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    /// Scheme, host and port.
    base: String,
    host: String,
    authorization: Option<String>,
    answered: std::cell::Cell<bool>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// `GET`, `HEAD` or `POST`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Headers besides `Authorization`.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body of a POST.
    pub body: &'a [u8],
    /// Bytes of the answer at most.
    pub bytes_max: u64,
    /// Statuses besides 200 that the caller judges.
    pub judged: &'a [u16],
}

/// An answer with status 200, or the status that a caller wanted to judge.
#[derive(Debug)]
pub struct Answer<B = Vec<u8>> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: B,
    headers: ureq::http::HeaderMap,
}

/// A body that may be long: held while it is short, else laid on disk in a file that has no name and goes with it.
#[derive(Debug)]
pub enum Document {
    /// A short one.
    Held(Vec<u8>),
    /// A long one.
    Laid(File),
}

impl Document {
    /// It, from its beginning.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Held(bytes) => Box::new(bytes.as_slice()),
            Self::Laid(file) => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                Box::new(io::BufReader::new(file))
            }
        })
    }
}

impl<B> Answer<B> {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// One attempt: an answer, or whether trying again may help, how long to wait, and what is wrong.
struct Again {
    wait: Option<Duration>,
    error: Error,
}

impl Client {
    /// A client for the peer, and the path the target names.
    ///
    /// # Errors
    /// [`Error::Setup`].
    pub fn new(target: &Target) -> Result<(Self, String), Error> {
        let uri: Uri = target.url.parse().map_err(|_| Error::Setup(format!("`{}` is not a URL", target.url)))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Error::Setup(format!("`{}` has no scheme or no host", target.url)));
        };
        if authority.as_str().contains('@') {
            return Err(Error::Setup("the URL holds credentials; give them apart from it".to_owned()));
        }
        let plain = match scheme {
            "https" => false,
            "http" => true,
            _ => return Err(Error::Setup(format!("the scheme `{scheme}` is not http or https"))),
        };
        if plain && !target.insecure_http && !is_loopback(authority.host()) {
            return Err(Error::Setup(format!("`{}` is not encrypted", target.url)));
        }
        let agent = agent(target.ca_file.as_deref(), plain)?;
        let client = Self {
            agent,
            base: format!("{scheme}://{authority}"),
            host: authority.host().to_ascii_lowercase(),
            authorization: target.authorization.clone(),
            answered: std::cell::Cell::new(false),
        };
        Ok((client, uri.path().to_owned()))
    }

    /// The path of a URL that the peer names, if it is on the peer's host. Peers behind proxies get their own scheme and port wrong.
    ///
    /// # Errors
    /// [`Error::Peer`].
    pub fn path_of(&self, named: &str) -> Result<String, Error> {
        let elsewhere = || Error::Peer(format!("the peer points to `{}`, which is not on its own host `{}`", clip(named), self.host));
        let uri: Uri = named.parse().map_err(|_| elsewhere())?;
        match uri.host() {
            None if uri.path().starts_with('/') => {}
            Some(host) if host.eq_ignore_ascii_case(&self.host) => {}
            _ => return Err(elsewhere()),
        }
        Ok(uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string))
    }

    /// Asks. An answer that is neither 200 nor `judged` is an error.
    ///
    /// # Errors
    /// [`Error`].
    pub fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Error> {
        self.patiently(ask, &|body| body.into_with_config().limit(ask.bytes_max).read_to_vec().map_err(fault))
    }

    /// Asks for what may be long: no more than so many bytes of it are held.
    ///
    /// # Errors
    /// [`Error`].
    pub fn fetch(&self, ask: &Ask<'_>, held_bytes_max: usize) -> Result<Answer<Document>, Error> {
        self.patiently(ask, &|body| laid(body, ask.bytes_max, held_bytes_max))
    }

    fn patiently<B>(&self, ask: &Ask<'_>, read: &dyn Fn(Body) -> Result<B, Again>) -> Result<Answer<B>, Error> {
        let mut attempt = 0;
        loop {
            match self.attempt(ask, read) {
                Ok(answer) => {
                    self.answered.set(true);
                    return Ok(answer);
                }
                Err(Again { wait: Some(wait), error }) => {
                    attempt += 1;
                    let error = match error {
                        Error::Link(what) => Error::Link(format!("`{}`: {what}", self.base)),
                        other => other,
                    };
                    // Somebody who never answered is told about soon; a pull that was under way is worth waiting for.
                    let patience = if self.answered.get() { limits::ATTEMPTS_MAX } else { 2 };
                    if attempt >= patience {
                        return Err(error);
                    }
                    let pause = wait.max(Duration::from_millis(250).saturating_mul(1 << attempt)).min(Duration::from_secs(limits::WAIT_S_MAX));
                    tracing::warn!(%error, attempt, pause_ms = pause.as_millis(), "trying again");
                    std::thread::sleep(pause);
                }
                Err(Again { wait: None, error }) => return Err(error),
            }
        }
    }

    fn attempt<B>(&self, ask: &Ask<'_>, read: &dyn Fn(Body) -> Result<B, Again>) -> Result<Answer<B>, Again> {
        let mut path = ask.path.to_owned();
        for _ in 0..=limits::REDIRECTS_MAX {
            let mut request = Request::builder().method(ask.method).uri(format!("{}{path}", self.base));
            let ours = self.authorization.iter().map(|a| ("Authorization", a.as_str()));
            for (name, value) in ours.chain(ask.headers.iter().copied()) {
                request = request.header(name, value);
            }
            let setup = |e: ureq::http::Error| Again { wait: None, error: Error::Setup(e.to_string()) };
            let response = match ask.method {
                "POST" => self.agent.run(request.body(ask.body).map_err(setup)?),
                _ => self.agent.run(request.body(()).map_err(setup)?),
            };
            let response = response.map_err(fault)?;
            let status = response.status().as_u16();
            // What was posted is not posted again elsewhere.
            if !matches!(status, 301 | 302 | 303 | 307 | 308) || ask.method == "POST" {
                return finished(response, status, ask, read);
            }
            let place = response.headers().get("location").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            path = self.path_of(&place).map_err(|error| Again { wait: None, error })?;
        }
        Err(Again { wait: None, error: Error::Peer("the peer redirects in circles".to_owned()) })
    }
}

fn laid(body: Body, bytes_max: u64, held_bytes_max: usize) -> Result<Document, Again> {
    let mut reader = body.into_with_config().limit(bytes_max).reader();
    let mut held = Vec::new();
    let most = u64::try_from(held_bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    reader.by_ref().take(most).read_to_end(&mut held).map_err(|e| fault(e.into()))?;
    if held.len() <= held_bytes_max {
        return Ok(Document::Held(held));
    }
    let disk = |e: io::Error| Again { wait: None, error: Error::Setup(format!("a long answer cannot be laid on disk: {e}")) };
    let mut file = tempfile::tempfile().map_err(disk)?;
    while !held.is_empty() {
        file.write_all(&held).map_err(disk)?;
        held.clear();
        reader.by_ref().take(limits::PART_BYTES).read_to_end(&mut held).map_err(|e| fault(e.into()))?;
    }
    Ok(Document::Laid(file))
}

fn finished<B>(response: Response<Body>, status: u16, ask: &Ask<'_>, read: &dyn Fn(Body) -> Result<B, Again>) -> Result<Answer<B>, Again> {
    if status == 200 || ask.judged.contains(&status) {
        let headers = response.headers().clone();
        return Ok(Answer { status, body: read(response.into_body())?, headers });
    }
    let patience = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|t| t.trim().parse().ok()).unwrap_or(0);
    let title = response.into_body().into_with_config().limit(65_536).read_to_vec().ok().and_then(|b| said(&b)).unwrap_or_default();
    let error = match status {
        401 | 403 => Error::Credentials(status),
        429 | 502 | 503 | 504 => Error::Link(format!("the peer answers {status}{title}")),
        _ => Error::Peer(format!("the peer answers {status}{title}")),
    };
    let again = matches!(status, 429 | 502..=504);
    Err(Again { wait: again.then(|| Duration::from_secs(patience)), error })
}

/// The title of the peer's error resource.
fn said(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    ["title", "message", "name"].iter().find_map(|key| value.get(key)?.as_str()).map(|t| format!(": `{}`", clip(t)))
}

/// What a peer says is quoted only as far as a person would read it, on one line.
#[must_use]
pub fn clip(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn fault(error: ureq::Error) -> Again {
    let of_tls = |e: &io::Error| e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    let tls = |why: String| {
        // rustls says `invalid peer certificate` of every certificate it does not take.
        let remedy = if why.contains("certificate") { "; name the authority it is signed by, or the certificate itself, with `--ca FILE`" } else { "" };
        Again { wait: None, error: Error::Peer(format!("TLS with the peer failed: {why}{remedy}")) }
    };
    match error {
        ureq::Error::Io(e) if of_tls(&e) => tls(e.to_string()),
        ureq::Error::Rustls(e) => tls(e.to_string()),
        ureq::Error::BodyExceedsLimit(max) => Again { wait: None, error: Error::Peer(format!("the peer sends more than {max} bytes at once")) },
        ureq::Error::BadUri(e) => Again { wait: None, error: Error::Setup(e) },
        error => Again { wait: Some(Duration::ZERO), error: Error::Link(error.to_string()) },
    }
}

fn agent(ca_file: Option<&Path>, plain: bool) -> Result<Agent, Error> {
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
        .timeout_connect(seconds(limits::CONNECT_S_MAX))
        .timeout_recv_response(seconds(limits::ANSWER_S_MAX))
        .timeout_recv_body(seconds(limits::BODY_S_MAX))
        .user_agent(concat!("polder/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.into())
}

fn certificates(path: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>, Error> {
    let unusable = |why: String| Error::Setup(format!("`{}` cannot be used as the peer's certificate authority: {why}", path.display()));
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
