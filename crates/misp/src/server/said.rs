//! Sightings and proposals: what anybody says about an attribute or an event.
//!
//! The rule: it goes into the source of who says it, about what that caller may see; whose event it is decides what becomes of a proposal.

use std::collections::{BTreeMap, BTreeSet};

use polder_stix::Id;
use polder_store::Act;
use serde_json::{Map, Value, json};

use super::Asked;
use super::call::texts;
use super::change::{every, is, list};
use super::filter::moment_s;
use super::sink::Reply;
use super::write::{fill, random_uuid};
use crate::limits;
use crate::map::aside::{Aside, Kind, PROPOSAL, own_of};
use crate::map::fields::{flag, number, text};
use crate::map::ids::uuid;
use crate::map::marks::organisation_of;
use crate::map::{Said, Wanted};

/// The types of a sighting.
const SIGHTINGS: [&str; 2] = ["sighting", "x-misp-sighting"];

impl Asked<'_> {
    /// The caller's organisation as MISP writes it.
    pub(crate) fn own_organisation(&self) -> Value {
        let member = self.me.organisation.as_deref().unwrap_or_default();
        let identity = self.policy.alliance.members.get(member).and_then(|m| organisation_of(m.identity.as_deref()?));
        json!({"uuid": identity, "name": self.app.access.name(member)})
    }

    /// What an attribute or event is marked with, where the source has it itself.
    fn held_marks(&self, source: &str, id: &str) -> Result<Option<BTreeSet<String>>, Reply> {
        let Some(row) = Id::parse(id).and_then(|id| self.app.store.latest_row(source, &id)) else { return Ok(None) };
        let bytes = self.app.store.row_bytes(row, false).map_err(|e| self.failed(&e))?;
        let object: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let marks = object.get("object_marking_refs").and_then(Value::as_array).into_iter().flatten();
        Ok(Some(marks.filter_map(Value::as_str).map(str::to_owned).collect()))
    }

    /// The STIX id that an attribute has in the caller's view.
    pub(crate) fn stix_of_attribute(&self, own: &str) -> Result<Option<String>, Reply> {
        // What the caller's own source has is known to it, whether it may be read with this key or not.
        let source = self.source()?;
        for kind in crate::map::KINDS {
            let Some(row) = Id::parse(&format!("{kind}--{own}")).and_then(|id| self.app.store.latest_row(&source, &id)) else { continue };
            let bytes = self.app.store.row_bytes(row, false).map_err(|e| self.failed(&e))?;
            let object: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            if object.get("extensions").and_then(|e| e.get(polder_stix::ext::MISP)).is_some_and(|o| o.get("fields").is_some()) {
                return Ok(Some(format!("{kind}--{own}")));
            }
        }
        let ids = crate::map::KINDS.iter().filter_map(|kind| Id::parse(&format!("{kind}--{own}"))).collect();
        self.view(|view| view.attribute_id(ids))
    }

    /// Keeps something the caller says about an event, or an attribute of one, that it may see; or about nothing that is known.
    pub(crate) fn say(&self, kind: Kind, (event, attribute): (Option<&str>, Option<&str>), fields: Map<String, Value>) -> Result<(), Reply> {
        self.say_as(kind, None, (event, attribute), fields)
    }

    /// The same, under a UUID of its own besides the one it states.
    fn say_as(&self, kind: Kind, own: Option<String>, (event, attribute): (Option<&str>, Option<&str>), fields: Map<String, Value>) -> Result<(), Reply> {
        let about = Some(text(&fields, "object_uuid").to_ascii_lowercase()).filter(|a| !a.is_empty() && matches!(kind, Kind::Analyst(_)));
        let source = self.source()?;
        let owner = match event {
            Some(event) => self.view(|view| view.origin_of(event))?,
            None => None,
        };
        let event = event.map(|e| format!("report--{e}"));
        let target = attribute.or(event.as_deref());
        let marks = match target {
            Some(id) => self.held_marks(&source, id)?,
            None => None,
        };
        let readers = (target.is_some() && marks.is_none()).then(|| {
            let members = owner.as_ref().and_then(|o| o.originator(&self.policy.alliance)).map(Into::into);
            members.into_iter().chain(self.me.organisation.clone()).collect()
        });
        let author = self.me.organisation.as_deref().and_then(|m| self.policy.alliance.members.get(m)?.identity.as_deref().map(str::to_owned));
        let aside = Aside { kind, own, fields, event, attribute: attribute.map(str::to_owned), about, author, marks: marks.unwrap_or_default(), readers };
        let taken = self.taking(&source, &mut |taker| taker.aside(aside.clone()))?;
        self.refusal(&taken).map_or(Ok(()), Err)
    }

    /// Takes out what the caller's organisation, or one it acts for, said under these ids.
    pub(crate) fn unsay(&self, ids: &[String]) -> Result<bool, Reply> {
        let sources = std::iter::once(self.source()?).chain(self.app.access.sources_of(&self.caller));
        let ids: Vec<Id> = ids.iter().filter_map(|id| Id::parse(id)).collect();
        let rows: BTreeSet<u32> = sources.flat_map(|source| ids.iter().flat_map(|id| self.app.store.family_all(&source, id)).collect::<Vec<_>>()).collect();
        if rows.is_empty() {
            return Ok(false);
        }
        self.app.store.act(Act::Remove(rows.into_iter().collect()), &self.caller.user).map_err(|e| self.failed(&e))?;
        Ok(true)
    }

    fn all_said(&self, types: &[&str]) -> Result<Vec<Said>, Reply> {
        self.view(|view| view.said(types, None, None))
    }
}

