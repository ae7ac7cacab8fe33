#!/usr/bin/env python3
"""A million rows in one node: how fast they come in, and what they cost afterwards.

usage: rows.py [--rows N] [--json]
The objects are those of ATT&CK with other ids, copy after copy, since no public set is that large. Prints a table and, as the
last line, everything as JSON (`--json`: that line alone). POLDER_BIN and POLDER_DATA as for taxii.py.

Rule: what is measured is the server's; the client only has to keep up.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from node import Node, temporary  # noqa: E402  (the path above comes first)
from stixfiles import data_dir, read  # noqa: E402
from taxii import basic, cpu_s, download, memory_mib, one_by_id  # noqa: E402

_UUID_HEAD = re.compile(r"--([0-9a-f]{8})-")


def copy_of(text, number):
    """The same objects under other ids; references among them stay whole."""
    mask = number * 0x9E3779B1 & 0xFFFFFFFF
    return _UUID_HEAD.sub(lambda m: f"--{int(m[1], 16) ^ mask:08x}-", text)


def measure(path, rows):
    text, items = path.read_text(encoding="utf-8"), read(path)
    with temporary() as home:
        node = Node(home)
        node("source", "add", "many", "--kind", "feed", "--default-tlp", "clear")
        rates, held = [], 0
        while held < rows:
            part = home / "part.json"
            part.write_text(copy_of(text, len(rates)), encoding="utf-8")
            answer = node("import", part, "--source", "many", "--json", timeout=600).json()
            held += answer["new"]
            rates.append(round(answer["new"] / answer["seconds"]))
            part.unlink()
        found = {"rows": held, "first_objects_per_s": rates[0], "last_objects_per_s": sum(rates[-3:]) // min(3, len(rates)),
                 "slowest_objects_per_s": min(rates), "store_mib": round((node.dir / "store" / "store.db").stat().st_size / 2**20)}
        start = time.perf_counter()
        node("object", "find", "mimikatz", timeout=600)
        found["first_search_s"] = round(time.perf_counter() - start, 2)
        found["search_mib"] = round((node.dir / "store" / "search.db").stat().st_size / 2**20)
        with node.serve() as server:
            root, collection, pid = server.ready["api_root"], server.ready["collection"], server.child.pid
            found["start_s"] = server.ready["ready_s"]
            found["rss_start_mib"] = memory_mib(pid, "VmRSS")
            ids = [copy_of(item.id, n % len(rates)) for n, item in enumerate(items[:500])]
            found["match_id_cold"] = one_by_id(root, collection, pid, ids, basic(node.user, node.password))
            login = {"api_root": root, "user": node.user, "password": node.password}
            found["download"] = download(login, collection, pid, held)
            found["rss_one_view_mib"] = memory_mib(pid, "VmRSS")
            found["match_id"] = one_by_id(root, collection, pid, ids, basic(node.user, node.password))
            used = cpu_s(pid)
            found["search"] = node("object", "find", "mimikatz", "--limit", "20", "--json", timeout=600).seconds
            found["search_cpu_s"] = round(cpu_s(pid) - used, 2)
            found["rss_end_mib"] = memory_mib(pid, "VmRSS")
    return found


def table(found):
    rows = [("rows", found["rows"], ""), ("import, objects/s, first", found["first_objects_per_s"], ""),
            ("import, objects/s, last three files", found["last_objects_per_s"], "15000"), ("import, objects/s, slowest file", found["slowest_objects_per_s"], ""),
            ("store.db, MiB", found["store_mib"], ""), ("search.db, MiB", found["search_mib"], ""), ("first search, after all was imported, s", found["first_search_s"], ""),
            ("start, s", found["start_s"], ""), ("memory after start, MiB", found["rss_start_mib"], ""), ("full download, s", found["download"]["wall_s"], ""),
            ("full download, CPU s", found["download"]["cpu_s"], ""), ("memory with one full view, MiB", found["rss_one_view_mib"], "256"),
            ("match[id], p50 ms", found["match_id"]["p50_ms"], "0.7"), ("search through the running node, s", round(found["search"], 3), "")]
    width = max(len(r[0]) for r in rows)
    for name, value, bar in rows:
        print(f"{name.ljust(width)}  {str(value).rjust(10)}  {('bar ' + bar) if bar else ''}".rstrip())


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--json", action="store_true", help="only the JSON line")
    chosen = options.parse_args()
    data = data_dir()
    if data is None:
        raise SystemExit("no public STIX files: set POLDER_DATA to the folder that holds attack/")
    found = measure(data / "attack" / "enterprise-attack-18.1-from-cti.json", chosen.rows)
    found["load_after"] = os.getloadavg()[0]
    if not chosen.json:
        table(found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
