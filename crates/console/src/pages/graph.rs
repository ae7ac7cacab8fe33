//! What an object has to do with others: its neighbourhood as a picture and as a table.
//!
//! The rule: it grows only as it is asked to, what is left out is said, and every object and line in it is of the reader's own view.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use maud::{Markup, html};
use polder_release::{Form, Level};
use polder_stix::Id;
use polder_store::{Query, Versions};
use serde_json::Value;

use super::object::{self, Names};
use super::objects::{Seen, form_for};
use crate::guard::{Answer, Asked, Read, Trouble};
use crate::parts::Marking;
use crate::sink::Reply;
use crate::text::cut;
use crate::{limits, parts};

/// A line: from, what, to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    from: Id,
    what: String,
    to: Id,
}

/// Objects by how far they are from the middle, and the lines between them.
#[derive(Debug)]
struct Around {
    middle: Id,
    distance: BTreeMap<Id, usize>,
    lines: Vec<Line>,
    names: Names,
    /// The strictest level of what is shown.
    level: Option<Level>,
    /// Neighbours that were found and are not shown.
    left_out: usize,
}

/// The properties that name other objects, with what they say.
pub(crate) fn references(object: &Value) -> Vec<(String, Id)> {
    let mut out = Vec::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        // Who wrote what is no neighbourhood, or everything would be next to everything.
        if key == "object_marking_refs" || key == "created_by_ref" {
            continue;
        }
        let says = key.trim_end_matches("_refs").trim_end_matches("_ref").replace('_', " ");
        let says = if says == "object" { "is about".to_owned() } else { says };
        match value {
            Value::String(text) if key.ends_with("_ref") => out.extend(Id::parse(text).map(|id| (says, id))),
            Value::Array(list) if key.ends_with("_refs") => {
                out.extend(list.iter().take(limits::GRAPH_NODES_MAX).filter_map(Value::as_str).filter_map(Id::parse).map(|id| (says.clone(), id)));
            }
            _ => {}
        }
    }
    out
}

/// The lines of one object: those it draws itself, or the one it is.
fn lines_of(object: &Value, own: &Id) -> Vec<Line> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    if &*own.kind == "relationship" {
        let ends = (Id::parse(text("source_ref")), Id::parse(text("target_ref")));
        return if let (Some(from), Some(to)) = ends { vec![Line { from, what: text("relationship_type").to_owned(), to }] } else { Vec::new() };
    }
    references(object).into_iter().map(|(what, to)| Line { from: own.clone(), what, to }).collect()
}

/// Neighbours of one object, by way of relationships and of references in both directions.
fn neighbours<P>(asked: &Asked<'_, P>, id: &Id) -> Result<Vec<Line>, Trouble> {
    let own = asked.view(&Query { ids: Some(vec![id.clone()]), versions: Versions::last(), ..Query::default() }, Form::Whole)?;
    let (about, _) = asked.referrers(id, limits::GRAPH_NODES_MAX)?;
    let seen = own.items.into_iter().chain(about).filter_map(Seen::of);
    Ok(seen.flat_map(|s| lines_of(&s.object, &s.item.entry.id)).filter(|l| l.from == *id || l.to == *id).collect())
}

fn around<P>(asked: &Asked<'_, P>, middle: &Id, hops: usize, cap: usize) -> Result<Around, Trouble> {
    let mut distance = BTreeMap::from([(middle.clone(), 0)]);
    let mut lines: Vec<Line> = Vec::new();
    let mut edge = vec![middle.clone()];
    let mut left_out: HashSet<Id> = HashSet::new();
    for hop in 1..=hops {
        let mut next = Vec::new();
        for id in &edge {
            for line in neighbours(asked, id)? {
                let other = if line.from == *id { line.to.clone() } else { line.from.clone() };
                if !distance.contains_key(&other) {
                    if distance.len() >= cap {
                        left_out.insert(other);
                        continue;
                    }
                    distance.insert(other.clone(), hop);
                    next.push(other);
                }
                lines.push(line);
            }
        }
        edge = next;
    }
    let (names, level) = named_and_marked(asked, distance.keys().cloned().collect())?;
    // What is named and not in the view may be anything, so it is no part of the picture.
    distance.retain(|id, _| names.contains_key(id));
    lines.retain(|l| distance.contains_key(&l.from) && distance.contains_key(&l.to));
    lines.sort();
    lines.dedup();
    let left_out: Vec<Id> = left_out.into_iter().filter(|id| !distance.contains_key(id)).collect();
    let left_out = object::named(asked, left_out)?.len();
    Ok(Around { middle: middle.clone(), distance, lines, names, level, left_out })
}

