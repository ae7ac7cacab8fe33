//! The sink: pages that passed the one door become the bodies of answers here, and nowhere else in this crate.
//!
//! INVARIANT (one door): object data reaches a body only out of `Outbound::pass`. A test reads the crate's sources for other bodies.

#![expect(clippy::disallowed_types, reason = "the one place where a released page becomes a body")]

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use polder_release::{Form, Item, Outbound, Page, Refused};
use polder_stix::time::from_us;
use polder_store::{Query, Store};

use crate::cursor::Cursors;
use crate::error::Failure;
use crate::{MEDIA_TYPE, limits};

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Envelope,
    Manifest,
    Versions,
}

/// The answer to a question; none when there is nothing, and nothing more.
pub(crate) fn page(store: &Store, recipient: &str, query: &Query, shape: Shape, cursors: &Cursors) -> Result<Option<Response>, Failure> {
    let form = if shape == Shape::Envelope { Form::Whole } else { Form::Listed };
    let page = passed(store, recipient, query, form)?;
    if page.unreadable > 0 {
        tracing::error!(rows = page.unreadable, "damaged rows were left out of an answer");
    }
    if page.items.is_empty() && page.next.is_none() {
        // What is damaged is there, so the answer is not that there is nothing.
        return if page.unreadable > 0 { Err(Failure::internal()) } else { Ok(None) };
    }
    let mut response = answer(StatusCode::OK, written(&page, shape, cursors));
    let dates = || page.items.iter().map(|i| i.entry.date_us);
    if let (Some(first), Some(last)) = (dates().min(), dates().max()) {
        for (name, date_us) in [("x-taxii-date-added-first", first), ("x-taxii-date-added-last", last)] {
            let value = HeaderValue::try_from(from_us(date_us)).map_err(|_| Failure::internal())?;
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    Ok(Some(response))
}

/// The head of an answer, without what the answer would hold: nothing goes out, so nothing is entered in the ledger.
pub(crate) fn head() -> Response {
    answer(StatusCode::OK, Vec::new())
}

/// A resource that is not made of objects: discovery, collections, a status.
pub(crate) fn resource(status: StatusCode, json: String) -> Response {
    answer(status, json.into_bytes())
}

/// A page that has passed the door. When the policy moves meanwhile it is decided again.
fn passed(store: &Store, recipient: &str, query: &Query, form: Form) -> Result<Page, Failure> {
    for _ in 0..limits::DECISIONS_MAX {
        let number = store.recipient_number(recipient).ok_or_else(Failure::wrong_credentials)?;
        let released = store.page(recipient, query, form)?;
        match Outbound::new(number, store).pass(released) {
            Ok(page) => return Ok(page),
            Err(Refused::Epoch) => {}
            Err(Refused::Recipient) => return Err(Failure::wrong_credentials()),
        }
    }
    Err(Failure::unavailable("the policy of this server is being changed; try again in a moment"))
}

fn written(page: &Page, shape: Shape, cursors: &Cursors) -> Vec<u8> {
    let held: usize = page.items.iter().map(|i| i.bytes.len().saturating_add(240)).sum();
    let mut body = Vec::with_capacity(held.saturating_add(128));
    let more = page.next.map_or_else(|| "false".to_owned(), |p| format!("true,\"next\":\"{}\"", cursors.write(p)));
    let list = if shape == Shape::Versions { "versions" } else { "objects" };
    body.extend_from_slice(format!("{{\"more\":{more},\"{list}\":[").as_bytes());
    let mut text = String::new();
    for (n, item) in page.items.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        text.clear();
        match shape {
            Shape::Envelope => body.extend_from_slice(&item.bytes),
            Shape::Manifest => text = record(item),
            Shape::Versions => text = format!("\"{}\"", version(item)),
        }
        body.extend_from_slice(text.as_bytes());
    }
    body.extend_from_slice(b"]}");
    body
}

/// A manifest record. Ids and versions are made of characters that need no escape in JSON.
fn record(item: &Item) -> String {
    let (id, date, version) = (&item.entry.id, from_us(item.entry.date_us), version(item));
    format!(r#"{{"id":"{id}","date_added":"{date}","version":"{version}","media_type":"application/stix+json;version=2.1"}}"#)
}

/// The version as the reader knows it: of an unversioned object, the date it entered this reader's view.
fn version(item: &Item) -> String {
    item.entry.version.map_or_else(|| from_us(item.entry.date_us), |v| v.to_string())
}

fn answer(status: StatusCode, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
