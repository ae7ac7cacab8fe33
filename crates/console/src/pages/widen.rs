//! Making an object of one's own wider: another level, another audience, by a new version, with who gains it shown before anything is saved.
//!
//! The rule: it takes as many persons as the policy says, and each answers for the copy that was on the screen.

use maud::{Markup, html};
use polder_release::Level;
use polder_stix::Id;
use serde_json::{Value, json};

use super::marked::{self, Marked, Others};
use super::{lift, object, preview, queue};
use crate::desk::{Right, Told};
use crate::guard::{Answer, Asked, Downgrade, Preview, Trouble};
use crate::parts;
use crate::sink::Reply;
use crate::text::{cut, shown};

/// What shall hold, as the request of the command line's names it.
fn request(id: &str, wanted: &Marked, (seen, answer): (Option<&str>, Option<&str>)) -> Value {
    let level = wanted.level.map_or("", Level::name);
    json!({"do": "object-widen", "id": id, "level": level, "audience": wanted.words(), "keep": wanted.others, "seen": seen, "answer": answer})
}

pub(crate) fn ask(asked: &Asked<'_, Downgrade>) -> Answer {
    let seen = object::of_address(asked)?;
    let id = seen.id();
    let was = Marked::of(asked, &seen)?;
    let all = |name: &str| asked.sent.query.iter().filter(|(k, _)| k == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    let chosen = asked.sent.query.iter().any(|(k, _)| k == "level");
    let now = if chosen { Marked::entered(asked.query("level"), &all("for"), all("keep").into_iter().map(str::to_owned).collect())? } else { was.clone() };
    let outcome = if now == was {
        html! { section id="outcome" aria-live="polite" { p.quiet { "Choose a level or an audience to see who would gain it." } } }
    } else {
        let tried = asked.ask(request(&id, &now, (None, None)), &[]);
        let had = preview::audience(asked, &id, &seen.item.entry.version.map(|v| v.to_string()).unwrap_or_default())?;
        let yes = Yes { address: &format!("/console/objects/{id}/widen"), fields: &fields(&now), button: "Save the new version" };
        outcome(asked, &had, &tried, &yes)?
    };
    if asked.sent.partial {
        return Ok(Reply::page(outcome));
    }
    let address = format!("/console/objects/{id}/widen");
    // What was taken off can be put on again.
    let offered = Marked { others: was.others, ..now };
    let main = html! {
        (parts::banner(&seen.marking()))
        h1 { "Widen " (cut(&seen.name())) }
        p { (parts::object_link(&id, "Back to the object")) }
        form.card method="get" action=(address) hx-get=(address) hx-target="#outcome" hx-swap="outerHTML" hx-sync="this:replace" hx-trigger="change, submit" {
            (marked::fields(asked, &offered, Others::Chosen)?)
            button type="submit" { "Show who would gain it" }
        }
        (outcome)
    };
    Ok(asked.page("Widen", &main))
}

/// Where a yes goes, what it carries, and what its button says if it takes no other person.
pub(crate) struct Yes<'f> {
    pub(crate) address: &'f str,
    pub(crate) fields: &'f Markup,
    pub(crate) button: &'static str,
}

/// Who would have it then, and the button, for what was tried.
pub(crate) fn outcome<P>(asked: &Asked<'_, P>, now: &[preview::Told], tried: &Result<Value, Told>, yes: &Yes<'_>) -> Result<Markup, Trouble> {
    let ways = preview::ways(asked)?;
    Ok(html! {
        section id="outcome" aria-live="polite" {
            h2 { "After the change" }
            @match tried {
                Err(told) => { (parts::notice("error", &html! { p { (shown(&told.message)) } p { strong { "help: " } (shown(&told.help)) } })) }
                Ok(tried) => {
                    (preview::table(&preview::best(preview::rows(tried, "audience")), Some(now), &ways, &|_| html! {}))
                    (preview::with_it(asked, tried)?)
                    p.quiet { "What is given cannot be taken back from files, TAXII readers and MISP copies." }
                    (confirm(asked, tried, yes))
                }
            }
        }
    })
}

fn confirm<P>(asked: &Asked<'_, P>, tried: &Value, yes: &Yes<'_>) -> Markup {
    let persons = tried.get("persons_min").and_then(Value::as_u64).unwrap_or(1);
    let copy = tried.get("copy").and_then(Value::as_str).unwrap_or_default();
    let said: Vec<&str> = tried.get("approved_by").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let (mine, is_last) = (said.contains(&&*asked.person.user), said.len() as u64 + 1 >= persons);
    html! {
        @if persons > 1 { p { strong { (before_yes(&said, persons, mine)) } } }
        form.answers method="post" action=(yes.address) {
            (hidden(asked, yes.fields, copy))
            @if !mine {
                button.primary type="submit" name="answer" value="yes" { @if persons == 1 || is_last { (yes.button) } @else if said.is_empty() { "Propose it" } @else { "Approve" } }
            }
            @if !said.is_empty() { button type="submit" name="answer" value="no" { "Refuse" } }
        }
    }
}

/// What a yes would be, where several persons are asked: the first, one more, or the last, by which it is given at once.
fn before_yes(said: &[&str], persons: u64, mine: bool) -> String {
    let others = format!("It takes {persons} persons, and {} said yes", said.join(", "));
    match (said.len() as u64, mine) {
        (0, _) => format!("It takes {persons} persons: yours is the first yes, the others answer in the queue."),
        (_, true) => format!("{others}: it waits for another person."),
        (n, false) if n + 1 >= persons => format!("{others}: yours is the last yes, and it is given at once."),
        (_, false) => format!("{others}."),
    }
}

