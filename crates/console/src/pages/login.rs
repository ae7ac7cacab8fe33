//! Coming in by name and password, going out, and how pages shall look.
//!
//! The rule: a wrong name and a wrong password are one answer, and nothing is told before somebody is in.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use maud::{Markup, html};

use crate::guard::Trouble;
use crate::sink::{self, Reply};
use crate::{App, Visitor, is_from_here, layout, limits, pairs, parts};

/// Name of the cookie that says how pages shall look.
pub(crate) const THEME_COOKIE: &str = "polder_theme";
/// What it may say.
pub(crate) const THEMES: [&str; 3] = ["light", "dark", "contrast"];

/// To the login, and from there back to where somebody wanted to go.
pub(crate) fn first(place: &str, was_form: bool) -> Reply {
    let next = if was_form || place == "/console/objects" {
        String::new()
    } else {
        format!("?{}", form_urlencoded::Serializer::new(String::new()).append_pair("next", place).finish())
    };
    Reply::see(&format!("/console/login{next}"))
}

/// The same where a script asked for a part of a page: what somebody typed stays where it is.
pub(crate) fn first_part(place: &str) -> Reply {
    let id = if place.starts_with("/console/objects?") || place == "/console/objects" { "results" } else { "outcome" };
    let text = html! { p { "you were logged out; what you typed is still here" } p { a href="/console/login" target="_top" { "Log in" } " in another tab, and go on" } };
    Reply::page(html! { section id=(id) aria-live="polite" { (parts::notice("warning", &text)) } })
}

/// A page of this console, and nothing else.
fn inside(next: &str) -> &str {
    let plain = next.starts_with("/console/") && !next.contains("//") && !next.contains('\\') && !next.contains(char::is_control);
    if plain && !next.starts_with("/console/log") { next } else { "/console/objects" }
}

fn form(next: &str, user: &str, wrong: bool) -> Markup {
    html! {
        h1 { "Log in" }
        @if wrong {
            (parts::notice("error", &html! { p { "the name or the password is wrong" } p { strong { "help: " } "on the node's own machine, " code { "polder user password NAME" } " makes a new one" } }))
        }
        form.card method="post" action="/console/login" {
            input type="hidden" name="next" value=(next);
            (parts::field("user", "Name", "", &html! { input id="user" name="user" value=(user) autocomplete="username" required autofocus spellcheck="false" autocapitalize="none"; }))
            (parts::field("password", "Password", "", &html! { input id="password" name="password" type="password" autocomplete="current-password" required; }))
            button.primary type="submit" { "Log in" }
        }
    }
}

fn value<'p>(pairs: &'p [(String, String)], name: &str) -> &'p str {
    pairs.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str())
}

pub(crate) async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    let visitor = Visitor::of(&app, request.headers());
    let query = pairs(request.uri().query().unwrap_or_default().as_bytes());
    if request.method() != Method::POST {
        return sink::response(Reply::page(layout::open_page(&visitor, "Log in", &form(inside(value(&query, "next")), "", false))));
    }
    if !is_from_here(request.headers()) {
        return sink::response(layout::trouble(&visitor, &Trouble::bad("this form did not come from this node", "open the login page and send it from there")));
    }
    let Ok(bytes) = axum::body::to_bytes(request.into_body(), limits::FORM_BYTES_MAX).await else {
        return sink::response(layout::trouble(&visitor, &Trouble::bad("what was sent is too long", "send a name and a password")));
    };
    let sent = pairs(&bytes);
    let (user, password, next) = (value(&sent, "user").trim().to_owned(), value(&sent, "password").to_owned(), inside(value(&sent, "next")).to_owned());
    let desk = Arc::clone(&app.desk);
    let name = user.clone();
    let person = tokio::task::spawn_blocking(move || desk.login(&name, &password)).await.ok().flatten();
    let Some(token) = person.as_ref().and_then(|p| app.sessions.begin(p)) else {
        tracing::info!("a login was refused");
        let page = layout::open_page(&visitor, "Log in", &form(&next, &user, true));
        return sink::response(Reply::page(page).status(StatusCode::UNAUTHORIZED));
    };
    // What was to be told to whoever bore the name before is not for the one who comes.
    drop(app.drafts.take_note(&user));
    sink::response(Reply::see(&next).cookie(&app.cookie, &token, limits::SESSION_AGE_S, app.settings.secure))
}

pub(crate) async fn leave(State(app): State<Arc<App>>, request: Request) -> Response {
    let visitor = Visitor::of(&app, request.headers());
    if !is_from_here(request.headers()) {
        return sink::response(Reply::see("/console/login"));
    }
    app.sessions.end(&visitor.token);
    if let Some(person) = &visitor.person {
        app.drafts.drop_of(&person.user);
    }
    sink::response(Reply::see("/console/login").cookie(&app.cookie, "", 0, app.settings.secure))
}

pub(crate) async fn theme(State(app): State<Arc<App>>, request: Request) -> Response {
    let from_here = is_from_here(request.headers());
    let sent = axum::body::to_bytes(request.into_body(), limits::FORM_BYTES_MAX).await.map(|b| pairs(&b)).unwrap_or_default();
    let (theme, reply) = (value(&sent, "theme"), Reply::see(inside(value(&sent, "next"))));
    let known = THEMES.contains(&theme) || theme.is_empty();
    sink::response(if from_here && known { reply.cookie(THEME_COOKIE, theme, 365 * 24 * 3600, app.settings.secure) } else { reply })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_a_page_of_this_console_only() {
        for (next, want) in [
            ("/console/queue", "/console/queue"),
            ("/console/objects?q=a", "/console/objects?q=a"),
            ("https://far.example/", "/console/objects"),
            ("//far.example", "/console/objects"),
            ("/console//far.example", "/console/objects"),
            ("/console/\\far.example", "/console/objects"),
            ("/console/a\r\nSet-Cookie: x", "/console/objects"),
            ("/console/logout", "/console/objects"),
            ("/api/", "/console/objects"),
            ("", "/console/objects"),
        ] {
            assert_eq!(inside(next), want, "{next:?}");
        }
    }
}
