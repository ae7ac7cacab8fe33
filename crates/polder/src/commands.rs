//! Carrying out requests on an open node.
//!
//! The rule: bytes of objects come from `Store::page` and pass the sink; the only other way, a row's bytes for the holder's own people,
//! first asks the decision.

mod effect;
mod guard;
mod health;
mod intake;
mod lookup;
mod marking;
mod misp;
mod misp_feed;
mod misp_push;
pub(crate) mod misp_sync;
mod parts;
pub(crate) mod people;
mod rules;
mod sharing;
mod users;
mod widening;

pub(crate) use guard::objections;
use polder_stix::Id;
use widening::{Widening, Wider, Wish};

use crate::failure::Failure;
use crate::node::Node;
use crate::request::{Answer, Request};

/// Carries out a request. `by`: who asks, for the journal. `body`: what travels beside the request.
pub(crate) fn run(node: &Node, by: &str, request: Request, body: &[u8], progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    run_for(node, Caller { by, reader: None }, request, body, progress)
}

/// Who asks, and whose view the answer may not go beyond; on the node's own machine there is no such bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'c> {
    pub(crate) by: &'c str,
    pub(crate) reader: Option<&'c str>,
}

/// The same for somebody who may know only what a recipient may. What changes who is who stands in the log of acts in words.
pub(crate) fn run_for(node: &Node, caller: Caller<'_>, request: Request, body: &[u8], progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let words = noted(&request);
    let mut turn = acts_on_what_it_saw(&request).then(|| node.in_turn());
    let answer = carry_out(node, caller, request, body, progress);
    if let Some(turn) = &mut turn {
        **turn += 1;
    }
    drop(turn);
    let answer = answer?;
    if let Some(words) = words {
        node.store.act(polder_store::Act::Note(words), caller.by)?;
    }
    Ok(answer)
}

/// An import takes its turn batch by batch, so that nobody who recalls waits for all of it.
fn acts_on_what_it_saw(request: &Request) -> bool {
    match request {
        Request::ObjectMark { dry_run, .. } | Request::ObjectRecall { dry_run, .. } => !dry_run,
        Request::ObjectWiden { answer, .. } | Request::ObjectLift { answer, .. } => answer.is_some(),
        Request::Approve { .. } | Request::Refuse { .. } | Request::MarkingPin => true,
        _ => false,
    }
}

/// How a change of the files that say who is who is told: the command, and whom it was about.
fn noted(request: &Request) -> Option<String> {
    let told = |verb: &str, of: &str| Some(format!("{verb} {of}"));
    match request {
        Request::RecipientAdd { id, .. } => told("recipient add", id),
        Request::RecipientSuspend { id, suspend } => told(if *suspend { "recipient suspend" } else { "recipient resume" }, id),
        Request::RecipientRemove { id } => told("recipient remove", id),
        Request::MemberAdd { id, .. } => told("member add", id),
        Request::MemberRemove { id } => told("member remove", id),
        Request::GroupAdd { id, .. } => told("group add", id),
        Request::GroupRemove { id } => told("group remove", id),
        Request::SourceAdd { name, .. } => told("source add", name),
        Request::SourceSet { name, .. } => told("source set", name),
        Request::SourceRemove { name } => told("source remove", name),
        Request::StandingAdd { id, .. } => told("standing add", id),
        Request::StandingRemove { id } => told("standing remove", id),
        Request::CollectionAdd { alias, .. } => told("collection add", alias),
        Request::CollectionRemove { alias } => told("collection remove", alias),
        Request::UserAdd { user, role, .. } => told("user add", &format!("{user} as {role}")),
        Request::UserPassword { user, .. } => told("user password", user),
        Request::UserRole { user, role } => told("user role", &format!("{user} {role}")),
        _ => None,
    }
}

