//! Pages: nothing lost, nothing twice, and a cursor works only for the question it was made for.

use super::*;

/// Everything a resource lists, page by page.
async fn walk(node: &Node, who: &str, path: &str, list: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = String::new();
    loop {
        let page = node.get(who, &format!("{path}{next}")).await.json();
        all.extend(page[list].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["next"].as_str() else {
            assert_eq!(page["more"], false);
            return all;
        };
        assert_eq!(page["more"], true);
        next = format!("&next={cursor}");
    }
}

#[tokio::test]
async fn every_object_once_in_every_resource() {
    let node = Node::new();
    for n in 1..=25 {
        node.hold("north", &[object("malware", n, 1)]);
        // Hidden work in between must not show.
        node.hold("own", &[red(object("tool", n, 1))]);
    }
    for day in [3, 2, 5, 4] {
        node.hold("north", &[object("malware", 7, day)]);
    }
    for limit in [1, 2, 7, 20, 1000] {
        let objects = walk(&node, "south", &format!("all/objects/?limit={limit}"), "objects").await;
        assert_eq!(objects.len(), 25, "limit {limit}: the latest of each");
        assert_eq!(objects.iter().find(|o| o["id"] == id("malware", 7)).unwrap()["modified"], "2020-01-05T00:00:00.000Z");
        let manifest = walk(&node, "south", &format!("all/manifest/?match[version]=all&limit={limit}"), "objects").await;
        assert_eq!(manifest.len(), 29, "limit {limit}");
        let dates: Vec<&str> = manifest.iter().map(|o| o["date_added"].as_str().unwrap()).collect();
        assert!(dates.is_sorted_by(|a, b| a < b), "{dates:?}");
        let versions = walk(&node, "south", &format!("all/objects/{}/versions/?limit={limit}", id("malware", 7)), "versions").await;
        let days: Vec<String> = [5, 4, 3, 2, 1].iter().map(|d| format!("2020-01-{d:02}T00:00:00.000Z")).collect();
        assert_eq!(versions, days, "limit {limit}");
    }
}

#[tokio::test]
async fn paging_by_date_as_old_clients_do() {
    let node = Node::new();
    node.hold("north", &(1..=9).map(|n| object("malware", n, 1)).collect::<Vec<_>>());
    let mut seen = Vec::new();
    let mut after = "2000-01-01T00:00:00Z".to_owned();
    loop {
        let page = node.get("south", &format!("all/objects/?limit=4&added_after={after}")).await;
        seen.extend(page.ids());
        if page.json()["more"] != true {
            break;
        }
        after = page.header("x-taxii-date-added-last").to_owned();
    }
    assert_eq!(seen, (1..=9).map(|n| id("malware", n)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_belongs_to_its_question() {
    let node = Node::new();
    node.hold("north", &(1..=9).map(|n| object("malware", n, 1)).collect::<Vec<_>>());
    let page = node.get("south", "all/objects/?limit=2&match[type]=malware,tool").await;
    let cursor = page.json()["next"].as_str().unwrap().to_owned();
    let with_cursor = |who: &'static str, path: &str| {
        let path = format!("{path}&next={cursor}");
        let node = &node;
        async move { node.get(who, &path).await.status.as_u16() }
    };
    assert_eq!(with_cursor("south", "all/objects/?limit=3&match[type]=tool,malware").await, 200, "the same question, another page size");
    assert_eq!(with_cursor("south", &format!("{ALL}/objects/?match%5Btype%5D=malware,tool")).await, 200, "the same collection by its id");
    assert_eq!(with_cursor("south", "all/objects/?match[type]=malware").await, 400, "another filter");
    assert_eq!(with_cursor("south", "all/objects/?limit=2").await, 400, "no filter");
    assert_eq!(with_cursor("south", "all/manifest/?match[type]=malware,tool").await, 400, "another resource");
    assert_eq!(with_cursor("south", "malware/objects/?match[type]=malware,tool").await, 400, "another collection");
    assert_eq!(with_cursor("north", "all/objects/?match[type]=malware,tool").await, 400, "another reader");
    let mut forged = cursor.clone().into_bytes();
    forged[3] ^= 1;
    let forged = String::from_utf8(forged).unwrap();
    assert_eq!(node.get("south", &format!("all/objects/?match[type]=malware,tool&next={forged}")).await.status, 400);
}

#[tokio::test]
async fn filters() {
    let node = Node::new();
    node.hold("north", &[object("malware", 1, 1), object("malware", 1, 2), object("malware", 1, 3), object("tool", 2, 1)]);
    node.hold("north", &[json!({"type": "ipv4-addr", "spec_version": "2.1", "id": id("ipv4-addr", 3), "value": "192.0.2.1"})]);
    let days = |a: Answer| {
        a.json()["objects"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|o| o["modified"].as_str().unwrap_or("-").get(8..10).unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let check = |query: &'static str, want: &'static str| {
        let node = &node;
        async move { assert_eq!(days(node.get("south", &format!("all/objects/?{query}")).await), want, "{query}") }
    };
    check("", "03 01 -").await;
    check("match[type]=malware", "03").await;
    check("match[type]=tool,ipv4-addr", "01 -").await;
    check("match[type]=nonsense", "").await;
    check("match[version]=all", "01 02 03 01 -").await;
    check("match[version]=first", "01 01 -").await;
    check("match[version]=first,last", "01 03 01 -").await;
    check("match[version]=2020-01-02T00:00:00Z", "02").await;
    check("match[version]=2020-01-02T00:00:00.000Z,last", "02 03 01 -").await;
    check("match[spec_version]=2.0", "").await;
    check("match[spec_version]=2.0,2.1&match[type]=tool", "01").await;
    check("match[id]=tool--20000000-0000-4000-8000-000000000002,ipv4-addr--20000000-0000-4000-8000-000000000003", "01 -").await;
    assert_eq!(days(node.get("south", "malware/objects/?match[version]=all").await), "01 02 03", "a stored query");
    let record = node.get("south", "all/manifest/?match[type]=ipv4-addr").await.json()["objects"][0].clone();
    assert_eq!(record["version"], record["date_added"], "an unversioned object is known by its date");
    let versions = node.get("south", &format!("all/objects/{}/versions/", id("ipv4-addr", 3))).await.json();
    assert_eq!(versions["versions"][0], record["version"]);
    let by_date = node.get("south", &format!("all/objects/?match[version]={}", record["version"].as_str().unwrap())).await;
    assert_eq!(by_date.ids(), [id("ipv4-addr", 3)]);
}

#[tokio::test]
async fn hidden_and_absent_are_the_same() {
    let (hiding, empty) = (Node::new(), Node::new());
    for n in [&hiding, &empty] {
        n.hold("north", &[object("malware", 1, 1)]);
    }
    hiding.hold("own", &[red(object("tool", 2, 1))]);
    for path in [
        "all/objects/".to_owned(),
        "all/manifest/?match[version]=all".to_owned(),
        format!("all/objects/{}/", id("tool", 2)),
        format!("all/objects/{}/versions/", id("tool", 2)),
        format!("all/objects/{}/?added_after=2090-01-01T00:00:00Z", id("tool", 2)),
        format!("all/objects/?match[id]={}", id("tool", 2)),
    ] {
        let (a, b) = (hiding.get("south", &path).await, empty.get("south", &path).await);
        assert_eq!((a.status, &a.headers, &a.bytes), (b.status, &b.headers, &b.bytes), "{path}");
    }
    let path = format!("all/objects/{}/", id("tool", 2));
    let (a, b) = (hiding.delete("south", &path).await, empty.delete("south", &path).await);
    assert_eq!((a.status, a.bytes), (StatusCode::NOT_FOUND, b.bytes));
    assert_eq!(hiding.get("home", &path).await.status, 200, "the owner sees it");
    let filtered = hiding.get("home", &format!("{path}?added_after=2090-01-01T00:00:00Z")).await;
    assert_eq!((filtered.status, &*filtered.bytes), (StatusCode::OK, &b"{}"[..]), "visible, and filtered away");
}
