//! TAXII error resources: what went wrong, and on a second line of thought what the caller can do about it.
//!
//! The rule: nothing here depends on what the caller may not see. An error's text is fixed, or says back what the caller sent.

#![expect(clippy::disallowed_types, reason = "errors say nothing of objects")]

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use crate::{MEDIA_TYPE, limits};

/// A request that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    title: &'static str,
    description: String,
    allow: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, title: &'static str, description: impl Into<String>) -> Self {
        Self { status, title, description: description.into(), allow: None }
    }

    pub(crate) fn bad(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the request is malformed", description)
    }

    pub(crate) fn unprocessable(description: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "the content is not what TAXII 2.1 asks for", description)
    }

    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such resource", "the discovery resource at /taxii2/ names the API root; collections lie below it")
    }

    pub(crate) fn no_collection() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such collection", "look at the list of collections, or ask the operator for access")
    }

    pub(crate) fn no_object() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such object", "look at the manifest of the collection for what there is")
    }

    pub(crate) fn no_status() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such status", "only who posted can read the status; use the id that the answer to the POST gave")
    }

    pub(crate) fn forbidden(description: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not allowed", description)
    }

    pub(crate) fn method(allow: &'static str) -> Self {
        let description = format!("this resource takes {allow}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "the method is not allowed here", description) }
    }

    pub(crate) fn missing_credentials() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "credentials are needed",
            "send HTTP Basic credentials or a bearer token; the operator of this server gives them out",
        )
    }

    pub(crate) fn wrong_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "the credentials are not valid", "check user and password or the token; they may have been changed or suspended")
    }

    pub(crate) fn not_acceptable() -> Self {
        let description = format!("this server answers with {MEDIA_TYPE}; send it as Accept, or send none");
        Self::new(StatusCode::NOT_ACCEPTABLE, "no acceptable media type", description)
    }

    pub(crate) fn media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the media type is not supported", format!("send the envelope with Content-Type {MEDIA_TYPE}"))
    }

    pub(crate) fn too_large(description: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large", description)
    }

    pub(crate) fn unavailable(description: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the server cannot do this for now", description)
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed", "try again; if it stays so, tell the operator the time of this answer")
    }

    pub(crate) fn into_response(self) -> Response {
        let resource = serde_json::json!({
            "title": self.title,
            "description": self.description,
            "http_status": self.status.as_str(),
        });
        let mut response = Response::new(Body::from(resource.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"polder\", charset=\"UTF-8\""));
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"polder\""));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(limits::RETRY_AFTER_S));
        }
        response
    }
}

impl From<polder_store::Error> for Failure {
    fn from(error: polder_store::Error) -> Self {
        use polder_store::Error;
        match error {
            Error::DiskFull => Self::unavailable("nothing of this request was kept; send it again later, the operator has to free some space"),
            Error::ClockBehind { .. } => Self::unavailable("nothing leaves until the operator has set the clock; try again later"),
            Error::Limit { what, found, max } => Self::too_large(format!("{what}: {found}, the limit is {max}; send it in smaller parts")),
            // A login whose recipient is gone.
            Error::Unknown { kind: "recipient", .. } => Self::wrong_credentials(),
            error => {
                tracing::error!(%error, help = error.help(), "the store failed");
                Self::internal()
            }
        }
    }
}
