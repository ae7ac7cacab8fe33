//! What is on the screen, as a file for a recipient.
//!
//! The rule: the file is that recipient's own page of these objects, entered in the ledger as given to it; for oneself it is one's own.

use maud::{Markup, html};
use polder_release::Form;
use polder_stix::Id;
use polder_stix::time::Version;
use polder_store::{Query, Versions};

use super::objects::Seen;
use crate::desk::Right;
use crate::guard::{Answer, Asked, Read, Trouble};
use crate::sink::{self, Reply};
use crate::{limits, parts};

/// The form under a list: for oneself, or, of who releases, for anybody.
pub(crate) fn form<P>(asked: &Asked<'_, P>, seen: &[Seen]) -> Markup {
    let policy = asked.app.desk.policy();
    let others: Vec<String> =
        policy.filter(|_| asked.may(Right::Release)).map(|p| p.recipients.iter().filter(|r| r.active).map(|r| r.id.to_string()).collect()).unwrap_or_default();
    let own = asked.person.recipient.to_string();
    let options: Vec<(&str, &str)> =
        std::iter::once((own.as_str(), own.as_str())).chain(others.iter().filter(|o| **o != own).map(|o| (o.as_str(), o.as_str()))).collect();
    html! {
        form.filters method="post" action="/console/export" {
            input type="hidden" name="form_token" value=(asked.form_token);
            @for one in seen { input type="hidden" name="id" value=(one.id()); }
            (parts::field("to", "Save what is shown as a STIX bundle for", "", &parts::choice("to", &options, &own)))
            button type="submit" { "Save" }
        }
    }
}

pub(crate) fn bundle(asked: &Asked<'_, Read>) -> Answer {
    let to = match asked.form("to") {
        "" => &*asked.person.recipient,
        other => other,
    };
    let for_oneself = *to == *asked.person.recipient;
    if !for_oneself && !asked.may(Right::Release) {
        return Err(Trouble::Forbidden(Right::Release));
    }
    let known = asked.app.desk.policy().is_some_and(|p| p.recipients.iter().any(|r| *r.id == *to && r.active));
    if !known {
        return Err(Trouble::bad(format!("`{to}` is no recipient that receives"), "choose one of the list"));
    }
    let ids: Vec<Id> = asked.form_all("id").into_iter().filter_map(Id::parse).take(limits::PAGE_OBJECTS_MAX).collect();
    if ids.is_empty() {
        return Err(Trouble::bad("there is nothing to save", "go back to a list with objects"));
    }
    let mine = asked.view(&Query { ids: Some(ids), versions: Versions::last(), ..Query::default() }, Form::Listed)?;
    // What this person may not have is not in the file, whoever it is for.
    let mut rows = Vec::new();
    for item in mine.items {
        rows.extend(if for_oneself { Some(item.entry.row) } else { row_for(asked, &item.entry.id, to)? });
    }
    let mut query = Query { rows: Some(rows), versions: Versions { all: true, ..Versions::default() }, ..Query::default() };
    let mut objects: Vec<Vec<u8>> = Vec::new();
    loop {
        let page = sink::view(&asked.app.store, to, &query, Form::Whole)?;
        objects.extend(page.items.into_iter().map(|item| item.bytes));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    if objects.is_empty() {
        return Err(Trouble::bad(format!("`{to}` may have nothing of what is shown"), "choose somebody else, or other objects"));
    }
    let mut bytes = format!("{{\"type\":\"bundle\",\"id\":\"{}\",\"objects\":[\n", super::draft::random_id("bundle")?).into_bytes();
    bytes.extend(objects.join(&b",\n"[..]));
    bytes.extend_from_slice(b"\n]}\n");
    Ok(Reply::download(bytes, "application/stix+json; version=2.1", "objects.json"))
}

/// Of the copies that the person holds, the latest that the other may have as far as the person may know.
fn row_for<P>(asked: &Asked<'_, P>, id: &Id, to: &str) -> Result<Option<u32>, Trouble> {
    let known = asked.app.store.explain_known(id, to, Some(&asked.person.recipient))?;
    let may = known.into_iter().filter(|e| e.judgement.permits());
    Ok(may.max_by_key(|e| (e.row.version.map(Version::ns), e.row.row)).map(|e| e.row.row))
}
