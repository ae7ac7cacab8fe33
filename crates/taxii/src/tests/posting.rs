//! What is taken in and what is taken out, and who hears of it.

use super::*;

const HELD: &str = "already held; content that differs is kept as a variant";

#[tokio::test]
async fn good_ones_are_kept_and_bad_ones_reported() {
    let node = Node::new();
    let good = object("malware", 1, 1);
    let bad_time = with(object("malware", 2, 1), "modified", "yesterday");
    let future = with(object("malware", 3, 1), "modified", "2200-01-01T00:00:00.000Z");
    let bad_id = with(object("malware", 4, 1), "id", "malware--x");
    let plain = json!({"type": "domain-name", "spec_version": "2.1", "id": id("domain-name", 5), "value": "a.example"});
    let answer = node.post("north", "all", &[good.clone(), bad_time, future, bad_id, plain, good]).await;
    assert_eq!(answer.status, 202);
    let status = answer.json();
    assert_eq!(
        (&status["total_count"], &status["success_count"], &status["failure_count"], &status["pending_count"]),
        (&json!(6), &json!(3), &json!(3), &json!(0))
    );
    let failed: Vec<&Value> = status["failures"].as_array().unwrap().iter().map(|f| &f["id"]).collect();
    assert_eq!(failed, [&json!(id("malware", 2)), &json!(id("malware", 3)), &json!("malware--x")]);
    assert!(status["failures"][0]["message"].as_str().unwrap().contains("modified"));
    assert_eq!(status["failures"][1]["version"], "2200-01-01T00:00:00.000Z");
    assert_eq!(status["successes"][1]["version"], status["request_timestamp"], "an unversioned object");
    assert_eq!(status["successes"][2]["message"], HELD, "the same one later in the request");
    assert_eq!(node.get("south", "all/objects/").await.ids(), [id("malware", 1), id("domain-name", 5)]);

    let path = format!("/api/status/{}/", status["id"].as_str().unwrap());
    let mine = node.send("GET", &path, &[("authorization", "Bearer north")], "").await;
    assert_eq!((mine.status, mine.json()), (StatusCode::OK, status));
    let theirs = node.send("GET", &path, &[("authorization", "Bearer south")], "").await;
    let unknown = node.send("GET", &format!("/api/status/{NOBODY}/"), &[("authorization", "Bearer south")], "").await;
    assert_eq!((theirs.status, theirs.bytes), (StatusCode::NOT_FOUND, unknown.bytes));
}

#[tokio::test]
async fn a_request_that_is_refused_keeps_nothing() {
    let node = Node::new();
    let nameless = json!({"type": "malware", "spec_version": "2.1", "created": "2020-01-01T00:00:00.000Z", "modified": "2020-01-01T00:00:00.000Z"});
    let typeless = json!({"id": id("malware", 9), "created": "2020-01-01T00:00:00.000Z", "modified": "2020-01-01T00:00:00.000Z"});
    for bad in [nameless, typeless, json!(7), json!([])] {
        assert_eq!(node.post("north", "all", &[object("malware", 1, 1), bad]).await.status, 422);
    }
    assert_eq!(node.get("north", "all/objects/").await.bytes, b"{}");
    assert_eq!(node.post("north", "all", &[]).await.json()["total_count"], 0);
}

#[tokio::test]
async fn bytes_come_back_as_they_were_sent() {
    let node = Node::new();
    let text = r#"{ "type":"x-odd","id":"x-odd--20000000-0000-4000-8000-000000000001",  "spec_version":"2.1","created":"2020-01-01T00:00:00Z","modified":"2020-01-01T00:00:00.0Z","x":"\u00e9\/", "n": 1.50 }"#;
    let headers = [("authorization", "Bearer north"), ("content-type", MEDIA_TYPE)];
    let answer = node.send("POST", "/api/collections/all/objects/", &headers, format!("{{\"objects\" : [ {text} ]}}")).await;
    assert_eq!(answer.status, 202);
    let back = node.get("south", "all/objects/").await;
    assert_eq!(String::from_utf8(back.bytes).unwrap(), format!("{{\"more\":false,\"objects\":[{text}]}}"));
}

