//! Tells a page that something in its reader's view has moved, so that it asks again.
//!
//! The rule: an event says that, and nothing else; what changed is asked for through the door, by whoever the session is then.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream};

use crate::desk::Right;
use crate::guard::Trouble;
use crate::{App, Visitor, layout, limits, sink};

/// How often a view is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is told at most that recipients asked.
const ASKED_EVERY: Duration = Duration::from_secs(5);

/// How many pages are kept current, by person.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    held: Mutex<HashMap<String, usize>>,
}

/// A place among them, given back when the stream ends.
struct Place {
    app: Arc<App>,
    token: String,
    user: String,
}

impl Place {
    fn take(app: &Arc<App>, token: &str, user: &str) -> Option<Self> {
        let mut held = app.streams.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.values().sum::<usize>() >= limits::STREAMS_MAX || held.get(user).is_some_and(|n| *n >= limits::STREAMS_PER_PERSON_MAX) {
            return None;
        }
        *held.entry(user.to_owned()).or_default() += 1;
        Some(Self { app: Arc::clone(app), token: token.to_owned(), user: user.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.app.streams.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.user) {
            *count = count.saturating_sub(1);
        }
        held.retain(|_, count| *count > 0);
    }
}

pub(crate) async fn events(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let visitor = Visitor::of(&app, &headers);
    let Some(person) = &visitor.person else { return sink::response(layout::trouble(&visitor, &Trouble::LoggedOut)) };
    let Some(place) = Place::take(&app, &visitor.token, &person.user) else { return sink::response(layout::trouble(&visitor, &Trouble::Busy)) };
    let mut response = Sse::new(moves(place)).keep_alive(KeepAlive::default()).into_response();
    sink::dress(&mut response);
    response
}

/// What is watched: the reader's view, and, of who sees the board, whether anybody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Watched {
    view: u64,
    asked: u64,
}

/// One event for each time what is watched moved; it ends with the session, or after a while. Its data is the name of the parts of a page that are to be
/// asked for again.
fn moves(place: Place) -> impl Stream<Item = Result<Event, Infallible>> {
    let began = Instant::now();
    stream::unfold((place, None::<Watched>, began), move |(place, mut last, mut told)| async move {
        while began.elapsed() < Duration::from_secs(limits::STREAM_S_MAX) {
            if last.is_some() {
                tokio::time::sleep(EVERY).await;
            }
            let (app, key) = (Arc::clone(&place.app), place.token.clone());
            let look = move || {
                let person = app.sessions.peek(&key, |user| app.desk.person(user))?;
                let asked = if person.may(Right::Preview) { app.desk.pulse() } else { 0 };
                Some(Watched { view: app.store.view_mark(&person.recipient).ok()?, asked })
            };
            let now = tokio::task::spawn_blocking(look).await.ok().flatten()?;
            // The first look says from where on moves are told.
            let (event, parts) = match last {
                None => ("watching", "view"),
                Some(before) if before.view != now.view => ("moved", "view"),
                Some(before) if before.asked != now.asked && told.elapsed() >= ASKED_EVERY => ("moved", "board"),
                Some(_) => continue,
            };
            if parts == "board" {
                told = Instant::now();
            }
            last = Some(if parts == "view" { Watched { asked: last.map_or(now.asked, |l| l.asked), ..now } } else { now });
            return Some((Ok(Event::default().event(event).data(parts)), (place, last, told)));
        }
        None
    })
}
