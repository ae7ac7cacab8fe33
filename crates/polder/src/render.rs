//! Answers as text for people: short tables and sentences. Strings of objects are shown with control and direction characters made visible.

use std::collections::BTreeMap;

use serde_json::Value;

/// A string of an object, safe for a terminal.
pub(crate) fn plain(text: &str) -> String {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{061c}');
    text.chars().map(|c| if hidden(c) { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() }).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(s) => plain(s),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(map) => map.iter().map(|(k, v)| format!("{} {}", plain(k), text(v))).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Lines of a table whose columns are as wide as their widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// An answer's value.
pub(crate) fn answer(value: &Value, origins: bool) -> String {
    let Some(map) = value.as_object() else { return format!("{}\n", text(value)) };
    if map.contains_key("new") {
        return import(value);
    }
    if map.contains_key("well") {
        return doctor(value);
    }
    if let Some(rows) = map.get("queue") {
        let wider = map.get("wider").and_then(Value::as_array).map_or(0, Vec::len);
        return if wider == 0 { queue(rows) } else { format!("{}{wider} wider version(s) wait for another person, in the console's queue\n", queue(rows)) };
    }
    if let Some(rows) = map.get("audience").and_then(Value::as_array).filter(|_| map.len() > 1) {
        return effect(map, rows);
    }
    if let Some(rows) = ["explain", "audience"].iter().find_map(|k| map.get(*k)) {
        return verdicts(rows) + &answers(map.get("answered"));
    }
    if let Some(rows) = ["who_has", "what_has"].iter().find_map(|k| map.get(*k)).and_then(Value::as_array) {
        return recalled(map) + &ledger(rows) + &at_misps(map.get("misps"));
    }
    if let Some(rows) = map.get("config").and_then(Value::as_array) {
        let cell = |r: &Value, k: &str| text(r.get(k).unwrap_or(&Value::Null));
        let line = |r: &Value| if origins { vec![cell(r, "key"), cell(r, "value"), cell(r, "origin")] } else { vec![cell(r, "key"), cell(r, "value")] };
        return table(&rows.iter().map(line).collect::<Vec<_>>());
    }
    if let Some(found) = map.get("found").and_then(Value::as_array) {
        let more = map.get("more").and_then(Value::as_bool) == Some(true);
        return objects(found) + if more { "there are more: `--limit N` shows N of them\n" } else { "" };
    }
    if let Some(lists) = map.iter().map(|(k, v)| Some((k, v.as_array()?))).collect::<Option<Vec<_>>>() {
        return match lists.as_slice() {
            [(_, list)] => objects(list),
            lists => lists.iter().map(|(name, list)| format!("{}\n{}", plain(name), objects(list))).collect::<Vec<_>>().join("\n"),
        };
    }
    facts(map)
}

/// One thing's properties, one a line.
fn facts(map: &serde_json::Map<String, Value>) -> String {
    table(&map.iter().map(|(k, v)| vec![k.replace('_', " "), text(v)]).collect::<Vec<_>>())
}

/// A list of like things, one a line under their keys.
fn objects(list: &[Value]) -> String {
    if list.is_empty() {
        return "none\n".to_owned();
    }
    let mut keys: Vec<String> = Vec::new();
    for map in list.iter().filter_map(Value::as_object) {
        for key in map.keys().filter(|k| !k.contains("sha256") && !k.contains("hash")) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
    }
    if keys.is_empty() {
        return list.iter().map(|v| format!("{}\n", text(v))).collect();
    }
    let mut rows = vec![keys.iter().map(|k| k.replace('_', " ").to_uppercase()).collect::<Vec<_>>()];
    for item in list {
        rows.push(keys.iter().map(|k| text(item.get(k).unwrap_or(&Value::Null))).collect());
    }
    table(&rows)
}

fn verdicts(rows: &Value) -> String {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "nothing waits for a person\n".to_owned();
    }
    let mut out = String::new();
    let mut last = String::new();
    for row in rows {
        let cell = |k: &str| text(row.get(k).unwrap_or(&Value::Null));
        let head = format!("{}  version {}  from {}  {}", cell("id"), cell("version"), cell("source"), cell("label"));
        if head != last {
            out.push_str(&head);
            out.push('\n');
            last = head;
        }
        out.push_str(&format!("  {:<9} {:<14} {}\n", cell("verdict"), cell("recipient"), cell("reason")));
        for (key, says) in [("removed_references", "without references to"), ("removed_properties_marked", "without properties marked")] {
            if let Some(list) = row.get(key).and_then(Value::as_array).filter(|l| !l.is_empty()) {
                out.push_str(&format!("            {says} {}\n", few(list)));
            }
        }
        if row.get("help").is_some_and(|h| !h.is_null()) {
            out.push_str(&format!("            help: {}\n", cell("help")));
        }
        if row.get("misp").is_some_and(|m| !m.is_null()) {
            out.push_str(&format!("            in MISP: {}\n", cell("misp")));
        }
    }
    out
}