fn carry_out(node: &Node, caller: Caller<'_>, request: Request, body: &[u8], progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let (by, reader) = (caller.by, caller.reader);
    match request {
        Request::Import { source, own, dry_run, place, file } => {
            intake::import(node, caller, &intake::From { source, own, place, file }, body, dry_run, progress)
        }
        Request::Pull { url, user, password, token, source, collection, ca } => {
            intake::pull(node, by, &intake::Peer { url, user, password, token, source, collection, ca }, progress)
        }
        Request::Export { to, format } if format == "misp" => misp::export(node, &to),
        Request::Export { to, .. } => lookup::export(node, &to),
        Request::ObjectGet { id, original, all } => lookup::get(node, &parse_id(node, &id)?, original, all),
        Request::ObjectFind { words, object_type, refers_to, since, until, limit } => {
            lookup::find(node, &lookup::Wanted { words, object_type, refers_to, since, until, limit })
        }
        Request::ObjectMark { id, level, source, dry_run } => marking::mark(node, caller, &parse_id(node, &id)?, (&level, source.as_deref()), dry_run),
        Request::ObjectRecall { id, dry_run } => marking::recall(node, caller, &parse_id(node, &id)?, dry_run),
        Request::ObjectWiden { id, level, audience, keep, seen, answer } => {
            let wish = Wish::Version(Wider::of(node, &level, &audience, keep)?);
            widening::widen(node, caller, &parse_id(node, &id)?, (&wish, seen.as_deref()), Widening::of(answer.as_deref()))
        }
        Request::ObjectLift { id, left, seen, answer } => {
            widening::widen(node, caller, &parse_id(node, &id)?, (&Wish::lift(&left)?, seen.as_deref()), Widening::of(answer.as_deref()))
        }
        Request::MarkingPin => sharing::pin(node, by, body),
        Request::Explain { id, to } => sharing::explain(node, reader, &parse_id(node, &id)?, &to),
        Request::Audience { id } => sharing::audience(node, reader, &parse_id(node, &id)?),
        Request::Queue => sharing::queue(node, reader),
        Request::Approve { id, to, seen } => sharing::settle(node, caller, &parse_id(node, &id)?, &to, (true, seen)),
        Request::Refuse { id, to, seen } => sharing::settle(node, caller, &parse_id(node, &id)?, &to, (false, seen)),
        Request::WhoHas { id, receipts } => sharing::who_has(node, reader, &parse_id(node, &id)?, receipts),
        Request::WhatHas { recipient } => sharing::what_has(node, reader, &recipient),
        Request::Summary { recipient } => sharing::summary(node, &recipient, reader),
        Request::MispAdd { name, url, key, source, to, ca } => misp_sync::add(node, &name, url, key, source, to, ca),
        Request::MispSet { name, url, key, to, ca } => misp_sync::set(node, &name, url, key, to, ca),
        Request::MispRemove { name } => misp_sync::remove(node, &name),
        Request::MispTest { name } => misp_sync::test(node, &name),
        Request::MispPull { name, full } => misp_sync::noted(node, &name, "pull", misp_sync::pull(node, by, &name, full, progress)),
        Request::MispPush { name, only } => misp_sync::noted(node, &name, "push", misp_push::push(node, by, (&name, only.as_deref()), progress)),
        Request::MispFeed { url, source, format, ca } => misp_feed::read(node, by, &misp_feed::Asked { url, source, format, ca }, progress),
        Request::MispStatus => misp_sync::status(node),
        Request::MispLibrary => Ok(misp::library(node)),
        Request::Doctor => health::doctor(node),
        Request::ConfigShow => Ok(health::config_show(node)),
        Request::UserAdd { .. } | Request::UserPassword { .. } | Request::UserRole { .. } | Request::UserRemove { .. } | Request::UserList => {
            users::run(node, by, request)
        }
        other => people::run(node, by, other),
    }
}

/// An id, or the UUID by which a MISP knows the thing.
fn parse_id(node: &Node, text: &str) -> Result<Id, Failure> {
    if let Some(id) = Id::parse(text) {
        return Ok(id);
    }
    let help = "an id looks like indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f; of what came from a MISP its UUID will do";
    let uuid = Id::parse(&format!("x--{}", text.trim().to_ascii_lowercase())).map(|id| id.uuid);
    let uuid = uuid.ok_or_else(|| Failure::usage(format!("`{text}` is not a STIX id"), help))?;
    let known: Vec<Id> = node.store.named(uuid).into_iter().filter(|id| &*id.kind != polder_misp::LOCAL_STATE).collect();
    match known.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::not_found("object", text, "look for it with `polder object find WORDS`")),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Failure::usage(format!("`{text}` is the UUID of several: {}", names.join(", ")), "name the one you mean"))
        }
    }
}