impl Said {
    /// With the UUIDs of what it is about, for a list in which it stands alone.
    fn placed(mut self) -> Self {
        for (key, uuid) in [("event_uuid", &self.event), ("attribute_uuid", &self.attribute)] {
            self.fields.insert(key.to_owned(), uuid.as_str().into());
        }
        self
    }
}

/// What a request asks of sightings.
struct Sought {
    org: Vec<String>,
    not_org: Vec<String>,
    source: Option<String>,
    kind: Option<String>,
    from_s: Option<i64>,
    to_s: Option<i64>,
    uuid: Option<Vec<String>>,
}

impl Sought {
    fn of(asked: &Asked<'_>) -> Self {
        let call = &asked.call;
        let now_s = asked.app.store.now_us() / 1_000_000;
        let orgs = call.texts("org_id").or_else(|| call.texts("org")).unwrap_or_default();
        let (not_org, org): (Vec<String>, Vec<String>) = orgs.into_iter().filter(|o| !o.is_empty()).partition(|o| o.starts_with('!'));
        let moment = |key: &str| call.text(key).and_then(|t| moment_s(&t, now_s));
        Self {
            not_org: not_org.iter().map(|o| o.trim_start_matches('!').to_owned()).collect(),
            org,
            source: call.text("source"),
            kind: call.text("type"),
            from_s: moment("last").or_else(|| moment("from")).filter(|t| *t > 0),
            to_s: moment("to"),
            uuid: None,
        }
    }

    fn takes(&self, said: &Map<String, Value>) -> bool {
        let organisation = |key: &str| said.get("Organisation").and_then(|o| o.get(key)).and_then(Value::as_str).unwrap_or_default();
        let of = |who: &String| who == text(said, "org_id") || who == organisation("uuid") || who == organisation("name");
        let at_s = number(said.get("date_sighting")).unwrap_or_default();
        (self.org.is_empty() || self.org.iter().any(of))
            && !self.not_org.iter().any(of)
            && self.source.as_deref().is_none_or(|s| s == text(said, "source"))
            && self.kind.as_deref().is_none_or(|k| number(said.get("type")).unwrap_or_default().to_string() == k)
            && self.from_s.is_none_or(|from| from <= at_s)
            && self.to_s.is_none_or(|to| at_s <= to)
            && self.uuid.as_ref().is_none_or(|all| all.iter().any(|u| u == text(said, "uuid")))
    }
}