/// What these are called, and the strictest level among them.
fn named_and_marked<P>(asked: &Asked<'_, P>, ids: Vec<Id>) -> Result<(Names, Option<Level>), Trouble> {
    let page = asked.view(&Query { ids: Some(ids), versions: Versions::last(), ..Query::default() }, form_for(asked))?;
    let seen: Vec<Seen> = page.items.into_iter().filter_map(Seen::of).collect();
    let level = seen.iter().filter_map(|s| s.marking().level).max();
    Ok((seen.into_iter().map(|s| (s.item.entry.id.clone(), s.name())).collect(), level))
}

pub(crate) fn show(asked: &Asked<'_, Read>) -> Answer {
    let seen = object::of_address(asked)?;
    let id = seen.item.entry.id.clone();
    let hops = asked.query("hops").parse::<usize>().unwrap_or(1).clamp(1, limits::GRAPH_HOPS_MAX);
    let cap = asked.query("most").parse::<usize>().unwrap_or(60).clamp(2, limits::GRAPH_NODES_MAX);
    let around = around(asked, &id, hops, cap)?;
    let picture = picture(&around);
    if asked.query("as") == "svg" {
        return Ok(Reply::download(standalone(&picture).into_bytes(), "image/svg+xml", "graph.svg"));
    }
    let marking = Marking { level: around.level, more: vec!["the strictest of what is shown".to_owned()] };
    let shown = around.distance.len();
    let address = format!("/console/objects/{id}/graph");
    let main = html! {
        (parts::banner(&marking))
        h1 { "Around " (cut(&seen.name())) }
        p { (parts::object_link(&id.to_string(), "Back to the object")) }
        form.filters method="get" action=(address) {
            (parts::field("hops", "Steps", "", &parts::choice("hops", &[("1", "one"), ("2", "two"), ("3", "three")], &hops.to_string())))
            (parts::field("most", "At most", "", &parts::choice("most", &[("30", "30"), ("60", "60"), ("150", "150"), ("300", "300")], &cap.to_string())))
            button type="submit" { "Show" }
            a.button href=(format!("{address}?hops={hops}&most={cap}&as=svg")) { "Save as SVG" }
        }
        p role="status" { strong { (shown) " of " (shown + around.left_out) " shown" } @if around.left_out > 0 { ": raise the limit, or begin from one of the others" } }
        (legend(&around))
        figure.graph id="picture" data-live="view" { (picture) figcaption.quiet { "The same as a table below. A press on an object leads around it." @if is_dense(&around) { " Of so many, those that most lines lead to are named; the others on hover and focus." } } }
        (table(&around))
        (parts::banner(&marking))
    };
    Ok(asked.page("Graph", &main))
}

/// Names would cover each other.
fn is_dense(around: &Around) -> bool {
    around.distance.len() > 60
}

/// Those that most lines lead to, named even among many.
fn hubs(around: &Around) -> BTreeSet<&Id> {
    const HUBS_MAX: usize = 12;
    let mut count: BTreeMap<&Id, usize> = BTreeMap::new();
    around.lines.iter().flat_map(|l| [&l.from, &l.to]).for_each(|id| *count.entry(id).or_default() += 1);
    let mut all: Vec<(usize, &Id)> = count.into_iter().map(|(id, n)| (n, id)).collect();
    all.sort_by(|a, b| b.cmp(a));
    all.into_iter().take(HUBS_MAX).map(|(_, id)| id).collect()
}

