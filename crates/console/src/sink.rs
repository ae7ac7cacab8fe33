//! Where pages become responses, and where a reader's objects come through the door.
//!
//! The rule: every answer carries the same headers, and no other module makes a body.

use std::sync::Arc;

#[expect(clippy::disallowed_types, reason = "this is the sink")]
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use maud::Markup;
use polder_release::{Form, Item, Outbound, Page, Refused};
use polder_stix::Id;
use polder_store::{Error, Find, Query, Store, Versions};
use serde_json::Value;

use crate::guard::Trouble;
use crate::limits;

/// Nothing but this node's own files runs, styles or is fetched, and no other site may show a page in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    bytes: Vec<u8>,
}

impl Reply {
    pub(crate) fn page(page: Markup) -> Self {
        Self::bytes(page.into_string().into_bytes(), "text/html; charset=utf-8")
    }

    pub(crate) fn bytes(bytes: Vec<u8>, kind: &str) -> Self {
        Self { status: StatusCode::OK, headers: vec![(CONTENT_TYPE, kind.to_owned())], bytes }
    }

    /// A file that never changes under its name.
    pub(crate) fn asset(bytes: Vec<u8>, kind: &str) -> Self {
        Self::bytes(bytes, kind).with(CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned())
    }

    /// Something to keep, under a name made of plain characters.
    pub(crate) fn download(bytes: Vec<u8>, kind: &str, name: &str) -> Self {
        Self::bytes(bytes, kind).with(axum::http::header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))
    }

    /// After a form: the page to look at next, by GET.
    pub(crate) fn see(place: &str) -> Self {
        Self { status: StatusCode::SEE_OTHER, headers: vec![(LOCATION, place.to_owned())], bytes: Vec::new() }
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn cookie(self, name: &str, value: &str, age_s: u64, secure: bool) -> Self {
        let secure = if secure { "; Secure" } else { "" };
        self.with(SET_COOKIE, format!("{name}={value}; Path=/console; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}"))
    }
}

#[expect(clippy::disallowed_types, reason = "this is the sink")]
pub(crate) fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.bytes));
    *response.status_mut() = reply.status;
    dress(&mut response);
    let headers = response.headers_mut();
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            if name == SET_COOKIE {
                headers.append(name, value);
            } else {
                headers.insert(name, value);
            }
        }
    }
    response
}

/// The headers of every answer.
pub(crate) fn dress(response: &mut Response) {
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// A page of a reader's view that has passed the door. When the policy moves meanwhile it is decided again.
pub(crate) fn view(store: &Store, recipient: &str, query: &Query, form: Form) -> Result<Page, Trouble> {
    for _ in 0..limits::DECISIONS_MAX {
        let number = store.recipient_number(recipient).ok_or(Trouble::LoggedOut)?;
        match Outbound::new(number, store).pass(store.page(recipient, query, form)?) {
            Ok(page) => return Ok(page),
            Err(Refused::Epoch) => {}
            Err(Refused::Recipient) => return Err(Trouble::LoggedOut),
        }
    }
    Err(Trouble::Busy)
}

/// What refers to an object in the copies that this reader is served, newest first, and whether there is more than so many, or than were looked at. A reference
/// that is cut out of the reader's copy is none, and who wrote what is no relation.
pub(crate) fn referrers(store: &Store, recipient: &str, id: &Id, most: usize) -> Result<(Vec<Item>, bool), Trouble> {
    let find = Find { refers_to: Some(id.clone()), ..Find::default() };
    let mut query = Query {
        refers_to: Some(id.clone()),
        newest_first: true,
        versions: Versions::last(),
        limit: Some(limits::REFERRERS_PAGE),
        find: Some(Arc::new(find)),
        ..Query::default()
    };
    let (mut found, mut looked_at, mut cut) = (Vec::new(), 0, false);
    loop {
        let page = view(store, recipient, &query, Form::Whole)?;
        looked_at += limits::REFERRERS_PAGE;
        found.extend(page.items.into_iter().filter(|item| is_about(&item.bytes, id)));
        match page.next {
            Some(_) if looked_at >= limits::REFERRERS_LOOKED_AT_MAX => {
                cut = true;
                break;
            }
            Some(next) if found.len() <= most => query.after = Some(next),
            _ => break,
        }
    }
    let more = cut || found.len() > most;
    found.truncate(most);
    Ok((found, more))
}

/// Does an object name another one as something that it is about, or joins?
fn is_about(object: &[u8], id: &Id) -> bool {
    let Ok(Value::Object(map)) = serde_json::from_slice(object) else { return false };
    let name = id.to_string();
    let joins = map.get("type").and_then(Value::as_str) == Some("relationship");
    let counts =
        |key: &str| if joins { key == "source_ref" || key == "target_ref" } else { key != "created_by_ref" && key != "object_marking_refs" && key != "id" };
    map.iter().any(|(key, value)| counts(key) && names(value, &name))
}

fn names(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(list) => list.iter().any(|v| names(v, name)),
        Value::Object(map) => map.values().any(|v| names(v, name)),
        _ => false,
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::ClockBehind { behind_s } => Self::Clock { behind_s },
            other => {
                tracing::error!(error = %other, "a page could not be made");
                Self::Internal
            }
        }
    }
}
