"""kill -9 in the middle of writing: what was acknowledged is there afterwards, byte for byte, and nothing is half there.

Rule: acknowledged is a 202 whose status is complete, or an import that ended with code 0; everything else may be there or not, but whole.
"""

import contextlib
import http.client
import json
import os
import random
import subprocess
import threading
import time

from harness import Failure, require
from node import binary, fresh
from objects import bundle_file, tool
from rawtaxii import Raw
from stixfiles import split

PARTS = 8
_KILLS = max(1, int(os.environ.get("POLDER_KILLS", "200")) // PARTS)
_LINKS = 3
_BROKEN = (Failure, OSError, http.client.HTTPException, ValueError)


class Story:
    """What was sent, what was acknowledged, what a reader got."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.count = 0
        self.sent = {}
        self.acknowledged = set()
        self.read = set()
        self.lock = threading.Lock()

    def batch(self, size):
        """Objects nobody has seen before, of many lengths."""
        raws = []
        with self.lock:
            for _ in range(size):
                self.count += 1
                raw = tool(f"kill {self.count}", "green", description="x" * self.random.choice((0, 10, 300, 5_000)))
                self.sent[json.loads(raw)["id"]] = raw
                raws.append(raw)
        return raws

    def acknowledge(self, raws):
        with self.lock:
            self.acknowledged.update(json.loads(r)["id"] for r in raws)


def _post_until_killed(story, root, collection, token):
    link = Raw(root, token=token, timeout=20)
    with contextlib.suppress(*_BROKEN):
        while True:
            with story.lock:
                size = story.random.choice((1, 3, 40))
            raws = story.batch(size)
            # One attempt: sending again after a broken connection would hide what the node kept of the first.
            link.link.request("POST", f"{link.root}collections/{collection}/objects/", body=b'{"objects":[' + ",".join(raws).encode() + b"]}",
                              headers={**link.headers, "Content-Type": "application/taxii+json;version=2.1"})
            answer = link.link.getresponse()
            status, body = answer.status, answer.read()
            require(status == 202, f"a POST answered {status}: {body[:200]!r}")
            value = json.loads(body)
            if value["status"] == "complete" and value["success_count"] == len(raws):
                story.acknowledge(raws)


def _read_until_killed(story, root, collection, token):
    """An ally pages through; each body that arrived whole must be in the ledger afterwards."""
    link, cursor = Raw(root, token=token, timeout=20), None
    with contextlib.suppress(*_BROKEN):
        while True:
            _, body = link.get(f"collections/{collection}/objects/?limit=200" + (f"&next={cursor}" if cursor else ""))
            for one in split(body.decode("utf-8")):
                story.read.add(one.id)
            cursor = json.loads(body).get("next")


def _served(node, story, ally, delay):
    """Three writers and a reader on the served node."""
    with node.serve() as server:
        root, collection = server.ready["api_root"], server.ready["collection"]
        threads = [threading.Thread(target=_post_until_killed, args=(story, root, collection, node.token)) for _ in range(_LINKS)]
        threads.append(threading.Thread(target=_read_until_killed, args=(story, root, collection, ally)))
        for thread in threads:
            thread.start()
        time.sleep(delay)
        server.child.kill()
        server.child.wait()
        for thread in threads:
            thread.join(60)
            require(not thread.is_alive(), "a client hung after its server was killed")


def _import(node, story, size):
    raws = story.batch(size)
    path = bundle_file(node.home, "killed", raws)
    child = subprocess.Popen([binary(), "--dir", node.dir, "import", path, "--own", "--json"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return child, raws


def _imported(story, child, raws):
    """Acknowledged is only what ended with 0 and a report that counts it all."""
    out, _ = child.communicate(timeout=60)
    if child.returncode == 0 and json.loads(out)["new"] == len(raws):
        story.acknowledge(raws)


def _import_served(node, story, _, delay):
    """`polder import` through the control socket of a node that is killed."""
    with node.serve() as server:
        killer = threading.Timer(delay, server.child.kill)
        killer.start()
        while server.child.poll() is None:
            child, raws = _import(node, story, story.random.choice((20, 400, 2_500)))
            _imported(story, child, raws)
            # An import that found nobody listening opened the directory itself: as good as any, but the round is over.
        killer.join()


def _import_stopped(node, story, _, delay):
    """`polder import` on a stopped node's directory, killed itself."""
    deadline = time.monotonic() + delay
    while True:
        child, raws = _import(node, story, 2_500)
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return
        _imported(story, child, raws)


def _check(node, story, ally, ledger):
    """Everything acknowledged, nothing half, nothing foreign, the ledger as it was and more, no damage."""
    with node.serve() as server:
        got = Raw(server.ready["api_root"], token=node.token).objects(server.ready["collection"], limit=5_000)
        ids = [i.id for i in got]
        require(len(ids) == len(set(ids)), f"{len(ids) - len(set(ids))} objects are served twice")
        require(set(ids) <= set(story.sent), f"served and never sent: {sorted(set(ids) - set(story.sent))[:2]}")
        for one in got:
            require(one.raw == story.sent[one.id], f"{one.id} came back other than it was sent: {one.raw[:200]!r}")
        lost = story.acknowledged - set(ids)
        require(not lost, f"{len(lost)} of {len(story.acknowledged)} acknowledged objects are gone: {sorted(lost)[:2]}")
        require(node("doctor", "--json").json()["damage"] == [], "`polder doctor` finds damage")
        rows = node("ledger", "what-has", "bravo", "--json", ok=(0, 1)).json()["what_has"]
        now = {(r["id"], r["version"], r["what"]) for r in rows}
        require(ledger <= now, f"{len(ledger - now)} entries of the ledger are gone: {sorted(ledger - now)[:2]}")
        missing = story.read - {i for i, _, what in now if what == "full"}
        require(not missing, f"{len(missing)} objects were received and are not in the ledger: {sorted(missing)[:2]}")
        return now


def killed(report, part):
    """Many kills of one node, so that each start meets what all the earlier ones left; parts, so that they run beside each other."""
    seed = int(os.environ.get("POLDER_KILL_SEED", "1")) * PARTS + part
    story, ledger = Story(seed), set()
    rounds = {"POST over three connections": _served, "import through the control socket": _import_served,
              "import into a stopped node's directory": _import_stopped}
    order = [_served, _import_served, _served, _import_stopped]
    with fresh() as node:
        node("member", "add", "bravo", "--kind", "nation")
        ally = node("recipient", "add", "bravo", "--kind", "organisation", "--organisation", "bravo", "--json").json()["token"]
        faults = {name: [] for name in rounds}
        tried = dict.fromkeys(rounds, 0)
        in_flight = 0
        for n in range(_KILLS):
            play = order[n % len(order)]
            name = next(k for k, v in rounds.items() if v is play)
            tried[name] += 1
            try:
                before = len(story.sent) - len(story.acknowledged)
                play(node, story, ally, story.random.uniform(0.03, 0.6))
                in_flight += len(story.sent) - len(story.acknowledged) > before
                ledger = _check(node, story, ally, ledger)
            except Failure as failure:
                faults[name].append(f"kill {n + 1}: {failure}")
        for name in rounds:
            with report.case(f"kill -9 during {name}: {tried[name]} kills, nothing acknowledged is lost (seed {seed})"):
                require(tried[name], "no kill was tried: POLDER_KILLS is too small")
                require(not faults[name], "; ".join(faults[name][:2]))
        with report.case("kill -9: the kills did hit writing, and a reader had received something"):
            require(in_flight >= _KILLS // 2, f"only {in_flight} of {_KILLS} kills met a request under way")
            require(story.acknowledged and story.read, "nothing was acknowledged or read")
            print(f"     {_KILLS} kills, {in_flight} of them in the middle of a request; {len(story.acknowledged)} objects acknowledged, "
                  f"{len(story.sent) - len(story.acknowledged)} not, {len(story.read)} read by the ally")
