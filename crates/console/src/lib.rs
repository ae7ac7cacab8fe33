//! The web pages of a node: functions from data to HTML and SVG, served to people at their browsers.
//!
//! The rule: what a page shows of objects came through the reader's own door; who may open a page stands in its handler's signature.

mod assets;
pub mod desk;
pub mod difference;
mod drafts;
mod guard;
mod layout;
pub mod limits;
mod live;
mod markdown;
mod pages;
mod parts;
mod session;
mod sink;
#[cfg(test)]
mod tests;
mod text;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, RawPathParams, Request, State};
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::{MethodFilter, any, on};
use polder_store::Store;

use desk::{Desk, Person};
use guard::{Answer, Route, Sent, Trouble, Upload};
use session::Sessions;

/// What the pages are served with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Longest import that is taken.
    pub content_bytes_max: usize,
    /// The listener speaks TLS, so cookies are for it alone.
    pub secure: bool,
}

pub(crate) struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) sessions: Sessions,
    pub(crate) drafts: drafts::Drafts,
    pub(crate) settings: Settings,
    /// Name of the session cookie: cookies do not tell ports apart, so two nodes of one machine would end each other's sessions.
    pub(crate) cookie: String,
    /// Pages that are made at one time.
    pub(crate) places: tokio::sync::Semaphore,
    /// Requests that wait for another machine.
    pub(crate) reaching_out: tokio::sync::Semaphore,
    /// Of these, pages that try something.
    pub(crate) rehearsals: tokio::sync::Semaphore,
    pub(crate) streams: live::Streams,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// The pages, below `/console`. None if the system gives no randomness.
#[must_use]
pub fn router(store: Arc<Store>, desk: Arc<dyn Desk>, settings: Settings) -> Option<Router> {
    let limit = DefaultBodyLimit::max(settings.content_bytes_max);
    let cookie = session::cookie_name(store.secret());
    let places = tokio::sync::Semaphore::new(limits::PAGES_AT_ONCE_MAX);
    let reaching_out = tokio::sync::Semaphore::new(1);
    let rehearsals = tokio::sync::Semaphore::new(limits::REHEARSALS_AT_ONCE_MAX);
    let (sessions, drafts, streams) = (Sessions::new()?, drafts::Drafts::default(), live::Streams::default());
    let app = Arc::new(App { store, desk, sessions, drafts, settings, cookie, places, reaching_out, rehearsals, streams });
    let mut router = Router::new();
    for route in pages::routes() {
        let (path, filter) = (route.path, if route.method == Method::GET { MethodFilter::GET } else { MethodFilter::POST });
        let route = Arc::new(route);
        let serve = move |State(app): State<Arc<App>>, params: RawPathParams, request: Request| serve(app, Arc::clone(&route), params, request);
        router = router.route(path, on(filter, serve));
    }
    let open = on(MethodFilter::GET.or(MethodFilter::POST), pages::login::serve);
    router = router.route("/console/login", open).route("/console/logout", on(MethodFilter::POST, pages::login::leave));
    router = router.route("/console/theme", on(MethodFilter::POST, pages::login::theme)).route("/console/events", on(MethodFilter::GET, live::events));
    router = router.route("/console/assets/{name}", on(MethodFilter::GET, assets::serve));
    let lost = |State(app): State<Arc<App>>, request: Request| async move {
        let visitor = Visitor::of(&app, request.headers());
        sink::response(layout::trouble(&visitor, &Trouble::NotFound))
    };
    Some(router.route("/console/{*rest}", any(lost)).with_state(app).layer(limit))
}

/// Names of every page that needs a login: method, path and permission.
#[must_use]
pub fn routes() -> Vec<(String, &'static str, &'static str)> {
    pages::routes().iter().map(|r| (r.method.to_string(), r.path, r.right.name())).collect()
}

/// Who comes, as far as the headers say.
pub(crate) struct Visitor {
    pub(crate) token: String,
    pub(crate) form_token: String,
    pub(crate) person: Option<Person>,
    pub(crate) theme: String,
    pub(crate) node: String,
}

impl Visitor {
    pub(crate) fn of(app: &App, headers: &HeaderMap) -> Self {
        let token = cookie(headers, &app.cookie);
        // A page that asks again by itself is nobody at work.
        let by_itself = headers.contains_key("x-polder-live");
        let now = |user: &str| app.desk.person(user);
        let person = if by_itself { app.sessions.peek(&token, now) } else { app.sessions.person(&token, now) };
        let theme = cookie(headers, pages::login::THEME_COOKIE);
        let theme = if pages::login::THEMES.contains(&theme.as_str()) { theme } else { String::new() };
        let form_token = if person.is_some() { app.sessions.form_token(&token) } else { String::new() };
        Self { form_token, token, person, theme, node: node_name(app) }
    }
}

pub(crate) fn node_name(app: &App) -> String {
    app.desk.policy().map(|p| app.desk.name(&p.alliance.holder)).unwrap_or_default()
}

