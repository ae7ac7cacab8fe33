//! What comes in: held while it is short, laid on disk when it is long.
//!
//! The rule: no more of a long document is in memory than is being read of it.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

#[expect(clippy::disallowed_types, reason = "the body that comes in")]
use axum::body::Body;
use futures_util::StreamExt;

use crate::limits;

/// A body.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// A short one.
    Held(Vec<u8>),
    /// A long one, in a file that has no name and goes with it.
    Laid(Laid),
}

/// A long body on disk.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "what a sender sent, before anything is decided")]
pub(crate) struct Laid(std::fs::File);

impl Laid {
    /// It, from its beginning.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read>> {
        let mut file = self.0.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Box::new(BufReader::new(file)))
    }
}

/// Takes a body of so many bytes at most; a long one is laid on disk where that is of use.
///
/// # Errors
/// It is longer, it broke off, or the disk failed.
#[expect(clippy::disallowed_types, reason = "the body that comes in")]
pub(crate) async fn receive(body: Body, bytes_max: usize, lays: bool) -> Result<Inbound, io::Error> {
    let mut held = Vec::new();
    let mut laid: Option<Laid> = None;
    let mut bytes = 0usize;
    let mut stream = body.into_data_stream();
    while let Some(part) = stream.next().await {
        let part = part.map_err(io::Error::other)?;
        bytes = bytes.saturating_add(part.len());
        if bytes > bytes_max {
            return Err(io::Error::other("too large"));
        }
        held.extend_from_slice(&part);
        if lays && held.len() > limits::BODY_HELD_BYTES_MAX {
            laid = Some(lay(laid, std::mem::take(&mut held)).await?);
        }
    }
    match laid {
        Some(laid) => Ok(Inbound::Laid(lay(Some(laid), held).await?)),
        None => Ok(Inbound::Held(held)),
    }
}

async fn lay(laid: Option<Laid>, part: Vec<u8>) -> Result<Laid, io::Error> {
    let write = move || {
        let mut laid = laid.map_or_else(|| tempfile::tempfile().map(Laid), Ok)?;
        laid.0.write_all(&part)?;
        Ok(laid)
    };
    tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
}
