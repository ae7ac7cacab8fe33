"""Our client against the recorded servers of two real MISPs, and two nodes in step over MISP's own protocol.

Rule: the recorded server answers only what was recorded, and says what it was asked beyond that.
"""

import contextlib
import gzip
import http.server
import json
import re
import threading

import requests

from cases_misp_worlds import _event
from cases_pymisp import BRAVO, key_of
from harness import require
from node import Node, temporary

_ALFA_ORG, _SG_ORG = "5dbf078a-4f31-406a-9331-46202552ce68", "3d31f801-3768-4ceb-bc07-179408551f31"


def _normal(path):
    path = re.sub(r"timestamp:\d+", "timestamp:T", path)
    # An audit also looks at the tags that are to stay there.
    path = path.replace("excludeLocalTags:0", "excludeLocalTags:1")
    return re.sub(r"/users/view/me\.json", "/users/view/me", path)


class Answering:
    """An HTTP server on this machine; `answer(method, path, body, headers)` gives status, headers and bytes."""

    def __init__(self):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                status, headers, answer = owner.answer(self.command, self.path, body, self.headers)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                # Whoever asked may have been killed.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    if self.command != "HEAD":
                        self.wfile.write(answer)

            do_GET = do_POST = do_HEAD = _serve

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()


class Recorded(Answering):
    """A server that replays a stretch of the recordings: the last answer of each method and path."""

    def __init__(self, exchanges):
        self.known, self.asked, self.beyond, self.bodies, self.more = {}, [], [], [], {}
        for one in exchanges:
            self.known.setdefault((one["method"], _normal(one["path"])), []).append(one)
        super().__init__()

    def answer(self, method, path, body, headers):
        self.asked.append((method, _normal(path)))
        self.bodies.append((method, path, body))
        if path.startswith("/users/view/me"):
            return 200, {}, b'{"User":{"email":"sync@b.example"},"Organisation":{"name":"ORG-OF-B"}}'
        if path.startswith("/sightings/restSearch"):
            return 200, {}, b'{"response":[]}'
        if path in self.more:
            return 200, {}, json.dumps(self.more[path]).encode()
        found = self.known.get((method, _normal(path)))
        if not found:
            self.beyond.append((method, path))
            return 404, {}, b'{"name":"Invalid event.","message":"Invalid event.","url":""}'
        one = found[0] if len(found) == 1 else found.pop(0)
        etag = {k: v for k, v in one["resp_headers"].items() if k == "ETag"}
        if etag and headers.get("If-None-Match") == etag["ETag"]:
            return 304, etag, b""
        return one["status"], etag, (one["resp_body"] or "").encode()



def _node(home, name="bravo"):
    node = Node(home, name, "Org of B", _SG_ORG)
    node("member", "add", "alfa", "--uuid", _ALFA_ORG)
    node("source", "add", "misp-alfa", "--kind", "member", "--member", "alfa")
    (home / "key").write_text("k" * 40 + "\n")
    return node


