//! Analyst data: notes, opinions and relationships that people write about an element, or about one another.
//!
//! The rule: each is a row of its own in the source of who writes it; only that source changes it, and who may not read it is told there is none.

use std::collections::BTreeMap;

use polder_stix::{Id, time};
use serde_json::{Map, Value, json};

use super::Asked;
use super::sink::Reply;
use super::write::{fill, random_uuid};
use crate::limits;
use crate::map::Said;
use crate::map::aside::{ANALYST, ANALYST_DATA, Kind, moment_s};
use crate::map::fields::{text, written_moment};
use crate::map::ids::uuid;

/// One of the three, however it is written.
fn kind_of(name: &str) -> Option<&'static str> {
    ANALYST_DATA.into_iter().find(|kind| kind.eq_ignore_ascii_case(name))
}

/// The UUID of an event, and the STIX id of the attribute of it that is meant.
type Target = (Option<String>, Option<String>);

impl Asked<'_> {
    /// What is written about: the event it is in, and the attribute if it is one; neither if the caller may see neither.
    fn target(&self, about: &str) -> Result<Target, Reply> {
        let Some(own) = uuid(about) else { return Ok((None, None)) };
        if self.is_visible(&own)? {
            return Ok((Some(own), None));
        }
        if let Some(stix) = self.stix_of_attribute(&own)? {
            return Ok((self.event_of_attribute(&own)?, Some(stix)));
        }
        for kind in ["x-misp-object", "note"] {
            let ids = Id::parse(&format!("{kind}--{own}")).into_iter().collect();
            if let Some(event) = self.view(|view| view.event_of(ids))? {
                return Ok((Some(event), None));
            }
        }
        // What is written about a note stands where the note stands.
        let about = self.analyst_data()?.into_iter().find(|s| text(&s.fields, "uuid") == own);
        Ok((about.map(|s| s.event).filter(|e| !e.is_empty()), None))
    }

    fn analyst_data(&self) -> Result<Vec<Said>, Reply> {
        self.view(|view| view.said(&[ANALYST], None, None))
    }

    fn analyst_datum(&self, name: &str) -> Result<Said, Reply> {
        let found = self.analyst_data()?.into_iter().find(|s| text(&s.fields, "uuid").eq_ignore_ascii_case(name) || text(&s.fields, "id") == name);
        found.ok_or_else(|| self.not_found("Invalid Analyst Data."))
    }

    fn now_written(&self) -> String {
        time::from_us(self.app.store.now_us()).get(..19).unwrap_or_default().replace('T', " ")
    }

    /// Keeps one, and what is written about it. A pusher writes for others.
    fn write(&self, kind: &'static str, mut fields: Map<String, Value>, for_others: bool) -> Result<(), Reply> {
        let about = text(&fields, "object_uuid").to_owned();
        let own = text(&fields, "uuid").to_owned();
        let nested: Vec<(&'static str, Value)> = ANALYST_DATA.into_iter().filter_map(|k| Some((k, fields.shift_remove(k)?))).collect();
        fields.retain(|key, _| !matches!(key.as_str(), "id" | "_canEdit"));
        if let Some(at_s) = moment_s(text(&fields, "modified")) {
            fields.insert("timestamp".to_owned(), at_s.into());
        }
        let (event, attribute) = self.target(&about)?;
        self.say(Kind::Analyst(kind), (event.as_deref(), attribute.as_deref()), fields)?;
        for (kind, list) in nested {
            for inner in list.as_array().into_iter().flatten().filter_map(Value::as_object) {
                let mut inner = inner.clone();
                let other = self.analyst_data()?.into_iter().find(|s| text(&s.fields, "uuid") == text(&inner, "uuid"));
                if other.is_some() {
                    continue;
                }
                inner.extend([("object_uuid".to_owned(), own.clone().into())]);
                if !for_others {
                    self.complete_analyst(&mut inner)?;
                }
                self.write(kind, inner, for_others)?;
            }
        }
        Ok(())
    }

    /// What a person leaves out, filled in as MISP does. Who writes is the caller's organisation, whatever is claimed.
    fn complete_analyst(&self, fields: &mut Map<String, Value>) -> Result<(), Reply> {
        let own = self.own_organisation();
        let now = self.now_written();
        let id = random_uuid().ok_or_else(|| self.internal())?;
        let organisation = own.get("uuid").cloned().unwrap_or_default();
        fields.extend([("orgc_uuid".to_owned(), organisation.clone()), ("org_uuid".to_owned(), organisation), ("Orgc".to_owned(), own)]);
        fill(
            fields,
            [
                ("uuid", json!(id)),
                ("authors", json!(&*self.caller.user)),
                ("created", json!(now)),
                ("modified", json!(now)),
                ("distribution", json!("1")),
                ("locked", json!(false)),
            ],
        );
        for key in ["created", "modified"] {
            let at = written_moment(text(fields, key));
            fields.insert(key.to_owned(), at.into());
        }
        self.group_into(fields)
    }

    /// One with what is written about it, as the caller reads both.
    fn shown_datum(&self, said: Said) -> Result<Reply, Reply> {
        let mut about: BTreeMap<String, Vec<Said>> = BTreeMap::new();
        for other in self.analyst_data()? {
            about.entry(text(&other.fields, "object_uuid").to_ascii_lowercase()).or_default().push(other);
        }
        let name = said.name.clone();
        Ok(Reply::json(&json!({name: nested(said.fields, &mut about, 0)})))
    }

    /// May the caller change it? Only in the source it came from.
    pub(crate) fn is_mine(&self, said: &Said) -> bool {
        said.origin.originator(&self.policy.alliance).is_some_and(|m| self.me.organisation.as_deref() == Some(m))
    }
}

