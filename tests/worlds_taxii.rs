//! Two worlds seen through TAXII: every route, every way to ask, errors too.
//! The rule: status, headers and bodies are compared as they are; only the cursor, which each store seals with its own secret, is followed and not read.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use polder_store::Store;
use polder_taxii::{Access, Collection, Denied, Login, ROUTES, Right, Settings, router};
use serde_json::Value;
use tower::ServiceExt;

use crate::scripts::{Do, IDS, Node, Random, Step, object, sources};
use crate::store_vs_oracle::setting;
use crate::worlds_store::{Observer, differs, nodes, pair, served};

const ALL: &str = "10000000-0000-4000-8000-000000000001";
const COLLECTIONS: [&str; 4] = [ALL, "malware", "own", "shelf"];

/// Everyone may do everything; who is asked for is who is named.
struct Open;

impl Access for Open {
    fn authenticate(&self, authorization: Option<&str>) -> Result<Login, Denied> {
        let name = authorization.ok_or(Denied::Missing)?.strip_prefix("Bearer ").ok_or(Denied::Wrong)?;
        Ok(Login { user: name.into(), recipient: name.into(), writes: true })
    }

    fn collections(&self) -> Vec<Collection> {
        let right = || Right { recipient: "*".into(), list: true, read: true, write: true };
        let collection = |number: u32, alias: &str, types: Option<&str>, sources: Option<Vec<Box<str>>>| Collection {
            id: format!("10000000-0000-4000-8000-00000000000{number}").into(),
            alias: Some(alias.into()),
            title: alias.into(),
            description: None,
            types: types.map(|kind| vec![kind.into()]),
            sources,
            rights: vec![right()],
        };
        vec![
            collection(1, "all", None, None),
            collection(2, "malware", Some("malware"), None),
            collection(3, "own", None, Some(vec!["own".into()])),
            collection(4, "shelf", None, Some(Vec::new())),
        ]
    }

    fn poster_source(&self, login: &Login) -> Result<Box<str>, polder_store::Error> {
        let unknown = || polder_store::Error::Unknown { kind: "recipient", name: login.recipient.to_string() };
        POSTERS
            .iter()
            .find(|(recipient, _)| *recipient == &*login.recipient)
            .and_then(|(_, n)| sources().get(*n).map(|s| s.name.as_str().into()))
            .ok_or_else(unknown)
    }

    fn title(&self) -> String {
        "two worlds".to_owned()
    }
}

/// Who brings objects in, and the number of the source they come from then.
const POSTERS: [(&str, usize); 6] = [("bravo", 1), ("node-bravo", 1), ("charlie", 2), ("siem-charlie", 2), ("p-charlie", 2), ("p-alpha", 0)];

/// A TAXII client that posts, and then looks at what it said and at everything it is shown.
struct Poster {
    objects: Vec<Value>,
}

impl Observer for Poster {
    fn observe(&self, store: &Arc<Store>, recipient: &str) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let server = router(Arc::clone(store), Arc::new(Open), Settings::at("https://node.example"));
        let body = serde_json::json!({"objects": self.objects}).to_string();
        let told = runtime.block_on(send(&server, "POST", &format!("/api/collections/{ALL}/objects/"), recipient, body));
        let id = serde_json::from_str::<Value>(&told.2).unwrap()["id"].as_str().unwrap_or("none").to_owned();
        let mut seen = format!("{told:?}\n").replace(&id, "STATUS");
        seen.push_str(&runtime.block_on(follow(&server, "GET", &format!("/api/status/{id}/"), recipient)).replace(&id, "STATUS"));
        for path in ["objects/?match[version]=all", "manifest/?match[version]=all", "objects/"] {
            seen.push_str(&runtime.block_on(follow(&server, "GET", &format!("/api/collections/{ALL}/{path}"), recipient)));
        }
        seen.into_bytes()
    }
}

/// A TAXII client that asks for everything there is to ask for.
pub(crate) struct Taxii;

