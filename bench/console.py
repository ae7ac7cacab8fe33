#!/usr/bin/env python3
"""The console in figures: first byte of its pages at growing sizes, and what pages weigh.

usage: console.py [--objects N ...] [--rounds N] [--json]
The objects are made here: indicators under four markings, relationships to a hundred actors, and one report about all of them (at most 100,000).
Prints a table and, as the last line, everything as JSON. POLDER_BIN as for taxii.py.

Rule: a page is timed as a browser waits for it, from the request to the first byte, by a login of the holder and by one of another member.
"""

import argparse
import gzip
import http.client
import json
import re
import statistics
import sys
import time
import urllib.parse
import uuid
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from node import PASSWORD, Node, temporary  # noqa: E402  (the path above comes first)
from objects import TLP  # noqa: E402

_SPACE = uuid.UUID("6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0fe")
_AT = "2026-01-01T00:00:00.000Z"
MEMBERS_MAX = 133_336


def an_id(kind, n):
    return f"{kind}--{uuid.uuid5(_SPACE, f'{kind}{n}')}"


def objects(count):
    """Three of four are indicators, the fourth joins one of them to an actor."""
    levels = [TLP[k] for k in ("clear", "green", "amber", "green")]
    for n in range(100):
        yield {"type": "intrusion-set", "spec_version": "2.1", "id": an_id("intrusion-set", n), "created": _AT, "modified": _AT, "name": f"Actor {n}", "object_marking_refs": [TLP["green"]]}
    for n in range(count):
        head = {"spec_version": "2.1", "created": _AT, "modified": _AT, "object_marking_refs": [levels[n % 4]]}
        if n % 4 == 3:
            ends = {"source_ref": an_id("indicator", n - 1), "target_ref": an_id("intrusion-set", n % 100), "relationship_type": "indicates"}
            yield {"type": "relationship", "id": an_id("relationship", n), **ends, **head}
        else:
            pattern = {"pattern": f"[domain-name:value = 'host{n}.example']", "pattern_type": "stix", "valid_from": _AT}
            yield {"type": "indicator", "id": an_id("indicator", n), "name": f"Lure number{n}", **pattern, **head}
    members = [an_id("indicator", n) for n in range(min(count, MEMBERS_MAX)) if n % 4 != 3]
    yield {"type": "report", "spec_version": "2.1", "id": an_id("report", 0), "created": _AT, "modified": _AT, "name": "All of them", "published": _AT, "object_refs": members, "object_marking_refs": [TLP["green"]]}


class Reader:
    def __init__(self, served, user, password):
        place = urlsplit(served.ready["console"])
        self.link = http.client.HTTPConnection(place.hostname, place.port, timeout=600)
        body = urllib.parse.urlencode({"user": user, "password": password})
        self.link.request("POST", "/console/login", body, {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"})
        answer = self.link.getresponse()
        answer.read()
        self.cookie = answer.getheader("Set-Cookie").split(";")[0]

    def get(self, path):
        """Seconds to the first byte, and the page."""
        start = time.perf_counter()
        self.link.request("GET", path, headers={"Cookie": self.cookie})
        answer = self.link.getresponse()
        first = answer.read(1)
        seconds = time.perf_counter() - start
        page = first + answer.read()
        assert answer.status == 200, (path, answer.status, page[:300])
        return seconds, page


def measure(count, rounds):
    with temporary() as home:
        node = Node(home)
        node("member", "add", "bravo")
        password = node("recipient", "add", "bravo", "--organisation", "bravo", "--json").json()["password"]
        path = home / "objects.json"
        with path.open("w") as file:
            for one in objects(count):
                file.write(json.dumps(one) + "\n")
        node.importing(path, timeout=3600)
        with node.serve() as served:
            deadline = time.monotonic() + 600
            while time.monotonic() < deadline:
                told = node("doctor", "--json", ok=(0, 1), timeout=600).json()["search"]
                if told["rows_indexed"] >= told["rows"]:
                    break
                time.sleep(2)
            found = {"objects": count}
            middle = count // 2 - count // 2 % 4
            pages = {
                "list": lambda n: "/console/objects",
                "list_older": lambda n: "/console/objects?type=indicator&before=2100-01-01",
                "search": lambda n: f"/console/objects?q=number{(middle + 4 * n) % count}",
                "object": lambda n: f"/console/objects/{an_id('indicator', (middle + 4 * n) % count)}",
                "report": lambda n: f"/console/objects/{an_id('report', 0)}",
                "matrix": lambda n: "/console/matrix",
                "graph": lambda n: f"/console/objects/{an_id('intrusion-set', (4 * n + 3) % 100)}/graph?most=60",
            }
            for who, secret in (("owner", PASSWORD), ("bravo", password)):
                reader = Reader(served, who, secret)
                reader.get("/console/objects")
                more = {"queue": lambda n: "/console/queue", "board": lambda n: "/console/board", "recipient": lambda n: "/console/board/bravo",
                        "list_level": lambda n: "/console/objects?level=red", "list_source": lambda n: "/console/objects?source=own&type=report",
                        "recall": lambda n: f"/console/recall?id={an_id('indicator', (middle + 4 * n) % count)}", "edit": lambda n: f"/console/objects/{an_id('indicator', (middle + 4 * n) % count)}/edit"} if who == "owner" else {}
                for name, address in {**pages, **more}.items():
                    times, size = [], 0
                    for n in range(rounds if name not in ("report", "matrix", "queue", "board", "recipient", "recall", "list_level") else max(3, rounds // 5)):
                        seconds, page = reader.get(address(n))
                        times.append(seconds)
                        size = len(page)
                    found[f"{who}_{name}_ms"] = round(statistics.median(times) * 1000, 1)
                    found[f"{who}_{name}_kib"] = round(size / 1024, 1)
            page = reader.get("/console/objects")[1].decode()
            for kind, pattern in (("script", r'src="(/console/assets/[^"]+)"'), ("style", r'href="(/console/assets/[^"]+)"')):
                asset = re.search(pattern, page)
                found[f"{kind}_gzip_kib"] = round(len(gzip.compress(reader.get(asset.group(1))[1])) / 1024, 1) if asset else 0
            for line in Path(f"/proc/{served.child.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    found["peak_mib"] = round(int(line.split()[1]) / 1024)
        return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, nargs="*", default=[1000, 100_000])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    all_found = [measure(count, given.rounds) for count in given.objects]
    if not given.json:
        for key in dict.fromkeys(key for found in all_found for key in found):
            print(f"{key:<24}" + "".join(f"{str(found.get(key)):>14}" for found in all_found))
    print(json.dumps(all_found))


if __name__ == "__main__":
    main()