fn nested(mut fields: Map<String, Value>, about: &mut BTreeMap<String, Vec<Said>>, depth: usize) -> Map<String, Value> {
    if depth >= limits::ANALYST_DATA_DEPTH_MAX {
        return fields;
    }
    for said in about.remove(&text(&fields, "uuid").to_ascii_lowercase()).unwrap_or_default() {
        let inner = nested(said.fields, about, depth + 1);
        if let Some(list) = fields.entry(said.name).or_insert_with(|| json!([])).as_array_mut() {
            list.push(inner.into());
        }
    }
    fields
}

/// One of them.
pub(crate) fn view(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let name = asked.call.args.get(1).cloned().unwrap_or_default();
    let said = asked.analyst_datum(&name)?;
    asked.shown_datum(said)
}

/// A new one.
pub(crate) fn add(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let kind = kind_of(asked.call.first()).ok_or_else(|| asked.not_found("Invalid Analyst Data type."))?;
    let mut fields = asked.call.object(kind);
    for (n, key) in [(1, "object_uuid"), (2, "object_type")] {
        if let Some(given) = asked.call.args.get(n) {
            fields.insert(key.to_owned(), given.as_str().into());
        }
    }
    if uuid(text(&fields, "object_uuid")).is_none() {
        return Err(asked.invalid("object_uuid", "Please provide a valid RFC 4122 UUID"));
    }
    asked.complete_analyst(&mut fields)?;
    let own = text(&fields, "uuid").to_owned();
    if asked.analyst_datum(&own).is_ok() {
        return Err(asked.invalid("uuid", "The UUID provided is not unique"));
    }
    asked.write(kind, fields, false)?;
    asked.shown_datum(asked.analyst_datum(&own)?)
}

/// Changes one.
pub(crate) fn edit(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let name = asked.call.args.get(1).cloned().unwrap_or_default();
    let said = asked.analyst_datum(&name)?;
    if !asked.is_mine(&said) {
        return Err(asked.forbidden("You do not have permission to do that."));
    }
    let kind = kind_of(&said.name).ok_or_else(|| asked.internal())?;
    let mut fields = said.fields.clone();
    let sent = asked.call.object(kind).into_iter();
    fields
        .extend(sent.filter(|(key, _)| !matches!(key.as_str(), "id" | "uuid" | "orgc_uuid" | "org_uuid" | "Orgc" | "object_uuid" | "modified" | "timestamp")));
    let created = written_moment(text(&fields, "created"));
    fields.extend([("created".to_owned(), created.into()), ("modified".to_owned(), asked.now_written().into())]);
    asked.group_into(&mut fields)?;
    asked.write(kind, fields, false)?;
    asked.shown_datum(asked.analyst_datum(text(&said.fields, "uuid"))?)
}