/// Sightings that match, of what is named: events, attributes, or everything in view.
fn found(asked: &Asked<'_>, context: &str) -> Result<Vec<Said>, Reply> {
    let named: Vec<String> = ["uuid", "id", "eventid"].iter().filter_map(|key| asked.call.texts(key)).flatten().filter(|n| !n.is_empty()).collect();
    if named.len() > limits::SIGHTED_EVENTS_MAX {
        return Err(asked.bad("Too many events in one request."));
    }
    let sought = Sought::of(asked);
    let mut all = Vec::new();
    if named.is_empty() || !matches!(context, "event" | "attribute") {
        let sought = Sought { uuid: (!named.is_empty()).then_some(named), ..sought };
        let mut seen: BTreeMap<String, bool> = BTreeMap::new();
        for said in asked.all_said(&SIGHTINGS)?.into_iter().filter(|s| sought.takes(&s.fields)) {
            let known = match seen.get(&said.event) {
                Some(known) => *known,
                None => asked.is_visible(&said.event)?,
            };
            seen.insert(said.event.clone(), known);
            if known {
                all.push(said.placed());
            }
        }
        return Ok(all);
    }
    for name in &named {
        let attribute = context == "attribute";
        let event = if attribute { asked.event_of_attribute(name)? } else { asked.event_uuid(name)? };
        let Some(event) = event else { continue };
        let of = asked.view(|view| view.sightings_of(&event))?;
        let meant = |s: &Said| !attribute || s.attribute.eq_ignore_ascii_case(name) || text(&s.fields, "attribute_id") == name;
        all.extend(of.into_iter().filter(|s| meant(s) && sought.takes(&s.fields)).map(Said::placed));
    }
    Ok(all)
}

/// Sightings by event, attribute or whatever else is said of them.
pub(crate) fn search_sightings(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let (with_attribute, with_event) = (asked.call.flag("includeAttribute").unwrap_or(false), asked.call.flag("includeEvent").unwrap_or(false));
    let mut answer = Vec::new();
    for mut said in found(asked, asked.call.first())? {
        if with_event && let Some(head) = asked.head_of(&said.event)? {
            said.fields.insert("Event".to_owned(), head);
        }
        if with_attribute && let Some(attribute) = asked.shown(&said.event, &said.attribute)? {
            said.fields.insert("Attribute".to_owned(), attribute);
        }
        answer.push(json!({"Sighting": said.fields}));
    }
    Ok(Reply::json(&json!({"response": answer})))
}

/// Sightings of an event or attribute, or all, page by page.
pub(crate) fn list_sightings(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let context = asked.call.text("context").unwrap_or_else(|| asked.call.args.get(1).cloned().unwrap_or_default());
    let all = found(asked, &context)?;
    let limit = asked.call.number("limit").and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(usize::MAX);
    let skip = asked.call.number("page").and_then(|n| usize::try_from(n).ok()).unwrap_or(1).saturating_sub(1).saturating_mul(limit);
    let shown = all.into_iter().skip(skip).take(limit).map(|said| json!({"Sighting": said.fields}));
    Ok(Reply::json(&Value::Array(shown.collect())))
}

/// Adds a sighting of an attribute, or of every attribute with a value.
pub(crate) fn add_sighting(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let mut body = asked.call.object("Sighting");
    // A list of sightings adds its first, as MISP does.
    if let Some(first) = asked.call.body.as_array().and_then(|list| list.first()) {
        body = first.get("Sighting").unwrap_or(first).as_object().cloned().unwrap_or_default();
    }
    let one = |key: &str| body.get(key).map(texts).and_then(|t| t.into_iter().next()).filter(|t| !t.is_empty());
    let values: Vec<String> = ["values", "value"].iter().filter_map(|k| body.get(*k)).flat_map(texts).collect();
    let named = Some(asked.call.first().to_owned()).filter(|n| !n.is_empty()).or_else(|| if values.is_empty() { one("uuid").or(one("id")) } else { None });
    let mut targets: Vec<(String, String)> = Vec::new();
    if let Some(name) = named {
        let missing = || asked.not_found("Invalid attribute.");
        let event = asked.event_of_attribute(&name)?.ok_or_else(missing)?;
        let own = match uuid(&name) {
            Some(uuid) => uuid,
            None => asked.numbered(&name, &crate::map::KINDS)?.ok_or_else(missing)?,
        };
        targets.push((event, own));
    } else {
        let found = asked.with_values(&values)?.into_iter().filter(|(a, _)| values.iter().any(|v| v == text(a, "value")));
        targets.extend(found.map(|(a, head)| (text(&head, "uuid").to_owned(), text(&a, "uuid").to_owned())));
    }
    let at = one("timestamp").or_else(|| one("date_sighting")).unwrap_or_else(|| asked.now_s().to_string());
    let mut last = None;
    for (event, own) in targets {
        let id = random_uuid().ok_or_else(|| asked.internal())?;
        let kind = one("type").unwrap_or_else(|| "0".to_owned());
        let fields = json!({"uuid": id, "date_sighting": at, "type": kind, "source": text(&body, "source"), "Organisation": asked.own_organisation()});
        let Value::Object(fields) = fields else { continue };
        let attribute = asked.stix_of_attribute(&own)?.ok_or_else(|| asked.not_found("Invalid attribute."))?;
        asked.say(Kind::Sighting, (Some(&event), Some(&attribute)), fields.clone())?;
        last = Some((event, own, id, fields));
    }
    let (event, own, id, mut shown) = last.ok_or_else(|| asked.not_found("No valid attributes found."))?;
    let reader = asked.reader();
    for (key, of) in [("id", &id), ("attribute_id", &own), ("event_id", &event)] {
        shown.insert(key.to_owned(), reader.number(of).to_string().into());
    }
    shown.insert("attribute_uuid".to_owned(), own.into());
    Ok(Reply::json(&json!({"Sighting": shown})))
}

