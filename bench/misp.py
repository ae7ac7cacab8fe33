#!/usr/bin/env python3
"""MISP in figures: a large event in and out, events pulled and pushed between two nodes, a search by value; misp-stix beside it.

usage: misp.py [--attributes N] [--events N] [--json]
The events are made here. misp-stix is measured on 2,000 of the same attributes where it is installed (`pip install misp-stix`); figures of a
real MISP are in no run of ours. Prints a table and, as the last line, everything as JSON. POLDER_BIN as for taxii.py.

Rule: what is measured is the node's; each figure names the command or request it is of.
"""

import argparse
import http.client
import json
import resource
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from cases_misp_worlds import ask  # noqa: E402  (the path above comes first)
from cases_pymisp import BRAVO, key_of  # noqa: E402
from node import Node, temporary  # noqa: E402

_ALFA = "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e01"
_SPACE = uuid.UUID("6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0ff")


def attribute(n):
    return {"uuid": str(uuid.uuid5(_SPACE, f"a{n}")), "type": "domain", "category": "Network activity", "value": f"host{n}.example", "to_ids": n % 2 == 0,
            "distribution": "5", "timestamp": "1780000000", "comment": "", "deleted": False, "disable_correlation": False}


def head(name):
    return {"uuid": str(uuid.uuid5(_SPACE, name)), "info": name, "date": "2026-05-01", "timestamp": "1780000000", "publish_timestamp": "1780000000", "published": True,
            "threat_level_id": "2", "analysis": "1", "distribution": "3", "Orgc": {"uuid": _ALFA, "name": "Alfa CSIRT"}}


def write_event(path, count):
    """One event of so many attributes, written without being held."""
    with path.open("w") as file:
        text = json.dumps(head("large"))
        file.write('{"Event":' + text[:-1] + ',"Attribute":[')
        for n in range(count):
            file.write(("," if n else "") + json.dumps(attribute(n)))
        file.write("]}}")
    return path.stat().st_size


def peak_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return round(int(line.split()[1]) / 1024)
    return 0


