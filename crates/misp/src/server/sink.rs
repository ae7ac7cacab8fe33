//! The sink: released pages are opened here, and answers become bodies here and nowhere else in this crate.
//!
//! INVARIANT (one door): what an answer says of objects was written by `map::View` out of pages that passed `Outbound`.

#![expect(clippy::disallowed_types, reason = "the one place where an answer becomes a body")]

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use polder_release::{Form, Outbound, Page, Refused};
use polder_store::{Query, Store};
use serde_json::{Value, json};

use crate::limits;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: &'static str,
    pub(crate) headers: Vec<(HeaderName, String)>,
}

impl Reply {
    pub(crate) fn json(value: &Value) -> Self {
        Self::bytes(value.to_string().into_bytes(), "application/json; charset=UTF-8")
    }

    pub(crate) fn bytes(bytes: Vec<u8>, media_type: &'static str) -> Self {
        Self { status: StatusCode::OK, bytes, media_type, headers: Vec::new() }
    }

    /// What MISP's clients read when something went wrong.
    pub(crate) fn error(status: StatusCode, message: &str, path: &str) -> Self {
        Self { status, ..Self::json(&json!({"name": message, "message": message, "url": path})) }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With the ETag of its content; nothing but the head where the client has just that.
    pub(crate) fn unless(self, known: Option<&str>) -> Self {
        use sha1::{Digest, Sha1};
        let digest: String = Sha1::digest(&self.bytes).iter().map(|b| format!("{b:02x}")).collect();
        let tag = format!("\"{digest}\"");
        let same = known.is_some_and(|k| k.split(',').any(|k| k.trim().trim_start_matches("W/") == tag));
        let reply = if same { Self { status: StatusCode::NOT_MODIFIED, bytes: Vec::new(), ..self } } else { self };
        reply.with(ETAG, tag)
    }

    pub(crate) fn located(self, place: String) -> Self {
        self.with(LOCATION, place)
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.bytes));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Why no page came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPage {
    /// The store's.
    #[error(transparent)]
    Store(#[from] polder_store::Error),
    /// The recipient may receive nothing.
    #[error("the recipient may receive nothing")]
    Recipient,
    /// The policy kept changing.
    #[error("the policy is being changed")]
    Moving,
}

/// A page that has passed the door. When the policy moves meanwhile it is decided again.
pub(crate) fn page(store: &Store, recipient: &str, query: &Query, form: Form) -> Result<Page, NoPage> {
    for _ in 0..limits::DECISIONS_MAX {
        let number = store.recipient_number(recipient).ok_or(NoPage::Recipient)?;
        let released = store.page(recipient, query, form)?;
        match Outbound::new(number, store).pass(released) {
            Ok(page) => return Ok(page),
            Err(Refused::Epoch) => {}
            Err(Refused::Recipient) => return Err(NoPage::Recipient),
        }
    }
    Err(NoPage::Moving)
}
