//! Requests against the whole router over a real store: every edge of TAXII 2.1 that clients trip over.

#![expect(clippy::disallowed_types, reason = "tests send bodies")]

mod edges;
mod paging;
mod posting;
mod pulling;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use polder_release::{Alliance, Audience, DefaultLabel, Kind, Level, Member, Origin, Policy, Recipient};
use polder_store::{ManualClock, Setup, Source, Store, prepare};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{Access, Collection, Denied, Login, MEDIA_TYPE, Right, Settings, router};

const ALL: &str = "10000000-0000-4000-8000-000000000001";
const DROP: &str = "10000000-0000-4000-8000-000000000002";
const SHELF: &str = "10000000-0000-4000-8000-000000000003";
const SECRET: &str = "10000000-0000-4000-8000-000000000004";
const MALWARE: &str = "10000000-0000-4000-8000-000000000005";
const NOBODY: &str = "11111111-1111-4111-8111-111111111111";
const RED: &str = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1";
const START_US: i64 = 1_800_000_000_000_000;

struct Directory;

impl Access for Directory {
    fn authenticate(&self, authorization: Option<&str>) -> Result<Login, Denied> {
        let login = |user: &str| Ok(Login { user: user.into(), recipient: user.into(), writes: true });
        match authorization {
            None => Err(Denied::Missing),
            Some("Bearer home") => login("home"),
            Some("Bearer north") => login("north"),
            Some("Bearer south") => login("south"),
            Some("Bearer north-siem") => login("north-siem"),
            Some("Bearer gone") => login("gone"),
            Some("Bearer panic") => panic!("on purpose"),
            Some(_) => Err(Denied::Wrong),
        }
    }

    fn collections(&self) -> Vec<Collection> {
        let right = |recipient: &str, list, read, write| Right { recipient: recipient.into(), list, read, write };
        let collection = |id: &str, alias: &str, types: Option<&str>, rights| Collection {
            id: id.into(),
            alias: Some(alias.into()),
            title: alias.into(),
            description: None,
            types: types.map(|t| vec![t.into()]),
            sources: None,
            rights,
        };
        let shelf = Collection { sources: Some(Vec::new()), ..collection(SHELF, "shelf", None, vec![right("*", true, true, true)]) };
        vec![
            collection(ALL, "all", None, vec![right("*", true, true, true)]),
            collection(DROP, "drop", None, vec![right("north", true, false, true), right("home", true, true, false)]),
            shelf,
            collection(SECRET, "secret", None, vec![right("home", true, true, true)]),
            collection(MALWARE, "malware", Some("malware"), vec![right("*", true, true, false)]),
        ]
    }

    fn poster_source(&self, login: &Login) -> Result<Box<str>, polder_store::Error> {
        Ok(match &*login.recipient {
            "home" => "own".into(),
            "north-siem" => "north".into(),
            other => other.into(),
        })
    }

    fn title(&self) -> String {
        "test".to_owned()
    }
}

fn setup(clock: Arc<ManualClock>) -> Setup {
    let member = |id: &str| (Box::from(id), Member { id: id.into(), identity: None, client_of: BTreeSet::new(), in_alliance: true });
    let alliance = Alliance { holder: "home".into(), members: BTreeMap::from([member("home"), member("north"), member("south")]), groups: BTreeMap::new() };
    let mut recipients = ["home", "north", "south"].map(|id| Recipient::new(id, Kind::Organisation, Some(id))).to_vec();
    recipients.push(Recipient::new("north-siem", Kind::PartnerSystem, Some("north")));
    let open = DefaultLabel { level: Some(Level::Clear), audience: Audience::default() };
    let source = |name: &str, origin| Source { name: name.into(), origin, default: open.clone() };
    let sources = vec![source("own", Origin::Own), source("north", Origin::Member("north".into())), source("south", Origin::Member("south".into()))];
    Setup { policy: Policy { alliance, recipients, standing: Vec::new() }, sources, clock, accept_clock: false }
}

struct Node {
    store: Arc<Store>,
    clock: Arc<ManualClock>,
    router: Router,
    _dir: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Ids of an envelope or a manifest.
    fn ids(&self) -> Vec<String> {
        let value = self.json();
        value["objects"].as_array().into_iter().flatten().map(|o| o["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Node {
    fn new() -> Self {
        Self::with(Settings { page_objects_max: 20, content_bytes_max: 20_000, ..Settings::at("https://taxii.example") })
    }

    fn with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START_US));
        let store = Arc::new(Store::open(dir.path(), setup(Arc::clone(&clock))).unwrap());
        let router = router(Arc::clone(&store), Arc::new(Directory), settings);
        Self { store, clock, router, _dir: dir }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        if parts.status.as_u16() >= 400 && method != "HEAD" {
            let error: Value = serde_json::from_slice(&bytes).unwrap();
            assert!(error["title"].is_string() && error["description"].is_string(), "{error}");
            assert_eq!(error["http_status"], parts.status.as_str());
        }
        assert_eq!(parts.headers["content-type"], MEDIA_TYPE);
        assert!(parts.headers.contains_key("content-length"));
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    async fn get(&self, who: &str, path: &str) -> Answer {
        let token = format!("Bearer {who}");
        self.send("GET", &format!("/api/collections/{path}"), &[("authorization", &token), ("accept", MEDIA_TYPE)], "").await
    }

    async fn post(&self, who: &str, collection: &str, objects: &[Value]) -> Answer {
        let token = format!("Bearer {who}");
        let headers = [("authorization", token.as_str()), ("accept", MEDIA_TYPE), ("content-type", MEDIA_TYPE)];
        self.send("POST", &format!("/api/collections/{collection}/objects/"), &headers, json!({"objects": objects}).to_string()).await
    }

    async fn delete(&self, who: &str, path: &str) -> Answer {
        let token = format!("Bearer {who}");
        self.send("DELETE", &format!("/api/collections/{path}"), &[("authorization", &token)], "").await
    }

    /// Brings objects in without TAXII, a commit each.
    fn hold(&self, source: &str, objects: &[Value]) {
        for object in objects {
            let prepared = prepare(&object.to_string(), self.store.now_us()).unwrap();
            self.store.ingest(source, None, vec![prepared]).unwrap();
        }
    }
}

fn id(kind: &str, n: u32) -> String {
    format!("{kind}--20000000-0000-4000-8000-{n:012}")
}

fn object(kind: &str, n: u32, day: u32) -> Value {
    let modified = format!("2020-01-{day:02}T00:00:00.000Z");
    json!({"type": kind, "spec_version": "2.1", "id": id(kind, n), "created": "2020-01-01T00:00:00.000Z", "modified": modified, "name": "a"})
}

fn red(mut object: Value) -> Value {
    object["object_marking_refs"] = json!([RED]);
    object
}

fn with(mut object: Value, name: &str, value: &str) -> Value {
    object[name] = json!(value);
    object
}