impl Observer for Taxii {
    fn observe(&self, store: &Arc<Store>, recipient: &str) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let server = router(Arc::clone(store), Arc::new(Open), Settings::at("https://node.example"));
        let mut seen = String::new();
        for path in paths() {
            for method in ["GET", "HEAD"] {
                seen.push_str(&runtime.block_on(follow(&server, method, &path, recipient)));
            }
        }
        // What a deletion answers; nothing is asked afterwards, for by now the worlds may have changed.
        for id in IDS {
            let path = format!("/api/collections/{ALL}/objects/{id}/");
            seen.push_str(&runtime.block_on(follow(&server, "DELETE", &path, recipient)));
        }
        seen.into_bytes()
    }
}

/// Every route that is read, with every kind of question.
fn paths() -> Vec<String> {
    let absent = ["malware--00000000-0000-4000-8000-0000000000ff", "no-id"];
    let mut paths = Vec::new();
    for (methods, template) in ROUTES {
        assert!(methods.starts_with("GET") || methods.starts_with("DELETE, GET"), "a route that is not read: {template}");
        let path = template.replace("{root}", "api");
        let collections: &[&str] = if path.contains("/collections/{id}") { &COLLECTIONS } else { &["10000000-0000-4000-8000-00000000000f"] };
        for collection in collections.iter().chain(&["unknown"]) {
            let path = path.replace("{id}", collection);
            if path.contains("{object-id}") {
                paths.extend(IDS.iter().chain(&absent).map(|id| path.replace("{object-id}", id)));
            } else {
                paths.push(path);
            }
        }
    }
    for (route, collection) in [("objects", ALL), ("manifest", ALL), ("objects", "own"), ("manifest", "malware")] {
        let asked = questions().into_iter().map(|question| format!("/api/collections/{collection}/{route}/?{question}"));
        paths.extend(asked);
    }
    paths
}

fn questions() -> Vec<String> {
    let mut all: Vec<String> = [
        "limit=1",
        "limit=2&match[version]=all",
        "match[version]=first",
        "match[version]=2025-01-02T00:00:00Z",
        "match[type]=malware,indicator",
        "match[type]=marking-definition",
        "match[type]=x-absent",
        "match[spec_version]=2.0",
        "limit=0",
        "next=garbage",
        "added_after=yesterday",
    ]
    .map(str::to_owned)
    .to_vec();
    all.extend((0..20).map(|s| format!("added_after=2026-01-01T00:00:{:02}.000000Z&limit=3", s * 3)));
    all.extend(IDS.map(|id| format!("match[id]={id}&match[version]=all")));
    all
}

/// The answer, and all that its cursor leads to.
async fn follow(server: &Router, method: &str, path: &str, recipient: &str) -> String {
    let mut told = String::new();
    let mut uri = path.to_owned();
    for _ in 0..50 {
        let (status, headers, body) = send(server, method, &uri, recipient, String::new()).await;
        let next = serde_json::from_str::<Value>(&body).ok().and_then(|body| body["next"].as_str().map(str::to_owned));
        let body = next.as_ref().map_or(body.clone(), |next| body.replace(next.as_str(), "CURSOR"));
        told.push_str(&format!("{method} {path}: {status} {headers} {body}\n"));
        let Some(next) = next else { break };
        uri = format!("{path}{}next={next}", if path.contains('?') { "&" } else { "?" });
    }
    told
}

/// Status, headers and body of one answer.
async fn send(server: &Router, method: &str, uri: &str, recipient: &str, body: String) -> (u16, String, String) {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("accept", "application/taxii+json;version=2.1")
        .header("content-type", "application/taxii+json;version=2.1")
        .header("authorization", format!("Bearer {recipient}"))
        .body(Body::from(body))
        .unwrap();
    let (parts, body) = server.clone().oneshot(request).await.unwrap().into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
    (parts.status.as_u16(), format!("{:?}", parts.headers), body)
}

