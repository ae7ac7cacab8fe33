//! The policy in force, as its owner reads it: who belongs to the alliance, what is added by rule, what sources count as, who may log in.
//!
//! The rule: it is read here and changed on the command line, which says what each change gives and takes.

use maud::{Markup, html};
use serde_json::{Value, json};

use crate::desk::Right;
use crate::guard::{Answer, Asked, Preview};
use crate::text::cut;

/// One list of a file as a table: key and word of each column.
fn table(name: &str, rows: &[Value], columns: &[(&str, &str)]) -> Markup {
    html! {
        @if rows.is_empty() { p.quiet { "None." } } @else {
            div.wide tabindex="0" role="region" aria-label=(name) {
                table.stacks {
                    thead { tr { @for (_, word) in columns { th scope="col" { (word) } } } }
                    tbody { @for row in rows { tr { @for (n, (key, word)) in columns.iter().enumerate() { @if n == 0 { th scope="row" { (cell(row.get(*key))) } } @else { td data-label=(word) { (cell(row.get(*key))) } } } } } }
                }
            }
        }
    }
}

fn cell(value: Option<&Value>) -> Markup {
    html! {
        @match value {
            Some(Value::Array(list)) => { @for (n, item) in list.iter().enumerate() { @if n > 0 { ", " } (cell(Some(item))) } }
            Some(Value::String(text)) => { (cut(text)) }
            Some(Value::Bool(yes)) => { @if *yes { "yes" } @else { "no" } }
            Some(Value::Null) | None => { span.quiet { "–" } }
            Some(other) => { (other.to_string()) }
        }
    }
}

pub(crate) fn show(asked: &Asked<'_, Preview>) -> Answer {
    let list = |request: &str, key: &str| -> Result<Vec<Value>, crate::guard::Trouble> {
        Ok(asked.ask(json!({"do": request}), &[])?.get(key).and_then(Value::as_array).cloned().unwrap_or_default())
    };
    let users = if asked.may(Right::Administer) || asked.may(Right::Audit) { Some(list("user-list", "users")?) } else { None };
    let main = html! {
        h1 { "Policy" }
        p { "What is in force. It is changed on the command line, where each change says who gains and who loses by it." }
        h2 { "Members" }
        (table("members", &list("member-list", "members")?, &[("id", "Id"), ("name", "Name"), ("kind", "Kind"), ("client_of", "Client of"), ("in_alliance", "In the alliance")]))
        h2 { "Groups" }
        (table("groups", &list("member-list", "groups")?, &[("id", "Id"), ("members", "Members"), ("persons", "Persons")]))
        h2 { "Standing releases" }
        p.quiet { "Own objects of these levels and types also go to these, where no audience is named; never TLP:RED." }
        (table("standing releases", &list("standing-list", "standing")?, &[("id", "Id"), ("levels", "Levels"), ("types", "Types"), ("members", "Members"), ("recipients", "Recipients")]))
        h2 { "Sources" }
        (table("sources", &list("source-list", "sources")?, &[("name", "Name"), ("kind", "Kind"), ("member", "Member"), ("default_tlp", "Unmarked counts as"), ("default_members", "and is for")]))
        h2 { "Collections" }
        (table("collections", &list("collection-list", "collections")?, &[("alias", "Name"), ("title", "Title"), ("types", "Types"), ("read", "Read by"), ("write", "Added to by")]))
        @if let Some(users) = users {
            h2 { "Logins" }
            (table("logins", &users, &[("user", "Name"), ("recipient", "Recipient"), ("role", "Role"), ("rights", "May")]))
        }
    };
    Ok(asked.page("Policy", &main))
}