/// A wide act, and what each recipient gains and loses by it.
fn effect(map: &serde_json::Map<String, Value>, rows: &[Value]) -> String {
    let rest = map.iter().filter(|(k, _)| *k != "audience").map(|(k, v)| (k.clone(), v.clone())).collect();
    format!("{}\nwhat each recipient gains and loses, in objects\n{}", facts(&rest), objects(rows))
}

/// What people have said, after what the rules say.
fn answers(answered: Option<&Value>) -> String {
    let line = |row: &Value| {
        let cell = |k: &str| text(row.get(k).unwrap_or(&Value::Null));
        format!("  a person said {} at {} ({})\n", cell("answer"), cell("when"), cell("by"))
    };
    answered.and_then(Value::as_array).into_iter().flatten().map(line).collect()
}

/// What waits, by the marking it waits for: one definition often frees many objects.
fn queue(rows: &Value) -> String {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "nothing waits for a person\n".to_owned();
    }
    // By marking: who waits, by object.
    let mut waiting: BTreeMap<(String, String), BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for row in rows {
        let cell = |k: &str| text(row.get(k).unwrap_or(&Value::Null));
        let of_misp = row.get("misp").and_then(Value::as_str).map(plain).unwrap_or_default();
        let recipients = waiting.entry((cell("unexplained"), of_misp)).or_default().entry(cell("id")).or_default();
        if !recipients.contains(&cell("recipient")) {
            recipients.push(cell("recipient"));
        }
    }
    let mut out = String::new();
    for ((marking, of_misp), objects) in &waiting {
        let pin = "get its definition from its author and run `polder marking pin FILE`";
        let help = if of_misp.is_empty() { pin } else { of_misp };
        out.push_str(&format!("{} object(s) wait for {marking}\n  help: {help}\n", objects.len()));
        out.push_str(&table(&objects.iter().take(SHOWN_MAX).map(|(id, to)| vec![format!("  {id}"), format!("for {}", to.join(", "))]).collect::<Vec<_>>()));
        let more = objects.len().saturating_sub(SHOWN_MAX);
        if more > 0 {
            out.push_str(&format!("  ... and {more} more; `--json` lists them all\n"));
        }
    }
    out + "or answer for one object: `polder release approve ID --to RECIPIENT`, or `refuse`\n"
}

/// What was sent: `full` as received, `redacted` without parts, `named` only by id.
fn ledger(rows: &[Value]) -> String {
    if rows.is_empty() {
        return "nothing was sent\n".to_owned();
    }
    let mut lines = vec![["RECIPIENT", "OBJECT", "VERSION", "WHAT", "FIRST SENT", "STILL IN VIEW"].map(str::to_owned).to_vec()];
    for row in rows {
        let cell = |k: &str| text(row.get(k).unwrap_or(&Value::Null));
        let what = if cell("what") == "listed" { "named".to_owned() } else { cell("what") };
        let in_view = if row.get("in_view").and_then(Value::as_bool) == Some(true) { "yes" } else { "no" };
        let at: String = cell("at").chars().take(19).collect();
        lines.push(vec![cell("recipient"), cell("id"), cell("version"), what, at, in_view.to_owned()]);
    }
    table(&lines)
}

/// That an object was recalled, and what cannot be.
fn recalled(map: &serde_json::Map<String, Value>) -> String {
    match map.get("recalled").and_then(Value::as_str) {
        Some(_) if map.contains_key("sources") => {
            let what = text(map.get("id").unwrap_or(&Value::Null));
            format!(
                "{what} stays with this organisation from now on\nreaders keep what they took before; from other MISPs it is taken back by the next `polder misp push`\n\n"
            )
        }
        Some(when) => format!("recalled {}Z\n\n", when.chars().take(19).collect::<String>()),
        None => String::new(),
    }
}

