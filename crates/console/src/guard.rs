//! Who may open what: a handler names its permission in its signature, and only the guard makes what it takes.
//!
//! The rule: [`Asked`] has a private constructor, so a handler without its permission checked does not compile; a test walks the table of routes.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use axum::http::Method;
use maud::{Markup, html};
use polder_release::{Form, Item, Page};
use polder_stix::Id;
use polder_store::Query;
use serde_json::Value;

use crate::desk::{Person, Right, Told};
use crate::sink::{self, Reply};
use crate::{App, parts, text};

/// A permission, as a type.
pub(crate) trait Permission {
    const RIGHT: Right;
}

macro_rules! permissions {
    ($($name:ident),*) => {
        $(#[derive(Debug)] pub(crate) enum $name {}
        impl Permission for $name { const RIGHT: Right = Right::$name; })*
    };
}
permissions!(Read, Preview, Write, Release, Tighten, Downgrade, Administer, Audit);

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Not here, or not for this reader: the same answer.
    NotFound,
    /// The role does not say so.
    Forbidden(Right),
    /// Nobody is logged in any more.
    LoggedOut,
    /// What was sent cannot be used.
    Bad { message: String, help: String },
    /// The policy moves.
    Busy,
    /// The system clock lies behind what was recorded.
    Clock { behind_s: i64 },
    /// Ours.
    Internal,
}

impl Trouble {
    pub(crate) fn bad(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Bad { message: message.into(), help: help.into() }
    }
}

impl From<Told> for Trouble {
    fn from(told: Told) -> Self {
        Self::Bad { message: told.message, help: told.help }
    }
}

pub(crate) type Answer = Result<Reply, Trouble>;

/// A file that was sent with a form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// What a browser sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// From the path.
    pub(crate) named: BTreeMap<String, String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) file: Option<Upload>,
    /// Path and query, to come back to.
    pub(crate) place: String,
    /// A script asks for a part of the page.
    pub(crate) partial: bool,
    /// How it shall look.
    pub(crate) theme: String,
    /// A page that somebody left open asks again.
    pub(crate) by_itself: bool,
}

fn find<'p>(pairs: &'p [(String, String)], name: &str) -> &'p str {
    pairs.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.trim())
}

/// A request of somebody who has the permission.
#[derive(Debug)]
pub(crate) struct Asked<'a, P> {
    pub(crate) app: &'a App,
    pub(crate) person: &'a Person,
    pub(crate) sent: &'a Sent,
    pub(crate) form_token: &'a str,
    permission: PhantomData<P>,
}

impl<P> Asked<'_, P> {
    /// A value of the path.
    pub(crate) fn named(&self, name: &str) -> &str {
        self.sent.named.get(name).map_or("", String::as_str)
    }

    /// A value of the query; empty if there is none.
    pub(crate) fn query(&self, name: &str) -> &str {
        find(&self.sent.query, name)
    }

    /// A value of the form; empty if there is none.
    pub(crate) fn form(&self, name: &str) -> &str {
        find(&self.sent.form, name)
    }

    /// Every value of that name in the form.
    pub(crate) fn form_all(&self, name: &str) -> Vec<&str> {
        self.sent.form.iter().filter(|(k, _)| k == name).map(|(_, v)| v.as_str()).collect()
    }

    pub(crate) fn may(&self, right: Right) -> bool {
        self.person.may(right)
    }

    /// A page of the reader's own view.
    pub(crate) fn view(&self, query: &Query, form: Form) -> Result<Page, Trouble> {
        sink::view(&self.app.store, &self.person.recipient, query, form)
    }

    /// What refers to an object, in the reader's own copies, and whether there is more.
    pub(crate) fn referrers(&self, id: &Id, most: usize) -> Result<(Vec<Item>, bool), Trouble> {
        sink::referrers(&self.app.store, &self.person.recipient, id, most)
    }

    /// Is that recipient one of the holder's own?
    pub(crate) fn is_of_house(&self, recipient: &str) -> bool {
        let is_it = |r: &polder_release::Recipient, holder: &str| *r.id == *recipient && r.organisation.as_deref() == Some(holder);
        self.app.desk.policy().is_some_and(|p| p.recipients.iter().any(|r| is_it(r, &p.alliance.holder)))
    }

    /// A request of the command line's, by this person.
    pub(crate) fn ask(&self, request: Value, body: &[u8]) -> Result<Value, Told> {
        self.app.desk.ask(self.person, request, body)
    }

    /// Notes what was done, to be told on the next page.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.app.drafts.note(&self.person.user, what.into());
    }

    /// A whole page.
    pub(crate) fn page(&self, title: &str, main: &Markup) -> Reply {
        // A page that asks again by itself is read by nobody.
        let note = if self.sent.by_itself { None } else { self.app.drafts.take_note(&self.person.user) };
        let note = note.map(|what| parts::notice("info", &html! { p { (text::shown(&what)) } }));
        Reply::page(crate::layout::page(self, title, &html! { @if let Some(note) = note { (note) } (main) }))
    }
}

/// One way in.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) right: Right,
    /// It tries something on a copy of the columns, of which few fit into memory at one time.
    pub(crate) rehearses: bool,
    /// It waits for another machine, so it takes no place of pages, and one goes at a time.
    pub(crate) reaches_out: bool,
    handler: Box<Handler>,
}

type Handler = dyn Fn(&App, &Person, &Sent, &str) -> Answer + Send + Sync;

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.method, self.path, self.right.name())
    }
}

fn route<P: Permission + 'static>(method: Method, path: &'static str, handler: fn(&Asked<'_, P>) -> Answer) -> Route {
    let guarded = move |app: &App, person: &Person, sent: &Sent, form_token: &str| {
        if !person.may(P::RIGHT) {
            return Err(Trouble::Forbidden(P::RIGHT));
        }
        handler(&Asked { app, person, sent, form_token, permission: PhantomData })
    };
    Route { method, path, right: P::RIGHT, rehearses: false, reaches_out: false, handler: Box::new(guarded) }
}

/// A page to read.
pub(crate) fn get<P: Permission + 'static>(path: &'static str, handler: fn(&Asked<'_, P>) -> Answer) -> Route {
    route(Method::GET, path, handler)
}

/// A form that changes something.
pub(crate) fn post<P: Permission + 'static>(path: &'static str, handler: fn(&Asked<'_, P>) -> Answer) -> Route {
    route(Method::POST, path, handler)
}

impl Route {
    pub(crate) fn rehearsing(self) -> Self {
        Self { rehearses: true, ..self }
    }

    pub(crate) fn reaching_out(self) -> Self {
        Self { reaches_out: true, ..self }
    }

    pub(crate) fn answer(&self, app: &App, person: &Person, sent: &Sent, form_token: &str) -> Answer {
        (self.handler)(app, person, sent, form_token)
    }
}
