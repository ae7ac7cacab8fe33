//! What waits for a person: approve or refuse, by two where the policy says so.
//!
//! The rule: an answer is about one object and one recipient, and only about what the person who answers may hold.

use maud::{Markup, html};
use polder_stix::Id;
use serde_json::{Value, json};

use super::objects::Seen;
use super::preview::Told;
use super::{object, widen};
use crate::desk::Right;
use crate::guard::{Answer, Asked, Preview, Release, Trouble};
use crate::parts;
use crate::sink::Reply;
use crate::text::{cut, shown};

pub(crate) fn list(asked: &Asked<'_, Preview>) -> Answer {
    let value = asked.ask(json!({"do": "queue"}), &[])?;
    let mut waiting: Vec<Waiting> = Vec::new();
    for row in value.get("queue").and_then(Value::as_array).into_iter().flatten() {
        let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
        let approved = row.get("approved_by").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        match waiting.iter_mut().find(|w| w.id == id) {
            Some(known) => known.add(Told::of(row), approved),
            None => {
                // What this person may not hold is not here to be answered.
                if let Some(seen) = Id::parse(id).map(|id| object::latest(asked, &id)).transpose()?.flatten() {
                    waiting.push(Waiting { id: id.to_owned(), seen, recipients: vec![(Told::of(row), approved)] });
                }
            }
        }
    }
    let unread = value.get("queue").and_then(Value::as_array).into_iter().flatten().filter_map(|r| r.get("unexplained")?.as_array()).flatten();
    let names = object::named(asked, unread.filter_map(Value::as_str).filter_map(Id::parse).collect())?;
    // The same place for the same thing, whatever was answered meanwhile.
    waiting.sort_by(|a, b| (a.seen.name(), &a.id).cmp(&(b.seen.name(), &b.id)));
    waiting.iter_mut().for_each(|w| w.recipients.sort_by(|a, b| a.0.recipient.cmp(&b.0.recipient)));
    let needed = value.get("persons_min").and_then(Value::as_u64).unwrap_or(1);
    let main = html! {
        h1 { "Waiting for a person" }
        div data-live="view" id="waiting" {
            (widen::proposals(asked, &value, needed)?)
            h2 { "Held for its marking" }
            p { "Own objects with a marking that nobody here has explained go to nobody else until somebody answers." @if needed > 1 { " It takes " (needed) " persons to release one." } }
            @if waiting.is_empty() { (parts::nothing("No object waits for its release.", "")) }
            @for one in &waiting { (card(asked, one, (needed, &names))) }
        }
    };
    Ok(asked.page("Queue", &main))
}

/// An object, and whom it waits for.
struct Waiting {
    id: String,
    seen: Seen,
    recipients: Vec<(Told, Vec<String>)>,
}

impl Waiting {
    /// Several versions that wait for one recipient are answered together.
    fn add(&mut self, told: Told, approved: Vec<String>) {
        match self.recipients.iter_mut().find(|(t, _)| t.recipient == told.recipient) {
            Some((known, by)) => {
                known.copies.extend(told.copies);
                by.retain(|who| approved.contains(who));
            }
            None => self.recipients.push((told, approved)),
        }
    }
}

/// A reason with the names of what it names, as far as they are known here.
fn called(reason: &str, names: &object::Names) -> String {
    let word = |word: &str| Id::parse(word).and_then(|id| names.get(&id)).map_or_else(|| word.to_owned(), |name| format!("\u{201c}{name}\u{201d}"));
    reason.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn card(asked: &Asked<'_, Preview>, one: &Waiting, (needed, names): (u64, &object::Names)) -> Markup {
    let first = one.recipients.first().map(|(told, _)| told);
    html! {
        article.card {
            (head(&one.seen))
            @if let Some(told) = first { p { (shown(&called(&told.reason, names))) } @if !told.help.is_empty() { details { summary { "What can be done" } p { (shown(&told.help)) } } } }
            table.waits {
                tbody {
                    @for (told, approved) in &one.recipients {
                        tr {
                            th scope="row" { (cut(&told.recipient)) }
                            td { @if !approved.is_empty() { "approved by " (approved.join(", ")) ", " (approved.len()) " of " (needed) } }
                            td { (answers(asked, &one.id, told, approved.iter().any(|who| **who == *asked.person.user))) }
                        }
                    }
                }
            }
        }
    }
}

/// What somebody answers about: its level, what it is, and the beginning of what it says.
pub(crate) fn head(seen: &Seen) -> Markup {
    let name = seen.name();
    let says = ["description", "pattern", "content", "value"].map(|key| seen.text(key)).into_iter().find(|text| !text.is_empty() && *text != name);
    html! {
        h3 { (parts::level(seen.marking().level)) " " span.kind { (cut(seen.text("type"))) } " " (parts::object_link(&seen.id(), &name)) }
        @if let Some(text) = says { p.quiet { (cut(text)) } }
    }
}

pub(crate) fn answers<P>(asked: &Asked<'_, P>, id: &str, told: &Told, said_yes: bool) -> Markup {
    let to = &told.recipient;
    html! {
        @if asked.may(Right::Release) {
            form.answers method="post" action="/console/queue" {
                input type="hidden" name="form_token" value=(asked.form_token);
                input type="hidden" name="id" value=(id);
                input type="hidden" name="to" value=(to);
                @for copy in &told.copies { input type="hidden" name="seen" value=(copy); }
                @if said_yes { span.quiet { "you have said yes" } } @else {
                    details.sure {
                        summary aria-label=(format!("Release to {to}…")) { "Release…" }
                        p { "What is given cannot be taken back from whoever took it." }
                        button.primary type="submit" name="answer" value="approve" { "Yes, release it to " (cut(to)) }
                    }
                }
                button type="submit" name="answer" value="refuse" aria-label=(format!("Refuse to {to}")) { "Refuse" }
            }
        } @else { span.quiet { "your role does not answer this" } }
    }
}

pub(crate) fn settle(asked: &Asked<'_, Release>) -> Answer {
    let (id, to) = (asked.form("id"), asked.form("to"));
    // What this person may not hold is not here to be answered.
    if Id::parse(id).is_none() || object::name_in_view(asked, id)?.is_none() {
        return Err(Trouble::NotFound);
    }
    let verb = match asked.form("answer") {
        "approve" => "approve",
        "refuse" => "refuse",
        _ => return Err(Trouble::bad("the answer is neither yes nor no", "press one of the two buttons")),
    };
    let told = asked.ask(json!({"do": verb, "id": id, "to": to, "seen": asked.form_all("seen")}), &[])?;
    let released = told.get("released") == Some(&Value::Bool(true));
    asked.note(match verb {
        "approve" if released => format!("Released to {to}."),
        "approve" => format!("Approved for {to}; it takes another person."),
        _ => format!("Refused to {to}. It can be answered again on its page."),
    });
    Ok(Reply::see("/console/queue"))
}
