//! MISP's documents in and out.
//!
//! The rule: what comes in goes through the same door as any other object, and what goes out is made of pages that passed the sink.

use polder_misp::map::{Folk, Offer, Peer, Reader, Stopped, Taker, Unwritten, View, Wanted};
use polder_release::Origin;
use serde_json::{Value, json};

use super::intake::{Document, Keep, Report, prepare_all};
use super::lookup::page;
use super::misp_sync::origin_of;
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::request::Answer;

/// What to do about an element that cannot be kept.
const HELP: &str = "mend it in the MISP it comes from and export it again";

/// Takes a document of MISP.
pub(super) fn take(node: &Node, source: &str, keep: &mut Keep<'_>, document: &Document<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, Failure> {
    let place = document.place;
    let mut report = Report::default();
    let folk = Folk::of(&node.directory().policy()?.alliance);
    let mut done = 0u64;
    let mut keep_offers = |offers: Vec<Offer>| {
        let texts: Vec<&str> = offers.iter().map(|o| o.text.as_str()).collect();
        let mut batch = Vec::with_capacity(offers.len());
        let mut places = Vec::with_capacity(offers.len());
        for (offer, prepared) in offers.iter().zip(prepare_all(&texts, node.store.now_us())) {
            let at = format!("{place}: {}", offer.place);
            match prepared {
                Ok(prepared) => {
                    places.push(at);
                    batch.push(prepared);
                }
                Err(refusal) => report.refuse(&at, &refusal),
            }
        }
        done += u64::try_from(offers.len()).unwrap_or_default();
        let outcomes = keep(&places, batch)?;
        report.count(places.into_iter().zip(outcomes));
        progress(done, 0);
        Ok::<(), Failure>(())
    };
    let own = origin_of(node, source)? == Some(Origin::Own);
    let taker = Taker::new(&node.store, source, &folk, &mut keep_offers);
    let taken = if own { taker.of_house() } else { taker }.take(&|| document.open());
    let taken = taken.map_err(|stopped| match stopped {
        Stopped::Keep(failure) => failure,
        Stopped::Store(e) => e.into(),
        other => Failure::usage(format!("`{place}`: {other}"), "export it from MISP again as JSON"),
    })?;
    report.misp(&taken);
    for (at, reason) in taken.refused {
        report.refused.push(json!({"place": format!("{place}: {at}"), "id": null, "reason": reason, "help": HELP}));
    }
    Ok(report)
}

/// The events a recipient may hold, as MISP's JSON.
pub(super) fn export(node: &Node, recipient: &str) -> Result<Answer, Failure> {
    let policy = node.directory().policy()?;
    let unknown = || Failure::not_found("recipient", recipient, "see `polder recipient list`");
    let entry = policy.recipients.iter().find(|r| &*r.id == recipient).ok_or_else(unknown)?;
    let unexported = node.directory().words.unexported();
    let (peer, alliance) = (Peer::of(entry, &policy.alliance), &policy.alliance);
    let reader = Reader { store: &node.store, peer, alliance, secret: node.store.secret(), recipient, unexported: &unexported };
    let mut damaged = 0;
    let mut pages = |query: &polder_store::Query, form| {
        let page = page(node, recipient, query, form)?;
        damaged += page.unreadable;
        Ok::<_, Failure>(page)
    };
    let failed = |e: Unwritten<Failure>| match e {
        Unwritten::Page(failure) => failure,
        Unwritten::Store(e) => e.into(),
        Unwritten::Disk(e) => Failure::configuration(format!("the events cannot be written: {e}"), "see `polder doctor`"),
    };
    let mut view = View::new(&reader, &mut pages);
    let mut out = b"{\"response\":[".to_vec();
    let mut count = 0usize;
    for head in view.events().map_err(failed)? {
        let Some(uuid) = head.get("uuid").and_then(Value::as_str) else { continue };
        if count > 0 {
            out.extend_from_slice(b",\n");
        }
        if view.event(uuid, Wanted::ALL, &mut out).map_err(failed)? {
            count += 1;
        }
    }
    if count == 0 {
        let why = format!("recipient `{recipient}` may hold no event that came from a MISP");
        return Err(Failure::new(exit::NO, why, "`polder release explain report--UUID --to RECIPIENT` says why; `polder import` takes MISP's JSON"));
    }
    out.extend_from_slice(b"]}\n");
    let exit = if damaged > 0 { exit::PARTIAL } else { exit::OK };
    Ok(Answer { value: json!({"events": count, "damaged": damaged}), bytes: Some(out), exit })
}

/// What was read of the folder that explains MISP's words.
pub(super) fn library(node: &Node) -> Answer {
    let library = node.library();
    let clusters: usize = library.galaxies.iter().map(|g| g.clusters.len()).sum();
    let values: usize = library.lists.iter().map(|l| l.count).sum();
    let unread: Vec<Value> = library.unread.iter().map(|(file, why)| json!({"file": file, "why": why})).collect();
    let exit = if unread.is_empty() { exit::OK } else { exit::PARTIAL };
    let value = json!({"library": {"folder": node.config.misp_library, "object_templates": library.templates.len(), "taxonomies": library.taxonomies.len(),
        "tags": library.entries().count(), "galaxies": library.galaxies.len(), "clusters": clusters, "warninglists": library.lists.len(), "values": values,
        "unread": unread}});
    Answer { value, bytes: None, exit }
}
