//! The whole table of routes, walked by every role over a real store, and what the sources must never say.

#![expect(clippy::disallowed_types, reason = "tests send bodies")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use polder_release::{Alliance, DefaultLabel, Kind, Member, Origin, Policy, Recipient};
use polder_store::{Setup, Source, Store, SystemClock, prepare};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::desk::{Asking, Desk, Person, Right, Told};
use crate::{Settings, router, routes};

const ROLES: [&str; 7] = ["owner", "analyst", "release-officer", "auditor", "reader", "publisher", "outsider"];
const SEEN: &str = "tool--0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e02";

struct House {
    policy: Policy,
}

impl Desk for House {
    fn login(&self, user: &str, password: &str) -> Option<Person> {
        (password == "right").then(|| self.person(user)).flatten()
    }

    fn person(&self, user: &str) -> Option<Person> {
        let user = ROLES.iter().find(|r| **r == user)?;
        let of_holder = *user != "outsider";
        let recipient = if of_holder { "alfa" } else { "bravo" };
        let rights = Right::of(user, of_holder);
        Some(Person { user: (*user).into(), recipient: recipient.into(), role: (*user).into(), rights, since: "1".into() })
    }

    fn policy(&self) -> Option<Policy> {
        Some(self.policy.clone())
    }

    fn name(&self, member: &str) -> String {
        member.to_owned()
    }

    fn asking(&self, _: &str) -> Asking {
        Asking { hours: vec![0; 90], ..Asking::default() }
    }

    fn pulse(&self) -> u64 {
        0
    }

    /// Nothing is carried out here; the whole node is asked in interop/cases_console.py.
    fn ask(&self, _: &Person, _: Value, _: &[u8]) -> Result<Value, Told> {
        Ok(json!({}))
    }
}

fn console(dir: &std::path::Path) -> Router {
    let member = |id: &str| (id.into(), Member { id: id.into(), identity: None, client_of: Default::default(), in_alliance: true });
    let alliance = Alliance { holder: "alfa".into(), members: ["alfa", "bravo"].map(member).into(), groups: Default::default() };
    let recipients = ["alfa", "bravo"].map(|id| Recipient::new(id, Kind::Organisation, Some(id))).to_vec();
    let policy = Policy { alliance, recipients, standing: Vec::new() };
    let sources = vec![Source { name: "own".into(), origin: Origin::Own, default: DefaultLabel::default() }];
    let setup = Setup { policy: policy.clone(), sources, clock: Arc::new(SystemClock), accept_clock: false };
    let store = Arc::new(Store::open(dir, setup).unwrap());
    let clear = polder_release::Level::Clear.tlp_2_id().to_string();
    let object = json!({"type": "tool", "spec_version": "2.1", "id": SEEN, "created": "2024-01-01T00:00:00.000Z", "modified": "2024-01-01T00:00:00.000Z", "name": "seen", "object_marking_refs": [clear]});
    store.ingest("own", None, vec![prepare(&object.to_string(), store.now_us()).unwrap()]).unwrap();
    router(store, Arc::new(House { policy }), Settings { content_bytes_max: 1 << 20, secure: true }).unwrap()
}

async fn ask(console: &Router, method: &str, path: &str, cookie: &str, body: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder().method(method).uri(path).header("cookie", cookie).header("sec-fetch-site", "same-origin");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(Body::from(body.to_owned())).unwrap();
    let answer = console.clone().oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8_lossy(&bytes).into_owned())
}

/// Cookie and form token of somebody who has logged in.
async fn login(console: &Router, user: &str) -> (String, String) {
    let (status, head, _) = ask(console, "POST", "/console/login", "", &format!("user={user}&password=right")).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{user}");
    let cookie = head["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (_, _, page) = ask(console, "GET", "/console/styleguide", &cookie, "").await;
    let token = page.split("name=\"form_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (cookie, token)
}

fn filled(path: &str) -> String {
    path.replace("{id}", SEEN).replace("{recipient}", "bravo")
}

#[tokio::test]
async fn every_route_opens_for_who_has_its_permission_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let console = console(dir.path());
    assert!(routes().len() > 20);
    for (method, path, _) in routes() {
        let (status, head, _) = ask(&console, &method, &filled(path), "", "").await;
        assert!(
            status == StatusCode::SEE_OTHER && head["location"].to_str().unwrap().starts_with("/console/login"),
            "{method} {path} without a login: {status}"
        );
    }
    for user in ROLES {
        let (cookie, token) = login(&console, user).await;
        let rights: Vec<&str> = Right::of(user, user != "outsider").into_iter().map(Right::name).collect();
        for (method, path, right) in routes() {
            let (status, head, page) = ask(&console, &method, &filled(path), &cookie, &format!("form_token={token}")).await;
            assert_eq!(status == StatusCode::FORBIDDEN, !rights.contains(&right), "{user} {method} {path}: {status} {page}");
            assert!(!status.is_server_error(), "{user} {method} {path}: {status} {page}");
            assert!(head["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"), "{path}");
            if method == "POST" {
                let (status, _, _) = ask(&console, &method, &filled(path), &cookie, "form_token=0").await;
                let want = if rights.contains(&right) { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::FORBIDDEN };
                assert_eq!(status, want, "{user} {method} {path} without its token");
            }
        }
    }
}

#[tokio::test]
async fn a_cookie_on_tls_is_for_tls_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (_, head, _) = ask(&console(dir.path()), "POST", "/console/login", "", "user=owner&password=right").await;
    assert!(head["set-cookie"].to_str().unwrap().ends_with("; Secure"), "{head:?}");
}

#[tokio::test]
async fn what_is_not_here_is_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    let console = console(dir.path());
    let (cookie, _) = login(&console, "outsider").await;
    let mut pages = std::collections::BTreeSet::new();
    for path in ["/console/objects/tool--11111111-1111-4111-8111-111111111111", "/console/objects/nothing", "/console/nowhere", "/console/assets/none.js"] {
        let (status, _, page) = ask(&console, "GET", path, &cookie, "").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        pages.insert(page.split("name=\"next\"").next().unwrap_or_default().to_owned());
    }
    assert_eq!(pages.len(), 1);
}

fn sources(dir: &std::path::Path, out: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            out.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn no_source_says_what_the_policy_would_refuse() {
    let mut all = Vec::new();
    sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    assert!(all.len() > 15);
    for (path, text) in &all {
        // What stands in tests may be as hostile as it likes.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in ["PreEscaped", " style=", "onclick", "hx-on", "js:", "javascript:", "target=\"_blank\"", "unsafe-inline"] {
            assert!(!code.contains(word), "{path} says `{word}`");
        }
        let makes_bodies = code.contains("Body::from") || code.contains("Response::new");
        assert!(!makes_bodies || path.ends_with("sink.rs"), "{path} makes a body");
        let reads_past_the_door = ["row_bytes", ".original(", "family("].iter().any(|w| code.contains(w));
        assert!(!reads_past_the_door, "{path} reads past the door");
    }
}
