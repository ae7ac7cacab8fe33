//! The copies of one object that are here: by source, by version, and side by side where they differ.
//!
//! The rule: only copies that the person may hold, each as that person is served it.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use polder_release::Origin;
use polder_stix::time::Version;
use polder_store::RowView;
use serde_json::Value;

use super::objects::Seen;
use super::{lift, preview};
use crate::guard::{Asked, Trouble};
use crate::parts;
use crate::text::cut;

/// Copies that stand side by side.
const BESIDE_MAX: usize = 4;
/// Properties that are compared.
const COMPARED_MAX: usize = 60;

pub(crate) fn section<P>(asked: &Asked<'_, P>, seen: &Seen) -> Result<Markup, Trouble> {
    let rows = preview::copies_held(asked, &seen.item.entry.id)?;
    let versioned = seen.item.entry.version.is_some();
    let same: Vec<&RowView> = rows.iter().filter(|r| r.version == seen.item.entry.version).collect();
    let here = same.len();
    let raised = lift::tightened(asked, &seen.item.entry.id, &rows);
    let sources: BTreeSet<&str> = same.iter().map(|r| &*r.source).collect();
    Ok(html! {
        section aria-labelledby="copies" {
            h2 id="copies" { "Copies here" }
            @if versioned && sources.len() < here { (parts::notice("warning", &html! { p { "In conflict: one source said two different things under one version. Both are kept." } })) }
            @else if versioned && here > 1 { p { "This version came with different content, or from more than one source: " (here) " copies of it are kept apart." } }
            div.wide tabindex="0" role="region" aria-label="copies" {
                table.stacks {
                    thead { tr { th scope="col" { "Source" } th scope="col" { "Version" } th scope="col" { "Marking in force" } th scope="col" { "Signature" } } }
                    tbody {
                        @for row in &rows {
                            tr {
                                th scope="row" { (cut(&row.source)) }
                                td data-label="Version" { @if let Some(v) = row.version { (parts::moment_text(&v.to_string())) } }
                                td data-label="Marking in force" { (parts::level(parts::Marking::of(&row.label).level)) @for to in raised.iter().filter(|to| to.source == row.source) { br; span.quiet { (lift::words(to)) } } }
                                td data-label="Signature" { (signature(&row.origin)) @if row.lifted { br; span.quiet { "came as STIX 2.0" } } }
                            }
                        }
                    }
                }
            }
            (beside(asked, &compared(&rows, seen))?)
        }
    })
}

/// Until members sign what they send, who vouches for a copy is who was logged in when it came.
fn signature(origin: &Origin) -> Markup {
    match origin {
        Origin::Own => html! { "made here" },
        Origin::Member(member) => html! { "not signed; came by the login of " (cut(member)) },
        Origin::Feed => html! { "not signed; a feed, for which nobody vouches" },
    }
}

/// Those that are worth comparing: all of the version that is shown, else the latest of each source.
fn compared<'r>(rows: &'r [RowView], seen: &Seen) -> Vec<&'r RowView> {
    let same: Vec<&RowView> = rows.iter().filter(|r| seen.item.entry.version.is_some() && r.version == seen.item.entry.version).collect();
    if same.len() > 1 {
        return same;
    }
    let mut latest: BTreeMap<&str, &RowView> = BTreeMap::new();
    for row in rows {
        let key = |r: &RowView| (r.version.map(Version::ns), r.row);
        match latest.get(&*row.source) {
            Some(known) if key(known) > key(row) => {}
            _ => drop(latest.insert(&row.source, row)),
        }
    }
    latest.into_values().collect()
}

/// What differs among copies, property by property.
fn beside<P>(asked: &Asked<'_, P>, rows: &[&RowView]) -> Result<Markup, Trouble> {
    let mut copies: Vec<(&RowView, Value)> = Vec::new();
    for row in rows.iter().take(BESIDE_MAX) {
        let bytes = asked.app.store.copy_for(row.row, &asked.person.recipient, None)?;
        copies.extend(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).map(|value| (*row, value)));
    }
    let values: Vec<&Value> = copies.iter().map(|(_, value)| value).collect();
    let differing = differing(&values);
    Ok(html! {
        @if copies.len() > 1 {
            details.beside-copies open[differing.len() <= 8] {
                summary { "Side by side: " (differing.len()) @if differing.len() == 1 { " property differs" } @else { " properties differ" } }
                @if rows.len() > copies.len() { p.quiet { "The first " (copies.len()) " of " (rows.len()) " are compared." } }
                @if !differing.is_empty() {
                    div.wide tabindex="0" role="region" aria-label="copies side by side" {
                        table {
                            thead { tr { th scope="col" { "Property" } @for (row, _) in &copies { th scope="col" { (cut(&row.source)) @if let Some(v) = row.version { br; (parts::moment_text(&v.to_string())) } } } } }
                            tbody { @for (key, texts) in differing.iter().take(COMPARED_MAX) { tr {
                                th scope="row" { (cut(key)) }
                                @for text in texts { td { @if let Some(text) = text { (cut(text)) } @else { span.quiet { "not there" } } } }
                            } } }
                        }
                    }
                    @if differing.len() > COMPARED_MAX { p.quiet { "and " (differing.len() - COMPARED_MAX) " more" } }
                }
            }
        }
    })
}

/// Properties that are not the same in all, with what each says.
pub(crate) fn differing(values: &[&Value]) -> Vec<(String, Vec<Option<String>>)> {
    let keys: BTreeSet<&String> = values.iter().filter_map(|v| v.as_object()).flat_map(|map| map.keys()).collect();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let said = |key: &String| (key.clone(), values.iter().map(|v| v.get(key).map(text)).collect::<Vec<_>>());
    keys.into_iter().map(said).filter(|(_, texts)| texts.windows(2).any(|pair| matches!(pair, [a, b] if a != b))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_named_with_what_each_says() {
        let (a, b) = (json!({"same": 1, "name": "x", "only": [1]}), json!({"same": 1, "name": "y"}));
        let want = [("name", [Some("x"), Some("y")]), ("only", [Some("[1]"), None])];
        let want: Vec<(String, Vec<Option<String>>)> = want.map(|(k, v)| (k.to_owned(), v.map(|t| t.map(str::to_owned)).to_vec())).to_vec();
        assert_eq!(differing(&[&a, &b]), want);
        assert!(differing(&[&a]).is_empty() && differing(&[]).is_empty());
    }
}
