//! Everything that is read: discovery, API root, collections, statuses, and questions about what a collection shows its reader.

use axum::http::StatusCode;
use axum::response::Response;
use polder_stix::Id;
use polder_store::{Query, Versions};
use serde_json::{Value, json};

use crate::access::{Caller, Collection, Rights, find};
use crate::ask::Ask;
use crate::cursor::Cursors;
use crate::error::Failure;
use crate::sink::{self, Shape};
use crate::target::Target;
use crate::{App, MEDIA_TYPE};

/// How objects are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) query: Option<&'a str>,
    pub(crate) head: bool,
}

/// Answers a GET or HEAD.
pub(crate) fn read(app: &App, caller: &Caller, target: &Target, asked: Asked<'_>) -> Result<Response, Failure> {
    match target {
        Target::Discovery => Ok(ok(&discovery(app))),
        Target::Root => Ok(ok(&root(app))),
        Target::Status(id) => status(app, caller, id),
        Target::Collections => Ok(ok(&collections(app, caller))),
        Target::Collection(name) => {
            let (collection, rights) = find(app.access.collections(), caller, name).ok_or_else(Failure::no_collection)?;
            Ok(ok(&resource(&collection, rights)))
        }
        Target::Objects(name) => question(app, caller, name, None, Shape::Envelope, asked),
        Target::Manifest(name) => question(app, caller, name, None, Shape::Manifest, asked),
        Target::Object(name, object) => question(app, caller, name, Some(object), Shape::Envelope, asked),
        Target::Versions(name, object) => question(app, caller, name, Some(object), Shape::Versions, asked),
    }
}

/// The collection, if the caller may read it.
pub(crate) fn readable(app: &App, caller: &Caller, name: &str) -> Result<(Collection, Rights), Failure> {
    let (collection, rights) = find(app.access.collections(), caller, name).ok_or_else(Failure::no_collection)?;
    match rights {
        Rights { read: true, .. } => Ok((collection, rights)),
        Rights { write: true, .. } => Err(Failure::forbidden("this collection can be added to and not read from; ask the operator for the right to read")),
        Rights { .. } => Err(Failure::no_collection()),
    }
}

/// What the collection's stored query takes in, narrowed by what was asked for.
pub(crate) fn query_of(collection: &Collection, ask: &Ask, object: Option<&Id>, versions: Versions) -> Query {
    let (ids, types) = match object {
        Some(id) => (Some(vec![id.clone()]), None),
        None => (ask.ids.clone(), ask.types.clone()),
    };
    Query {
        collection: Some(collection.id.clone()),
        sources: collection.sources.clone(),
        collection_types: collection.types.clone(),
        added_after_us: ask.added_after_us,
        ids: if ask.other_spec { Some(Vec::new()) } else { ids },
        types,
        versions,
        ..Query::default()
    }
}

fn question(app: &App, caller: &Caller, name: &str, object: Option<&str>, shape: Shape, Asked { query, head }: Asked<'_>) -> Result<Response, Failure> {
    let (collection, _) = readable(app, caller, name)?;
    let ask = Ask::parse(query)?;
    let id = object.map(|o| Id::parse(o).ok_or_else(Failure::no_object)).transpose()?;
    let newest_version_first = shape == Shape::Versions;
    let versions = match (&ask.versions, newest_version_first) {
        (_, true) => Versions { all: true, ..Versions::default() },
        (Some(versions), false) => versions.clone(),
        (None, false) => Versions::last(),
    };
    let kind = format!("{shape:?} {}", id.as_ref().map(Id::to_string).unwrap_or_default());
    let cursors = Cursors::new(app.store.secret(), &[&caller.login.recipient, &collection.id, &kind, &ask.normal()]);
    let stale = || Failure::bad("`next` does not belong to this question; repeat the filters of the page it came with, or begin without it");
    let asked = Query {
        after: ask.next.as_deref().map(|text| cursors.read(text).ok_or_else(stale)).transpose()?,
        limit: Some(ask.limit.unwrap_or(app.settings.page_objects_default).min(app.settings.page_objects_max).max(1)),
        newest_version_first,
        ..query_of(&collection, &ask, id.as_ref(), versions)
    };
    let answered = if head { None } else { sink::page(&app.store, &caller.login.recipient, &asked, shape, &cursors)? };
    if let Some(response) = answered {
        return Ok(response);
    }
    if let Some(id) = &id {
        // Filters that leave nothing of an object are answered otherwise than an object that is not there for this reader.
        let whole = query_of(&collection, &Ask::default(), Some(id), Versions { all: true, ..Versions::default() });
        if !app.store.shows(&caller.login.recipient, &whole)? {
            return Err(Failure::no_object());
        }
    }
    Ok(if head { sink::head() } else { ok(&json!({})) })
}

fn status(app: &App, caller: &Caller, id: &str) -> Result<Response, Failure> {
    let kept = app.store.status(&id.to_ascii_lowercase(), &caller.login.recipient)?.ok_or_else(Failure::no_status)?;
    Ok(sink::resource(StatusCode::OK, kept))
}

fn ok(value: &Value) -> Response {
    sink::resource(StatusCode::OK, value.to_string())
}

fn discovery(app: &App) -> Value {
    let root = format!("{}/{}/", app.settings.base_url.trim_end_matches('/'), app.settings.api_root);
    json!({"title": app.access.title(), "default": root, "api_roots": [root]})
}

fn root(app: &App) -> Value {
    json!({"title": app.access.title(), "versions": [MEDIA_TYPE], "max_content_length": app.settings.content_bytes_max})
}

fn collections(app: &App, caller: &Caller) -> Value {
    let known = app.access.collections().into_iter().map(|c| (c.rights_of(caller), c));
    let listed: Vec<Value> = known.filter(|(rights, _)| rights.list).map(|(rights, c)| resource(&c, rights)).collect();
    if listed.is_empty() { json!({}) } else { json!({"collections": listed}) }
}

fn resource(collection: &Collection, rights: Rights) -> Value {
    let mut out = json!({"id": collection.id, "title": collection.title});
    if let Some(map) = out.as_object_mut() {
        if let Some(description) = &collection.description {
            map.insert("description".to_owned(), json!(description));
        }
        if let Some(alias) = &collection.alias {
            map.insert("alias".to_owned(), json!(alias));
        }
        map.insert("can_read".to_owned(), json!(rights.read));
        map.insert("can_write".to_owned(), json!(rights.write));
        map.insert("media_types".to_owned(), json!(["application/stix+json;version=2.1"]));
    }
    out
}