def recorded(report, place):
    """Pulls from the recorded MISP A, and pushes to it."""
    exchanges = [json.loads(p.read_text()) for p in sorted(place.glob("*.json"))]
    with temporary() as home:
        node = _node(home)
        # The first full pull of the recordings: exchanges 3 to 12.
        server = Recorded([e for e in exchanges if 3 <= e["n"] <= 12])
        node("misp", "add", "a", server.url, "--key-file", home / "key", "--source", "misp-alfa")
        with report.case("misp audit: a recorded MISP is read, with the servers it is connected to, and nothing is written"):
            pushed = {"name": "B", "push": True, "push_rules": '{"tags":{"OR":[],"NOT":["3"]}}'}
            connected = {
                "/servers/index": [{"Server": pushed, "RemoteOrg": {"name": "Org of B", "uuid": _SG_ORG}}, {"Server": {"name": "C", "push": "0"}, "RemoteOrg": []}],
                "/organisations/index/scope:local": [{"Organisation": {"name": "Org of A", "uuid": _ALFA_ORG}}],
            }

            def audited(more, *how):
                audit = Recorded([e for e in exchanges if 3 <= e["n"] <= 12])
                audit.more = more
                done = node("misp", "audit", audit.url, "--key-file", home / "key", *how)
                audit.close()
                asked = {(m, p) for m, p in audit.asked if m != "GET" and "/events/index" not in p}
                require(not asked, f"an audit asked for {asked}")
                return done

            told = audited({}, "--json").json()
            require(told["seen"]["events"] == 4 and "servers" not in told, f"{told}"[:300])
            told = audited(connected, "--json").json()
            listed = [(s["name"], s["organisation"], s["pushes"], s["has_rules"]) for s in told["servers"]]
            require(listed == [("B", "Org of B", True, True), ("C", "", False, False)] and told["community"] == ["Org of A"], f"{told}"[:400])
            far = sum(told["reach"][r]["events"] for r in ("connected", "all"))
            require(told["servers"][0]["events"] >= far > 0 and told["servers"][1]["events"] == 0, f"{told['servers']} and {told['reach']}")
            shown = audited(connected).text
            require("B of Org of B, less what its push rules hold back" in shown and "organisations on this MISP: Org of A" in shown, shown)
        with report.case("misp client: a recorded MISP 2.5.1 is tested"):
            told = node("misp", "test", "a", "--json").json()["misp"]
            require(told["version"] == "2.5.1" and told["may_send"], f"{told}")
        with report.case("misp client: a recorded MISP 2.5.1 is pulled with the requests a MISP makes"):
            told = node("misp", "pull", "a", "--json").json()
            require(told["misp"]["events"] == 4 and told["new"] > 20 and not told["refused"], f"{told}")
            require(not server.beyond, f"asked beyond the recordings: {server.beyond}")
            views = [p for m, p in server.asked if p.startswith("/events/view/")]
            recorded_views = {_normal(e["path"]) for e in exchanges if 3 <= e["n"] <= 12 and e["path"].startswith("/events/view/")}
            require(set(views) == recorded_views, f"{set(views) ^ recorded_views}")
        with report.case("misp client: levels go one down on the way in, as a MISP does it"):
            events = {e["Event"]["uuid"]: e["Event"] for e in json.loads(node("export", "--to", "bravo", "--format", "misp").out)["response"]}
            source = {json.loads(e["resp_body"])["Event"]["uuid"]: json.loads(e["resp_body"])["Event"]
                      for e in exchanges if 3 <= e["n"] <= 12 and e["path"].startswith("/events/view/")}
            require(set(events) == set(source), f"{set(events) ^ set(source)}")
            got = {a["value"] for e in events.values() for a in e["Attribute"]}
            want = {a["value"] for e in source.values() for a in e["Attribute"]}
            require(got == want, f"{got ^ want}")
        with report.case("misp client: a second pull asks for the list alone, and hears that nothing changed"):
            server.asked.clear()
            told = node("misp", "pull", "a", "--json").json()
            require(told["misp"]["events"] == 0 and ("POST", "/events/index") in server.asked, f"{told} {server.asked}")
            require(not [p for _, p in server.asked if p.startswith("/events/view/")], f"{server.asked}")
        server.close()
        with report.case("misp client: what is gone there goes here, what is still there stays"):
            shorter = [dict(e) for e in exchanges if 3 <= e["n"] <= 12]
            index = next(e for e in shorter if e["path"] == "/events/index")
            listed = json.loads(index["resp_body"])
            gone = listed[0]["uuid"]
            index["resp_body"], index["resp_headers"] = json.dumps(listed[1:]), {"ETag": '"other"'}
            server = Recorded([e for e in shorter if gone not in e["path"]])
            node("misp", "remove", "a")
            node("misp", "add", "a", server.url, "--key-file", home / "key", "--source", "misp-alfa")
            state = json.loads((node.dir / "misp.json").read_text())
            state["a"]["state"]["events"] = {e["uuid"]: e["timestamp"] for e in listed}
            (node.dir / "misp.json").write_text(json.dumps(state))
            told = node("misp", "pull", "a", "--json").json()
            require(told["misp"]["withdrawn"] > 0, f"{told}")
            left = {e["Event"]["uuid"] for e in json.loads(node("export", "--to", "bravo", "--format", "misp").out)["response"]}
            require(left == {e["uuid"] for e in listed[1:]}, f"{left}")
            server.close()


