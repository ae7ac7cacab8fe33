//! A MISP server over the node's store: for other MISPs that pull and push, and for PyMISP.
//!
//! The rule: a key is a recipient's, and each answer is that recipient's view; what is not kept here is answered as a MISP that has none of it would.

mod analyst;
mod call;
mod change;
mod clusters;
mod filter;
mod find;
mod groups;
mod inbound;
mod kinds;
mod knowledge;
mod parts;
mod people;
mod read;
mod routes;
mod said;
mod servers;
mod sink;
mod words;
mod write;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
#[expect(clippy::disallowed_types, reason = "the body that comes in")]
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use polder_release::{Policy, Recipient};
use polder_store::Store;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tower_http::compression::CompressionLayer;
use tower_http::decompression::RequestDecompressionLayer;

use crate::library::Library;
use crate::limits;
use call::Call;
pub use groups::Group;
use inbound::{Inbound, Laid, receive};
pub use people::{Change, Organisation, User};
pub use servers::Server;
use sink::{Piece, Reply, Way};
pub use words::{KeptTag, Words};

/// The version of MISP that is spoken; its clients refuse other majors.
pub const SPOKEN: &str = "2.5.1";

/// The binary's answer to who is who.
pub trait Access: Send + Sync {
    /// Whose key this is.
    fn key(&self, key: &str) -> Option<Caller>;
    /// Who asks without a key, if anybody may.
    fn anonymous(&self) -> Option<Caller>;
    /// The policy in force.
    fn policy(&self) -> Option<Policy>;
    /// The name of an organisation.
    fn name(&self, member: &str) -> String;
    /// Every organisation there is.
    fn organisations(&self) -> Vec<Organisation>;
    /// Every sharing group of this node.
    fn groups(&self) -> Vec<Group>;
    /// Every login there is.
    fn users(&self) -> Vec<User>;
    /// Every MISP this node is in step with.
    fn servers(&self) -> Vec<Server>;
    /// Makes a change if the caller may make it; answers the id or key that was made.
    ///
    /// # Errors
    /// Why it was not made.
    fn change(&self, caller: &Caller, change: Change) -> Result<String, String>;
    /// The source that takes what a caller sends; it may be made for that.
    ///
    /// # Errors
    /// The store's.
    fn source(&self, caller: &Caller) -> Result<Box<str>, polder_store::Error>;
    /// What is kept of tags and warninglists.
    fn words(&self) -> Words;
    /// What MISP's words mean.
    fn library(&self) -> Arc<Library>;
    /// The sources that this caller may change what is in: of the organisations it acts for.
    fn sources_of(&self, caller: &Caller) -> Vec<Box<str>>;
}

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the login.
    pub user: Box<str>,
    /// The recipient it belongs to.
    pub recipient: Box<str>,
    /// What it may do.
    pub role: Role,
}

/// What a login may do, besides reading its recipient's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing more.
    Reader,
    /// Send, and change what its organisation sent.
    User,
    /// Publish it too.
    Publisher,
    /// Say who is who, and act for the organisations whose people work here.
    Administrator,
}

impl Role {
    /// May it send?
    #[must_use]
    pub fn writes(self) -> bool {
        self >= Self::User
    }

    /// May it publish?
    #[must_use]
    pub fn publishes(self) -> bool {
        self >= Self::Publisher
    }
}

struct App {
    store: Arc<Store>,
    access: Arc<dyn Access>,
    body_bytes_max: usize,
}

/// A request with everything that answers it.
struct Asked<'a> {
    app: &'a App,
    caller: Caller,
    call: Call,
    policy: Policy,
    me: Recipient,
    known: Option<String>,
    words: Words,
    /// Tags that are left out of all answers.
    unexported: BTreeSet<String>,
    /// A long event that was sent: of it only the head is in the call.
    laid: Option<Laid>,
    way: &'a Way,
}

/// The server, at the paths MISP has.
pub fn router(store: Arc<Store>, access: Arc<dyn Access>, body_bytes_max: usize) -> Router {
    let app = Arc::new(App { store, access, body_bytes_max });
    Router::new().fallback(serve).with_state(app).layer(RequestDecompressionLayer::new()).layer(CompressionLayer::new())
}