fn cookie(headers: &HeaderMap, name: &str) -> String {
    let all = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    all.filter_map(|pair| pair.trim().split_once('=')).find(|(k, _)| *k == name).map(|(_, v)| v.to_owned()).unwrap_or_default()
}

/// Did a page of this node send the form? Browsers say so themselves; those that do not name the origin.
pub(crate) fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match (text(ORIGIN.as_str()), text(HOST.as_str())) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, o)| o == host),
        (None, _) => true,
        (Some(_), None) => false,
    }
}

async fn serve(app: Arc<App>, route: Arc<Route>, params: RawPathParams, request: Request) -> Response {
    let headers = request.headers().clone();
    let place = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let named = params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let query = pairs(request.uri().query().unwrap_or_default().as_bytes());
    let partial = headers.get("hx-request").is_some();
    let visitor = Visitor::of(&app, &headers);
    let by_itself = headers.contains_key("x-polder-live");
    let mut sent = Sent { named, query, place, partial, by_itself, theme: visitor.theme.clone(), ..Sent::default() };
    let changes = route.method == Method::POST;
    let Some(person) = visitor.person.clone() else {
        let reply = if sent.partial { pages::login::first_part(&sent.place) } else { pages::login::first(&sent.place, changes) };
        return sink::response(reply);
    };
    if !person.may(route.right) {
        // Before anything of a body is read.
        return sink::response(layout::trouble(&visitor, &Trouble::Forbidden(route.right)));
    }
    if changes {
        if !is_from_here(&headers) {
            return sink::response(layout::trouble(&visitor, &strange_form()));
        }
        match body(request, &app).await {
            Ok((form, file)) => (sent.form, sent.file) = (form, file),
            Err(trouble) => return sink::response(layout::trouble(&visitor, &trouble)),
        }
        let given = sent.form.iter().find(|(k, _)| k == "form_token").map_or("", |(_, v)| v.as_str());
        if !app.sessions.is_form_token(&visitor.token, given) {
            return sink::response(layout::trouble(&visitor, &strange_form()));
        }
    }
    let rehearsal = if route.rehearses { app.rehearsals.acquire().await.map(Some) } else { Ok(None) };
    let Ok(_rehearsal) = rehearsal else { return sink::response(layout::trouble(&visitor, &Trouble::Busy)) };
    let places = if route.reaches_out { &app.reaching_out } else { &app.places };
    let Ok(_place) = places.acquire().await else { return sink::response(layout::trouble(&visitor, &Trouble::Busy)) };
    let started = std::time::Instant::now();
    let who = person.recipient.clone();
    let form_token = visitor.form_token.clone();
    let made_by = Arc::clone(&app);
    let run = move || catch_unwind(AssertUnwindSafe(|| route.answer(&made_by, &person, &sent, &form_token))).unwrap_or(Err(Trouble::Internal));
    let answer: Answer = tokio::task::spawn_blocking(run).await.unwrap_or(Err(Trouble::Internal));
    let response = sink::response(answer.unwrap_or_else(|trouble| layout::trouble(&visitor, &trouble)));
    tracing::info!(status = response.status().as_u16(), recipient = &*who, ms = started.elapsed().as_millis(), "console");
    response
}

fn strange_form() -> Trouble {
    Trouble::bad("this form did not come from a page of your session", "open the page again and send it from there; nothing was changed")
}

fn pairs(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

type Body = (Vec<(String, String)>, Option<Upload>);

/// The fields of a form, and its file if it carries one.
async fn body(request: Request, app: &App) -> Result<Body, Trouble> {
    let too_long = |max: usize| Trouble::bad(format!("what was sent is longer than {max} bytes, or ended before its end"), "send less at once");
    let kind = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    if !kind.starts_with("multipart/form-data") {
        let bytes = axum::body::to_bytes(request.into_body(), limits::FORM_BYTES_MAX).await.map_err(|_| too_long(limits::FORM_BYTES_MAX))?;
        return Ok((pairs(&bytes), None));
    }
    let max = app.settings.content_bytes_max;
    let mut parts = Multipart::from_request(request, &()).await.map_err(|e| Trouble::bad(e.body_text(), "send the form again"))?;
    let (mut form, mut file) = (Vec::new(), None);
    let mut form_bytes = 0usize;
    while let Some(part) = parts.next_field().await.map_err(|_| too_long(max))? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let bytes = part.bytes().await.map_err(|_| too_long(max))?;
        match file_name {
            Some(name) if !bytes.is_empty() && file.is_none() => file = Some(Upload { name, bytes: bytes.into() }),
            Some(_) => {}
            None => {
                form_bytes = form_bytes.saturating_add(name.len()).saturating_add(bytes.len());
                if form_bytes > limits::FORM_BYTES_MAX || form.len() >= limits::FORM_FIELDS_MAX {
                    return Err(too_long(limits::FORM_BYTES_MAX));
                }
                form.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    Ok((form, file))
}