/// Takes back a sighting that the caller's organisation made.
pub(crate) fn delete_sighting(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let missing = || asked.not_found("Invalid sighting.");
    let own = match uuid(asked.call.first()) {
        Some(uuid) => uuid,
        None => asked.numbered(asked.call.first(), &SIGHTINGS)?.ok_or_else(missing)?,
    };
    if asked.unsay(&SIGHTINGS.map(|kind| format!("{kind}--{own}")))? { Ok(asked.done("Sighting successfully deleted.")) } else { Err(missing()) }
}

/// Sightings that another MISP has of attributes of an event, under the UUIDs they have.
pub(crate) fn keep_sightings(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    let known: BTreeSet<String> = asked.view(|view| view.sightings_of(&event))?.iter().map(|s| text(&s.fields, "uuid").to_owned()).collect();
    let mut saved = 0usize;
    for sent in asked.call.body.as_array().into_iter().flatten().filter_map(Value::as_object) {
        let own = text(sent, "attribute_uuid").to_ascii_lowercase();
        let Some(attribute) = asked.stix_of_attribute(&own)?.filter(|_| !known.contains(text(sent, "uuid"))) else { continue };
        if asked.event_of_attribute(&own)?.as_deref() != Some(&event) {
            continue;
        }
        let mut fields = sent.clone();
        fields.shift_remove("attribute_uuid");
        asked.say(Kind::Sighting, (Some(&event), Some(&attribute)), fields)?;
        saved += 1;
    }
    Ok(Reply::json(&json!({"saved": saved, "success": true})))
}

/// Which of the sightings a pusher has are here already.
pub(crate) fn known_sightings(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let Some(event) = asked.event_uuid(asked.call.first())? else { return Ok(Reply::json(&json!([]))) };
    let offered = texts(&asked.call.body);
    let held = asked.view(|view| view.sightings_of(&event))?;
    let known = held.iter().map(|s| text(&s.fields, "uuid")).filter(|u| offered.iter().any(|o| o.eq_ignore_ascii_case(u)));
    Ok(Reply::json(&known.collect::<Vec<_>>().into()))
}

