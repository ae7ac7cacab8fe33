//! The ATT&CK matrix over the reader's objects: which techniques are named here, by how much; Navigator layers in and out.
//!
//! The rule: a number counts objects of the reader's own view; a layer that is laid over it is not kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use maud::{Markup, html};
use polder_release::{Form, Level};
use polder_stix::Id;
use polder_store::{Query, Versions};
use serde_json::{Value, json};

use super::objects::{Seen, form_for};
use crate::guard::{Answer, Asked, Read, Trouble};
use crate::parts::Marking;
use crate::sink::Reply;
use crate::text::{cut, shown};
use crate::{limits, parts, text};

/// The order in which matrices show tactics; what is not here comes after, by name.
const TACTICS: [&str; 17] = [
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "inhibit-response-function",
    "impair-process-control",
    "impact",
];

/// A technique of the view.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Technique {
    id: Id,
    domain: &'static str,
    /// As ATT&CK numbers it; empty if it does not say.
    number: String,
    name: String,
    tactics: BTreeSet<String>,
    /// Objects that use, indicate, detect or mitigate it.
    count: usize,
    level: Option<Level>,
}

#[derive(Debug, Default)]
struct Matrix {
    techniques: Vec<Technique>,
    /// The strictest level of what is shown.
    level: Option<Level>,
    /// More than is looked at.
    cut: bool,
}

fn technique(seen: &Seen) -> Technique {
    let list = |key: &str| seen.object.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number =
        list("external_references").iter().filter(|r| text(r, "source_name").starts_with("mitre")).map(|r| text(r, "external_id")).find(|n| is_number(n));
    let phases = list("kill_chain_phases");
    let tactics = phases.iter().filter(|p| text(p, "kill_chain_name").starts_with("mitre")).map(|p| text(p, "phase_name")).filter(|t| !t.is_empty()).collect();
    let number = number.unwrap_or_default();
    let chain = phases.iter().map(|p| text(p, "kill_chain_name")).find(|chain| chain.starts_with("mitre"));
    Technique {
        id: seen.item.entry.id.clone(),
        domain: domain_of(chain.as_deref(), &number),
        number,
        name: seen.name(),
        tactics,
        count: 0,
        level: seen.marking().level,
    }
}

/// Which of ATT&CK's matrices a technique is of: as its kill chain says, else by its number. A layer is of one.
fn domain_of(chain: Option<&str>, number: &str) -> &'static str {
    match chain {
        Some("mitre-mobile-attack") => "mobile-attack",
        Some("mitre-ics-attack") => "ics-attack",
        None if number.starts_with("T0") => "ics-attack",
        _ => "enterprise-attack",
    }
}