/// Takes one out; what was written about it stays.
pub(crate) fn delete(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let name = asked.call.args.get(1).cloned().unwrap_or_default();
    let said = asked.analyst_datum(&name)?;
    if !(asked.is_mine(&said) && asked.unsay(&[format!("{ANALYST}--{}", text(&said.fields, "uuid"))])?) {
        return Err(asked.forbidden("You do not have permission to do that."));
    }
    Ok(asked.done(&format!("{} deleted.", said.name)))
}

/// Those in view of one kind, or those of named UUIDs.
pub(crate) fn index(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let kind = kind_of(asked.call.first());
    let wanted = asked.call.texts("uuid");
    let all = asked.analyst_data()?.into_iter().filter(|s| kind.is_none_or(|k| k == s.name));
    let all = all.filter(|s| wanted.as_ref().is_none_or(|w| w.iter().any(|u| u.eq_ignore_ascii_case(text(&s.fields, "uuid")))));
    Ok(Reply::json(&Value::Array(all.map(|s| json!({s.name: s.fields})).collect())))
}

/// A moment as MISP writes it, out of one as its clients may.
/// UUIDs and times of those in view, by kind: what another MISP compares with what it has.
pub(crate) fn index_minimal(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let all = asked.analyst_data()?;
    if all.is_empty() {
        return Ok(Reply::json(&json!([])));
    }
    let mut out: Map<String, Value> = ANALYST_DATA.into_iter().map(|kind| (kind.to_owned(), json!({}))).collect();
    for said in all {
        if let Some(kind) = out.get_mut(&said.name).and_then(Value::as_object_mut) {
            kind.insert(text(&said.fields, "uuid").to_owned(), text(&said.fields, "modified").into());
        }
    }
    Ok(Reply::json(&Value::Object(out)))
}

/// Which of those a pusher offers are new here or newer.
pub(crate) fn wanted(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let held: BTreeMap<String, String> =
        asked.analyst_data()?.iter().map(|s| (text(&s.fields, "uuid").to_owned(), text(&s.fields, "modified").to_owned())).collect();
    let mut out = Map::new();
    for kind in ANALYST_DATA {
        let offered = asked.call.body.get(kind).and_then(Value::as_object).cloned().unwrap_or_default();
        let newer = |id: &String, at: &Value| held.get(&id.to_ascii_lowercase()).is_none_or(|known| at.as_str().is_some_and(|at| known.as_str() < at));
        let wanted: Map<String, Value> = offered.into_iter().filter(|(id, at)| newer(id, at)).collect();
        out.insert(kind.to_owned(), if wanted.is_empty() { json!([]) } else { wanted.into() });
    }
    Ok(Reply::json(&Value::Object(out)))
}

/// Keeps what a pusher sends. Who wrote it stays as it says: it speaks for others as its MISP does.
pub(crate) fn keep(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let (mut kept, mut ignored) = (0usize, 0usize);
    let held = asked.analyst_data()?;
    let known: BTreeMap<&str, bool> = held.iter().map(|s| (text(&s.fields, "uuid"), asked.is_mine(s))).collect();
    for kind in ANALYST_DATA {
        let Some(sent) = asked.call.body.get(kind) else { continue };
        let one;
        let sent = match sent {
            Value::Array(all) => all.as_slice(),
            other => {
                one = [other.clone()];
                one.as_slice()
            }
        };
        for datum in sent.iter().filter_map(Value::as_object) {
            let foreign = known.get(text(datum, "uuid")) == Some(&false);
            if foreign || uuid(text(datum, "uuid")).is_none() || uuid(text(datum, "object_uuid")).is_none() {
                ignored += 1;
                continue;
            }
            let mut datum = datum.clone();
            datum.insert("locked".to_owned(), true.into());
            asked.write(kind, datum, true)?;
            kept += 1;
        }
    }
    let said = format!("Analyst Data imported. {kept} imported, {ignored} ignored, 0 failed. ");
    Ok(Reply::json(&json!({"saved": kept > 0, "success": kept > 0, "name": said, "message": said, "url": asked.call.path})))
}
