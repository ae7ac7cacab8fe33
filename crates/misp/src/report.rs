//! An audit as one page of HTML that needs nothing else, with charts.
//!
//! The rule: no script, no request, and every string escaped: titles in it are other people's.

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use crate::audit::{Audit, Count, Findings, Kind, Reach};

/// Places that the page shows for each kind; `--json` has more.
const PLACES_SHOWN_MAX: usize = 50;
/// Receivers that the page names.
const RECEIVERS_SHOWN_MAX: usize = 100;

const STYLE: &str = "
:root{color-scheme:light dark;--line:#8886;--bar:#2a6fb0;--near:#3a8f5c;--far:#b8521f}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
code{overflow-wrap:anywhere}.bar{fill:var(--bar)}.near{fill:var(--near)}.far{fill:var(--far)}
svg{width:100%;max-width:36rem;height:auto;display:block;margin:.8rem 0}svg text{fill:currentColor;font:15px system-ui,sans-serif}
details{margin:.4rem 0}summary{cursor:pointer}
@media (max-width:40rem){body{font-size:14px}td,th{padding-right:.3rem}code{font-size:12px}}
@media print{details{break-inside:avoid}}
";

/// The page.
#[must_use]
pub fn html(audit: &Audit) -> String {
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "What this MISP gives away" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "What this MISP gives away" }
                p { (audit.seen.events) " events with " (audit.seen.attributes) " attributes were looked at; "
                    (audit.unpublished.events) " of them are not published, and go nowhere until they are; "
                    (audit.findings()) " findings. Values are never repeated here; titles and tags are." }
                h2 { "How far it travels" }
                (reach(audit))
                (receivers("Connected servers that are pushed to", audit.servers.iter().filter(|s| s.pushes).map(|s| (s.name.as_str(), s.count)).collect()))
                @if !audit.community.is_empty() { p { "Organisations on this MISP: " (visible(&audit.community.join(", "))) "." } }
                (receivers("Organisations that sharing groups name", audit.organisations.values().map(|r| (r.name.as_str(), r.count)).collect()))
                (receivers("Sharing groups", audit.groups.values().map(|r| (r.name.as_str(), r.count)).collect()))
                h2 { "What to look at" }
                @if audit.findings.is_empty() { p { "Nothing was found." } } @else { (kinds(audit)) }
                @for (kind, findings) in &audit.findings { (places(*kind, findings)) }
                @if !audit.unread.is_empty() {
                    h2 { "What could not be read" }
                    table { tr { th { "File" } th { "Why" } }
                        @for file in audit.unread.iter().take(RECEIVERS_SHOWN_MAX) { tr { td { code { (visible(&file.place)) } } td { (visible(&file.reason)) } } } }
                }
            }
        }
    };
    page.into_string()
}

/// Other people's text: what would hide or turn what follows is shown as a sign.
fn visible(text: &str) -> String {
    let hides = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    text.chars().map(|c| if hides(c) { '\u{fffd}' } else { c }).collect()
}

/// One bar of a chart.
struct Bar<'a> {
    name: &'a str,
    count: usize,
    class: &'static str,
}

/// Bars under their names, with their counts: readable on a telephone too.
fn bars(title: &str, bars: &[Bar<'_>]) -> Markup {
    const ROW: usize = 46;
    const WIDE: usize = 440;
    const LONGEST: usize = WIDE - 60;
    let most = bars.iter().map(|b| b.count).max().unwrap_or_default().max(1);
    let height = bars.len() * ROW;
    markup! {
        svg viewBox=(format!("0 0 {WIDE} {height}")) role="img" aria-label=(title) {
            @for (n, bar) in bars.iter().enumerate() {
                @let width = bar.count * LONGEST / most;
                text x="0" y=(n * ROW + 16) { (bar.name) }
                rect class=(bar.class) x="0" y=(n * ROW + 23) width=(width.max(usize::from(bar.count > 0))) height="12" {}
                text x=(width + 6) y=(n * ROW + 34) { (bar.count) }
            }
        }
    }
}

fn reach(audit: &Audit) -> Markup {
    let rows: Vec<(Reach, Count)> = audit.reach.iter().map(|(r, n)| (*r, *n)).collect();
    let chart: Vec<Bar<'_>> = rows
        .iter()
        .map(|(reach, count)| Bar {
            name: reach.says(),
            count: count.attributes,
            class: match reach {
                Reach::Organisation | Reach::Group => "near",
                Reach::Community => "bar",
                Reach::Connected | Reach::All | Reach::Unstated => "far",
            },
        })
        .collect();
    markup! {
        (bars("Attributes by how far they travel", &chart))
        table {
            tr { th { "Goes to" } th.n { "Events" } th.n { "Attributes" } }
            @for (reach, count) in &rows { tr { td { (reach.says()) } td.n { (count.events) } td.n { (count.attributes) } } }
        }
    }
}

fn receivers(title: &str, mut rows: Vec<(&str, Count)>) -> Markup {
    rows.sort_by(|a, b| b.1.attributes.cmp(&a.1.attributes).then(a.0.cmp(b.0)));
    markup! {
        @if !rows.is_empty() {
            h2 { (title) }
            table {
                tr { th { "Name" } th.n { "Events" } th.n { "Attributes" } }
                @for (name, count) in rows.iter().take(RECEIVERS_SHOWN_MAX) { tr { td { (visible(name)) } td.n { (count.events) } td.n { (count.attributes) } } }
            }
            @if rows.len() > RECEIVERS_SHOWN_MAX { p { (RECEIVERS_SHOWN_MAX) " of " (rows.len()) " are shown." } }
        }
    }
}

fn kinds(audit: &Audit) -> Markup {
    let chart: Vec<Bar<'_>> = audit.findings.iter().map(|(kind, f)| Bar { name: kind.says(), count: f.count, class: "far" }).collect();
    bars("Findings by kind", &chart)
}

fn places(kind: Kind, findings: &Findings) -> Markup {
    markup! {
        details {
            summary { (kind.says()) " (" (findings.count) ")" }
            table {
                tr { th { "Event" } th { "What" } th { "Part" } }
                @for place in findings.places.iter().take(PLACES_SHOWN_MAX) {
                    tr { td { (visible(&place.title)) br; code { (visible(&place.event)) } } td { (visible(&place.says)) } td { code { (visible(place.part.as_deref().unwrap_or(""))) } } }
                }
            }
            @if findings.count > PLACES_SHOWN_MAX { p { (PLACES_SHOWN_MAX) " of " (findings.count) " are shown; --json lists more." } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::events;

    #[test]
    fn titles_and_tags_are_text_on_the_page() {
        let hostile = r#"{"info":"<script>x</script>\u202e","date":"d","distribution":3,"Tag":[{"name":"tlp:red\"><img src=x>"}]}"#;
        let mut audit = Audit::default();
        events(hostile.as_bytes()).unwrap().iter().for_each(|e| audit.add(e));
        let page = html(&audit);
        assert!(page.contains("&lt;script&gt;x") && !page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(!page.contains('\u{202e}'), "nothing turns what follows");
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("url("), "nothing is asked for elsewhere");
    }
}
