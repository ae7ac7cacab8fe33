//! Giving again what people here raised or recalled by an act over copies: the copies count as those who sent them marked them.
//!
//! The rule: it takes as many persons as a wider version, and each answers for what was raised when they looked.

use maud::{Markup, html};
use polder_release::{Level, Origin};
use polder_stix::Id;
use polder_store::Tightened;
use serde_json::{Value, json};

use super::{object, preview, widen};
use crate::guard::{Answer, Asked, Downgrade, Trouble};
use crate::parts;
use crate::sink::Reply;
use crate::text::cut;

/// What people here tightened the copies to that this person may hold.
pub(crate) fn tightened<P>(asked: &Asked<'_, P>, id: &Id, held: &[polder_store::RowView]) -> Vec<Tightened> {
    asked.app.store.tightened(id).into_iter().filter(|to| held.iter().any(|row| row.source == to.source)).collect()
}

/// In a few words.
pub(crate) fn words(to: &Tightened) -> Markup {
    html! {
        @match (to.in_house, to.level) {
            (true, None) => "recalled here",
            (true, Some(level)) => { "recalled here, and raised here to " (parts::level(Some(level))) }
            (false, level) => { "raised here to " (parts::level(level)) }
        }
    }
}

fn request(id: &str, left: &str, (seen, answer): (Option<&str>, Option<&str>)) -> Value {
    json!({"do": "object-lift", "id": id, "left": left, "seen": seen, "answer": answer})
}

/// What stays raised unless somebody chooses otherwise: who undoes a recall does not mean what was raised before it.
fn proposed_level(all: &[Tightened]) -> &'static str {
    let level = all.iter().filter_map(|to| to.level).max();
    level.filter(|_| all.iter().any(|to| to.in_house)).map_or("", Level::name)
}

pub(crate) fn ask(asked: &Asked<'_, Downgrade>) -> Answer {
    let seen = object::of_address(asked)?;
    let (id, held) = (seen.id(), preview::copies_held(asked, &seen.item.entry.id)?);
    let all = tightened(asked, &seen.item.entry.id, &held);
    if all.is_empty() {
        return Err(Trouble::NotFound);
    }
    let chosen = asked.sent.query.iter().any(|(k, _)| k == "left");
    let left = if chosen { asked.query("left") } else { proposed_level(&all) };
    let tried = asked.ask(request(&id, left, (None, None)), &[]);
    let address = format!("/console/objects/{id}/lift");
    let outcome =
        widen::outcome(asked, &preview::audience_of_all(asked, &id)?, &tried, &widen::Yes { address: &address, fields: &fields(left), button: "Lift it" })?;
    if asked.sent.partial {
        return Ok(Reply::page(outcome));
    }
    let levels: Vec<(&str, &str)> = [("", "nothing")].into_iter().chain(parts::LEVELS.map(|l| (l.name(), l.label()))).collect();
    let main = html! {
        (parts::banner(&seen.marking()))
        h1 { "Lift what was raised here: " (cut(&seen.name())) }
        p { (parts::object_link(&id, "Back to the object")) }
        p { "These copies were raised or recalled by an act of this organisation over what others, or your own MISP, wrote. When that is lifted they are given as they are marked." }
        @if held.iter().any(|row| row.origin == Origin::Own && all.iter().any(|to| to.source == row.source)) {
            p { "Of what your own MISP wrote, a raised level also stands in a version: it stays until that MISP writes it again." }
        }
        ul { @for to in &all { li { "From " strong { (cut(&to.source)) } ": " (words(to)) } } }
        form.card method="get" action=(address) hx-get=(address) hx-target="#outcome" hx-swap="outerHTML" hx-sync="this:replace" hx-trigger="change, submit" {
            (parts::field("left", "What stays raised here", "A level that still counts here, whatever those who sent it said.", &parts::choice("left", &levels, left)))
            button type="submit" { "Show who would gain it" }
        }
        (outcome)
    };
    Ok(asked.page("Lift", &main))
}

pub(crate) fn answer(asked: &Asked<'_, Downgrade>) -> Answer {
    let id = Id::parse(asked.named("id")).ok_or(Trouble::NotFound)?.to_string();
    widen::carry_out(asked, &id, &|seen, answer| request(&id, asked.form("left"), (seen, Some(answer))), "It is lifted: it is given as the others marked it.")
}

/// What shall stay, as an answer carries it.
pub(crate) fn fields(left: &str) -> Markup {
    html! { input type="hidden" name="left" value=(left); }
}
