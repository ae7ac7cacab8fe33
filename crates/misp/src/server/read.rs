//! What a reader asks: who it is, which events there are, one of them, its sightings.
//!
//! The rule: an event that the reader may not see is an event that there is not.

use axum::http::HeaderName;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::sink::{NoPage, Reply, Spill, page};
use super::{Asked, SPOKEN};
use crate::map::fields::{flag, number, text};
use crate::map::ids::{derived, uuid};
use crate::map::{Peer, Reader, Unwritten, View, Wanted};

/// The version, and what a client may do with it.
pub(crate) fn version(asked: &Asked<'_>) -> Reply {
    let writes = asked.caller.role.writes();
    Reply::json(&json!({"version": SPOKEN, "pymisp_recommended_version": SPOKEN, "perm_sync": writes, "perm_sighting": writes, "perm_galaxy_editor": false,
        "perm_analyst_data": false, "uuid": derived(&["instance", &asked.policy.alliance.holder]), "request_encoding": ["gzip", "br"], "filter_sightings": true}))
}

/// MISP's test of a connection.
pub(crate) fn post_test(asked: &Asked<'_>) -> Reply {
    let said = asked.call.body.get("testString").cloned().unwrap_or_default();
    Reply::json(&json!({"body": {"testString": said}, "headers": {"Content-type": "application/json", "Accept": "application/json", "Authorization": "OK"}}))
}

/// Settings of MISP's that clients ask for and that are what they are here.
const SETTINGS: &[(&str, bool)] = &[("MISP.live", true), ("MISP.background_jobs", false), ("MISP.unpublishedprivate", false), ("Plugin.ZeroMQ_enable", false)];

/// One setting, for who administers.
pub(crate) fn setting(asked: &Asked<'_>) -> Result<Reply, Reply> {
    asked.administrator()?;
    let known = SETTINGS.iter().find(|(name, _)| *name == asked.call.first());
    let (name, value) = known.ok_or_else(|| asked.not_found("Invalid setting."))?;
    Ok(Reply::json(&json!({"setting": name, "value": value, "type": "boolean"})))
}

/// Organisations and tags of what the reader may see, for MISP's filter editor.
pub(crate) fn filtering_rules(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let heads = asked.heads()?;
    let names = |list: Vec<String>| list.into_iter().collect::<std::collections::BTreeSet<_>>();
    let organisations = names(heads.iter().filter_map(|h| Some(h.get("Orgc")?.get("name")?.as_str()?.to_owned())).collect());
    let tags = names(heads.iter().flat_map(tag_names).collect());
    Ok(Reply::json(&json!({"organisations": organisations, "tags": tags})))
}

/// Names of the tags of an element.
pub(crate) fn tag_names(fields: &Map<String, Value>) -> Vec<String> {
    fields.get("Tag").and_then(Value::as_array).into_iter().flatten().filter_map(|t| Some(t.get("name")?.as_str()?.to_owned())).collect()
}

/// The list of events, for a pull (`minimal`) or a search.
pub(crate) fn index(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let mut heads = asked.heads()?;
    let minimal = asked.call.flag("minimal").unwrap_or(false);
    // A MISP that pulls deletes nothing that is no longer listed.
    if minimal {
        heads.extend(asked.view(|view| view.left_events())?);
    }
    heads.retain(|head| is_listed(asked, head));
    if let Some(key) = asked.call.text("sort") {
        heads.sort_by_cached_key(|head| sorted_by(head, &key));
        if asked.call.flag("desc").unwrap_or(false) || asked.call.text("direction").as_deref() == Some("desc") {
            heads.reverse();
        }
    }
    let count = heads.len();
    let (limit, at) = (asked.call.number("limit"), asked.call.number("page").unwrap_or(1));
    if let Some(limit) = limit.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0) {
        let skip = usize::try_from(at.saturating_sub(1)).unwrap_or(0).saturating_mul(limit);
        heads = heads.into_iter().skip(skip).take(limit).collect();
    }
    let listed: Vec<Value> = heads.into_iter().map(|head| if minimal { least(&head) } else { listing(head) }).collect();
    let reply = Reply::json(&Value::Array(listed)).with(HeaderName::from_static("x-result-count"), count.to_string());
    Ok(reply.unless(asked.known.as_deref()))
}

/// What an event is sorted by: numbers as numbers, the rest as text.
fn sorted_by(head: &Map<String, Value>, key: &str) -> (i64, String) {
    match number(head.get(key)) {
        Some(number) => (number, String::new()),
        None => (0, text(head, key).to_lowercase()),
    }
}

fn least(head: &Map<String, Value>) -> Value {
    let organisation = head.get("Orgc").and_then(|o| o.get("uuid")).cloned().unwrap_or_default();
    json!({"id": number(head.get("id")), "timestamp": number(head.get("timestamp")), "sighting_timestamp": 0, "published": is_published(head),
        "uuid": head.get("uuid"), "orgc_uuid": organisation})
}