# What means something only at one of the two, or is said in other words for the peer: who may have it (distribution, group, tags of levels), and counts.
_HERE = {"id", "event_id", "object_id", "org_id", "orgc_id", "event_org_id", "old_id", "user_id", "sharing_group_id", "timestamp", "publish_timestamp", "attribute_count", "email",
         "event_creator_email", "ThreatLevel", "distribution", "SharingGroup", "Tag", "local", "date_created", "date_modified", "created_by", "_canEdit", "authors", "Org", "Orgc"}


def _said(value):
    """A body without ids, times and what is empty; MISP writes the same number as text or as a number."""
    if isinstance(value, dict):
        kept = {k: _said(v) for k, v in value.items() if k not in _HERE}
        return {k: v for k, v in kept.items() if v not in (None, "", [], {}, "0")}
    if isinstance(value, list):
        return [_said(v) for v in value]
    if value is None or isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def recorded_push(report, place):
    """Pushes to the recorded MISP A what the recorded MISP B pushed to it."""
    exchanges = {e["n"]: e for e in (json.loads(p.read_text()) for p in sorted(place.glob("*.json")))}
    sent = {json.loads(e["req_body"])["Event"]["uuid"]: json.loads(e["req_body"]) for n, e in exchanges.items() if n in range(120, 182) and "/events/add" in e["path"]}
    first, edited, note = (json.loads(exchanges[n]["req_body"]) for n in (104, 111, 118))
    uuid, proposed = first["Event"]["uuid"], exchanges[115]["path"].rsplit("/", 1)[1]
    with temporary() as home:
        node = _node(home)
        (home / "k").write_text(key_of(node, "alfa-misp", "alfa") + "\n")
        written = {**first["Event"], "Note": [note["Note"]]}
        # What B had at home as `connected` was recorded one level down.
        for one in (*first["Event"]["Attribute"], *edited["Event"]["Attribute"]):
            one["distribution"] = max(2, one["distribution"])
        (home / "a.json").write_text(json.dumps([*sent.values(), {"Event": written}]))
        node.importing(home / "a.json")
        # What alfa marked AMBER would not go back to alfa by this recipient.
        exchanges[7] = {**exchanges[7], "resp_body": exchanges[7]["resp_body"].replace("tlp:amber", "tlp:green")}
        server = Recorded([exchanges[n] for n in (2, 103, 104, 110, 111, 115, 117, 118, *range(3, 13), *range(120, 182))])
        server.more["/events/filterEventIdsForPush"] = [*json.loads(exchanges[120]["resp_body"]), uuid]
        node("misp", "add", "a", server.url, "--key-file", home / "key", "--source", "misp-alfa", "--to", "alfa-misp")

        def same_event(got, want):
            got, want = _said(got)["Event"], _said(want)["Event"]
            # Here a note goes with its event too.
            got.pop("Note", None)
            require(got == want, f"{got} and not {want}")

        def pushed(path):
            return [json.loads(body) for method, asked, body in server.bodies if method == "POST" and asked == path]

        with report.case("misp client: a recorded MISP 2.5.1 is pushed to with the requests a MISP makes"):
            done = node("misp", "push", "a", "--json", ok=None)
            told = done.json()
            require(told["offered"] == told["wanted"] == len(sent) + 1 == 31, f"{told}")
            heads = [p.split("/")[3] for m, p in server.asked if m == "HEAD"]
            require(sorted(heads) == sorted([*sent, uuid]), f"{heads}")
            # A MISP does not look at what became of what it sent; we do, and nothing of that was recorded.
            beyond = {p.split("/")[1:3][-1] for _, p in server.beyond}
            require(all(m == "GET" and p.startswith("/events/view/") for m, p in server.beyond), f"{beyond} {server.beyond[:3]}")
        with report.case("misp client: what it sends to the recorded MISP says what a MISP said"):
            ours = {one["Event"]["uuid"]: one for one in pushed("/events/add/metadata:1")}
            require(set(ours) == {*sent, uuid}, f"{set(ours) ^ set(sent)}")
            for one in (*sent.values(), first):
                same_event(ours[one["Event"]["uuid"]], one)
                require(ours[one["Event"]["uuid"]]["Event"]["Orgc"]["uuid"] == one["Event"]["Orgc"]["uuid"], "another made it")
            text = json.dumps(list(ours.values()))
            require("admin@admin.test" not in text and '"user_id"' not in text, "an analyst's address or a local number left (L13)")
            (offered,) = pushed("/analyst_data/filterAnalystDataForPush")
            require(offered["Note"] == json.loads(exchanges[117]["req_body"])["Note"], f"{offered}")
            (got,) = pushed("/analyst_data/pushAnalystData")
            require(_said(got) == _said(note), f"{_said(got)} and not {_said(note)}")
        with report.case("misp client: an edit goes to the recorded MISP as one"):
            (home / "b.json").write_text(json.dumps(edited))
            node.importing(home / "b.json")
            server.bodies.clear()
            server.more["/events/filterEventIdsForPush"] = [uuid]
            node("misp", "push", "a", "--json", ok=None)
            (got,) = pushed(f"/events/edit/{uuid}/metadata:1")
            same_event(got, edited)
        with report.case("misp client: a proposal goes to the recorded MISP as a MISP's does"):
            node("misp", "pull", "a")
            want = json.loads(exchanges[115]["req_body"])
            with node.serve() as served:
                keep = {k: want[0][k] for k in ("type", "category", "to_ids", "value", "comment")}
                head = {"Authorization": node.token, "Accept": "application/json"}
                reply = requests.post(served.ready["misp"].rstrip("/") + f"/shadowAttributes/add/{proposed}", json=keep, headers=head, timeout=30)
                require(reply.status_code == 200, reply.text)
            server.bodies.clear()
            node("misp", "push", "a", "--json", ok=None)
            (got,) = pushed(f"/events/pushProposals/{proposed}")
            drop = ("uuid",)
            got, want = ([{k: v for k, v in _said(one).items() if k not in drop} for one in many] for many in (got, want))
            require(got == want, f"{got} and not {want}")
        server.close()


