//! Tells a page that something in its reader's view has moved, so that it asks again.
//!
//! The rule: an event says that, and nothing else; what changed is asked for through the door, by whoever the session is then.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream};

use crate::guard::Trouble;
use crate::{App, Visitor, layout, sink};

/// How often a view is looked at.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn events(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let visitor = Visitor::of(&app, &headers);
    if visitor.person.is_none() {
        return sink::response(layout::trouble(&visitor, &Trouble::LoggedOut));
    }
    let mut response = Sse::new(moves(app, visitor.token)).keep_alive(KeepAlive::default()).into_response();
    sink::dress(&mut response);
    response
}

/// One event for each time the view of the session's reader moved; it ends with the session.
fn moves(app: Arc<App>, token: String) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((app, token, None), |(app, token, mut last)| async move {
        loop {
            if last.is_some() {
                tokio::time::sleep(EVERY).await;
            }
            let (at, key) = (Arc::clone(&app), token.clone());
            let look = move || {
                let person = at.sessions.peek(&key, |user| at.desk.person(user))?;
                at.store.view_mark(&person.recipient).ok()
            };
            let mark = tokio::task::spawn_blocking(look).await.ok().flatten()?;
            // The first look says from where on moves are told.
            let event = match last.replace(mark) {
                None => "watching",
                Some(before) if before != mark => "moved",
                Some(_) => continue,
            };
            return Some((Ok(Event::default().event(event).data("view")), (app, token, last)));
        }
    })
}
