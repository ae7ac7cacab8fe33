//! The pull against this crate's own server, and against peers that misbehave.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;
use crate::pull::{Credentials, PullError, PullState, PullTarget, Stopped, manifest_ids, pull};

fn target(url: String) -> PullTarget {
    PullTarget { url, credentials: Credentials::Bearer("south".to_owned()), collection: None, ca_file: None, insecure_http: false }
}

/// A peer that gives these answers, one per connection, and tells what it was asked.
fn peer(answers: &[String]) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut answers: VecDeque<String> = answers.iter().cloned().collect();
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        while let Some(answer) = answers.pop_front() {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                request.push(byte[0]);
            }
            asked.push(String::from_utf8(request).unwrap().lines().next().unwrap_or_default().to_owned());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        asked
    });
    (url, thread)
}

fn ok(body: &str, extra: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n{extra}\r\n{body}", body.len())
}

fn run(target: &PullTarget, state: PullState) -> (Result<PullState, Stopped<Infallible>>, Vec<Value>, u64) {
    let mut objects = Vec::new();
    let mut pages = 0;
    let mut each = |body: Vec<u8>| {
        let envelope: Value = serde_json::from_slice(&body).unwrap();
        objects.extend(envelope["objects"].as_array().into_iter().flatten().cloned());
        Ok(())
    };
    let result = pull(target, state, 4, &mut each, &mut |p| pages = p.pages);
    (result, objects, pages)
}

#[tokio::test(flavor = "multi_thread")]
async fn from_our_own_server_by_every_kind_of_url() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let node = Node::with(Settings::at(&base));
    for n in 1..=9 {
        node.hold("north", &[object("malware", n, 1), object("malware", n, 2)]);
    }
    let served = tokio::spawn(axum::serve(listener, node.router.clone()).into_future());
    let done = tokio::task::spawn_blocking({
        let base = base.clone();
        move || {
            let mut states = Vec::new();
            for path in ["/taxii2/", "/taxii2", "/api/", "/api/collections/", "/api/collections/all/", "/api/collections/all/objects/"] {
                let (result, objects, pages) = run(&target(format!("{base}{path}")), PullState::default());
                assert_eq!((objects.len(), pages), (18, 5), "{path}: {result:?}");
                states.push(result.unwrap());
            }
            let named = PullTarget { collection: Some("shelf".to_owned()), ..target(format!("{base}/taxii2/")) };
            assert_eq!(run(&named, PullState::default()).1.len(), 0);
            let none = PullTarget { collection: Some("none".to_owned()), ..target(format!("{base}/taxii2/")) };
            assert!(matches!(run(&none, PullState::default()).0, Err(Stopped::Pull(PullError::Peer(_)))));
            let wrong = PullTarget { credentials: Credentials::Basic { user: "a".to_owned(), password: "b".to_owned() }, ..target(format!("{base}/taxii2/")) };
            assert_eq!(run(&wrong, PullState::default()).0, Err(Stopped::Pull(PullError::Credentials(401))));
            let ids = manifest_ids(&target(format!("{base}/taxii2/")), 4).unwrap();
            assert_eq!(ids.len(), 18);
            assert!(ids.contains(&(id("malware", 3), "2020-01-02T00:00:00.000Z".to_owned())));
            states.remove(0)
        }
    })
    .await
    .unwrap();
    assert!(done.added_after.is_some() && done.next.is_none());
    node.hold("north", &[object("malware", 77, 1)]);
    let (result, objects, _) = tokio::task::spawn_blocking(move || run(&target(format!("{base}/taxii2/")), done)).await.unwrap();
    assert!(result.is_ok());
    assert_eq!(objects.iter().map(|o| o["id"].clone()).collect::<Vec<_>>(), [json!(id("malware", 77))], "only what is new");
    served.abort();
}

const COLLECTION: &str = r#"{"id":"c","title":"c","can_read":true,"can_write":false}"#;

