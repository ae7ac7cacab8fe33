//! The one layout of all pages, and the page of what went wrong.
//!
//! The rule: navigation shows what this person may open, and nothing else.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use crate::desk::{Person, Right};
use crate::guard::{Asked, Trouble};
use crate::sink::Reply;
use crate::{Visitor, assets, node_name, parts};

/// Address, name, and who may open it.
const PLACES: &[(&str, &str, Right)] = &[
    ("/console/objects", "Objects", Right::Read),
    ("/console/matrix", "Matrix", Right::Read),
    ("/console/import", "Import", Right::Write),
    ("/console/new", "New", Right::Write),
    ("/console/queue", "Queue", Right::Preview),
    ("/console/board", "Recipients", Right::Preview),
    ("/console/policy", "Policy", Right::Preview),
    ("/console/ledger", "Ledger", Right::Audit),
    ("/console/acts", "Acts", Right::Audit),
];

struct Frame<'f> {
    node: &'f str,
    theme: &'f str,
    person: Option<&'f Person>,
    form_token: &'f str,
    place: &'f str,
}

/// A page of somebody who is logged in.
pub(crate) fn page<P>(asked: &Asked<'_, P>, title: &str, main: &Markup) -> Markup {
    let node = node_name(asked.app);
    let frame = Frame { node: &node, theme: &asked.sent.theme, person: Some(asked.person), form_token: asked.form_token, place: &asked.sent.place };
    whole(&frame, title, main)
}

/// A page for whoever comes.
pub(crate) fn open_page(visitor: &Visitor, title: &str, main: &Markup) -> Markup {
    whole(&Frame { node: &visitor.node, theme: &visitor.theme, person: visitor.person.as_ref(), form_token: &visitor.form_token, place: "" }, title, main)
}

fn whole(frame: &Frame<'_>, title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[Some(frame.theme).filter(|t| !t.is_empty())] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (frame.node) " · Polder" }
                link rel="stylesheet" href=(assets::style());
                link rel="icon" href="data:,";
                @if let Some(script) = assets::script() { script src=(script) defer {} }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/console/objects" { "Polder" }
                    span.node { (frame.node) }
                    @if let Some(person) = frame.person { (navigation(person, frame.place)) (account(person, frame.form_token)) }
                }
                main id="main" tabindex="-1" { (main) }
                footer.foot {
                    (themes(frame.theme, frame.place))
                    p.quiet {
                        "Files, TAXII readers and copies in MISP cannot be recalled. "
                        @if assets::script().is_none() { "This build has no scripts: pages are plain and current when they are loaded. " }
                    }
                }
            }
        }
    }
}

fn navigation(person: &Person, place: &str) -> Markup {
    html! {
        nav.places aria-label="places" {
            ul {
                @for (address, name, right) in PLACES.iter().filter(|p| person.may(p.2)) {
                    li { a href=(address) aria-current=[place.starts_with(address).then_some("page")] data-right=(right.name()) { (name) } }
                }
            }
        }
    }
}

fn account(person: &Person, form_token: &str) -> Markup {
    html! {
        form.account method="post" action="/console/logout" {
            input type="hidden" name="form_token" value=(form_token);
            span { (person.user) " " span.quiet { "(" (person.role) " of " (person.recipient) ")" } }
            button type="submit" { "Log out" }
        }
    }
}

fn themes(theme: &str, place: &str) -> Markup {
    html! {
        form.themes method="post" action="/console/theme" {
            input type="hidden" name="next" value=(place);
            fieldset {
                legend { "Colours" }
                @for (value, word) in [("", "as the system"), ("light", "light"), ("dark", "dark"), ("contrast", "high contrast")] {
                    button type="submit" name="theme" value=(value) aria-pressed=(if value == theme { "true" } else { "false" }) { (word) }
                }
            }
        }
    }
}

/// The answer when there is no page.
pub(crate) fn trouble(visitor: &Visitor, trouble: &Trouble) -> Reply {
    let (status, title, text, help) = match trouble {
        Trouble::NotFound => (StatusCode::NOT_FOUND, "Not here", "there is nothing here for you".to_owned(), "go back, or search for it".to_owned()),
        Trouble::Forbidden(right) => {
            let text = format!("your role does not let you do this: it takes the right to {}", right.name());
            (StatusCode::FORBIDDEN, "Not for this role", text, "ask whoever administers this node".to_owned())
        }
        Trouble::LoggedOut => return crate::pages::login::first("/console/objects", false),
        Trouble::Bad { message, help } => (StatusCode::UNPROCESSABLE_ENTITY, "That did not work", message.clone(), help.clone()),
        Trouble::Busy => (StatusCode::SERVICE_UNAVAILABLE, "In a moment", "the policy is being changed".to_owned(), "load the page again".to_owned()),
        Trouble::Clock { behind_s } => {
            let text = format!("the system clock lies {behind_s} s behind what was recorded, so nothing leaves this node");
            (StatusCode::SERVICE_UNAVAILABLE, "The clock is wrong", text, "set the clock; `polder doctor` says more".to_owned())
        }
        Trouble::Internal => {
            let text = "the page could not be made".to_owned();
            (StatusCode::INTERNAL_SERVER_ERROR, "Something failed", text, "the node's log says why; `polder doctor` looks for damage".to_owned())
        }
    };
    let main = html! { h1 { (title) } (parts::notice("error", &html! { p { (crate::text::shown(&text)) } p { strong { "help: " } (crate::text::shown(&help)) } })) @if visitor.person.is_some() { p { a href="/console/objects" { "To the objects" } } } };
    Reply::page(open_page(visitor, title, &main)).status(status)
}