impl Asked<'_> {
    /// An event as the caller reads it, without its parts.
    fn head_of(&self, event: &str) -> Result<Option<Value>, Reply> {
        let mut out = Vec::new();
        if !self.view(|view| view.event(event, Wanted { parts: false, ..Wanted::ALL }, &mut out))? {
            return Ok(None);
        }
        let mut event: Value = serde_json::from_slice(&out).unwrap_or_default();
        Ok(event.get_mut("Event").map(Value::take))
    }

    fn proposals(&self) -> Result<Vec<Said>, Reply> {
        let mut all = self.all_said(&[PROPOSAL])?;
        // Whose event it is may have decided since.
        let events: BTreeSet<String> = all.iter().map(|s| s.event.clone()).collect();
        for event in events {
            let Some(id) = Id::parse(&format!("report--{event}")) else { continue };
            let owner = self.view(|view| view.origin_of(&event))?;
            let decided = self.view(|view| view.said(&[PROPOSAL], Some(&id), owner.as_ref()))?;
            all.iter_mut().for_each(|s| {
                if let Some(newer) = decided.iter().find(|d| text(&d.fields, "id") == text(&s.fields, "id")) {
                    s.fields.clone_from(&newer.fields);
                }
            });
        }
        Ok(all)
    }

    fn proposal(&self, name: &str) -> Result<Said, Reply> {
        let meant = |s: &Said| text(&s.fields, "id") == name || text(&s.fields, "uuid").eq_ignore_ascii_case(name);
        let mut standing = self.proposals()?.into_iter().filter(|s| !flag(s.fields.get("deleted")));
        standing.rfind(meant).ok_or_else(|| self.not_found("Invalid proposal."))
    }

    fn propose(&self, event: &str, attribute: Option<&str>, mut fields: Map<String, Value>) -> Result<Reply, Reply> {
        if !self.is_visible(event)? {
            return Err(self.not_found("Invalid event."));
        }
        let stix = match attribute {
            Some(own) => Some(self.stix_of_attribute(own)?.ok_or_else(|| self.not_found("Invalid attribute."))?),
            None => None,
        };
        fields.retain(|key, _| {
            let said = ["Note", "Opinion", "Relationship", "Sighting", "ShadowAttribute"];
            let others =
                matches!(key.as_str(), "id" | "event_id" | "object_id" | "Event" | "Tag" | "Galaxy" | "distribution" | "sharing_group_id" | "SharingGroup");
            !others && !said.contains(&key.as_str())
        });
        let own = random_uuid().ok_or_else(|| self.internal())?;
        let defaults =
            [("deleted", json!(false)), ("proposal_to_delete", json!(false)), ("Org", self.own_organisation()), ("timestamp", json!(self.now_s().to_string()))];
        // MISP tells what is to be changed by the UUID.
        fields.extend([("uuid".to_owned(), attribute.unwrap_or(&own).into())]);
        fill(&mut fields, defaults);
        self.say_as(Kind::Proposal, Some(own.clone()), (Some(event), stix.as_deref()), fields)?;
        let id = self.reader().number(&own).to_string();
        Ok(Reply::json(&json!({"saved": true, "success": true, "ShadowAttribute": self.proposal(&id)?.fields})))
    }
}

/// The proposals in view, or those to one event; for another MISP also those that were decided, by time and page.
pub(crate) fn list_proposals(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let event = if asked.call.first().is_empty() { None } else { Some(asked.named_event()?) };
    let since = asked.call.number("timestamp").unwrap_or_default();
    let said = asked.call.texts("deleted").unwrap_or_default();
    let decided = said.iter().any(|d| d == "1");
    let all = asked.proposals()?.into_iter().filter(|s| event.as_ref().is_none_or(|e| *e == s.event));
    let all = all.filter(|s| (decided || !flag(s.fields.get("deleted"))) && number(s.fields.get("timestamp")).unwrap_or_default() >= since);
    let limit = asked.call.number("limit").and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(usize::MAX);
    let skip = asked.call.number("page").and_then(|n| usize::try_from(n).ok()).unwrap_or(1).saturating_sub(1).saturating_mul(limit);
    Ok(Reply::json(&Value::Array(all.skip(skip).take(limit).map(|s| json!({"ShadowAttribute": s.fields})).collect())))
}

/// One proposal.
pub(crate) fn view_proposal(asked: &Asked<'_>) -> Result<Reply, Reply> {
    Ok(Reply::json(&json!({"ShadowAttribute": asked.proposal(asked.call.first())?.fields})))
}

/// Proposes a new attribute.
pub(crate) fn add_proposal(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    let sent = if asked.call.body.get("ShadowAttribute").is_some() { "ShadowAttribute" } else { "Attribute" };
    let mut fields = asked.call.object(sent);
    asked.complete_attribute(&mut fields, asked.now_s())?;
    asked.propose(&event, None, fields)
}

/// Proposes a change of an attribute, or that it be withdrawn.
pub(crate) fn edit_proposal(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let (event, own) = asked.named_attribute()?;
    let mut fields = asked.shown(&event, &own)?.and_then(|v| v.as_object().cloned()).unwrap_or_default();
    let sent = if asked.call.body.get("ShadowAttribute").is_some() { "ShadowAttribute" } else { "Attribute" };
    fields.shift_remove("timestamp");
    fields.shift_remove("Sighting");
    fields.shift_remove("ShadowAttribute");
    if asked.call.action == "delete" {
        fields.insert("proposal_to_delete".to_owned(), true.into());
    } else {
        fields.extend(asked.call.object(sent).into_iter().filter(|(key, _)| !matches!(key.as_str(), "timestamp" | "uuid")));
    }
    asked.propose(&event, Some(&own), fields)
}