#[test]
fn patience_and_a_cut_connection() {
    let cut = ok(r#"{"more":true,"next":"n1","objects":[{"id":"a"}]}"#, "").replace("[{\"id\":\"a\"}]}", "[");
    let answers = [
        ok(COLLECTION, ""),
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        cut,
        ok(r#"{"more":true,"next":"n1","objects":[{"id":"a"}]}"#, "X-TAXII-Date-Added-Last: 2020-01-01T00:00:00.000000Z\r\n"),
        ok(r#"{"more":false,"objects":[{"id":"b"}]}"#, "X-TAXII-Date-Added-Last: 2020-01-02T00:00:00.000000Z\r\n"),
    ];
    let (url, thread) = peer(&answers);
    let (result, objects, pages) = run(&target(format!("{url}/root/collections/c/")), PullState::default());
    let reached = Some("2020-01-02T00:00:00.000000Z".to_owned());
    assert_eq!(result, Ok(PullState { added_after: reached.clone(), next: None, reached }));
    assert_eq!((objects, pages), (vec![json!({"id": "a"}), json!({"id": "b"})], 2));
    let asked = thread.join().unwrap();
    assert!(asked[1] == asked[2] && asked[2] == asked[3], "{asked:?}");
    assert!(asked[3].contains("match%5Bversion%5D=all") && asked[4].contains("next=n1"), "{asked:?}");
}

#[test]
fn a_peer_that_forgot_its_cursor_is_asked_by_date() {
    let gone = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
    let (url, thread) = peer(&[ok(COLLECTION, ""), gone, ok("{}", "")]);
    let reached = Some("2020-01-02T00:00:00.000000Z".to_owned());
    let state = PullState { added_after: None, next: Some("old".to_owned()), reached: reached.clone() };
    let (result, ..) = run(&target(format!("{url}/c/")), state);
    assert_eq!(result.unwrap().added_after, reached);
    let asked = thread.join().unwrap();
    assert!(asked[1].contains("next=old") && asked[2].contains("added_after=2020-01-02") && !asked[2].contains("next"), "{asked:?}");
}

#[test]
fn peers_that_misbehave() {
    let check = |answers: &[String], want: &str| {
        let (url, thread) = peer(answers);
        let (result, ..) = run(&target(format!("{url}/c/")), PullState::default());
        let Err(Stopped::Pull(error)) = result else { panic!("{want}: {result:?}") };
        assert!(matches!(error, PullError::Peer(_)) && error.to_string().contains(want), "{want}: {error}");
        thread.join().unwrap();
    };
    let redirect = |to: &str| format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    check(&[redirect("http://other.example/c/")], "not on its own host");
    check(&[redirect("/c/"), redirect("/c/"), redirect("/c/"), redirect("/c/"), redirect("/c/"), redirect("/c/")], "in circles");
    check(&[ok(r#"{"title":"x","default":"https://other.example/api/"}"#, "")], "not on its own host");
    check(&[ok("<html>", "")], "not JSON");
    check(&[ok(r#"{"collections":[{"id":"c","can_read":false}]}"#, "")], "no collection that can be read");
    let page = |text: &str| ok(text, "");
    check(&[page(COLLECTION), page("[]")], "not a TAXII envelope");
    check(&[page(COLLECTION), page(r#"{"more":true,"objects":[]}"#)], "the same page again");
    check(&[page(COLLECTION), page(r#"{"more":true,"next":"n"}"#), page(r#"{"more":true,"next":"n"}"#)], "the same page again");
    check(&[page(COLLECTION), "HTTP/1.1 500 x\r\ncontent-length: 13\r\nconnection: close\r\n\r\n{\"title\":\"t\"}".to_owned()], "500: `t`");
}

#[test]
fn what_is_not_tried_at_all() {
    for (url, want) in [
        ("http://taxii.example/taxii2/", "not encrypted"),
        ("https://user:pass@taxii.example/", "holds credentials"),
        ("ftp://taxii.example/", "not http"),
        ("taxii.example", "no scheme"),
    ] {
        let (result, ..) = run(&target(url.to_owned()), PullState::default());
        let Err(Stopped::Pull(PullError::Setup(error))) = result else { panic!("{url}: {result:?}") };
        assert!(error.contains(want), "{url}: {error}");
    }
    let missing = PullTarget { ca_file: Some("/nonexistent/ca.pem".into()), ..target("https://taxii.example/".to_owned()) };
    assert!(matches!(run(&missing, PullState::default()).0, Err(Stopped::Pull(PullError::Setup(_)))));
}
