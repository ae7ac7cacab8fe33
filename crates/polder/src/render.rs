//! Answers as text for people: short tables and sentences. Strings of objects are shown with control and direction characters made visible.

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
    if let Some(rows) = ["explain", "audience", "queue"].iter().find_map(|k| map.get(*k)) {
        return verdicts(rows);
    }
    if let Some(rows) = map.get("config").and_then(Value::as_array) {
        let cell = |r: &Value, k: &str| text(r.get(k).unwrap_or(&Value::Null));
        let line = |r: &Value| if origins { vec![cell(r, "key"), cell(r, "value"), cell(r, "origin")] } else { vec![cell(r, "key"), cell(r, "value")] };
        return table(&rows.iter().map(line).collect::<Vec<_>>());
    }
    if let Some(list) = map.values().next().and_then(Value::as_array).filter(|_| map.len() <= 2) {
        return objects(list);
    }
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
    }
    out
}

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
    for row in refused.iter().take(20) {
        let cell = |k: &str| text(row.get(k).unwrap_or(&Value::Null));
        out.push_str(&format!("refused {} {}: {}\n  help: {}\n", cell("place"), cell("id"), cell("reason"), cell("help")));
    }
    if refused.len() > 20 {
        out.push_str(&format!("... and {} more; `--json` lists them all\n", refused.len() - 20));
    }
    if let Some(rows) = value.get("audience").and_then(Value::as_array) {
        out.push_str("\nwho would receive it (this file by itself: definitions, pins and objects already in the node are not counted)\n");
        out.push_str(&objects(rows));
    }
    out
}

fn doctor(value: &Value) -> String {
    let cell = |k: &str| text(value.get(k).unwrap_or(&Value::Null));
    let mut out = format!("{}\n", if value.get("well").and_then(Value::as_bool) == Some(true) { "this node is well" } else { "this node needs attention" });
    for line in value.get("damage").and_then(Value::as_array).into_iter().flatten() {
        out.push_str(&format!("damage: {}\n", text(line)));
    }
    out.push_str(&format!("clock: {} s behind what this node has recorded\nholds: {}\nlimits:\n", cell("clock_behind_s"), cell("held")));
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
    format!("serving TAXII 2.1 at {} (API root {}), ready after {} s; Ctrl-C ends\n", cell("taxii"), cell("api_root"), cell("ready_s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_object_reaches_the_terminal_raw() {
        assert_eq!(few(&["a", "b", "c", "d", "e", "f"].map(Value::from)), "a, b, c, d and 2 more (`--json` lists them all)");
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\n"), "a\\u{1b}[31mb\\u{202e}c\\u{a}");
    }
}