fn hidden<P>(asked: &Asked<'_, P>, fields: &Markup, copy: &str) -> Markup {
    html! {
        input type="hidden" name="form_token" value=(asked.form_token);
        (fields)
        input type="hidden" name="seen" value=(copy);
    }
}

/// What shall hold, as an answer carries it.
fn fields(wanted: &Marked) -> Markup {
    html! {
        input type="hidden" name="level" value=(wanted.level.map_or("", Level::name));
        @for word in wanted.words() { input type="hidden" name="for" value=(word); }
        @for id in &wanted.others { input type="hidden" name="keep" value=(id); }
    }
}

pub(crate) fn answer(asked: &Asked<'_, Downgrade>) -> Answer {
    let id = Id::parse(asked.named("id")).ok_or(Trouble::NotFound)?.to_string();
    let keep = asked.form_all("keep").into_iter().map(str::to_owned).collect();
    let wanted = Marked::entered(asked.form("level"), &asked.form_all("for"), keep)?;
    carry_out(asked, &id, &|seen, answer| request(&id, &wanted, (seen, Some(answer))), "The wider version is saved.")
}

/// A person's yes or no, by the request that is made of the copy that was seen and the answer.
pub(crate) fn carry_out(asked: &Asked<'_, Downgrade>, id: &str, request: &dyn Fn(Option<&str>, &str) -> Value, done: &'static str) -> Answer {
    if Id::parse(id).map(|id| object::latest(asked, &id)).transpose()?.flatten().is_none() {
        return Err(Trouble::NotFound);
    }
    let answer @ ("yes" | "no") = asked.form("answer") else {
        return Err(Trouble::bad("the answer is neither yes nor no", "press one of the two buttons"));
    };
    // A yes is to what was looked at.
    let Some(seen) = asked.form_all("seen").first().copied() else {
        return Err(Trouble::bad("the answer does not say what was looked at", "open the page again, and press one of its buttons"));
    };
    let told = asked.ask(request(Some(seen), answer), &[])?;
    let saved = told.get("saved") == Some(&Value::Bool(true));
    asked.note(match (saved, answer) {
        (true, _) => done,
        (false, "yes") => "Proposed: another person has to agree.",
        (false, _) => "Refused: it stays as it is marked now.",
    });
    Ok(Reply::see(&if saved { format!("/console/objects/{id}#preview") } else { "/console/queue".to_owned() }))
}

/// What would give more and waits for another person.
pub(crate) fn proposals(asked: &Asked<'_, Preview>, queue: &Value, needed: u64) -> Result<Markup, Trouble> {
    let mut cards = Vec::new();
    for row in queue.get("wider").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let Some(seen) = Id::parse(text("id")).map(|id| object::latest(asked, &id)).transpose()?.flatten() else { continue };
        let name = crate::text::plain(&seen.name(), 60);
        let (what, place, query, fields) = proposal(asked, row)?;
        let address = format!("/console/objects/{}/{place}", text("id"));
        let approved: Vec<&str> = row.get("approved_by").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        cards.push(html! {
            article.card {
                (queue::head(&seen))
                p { (what) ", approved by " (approved.join(", ")) ", " (approved.len()) " of " (needed) }
                @if asked.may(Right::Downgrade) {
                    p { a href=(format!("{address}?{query}")) { "See who would gain it" } }
                    form.answers method="post" action=(address) {
                        (hidden(asked, &fields, text("copy")))
                        @if approved.contains(&&*asked.person.user) { span.quiet { "you have said yes" } } @else {
                            details.sure {
                                summary aria-label=(format!("Approve: {name}…")) { "Approve…" }
                                p { "What is given cannot be taken back from whoever took it." }
                                button.primary type="submit" name="answer" value="yes" aria-label=(format!("Yes, give it: {name}")) { "Yes, give it" }
                            }
                        }
                        button type="submit" name="answer" value="no" aria-label=(format!("Refuse: {name}")) { "Refuse" }
                    }
                } @else { p.quiet { "your role does not answer this" } }
            }
        });
    }
    Ok(html! { @if !cards.is_empty() { h2 { "What would give more, and waits for another person" } @for card in &cards { (card) } } })
}

/// What is proposed in words, its page, what the address of that says, and the fields of an answer.
fn proposal(asked: &Asked<'_, Preview>, row: &Value) -> Result<(Markup, &'static str, String, Markup), Trouble> {
    let list = |key: &str| row.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(left) = row.get("lift").and_then(Value::as_str) {
        query.append_pair("left", left);
        let what = html! { "What was raised here is lifted" @if let Some(level) = Level::parse(left) { ", to " (parts::level(Some(level))) } };
        return Ok((what, "lift", query.finish(), lift::fields(left)));
    }
    let level = row.get("level").and_then(Value::as_str).unwrap_or_default();
    let wanted = Marked::entered(level, &list("audience"), list("keep").into_iter().map(str::to_owned).collect())?;
    query.append_pair("level", level);
    for (key, value) in list("audience").iter().map(|w| ("for", *w)).chain(list("keep").iter().map(|k| ("keep", *k))) {
        query.append_pair(key, value);
    }
    let what = html! { "To " (parts::level(wanted.level)) @if !wanted.audience.is_empty() { " for " @for (n, who) in wanted.audience.iter().enumerate() { @if n > 0 { ", " } (marked::called(asked, who)) } } };
    Ok((what, "widen", query.finish(), fields(&wanted)))
}
