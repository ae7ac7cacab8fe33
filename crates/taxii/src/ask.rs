//! The parameters of a GET or DELETE, read strictly where TAXII 2.1 is strict and ignored where it says to ignore.

use std::collections::HashSet;

use polder_stix::Id;
use polder_stix::time::{Version, to_us};
use polder_store::Versions;

use crate::error::Failure;

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) limit: Option<usize>,
    pub(crate) next: Option<String>,
    pub(crate) added_after_us: Option<i64>,
    pub(crate) ids: Option<Vec<Id>>,
    pub(crate) types: Option<Vec<Box<str>>>,
    pub(crate) versions: Option<Versions>,
    /// Only specification versions were asked for that nothing here has.
    pub(crate) other_spec: bool,
}

impl Ask {
    /// Reads the query of a URL.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Failure> {
        let mut ask = Self::default();
        let mut seen = HashSet::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if KNOWN.contains(&&*name) && !seen.insert(name.clone()) {
                return Err(Failure::bad(format!("`{name}` is given more than once; separate alternatives by commas")));
            }
            match &*name {
                "limit" => ask.limit = Some(limit(&value)?),
                "next" => ask.next = Some(value.into_owned()),
                "added_after" => {
                    let date = to_us(&value).ok_or_else(|| Failure::bad("`added_after` is not a UTC timestamp like 2026-01-31T12:00:00.000000Z"))?;
                    ask.added_after_us = Some(date);
                }
                // What is no id matches no object.
                "match[id]" => ask.ids = Some(sorted(value.split(',').filter_map(|id| Id::parse(id.trim())))),
                "match[type]" => ask.types = Some(sorted(value.split(',').map(|t| t.trim().into()))),
                "match[version]" => ask.versions = Some(versions(&value)?),
                "match[spec_version]" => ask.other_spec = !value.split(',').any(|v| v.trim() == "2.1"),
                _ => {}
            }
        }
        Ok(ask)
    }

    /// The filters as one text, the same for every way to write the same question; without `limit` and `next`.
    pub(crate) fn normal(&self) -> String {
        let versions = self.versions.as_ref().map(|v| (v.all, v.first, v.last, v.at.iter().map(|at| at.ns()).collect::<Vec<_>>()));
        let ids: Option<Vec<String>> = self.ids.as_ref().map(|ids| ids.iter().map(Id::to_string).collect());
        serde_json::json!([self.added_after_us, ids, self.types, versions, self.other_spec]).to_string()
    }
}

const KNOWN: [&str; 7] = ["limit", "next", "added_after", "match[id]", "match[type]", "match[version]", "match[spec_version]"];

fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn limit(text: &str) -> Result<usize, Failure> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // More than fits is more than the page may have anyway.
    let number = if digits { text.parse().unwrap_or(usize::MAX) } else { 0 };
    if number == 0 { Err(Failure::bad("`limit` is not a positive integer")) } else { Ok(number) }
}

fn versions(text: &str) -> Result<Versions, Failure> {
    let mut wanted = Versions::default();
    for one in text.split(',').map(str::trim) {
        match one {
            "all" => wanted.all = true,
            "first" => wanted.first = true,
            "last" => wanted.last = true,
            time => wanted.at.push(Version::parse(time).ok_or_else(|| Failure::bad("`match[version]` takes `all`, `first`, `last` and timestamps"))?),
        }
    }
    if wanted.all && text.contains(',') {
        return Err(Failure::bad("`match[version]=all` stands alone"));
    }
    wanted.at.sort_unstable_by_key(|v| v.ns());
    wanted.at.dedup();
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_and_what_is_refused() {
        let ask = |text: &str| Ask::parse(Some(text));
        assert_eq!(Ask::parse(None).unwrap(), Ask::default());
        assert_eq!(ask("limit=7&x=1&x=2&match[foo]=a&match[foo]=b").unwrap(), Ask { limit: Some(7), ..Ask::default() });
        assert_eq!(ask("limit=99999999999999999999999").unwrap().limit, Some(usize::MAX));
        assert_eq!(ask("match%5Btype%5D=b,a,b").unwrap().types.unwrap(), ["a".into(), "b".into()]);
        assert_eq!(ask("match[id]=garbage").unwrap().ids, Some(Vec::new()));
        assert!(ask("match[spec_version]=2.0").unwrap().other_spec);
        assert!(!ask("match[spec_version]=2.0,2.1").unwrap().other_spec);
        assert_eq!(ask("added_after=1970-01-01T00:00:01Z").unwrap().added_after_us, Some(1_000_000));
        for bad in [
            "limit=0",
            "limit=",
            "limit=-1",
            "limit=+1",
            "limit=1.5",
            "limit=1&limit=1",
            "added_after=yesterday",
            "added_after=",
            "next=a&next=a",
            "match[version]=all,first",
            "match[version]=all,all",
            "match[version]=newest",
            "match[version]=",
            "match[type]=a&match%5Btype%5D=b",
        ] {
            assert!(ask(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_question_has_one_normal_form() {
        let normal = |text: &str| Ask::parse(Some(text)).unwrap().normal();
        assert_eq!(normal("match[type]=b,a&limit=5"), normal("limit=7&match[type]=a,b&next=x"));
        assert_eq!(normal("match[version]=2020-01-01T00:00:00.000Z"), normal("match[version]=2020-01-01T00:00:00Z"));
        assert_ne!(normal("match[type]=a"), normal("match[type]=b"));
        assert_ne!(normal("match[type]=a"), normal(""));
        assert_ne!(normal("added_after=2020-01-01T00:00:00Z"), normal(""));
    }
}