/// What the colours say, of the kinds that are here; each object says its type in words too.
fn legend(around: &Around) -> Markup {
    let here: BTreeSet<&str> = around.distance.keys().map(|id| class_of(&id.kind).0).collect();
    let classes = ["indicator", "malware", "campaign", "report", "identity", "other"].map(class_of);
    html! {
        ul.dots aria-label="legend" {
            @for (class, words) in classes.iter().filter(|(class, _)| here.contains(class)) { li { svg viewBox="-10 -10 20 20" aria-hidden="true" { circle.(class) r="8" {} } " " (words) } }
        }
    }
}

fn table(around: &Around) -> Markup {
    let link = |id: &Id| parts::object_link(&id.to_string(), around.names.get(id).map_or("", String::as_str));
    html! {
        h2 { "As a table" }
        div.wide tabindex="0" role="region" aria-label="lines of the graph" {
            table {
                thead { tr { th scope="col" { "From" } th scope="col" { "What" } th scope="col" { "To" } } }
                tbody { @for line in &around.lines { tr {
                    th scope="row" { span.kind { (cut(&line.from.kind)) } " " (link(&line.from)) }
                    td { (cut(&line.what)) }
                    td { span.kind { (cut(&line.to.kind)) } " " (link(&line.to)) }
                } } }
            }
        }
    }
}

const WIDTH: f64 = 1000.0;

/// Places on rings around the middle, each near what it hangs on.
fn places(around: &Around) -> HashMap<Id, (f64, f64)> {
    let rings = around.distance.values().copied().max().unwrap_or(0).max(1);
    let mut places = HashMap::from([(around.middle.clone(), (0.0, 0.0))]);
    let mut angle: HashMap<Id, f64> = HashMap::from([(around.middle.clone(), 0.0)]);
    for ring in 1..=rings {
        let here: Vec<&Id> = around.distance.iter().filter(|(_, d)| **d == ring).map(|(id, _)| id).collect();
        // Towards the mean direction of what it is joined to nearer the middle.
        let wish = |id: &Id| {
            let inner = around.lines.iter().filter_map(|l| match (l.from == *id, l.to == *id) {
                (true, _) => angle.get(&l.to),
                (_, true) => angle.get(&l.from),
                _ => None,
            });
            inner.copied().next().unwrap_or(0.0)
        };
        let mut order: Vec<(f64, &Id)> = here.iter().map(|id| (wish(id), *id)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        let count = order.len().max(1);
        let radius = WIDTH * 0.44 * as_f64(ring) / as_f64(rings);
        for (n, (_, id)) in order.into_iter().enumerate() {
            let turn = std::f64::consts::TAU * (as_f64(n) + 0.5 * as_f64(ring % 2)) / as_f64(count);
            // Every other one a little further in, so that names have room.
            let r = radius * if count > 12 && n % 2 == 1 { 0.82 } else { 1.0 };
            angle.insert(id.clone(), turn);
            // Wider than high, as names are.
            places.insert(id.clone(), (1.3 * r * turn.cos(), r * turn.sin()));
        }
    }
    places
}

fn as_f64(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// How objects of a type are drawn, and what these are.
fn class_of(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "indicator" | "sighting" | "observed-data" => ("g-seen", "indicators and what was seen"),
        "malware" | "tool" | "attack-pattern" | "vulnerability" | "infrastructure" => ("g-means", "means: malware, tools, techniques, vulnerabilities"),
        "threat-actor" | "intrusion-set" | "campaign" | "incident" => ("g-who", "actors, campaigns, incidents"),
        "report" | "note" | "opinion" | "grouping" => ("g-says", "reports, notes, groupings"),
        "identity" | "location" => ("g-whom", "organisations and places"),
        _ => ("g-other", "other objects"),
    }
}

fn picture(around: &Around) -> Markup {
    let (places, hubs) = (places(around), hubs(around));
    let at = |id: &Id| places.get(id).copied().unwrap_or_default();
    let number = |x: f64| format!("{x:.1}");
    let short = |id: &Id| {
        let name = crate::text::plain(around.names.get(id).map_or("", String::as_str), 200);
        let cut: String = name.chars().take(28).collect();
        if name.is_empty() {
            id.kind.to_string()
        } else if cut.len() < name.len() {
            format!("{}…", cut.trim_end())
        } else {
            name
        }
    };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="-700 -520 1400 1040" role="group" aria-labelledby="graph-title" {
            text x="0" y="-500" text-anchor="middle" { (parts::level_look(around.level).2) }
            title id="graph-title" { "Neighbourhood, " (around.distance.len()) " objects and " (around.lines.len()) " lines; the table below says the same" }
            g.lines { @for line in &around.lines {
                @let (a, b) = (at(&line.from), at(&line.to));
                line x1=(number(a.0)) y1=(number(a.1)) x2=(number(b.0)) y2=(number(b.1)) { title { (crate::text::plain(&line.what, 60)) } }
            } }
            g.dense[is_dense(around)] { @for id in around.distance.keys() {
                @let (x, y) = at(id);
                a.middle[*id == around.middle].hub[hubs.contains(id)] href=(format!("/console/objects/{id}/graph")) {
                    title { (id.kind) ": " (short(id)) }
                    circle.(class_of(&id.kind).0) cx=(number(x)) cy=(number(y)) r=(if *id == around.middle { "14" } else { "9" }) {}
                    text x=(number(x)) y=(number(y + 24.0)) text-anchor="middle" { (short(id)) }
                }
            } }
        }
    }
}

