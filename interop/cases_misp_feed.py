"""Feeds: ours read by PyMISP's own classes and by another node, theirs in MISP's format, CSV and free text.

Rule: what a feed gives its reader is compared with what that reader may see, and what is read with what the feed held.
"""

import hashlib
import http.server
import json
import threading

from cases_misp_worlds import _event, ask
from cases_pymisp import key_of
from harness import require
from node import Node, temporary

_FIRST, _SECOND = (f"5f0c0005-0000-4000-8000-{n:012}" for n in (1, 2))


class Files:
    """A web server of a few files, with ETags."""

    def __init__(self, files, redirects=None):
        self.files, self.redirects, self.asked = files, redirects or {}, []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                owner.asked.append((self.path, self.headers.get("If-None-Match")))
                if self.path in owner.redirects:
                    self.send_response(302)
                    self.send_header("Location", owner.redirects[self.path])
                    self.end_headers()
                    return
                body = owner.files.get(self.path)
                tag = '"' + hashlib.sha1(body or b"").hexdigest() + '"'
                status = 404 if body is None else 304 if self.headers.get("If-None-Match") == tag else 200
                self.send_response(status)
                self.send_header("ETag", tag)
                self.end_headers()
                if status == 200:
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def ours(report):
    """A feed for each recipient."""
    with temporary() as home:
        node = Node(home)
        node("member", "add", "bravo")
        key = key_of(node, "bravo-misp", "bravo")
        document = _event(_FIRST, "seen", [("seen.example", 5), ("hidden.example", 0)], Tag=[{"name": "tlp:green"}, {"name": "local:x", "local": True}], event_creator_email="ana@alfa.example")
        (home / "a.json").write_text(json.dumps([document, _event(_SECOND, "hidden", [("hidden2.example", 5)], distribution="0")]))
        node.importing(home / "a.json")
        with node.serve() as served:
            url = served.ready["misp"] + "feed"
            with report.case("feed: the manifest, the events and the digests are those of the reader's view (L8)"):
                status, headers, body = ask(url, key, "GET", "/manifest.json")
                manifest = json.loads(body)
                require(status == 200 and list(manifest) == [_FIRST], f"{status} {manifest}")
                require({"info", "date", "timestamp", "Orgc", "Tag"} <= set(manifest[_FIRST]), f"{manifest}")
                from pymisp import MISPEvent

                event = MISPEvent()
                event.load(json.loads(ask(url, key, "GET", f"/{_FIRST}.json")[2]))
                require([a.value for a in event.attributes] == ["seen.example"] and [t.name for t in event.tags] == ["tlp:green"], f"{event.to_json()}")
                hashes = ask(url, key, "GET", "/hashes.csv")[2].decode()
                require(hashes == f"{hashlib.md5(b'seen.example').hexdigest()},{_FIRST}\n", hashes)
                for path in ("/manifest.json", f"/{_FIRST}.json", "/hashes.csv"):
                    text = ask(url, key, "GET", path)[2]
                    require(not [w for w in (b"hidden", b"ana@", b"local:x") if w in text], f"{path}: {text[:300]}")
                require(ask(url, key, "GET", f"/{_SECOND}.json")[0] == 404, "a hidden event is there")
            with report.case("feed: what has not changed is not sent again"):
                require(ask(url, key, "GET", "/manifest.json", headers=[("If-None-Match", headers["etag"])])[0] == 304, f"{headers}")
            with report.case("feed: without a key there is none, unless there is a recipient for everybody"):
                status = ask(url, "x" * 40, "GET", "/manifest.json")[0]
                require(status == 403, f"{status}")


def theirs(report):
    """Feeds of others."""
    with temporary() as home:
        node = Node(home)
        node("source", "add", "feed", "--default-tlp", "green")
        files = {"/m/manifest.json": b"", f"/m/{_FIRST}.json": b"", "/a.csv": b"# of a list\n1,192.0.2.1,x\n2,192.0.2.2,y\n", "/free": b"seen hxxp://a[.]example/x and 192.0.2.9\n"}

        def publish(*events):
            files["/m/manifest.json"] = json.dumps({e["Event"]["uuid"]: {"timestamp": e["Event"]["timestamp"], "info": "x"} for e in events}).encode()
            for e in events:
                files[f"/m/{e['Event']['uuid']}.json"] = json.dumps(e).encode()

        def held():
            done = node("export", "--to", "alfa", "--format", "misp", ok=(0, 1))
            events = json.loads(done.out)["response"] if done.out.strip() else []
            return {a["value"]: bool(a.get("deleted")) for e in events for a in e["Event"]["Attribute"]}

        first = _event(_FIRST, "of a feed", [("f1.example", 5), ("f2.example", 5)])
        for part in [first["Event"], *first["Event"]["Attribute"]]:
            part.pop("distribution")
        publish(first)
        server = Files(files, {"/away": "http://192.0.2.1/inside", "/inside": "http://10.0.0.1/"})
        with report.case("feed: one of MISP's format is read, and not again while nothing changes"):
            told = node("misp", "feed", server.url + "/m", "--source", "feed", "--json").json()
            require(told["misp"]["events"] == 1 and not told["refused"], f"{told}")
            server.asked.clear()
            told = node("misp", "feed", server.url + "/m", "--source", "feed", "--json").json()
            require(told["misp"]["events"] == 0 and [p for p, _ in server.asked] == ["/m/manifest.json"] and server.asked[0][1], f"{server.asked}")
        with report.case("feed: what is no longer in it is withdrawn (S6)"):
            second = json.loads(json.dumps(first))
            second["Event"]["Attribute"].pop()
            second["Event"]["timestamp"] = "1780000500"
            publish(second)
            node("misp", "feed", server.url + "/m", "--source", "feed")
            node("recipient", "add", "desk", "--kind", "organisation", "--organisation", "alfa")
            require(held() == {"f1.example": False, "f2.example": True}, f"{held()}")
        with report.case("feed: CSV and free text are read line by line"):
            node("misp", "feed", server.url + "/a.csv", "--source", "feed", "--format", "csv")
            node("misp", "feed", server.url + "/free", "--source", "feed", "--format", "freetext")
            require({"192.0.2.1", "192.0.2.2", "192.0.2.9", "http://a.example/x"} <= set(held()), f"{held()}")
            files["/a.csv"] = b"2,192.0.2.2,y\n3,192.0.2.3,z\n"
            told = node("misp", "feed", server.url + "/a.csv", "--source", "feed", "--format", "csv", "--json").json()
            require(held()["192.0.2.1"] and not held()["192.0.2.2"] and not held()["192.0.2.3"], f"{held()} {told}")
        with report.case("feed: redirects lead nowhere else"):
            for path in ("/away", "/inside"):
                done = node("misp", "feed", server.url + path, "--source", "feed", "--format", "csv", "--json", ok=None)
                require(done.code == 4 and b"not on its own host" in done.out, f"{done.code} {done.out[:300]}")
        with report.case("feed: nonsense is refused, and what was read stays"):
            before = held()
            files["/m/manifest.json"], files["/a.csv"] = b"[1,2]", b"nothing here at all\n"
            for path, form in (("/m", "misp"), ("/a.csv", "csv"), ("/none", "csv")):
                done = node("misp", "feed", server.url + path, "--source", "feed", "--format", form, "--json", ok=None)
                require(done.code == 4, f"{path}: {done.code} {done.out[:300]}")
            require(held() == before, f"{held()}")
