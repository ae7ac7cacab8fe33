//! Custom clusters of galaxies: kept as rows of their own, marked as they say, served to who may have them.
//!
//! The rule: a cluster belongs to the source that first brought it; the library's own clusters are nobody's to change.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::sink::Reply;
use super::{Asked, knowledge};
use crate::map::Said;
use crate::map::aside::{CLUSTER, Kind, custom_cluster};
use crate::map::fields::{flag, number, text};

impl Asked<'_> {
    fn clusters(&self) -> Result<Vec<Said>, Reply> {
        self.view(|view| view.said(&[CLUSTER], None, None))
    }

    fn cluster(&self, name: &str) -> Result<Option<Said>, Reply> {
        Ok(self.clusters()?.into_iter().find(|s| text(&s.fields, "uuid").eq_ignore_ascii_case(name) || text(&s.fields, "id") == name))
    }
}

/// Keeps what a pusher sends, as far as it is new or newer.
pub(crate) fn keep(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let held: BTreeMap<String, (bool, Option<i64>)> =
        asked.clusters()?.iter().map(|s| (text(&s.fields, "uuid").to_owned(), (asked.is_mine(s), number(s.fields.get("version"))))).collect();
    let one = [asked.call.body.clone()];
    let sent = asked.call.body.as_array().map_or(one.as_slice(), Vec::as_slice);
    let (mut kept, mut ignored) = (0usize, 0usize);
    for given in sent {
        let stale = |fields: &Map<String, Value>| {
            let known = held.get(text(fields, "uuid"));
            known.is_some_and(|(mine, version)| !mine || number(fields.get("version")) <= *version)
        };
        let Some(mut fields) = custom_cluster(given).filter(|fields| !stale(fields)) else {
            ignored += 1;
            continue;
        };
        fields.insert("locked".to_owned(), true.into());
        asked.say(Kind::Cluster, (None, None), fields)?;
        kept += 1;
    }
    let said = format!("Galaxy clusters imported. {kept} imported, {ignored} ignored, 0 failed. ");
    Ok(Reply::json(&json!({"saved": kept > 0, "success": kept > 0, "name": said, "message": said, "url": asked.call.path})))
}

/// One cluster, custom or of the library.
pub(crate) fn view(asked: &Asked<'_>) -> Result<Reply, Reply> {
    if let Some(found) = asked.cluster(asked.call.first())? {
        return Ok(Reply::json(&json!({"GalaxyCluster": found.fields})));
    }
    knowledge::known_cluster(asked)?.ok_or_else(|| asked.not_found("Invalid galaxy cluster."))
}

/// Custom clusters in view; their UUIDs and versions alone, where that is asked.
pub(crate) fn search(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let call = &asked.call;
    let any = |key: &str, is: &dyn Fn(&str) -> bool| call.texts(key).filter(|w| !w.is_empty()).is_none_or(|wanted| wanted.iter().any(|w| is(w)));
    let custom = !call.flag("default").unwrap_or(false) && call.flag("custom").unwrap_or(true);
    let minimal = call.flag("minimal").unwrap_or(false);
    let takes = |f: &Map<String, Value>| {
        let galaxy = |key: &str| f.get("Galaxy").and_then(|g| g.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned();
        custom
            && call.flag("published").is_none_or(|p| p == f.get("published").is_none_or(|p| flag(Some(p))))
            && any("uuid", &|w| w.eq_ignore_ascii_case(text(f, "uuid")))
            && any("value", &|w| w.eq_ignore_ascii_case(text(f, "value")))
            && any("tag_name", &|w| w.eq_ignore_ascii_case(text(f, "tag_name")))
            && any("galaxy_uuid", &|w| w.eq_ignore_ascii_case(&galaxy("uuid")))
            && any("type", &|w| w.eq_ignore_ascii_case(text(f, "type")))
    };
    let found = asked.clusters()?.into_iter().map(|s| s.fields).filter(|f| takes(f));
    let told =
        found.map(|f| if minimal { json!({"GalaxyCluster": {"uuid": f.get("uuid"), "version": f.get("version")}}) } else { json!({"GalaxyCluster": f}) });
    Ok(Reply::json(&json!({"response": told.collect::<Vec<_>>()})))
}

/// Takes one out, where it came from.
pub(crate) fn delete(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let found = asked.cluster(asked.call.first())?.ok_or_else(|| asked.not_found("Invalid galaxy cluster."))?;
    if !(asked.is_mine(&found) && asked.unsay(&[format!("{CLUSTER}--{}", text(&found.fields, "uuid"))])?) {
        return Err(asked.forbidden("You do not have permission to do that."));
    }
    Ok(asked.done("Galaxy cluster deleted."))
}
