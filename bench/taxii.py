#!/usr/bin/env python3
"""TAXII 2.1 side by side: a polder node, and medallion from PyPI with 2,000 objects, in the same run.

usage: taxii.py [--objects N] [--gets N] [--no-medallion] [--json]
Prints a table and, as the last line, everything as JSON (`--json`: that line alone). POLDER_BIN names the program,
POLDER_DATA the folder of public STIX files. Wall time on a shared machine is noise; compare the server's CPU seconds.

Rule: the same bytes, the same client and the same order of requests for every server.
"""

import argparse
import base64
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from node import Node, free_port, temporary  # noqa: E402  (the path above comes first)
from stixfiles import batches, data_dir, envelope, read  # noqa: E402
from rawtaxii import MEDIA, Raw  # noqa: E402

FEW = 2000
BATCH = 500
PAGE = 1000
_TICKS = os.sysconf("SC_CLK_TCK")
_COLLECTION = "5f5ab8c4-5a4e-4a52-9d93-3a1d1e3ae0aa"
_PASSWORD = "bench"


# -- what is measured --------------------------------------------------------------------------------------------------


def ingest(login, collection, pid, items):
    """POSTs of 500 objects each, one after the other; each is acknowledged before the next is sent."""
    bodies = [envelope(batch) for batch in batches(items, BATCH)]
    raw, each, cpu = Raw(**login), [], cpu_s(pid)
    start = time.perf_counter()
    for body in bodies:
        at = time.perf_counter()
        value = raw.post(collection, body)
        if value["failure_count"]:
            raise SystemExit(f"a POST had failures: {value.get('failures', [])[:1]}")
        each.append(time.perf_counter() - at)
    took = time.perf_counter() - start
    raw.close()
    return {
        "objects": len(items), "mib": round(sum(map(len, bodies)) / 2**20, 1), "posts": len(bodies),
        "wall_s": round(took, 3), "cpu_s": round(cpu_s(pid) - cpu, 3), "objects_per_s": round(len(items) / took),
        "first_post_s": round(each[0], 4), "last_post_s": round(each[-1], 4),
        "rss_mib": memory_mib(pid, "VmRSS"), "peak_mib": memory_mib(pid, "VmHWM"),
    }


def download(login, collection, pid, expected):
    """Everything, by following `next`."""
    raw, cpu, first, count = Raw(**login, timeout=600), cpu_s(pid), None, 0
    start = time.perf_counter()
    for page in raw.pages(collection, PAGE, query=""):
        first = first or time.perf_counter() - start
        count += len(page)
    took = time.perf_counter() - start
    raw.close()
    if count != expected:
        raise SystemExit(f"the download gave {count} of {expected} objects")
    return {"objects": count, "wall_s": round(took, 3), "cpu_s": round(cpu_s(pid) - cpu, 3), "first_page_s": round(first, 4)}