#[tokio::test]
async fn a_poster_learns_nothing_of_copies_from_elsewhere() {
    let (hiding, empty) = (Node::new(), Node::new());
    hiding.hold("own", &[red(object("malware", 1, 1))]);
    let mut told = Vec::new();
    for node in [&hiding, &empty] {
        let mut status = node.post("south", "all", &[object("malware", 1, 1)]).await.json();
        status["id"] = Value::Null;
        status["request_timestamp"] = Value::Null;
        told.push(status);
    }
    assert_eq!(told[0], told[1]);
    let again = hiding.post("south", "all", &[with(object("malware", 1, 1), "name", "b")]).await.json();
    assert_eq!(again["successes"][0]["message"], HELD, "its own earlier content it may hear of");
}

#[tokio::test]
async fn a_login_learned_what_its_organisation_posted_and_it_may_not_see() {
    let (hiding, empty) = (Node::new(), Node::new());
    hiding.post("north", "all", &[red(object("malware", 1, 1)), red(object("malware", 2, 1)), object("malware", 3, 1)]).await;
    empty.post("north", "all", &[object("malware", 3, 1)]).await;
    let mut told = Vec::new();
    for node in [&hiding, &empty] {
        let guess = object("malware", 1, 1);
        let same = red(object("malware", 2, 1));
        let mut status = node.post("north-siem", "all", &[guess, same, with(object("malware", 3, 1), "name", "b")]).await.json();
        let messages: Vec<&Value> = status["successes"].as_array().unwrap().iter().map(|s| &s["message"]).collect();
        assert_eq!(messages, [&Value::Null, &Value::Null, &json!(HELD)], "what is shown it may hear of");
        status["id"] = Value::Null;
        status["request_timestamp"] = Value::Null;
        told.push(status);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn who_may_only_write_hears_nothing_of_what_is_there() {
    let node = Node::new();
    for name in ["a", "a", "b"] {
        let status = node.post("north", "drop", &[with(object("malware", 1, 1), "name", name)]).await.json();
        assert_eq!(status["successes"], json!([{"id": id("malware", 1), "version": "2020-01-01T00:00:00.000Z"}]));
    }
}

#[tokio::test]
async fn what_is_posted_to_a_collection_is_in_it() {
    let node = Node::new();
    node.hold("own", &[object("malware", 1, 1)]);
    assert_eq!(node.get("south", "shelf/objects/").await.bytes, b"{}");
    node.post("north", "shelf", &[object("tool", 2, 1), red(object("tool", 3, 1))]).await;
    assert_eq!(node.get("south", "shelf/objects/").await.ids(), [id("tool", 2)]);
    assert_eq!(node.get("north", "shelf/objects/").await.ids(), [id("tool", 2), id("tool", 3)], "a poster reads back what it posted");
    assert_eq!(node.get("south", "all/objects/").await.ids(), [id("malware", 1), id("tool", 2)]);
    node.post("north", "drop", &[object("tool", 4, 1)]).await;
    assert!(node.get("home", "drop/objects/").await.ids().contains(&id("tool", 4)), "a collection to be dropped into");
}

#[tokio::test]
async fn only_the_callers_own_is_deleted() {
    let node = Node::new();
    for day in 1..=3 {
        node.post("north", "all", &[object("malware", 1, day)]).await;
    }
    let path = format!("all/objects/{}/", id("malware", 1));
    assert_eq!(node.delete("south", &path).await.status, 403, "visible, and not its own");
    assert_eq!(node.delete("north", &format!("{path}?match[version]=2020-01-09T00:00:00Z")).await.status, 404);
    assert_eq!(node.delete("north", &format!("{path}?match[spec_version]=2.0")).await.status, 404);
    assert_eq!(node.delete("north", &format!("{path}?match[version]=first")).await.status, 200);
    let versions = |a: Answer| a.json()["versions"].as_array().map_or(0, Vec::len);
    assert_eq!(versions(node.get("south", &format!("{path}versions/")).await), 2);
    assert_eq!(node.delete("north", &path).await.status, 200);
    assert_eq!(node.get("south", &path).await.status, 404);
    assert_eq!(node.delete("north", &path).await.status, 404);
    assert_eq!(node.delete("north", "all/objects/garbage/").await.status, 404);
}
