"""The demo as a newcomer meets it: ready quickly, every login works, and it ends cleanly.

Rule: what the JSON line promises is tried, login by login.
"""

import json
import os
import time

from harness import require
from node import Process, run, temporary
from rawtaxii import Raw

_READY_WITHIN_S = 10


def demo(report):
    with temporary() as home:
        _running(report, home)
        with report.case("demo --once ends with a summary and exit code 0"):
            done = run("demo", "--once", "--dir", home / "once", timeout=90)
            require(done.code == 0, done.brief())
            require(len(done.text.strip().splitlines()) >= 5, f"no summary: {done.text[:300]!r}")


def _running(report, home):
    shown = None
    with report.case(f"demo --json is ready within {_READY_WITHIN_S} s"):
        shown = Process(["demo", "--json", "--dir", home / "demo"], ready_within=60)
        require(shown.ready_s <= _READY_WITHIN_S, f"ready after {shown.ready_s:.1f} s")
    if shown is None:
        return
    with shown:
        nodes = {n["name"]: n for n in shown.ready["nodes"]}
        with report.case("demo: three nodes with their own directory and process"):
            require(set(nodes) == {"alfa", "bravo", "charlie"}, f"the nodes are {sorted(nodes)}")
            require(len({n["pid"] for n in nodes.values()}) == 3, "nodes share a process")
            require(all(os.path.isdir(n["dir"]) for n in nodes.values()), "a node's directory is not there")
        seen = {}
        for name, node in nodes.items():
            for user in node["users"]:
                with report.case(f"demo: {user['user']} logs in at {name} by password and token and reads"):
                    seen[name, user["recipient"]] = _reads(node, user)
        with report.case("demo: the owner of alfa sees more than an ally, an ally more than an outsider"):
            views = {who: len(ids) for (name, who), ids in seen.items() if name == "alfa"}
            owner = nodes["alfa"]["users"][0]["recipient"]
            require(200 <= views[owner] <= 400, f"alfa holds {views[owner]} objects, not 200 to 400")
            require(0 < views["bravo"] < views[owner], f"views: {views}")
            require(0 < views["zulu"] < views["bravo"], f"views: {views}")
        with report.case("demo: bravo's own node holds what it pulled from alfa"):
            own = seen["bravo", nodes["bravo"]["users"][0]["recipient"]]
            require(own, "bravo's node is empty")
        pids = [n["pid"] for n in nodes.values()]
    with report.case("demo: all its processes end with it"):
        deadline = time.monotonic() + 10
        while any(_alive(p) for p in pids):
            require(time.monotonic() < deadline, "a node outlived the demo")
            time.sleep(0.1)


def _reads(node, user):
    """The ids that this login reads; the same by password and by token."""
    views = []
    for login in ({"user": user["user"], "password": user["password"]}, {"token": user["token"]}):
        raw = Raw(node["api_root"], **login)
        listed = json.loads(raw.get("collections/")[1]).get("collections", [])
        readable = [c["id"] for c in listed if c.get("can_read")]
        require(readable, "no collection can be read")
        views.append({i.key for i in raw.objects(node["collection"] if node["collection"] in readable else readable[0])})
        raw.close()
    require(views[0] == views[1], "password and token read different sets")
    return views[0]


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
