//! What is in an object and not in a copy of it.
//!
//! The rule: both are what one reader may hold, so that naming the difference tells that reader nothing.

use std::collections::HashSet;

use serde_json::Value;

/// Paths and values of the first that are not in the second, in the first's order.
#[must_use]
pub fn missing(whole: &Value, copy: &Value) -> Vec<(String, String)> {
    let mut out = Vec::new();
    walk("", whole, copy, &mut out);
    out
}

fn walk(path: &str, whole: &Value, copy: &Value, out: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (whole, copy) {
        (Value::Object(whole), Value::Object(copy)) => {
            for (key, value) in whole {
                match copy.get(key) {
                    Some(other) => walk(&below(key), value, other, out),
                    None => out.push((below(key), plain(value))),
                }
            }
        }
        (Value::Array(whole), Value::Array(copy)) if whole.len() != copy.len() => {
            let kept: HashSet<String> = copy.iter().map(Value::to_string).collect();
            let lost = whole.iter().filter(|item| !kept.contains(&item.to_string()));
            out.extend(lost.map(|item| (format!("{path}[]"), plain(item))));
        }
        (Value::Array(whole), Value::Array(copy)) => whole.iter().zip(copy).for_each(|(a, b)| walk(&format!("{path}[]"), a, b, out)),
        (whole, copy) if whole != copy => out.push((path.to_owned(), plain(whole))),
        _ => {}
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_in_a_copy_is_named() {
        let whole = json!({"a": 1, "b": {"c": "x", "d": "y"}, "l": ["p", "q"], "same": [1]});
        let copy = json!({"b": {"d": "y"}, "l": ["q"], "same": [1], "extra": true});
        let want = [("a", "1"), ("b.c", "x"), ("l[]", "p")].map(|(p, v)| (p.to_owned(), v.to_owned()));
        assert_eq!(missing(&whole, &copy), want);
    }
}