fn is_number(text: &str) -> bool {
    text.strip_prefix('T').is_some_and(|rest| !rest.is_empty() && rest.len() <= 8 && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// Objects of some types in the view, all pages of them.
fn every<P>(asked: &Asked<'_, P>, kind: &str, each: &mut dyn FnMut(Seen)) -> Result<bool, Trouble> {
    let mut query = Query { types: Some(vec![kind.into()]), versions: Versions::last(), limit: Some(2000), ..Query::default() };
    let mut count = 0;
    loop {
        let page = asked.view(&query, form_for(asked))?;
        count += page.items.len();
        page.items.into_iter().filter_map(Seen::of).for_each(&mut *each);
        match page.next {
            Some(_) if count >= limits::MATRIX_OBJECTS_MAX => return Ok(true),
            Some(next) => query.after = Some(next),
            None => return Ok(false),
        }
    }
}

/// The techniques of the view; of one actor's, campaign's or malware's alone if it is named.
fn matrix<P>(asked: &Asked<'_, P>, of: Option<&Id>) -> Result<Matrix, Trouble> {
    let mut techniques: BTreeMap<Id, Technique> = BTreeMap::new();
    let mut cut = every(asked, "attack-pattern", &mut |seen| {
        let is_old = ["revoked", "x_mitre_deprecated"].iter().any(|k| seen.object.get(*k) == Some(&Value::Bool(true)));
        if !is_old {
            drop(techniques.insert(seen.item.entry.id.clone(), technique(&seen)));
        }
    })?;
    let mut users: HashMap<Id, BTreeSet<Id>> = HashMap::new();
    // What is shown of an actor is said by the links, and by the actor.
    let mut linked: HashMap<Id, Option<Level>> = HashMap::new();
    cut |= every(asked, "relationship", &mut |seen| {
        let (from, to) = (Id::parse(seen.text("source_ref")), Id::parse(seen.text("target_ref")));
        if let (Some(from), Some(to), "uses" | "indicates" | "detects" | "mitigates") = (from, to, seen.text("relationship_type"))
            && techniques.contains_key(&to)
        {
            if of.is_none_or(|of| *of == from) {
                let level = linked.entry(to.clone()).or_default();
                *level = (*level).max(seen.marking().level);
            }
            users.entry(to).or_default().insert(from);
        }
    })?;
    if let Some(of) = of {
        techniques.retain(|id, _| users.get(id).is_some_and(|u| u.contains(of)));
    }
    for (id, technique) in &mut techniques {
        technique.count = users.get(id).map_or(0, BTreeSet::len);
    }
    let mut techniques: Vec<Technique> = techniques.into_values().collect();
    techniques.sort_by(|a, b| (a.number.is_empty(), &a.number, &a.name).cmp(&(b.number.is_empty(), &b.number, &b.name)));
    let actor = of.map(|of| super::object::latest(asked, of)).transpose()?.flatten().and_then(|seen| seen.marking().level);
    let links = techniques.iter().filter_map(|t| linked.get(&t.id).copied().flatten());
    let level = techniques.iter().filter_map(|t| t.level).chain(links).chain(actor).max();
    Ok(Matrix { techniques, level, cut })
}

/// A Navigator layer that somebody laid over it: name, and technique numbers with their scores.
struct Layer {
    name: String,
    scores: BTreeMap<String, String>,
}

fn layer(bytes: &[u8]) -> Result<Layer, Trouble> {
    let bad = |why: &str| Trouble::bad(format!("this is no Navigator layer: {why}"), "export one from ATT&CK Navigator as JSON");
    if bytes.len() > limits::LAYER_BYTES_MAX {
        return Err(bad("it is too long"));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|e| bad(&e.to_string()))?;
    let list = value.get("techniques").and_then(Value::as_array).ok_or_else(|| bad("it has no `techniques`"))?;
    let text = |v: &Value, key: &str| v.get(key).map(|x| x.as_str().map_or_else(|| x.to_string(), str::to_owned)).unwrap_or_default();
    let on = list.iter().filter(|t| t.get("enabled") != Some(&Value::Bool(false))).map(|t| (text(t, "techniqueID"), text(t, "score")));
    Ok(Layer { name: text(&value, "name"), scores: on.filter(|(id, _)| is_number(id)).collect() })
}

fn actor(of: &str) -> Result<Option<Id>, Trouble> {
    if of.is_empty() { Ok(None) } else { Id::parse(of).map(Some).ok_or_else(|| Trouble::bad(format!("`{of}` is not a STIX id"), "choose one of the list")) }
}

pub(crate) fn show(asked: &Asked<'_, Read>) -> Answer {
    let matrix = matrix(asked, actor(asked.query("of"))?.as_ref())?;
    match asked.query("as") {
        "layer" => {
            let all = domains(&matrix);
            let domain = match asked.query("domain") {
                "" => all.first().copied().unwrap_or("enterprise-attack"),
                wanted => all.iter().find(|d| **d == wanted).copied().ok_or(Trouble::NotFound)?,
            };
            Ok(Reply::download(written(&matrix, domain).to_string().into_bytes(), "application/json", &format!("{domain}-layer.json")))
        }
        "svg" => Ok(Reply::download(svg(&matrix).into_string().into_bytes(), "image/svg+xml", "matrix.svg")),
        _ => page(asked, asked.query("of"), &matrix, None),
    }
}

/// The same with a layer over it.
pub(crate) fn laid(asked: &Asked<'_, Read>) -> Answer {
    let file = asked.sent.file.as_ref().ok_or_else(|| Trouble::bad("no layer was chosen", "choose a file that ATT&CK Navigator exported"))?;
    let over = layer(&file.bytes)?;
    let of = actor(asked.form("of"))?;
    page(asked, asked.form("of"), &matrix(asked, of.as_ref())?, Some(&over))
}

fn page(asked: &Asked<'_, Read>, of: &str, matrix: &Matrix, over: Option<&Layer>) -> Answer {
    let actors = actors(asked)?;
    let options: Vec<(&str, &str)> = std::iter::once(("", "everything here")).chain(actors.iter().map(|(id, name)| (id.as_str(), name.as_str()))).collect();
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("of", of).finish();
    let marking = Marking { level: matrix.level, more: vec!["the strictest of what is shown".to_owned()] };
    let main = html! {
        (parts::banner(&marking))
        h1 { "ATT&CK matrix" }
        div.filters {
            form.filters method="get" action="/console/matrix" {
                (parts::field("of", "Techniques of", "", &parts::choice("of", &options, of)))
                button type="submit" { "Show" }
            }
            form.filters method="post" action="/console/matrix" enctype="multipart/form-data" {
                input type="hidden" name="form_token" value=(asked.form_token);
                input type="hidden" name="of" value=(of);
                (parts::field("file", "Lay a Navigator layer over it", "", &html! { input id="file" name="file" type="file" accept="application/json,.json" required; }))
                button type="submit" { "Lay over" }
            }
        }
        nav.actions aria-label="actions" { ul {
            @let domains = domains(matrix);
            @for domain in &domains { li { a.button href=(format!("/console/matrix?{query}&as=layer&domain={domain}")) { "Save as Navigator layer" @if domains.len() > 1 { " (" (domain.trim_end_matches("-attack")) ")" } } } }
            li { a.button href=(format!("/console/matrix?{query}&as=svg")) { "Save as SVG" } }
        } }
        @if matrix.techniques.is_empty() { (parts::nothing("No technique is here for you.", "Techniques are objects of the type attack-pattern.")) }
        @else { (legend(over)) div id="grid" data-live=[over.is_none().then_some("view")] { (grid(matrix, over)) } }
        @if matrix.cut { p.quiet { "The first " (limits::MATRIX_OBJECTS_MAX) " relationships and techniques were looked at." } }
        @if let Some(over) = over { (uncovered(matrix, over)) }
        (parts::banner(&marking))
    };
    Ok(asked.page("ATT&CK matrix", &main))
}

/// Whose techniques can be shown: names of those in the view, the first of many.
fn actors<P>(asked: &Asked<'_, P>) -> Result<Vec<(String, String)>, Trouble> {
    const ACTORS_MAX: usize = 500;
    let types = ["intrusion-set", "threat-actor", "campaign", "malware", "tool"].map(Into::into).to_vec();
    let page = asked.view(&Query { types: Some(types), versions: Versions::last(), limit: Some(ACTORS_MAX), ..Query::default() }, Form::Whole)?;
    let mut all: Vec<(String, String)> = page.items.into_iter().filter_map(Seen::of).map(|s| (s.id(), text::plain(&s.name(), 60))).collect();
    all.sort_by_cached_key(|a| a.1.to_lowercase());
    Ok(all)
}

fn shade(count: usize) -> &'static str {
    match count {
        0 => "s0",
        1 => "s1",
        2 => "s2",
        3..=5 => "s3",
        6..=15 => "s4",
        _ => "s5",
    }
}

fn legend(over: Option<&Layer>) -> Markup {
    html! {
        ul.legend aria-label="legend" {
            li { "Objects here that use, indicate, detect or mitigate it:" }
            @for (class, word) in [("s0", "none"), ("s1", "1"), ("s2", "2"), ("s3", "3 to 5"), ("s4", "6 to 15"), ("s5", "more")] { li { span.(class) { (word) } } }
            @if let Some(over) = over { li { span.over { "framed" } " in the layer " strong { (cut(&over.name)) } } }
        }
    }
}

/// Tactics in their order, each with its techniques; those without one last.
fn tactics(matrix: &Matrix) -> Vec<(String, Vec<&Technique>)> {
    let mut by: BTreeMap<(usize, String), Vec<&Technique>> = BTreeMap::new();
    for technique in &matrix.techniques {
        for tactic in &technique.tactics {
            let at = TACTICS.iter().position(|t| t == tactic).unwrap_or(TACTICS.len());
            by.entry((at, tactic.clone())).or_default().push(technique);
        }
        if technique.tactics.is_empty() {
            by.entry((usize::MAX, "without a tactic".to_owned())).or_default().push(technique);
        }
    }
    by.into_iter().map(|((_, name), techniques)| (name, techniques)).collect()
}

fn grid(matrix: &Matrix, over: Option<&Layer>) -> Markup {
    let tactics = tactics(matrix);
    html! {
        div.wide tabindex="0" role="region" aria-label="matrix" {
            table.matrix {
                thead { tr { @for (tactic, techniques) in &tactics { th scope="col" { (cut(&tactic.replace('-', " "))) br; span.quiet { (techniques.len()) @if techniques.len() == 1 { " technique" } @else { " techniques" } } } } } }
                tbody { tr { @for (_, techniques) in &tactics { td { @for technique in techniques { (one(technique, over)) } } } } }
            }
        }
    }
}

fn one(technique: &Technique, over: Option<&Layer>) -> Markup {
    let framed = over.and_then(|o| o.scores.get(&technique.number));
    let class = if framed.is_some() { format!("{} over", shade(technique.count)) } else { shade(technique.count).to_owned() };
    html! {
        a.tech.(class) href=(format!("/console/objects/{}", technique.id)) {
            @if !technique.number.is_empty() { strong { (technique.number) } " " }
            (cut(&technique.name))
            " (" (technique.count) @if let Some(score) = framed { @if !score.is_empty() { ", layer " (cut(score)) } @else { ", in the layer" } } ")"
        }
    }
}

/// What the layer has and the view does not.
fn uncovered(matrix: &Matrix, over: &Layer) -> Markup {
    let here: BTreeSet<&str> = matrix.techniques.iter().map(|t| t.number.as_str()).collect();
    let missing: Vec<&String> = over.scores.keys().filter(|n| !here.contains(n.as_str())).collect();
    html! { h2 { "In the layer and not here: " (missing.len()) } @if !missing.is_empty() { p { (shown(&missing.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", "))) } } }
}

