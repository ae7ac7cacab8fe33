//! Every page that needs a login, with its permission.
//!
//! The rule: [`routes`] is the whole table; the router is made of it, and tests walk it.

mod attack;
mod board;
mod copies;
mod draft;
mod entry;
mod export;
mod forms;
mod graph;
mod ledger;
mod lift;
pub(crate) mod login;
mod mark;
mod marked;
mod object;
mod objects;
mod policy;
mod preview;
mod queue;
mod recall;
mod styleguide;
mod widen;

use crate::guard::{Route, get, post};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/console", objects::home),
        get("/console/", objects::home),
        get("/console/objects", objects::list),
        get("/console/objects/{id}", object::show),
        get("/console/objects/{id}/raw", object::raw),
        get("/console/objects/{id}/graph", graph::show),
        get("/console/matrix", attack::show),
        post("/console/matrix", attack::laid),
        get("/console/objects/{id}/mark", mark::ask).rehearsing(),
        get("/console/objects/{id}/edit", entry::edit),
        get("/console/mark", mark::ask_many).rehearsing(),
        post("/console/mark", mark::carry_out),
        get("/console/objects/{id}/widen", widen::ask).rehearsing(),
        post("/console/objects/{id}/widen", widen::answer).rehearsing(),
        get("/console/objects/{id}/lift", lift::ask).rehearsing(),
        post("/console/objects/{id}/lift", lift::answer).rehearsing(),
        get("/console/recall", recall::ask).rehearsing(),
        post("/console/recall", recall::carry_out),
        post("/console/recall/push", recall::push).reaching_out(),
        get("/console/new", entry::new),
        post("/console/new", entry::changed),
        get("/console/pick", entry::pick),
        post("/console/draft", draft::preview).rehearsing(),
        post("/console/draft/check", draft::check).rehearsing(),
        get("/console/import", draft::import),
        post("/console/export", export::bundle),
        get("/console/queue", queue::list),
        post("/console/queue", queue::settle),
        get("/console/board", board::list),
        get("/console/board/{recipient}", board::show),
        post("/console/board/{recipient}/suspend", board::suspend),
        post("/console/board/{recipient}/resume", board::resume),
        get("/console/policy", policy::show),
        get("/console/ledger", ledger::ledger),
        get("/console/acts", ledger::acts),
        get("/console/styleguide", styleguide::show),
    ]
}