def hostile(report):
    """Servers that answer what no MISP should."""
    good = b'{"version":"2.5.1","perm_sync":true,"request_encoding":["gzip"]}'
    uuid = "5f0c0003-0000-4000-8000-000000000001"
    index = json.dumps([{"uuid": uuid, "timestamp": 5, "published": True}]).encode()
    event = {"Event": {"uuid": uuid, "info": "x", "date": "2026-01-01", "published": True, "distribution": "3", "Attribute": []}}
    worse = [
        ("no version", b"{}", index, b"{}", 4), ("another version", b'{"version":"3.0"}', index, b"{}", 4), ("no JSON", b"<html>", index, b"{}", 4),
        ("an index that is no list", good, b'{"a":1}', b"{}", 4), ("no JSON in an event", good, index, b"{", 5),
        ("another event than asked for", good, index, json.dumps({"Event": {**event["Event"], "uuid": uuid[:-1] + "9"}}).encode(), 5),
        ("attributes of wrong types", good, index, json.dumps({"Event": {**event["Event"], "Attribute": [{"type": {}}, 7, None]}}).encode(), 5),
        ("attributes that are no list", good, index, json.dumps({"Event": {**event["Event"], "Attribute": {"0": {}}}}).encode(), 5),
        ("a list of a million nothings", good, json.dumps([{}] * 100_000).encode(), b"{}", 0),
    ]
    for what, version, listing, view, code in worse:
        with temporary() as home:
            node = _node(home)
            server = Recorded([])

            def answer(method, path, body, headers, version=version, listing=listing, view=view):
                if path.startswith("/servers/getVersion"):
                    return 200, {}, version
                if path.startswith("/events/index"):
                    return 200, {}, listing
                if path.startswith("/events/view"):
                    return 200, {}, view
                return 200, {}, b'{"response":[]}'

            server.answer = answer
            node("misp", "add", "a", server.url, "--key-file", home / "key", "--source", "misp-alfa")
            with report.case(f"misp hostile server: {what}"):
                done = node("misp", "pull", "a", "--json", ok=None)
                require(done.code == code, f"{done.code} and not {code}: {done.out[:300]} {done.err[:300]}")
                held = node("export", "--to", node.member, "--format", "misp", ok=(0, 1)).out
                require((uuid.encode() in held) == (what == "attributes of wrong types"), f"{held[:300]}")
            server.close()
    with temporary() as home, report.case("misp hostile server: an event that cannot be read holds up no other, and is asked for again"):
        node = _node(home)
        other = uuid[:-1] + "2"
        views = {uuid: b"{", other: json.dumps({"Event": {**event["Event"], "uuid": other}}).encode()}
        server = Recorded([])
        asked = []

        def each(method, path, body, headers):
            if path.startswith("/servers/getVersion"):
                return 200, {}, good
            if path.startswith("/events/index"):
                return 200, {"ETag": '"1"'}, json.dumps([{"uuid": u, "timestamp": 5, "published": True} for u in views]).encode()
            if path.startswith("/events/view"):
                asked.append(path.split("/")[3])
                return 200, {}, views[asked[-1]]
            return 200, {}, b'{"response":[]}'

        server.answer = each
        node("misp", "add", "a", server.url, "--key-file", home / "key", "--source", "misp-alfa")
        told = node("misp", "pull", "a", "--json", ok=(5,)).json()
        require([r["place"] for r in told["refused"]] == [uuid] and sorted(asked) == sorted(views), f"{told} {asked}")
        views[uuid] = json.dumps(event).encode()
        asked.clear()
        node("misp", "pull", "a")
        held = node("export", "--to", node.member, "--format", "misp").out.decode()
        require(asked == [uuid] and uuid in held and other in held, f"{asked} {held}")
        server.close()


