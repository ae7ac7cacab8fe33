"""Two worlds over every MISP route, the recorded clients of two real MISPs, and what a hostile client sends.

Rule: both worlds are copies of one node, so their secrets are equal and every byte of an answer may be compared.
"""

import gzip
import json
import re
import shutil
import urllib.error
import urllib.request

from cases_pymisp import BRAVO, key_of
from harness import require
from node import Node, temporary

_EVENT, _ATTRIBUTE, _HIDDEN_EVENT = (f"5f0c0002-0000-4000-8000-{n:012}" for n in (1, 2, 3))
_ALFA = "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e01"


def ask(url, key, method, path, body=None, headers=()):
    """Status, headers, body of one request."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url.rstrip("/") + path, data=data, method=method)
    for name, value in (("Authorization", key), ("Accept", "application/json"), ("Content-Type", "application/json"), *headers):
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def _event(uuid, info, attributes, **more):
    parts = [
        {"uuid": f"{uuid[:-6]}{uuid[-3:]}{n:03}", "type": "domain", "category": "Network activity", "value": value, "to_ids": True, "distribution": str(d),
         "timestamp": "1780000000", "comment": "", "deleted": False}
        for n, (value, d) in enumerate(attributes, 10)
    ]
    return {"Event": {"uuid": uuid, "info": info, "date": "2026-05-01", "timestamp": "1780000000", "publish_timestamp": "1780000000", "published": True,
                      "threat_level_id": "2", "analysis": "1", "distribution": "3", "Orgc": {"uuid": _ALFA, "name": "Alfa CSIRT"},
                      "Org": {"uuid": _ALFA, "name": "Alfa CSIRT"}, "Tag": [{"name": "tlp:green"}], "Attribute": parts, **more}}


def _routes(uuid, hidden):
    """Every reading route, and what asks for hidden things by every name they have."""
    view = "/deleted[]:0/deleted[]:1/excludeGalaxy:1/includeEventCorrelations:0/includeFeedCorrelations:0/includeWarninglistHits:0/excludeLocalTags:1"
    attribute = f"{hidden[:-6]}{hidden[-3:]}010"
    yield from (("GET", "/servers/getVersion", None), ("GET", "/users/view/me.json", None), ("GET", "/servers/getAvailableSyncFilteringRules", None))
    yield from (("POST", "/events/index", {"minimal": 1, "published": 1}), ("POST", "/events/index", {}), ("GET", "/events/index.json", None))
    yield from (("POST", "/events/index", {"tag": ["hidden:tag"]}), ("POST", "/events/index", {"org": ["Hidden Org"]}))
    for name in (uuid, hidden, "1", "2", "999999999999"):
        yield from (("GET", f"/events/view/{name}{view}", None), ("HEAD", f"/events/view/{name}", None), ("POST", f"/events/view/{name}", {"deleted": [0, 1]}))
    for name in (f"{uuid[:-6]}{uuid[-3:]}010", attribute, "1"):
        yield ("GET", f"/attributes/view/{name}", None)
    for filters in ({}, {"value": "hidden.example"}, {"value": "%"}, {"uuid": attribute}, {"uuid": hidden}, {"eventid": hidden}, {"tags": ["hidden:tag"]}, {"limit": 2}, {"page": 2, "limit": 1}):
        for form in ("json", "csv", "text", "stix2"):
            for controller in ("events", "attributes"):
                yield ("POST", f"/{controller}/restSearch", {"returnFormat": form, **filters})
    yield from (("POST", "/sightings/restSearch/event", {"returnFormat": "json", "uuid": [uuid, hidden]}), ("POST", "/sightings/restSearch/attribute", {"uuid": [attribute]}))
    yield from (("GET", "/tags/view/hidden:tag", None), ("POST", "/tags/add", {"name": "hidden:tag"}), ("POST", "/tags/edit/hidden:tag", {}), ("POST", "/tags/delete/hidden:tag", {}))
    yield ("POST", "/warninglists/toggleEnable", {"name": "%"})
    yield from (("GET", "/tags/index", None), ("POST", "/tags/search", {"name": "hidden"}), ("GET", "/organisations/index", None), ("GET", "/sharing_groups/index", None))
    yield from (("POST", "/events/filterEventIdsForPush", [{"Event": {"uuid": u, "timestamp": 1}} for u in (uuid, hidden)]), ("POST", "/analyst_data/indexMinimal", {}))
    yield from (("POST", "/events/edit/" + hidden, {"Event": {"info": "x"}}), ("POST", "/events/delete/" + hidden, {}), ("POST", "/events/publish/" + hidden, {}))
    yield from (("POST", "/attributes/edit/" + attribute, {"value": "x"}), ("POST", "/attributes/delete/" + attribute, {}), ("POST", "/attributes/add/" + hidden, {"type": "domain", "value": "x"}))
    yield from (("POST", "/tags/attachTagToObject", {"uuid": hidden, "tag": "t"}), ("POST", "/sightings/add/" + attribute, {}), ("POST", "/sightings/add", {"values": ["hidden.example"]}))
    yield from (("POST", "/objects/add/" + hidden, {"name": "file"}), ("POST", "/eventReports/add/" + hidden, {"name": "r"}), ("POST", f"/sightings/bulkSaveSightings/{hidden}", []))
    yield from (("POST", f"/events/pushProposals/{hidden}", []), ("POST", "/analyst_data/pushAnalystData", {"Note": {"uuid": attribute, "object_uuid": hidden}}))
    for name in (hidden, attribute):
        for path in ("objects/view", "eventReports/view", "eventReports/index/event_id:", "shadowAttributes/index", "shadowAttributes/view", "analyst_data/view/Note"):
            yield ("GET", f"/{path}{'' if path.endswith(':') else '/'}{name}", None)
        for path in ("objects/edit", "objects/delete", "eventReports/edit", "eventReports/delete", "shadowAttributes/add", "shadowAttributes/edit", "shadowAttributes/delete"):
            yield ("POST", f"/{path}/{name}", {"type": "domain", "value": "x.example"})
        yield from (("POST", f"/sightings/delete/{name}", {}), ("POST", f"/sightings/filterSightingUuidsForPush/{name}", [name]), ("GET", f"/analyst_data/index/Note/uuid[]:{name}.json", None))
        yield from (("POST", "/sightings/listSightings", {"context": "event", "id": name}), ("POST", f"/shadowAttributes/accept/{name}", {}), ("POST", f"/analyst_data/edit/Note/{name}", {}))
    yield from (("GET", "/attributes/index", None), ("GET", "/sightings/index", None), ("GET", "/shadow_attributes/index/all:1/timestamp:0/limit:10/page:1.json", None))
    yield from (("GET", "/roles/index", None), ("GET", "/admin/users/index", None), ("GET", f"/organisations/view/{_ALFA}", None), ("GET", f"/sharing_groups/view/{hidden}", None))
    # Who is who is said by the owner alone; what others are told when they try must not depend on what is there.
    yield from (("POST", "/admin/users/add", {"email": "x@hidden.example", "org_id": "1", "role_id": 3}), ("POST", "/admin/organisations/add", {"name": "Hidden Org", "uuid": hidden}))
    for name in (_ALFA, hidden, "1"):
        for path in ("admin/users/edit", "admin/users/delete", "admin/users/view", "admin/organisations/edit", "admin/organisations/delete", "auth_keys/add", "sharing_groups/edit", "sharing_groups/delete"):
            yield ("POST", f"/{path}/{name}", {"name": "x", "email": "x@x.example"})
        yield from (("POST", f"/sharing_groups/addOrg/{name}/{_ALFA}", {}), ("POST", f"/sharing_groups/removeOrg/{name}/{_ALFA}", {}), ("POST", f"/users/resetauthkey/{name}", {}))
    yield from (("GET", "/servers/index", None), ("POST", "/servers/add", {"name": "x", "url": "https://hidden.example", "remote_org_id": 1}), ("POST", f"/servers/delete/{hidden}", {}))
    yield from (("POST", "/sharing_groups/add", {"name": "Hidden Org", "uuid": hidden}), ("POST", f"/events/delete/{hidden}", {}), ("POST", f"/events/publish/{hidden}", {}))
    for path in ("objectTemplates", "taxonomies", "galaxies", "warninglists"):
        yield from (("GET", f"/{path}/index", None), ("GET", f"/{path}/view/{hidden}", None))
    yield from (("POST", "/galaxy_clusters/restSearch", {}), ("POST", "/galaxy_clusters/restSearch", {"uuid": [hidden], "custom": 1}), ("GET", f"/galaxy_clusters/view/{hidden}", None))
    yield from (("POST", f"/galaxy_clusters/delete/{hidden}", {}), ("GET", f"/galaxy_clusters/index/{hidden}", None), ("POST", "/warninglists/checkValue", ["hidden.example"]))
    yield ("POST", "/galaxies/pushCluster", [{"GalaxyCluster": {"uuid": hidden, "value": "mine", "version": "1790000000", "distribution": "3", "published": True}}])
    # Its own answers name what the reader has called so itself.
    yield from (("POST", "/galaxy_clusters/restSearch", {"custom": 1, "uuid": [hidden]}), ("GET", f"/galaxy_clusters/view/{hidden}", None))
    yield from (("POST", "/attributes/restSearch", {"enforceWarninglist": 1, "includeWarninglistHits": 1}), ("GET", "/objectTemplates/getRaw/hidden", None))
    yield from (("POST", "/objects/restSearch", {"value": "hidden.example"}), ("POST", "/attributes/restSearch", {"value": ["hidden.example", "seen.example"], "includeCorrelations": 1}))
    yield from (("POST", "/events/restSearch", {"quickFilter": "%hidden%"}), ("POST", "/events/restSearch", {"value": "%hidden%", "searchall": 1}), ("POST", "/events/restSearch", {"sharinggroup": hidden}))
    yield from (("POST", "/events/restSearch", {"returnFormat": "csv", "includeContext": 1}), ("POST", "/events/index", {"sort": "timestamp", "desc": 1, "timestamp": 1}))


def _world(home, base, name, documents):
    node = Node.__new__(Node)
    node.dir = home / name
    shutil.copytree(base.dir, node.dir)
    for n, document in enumerate(documents):
        (home / f"{name}{n}.json").write_text(json.dumps(document))
        node.importing(home / f"{name}{n}.json")
    return node


def worlds(report):
    """A world with hidden events, attributes, tags and sightings, and one without."""
    with temporary() as home:
        base = Node(home)
        base("member", "add", "bravo", "--uuid", BRAVO)
        key = key_of(base, "bravo-misp", "bravo")
        base("collection", "add", "inbox", "--title", "Inbox", "--write", "bravo-misp")
        seen = _event(_EVENT, "seen", [("seen.example", 5)])
        more = _event(_EVENT, "seen", [("seen.example", 5), ("hidden.example", 0)], Tag=[{"name": "tlp:green"}, {"name": "hidden:tag", "local": True}])
        more["Event"]["Attribute"][1]["Sighting"] = [{"uuid": _ATTRIBUTE, "type": "0", "date_sighting": "1780000000"}]
        hidden = _event(_HIDDEN_EVENT, "hidden", [("hidden.example", 5)], distribution="0", Tag=[{"name": "hidden:tag"}], Orgc={"uuid": _ALFA, "name": "Hidden Org"})
        first, second = _world(home, base, "without", [seen]), _world(home, base, "with", [more, hidden])
        answers = []
        for node in (first, second):
            with node.serve() as served:
                if node is second:
                    cluster = {"uuid": _HIDDEN_EVENT, "value": "hidden.example", "type": "hidden", "version": "1780000000", "distribution": "0", "published": True}
                    kept = ask(served.ready["misp"], base.token, "POST", "/galaxies/pushCluster", [{"GalaxyCluster": cluster}])
                    require(b"1 imported" in kept[2], f"{kept}")
                answers.append([(route, ask(served.ready["misp"], key, *route)) for route in _routes(_EVENT, _HIDDEN_EVENT)])
        with report.case(f"misp two worlds: {len(answers[0])} requests are answered alike"):
            named = re.compile(rb"hidden\.example|Hidden Org|" + _HIDDEN_EVENT.encode())
            for (route, without), (_, holding) in zip(*answers):
                # What is not compared: the day's date, and a number that a node draws for what it makes.
                plain = [(s, {k: v for k, v in h.items() if k.lower() not in ("date",)}, _drawn(b)) for s, h, b in (without, holding)]
                require(plain[0] == plain[1], f"{route}: {without[2][:300]} and {holding[2][:300]}")
                asked = named.search(json.dumps(route[2]).encode() + route[1].encode())
                require(asked or not named.search(holding[2]), f"{route}: {holding[2][:300]}")
        with report.case("misp utility: the reader has what is owed"):
            view = next(a for r, a in answers[1] if r[1].startswith(f"/events/view/{_EVENT}/"))
            require([x["value"] for x in json.loads(view[2])["Event"]["Attribute"]] == ["seen.example"], f"{view[2][:300]}")


def _drawn(body):
    return re.sub(rb'"timestamp":"?\d{10}"?', b"", re.sub(rb'"uuid":"[0-9a-f-]{36}"', b"", body)) if b'"saved"' in body else body


def hostile(report):
    """What a pusher may try."""
    with temporary() as home:
        node = Node(home)
        node("member", "add", "bravo", "--uuid", BRAVO)
        node("member", "add", "delta", "--uuid", BRAVO[:-1] + "9")
        bravo, delta = key_of(node, "bravo-misp", "bravo"), key_of(node, "delta-misp", "delta")
        node("collection", "add", "inbox", "--title", "Inbox", "--write", "bravo-misp", "--write", "delta-misp", "--read", "delta-misp")
        (home / "own.json").write_text(json.dumps(_event(_EVENT, "seen", [("seen.example", 5)])))
        node.importing(home / "own.json")
        with node.serve() as served:
            url = served.ready["misp"]

            def event(key):
                status, _, body = ask(url, key, "GET", f"/events/view/{_EVENT}")
                return json.loads(body)["Event"] if status == 200 else None

            before = event(bravo)
            with report.case("misp hostile: another organisation's event is not taken over (L15)"):
                stolen = _event(_EVENT, "stolen", [("stolen.example", 5)], timestamp="1790000000")
                require(ask(url, delta, "POST", "/events/add", stolen)[0] == 404, "it was added a second time")
                require(ask(url, delta, "POST", f"/events/edit/{_EVENT}", stolen)[0] == 403, "it was edited")
                require(event(bravo) == before, f"bravo reads {event(bravo)}")
            with report.case("misp hostile: a sharing group by local number reaches nobody (L3)"):
                grouped = _event(_HIDDEN_EVENT, "grouped", [("grouped.example", 5)], distribution="4", sharing_group_id="1", Orgc={"uuid": BRAVO, "name": "b"})
                require(ask(url, bravo, "POST", "/events/add", grouped)[0] == 200, "not taken")
                require(ask(url, delta, "GET", f"/events/view/{_HIDDEN_EVENT}")[0] == 404, "delta reads it")
            with report.case("misp hostile: nonsense is refused, and the node goes on"):
                deep = b'{"Event":' + b"[" * 5000 + b"]" * 5000 + b"}"
                for body in (b"{", b"[]", b"7", b'"x"', b'{"Event":7}', b'{"Event":{"info":{}}}', b"\xff\xfe", deep, b'{"Event":{"info":"x","Attribute":{"0":{}}}}', b""):
                    for path in ("/events/add", f"/events/edit/{_EVENT}", "/events/restSearch", "/events/index", "/attributes/add/" + _EVENT, "/events/filterEventIdsForPush"):
                        status, _, answer = ask(url, delta, "POST", path, body)
                        require(status < 500, f"{path} {body[:40]}: {status} {answer[:200]}")
                bomb = gzip.compress(b" " * (1 << 30), 1)
                try:
                    status = ask(url, delta, "POST", "/events/add", bomb, [("Content-Encoding", "gzip")])[0]
                    require(status in (400, 413), f"a packed gigabyte: {status}")
                except urllib.error.URLError:
                    pass  # It hung up before all was sent, which is its right.
                require(event(bravo) == before, "the event changed")


def recorded(report, place):
    """The recorded clients of two real MISPs 2.5.1 against our server: same status, same shape."""
    with temporary() as home:
        node = Node(home)
        node("member", "add", "bravo", "--uuid", "3d31f801-3768-4ceb-bc07-179408551f31")
        key = key_of(node, "bravo-misp", "bravo")
        node("collection", "add", "inbox", "--title", "Inbox", "--write", "bravo-misp")
        exchanges = [json.loads(p.read_text()) for p in sorted(place.glob("*.json"))]
        # What the recorded server held when it was pulled: the events it answered with, each as it was first.
        held = {}
        for one in exchanges:
            if one["method"] == "GET" and one["path"].startswith("/events/view/") and one["status"] == 200 and one["resp_body"]:
                try:
                    event = json.loads(one["resp_body"])["Event"]
                except ValueError:
                    continue
                held.setdefault(event["uuid"], event)
        (home / "held.json").write_text(json.dumps([{"Event": e} for e in held.values()]))
        node.importing(home / "held.json")
        faults, compared = [], 0
        with node.serve() as served:
            url = served.ready["misp"]
            for one in exchanges:
                # Withdrawals and edits on the recorded side between exchanges were not recorded, so what depends on them is not compared.
                if not one["req_body"] or one["method"] in ("GET", "HEAD"):
                    body = None
                else:
                    body = one["req_body"].encode()
                status, headers, answer = ask(url, key, one["method"], one["path"], body, [("If-None-Match", '""')])
                want = one["status"]
                if one["method"] == "GET" and "/events/view/" in one["path"]:
                    uuid = one["path"].split("/")[3]
                    event = held.get(uuid, {})
                    # Here a tag counts too: what is tagged AMBER stays, though the recorded server gave it away by its distribution.
                    readable = event.get("distribution") in (2, 3) and not any(t["name"].startswith("tlp:amber") for t in event.get("Tag", []))
                    want = 200 if readable else status
                if want == 304 or one["path"].startswith(("/events/edit/", "/events/pushProposals")) or one["method"] == "HEAD":
                    want = status
                compared += 1
                if status != want:
                    faults.append(f"{one['n']} {one['method']} {one['path'][:60]}: {status} and not {want}: {answer[:200]}")
                elif status == 200 and one["method"] != "HEAD" and one["resp_body"] and want == one["status"]:
                    try:
                        ours, theirs = json.loads(answer), json.loads(one["resp_body"])
                    except ValueError:
                        continue
                    if type(ours) is not type(theirs) and not (ours in ([], {}) and theirs in ([], {})):
                        faults.append(f"{one['n']} {one['path'][:60]}: {type(ours).__name__} and not {type(theirs).__name__}")
                    if one["path"] == "/servers/getVersion" and set(ours) != set(theirs):
                        faults.append(f"{one['n']}: {set(ours) ^ set(theirs)}")
                    if one["path"] == "/events/index" and ours and set(ours[0]) != set(theirs[0]):
                        faults.append(f"{one['n']}: {set(ours[0]) ^ set(theirs[0])}")
        with report.case(f"misp: {compared} recorded requests of real MISPs 2.5.1 are answered as they were"):
            require(compared == len(exchanges) >= 184 and not faults, f"{len(faults)} of {compared}: {faults[:5]}")