/// Those of one matrix, as ATT&CK Navigator reads them (layer format 4.5).
fn written(matrix: &Matrix, domain: &str) -> Value {
    let numbered = || matrix.techniques.iter().filter(|t| !t.number.is_empty() && t.domain == domain);
    let most = numbered().map(|t| t.count).max().unwrap_or(0).max(1);
    let techniques: Vec<Value> = numbered().map(|t| json!({"techniqueID": t.number, "score": t.count, "comment": t.name, "enabled": true})).collect();
    json!({"name": "Polder", "versions": {"layer": "4.5"}, "domain": domain, "description": format!("{}: objects of one reader's view that use, indicate, detect or mitigate each technique", parts::level_look(matrix.level).2),
        "techniques": techniques, "gradient": {"colors": ["#fde725ff", "#22a884ff", "#414487ff"], "minValue": 0, "maxValue": most}})
}

/// The matrices of ATT&CK that techniques here are of, the one with most of them first.
fn domains(matrix: &Matrix) -> Vec<&'static str> {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    matrix.techniques.iter().filter(|t| !t.number.is_empty()).for_each(|t| *counts.entry(t.domain).or_default() += 1);
    let mut all: Vec<(usize, &'static str)> = counts.into_iter().map(|(domain, count)| (count, domain)).collect();
    all.sort_by_key(|(count, domain)| (std::cmp::Reverse(*count), *domain));
    all.into_iter().map(|(_, domain)| domain).collect()
}

