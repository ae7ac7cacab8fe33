//! The control socket: the running node's `/api/v1` for the command line, on a Unix socket only its owner can open.
//!
//! The rule: the caller is whoever the kernel says opened the socket; nothing in the request names a user.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, State, connect_info::Connected};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::IncomingStream;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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

/// How far the command is, or what came of it: one line of JSON each; the answer's bytes follow the last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Progress { done: u64, total: u64 },
    Answer { value: Value, exit: u8, has_bytes: bool },
    Failure(Failure),
}

impl Line {
    fn bytes(&self) -> Bytes {
        let mut line = json!(self).to_string();
        line.push('\n');
        line.into()
    }
}

async fn answer(State(node): State<Arc<Node>>, ConnectInfo(peer): ConnectInfo<Peer>, Query(asked): Query<Asked>, body: Bytes) -> Response {
    const LINES_MAX: usize = 16;
    let (lines, mut to_send) = tokio::sync::mpsc::channel::<Bytes>(LINES_MAX);
    tokio::task::spawn_blocking(move || {
        // A caller that reads slowly misses steps, and does not hold the command up.
        let mut progress = |done, total| drop(lines.try_send(Line::Progress { done, total }.bytes()));
        let result = serde_json::from_str::<Request>(&asked.request)
            .map_err(|e| Failure::usage(format!("the node does not understand the request: {e}"), "use the same program version for the node and the command"))
            .and_then(|request| commands::run(&node, &peer.0, request, &body, &mut progress));
        // A caller that went away loses the answer; what was done stays done.
        match result {
            Ok(Answer { value, bytes, exit }) => {
                drop(lines.blocking_send(Line::Answer { value, exit, has_bytes: bytes.is_some() }.bytes()));
                if let Some(bytes) = bytes {
                    drop(lines.blocking_send(bytes.into()));
                }
            }
            Err(failure) => drop(lines.blocking_send(Line::Failure(failure).bytes())),
        }
    });
    Body::from_stream(stream::poll_fn(move |context| to_send.poll_recv(context).map(|line| line.map(Ok::<_, Infallible>)))).into_response()
}

/// Does a node answer in this directory?
pub(crate) fn is_running(dir: &Path) -> bool {
    UnixStream::connect(socket_path(dir)).is_ok()
}

/// Asks the running node, if there is one, and hears how far it is; `None` when nobody listens.
pub(crate) fn ask(dir: &Path, request: &Request, body: &[u8], progress: &mut dyn FnMut(u64, u64)) -> Result<Option<Answer>, Failure> {
    let Ok(mut stream) = UnixStream::connect(socket_path(dir)) else { return Ok(None) };
    let lost = |e: std::io::Error| Failure::new(exit::PEER, format!("the running node did not answer: {e}"), "look at its log");
    let query = encode(&serde_json::to_string(request).unwrap_or_default());
    // HTTP/1.0: the answer comes as it is written and ends with the connection.
    let head = format!("POST /api/v1?request={query} HTTP/1.0\r\nhost: node\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).map_err(lost)?;
    stream.write_all(body).map_err(lost)?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    // An empty line ends the head.
    while answer.read_line(&mut line).map_err(lost)? > 2 {
        line.clear();
    }
    read(&mut answer, progress).map(Some)
}

fn read(answer: &mut impl BufRead, progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let lost = |e: std::io::Error| Failure::new(exit::PEER, format!("the running node broke off its answer: {e}"), "look at its log");
    loop {
        let mut line = String::new();
        if answer.read_line(&mut line).map_err(lost)? == 0 {
            return Err(Failure::new(exit::PEER, "the running node broke off its answer", "look at its log; `polder doctor` says how the store is"));
        }
        match serde_json::from_str(&line) {
            Ok(Line::Progress { done, total }) => progress(done, total),
            Ok(Line::Failure(failure)) => return Err(failure),
            Ok(Line::Answer { value, exit, has_bytes }) => {
                let mut bytes = Vec::new();
                answer.read_to_end(&mut bytes).map_err(lost)?;
                return Ok(Answer { value, bytes: has_bytes.then_some(bytes), exit });
            }
            Err(_) => {
                let help = "use the same program version for the node and the command";
                return Err(Failure::new(exit::PEER, "the running node gave an answer that makes no sense", help));
            }
        }
    }
}

fn encode(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