fn listing(mut head: Map<String, Value>) -> Value {
    let tags: Vec<Value> = head.shift_remove("Tag").and_then(|t| t.as_array().cloned()).unwrap_or_default();
    head.insert("EventTag".to_owned(), tags.into_iter().map(|tag| json!({"local": tag.get("local").cloned().unwrap_or(false.into()), "Tag": tag})).collect());
    Value::Object(head)
}

/// An event that does not say came out of a feed, where all are published.
pub(crate) fn is_published(head: &Map<String, Value>) -> bool {
    head.get("published").is_none_or(|p| flag(Some(p)))
}

fn is_listed(asked: &Asked<'_>, head: &Map<String, Value>) -> bool {
    let call = &asked.call;
    let any = |key: &str, is: &dyn Fn(&str) -> bool| {
        let Some(wanted) = call.texts(key).filter(|w| !w.is_empty()) else { return true };
        let (no, yes): (Vec<&String>, Vec<&String>) = wanted.iter().partition(|w| w.starts_with('!'));
        !no.iter().any(|w| is(w.trim_start_matches('!'))) && (yes.is_empty() || yes.iter().any(|w| is(w)))
    };
    let tags = tag_names(head);
    let organisation = |key: &str| head.get("Orgc").and_then(|o| o.get(key)).and_then(Value::as_str).unwrap_or_default();
    let day = text(head, "date");
    let now_s = asked.app.store.now_us() / 1_000_000;
    let since = |key: &str| {
        let Some(said) = call.texts(key).filter(|t| !t.is_empty()) else { return true };
        let mut both = said.iter().take(2).filter_map(|t| super::filter::moment_s(t, now_s)).collect::<Vec<_>>();
        both.sort_unstable();
        let at = number(head.get(key)).unwrap_or_default();
        both.first().is_some_and(|from| *from <= at) && both.get(1).is_none_or(|to| at <= *to)
    };
    since("timestamp")
        && since("publish_timestamp")
        && call.flag("published").is_none_or(|p| p == is_published(head))
        && any("org", &|w| w == organisation("name") || w.eq_ignore_ascii_case(organisation("uuid")) || w == text(head, "orgc_id"))
        && any("tag", &|w| tags.iter().any(|t| t.eq_ignore_ascii_case(w)))
        && any("tags", &|w| tags.iter().any(|t| t.eq_ignore_ascii_case(w)))
        && any("eventid", &|w| w == text(head, "id") || w.eq_ignore_ascii_case(text(head, "uuid")))
        && any("uuid", &|w| w.eq_ignore_ascii_case(text(head, "uuid")))
        && ["eventinfo", "info"].iter().all(|key| any(key, &|w| super::filter::like(&format!("%{}%", w.trim_matches('%')), text(head, "info"))))
        && call.text("datefrom").is_none_or(|from| day >= from.as_str())
        && call.text("dateuntil").is_none_or(|until| day <= until.as_str())
}

/// The events of this reader's feed, as MISP's feeds list them.
pub(crate) fn manifest(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let keys = ["Orgc", "Tag", "info", "date", "analysis", "threat_level_id", "timestamp"];
    let listed: Map<String, Value> = asked
        .heads()?
        .into_iter()
        .filter(is_published)
        .map(|head| (text(&head, "uuid").to_owned(), keys.iter().filter_map(|k| Some(((*k).to_owned(), head.get(*k)?.clone()))).collect::<Map<_, _>>().into()))
        .collect();
    Ok(Reply::json(&Value::Object(listed)).unless(asked.known.as_deref()))
}

/// One event of this reader's feed.
pub(crate) fn feed_event(asked: &Asked<'_>, name: &str) -> Result<Reply, Reply> {
    let missing = || asked.not_found("Invalid event.");
    let uuid = uuid(name).ok_or_else(missing)?;
    let mut out = Vec::new();
    let wanted = Wanted { local_tags: false, sightings: false, ..Wanted::ALL };
    if !asked.view(|view| view.event(&uuid, wanted, &mut out))? {
        return Err(missing());
    }
    Ok(Reply::bytes(out, "application/json; charset=UTF-8").unless(asked.known.as_deref()))
}

/// The digests of the values of this reader's feed, and the events they are in.
pub(crate) fn hashes(asked: &Asked<'_>) -> Result<Reply, Reply> {
    use md5::{Digest, Md5};
    let mut out = String::new();
    for head in asked.heads()?.into_iter().filter(is_published) {
        let uuid = text(&head, "uuid");
        for attribute in asked.whole(uuid)? {
            let value = text(&attribute, "value");
            let parts = value.split_once('|').map_or_else(|| vec![value], |(a, b)| vec![a, b]);
            for part in parts {
                let digest: String = Md5::digest(part).iter().map(|b| format!("{b:02x}")).collect();
                out.push_str(&format!("{digest},{uuid}\n"));
            }
        }
    }
    Ok(Reply::bytes(out.into_bytes(), "text/csv; charset=UTF-8").unless(asked.known.as_deref()))
}

