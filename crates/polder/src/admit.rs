//! Who may connect: so many at once, each heard out for so long.
//!
//! The rule: one who is slow or opens many connections costs the others nothing but what these limits allow.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

/// Connections at one time; the next is closed at once.
pub(crate) const CONNECTIONS_MAX: usize = 2048;
/// How long a client may take for the head of a request.
pub(crate) const HEAD_READ_S_MAX: u64 = 65;

/// Heads of requests have to come in time.
pub(crate) fn limit_heads(builder: &mut Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(HEAD_READ_S_MAX));
}

/// Admits connections while there is a place. Answers go out at once: a page is one write, and a client waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Admit(Arc<Semaphore>);

impl Admit {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(CONNECTIONS_MAX)))
    }
}

impl<S> axum_server::accept::Accept<TcpStream, S> for Admit {
    type Stream = TcpStream;
    type Service = Placed<S>;
    type Future = std::future::Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.0).try_acquire_owned() else {
            return std::future::ready(Err(io::Error::new(io::ErrorKind::ConnectionRefused, "too many connections")));
        };
        std::future::ready(stream.set_nodelay(true).map(|()| (stream, Placed { service, _place: Arc::new(place) })))
    }
}

/// A connection's service, which keeps its place.
#[derive(Debug, Clone)]
pub(crate) struct Placed<S> {
    service: S,
    _place: Arc<OwnedSemaphorePermit>,
}

impl<S: Service<R>, R> Service<R> for Placed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.service.call(request)
    }
}