def large(count):
    with temporary() as home:
        node = Node(home, uuid=_ALFA)
        path = home / "event.json"
        size = write_event(path, count)
        start = time.perf_counter()
        told = node.importing(path, timeout=3600)
        found = {"file_mib": round(size / 2**20), "import_s": round(time.perf_counter() - start, 2), "import_attributes_per_s": round(count / told["seconds"]),
                 "import_peak_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)}
        with node.serve() as served:
            url, key, pid = served.ready["misp"], node.token, served.child.pid
            start = time.perf_counter()
            status, _, body = ask(url, key, "GET", f"/events/view/{head('large')['uuid']}")
            seconds = time.perf_counter() - start
            assert status == 200 and body.count(b'"domain"') == count, status
            found["view_s"], found["view_attributes_per_s"], found["view_peak_mib"] = round(seconds, 2), round(count / seconds), peak_mib(pid)
            times = []
            for n in range(0, count, max(1, count // 5)):
                start = time.perf_counter()
                status, _, body = ask(url, key, "POST", "/attributes/restSearch", {"returnFormat": "json", "value": f"host{n}.example"})
                times.append(time.perf_counter() - start)
                assert len(json.loads(body)["response"]["Attribute"]) == 1
            found["search_value_ms"] = round(sorted(times)[len(times) // 2] * 1000, 1)
            found.update(pulled(home, node, served, count))
        return found


def pulled(home, alfa, served, count):
    """The same event, pulled by another node."""
    bravo = Node(home, "bravo", "Bravo CSIRT", BRAVO)
    alfa("member", "add", "bravo", "--uuid", BRAVO)
    (home / "k").write_text(key_of(alfa, "bravo-misp", "bravo"))
    bravo("member", "add", "alfa", "--uuid", _ALFA)
    bravo("source", "add", "from-alfa", "--kind", "member", "--member", "alfa")
    bravo("misp", "add", "alfa", served.ready["misp"], "--key-file", home / "k", "--source", "from-alfa")
    with bravo.serve() as theirs:
        told = bravo("misp", "pull", "alfa", "--json", timeout=3600).json()
        assert told["misp"]["events"] == 1 and told["new"] >= count, told
        return {"pull_s": round(told["seconds"], 2), "pull_attributes_per_s": round(count / told["seconds"]), "pull_peak_mib": peak_mib(theirs.child.pid)}


def sent(count):
    """The same event over HTTP, as it is made."""

    def pieces():
        yield ('{"Event":' + json.dumps(head("large"))[:-1] + ',"Attribute":[').encode()
        for n in range(0, count, 1000):
            part = json.dumps([attribute(k) for k in range(n, min(n + 1000, count))])
            yield (("," if n else "") + part[1:-1]).encode()
        yield b"]}}"

    with temporary() as home:
        node = Node(home, uuid=_ALFA)
        config = node.dir / "polder.toml"
        kept = [line for line in config.read_text().splitlines() if not line.startswith("content_bytes_max")]
        config.write_text("\n".join([*kept, "content_bytes_max = 4294967296"]) + "\n")
        with node.serve() as served:
            place = urlsplit(served.ready["misp"])
            start = time.perf_counter()
            line = http.client.HTTPConnection(place.hostname, place.port, timeout=3600)
            headers = {"Authorization": node.token, "Accept": "application/json", "Content-Type": "application/json"}
            line.request("POST", place.path.rstrip("/") + "/events/add/metadata:1", body=pieces(), headers=headers, encode_chunked=True)
            reply = line.getresponse()
            assert reply.status == 200, reply.read()[:300]
            seconds = time.perf_counter() - start
            return {"http_s": round(seconds, 2), "http_attributes_per_s": round(count / seconds), "http_peak_mib": peak_mib(served.child.pid)}


def step(count):
    with temporary() as home:
        alfa, bravo = Node(home, uuid=_ALFA), Node(home, "bravo", "Bravo CSIRT", BRAVO)
        alfa("member", "add", "bravo", "--uuid", BRAVO)
        key = key_of(alfa, "bravo-misp", "bravo")
        alfa("collection", "add", "inbox", "--title", "Inbox", "--write", "bravo-misp")
        bravo("member", "add", "alfa", "--uuid", _ALFA)
        bravo("source", "add", "from-alfa", "--kind", "member", "--member", "alfa")
        key_of(bravo, "alfa-misp", "alfa")
        (home / "k").write_text(key)
        events = [{"Event": {**head(f"e{n}"), "Attribute": [attribute(n * 10 + k) for k in range(10)]}} for n in range(count)]
        (home / "events.json").write_text(json.dumps(events))
        alfa.importing(home / "events.json", timeout=600)
        with alfa.serve() as served:
            bravo("misp", "add", "alfa", served.ready["misp"], "--key-file", home / "k", "--source", "from-alfa", "--to", "alfa-misp")
            pulled = bravo("misp", "pull", "alfa", "--json", timeout=3600).json()
            for n, event in enumerate(events):
                event["Event"].update({"uuid": str(uuid.uuid5(_SPACE, f"b{n}")), "Orgc": {"uuid": BRAVO, "name": "Bravo CSIRT"},
                                       "Attribute": [{**a, "uuid": str(uuid.uuid5(_SPACE, "b" + a["uuid"]))} for a in event["Event"]["Attribute"]]})
            (home / "own.json").write_text(json.dumps(events))
            bravo.importing(home / "own.json", timeout=600)
            pushed = bravo("misp", "push", "alfa", "--json", timeout=3600).json()
        return {"events": count, "attributes_each": 10, "pulled_events_per_s": round(pulled["misp"]["events"] / pulled["seconds"]),
                "pushed_events_per_s": round(pushed["pushed"] / pushed["seconds"])}


def misp_stix(count=2000):
    try:
        from misp_stix_converter import MISPtoSTIX21Parser
    except ImportError:
        return None
    event = {"Event": {**head("small"), "Attribute": [attribute(n) for n in range(count)]}}
    start = time.perf_counter()
    parser = MISPtoSTIX21Parser()
    parser.parse_misp_event(event)
    objects = len(parser.bundle.objects)
    seconds = time.perf_counter() - start
    return {"attributes": count, "objects": objects, "attributes_per_s": round(count / seconds)}


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attributes", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    plan = parser.parse_args(argv)
    found = {"attributes": plan.attributes, "large": large(plan.attributes), "sent": sent(plan.attributes), "step": step(plan.events), "misp_stix": misp_stix()}
    if not plan.json:
        for part in ("large", "sent", "step", "misp_stix"):
            for name, value in (found[part] or {"not installed": ""}).items():
                print(f"{part:10} {name:28} {value}")
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
