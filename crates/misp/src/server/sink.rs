//! The sink: released pages are opened here, and answers become bodies here and nowhere else in this crate.
//!
//! INVARIANT (one door): what an answer says of objects was written by `map::View` out of pages that passed `Outbound`.

#![expect(clippy::disallowed_types, reason = "the one place where an answer becomes a body")]

use std::cell::Cell;
use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::StreamExt as _;
use polder_release::{Form, Outbound, Page, Refused};
use polder_store::{Query, Store};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender};

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

/// What comes of a request: an answer, or the pieces of one that is too long to be held.
#[derive(Debug)]
pub(crate) enum Piece {
    /// All of it.
    Whole(Reply),
    /// The next part.
    Part(Vec<u8>),
    /// There is no more.
    End,
}

/// Where the parts of a long answer go.
#[derive(Debug)]
pub(crate) struct Way {
    sender: Sender<Piece>,
    /// Parts have gone out, so that the answer can only go on or break off.
    begun: Cell<bool>,
}

impl Way {
    pub(crate) fn new(sender: Sender<Piece>) -> Self {
        Self { sender, begun: Cell::new(false) }
    }

    /// Ends what was begun, or sends the answer. What was begun and failed breaks off, so that nobody takes it for whole.
    pub(crate) fn end(self, result: Result<Reply, Reply>) {
        let piece = match (self.begun.get(), result) {
            (true, Ok(_)) => Piece::End,
            (true, Err(_)) => return,
            (false, Ok(reply) | Err(reply)) => Piece::Whole(reply),
        };
        // Who no longer listens wants no answer.
        drop(self.sender.blocking_send(piece));
    }
}

/// Holds an answer while it is short, and lets it go part by part when it is not.
#[derive(Debug)]
pub(crate) struct Spill<'w> {
    held: Vec<u8>,
    way: &'w Way,
}

impl<'w> Spill<'w> {
    pub(crate) fn new(way: &'w Way) -> Self {
        Self { held: Vec::new(), way }
    }

    /// The answer, or its last part.
    pub(crate) fn finish(mut self) -> io::Result<Reply> {
        if self.way.begun.get() {
            self.let_go()?;
        }
        Ok(Reply::bytes(self.held, "application/json; charset=UTF-8"))
    }

    fn let_go(&mut self) -> io::Result<()> {
        self.way.begun.set(true);
        let part = std::mem::take(&mut self.held);
        self.way.sender.blocking_send(Piece::Part(part)).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody listens"))
    }
}

impl io::Write for Spill<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        let most = if self.way.begun.get() { limits::PART_BYTES } else { limits::HELD_BYTES_MAX };
        if self.held.len() > most {
            self.let_go()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The response to a request of which the pieces come this way.
pub(crate) async fn response(mut pieces: Receiver<Piece>, head: bool) -> (Response, usize) {
    let broken = || Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "An internal error has occurred.", "");
    let first = match pieces.recv().await {
        Some(Piece::Whole(mut reply)) => {
            let bytes = reply.bytes.len();
            if head {
                reply.bytes.clear();
            }
            return (reply.into_response(), bytes);
        }
        Some(Piece::Part(part)) => part,
        Some(Piece::End) | None => return (broken().into_response(), 0),
    };
    // What packs an answer asks once more after its end.
    let rest = futures_util::stream::unfold(Some((pieces, Some(first))), |state| async move {
        let (mut pieces, first) = state?;
        if let Some(first) = first {
            return Some((Ok(Bytes::from(first)), Some((pieces, None))));
        }
        match pieces.recv().await {
            Some(Piece::Part(part)) => Some((Ok(Bytes::from(part)), Some((pieces, None)))),
            Some(Piece::End) => None,
            _ => Some((Err(io::Error::other("the answer broke off")), None)),
        }
    })
    .fuse();
    let reply = Reply::bytes(Vec::new(), "application/json; charset=UTF-8");
    let mut response = reply.into_response();
    *response.body_mut() = Body::from_stream(rest);
    (response, 0)
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