/// The picture alone, with what it needs to look the same.
fn standalone(picture: &Markup) -> String {
    let style = "<style>line{stroke:#8795a1}circle{fill:#0b5cad}text{font:14px sans-serif;fill:#16202b}</style>";
    picture.0.replacen('>', &format!(">{style}"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(kind: &str, n: u128) -> Id {
        Id { kind: kind.into(), uuid: n }
    }

    #[test]
    fn a_relationship_is_a_line_and_a_reference_draws_one() {
        let (a, b) = (id("malware", 1), id("tool", 2));
        let relationship = json!({"source_ref": a.to_string(), "target_ref": b.to_string(), "relationship_type": "uses"});
        assert_eq!(lines_of(&relationship, &id("relationship", 3)), [Line { from: a.clone(), what: "uses".into(), to: b.clone() }]);
        let report = json!({"object_refs": [a.to_string(), "none"], "created_by_ref": b.to_string(), "object_marking_refs": [a.to_string()], "name_ref": 7});
        let own = id("report", 4);
        let says = |what: &str, to: &Id| Line { from: own.clone(), what: what.into(), to: to.clone() };
        assert_eq!(lines_of(&report, &own), [says("is about", &a)]);
    }

    #[test]
    fn no_two_objects_lie_on_each_other() {
        let middle = id("report", 0);
        let others: Vec<Id> = (1..=40).map(|n| id("indicator", n)).collect();
        let mut distance: BTreeMap<Id, usize> = others.iter().map(|o| (o.clone(), 1)).collect();
        distance.insert(middle.clone(), 0);
        let lines = others.iter().map(|o| Line { from: middle.clone(), what: "is about".into(), to: o.clone() }).collect();
        let places = places(&Around { middle, distance, lines, names: Names::new(), level: None, left_out: 0 });
        let all: Vec<(f64, f64)> = places.values().copied().collect();
        for (n, a) in all.iter().enumerate() {
            for b in &all[n + 1..] {
                assert!((a.0 - b.0).hypot(a.1 - b.1) > 18.0, "{a:?} {b:?}");
            }
        }
    }
}
