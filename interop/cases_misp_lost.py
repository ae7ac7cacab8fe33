"""Pushes whose answers are lost, or that are killed: what may have arrived is not forgotten, and is taken back when it may no longer be there.

Rule: a proxy hands everything on to a real node and loses only the answers; what is there is read from that node.
"""

import contextlib
import json
import subprocess
import threading
from urllib.parse import urlsplit

import requests

from cases_misp_beside import _events, _note, _pair
from cases_misp_sync import Answering
from cases_misp_worlds import _event
from cases_pymisp import BRAVO, Counted, same
from harness import require
from node import binary, temporary

_MADE_BY = {"Orgc": {"uuid": BRAVO, "name": "Bravo CSIRT"}}


class _Losing(Answering):
    """A way to another MISP on which answers are lost: each entry of `losing` is part of a method and path, how often, and what comes in its place."""

    def __init__(self, url):
        self.base, self.losing, self.lost = url, [], []
        self.reached, self.let = threading.Event(), None
        super().__init__()
        self.misp = self.url + urlsplit(url).path

    def answer(self, method, path, body, headers):
        place = urlsplit(self.base)
        kept = {k: v for k, v in headers.items() if k.lower() not in ("host", "content-length", "content-encoding", "accept-encoding", "connection")}
        reply = requests.request(method, f"{place.scheme}://{place.netloc}{path}", data=body, headers=kept, timeout=30)
        for one in self.losing:
            what, times, instead = one
            if times and what in f"{method} {path}":
                one[1] -= 1
                self.lost.append((method, path, reply.status_code))
                if instead == "wait":
                    self.reached.set()
                    self.let.wait(30)
                    break
                return instead, {}, b"<html>"
        passed = {k: v for k, v in reply.headers.items() if k.lower() in ("etag", "content-type")}
        return reply.status_code, passed, reply.content


@contextlib.contextmanager
def _way(home, served, bravo):
    """Bravo's way to the node that is served."""
    way = _Losing(served.ready["misp"])
    bravo("misp", "add", "alfa", way.misp, "--key-file", home / "k", "--source", "from-alfa", "--to", "alfa-misp")
    try:
        yield way
    finally:
        way.close()


def _brought(home, node, *documents):
    (home / "brought.json").write_text(json.dumps(documents))
    node.importing(home / "brought.json")


def lost(report):
    """What was sent and not acknowledged is sent again, and withdrawn when it may no longer be there."""
    ways = [
        ("the answer to what is new", "POST /misp/events/add", 1, 200),
        ("the look at what became of it", "GET /misp/events/view", 1, 200),
        ("an answer after which MISP is asked again, and says it has the event", "POST /misp/events/add", 1, 503),
    ]
    for n, (what, place, times, status) in enumerate(ways):
        with temporary() as home:
            alfa, bravo = _pair(home)
            uuid = f"5f0d0070-0000-4000-8000-00000000000{n}"
            document = _event(uuid, "secret affair", [("affair.example", 5)], **_MADE_BY)
            _brought(home, bravo, document)
            with alfa.serve() as served, _way(home, served, bravo) as way:
                with report.case(f"misp lost: {what} is lost, and the event is taken back all the same"):
                    way.losing = [[place, times, status]]
                    done = bravo("misp", "push", "alfa", "--json", ok=None)
                    require(way.lost and done.code != 0, f"nothing was lost: {done.brief()}")
                    require("affair.example" in json.dumps(_events(served, alfa.token)), "it did not arrive")
                    document["Event"].update({"distribution": "0", "timestamp": "1780000500"})
                    _brought(home, bravo, document)
                    told = bravo("misp", "push", "alfa", "--json", ok=None).json()
                    there = json.dumps(_events(served, alfa.token, deleted=[0, 1]))
                    require("affair" not in there and told["withdrawn"] == 1, f"{told} {there[:1000]}")
                with report.case(f"misp lost: {what} is lost once, and there is nothing more to do after it"):
                    told = bravo("misp", "push", "alfa", "--json").json()
                    require(not told["problems"] and told["withdrawn"] == 0 and told["pushed"] == 0, f"{told}")
    _part(report)
    for meanwhile in ("it is sent again", "it may no longer be there"):
        _killed(report, meanwhile)


