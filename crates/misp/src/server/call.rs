//! A request as MISP's clients write it: controller, action, arguments, named parameters in the path, and a JSON body.
//!
//! The rule: named parameters and the body are one set of parameters; the body wins, since that is where newer clients put them.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Map, Value};

use crate::map::fields::{flag, number};

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// As in `events`, without underscores, in lower case.
    pub(crate) controller: String,
    /// As in `restsearch`, without underscores, in lower case.
    pub(crate) action: String,
    /// Positional arguments.
    pub(crate) args: Vec<String>,
    /// Parameters in the path.
    named: BTreeMap<String, Vec<String>>,
    /// The body.
    pub(crate) body: Value,
    /// The path, for errors.
    pub(crate) path: String,
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

impl Call {
    /// Reads a path below the prefix.
    pub(crate) fn of(method: Method, path: &str, body: Value) -> Self {
        let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(decoded).collect();
        let last = parts.len().saturating_sub(1 + usize::from(parts.first().is_some_and(|p| p == "admin")));
        let mut call = Self {
            method,
            controller: String::new(),
            action: String::new(),
            args: Vec::new(),
            named: BTreeMap::new(),
            body,
            path: format!("/{}", parts.join("/")),
        };
        // `/admin/users/add` is the action `add` of `admin/users`.
        let admin = parts.first().is_some_and(|p| p == "admin");
        for (n, part) in parts.into_iter().skip(usize::from(admin)).enumerate() {
            let part = if n == last { part.strip_suffix(".json").map(str::to_owned).unwrap_or(part) } else { part };
            match (n, part.split_once(':')) {
                (0, _) => call.controller = if admin { format!("admin/{}", plain(&part)) } else { plain(&part) },
                (_, Some((name, value))) => call.named.entry(name.trim_end_matches("[]").to_owned()).or_default().push(value.to_owned()),
                (1, None) => call.action = plain(&part),
                (_, None) => call.args.push(part),
            }
        }
        // `/events` is `/events/index`, and `/events/UUID` is `/events/view/UUID`.
        if call.action.is_empty() {
            call.action = "index".to_owned();
        }
        call
    }

    /// A parameter.
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
        let body = match &self.body {
            Value::Object(map) => map.get("request").and_then(Value::as_object).unwrap_or(map).get(name).cloned(),
            _ => None,
        };
        body.filter(|v| !v.is_null()).or_else(|| {
            let given = self.named.get(name)?;
            Some(if let [one] = given.as_slice() { one.as_str().into() } else { given.iter().map(String::as_str).collect() })
        })
    }

    /// A parameter as texts: a list, one value, or values joined by `&&`.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        Some(texts(&self.value(name)?))
    }

    /// A parameter as a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.texts(name)?.into_iter().next().filter(|t| !t.is_empty())
    }

    /// A parameter as a number.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        number(self.value(name).as_ref())
    }

    /// A parameter as a yes or no.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.value(name).map(|v| flag(Some(&v)))
    }

    /// The first argument.
    pub(crate) fn first(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    /// The body, or what stands in it under a name, as an object.
    pub(crate) fn object(&self, name: &str) -> Map<String, Value> {
        let body = self.body.as_object().cloned().unwrap_or_default();
        match body.get(name) {
            Some(Value::Object(inner)) => inner.clone(),
            Some(Value::Array(list)) => list.first().and_then(Value::as_object).cloned().unwrap_or_default(),
            _ => body,
        }
    }
}

/// Texts of a value.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(s) => s.split("&&").map(|t| t.trim().to_owned()).collect(),
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Null | Value::Object(_) => Vec::new(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_as_clients_write_them() {
        let check = |path: &str, want: (&str, &str, &[&str])| {
            let call = Call::of(Method::GET, path, Value::Null);
            assert_eq!(
                (&*call.controller, &*call.action, call.args.iter().map(String::as_str).collect::<Vec<_>>()),
                (want.0, want.1, want.2.to_vec()),
                "{path}"
            );
        };
        check("/events/view/1/deleted[]:0/deleted[]:1/excludeGalaxy:1", ("events", "view", &["1"]));
        check("/users/view/me.json", ("users", "view", &["me"]));
        check("shadow_attributes/index/all:1/deleted%5B%5D:0.json", ("shadowattributes", "index", &[]));
        check("/sharingGroups", ("sharinggroups", "index", &[]));
        check("/analyst_data/indexMinimal", ("analystdata", "indexminimal", &[]));
        check("/", ("", "index", &[]));
        let call = Call::of(Method::GET, "/a/b/deleted[]:0/deleted[]:1/x:a:b.json", json!({"y": 7, "x": null}));
        assert_eq!((call.texts("deleted"), call.text("x"), call.number("y")), (Some(vec!["0".into(), "1".into()]), Some("a:b".into()), Some(7)));
        let call = Call::of(Method::POST, "/a/b/x:1", json!({"request": {"x": ["p&&q", 3]}}));
        assert_eq!(call.texts("x"), Some(vec!["p".into(), "q".into(), "3".into()]));
    }
}