#[test]
fn hidden_work_shows_nowhere_to_a_poster() {
    let wanted = setting("POLDER_WORLDS", 300);
    let (mut found, mut seed) = (0, 120_000);
    while found < wanted {
        seed += 1;
        let Some(pair) = pair(seed) else { continue };
        let mut random = Random::new(seed);
        let (recipient, source) = *random.pick(&POSTERS);
        let objects: Vec<Value> = (0..4).map(|_| object(&mut random)).filter(versioned).collect();
        // What is posted is one more commit for the oracle; it says whether the two worlds are still the same to the poster.
        let with_post = |steps: &[Step]| {
            let mut steps = steps.to_vec();
            steps.push(Step { key: 10_000, at_us: pair.now_us, what: Do::Commit { source, objects: objects.clone() } });
            served(&steps, recipient, pair.now_us)
        };
        let before = |steps: &[Step]| served(steps, recipient, pair.now_us);
        if objects.is_empty() || before(&pair.one) != before(&pair.other) || with_post(&pair.one) != with_post(&pair.other) {
            continue;
        }
        found += 1;
        let nodes = nodes(&pair).unwrap();
        let look = |node: &Node| String::from_utf8(Poster { objects: objects.clone() }.observe(node.store(), recipient)).unwrap();
        let (one, other) = (look(&nodes.0), look(&nodes.1));
        let line = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(one == other, "seed {seed}, {recipient}: {line:#?}");
    }
    println!("{found} pairs of {} scripts", seed - 120_000);
}

/// What a recipient knows besides what it is served: what it brought in itself and what was removed, since it may delete its own copy even where
/// somebody else's is the one that is shown; and whether it is suspended or gone, since then it hears that its credentials do not count.
fn knows(steps: &[Step], recipient: &str) -> (Vec<Step>, Option<bool>) {
    let source = POSTERS.iter().find(|(name, _)| *name == recipient).map(|(_, source)| *source);
    let its = |step: &&Step| match &step.what {
        Do::Commit { source: from, .. } => Some(*from) == source,
        Do::Remove(_) => source.is_some(),
        _ => false,
    };
    let directory = |step: &Step| if let Do::Directory(directory) = &step.what { Some(directory.clone()) } else { None };
    let active = steps.iter().filter_map(directory).next_back().and_then(|d| d.recipients.iter().find(|r| r.id == recipient).map(|r| r.active));
    (steps.iter().filter(its).cloned().collect(), active)
}

/// TAXII refuses a request with an object that has no version.
fn versioned(object: &Value) -> bool {
    object.get("modified").is_some()
}

#[test]
fn hidden_work_shows_nowhere_in_taxii() {
    let wanted = setting("POLDER_WORLDS", 300);
    let (mut found, mut seed) = (0, 90_000);
    while found < wanted {
        seed += 1;
        let Some(pair) = pair(seed).filter(|pair| knows(&pair.one, pair.recipient) == knows(&pair.other, pair.recipient)) else { continue };
        found += 1;
        let nodes = nodes(&pair).unwrap();
        if differs(&Taxii, &nodes, pair.recipient) {
            // The nodes have answered deletions, so they are made anew.
            let nodes = crate::worlds_store::nodes(&pair).unwrap();
            let look = |node: &Node| String::from_utf8(Taxii.observe(node.store(), pair.recipient)).unwrap();
            let (one, other) = (look(&nodes.0), look(&nodes.1));
            let line = one.lines().zip(other.lines()).find(|(one, other)| one != other);
            panic!("seed {seed}, {}: {line:#?}", pair.recipient);
        }
    }
    println!("{found} pairs");
}

/// The observer is not blind: what a recipient may see, it sees.
#[test]
fn the_observer_sees_what_is_shown() {
    let mut objects = 0;
    for seed in 95_000..95_010 {
        let Some(pair) = pair(seed) else { continue };
        let (node, _) = nodes(&pair).unwrap();
        let shown = crate::scripts::read_all(node.store(), pair.recipient, polder_release::Form::Whole, 100).unwrap_or_default();
        let seen = String::from_utf8(Taxii.observe(node.store(), pair.recipient)).unwrap();
        objects += shown.len();
        for item in shown {
            assert!(seen.contains(&item.entry.id.to_string()) && seen.contains(&polder_stix::time::from_us(item.entry.date_us)), "{item:?}");
        }
    }
    assert!(objects > 10, "only {objects} objects were shown");
}