/// One event.
pub(crate) fn event(asked: &Asked<'_>, name: &str) -> Result<Reply, Reply> {
    let missing = || asked.not_found("Invalid event.");
    let uuid = asked.event_uuid(name)?.ok_or_else(missing)?;
    if asked.call.method == Method::HEAD {
        // A pusher also knows what it brought itself.
        let there = asked.is_visible(&uuid)? || asked.is_own(&uuid)?;
        return if there { Ok(Reply::json(&Value::Null)) } else { Err(missing()) };
    }
    let mut out = Spill::new(asked.way);
    let wanted = asked.wanted();
    let found = asked.view(|view| view.event(&uuid, wanted, &mut out))?;
    if found { out.finish().map_err(|e| asked.failed(&e)) } else { Err(missing()) }
}

impl Asked<'_> {
    /// The caller as a reader.
    pub(crate) fn reader(&self) -> Reader<'_> {
        let alliance = &self.policy.alliance;
        Reader {
            store: &self.app.store,
            peer: Peer::of(&self.me, alliance),
            alliance,
            secret: self.app.store.secret(),
            recipient: &self.caller.recipient,
            unexported: &self.unexported,
        }
    }

    /// Reads in the caller's view.
    pub(crate) fn view<T>(&self, read: impl FnOnce(&mut View<'_, NoPage>) -> Result<T, Unwritten<NoPage>>) -> Result<T, Reply> {
        let reader = self.reader();
        let mut pages = |query: &polder_store::Query, form| page(&self.app.store, &self.caller.recipient, query, form);
        let mut view = View::new(&reader, &mut pages);
        read(&mut view).map_err(|e| match e {
            Unwritten::Page(NoPage::Recipient) => self.forbidden("You may receive nothing."),
            Unwritten::Page(NoPage::Moving) => {
                Reply::error(StatusCode::SERVICE_UNAVAILABLE, "The policy is being changed; try again in a moment.", &self.call.path)
            }
            other => self.failed(&other),
        })
    }

    /// The heads of all events in view.
    pub(crate) fn heads(&self) -> Result<Vec<Map<String, Value>>, Reply> {
        self.view(|view| view.events())
    }

    /// The UUID of an event that is called by UUID, or by this reader's number for it.
    pub(crate) fn event_uuid(&self, name: &str) -> Result<Option<String>, Reply> {
        if let Some(uuid) = uuid(name) {
            return Ok(Some(uuid));
        }
        self.numbered(name, &["report"])
    }

    /// The UUID behind one of this reader's numbers.
    pub(crate) fn numbered(&self, name: &str, types: &[&str]) -> Result<Option<String>, Reply> {
        let Ok(wanted) = name.parse::<u64>() else { return Ok(None) };
        let reader = self.reader();
        let found = self.app.store.find_in_view(&self.caller.recipient, types, &mut |id| reader.number(&crate::map::ids::written(id.uuid)) == wanted);
        Ok(found.map_err(|e| self.failed(&e))?.map(|id| crate::map::ids::written(id.uuid)))
    }

    pub(crate) fn is_visible(&self, uuid: &str) -> Result<bool, Reply> {
        let mut nowhere = std::io::sink();
        self.view(|view| view.event(uuid, Wanted { parts: false, ..Wanted::ALL }, &mut nowhere))
    }

    /// How much of an event the call asks for.
    pub(crate) fn wanted(&self) -> Wanted {
        let said = self.call.texts("deleted").unwrap_or_default();
        // A search for what was withdrawn finds that alone; a view shows it besides.
        let search = self.call.action == "restsearch" && !said.is_empty() && said.iter().all(|d| d == "1" || d == "true");
        let only = search || said.iter().any(|d| d == "only");
        let deleted = only || said.iter().any(|d| d == "1" || d == "true");
        let no = |key: &str| self.call.flag(key).unwrap_or(false);
        Wanted {
            deleted,
            left: deleted && !only && self.call.action == "view",
            standing: !only,
            local_tags: !no("excludeLocalTags"),
            unexported_tags: false,
            attachments: self.call.action != "restsearch" || self.call.flag("withAttachments").unwrap_or(false),
            galaxies: !no("excludeGalaxy"),
            parts: !no("metadata"),
            said: true,
            sightings: !no("noSightings") && self.call.flag("includeSightings").unwrap_or(!no("excludeGalaxy")),
        }
    }
}
