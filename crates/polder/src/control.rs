//! The control socket: the running node's `/api/v1` for the command line, on a Unix socket only its owner can open.
//!
//! The rule: the caller is whoever the kernel says opened the socket; nothing in the request names a user.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, State, connect_info::Connected};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::IncomingStream;
use serde::Deserialize;
use serde_json::json;
use tokio::net::UnixListener;

use crate::commands;
use crate::failure::{Failure, exit, file_failure};
use crate::node::Node;
use crate::request::{Answer, Request};

/// Largest body a command may send: a file to import.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024 * 1024;

fn socket_path(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

/// The user at the other end.
#[derive(Debug, Clone)]
struct Peer(String);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().map_or_else(|_| "unknown".to_owned(), |c| format!("uid {}", c.uid())))
    }
}

#[derive(Deserialize)]
struct Asked {
    request: String,
}

/// Serves the socket until the process ends.
pub(crate) fn serve(node: &Arc<Node>) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let path = socket_path(&node.dir);
    if path.exists() {
        // The store's lock is ours, so whoever left this socket is gone.
        std::fs::remove_file(&path).map_err(|e| file_failure(&path, "remove", &e))?;
    }
    let listener = UnixListener::bind(&path).map_err(|e| file_failure(&path, "listen on", &e))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(|e| file_failure(&path, "protect", &e))?;
    let app = axum::Router::new()
        .route("/api/v1", post(answer))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::clone(node))
        .into_make_service_with_connect_info::<Peer>();
    Ok(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "the control socket ended");
        }
    })
}

async fn answer(State(node): State<Arc<Node>>, ConnectInfo(peer): ConnectInfo<Peer>, Query(asked): Query<Asked>, body: Bytes) -> Response {
    let worked = tokio::task::spawn_blocking(move || {
        let request: Request = serde_json::from_str(&asked.request).map_err(|e| {
            Failure::usage(format!("the node does not understand the request: {e}"), "use the same program version for the node and the command")
        })?;
        commands::run(&node, &peer.0, request, &body, &mut |_, _| {})
    })
    .await;
    let result =
        worked.unwrap_or_else(|_| Err(Failure::configuration("the command failed inside the node", "look at the node's log and report it as a defect")));
    respond(result)
}

fn respond(result: Result<Answer, Failure>) -> Response {
    match result {
        Ok(Answer { value, bytes: None, exit }) => (StatusCode::OK, axum::Json(json!({"value": value, "exit": exit})).into_response()).into_response(),
        Ok(Answer { value, bytes: Some(bytes), exit }) => {
            let head =
                [(header::CONTENT_TYPE.as_str(), "application/stix+json".to_owned()), ("polder-value", value.to_string()), ("polder-exit", exit.to_string())];
            (StatusCode::OK, head, bytes).into_response()
        }
        Err(failure) => (StatusCode::BAD_REQUEST, axum::Json(json!(failure))).into_response(),
    }
}

/// Does a node answer in this directory?
pub(crate) fn is_running(dir: &Path) -> bool {
    UnixStream::connect(socket_path(dir)).is_ok()
}

/// Asks the running node, if there is one; `None` when nobody listens.
pub(crate) fn ask(dir: &Path, request: &Request, body: &[u8]) -> Result<Option<Answer>, Failure> {
    let Ok(mut stream) = UnixStream::connect(socket_path(dir)) else { return Ok(None) };
    let lost = |e: std::io::Error| Failure::new(exit::PEER, format!("the running node did not answer: {e}"), "look at its log");
    let query = encode(&serde_json::to_string(request).unwrap_or_default());
    let head = format!("POST /api/v1?request={query} HTTP/1.1\r\nhost: node\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).map_err(lost)?;
    stream.write_all(body).map_err(lost)?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).map_err(lost)?;
    parse(&raw).map(Some)
}

fn parse(raw: &[u8]) -> Result<Answer, Failure> {
    let odd = || Failure::new(exit::PEER, "the running node gave an answer that makes no sense", "use the same program version for the node and the command");
    let cut = raw.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(odd)?;
    let (head, rest) = raw.split_at_checked(cut).ok_or_else(odd)?;
    let body = rest.get(4..).ok_or_else(odd)?;
    let head = String::from_utf8_lossy(head);
    let field = |name: &str| head.lines().find_map(|l| l.split_once(": ").filter(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned()));
    if !head.starts_with("HTTP/1.1 200") {
        return Err(serde_json::from_slice::<Failure>(body).unwrap_or_else(|_| odd()));
    }
    if let Some(code) = field("polder-exit") {
        let value = field("polder-value").and_then(|v| serde_json::from_str(&v).ok()).unwrap_or_default();
        return Ok(Answer { value, bytes: Some(body.to_vec()), exit: code.parse().map_err(|_| odd())? });
    }
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|_| odd())?;
    let code = value.get("exit").and_then(serde_json::Value::as_u64).and_then(|e| u8::try_from(e).ok()).ok_or_else(odd)?;
    Ok(Answer { value: value.get("value").cloned().unwrap_or_default(), bytes: None, exit: code })
}

fn encode(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
