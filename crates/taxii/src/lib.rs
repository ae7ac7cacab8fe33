//! A TAXII 2.1 server over the node's store, and a plain pull from other servers.
//!
//! The rule: this is the only crate that knows TAXII's words, and objects leave it only through its `sink` module.

mod accept;
pub mod access;
mod ask;
mod change;
mod cursor;
mod error;
pub mod limits;
pub mod pull;
mod read;
mod sink;
mod target;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
#[expect(clippy::disallowed_types, reason = "the body that comes in")]
use axum::body::Body;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;

pub use access::{Access, Collection, Denied, Login, Right};
pub use target::ROUTES;

use access::Caller;
use error::Failure;
use target::{Target, Verb};

/// What every answer is.
const MEDIA_TYPE: &str = "application/taxii+json;version=2.1";

/// How the server presents itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Path of the API root: one segment, as in `api`.
    pub api_root: String,
    /// Scheme, host and port of advertised URLs.
    pub base_url: String,
    /// Objects on a page when the client does not say.
    pub page_objects_default: usize,
    /// Objects on a page at most.
    pub page_objects_max: usize,
    /// Bytes of one POST at most.
    pub content_bytes_max: usize,
}

impl Settings {
    /// The usual limits and the API root `api` under that URL.
    #[must_use]
    pub fn at(base_url: &str) -> Self {
        Self {
            api_root: "api".to_owned(),
            base_url: base_url.to_owned(),
            page_objects_default: limits::PAGE_OBJECTS_DEFAULT,
            page_objects_max: limits::PAGE_OBJECTS_MAX,
            content_bytes_max: limits::CONTENT_BYTES_MAX,
        }
    }
}

pub(crate) struct App {
    pub(crate) store: Arc<polder_store::Store>,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) settings: Settings,
}

/// The server. It answers every path, so it stands alone on its listener; [`ROUTES`] lists what it serves.
///
/// It serves operations; what an exercise holds cannot be handed to it:
///
/// ```compile_fail,E0308
/// use std::sync::Arc;
/// use polder_release::Exercise;
/// use polder_store::Store;
/// use polder_taxii::{Access, Settings, router};
/// fn leak(trained: Arc<Store<Exercise>>, access: Arc<dyn Access>, settings: Settings) {
///     let _ = router(trained, access, settings);
/// }
/// ```
pub fn router(store: Arc<polder_store::Store>, access: Arc<dyn Access>, settings: Settings) -> Router {
    Router::new().fallback(serve).with_state(Arc::new(App { store, access, settings }))
}

/// What the log says of a request.
#[derive(Default)]
struct Seen {
    route: &'static str,
    recipient: Box<str>,
}

async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    let started = Instant::now();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let mut seen = Seen::default();
    let response = answer(&app, request, &mut seen).await.unwrap_or_else(Failure::into_response);
    let ms = started.elapsed().as_millis();
    tracing::info!(method, route = seen.route, status = response.status().as_u16(), recipient = &*seen.recipient, ms, "taxii");
    response
}

async fn answer(app: &Arc<App>, request: Request, seen: &mut Seen) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let target = Target::of(&app.settings.api_root, parts.uri.path()).ok_or_else(Failure::no_route)?;
    seen.route = target.template();
    let verb = target.verb(&parts.method)?;
    let caller = caught(|| authenticated(app, &parts.headers))?;
    seen.recipient = caller.login.recipient.clone();
    if !accept::acceptable(&parts.headers) {
        return Err(Failure::not_acceptable());
    }
    match (verb, target) {
        (Verb::Add, Target::Objects(name)) => add(app, caller, name, &parts, body).await,
        (Verb::Delete, Target::Object(name, object)) => blocking(app, move |app| change::delete(app, &caller, &name, &object, parts.uri.query())).await,
        (_, target) => {
            let head = parts.method == Method::HEAD;
            blocking(app, move |app| read::read(app, &caller, &target, read::Asked { query: parts.uri.query(), head })).await
        }
    }
}

/// Takes the content in only from a caller who may add it.
#[expect(clippy::disallowed_types, reason = "the body that comes in")]
async fn add(app: &Arc<App>, caller: Caller, name: String, parts: &Parts, body: Body) -> Result<Response, Failure> {
    let collection = caught(|| change::writable(app, &caller, &name))?;
    if !accept::is_envelope(&parts.headers) {
        return Err(Failure::media_type());
    }
    let max = app.settings.content_bytes_max;
    let too_large = || Failure::too_large(format!("the limit is {max} bytes in one request; send several"));
    let said = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if said.is_some_and(|n| n > max as u64) {
        return Err(too_large());
    }
    let bytes = to_bytes(body, max).await.map_err(|error| {
        let limit = std::error::Error::source(&error).is_some_and(|e| e.to_string().contains("length limit"));
        if limit { too_large() } else { Failure::bad("the content ended before its end; nothing was kept, send it again") }
    })?;
    blocking(app, move |app| change::add(app, &caller, &collection, &bytes)).await
}

fn authenticated(app: &App, headers: &HeaderMap) -> Result<Caller, Failure> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let header = match (values.next(), values.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().map_err(|_| Failure::wrong_credentials())?),
        // Two of them are two claims; neither is taken.
        (Some(_), Some(_)) => return Err(Failure::wrong_credentials()),
    };
    match app.access.authenticate(header) {
        Ok(login) => Ok(Caller { login, anonymous: header.is_none() }),
        Err(Denied::Missing) => Err(Failure::missing_credentials()),
        Err(Denied::Wrong) => Err(Failure::wrong_credentials()),
    }
}

/// A panic is a bug, and the client still gets a TAXII error.
fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::internal()))
}

/// The store waits for the disk, so it is called where waiting hurts nobody.
async fn blocking<F>(app: &Arc<App>, work: F) -> Result<Response, Failure>
where
    F: FnOnce(&App) -> Result<Response, Failure> + Send + 'static,
{
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || work(&app)).await.unwrap_or_else(|_| Err(Failure::internal()))
}