def one_by_id(api_root, collection, pid, ids, authorization):
    """`match[id]` of one random object at a time over a raw socket that is kept open as long as the server keeps it."""
    link = Socket(api_root)
    warm, times = min(20, len(ids) // 5), []
    cpu = cpu_s(pid)
    for n, object_id in enumerate(ids):
        request = link.request(f"collections/{collection}/objects/?match[id]={object_id}", authorization)
        at = time.perf_counter()
        status, body = link.ask(request)
        took = time.perf_counter() - at
        if status != 200 or object_id.encode() not in body:
            return {"not_measured": f"status {status}: {body[:120]!r}"}
        if n == warm - 1:
            cpu = cpu_s(pid)
        if n >= warm:
            times.append(took)
    used = cpu_s(pid) - cpu
    times.sort()
    return {
        "requests": len(times), "p50_ms": round(times[len(times) // 2] * 1e3, 3),
        "p99_ms": round(times[min(len(times) - 1, int(len(times) * 0.99))] * 1e3, 3),
        "cpu_ms": round(used / len(times) * 1e3, 3), "connections": link.connections,
    }


def bodies_only(path, home):
    """The reference of `polder import`: a native program that parses the file, inserts each object's bytes durably, and does nothing else."""
    program = Path(os.environ["POLDER_BIN"]).parent / "examples" / "bodies_only"
    done = subprocess.run([program, path, home], capture_output=True, text=True, timeout=600, check=True)
    return json.loads(done.stdout)


# -- the servers -------------------------------------------------------------------------------------------------------


def polder(items, gets):
    with temporary() as home:
        node = Node(home)
        with node.serve() as server:
            root, collection, pid = server.ready["api_root"], server.ready["collection"], server.child.pid
            login = {"api_root": root, "user": node.user, "password": node.password}
            found = {"idle_rss_mib": memory_mib(pid, "VmRSS")}
            found["ingest"] = ingest(login, collection, pid, items)
            found["search"] = settled(pid)
            found["download"] = download(login, collection, pid, len(items))
            found["download_again"] = download(login, collection, pid, len(items))
            ids = sample(items, gets)
            found["match_id_basic"] = one_by_id(root, collection, pid, ids, basic(node.user, node.password))
            found["match_id_token"] = one_by_id(root, collection, pid, ids, f"Bearer {node.token}")
            found["end_rss_mib"] = memory_mib(pid, "VmRSS")
    return found


def polder_import(path, items, gets):
    """`import` of the file as a public feed, and what an anonymous reader then gets."""
    found = {}
    with temporary() as home:
        found["reference"] = bodies_only(path, home)
        node = Node(home)
        node("source", "add", "attack", "--kind", "feed", "--default-tlp", "clear")
        children = os.times()
        done = node("import", path, "--source", "attack", "--json", timeout=600)
        after = os.times()
        cpu = after.children_user + after.children_system - children.children_user - children.children_system
        found["import"] = {"objects": done.json()["new"], "wall_s": round(done.seconds, 3), "cpu_s": round(cpu, 3)}
        opened = node("recipient", "add", "public", "--kind", "public", ok=None)
        if opened.code != 0:
            found["match_id_anonymous"] = {"not_measured": opened.brief()}
            return found
        with node.serve() as server:
            where = server.ready["api_root"], server.ready["collection"], server.child.pid, sample(items, gets), None
            found["match_id_anonymous"] = one_by_id(*where)
            found["match_id_anonymous_again"] = one_by_id(*where)
    return found


def medallion(items):
    """The reference implementation with its in-memory store; few objects, as its time grows with their square."""
    port = free_port()
    root = f"http://127.0.0.1:{port}/bench/"
    with temporary() as home, contextlib.ExitStack() as stack:
        (home / "data.json").write_text(json.dumps(_medallion_data(root)))
        (home / "config.json").write_text(json.dumps({
            "backend": {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend",
                        "filename": str(home / "data.json")},
            "users": {"bench": _PASSWORD}, "taxii": {"max_page_size": PAGE},
        }))
        log = stack.enter_context(open(home / "log", "wb"))
        child = subprocess.Popen(
            [sys.executable, "-m", "medallion.scripts.run", "--port", str(port), "--log-level", "ERROR",
             str(home / "config.json")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(child.wait)
        stack.callback(child.terminate)
        wait_for(port, child)
        login = {"api_root": root, "user": "bench", "password": _PASSWORD}
        found = {"idle_rss_mib": memory_mib(child.pid, "VmRSS")}
        found["ingest"] = ingest(login, _COLLECTION, child.pid, items)
        found["download"] = download(login, _COLLECTION, child.pid, len(items))
        found["match_id_basic"] = one_by_id(root, _COLLECTION, child.pid, sample(items, 25), basic("bench", _PASSWORD))
    return found


def _medallion_data(root):
    collection = {
        "id": _COLLECTION, "title": "bench", "can_read": True, "can_write": True,
        "media_types": ["application/stix+json;version=2.1"], "objects": [], "manifest": [], "responses": [],
    }
    information = {"title": "bench", "versions": [MEDIA], "max_content_length": 100 * 2**20}
    return {
        "/discovery": {"title": "bench", "default": root, "api_roots": [root]},
        "bench": {"information": information, "status": [], "collections": [collection]},
    }


# -- helpers -----------------------------------------------------------------------------------------------------------


class Socket:
    """The smallest HTTP/1.1 client, so that little of the time is the client's."""

    def __init__(self, api_root):
        at = urlsplit(api_root)
        self.address, self.host = (at.hostname, at.port), at.netloc
        self.root = at.path if at.path.endswith("/") else at.path + "/"
        self.link, self.connections = None, 0

    def request(self, path, authorization):
        login = f"Authorization: {authorization}\r\n" if authorization else ""
        return f"GET {self.root}{path} HTTP/1.1\r\nHost: {self.host}\r\nAccept: {MEDIA}\r\n{login}\r\n".encode()

    def ask(self, request):
        if self.link is None:
            self.link = socket.create_connection(self.address, timeout=120)
            self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
        self.link.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in (text.partition(":") for text in lines[1:])}
        body = self._body(fields, body)
        if lines[0].startswith("HTTP/1.0") or fields.get("connection", "").lower() == "close":
            self.link.close()
            self.link = None
        return int(lines[0].split()[1]), body

    def _body(self, fields, body):
        if "content-length" in fields:
            size = int(fields["content-length"])
            while len(body) < size:
                body += self._more()
        elif fields.get("transfer-encoding") == "chunked":
            while not body.endswith(b"0\r\n\r\n"):
                body += self._more()
        return body

    def _more(self):
        data = self.link.recv(1 << 18)
        if not data:
            raise SystemExit("the server closed the connection within an answer")
        return data


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def sample(items, count):
    chosen = random.Random(1)
    return [chosen.choice(items).id for _ in range(count)]


def wait_for(port, child):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise SystemExit("medallion did not start; is it in the Python environment of `cargo xtask`?")


def cpu_s(pid):
    """CPU seconds of a process with all of its threads."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def settled(pid):
    """Waits until the words of what came in are in the search database, which the server does when nothing new comes."""
    before, last, start = cpu_s(pid), -1.0, time.perf_counter()
    while last != (last := cpu_s(pid)):
        time.sleep(0.7)
    return {"cpu_s": round(last - before, 2), "wall_s": round(time.perf_counter() - start - 0.7, 1), "rss_mib": memory_mib(pid, "VmRSS")}


def memory_mib(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for text in status:
            if text.startswith(name + ":"):
                return round(int(text.split()[1]) / 1024, 1)
    return None


# -- the table ---------------------------------------------------------------------------------------------------------


def table(found):
    few, full, fed = found["polder_few"], found["polder_full"], found["polder_import"]
    other = found.get("medallion")
    rows = [("", f"polder, {few['ingest']['objects']:,}", f"polder, {full['ingest']['objects']:,}", "medallion", "bar")]

    def row(name, section, field, bar=""):
        cells = [str((side or {}).get(section, {}).get(field, "-")) for side in (few, full, other)]
        rows.append((name, *cells, bar))

    row("ingest, s", "ingest", "wall_s", "1.2")
    row("ingest, CPU s", "ingest", "cpu_s")
    row("ingest, objects/s", "ingest", "objects_per_s")
    row("first POST, s", "ingest", "first_post_s")
    row("last POST, s", "ingest", "last_post_s")
    row("memory after ingest, MiB", "ingest", "rss_mib", "60")
    row("words into the search database, CPU s", "search", "cpu_s")
    row("memory after that, MiB", "search", "rss_mib", "60")
    row("full download, s", "download", "wall_s")
    row("full download, CPU s", "download", "cpu_s", "0.10")
    row("full download again, s", "download_again", "wall_s")
    row("full download again, CPU s", "download_again", "cpu_s", "0.10")
    for name, section, bar in (("basic", "match_id_basic", "0.7"), ("token", "match_id_token", "0.7")):
        row(f"match[id], {name}, p50 ms", section, "p50_ms", bar)
        row(f"match[id], {name}, p99 ms", section, "p99_ms")
    anonymous = fed["match_id_anonymous"]
    rows.append(("match[id], anonymous, p50 ms", "-", str(anonymous.get("p50_ms", "-")), "-", "0.5"))
    rows.append(("match[id], anonymous, p99 ms", "-", str(anonymous.get("p99_ms", "-")), "-", ""))
    again = fed.get("match_id_anonymous_again", {})
    rows.append(("match[id], anonymous, read before, p50 ms", "-", str(again.get("p50_ms", "-")), "-", "0.5"))
    bar = round(3 * fed["reference"]["wall_s"], 3)
    rows.append(("polder import, s", "-", str(fed["import"]["wall_s"]), "-", f"{bar} (3 x reference)"))
    rows.append(("reference: bodies only, s", "-", str(fed["reference"]["wall_s"]), "-", ""))
    widths = [max(len(r[n]) for r in rows) for n in range(5)]
    for cells in rows:
        print("  ".join(c.ljust(w) if n == 0 else c.rjust(w) for n, (c, w) in enumerate(zip(cells, widths))).rstrip())
    for section in (full["match_id_basic"], full["match_id_token"], anonymous):
        if "not_measured" in section:
            print(f"not measured: {section['not_measured']}")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--objects", type=int, default=0, help="only the first N objects of the file")
    options.add_argument("--gets", type=int, default=2000, help="requests of each kind of match[id]")
    options.add_argument("--no-medallion", action="store_true")
    options.add_argument("--json", action="store_true", help="only the JSON line")
    chosen = options.parse_args()
    data = data_dir()
    if data is None:
        raise SystemExit("no public STIX files: set POLDER_DATA to the folder that holds attack/")
    path = data / "attack" / "enterprise-attack-18.1-from-cti.json"
    items = read(path)[: chosen.objects or None]
    found = {"run": str(uuid.uuid4()), "cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    found["polder_few"] = polder(items[:FEW], chosen.gets)
    if not chosen.no_medallion:
        found["medallion"] = medallion(items[:FEW])
    found["polder_full"] = polder(items, chosen.gets)
    found["polder_import"] = polder_import(path, items, chosen.gets)
    found["load_after"] = os.getloadavg()[0]
    if not chosen.json:
        table(found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