def in_step(report):
    """Alfa's node serves; bravo's node pulls from it and pushes back, over MISP's protocol alone."""
    with temporary() as home:
        alfa, bravo = Node(home), Node(home, "bravo", "Bravo CSIRT", BRAVO)
        alfa("member", "add", "bravo", "--uuid", BRAVO)
        key = key_of(alfa, "bravo-misp", "bravo")
        alfa("collection", "add", "inbox", "--title", "Inbox", "--write", "bravo-misp")
        own = next(m for m in alfa("member", "list", "--json").json()["members"] if m["id"] == "alfa")["identity"].removeprefix("identity--")
        bravo("member", "add", "alfa", "--uuid", own)
        bravo("source", "add", "from-alfa", "--kind", "member", "--member", "alfa")
        key_of(bravo, "alfa-misp", "alfa")
        first, second, third = (f"5f0c0004-0000-4000-8000-{n:012}" for n in (1, 2, 3))
        made_by = {"Orgc": {"uuid": own, "name": "Alfa CSIRT"}}
        (home / "k").write_text(key + "\n")
        (home / "a.json").write_text(json.dumps([_event(first, "one", [("one.example", 5), ("own.example", 0)], **made_by), _event(second, "two", [("two.example", 5)], **made_by)]))
        alfa.importing(home / "a.json")
        with alfa.serve() as served:
            bravo("misp", "add", "alfa", served.ready["misp"], "--key-file", home / "k", "--source", "from-alfa", "--to", "alfa-misp")

            def held():
                done = bravo("export", "--to", "bravo", "--format", "misp", ok=(0, 1))
                events = json.loads(done.out)["response"] if done.out.strip() else []
                return {e["Event"]["info"]: {a["value"]: bool(a["deleted"]) for a in e["Event"]["Attribute"]} for e in events}

            with report.case("misp in step: what is owed arrives, and no more"):
                bravo("misp", "pull", "alfa")
                require(held() == {"one": {"one.example": False}, "two": {"two.example": False}}, f"{held()}")
            with report.case("misp in step: nothing new, nothing asked; a change, that event alone"):
                told = bravo("misp", "pull", "alfa", "--json").json()
                require(told["misp"]["events"] == 0, f"{told}")
                # S3: in the same second as before.
                (home / "b.json").write_text(json.dumps(_event(first, "one", [("changed.example", 5), ("own.example", 0)], **made_by)))
                alfa.importing(home / "b.json")
                told = bravo("misp", "pull", "alfa", "--json").json()
                require(told["misp"]["events"] == 1, f"{told}")
                require("changed.example" in held()["one"], f"{held()}")
            with report.case("misp in step: a withdrawal arrives as one (S1)"):
                document = _event(first, "one", [("changed.example", 5), ("own.example", 0)], **made_by)
                document["Event"]["Attribute"][0].update({"deleted": True, "timestamp": "1780000100"})
                document["Event"]["timestamp"] = "1780000100"
                (home / "c.json").write_text(json.dumps(document))
                alfa.importing(home / "c.json")
                bravo("misp", "pull", "alfa")
                require(held()["one"] == {"changed.example": True}, f"{held()}")
            with report.case("misp in step: notes and proposals arrive by themselves, those for the reader"):
                from pymisp import MISPNote, PyMISP

                there = PyMISP(served.ready["misp"], alfa.token, ssl=False)
                there.toggle_global_pythonify()
                for text, level in (("for all", 3), ("for alfa", 0)):
                    note = MISPNote()
                    note.object_uuid, note.object_type, note.note, note.distribution = first, "Event", text, level
                    require(there.add_note(note).note == text, "not added")
                there.add_attribute_proposal(first, {"type": "domain", "value": "proposed.example"})
                told = bravo("misp", "pull", "alfa", "--json").json()
                require(told["new"] > 0, f"{told}")
                (event,) = [e["Event"] for e in json.loads(bravo("export", "--to", "bravo", "--format", "misp").out)["response"] if e["Event"]["info"] == "one"]
                require([n["note"] for n in event.get("Note", [])] == ["for all"], f"{event.get('Note')}")
                require([p["value"] for p in event.get("ShadowAttribute", [])] == ["proposed.example"], f"{event.get('ShadowAttribute')}")
                require(b"for alfa" not in bravo("export", "--to", "bravo", ok=(0, 1)).out, "what is for alfa alone")
                told = bravo("misp", "pull", "alfa", "--json").json()
                require(told["new"] == 0, f"a second time: {told}")
            with report.case("misp in step: what is no longer for the reader goes (S1)"):
                (home / "d.json").write_text(json.dumps(_event(second, "two", [("two.example", 5)], timestamp="1780000200", distribution="0", **made_by)))
                alfa.importing(home / "d.json")
                told = bravo("misp", "pull", "alfa", "--json").json()
                require("two" not in held() and told["misp"]["withdrawn"] > 0, f"{held()} {told}")
            with report.case("misp in step: a push arrives, is read back, and is not sent twice"):
                document = _event(third, "three", [("three.example", 5), ("keep.example", 0)], Orgc={"uuid": BRAVO, "name": "Bravo CSIRT"}, event_creator_email="ana@bravo.example")
                (home / "e.json").write_text(json.dumps(document))
                bravo.importing(home / "e.json")
                told = bravo("misp", "push", "alfa", "--json").json()
                require(told["pushed"] == 1 and not told["problems"], f"{told}")
                got = alfa("export", "--to", "alfa", "--format", "misp").out
                require(b"three.example" in got and b"keep.example" not in got and b"ana@" not in got, f"{got[:400]}")
                told = bravo("misp", "push", "alfa", "--json").json()
                require(told["pushed"] == 0 and told["wanted"] == 0, f"{told}")
            with report.case("misp in step: round and round nothing changes (S4)"):
                key_back = key_of(bravo, "alfa-back", "alfa")
                with bravo.serve() as back:
                    (home / "k2").write_text(key_back + "\n")
                    alfa("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
                    alfa("misp", "add", "bravo", back.ready["misp"], "--key-file", home / "k2", "--source", "from-bravo")
                    counts = []
                    for _ in range(4):
                        there = alfa("misp", "pull", "bravo", "--json").json()
                        here = bravo("misp", "pull", "alfa", "--json").json()
                        counts.append(there["new"] + here["new"])
                    require(counts[-1] == 0 and counts[-2] == 0, f"{counts}")
            with report.case("misp in step: status names the MISP and how it went"):
                (told,) = bravo("misp", "status", "--json").json()["misps"]
                require(told["name"] == "alfa" and told["pulled"] and told["pushed"], f"{told}")
                require(key not in bravo("misp", "status", "--json").out.decode(), "the key is shown")
        with report.case("misp in step: a MISP that is not there is said so"):
            done = bravo("misp", "pull", "alfa", "--json", ok=None)
            require(done.code == 4, f"{done.code}: {done.out[:300]}")