async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    let started = Instant::now();
    let mut who = String::new();
    let head = *request.method() == Method::HEAD;
    let (response, bytes) = match answer(&app, request, &mut who).await {
        Ok(pieces) => sink::response(pieces, head).await,
        Err(reply) => (reply.into_response(), 0),
    };
    let (status, ms) = (response.status().as_u16(), started.elapsed().as_millis());
    tracing::info!(status, bytes, recipient = who, ms, "misp");
    response
}

#[expect(clippy::disallowed_types, reason = "the body that comes in")]
async fn answer(app: &Arc<App>, request: Request<Body>, who: &mut String) -> Result<Receiver<Piece>, Reply> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let denied = || {
        Reply::error(
            StatusCode::FORBIDDEN,
            "Authentication failed. Please make sure you pass the API key of an API enabled user along in the Authorization header.",
            &path,
        )
    };
    let caller = match key(&parts.headers) {
        Some(key) => app.access.key(&key),
        // Only feeds are for everybody, if the operator has a recipient for everybody.
        None if path.trim_start_matches('/').starts_with("feed/") && parts.headers.get(AUTHORIZATION).is_none() => app.access.anonymous(),
        None => None,
    };
    let caller = caller.ok_or_else(denied)?;
    who.clone_from(&caller.recipient.to_string());
    let policy = app.access.policy().ok_or_else(|| Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "The policy cannot be read.", &path))?;
    let me = policy.recipients.iter().find(|r| r.id == caller.recipient && r.active).cloned().ok_or_else(denied)?;
    let too_large = |_| Reply::error(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large, or ended before its end.", &path);
    let lays = path.trim_start_matches('/').starts_with("events/add");
    let inbound = receive(body, app.body_bytes_max, lays).await.map_err(too_large)?;
    let known = parts.headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let app = Arc::clone(app);
    let url = path.clone();
    let (sender, pieces) = tokio::sync::mpsc::channel(limits::PARTS_AHEAD);
    let way = Way::new(sender);
    tokio::task::spawn_blocking(move || {
        let result = (|| {
            let (body, laid) = read(inbound).map_err(|why| Reply::error(StatusCode::BAD_REQUEST, &why, &url))?;
            let call = Call::of(parts.method, &path, body);
            let words = app.access.words();
            let unexported = words.unexported();
            let asked = Asked { app: &app, caller, call, policy, me, known, words, unexported, laid, way: &way };
            catch_unwind(AssertUnwindSafe(|| routes::dispatch(&asked))).unwrap_or_else(|_| Err(asked.internal()))
        })();
        way.end(result);
    });
    Ok(pieces)
}

/// What a body says; of a long event its head.
fn read(inbound: Inbound) -> Result<(Value, Option<Laid>), String> {
    match inbound {
        Inbound::Held(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Ok((Value::Null, None)),
        Inbound::Held(bytes) => Ok((serde_json::from_slice(&bytes).map_err(|e| format!("The request is no JSON: {e}"))?, None)),
        Inbound::Laid(laid) => {
            let heads = laid.open().map_err(|e| e.to_string()).and_then(|r| crate::map::heads(r).map_err(|e| e.to_string()));
            match heads.map_err(|e| format!("The event cannot be read: {e}"))?.as_slice() {
                [Some(head)] => Ok((json!({"Event": head}), Some(laid))),
                _ => Err("Please send one event.".to_owned()),
            }
        }
    }
}

/// The key as MISP's clients send it; two of them are two claims, and neither is taken.
fn key(headers: &HeaderMap) -> Option<String> {
    let mut given = headers.get_all(AUTHORIZATION).iter().chain(headers.get_all("x-misp-auth"));
    let (Some(key), None) = (given.next(), given.next()) else { return None };
    Some(key.to_str().ok()?.trim().to_owned()).filter(|k| !k.is_empty())
}

impl Asked<'_> {
    fn not_found(&self, message: &str) -> Reply {
        Reply::error(StatusCode::NOT_FOUND, message, &self.call.path)
    }

    fn forbidden(&self, message: &str) -> Reply {
        Reply::error(StatusCode::FORBIDDEN, message, &self.call.path)
    }

    fn bad(&self, message: &str) -> Reply {
        Reply::error(StatusCode::BAD_REQUEST, message, &self.call.path)
    }

    fn internal(&self) -> Reply {
        Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "An internal error has occurred.", &self.call.path)
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> Reply {
        tracing::error!(%why, "a request of MISP's could not be answered");
        self.internal()
    }
}