/// What stands of an object at other MISPs.
fn at_misps(rows: Option<&Value>) -> String {
    let mut out = String::new();
    for row in rows.and_then(Value::as_array).into_iter().flatten() {
        let cell = |k: &str| row.get(k).and_then(Value::as_str).unwrap_or_default();
        let state = match (row.get("stands").and_then(Value::as_bool), cell("why")) {
            (Some(true), "") => "stands there".to_owned(),
            (Some(true), why) => format!("cannot be withdrawn: {why}"),
            _ => format!("seen gone there {}", cell("withdrawn")),
        };
        out.push_str(&format!("MISP {}: {state}\n", cell("misp")));
    }
    out
}

/// Like things listed at most before a person is told how many more there are.
const SHOWN_MAX: usize = 20;

/// The first of a list, and how many more there are.
fn few(list: &[Value]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = list.iter().take(SHOWN).map(text).collect();
    let more = list.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more (`--json` lists them all)", shown.join(", ")) }
}

fn import(value: &Value) -> String {
    let cell = |k: &str| text(value.get(k).unwrap_or(&Value::Null));
    let refused = value.get("refused").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let would = if value.get("dry_run").is_some() { "would be " } else { "" };
    let mut out = format!(
        "source {}: {} new, {} known, {} variants, {} conflicts {would}kept; {} refused; {} s\n",
        cell("source"),
        cell("new"),
        cell("known"),
        cell("variant"),
        cell("conflict"),
        refused.len(),
        cell("seconds")
    );
    if value.get("lifted").and_then(Value::as_u64).is_some_and(|n| n > 0) {
        out.push_str(&format!("{} were STIX 2.0 and were lifted; `object get --original` gives them as received\n", cell("lifted")));
    }
    if let Some(misp) = value.get("misp") {
        let cell = |k: &str| text(misp.get(k).unwrap_or(&Value::Null));
        out.push_str(&format!("{} events of MISP; {} elements unchanged, {} older than what is held\n", cell("events"), cell("unchanged"), cell("older")));
    }
    out.push_str(&refusals(refused));
    for row in value.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        let cell = |k: &str| text(row.get(k).unwrap_or(&Value::Null));
        out.push_str(&format!("warning: {} x `{}`: {} (first: {})\n", cell("count"), cell("path"), cell("message"), cell("first")));
    }
    if let Some(rows) = value.get("audience").and_then(Value::as_array) {
        out.push_str("\nwho would receive it, with what this node holds already; gains and loses: objects here now\n");
        out.push_str(&objects(rows));
    }
    out
}

/// What was refused, by reason: a broken feed breaks the same way a thousand times.
fn refusals(refused: &[Value]) -> String {
    let cell = |row: &Value, k: &str| text(row.get(k).unwrap_or(&Value::Null));
    let mut groups: Vec<((String, String), Vec<&Value>)> = Vec::new();
    let mut group_of: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in refused {
        let key = (cell(row, "reason"), cell(row, "help"));
        let number = *group_of.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(number) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((key, vec![row])),
        }
    }
    let mut out = String::new();
    for ((reason, help), rows) in groups.iter().take(SHOWN_MAX) {
        let places: Vec<String> = rows.iter().take(3).map(|row| format!("{} {}", cell(row, "place"), cell(row, "id"))).collect();
        let more = rows.len().saturating_sub(places.len());
        match (places.as_slice(), more) {
            ([one], _) => out.push_str(&format!("refused {one}: {reason}\n  help: {help}\n")),
            (_, 0) => out.push_str(&format!("refused {} objects: {reason}\n  help: {help}\n  {}\n", rows.len(), places.join("; "))),
            _ => out.push_str(&format!("refused {} objects: {reason}\n  help: {help}\n  {}; and {more} more\n", rows.len(), places.join("; "))),
        }
    }
    let untold: usize = groups.iter().skip(SHOWN_MAX).map(|(_, rows)| rows.len()).sum();
    if untold > 0 {
        out.push_str(&format!("... and {untold} more for other reasons\n"));
    }
    if refused.len() > SHOWN_MAX {
        out.push_str("`--json` lists them all\n");
    }
    out
}

fn doctor(value: &Value) -> String {
    let cell = |k: &str| text(value.get(k).unwrap_or(&Value::Null));
    let mut out = format!("{}\n", if value.get("well").and_then(Value::as_bool) == Some(true) { "this node is well" } else { "this node needs attention" });
    for line in value.get("damage").and_then(Value::as_array).into_iter().flatten() {
        out.push_str(&format!("damage: {}\n", text(line)));
    }
    out.push_str(&format!("clock: {} s behind what this node has recorded\n", cell("clock_behind_s")));
    if value.get("help").is_some_and(|h| !h.is_null()) {
        out.push_str(&format!("  help: {}\n", cell("help")));
    }
    let count = |k: &str| value.pointer(&format!("/search/{k}")).map_or_else(String::new, text);
    out.push_str(&format!("holds: {}\nsearch: {} of {} rows indexed\nlimits:\n", cell("held"), count("rows_indexed"), count("rows")));
    let limits = value.get("limits").and_then(Value::as_object);
    let rows: Vec<Vec<String>> = limits.into_iter().flatten().map(|(k, v)| vec![format!("  {k}"), text(v)]).collect();
    out.push_str(&table(&rows));
    out
}