/// Carries out a proposal, or lays it aside; whose event it is decides.
pub(crate) fn decide_proposal(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let said = asked.proposal(asked.call.first())?;
    let accept = asked.call.action == "accept";
    // One's own is taken back in one's own name, also from another's event.
    let own = if !accept && asked.is_mine(&said) { Some(asked.source()?) } else { asked.keeper(&said.event)? };
    let Some(source) = own else { return Err(asked.forbidden("You do not have permission to do that.")) };
    let now = asked.now_s();
    if accept {
        let mut new = said.fields.clone();
        new.retain(|key, _| matches!(key.as_str(), "uuid" | "type" | "category" | "value" | "to_ids" | "comment" | "first_seen" | "last_seen" | "data"));
        asked.changed(&said.event, &mut |event| {
            if said.attribute.is_empty() {
                let mut attribute = new.clone();
                asked.complete_attribute(&mut attribute, now)?;
                list(event, "Attribute").into_iter().for_each(|l| l.push(Value::Object(attribute.clone())));
            }
            for attribute in every(event).into_iter().filter(|a| is(a, &said.attribute)) {
                if flag(said.fields.get("proposal_to_delete")) {
                    attribute.insert("deleted".to_owned(), true.into());
                } else {
                    attribute.extend(new.iter().filter(|(key, _)| *key != "uuid").map(|(k, v)| (k.clone(), v.clone())));
                }
                attribute.insert("timestamp".to_owned(), now.to_string().into());
            }
            Ok(())
        })?;
    }
    asked.decided(&said, &source)?;
    Ok(asked.done(if accept { "Proposed change accepted." } else { "Proposal discarded." }))
}

impl Asked<'_> {
    /// Says in the source of whose event it is that a proposal was decided, so that who made it hears so too.
    fn decided(&self, said: &Said, source: &str) -> Result<(), Reply> {
        let alliance = &self.policy.alliance;
        let own = self.numbered(text(&said.fields, "id"), &[PROPOSAL])?.unwrap_or_default();
        let mut fields = said.fields.clone();
        let at_s = number(fields.get("timestamp")).unwrap_or_default().saturating_add(1).max(self.now_s());
        fields.extend([("deleted".to_owned(), true.into()), ("timestamp".to_owned(), at_s.to_string().into())]);
        let owner = self.view(|view| view.origin_of(&said.event))?;
        let whose = [owner.as_ref().and_then(|o| o.originator(alliance)), said.origin.originator(alliance)];
        let aside = Aside {
            kind: Kind::Proposal,
            own: Some(own),
            fields,
            event: Some(format!("report--{}", said.event)),
            attribute: if said.attribute.is_empty() { None } else { self.stix_of_attribute(&said.attribute)? },
            about: None,
            author: None,
            marks: BTreeSet::new(),
            readers: Some(whose.into_iter().flatten().map(Into::into).collect()),
        };
        let taken = self.taking(source, &mut |taker| taker.aside(aside.clone()))?;
        self.refusal(&taken).map_or(Ok(()), Err)
    }
}

/// Proposals that another MISP has to attributes of an event that the caller may see.
pub(crate) fn keep_proposals(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.source()?;
    let event = asked.named_event()?;
    if !asked.is_visible(&event)? {
        return Err(asked.not_found("Invalid event."));
    }
    let held = asked.proposals()?;
    let known: BTreeMap<&str, bool> = held.iter().map(|s| (text(&s.fields, "uuid"), asked.is_mine(s) && !flag(s.fields.get("deleted")))).collect();
    let mut kept = 0usize;
    for sent in asked.call.body.as_array().into_iter().flatten() {
        let Some(sent) = sent.get("ShadowAttribute").unwrap_or(sent).as_object() else { continue };
        let own = text(sent, "uuid").to_ascii_lowercase();
        // One's own is known, and may be taken back.
        let stays = known.get(own.as_str()).is_some_and(|mine| !(*mine && flag(sent.get("deleted"))));
        if stays || uuid(&own).is_none() {
            continue;
        }
        let stix = asked.stix_of_attribute(&own)?.filter(|_| matches!(asked.event_of_attribute(&own), Ok(Some(of)) if of == event));
        let whose = sent.get("Org").and_then(|o| o.get("uuid")).and_then(Value::as_str);
        let id = stix.as_ref().map(|_| own_of(&own, whose));
        asked.say_as(Kind::Proposal, id, (Some(&event), stix.as_deref()), sent.clone())?;
        kept += 1;
    }
    Ok(Reply::json(&json!({"success": kept > 0, "message": format!("{kept} Proposal(s) added."), "counter": kept})))
}