def _part(report):
    with temporary() as home:
        alfa, bravo = _pair(home)
        uuid = "5f0d0071-0000-4000-8000-000000000001"
        document = _event(uuid, "stays", [("stays.example", 5), ("first.example", 5), ("second.example", 0)], **_MADE_BY)

        def again(at_s, **levels):
            for one in document["Event"]["Attribute"]:
                one.update({"distribution": levels.get(one["value"].split(".")[0], one["distribution"]), "timestamp": str(at_s)})
            document["Event"]["timestamp"] = str(at_s)
            _brought(home, bravo, document)

        again(1780000000)
        with alfa.serve() as served, bravo.serve() as own, _way(home, served, bravo) as way:
            bravo("misp", "push", "alfa")
            with report.case("misp lost: the answer to a change is lost, and both what it brought and what it took away go when they must"):
                again(1780000500, first="0", second="5")
                way.losing = [["POST /misp/events/edit", 1, 200]]
                bravo("misp", "push", "alfa", "--json", ok=(4,))
                require("second.example" in json.dumps(_events(served, alfa.token)), "it did not arrive")
                again(1780000600, second="0")
                told = bravo("misp", "push", "alfa", "--json").json()
                there = json.dumps(_events(served, alfa.token, deleted=[0, 1]))
                require(not any(v in there for v in ("first.example", "second.example")) and "stays.example" in there, f"{told} {there[:1500]}")
            with report.case("misp lost: the answer to a note is lost, and the note goes when it must"):
                writer = Counted(own.ready["misp"], bravo.token)
                note = writer.add_note(_note(uuid, "a secret note", 3))
                way.losing = [["POST /misp/analyst_data/pushAnalystData", 1, 500]]
                bravo("misp", "push", "alfa", "--json", ok=None)
                require("a secret note" in json.dumps(_events(served, alfa.token)), "it did not arrive")
                writer.delete_note(note)
                told = bravo("misp", "push", "alfa", "--json").json()
                there = json.dumps(_events(served, alfa.token, deleted=[0, 1]))
                require("a secret note" not in there and told["withdrawn"] == 1, f"{told} {there[:1500]}")


def _killed(report, meanwhile):
    with temporary() as home:
        alfa, bravo = _pair(home)
        uuid, told_of = "5f0d0072-0000-4000-8000-000000000001", "5f0d0072-0000-4000-8000-000000000002"
        documents = [_event(u, "secret affair", [(f"affair{u[-1]}.example", 5)], **_MADE_BY) for u in (uuid, told_of)]
        _brought(home, bravo, *documents)

        def narrow(one, at_s):
            one["Event"].update({"distribution": "0", "timestamp": str(at_s)})
            _brought(home, bravo, one)

        with alfa.serve() as served, _way(home, served, bravo) as way:
            with report.case(f"misp lost: a push is killed after an event arrived; before the next one, {meanwhile}"):
                way.let, way.losing = threading.Event(), [["POST /misp/events/add", 1, "wait"]]
                child = subprocess.Popen([binary(), "--dir", bravo.dir, "misp", "push", "alfa"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    require(way.reached.wait(30), "it was never sent")
                finally:
                    child.kill()
                    child.wait()
                    way.let.set()
                sent = next(u for u in (uuid, told_of) if u in json.dumps(_events(served, alfa.token)))
                arrived, never = sorted(documents, key=lambda d: d["Event"]["uuid"] != sent)
                narrow(never, 1780000500)
                if meanwhile == "it is sent again":
                    told = bravo("misp", "push", "alfa", "--json").json()
                    same((told["pushed"], told["problems"]), (1, []), "the event again, and not a word of the one that never was there")
                    narrow(arrived, 1780000600)
                    told = bravo("misp", "push", "alfa", "--json").json()
                    same(told["withdrawn"], 1, "what was taken back")
                    there = json.dumps(_events(served, alfa.token, deleted=[0, 1]))
                    require("affair" not in there, f"{told} {there[:1000]}")
                else:
                    narrow(arrived, 1780000600)
                    told = bravo("misp", "push", "alfa", "--json", ok=(5,)).json()
                    same([(p["event"], p["what"]) for p in told["problems"]], [(sent, "cannot be withdrawn")], "what nobody can know is told")