/// A new node.
pub(crate) fn init(value: &Value) -> String {
    let cell = |k: &str| text(value.get(k).unwrap_or(&Value::Null));
    format!(
        "node of `{}` made in {}\nuser {}\npassword {}\ntoken {}\n(password and token are shown this once)\n\nnext: polder --dir {} import FILE --own\n      polder --dir {} serve\n",
        cell("member"),
        cell("dir"),
        cell("user"),
        cell("password"),
        cell("token"),
        cell("dir"),
        cell("dir")
    )
}

/// A node that serves.
pub(crate) fn ready(value: &Value) -> String {
    let cell = |k: &str| text(value.get(k).unwrap_or(&Value::Null));
    let (taxii, root, misp) = (cell("taxii"), cell("api_root"), cell("misp"));
    format!("serving TAXII 2.1 at {taxii} (API root {root}) and MISP's protocol at {misp}, ready after {} s; Ctrl-C ends\n", cell("ready_s"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_an_object_reaches_the_terminal_raw() {
        assert_eq!(few(&["a", "b", "c", "d", "e", "f"].map(Value::from)), "a, b, c, d and 2 more (`--json` lists them all)");
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\n"), "a\\u{1b}[31mb\\u{202e}c\\u{a}");
    }

    #[test]
    fn what_waits_is_grouped_by_what_it_waits_for() {
        let row = |id: &str, to: &str| json!({"id": id, "recipient": to, "unexplained": ["marking-definition--x"]});
        let text = answer(&json!({"queue": [row("tool--a", "bravo"), row("tool--b", "bravo"), row("tool--a", "charlie"), row("tool--a", "bravo")]}), false);
        for line in ["2 object(s) wait for marking-definition--x", "  tool--a  for bravo, charlie", "  tool--b  for bravo"] {
            assert!(text.lines().any(|l| l == line), "no `{line}` in:\n{text}");
        }
        assert_eq!(answer(&json!({"queue": []}), false), "nothing waits for a person\n");
    }

    #[test]
    fn refusals_for_one_reason_are_told_once() {
        let row = |n: usize, reason: &str| json!({"place": format!("f: object {n}"), "id": "tool--x", "reason": reason, "help": "mend it"});
        let mut rows: Vec<Value> = (1..=30).map(|n| row(n, "no `name`")).collect();
        rows.push(row(31, "no `type`"));
        let text = refusals(&rows);
        assert_eq!(text.lines().count(), 6, "{text}");
        assert!(text.contains("refused 30 objects: no `name`") && text.contains("and 27 more"), "{text}");
        assert!(text.contains("refused f: object 31 tool--x: no `type`"), "{text}");
    }

    #[test]
    fn lists_effects_and_ledger_are_told_in_words() {
        let found = |more: bool| answer(&json!({"found": [{"id": "tool--a"}], "more": more}), false);
        assert!(found(true).contains("there are more") && !found(false).contains("there are more"));
        let both = answer(&json!({"members": [{"id": "alfa"}], "groups": [{"id": "desk"}]}), false);
        assert!(both.contains("groups\nID\ndesk") && both.contains("members\nID\nalfa"), "{both}");
        let effect = answer(&json!({"source": {"name": "feed"}, "audience": [{"recipient": "bravo", "gains": 7, "loses": 0}]}), false);
        assert!(effect.contains("name feed") && effect.contains("bravo") && effect.contains('7'), "{effect}");
        let sent = answer(&json!({"who_has": [{"recipient": "bravo", "id": "tool--a", "version": null, "what": "listed", "in_view": false}]}), false);
        assert!(sent.contains("named") && !sent.contains("listed"), "{sent}");
        let refused = answer(&json!({"explain": [{"id": "tool--a"}], "answered": [{"answer": "no", "when": "2026-01-31", "by": "uid 7"}]}), false);
        assert!(refused.contains("a person said no at 2026-01-31 (uid 7)"), "{refused}");
    }
}
