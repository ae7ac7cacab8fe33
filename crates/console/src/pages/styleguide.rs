//! Every part that pages are made of, on one page.
//!
//! The rule: what is not here is not used.

use std::collections::BTreeMap;

use maud::html;

use super::preview::{self, Told};
use super::{forms, object};
use crate::guard::{Answer, Asked, Read};
use crate::markdown;
use crate::parts::{self, Marking};
use crate::text::shown;

pub(crate) fn show(asked: &Asked<'_, Read>) -> Answer {
    let told = |recipient: &str, verdict: &str, reason: &str| Told {
        recipient: recipient.to_owned(),
        verdict: verdict.to_owned(),
        reason: reason.to_owned(),
        ..Told::default()
    };
    let before = [told("bravo", "release", ""), told("charlie", "redact", "")];
    let after = [
        told("bravo", "withhold", "TLP:RED goes to persons and nodes named by the originator, and no further"),
        told("charlie", "redact", "some properties are marked for others"),
        told("delta", "hold", "nobody has explained to this node what a marking means"),
    ];
    let ways = BTreeMap::from([("charlie".to_owned(), "pushed to MISP harbour".to_owned())]);
    let levels = || std::iter::once(None).chain(parts::LEVELS.map(Some));
    let main = html! {
        h1 { "Parts" }
        h2 { "Marking" }
        @for level in levels() { (parts::banner(&Marking { level, more: vec!["for alfa, bravo".to_owned()] })) }
        p { @for level in levels() { (parts::level(level)) " " } }
        h2 { "Verdicts" }
        p { @for verdict in ["release", "redact", "hold", "withhold"] { (parts::verdict(verdict)) " " } }
        p { (parts::mark("on", "something that is so")) " " (parts::mark("off", "something that is not")) }
        (preview::table(&after, Some(&before), &ways, &|_| html! {}))
        h2 { "Notices" }
        @for kind in ["info", "warning", "error"] { (parts::notice(kind, &html! { p { "A notice of the kind " (kind) "." } })) }
        (parts::nothing("There is nothing here.", "What to do about that."))
        h2 { "Forms" }
        form.card {
            (parts::field("example", "A field", "What it takes.", &html! { input id="example" name="example" aria-describedby="example-help"; }))
            (parts::field("choice", "A choice", "", &parts::choice("choice", &[("a", "one"), ("b", "another")], "b")))
            label.check { input type="checkbox" checked; " a yes or no" }
            @for field in forms::KINDS.iter().take(1).flat_map(forms::Kind::fields).take(5) { (forms::input(field, &[], &object::Names::new())) }
            details.more { summary { "What few need" } p { "More of it." } }
            details.sure { summary { "What is asked twice…" } p { "What comes of it." } button.primary type="button" { "Yes, do it" } }
            button.primary type="button" { "The one thing to do" } " " button type="button" { "Another" } " " button.danger type="button" { "What takes away" }
        }
        h2 { "Strings of objects" }
        p { (shown("invoice\u{202e}fdp.exe <b>bold</b> https://far.example/a")) }
        (markdown::text("A text with **marks of formatting**, and [an address](https://far.example/b)."))
        p { (parts::moment(1_780_000_000_000_000)) " " (parts::object_link("indicator--0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e02", "a link to an object")) }
    };
    Ok(asked.page("Parts", &main))
}