/// The matrix as a picture that stands alone.
fn svg(matrix: &Matrix) -> Markup {
    let tactics = tactics(matrix);
    let rows = tactics.iter().map(|(_, t)| t.len()).max().unwrap_or(0);
    let fill = |count: usize| match shade(count) {
        "s1" => ("#fde725", "#201600"),
        "s2" => ("#7ad151", "#10240a"),
        "s3" => ("#22a884", "#001a12"),
        "s4" => ("#2a788e", "#ffffff"),
        "s5" => ("#414487", "#ffffff"),
        _ => ("#ffffff", "#16202b"),
    };
    let (width, height) = (tactics.len() * 170 + 10, rows * 34 + 50);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) font-family="sans-serif" font-size="11" {
            title { "ATT&CK matrix: objects that use, indicate, detect or mitigate each technique" }
            rect width=(width) height=(height) fill="#ffffff" {}
            text x="12" y="12" font-weight="bold" { (parts::level_look(matrix.level).2) }
            @for (x, (tactic, techniques)) in tactics.iter().enumerate() {
                text x=(x * 170 + 12) y="30" font-weight="bold" { (text::plain(&tactic.replace('-', " "), 26)) }
                @for (y, technique) in techniques.iter().enumerate() {
                    @let (back, front) = fill(technique.count);
                    rect x=(x * 170 + 10) y=(y * 34 + 36) width="160" height="30" fill=(back) stroke="#8795a1" {}
                    text x=(x * 170 + 16) y=(y * 34 + 48) fill=(front) font-weight="bold" { (technique.number) " (" (technique.count) ")" }
                    text x=(x * 170 + 16) y=(y * 34 + 61) fill=(front) { (text::plain(&technique.name, 26)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn technique(number: &str, tactics: &[&str], count: usize) -> Technique {
        let id = Id { kind: "attack-pattern".into(), uuid: count as u128 };
        Technique {
            id,
            number: number.into(),
            domain: domain_of(None, number),
            name: format!("n{number}"),
            tactics: tactics.iter().map(|t| (*t).to_owned()).collect(),
            count,
            level: None,
        }
    }

    #[test]
    fn a_layer_of_ours_is_one_that_we_read() {
        let matrix =
            Matrix { techniques: vec![technique("T1001", &["impact"], 3), technique("T0801", &["impact"], 9), technique("", &[], 1)], level: None, cut: false };
        assert_eq!(domains(&matrix), ["enterprise-attack", "ics-attack"]);
        let layer = layer(written(&matrix, "enterprise-attack").to_string().as_bytes()).ok().unwrap();
        assert_eq!((layer.name.as_str(), layer.scores), ("Polder", BTreeMap::from([("T1001".to_owned(), "3".to_owned())])));
    }

    #[test]
    fn what_is_no_layer_is_told() {
        for text in ["", "{}", "[]", "{\"techniques\": 7}"] {
            assert!(layer(text.as_bytes()).is_err(), "{text}");
        }
        let odd = layer(br#"{"techniques":[{"techniqueID":"T1<b>"},{"techniqueID":"T1.001","enabled":false},{"techniqueID":"T2","score":1}]}"#).ok().unwrap();
        assert_eq!(odd.scores.keys().collect::<Vec<_>>(), ["T2"]);
    }

    #[test]
    fn tactics_stand_in_the_order_of_an_attack() {
        let matrix = Matrix {
            techniques: vec![technique("T1", &["impact", "initial-access"], 1), technique("T2", &["own-tactic"], 2), technique("T3", &[], 3)],
            level: None,
            cut: false,
        };
        let names: Vec<String> = tactics(&matrix).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["initial-access", "impact", "own-tactic", "without a tactic"]);
    }
}
