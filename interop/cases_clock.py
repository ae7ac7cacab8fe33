"""Clocks that are wrong: objects from the future, and a system clock behind what the node has recorded.

Rule: the system's clock is never touched; the node's own record is moved forward in its database, checksum and all.
"""

import json
import re
import sqlite3
import time
import zlib

from harness import require
from node import fresh, run
from objects import an_id, bundle_file, days_ahead, item, tool
from rawtaxii import Raw
from stixfiles import differences

_AHEAD_S = 3_600


def _checksum(*parts):
    """Of a record of the store: crc32 over every part, each after its length."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, zlib.crc32(len(part).to_bytes(8, "little"), crc))
    return crc


def _journal_sum(number, stamp_us, kind, rows_end, detail):
    return _checksum(b"journal", number.to_bytes(4, "little"), stamp_us.to_bytes(8, "little", signed=True), kind.encode(),
                     rows_end.to_bytes(4, "little"), detail.encode())


def _move_forward(node, seconds):
    """The newest entry of the journal gets a stamp so far in the future, as if the clock had been wrong then."""
    with sqlite3.connect(node.dir / "store" / "store.db") as store:
        number, known, kind, rows_end, detail, checksum = store.execute(
            "SELECT number, stamp_us, kind, rows_end, detail, checksum FROM journal ORDER BY number DESC LIMIT 1").fetchone()
        require(_journal_sum(number, known, kind, rows_end, detail) == checksum, "the journal's checksum is worked out another way than here")
        stamp_us = int((time.time() + seconds) * 1e6)
        store.execute("UPDATE journal SET stamp_us=?, checksum=? WHERE number=?",
                      (stamp_us, _journal_sum(number, stamp_us, kind, rows_end, detail), number))
    store.close()


def from_the_future(report):
    """A version a day and more ahead would hide all later ones."""
    good = [tool("now a"), tool("now b")]
    late, near = tool("from 2099", modified="2099-01-01T00:00:00.000Z"), tool("in an hour", modified=days_ahead(1 / 24))
    with fresh() as node:
        with report.case("clock: import of a version from 2099 is refused with place and remedy, the rest is kept"):
            answer = node.importing(bundle_file(node.home, "future", [good[0], late, near]), ok=(5,))
            require(answer["new"] == 2 and len(answer["refused"]) == 1, f"counted {answer}")
            _says_clock(answer["refused"][0]["reason"], answer["refused"][0]["help"])
            require(re.search(r"object 2\b", answer["refused"][0]["place"]), f"no place: {answer['refused'][0]}")
            require(answer["refused"][0]["id"] == an_id("tool", "from 2099"), f"no id: {answer['refused'][0]}")
        with node.serve() as server, report.case("clock: POST of a version from 2099 fails for itself alone"):
            raw = Raw(server.ready["api_root"], node.user, node.password)
            status = raw.post(server.ready["collection"], b'{"objects":[' + ",".join([late, good[1]]).encode() + b"]}")
            require((status["success_count"], status["failure_count"]) == (1, 1), f"counted {status}")
            failure = status["failures"][0]
            require(failure["id"] == an_id("tool", "from 2099") and failure["version"] == "2099-01-01T00:00:00.000Z", f"{failure}")
            _says_clock(failure["message"], failure["message"])
            faults = differences([item(r) for r in (*good, near)], raw.objects(server.ready["collection"]))
            require(not faults, "; ".join(faults))


def _says_clock(reason, remedy):
    require("future" in reason and "2099" in reason, f"no reason: {reason!r}")
    require("clock" in remedy, f"no remedy: {remedy!r}")


def behind(report):
    """The system clock lies behind what the node has recorded: nothing leaves, what comes in is kept."""
    first, second, third = tool("before"), tool("while behind"), tool("posted while behind")
    with fresh() as node:
        node.importing(bundle_file(node.home, "before", [first]))
        with report.case("clock behind: a node that is only a few seconds behind goes on"):
            _move_forward(node, 2)
            require(len(node.export("alfa")) == 1, "2 s are within what is allowed")
        _move_forward(node, _AHEAD_S)
        with node.serve() as server:
            raw, collection = Raw(server.ready["api_root"], node.user, node.password), server.ready["collection"]
            with report.case("clock behind: every TAXII read of objects is refused, with an error that says what to do"):
                for path in ("objects/", "manifest/", f"objects/{an_id('tool', 'before')}/", f"objects/{an_id('tool', 'before')}/versions/",
                             "objects/?added_after=2020-01-01T00:00:00Z"):
                    status, headers, body = raw.call("GET", f"collections/{collection}/{path}")
                    require(500 <= status < 600, f"GET {path} answered {status}: {body[:200]!r}")
                    value = json.loads(body)
                    require(value["http_status"] == str(status) and "clock" in value["description"], f"GET {path}: {body[:300]!r}")
                    require(headers.get("Retry-After"), "no Retry-After")
            with report.case("clock behind: a POST is kept and acknowledged"):
                status = raw.post(collection, b'{"objects":[' + third.encode() + b"]}")
                require(status["success_count"] == 1, f"counted {status}")
            with report.case("clock behind: an import is kept"):
                require(node.importing(bundle_file(node.home, "while", [second]))["new"] == 1, "the object is not new")
            with report.case("clock behind: the ledger has no entry of a refused read"):
                node("ledger", "what-has", "alfa", "--json", ok=(0, 1))
                rows = node("ledger", "what-has", "alfa", "--json", ok=(0, 1)).json()["what_has"]
                got = {(r["id"], r["what"]) for r in rows}
                # The export above is the only thing that went out.
                require(got == {(an_id("tool", "before"), "full")}, f"entries: {got}")
            with report.case("clock behind: `doctor` says so and how far, with exit code 1"):
                done = node("doctor", "--json", ok=(1,))
                value = done.json()
                require(not value["well"] and _AHEAD_S - 600 < value["clock_behind_s"] <= _AHEAD_S, f"{value}")
                text = node("doctor", ok=(1,)).text
                require("clock" in text and "--accept-clock" in text, f"`doctor` names no remedy: {text[:400]!r}")
            with report.case("clock behind: `doctor --accept-clock` beside a running node works, or says to stop it"):
                done = node("doctor", "--accept-clock", ok=None)
                require(done.code == 0 or (done.code == 3 and re.search(r"stop", done.text)), done.brief())
                require(done.code == 0 or not re.search(r"commands reach a running node|--offline", done.text),
                        f"the help speaks of what this command does not do: {done.text.strip()[:300]}")
        with report.case("clock behind: export, object get and object find are refused too, with the remedy"):
            for words in (("export", "--to", "alfa"), ("object", "get", an_id("tool", "before")), ("object", "find", "before")):
                done = node(*words, ok=(1, 3))
                require("--accept-clock" in done.text, done.brief())
                require(b"tool--" not in done.out, f"an object left: {done.out[:200]!r}")
        with report.case("clock behind: a restart alone changes nothing"), node.serve() as server:
            status, _, _ = Raw(server.ready["api_root"], node.user, node.password).call("GET", f"collections/{collection}/objects/")
            require(500 <= status < 600, f"answered {status}")
        with report.case("clock behind: `doctor --accept-clock` sets it right, for good, and everything is served"):
            value = node("doctor", "--accept-clock", "--json").json()
            require(value["well"] and value["clock_behind_s"] == 0, f"{value}")
            require(node("doctor", "--json").json()["well"], "not well after the next start")
            with node.serve() as server:
                raw = Raw(server.ready["api_root"], node.user, node.password)
                faults = differences([item(r) for r in (first, second, third)], raw.objects(collection))
                require(not faults, "; ".join(faults))
        with node.serve() as server, report.case("clock behind: set right, `added_after` what was seen last still gives what is new"):
            raw = Raw(server.ready["api_root"], node.user, node.password)
            headers, _ = raw.get(f"collections/{collection}/objects/")
            last = headers["X-TAXII-Date-Added-Last"]
            node.importing(bundle_file(node.home, "after", [tool("after")]))
            _, body = raw.get(f"collections/{collection}/objects/?added_after={last}")
            ids = [o["id"] for o in json.loads(body).get("objects", [])]
            require(ids == [an_id("tool", "after")], f"after {last} came {ids}")
    with report.case("clock: a journal with a wrong checksum opens nothing"), fresh() as node:
        node.importing(bundle_file(node.home, "before", [first]))
        with sqlite3.connect(node.dir / "store" / "store.db") as store:
            store.execute("UPDATE journal SET stamp_us=stamp_us+1")
        store.close()
        done = run("--dir", node.dir, "export", "--to", "alfa")
        require(done.code == 3 and "journal" in done.text and b"tool--" not in done.out, done.brief())
