//! The edge cases that servers get wrong, as a table; and what goes beyond the table.

use super::*;

type Check = fn(&Answer) -> bool;

fn any(_: &Answer) -> bool {
    true
}

/// Method, path, headers that differ from the usual ones, body, expected status, what else holds.
struct Case(&'static str, &'static str, String, &'static [(&'static str, &'static str)], String, u16, Check);

fn cases() -> Vec<Case> {
    let c = format!("/api/collections/{ALL}/");
    let o = format!("{c}objects/");
    let probe = with(object("x-probe", 1, 1), "name", "a");
    let oid = id("x-probe", 1);
    let env = |v: &Value| json!({"objects": [v]}).to_string();
    let get = |name, path: String, headers, status, check| Case("GET", name, path, headers, String::new(), status, check);
    let add = |name, headers, body: String, status, check| Case("POST", name, o.clone(), headers, body, status, check);
    vec![
        get("discovery", "/taxii2/".into(), &[], 200, |a| a.json()["default"] == "https://taxii.example/api/"),
        get("API root", "/api/".into(), &[], 200, |a| a.json()["versions"][0] == MEDIA_TYPE && a.json()["max_content_length"] == 20_000),
        get("no credentials", c.clone(), &[("authorization", "")], 401, |a| a.headers.get_all("www-authenticate").iter().count() == 2),
        get("wrong credentials", c.clone(), &[("authorization", "Basic bm9ib2R5Ondyb25n")], 401, any),
        get("Accept text/html", "/api/collections/".into(), &[("accept", "text/html")], 406, any),
        get("Accept */*", "/api/collections/".into(), &[("accept", "*/*")], 200, any),
        get("Accept without version", "/api/collections/".into(), &[("accept", "application/taxii+json")], 200, any),
        get("Accept with a space", "/api/collections/".into(), &[("accept", "application/taxii+json; version=2.1")], 200, any),
        get("Accept version=2.0", "/api/collections/".into(), &[("accept", "application/taxii+json;version=2.0")], 406, any),
        get("unknown collection", format!("/api/collections/{NOBODY}/"), &[], 404, any),
        get("unknown API root", "/no-such-root/collections/".into(), &[], 404, any),
        get("unknown object", format!("{o}indicator--{NOBODY}/"), &[], 404, any),
        get("filter that matches nothing", format!("{o}?match%5Bid%5D=indicator--{NOBODY}"), &[], 200, |a| a.bytes == b"{}"),
        get("limit=0", format!("{o}?limit=0"), &[], 400, any),
        get("limit=abc", format!("{o}?limit=abc"), &[], 400, any),
        get("added_after garbage", format!("{o}?added_after=yesterday"), &[], 400, any),
        get("added_after without fraction", format!("{o}?added_after=2090-01-01T00:00:00Z"), &[], 200, |a| a.bytes == b"{}"),
        get("next garbage", format!("{o}?next=zzzz"), &[], 400, any),
        get("match[version]=all,first", format!("{o}?match[version]=all,first"), &[], 400, any),
        get("the same filter twice", format!("{o}?match[type]=indicator&match[type]=malware"), &[], 400, any),
        get("unknown filter", format!("{o}?match[foo]=x&match[foo]=y&bar=1"), &[], 200, any),
        get("unknown status", format!("/api/status/{NOBODY}/"), &[], 404, any),
        Case("PUT", "PUT", o.clone(), &[], "{}".into(), 405, |a| a.header("allow") == "GET, HEAD, POST"),
        add("POST with the wrong Content-Type", &[("content-type", "application/json")], env(&probe), 415, any),
        add("POST not JSON", &[], "x{".into(), 400, any),
        add("POST an array", &[], "[]".into(), 422, any),
        add("POST an object without id", &[], env(&json!({"type": "indicator"})), 422, any),
        add("POST one object", &[], env(&probe), 202, |a| a.json()["status"] == "complete" && a.json()["success_count"] == 1),
        add("POST it again: a duplicate is no error", &[], env(&probe), 202, |a| {
            a.json()["failure_count"] == 0 && a.json()["successes"][0]["message"].as_str().is_some_and(|m| m.starts_with("already held"))
        }),
        add("POST the same id and version with other content", &[], env(&with(probe.clone(), "name", "b")), 202, |a| a.json()["success_count"] == 1),
        get("read it back", format!("{o}{oid}/"), &[], 200, |a| {
            a.ids() == [id("x-probe", 1)]
                && a.header("x-taxii-date-added-first") == a.header("x-taxii-date-added-last")
                && a.header("x-taxii-date-added-last").len() == 27
        }),
        get("its versions", format!("{o}{oid}/versions/"), &[], 200, |a| a.json()["versions"] == json!(["2020-01-01T00:00:00.000Z"])),
        get("its manifest record", format!("{c}manifest/?match[id]={oid}"), &[], 200, |a| {
            a.ids() == [id("x-probe", 1)] && a.json()["objects"][0]["date_added"] == a.header("x-taxii-date-added-first")
        }),
        Case("DELETE", "delete it", format!("{o}{oid}/"), &[], String::new(), 200, |a| a.bytes == b"{}"),
        get("it is gone", format!("{o}{oid}/"), &[], 404, any),
        get("no slash at the end", "/api/collections".into(), &[], 200, any),
        get("a suspended recipient", "/api/collections/all/objects/".into(), &[("authorization", "Bearer gone")], 401, any),
        get("two claims", "/taxii2/".into(), &[("authorization", "Bearer north"), ("authorization", "Bearer home")], 401, any),
        get("a panic", "/taxii2/".into(), &[("authorization", "Bearer panic")], 500, any),
        get("nothing", "/".into(), &[], 404, any),
        Case("BREW", "an unknown method", "/taxii2/".into(), &[], String::new(), 405, |a| a.header("allow") == "GET, HEAD"),
        get("alias", "/api/collections/all/".into(), &[], 200, |a| a.json()["id"] == ALL && a.json()["can_read"] == true),
        add("POST cut short", &[], r#"{"objects":[{"type":"x-probe","id":"x"#.into(), 400, any),
        add("POST with a lie about its length", &[("content-length", "999999")], "{}".into(), 413, any),
        add("POST too much", &[], " ".repeat(20_001), 413, any),
        add("POST an envelope without a list", &[], r#"{"objects":7}"#.into(), 422, any),
        add("POST something that is no object", &[], r#"{"objects":[7]}"#.into(), 422, any),
    ]
}

#[tokio::test]
async fn the_table() {
    let node = Node::new();
    let mut wrong = Vec::new();
    for Case(method, name, path, differing, body, status, check) in cases() {
        let mut headers = vec![("authorization", "Bearer north"), ("accept", MEDIA_TYPE), ("content-type", MEDIA_TYPE)];
        headers.retain(|(n, _)| differing.iter().all(|(d, _)| d != n));
        headers.extend(differing.iter().filter(|(_, v)| !v.is_empty()));
        let answer = node.send(method, &path, &headers, body).await;
        if answer.status.as_u16() != status || !check(&answer) {
            wrong.push(format!("{name}: {} {}", answer.status, String::from_utf8_lossy(&answer.bytes)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn head_is_get_without_what_it_holds() {
    let node = Node::new();
    node.hold("north", &[object("malware", 1, 1)]);
    for path in ["/taxii2/", "/api/collections/", "/api/collections/none/"] {
        let headers = [("authorization", "Bearer south")];
        let get = node.send("GET", path, &headers, "").await;
        let head = node.send("HEAD", path, &headers, "").await;
        assert_eq!((head.status, &head.headers, head.bytes.len()), (get.status, &get.headers, 0), "{path}");
        assert_eq!(head.header("content-length"), get.bytes.len().to_string());
    }
    // A page is not made only to be thrown away: it would stand in the ledger as sent.
    for path in ["objects/", "manifest/", &format!("objects/{}/versions/", id("malware", 1))] {
        let head = node.send("HEAD", &format!("/api/collections/all/{path}"), &[("authorization", "Bearer south")], "").await;
        assert_eq!((head.status, head.bytes.len(), head.header("x-taxii-date-added-first")), (StatusCode::OK, 0, ""), "{path}");
    }
    assert_eq!(node.store.what_has("south").unwrap(), []);
}

#[tokio::test]
async fn rights_decide_what_exists() {
    let node = Node::new();
    let listed = |a: &Answer| a.json()["collections"].as_array().unwrap().iter().map(|c| c["alias"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(listed(&node.get("home", "").await), ["all", "drop", "shelf", "secret", "malware"]);
    assert_eq!(listed(&node.get("north", "").await), ["all", "drop", "shelf", "malware"]);
    assert_eq!(listed(&node.get("south", "").await), ["all", "shelf", "malware"]);
    for rest in ["", "objects/", "manifest/", "objects/x/", "objects/x/versions/"] {
        let hidden = node.get("south", &format!("secret/{rest}")).await;
        let unknown = node.get("south", &format!("nowhere/{rest}")).await;
        assert_eq!((hidden.status, &hidden.headers, &hidden.bytes), (unknown.status, &unknown.headers, &unknown.bytes), "{rest}");
        assert_eq!(hidden.status, 404);
    }
    assert_eq!(node.get("north", "drop/objects/").await.status, 403);
    assert_eq!(node.post("home", "drop", &[]).await.status, 403);
    let (hidden, unknown) = (node.post("south", "secret", &[]).await, node.post("south", "nowhere", &[]).await);
    assert_eq!((hidden.status, hidden.bytes), (StatusCode::NOT_FOUND, unknown.bytes));
    assert_eq!(node.delete("home", &format!("malware/objects/{}/", id("malware", 1))).await.status, 403);
}

#[tokio::test]
async fn nothing_leaves_while_the_clock_is_behind() {
    let node = Node::new();
    node.hold("north", &[object("malware", 1, 1)]);
    node.clock.set(START_US - 60_000_000);
    let answer = node.get("north", "all/objects/").await;
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
}
