//! Granular-marking selectors (STIX 2.1 section 7.2.3.1): `a.[0].b`, a path into one object.

use serde_json::Value;

/// One step of a selector.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A dictionary key.
    Key(String),
    /// A list index.
    Index(usize),
}

/// Reads a selector; `None` when it is empty or malformed.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<Step>> {
    text.split('.').map(step).collect()
}

fn step(part: &str) -> Option<Step> {
    match part.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(Step::Index),
        None if part.is_empty() => None,
        None => Some(Step::Key(part.to_owned())),
    }
}

/// Writes a selector.
#[must_use]
pub fn write(steps: &[Step]) -> String {
    let parts: Vec<String> = steps
        .iter()
        .map(|s| match s {
            Step::Key(k) => k.clone(),
            Step::Index(i) => format!("[{i}]"),
        })
        .collect();
    parts.join(".")
}

/// What the selector points at.
#[must_use]
pub fn resolve<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |at, step| match step {
        Step::Key(k) => at.as_object()?.get(k),
        Step::Index(i) => at.as_array()?.get(*i),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_writes_resolves() {
        let v = serde_json::json!({"a": [{"b": 1}], "c": 2});
        for (text, want) in [("a.[0].b", Some(1)), ("c", Some(2)), ("a.[1].b", None), ("a.b", None), ("c.d", None)] {
            let steps = parse(text).unwrap();
            assert_eq!(resolve(&v, &steps).and_then(Value::as_i64), want, "{text}");
            assert_eq!(write(&steps), text);
        }
        for bad in ["", "a..b", "a.[x]", "a.[0", "."] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
