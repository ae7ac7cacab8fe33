"""The ledger against the bytes: what readers got over HTTP is what `polder ledger` says, nothing more and nothing less.

Rule: the record is made from the bytes of each answer as it came off the wire, never from what the node says elsewhere.
"""

import hashlib
import json
import re
import sqlite3
import threading

from taxii2client.v21 import Collection, as_pages

from harness import require
from node import fresh
from objects import REDACTED, TLP, V1, V2, V3, an_id, bundle_file, item, text, tool
from rawtaxii import Raw
from stixfiles import split

# Ids whose text `object mark` writes: the object's new version.
_MARKED_BY_NODE = set()


def _versions(value):
    return value.get("modified") or value.get("created")


class Received:
    """What one reader got: digests of the objects' bytes, and what was only named."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.whole = {}
        self.named = set()
        self.dates = {}

    def answer(self, body):
        """Takes in the body of a 200: an envelope, a manifest, or versions (then `versions_of` is called instead)."""
        value = json.loads(body)
        records = value.get("objects", [])
        if records and "date_added" in records[0]:
            for one in records:
                unversioned = one["version"] == one["date_added"]
                self.named.add((one["id"], None if unversioned else one["version"]))
            return
        for one in split(body.decode("utf-8")):
            self._whole(one)

    def versions_of(self, object_id, body, unversioned=False):
        for version in json.loads(body).get("versions", []):
            self.named.add((object_id, None if unversioned else version))

    def _whole(self, one):
        extensions = one.value.get("extensions", {})
        what = "redacted" if REDACTED in extensions else "full"
        if what == "full" and one.id not in _MARKED_BY_NODE:
            require(one.raw in self.inputs, f"{one.id} is no byte-for-byte copy and does not say that it is redacted")
        digest = hashlib.sha256(one.raw.encode("utf-8")).hexdigest()
        self.whole.setdefault((one.id, _versions(one.value)), set()).add((what, digest))

    def expected(self):
        """{(id, version, what)}: what was only named counts as listed."""
        got = {(i, v, what) for (i, v), copies in self.whole.items() for what, _ in copies}
        return got | {(i, v, "listed") for i, v in self.named if (i, v) not in self.whole}

    def digests(self):
        return {(i, v, what): {d for w, d in copies if w == what} for (i, v), copies in self.whole.items() for what, _ in copies}


def _collapsed(rows):
    """The ledger's entries as a set; a version that was also only named adds nothing to one that was sent."""
    sent = {(r["id"], r["version"], r["what"]) for r in rows if r["what"] != "listed"}
    had = {(i, v) for i, v, _ in sent}
    return sent | {(r["id"], r["version"], "listed") for r in rows if r["what"] == "listed" and (r["id"], r["version"]) not in had}


def _told(expected, found):
    missing, extra = sorted(expected - found, key=str), sorted(found - expected, key=str)
    return f"{len(missing)} received and not in the ledger: {missing[:3]}; {len(extra)} in the ledger and never received: {extra[:3]}"


class Campaign:
    """A node full of mixed objects, its readers, and what each of them got."""

    # name: (kind, organisation)
    READERS = {"bravo": ("organisation", "bravo"), "charlie": ("organisation", "charlie"), "zulu": ("organisation", "zulu"),
               "delta": ("organisation", "delta"), "duty@bravo": ("person", "bravo"), "echo": ("organisation", "echo")}

    def __init__(self, node):
        self.node = node
        self.login = {"alfa": (node.user, node.password), "public": (None, None)}
        for member in ("bravo", "delta", "echo"):
            node("member", "add", member, "--kind", "nation")
        node("member", "add", "charlie", "--client-of", "alfa", "--outside")
        node("member", "add", "zulu", "--outside")
        for name, (kind, organisation) in self.READERS.items():
            person = ("--person", name) if kind == "person" else ()
            made = node("recipient", "add", name, "--kind", kind, "--organisation", organisation, *person, "--json").json()
            self.login[name] = made["user"], made["password"]
        node("recipient", "add", "public", "--kind", "public")
        node("source", "add", "feed", "--kind", "feed", "--default-tlp", "clear")
        node("source", "add", "other", "--kind", "feed", "--default-tlp", "green")
        node("collection", "add", "inbox", "--read", "bravo", "--write", "bravo", "--type", "x-none")
        self.inputs = set()
        self.got = {name: Received(self.inputs) for name in self.login}
        self.ids = set()

    def take(self, name, raws, *how):
        self.inputs.update(raws)
        self.ids.update(item(r).id for r in raws)
        answer = self.node.importing(bundle_file(self.node.home, name, raws), *how)
        require(not answer["refused"], f"the campaign is refused: {answer['refused'][:2]}")

    def fill(self):
        marked = [tool(f"tlp {n}", n) for n in ("white-1", "green-1", "amber-1", "red-1", "clear", "green", "amber", "amber+strict", "red")]
        granular = tool("granular", description="for those who may", aliases=["one", "two", "three"], granular_markings=[
            {"marking_ref": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421", "selectors": ["description"]},
            {"marking_ref": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "selectors": ["aliases.[1]"]}])
        seen = [an_id("tool", f"tlp {n}") for n in ("clear", "green", "red")]
        report = text("report", "mixed references", "clear", published=V1, object_refs=seen)
        green_report = text("report", "all withheld", "green", published=V1, object_refs=[an_id("tool", "tlp red")])
        bond = {"relationship_type": "uses", "name": None}
        bonds = [text("relationship", "to red", "clear", source_ref=seen[0], target_ref=seen[2], **bond),
                 text("relationship", "to green", "clear", source_ref=seen[0], target_ref=seen[1], **bond)]
        several = [tool("several", modified=v, x_note=v) for v in (V1, V2, V3)]
        tightened = [tool("tightened", "clear"), tool("tightened", "amber", modified=V2)]
        sco = [text("ipv4-addr", "sco", "clear", None, created=None, name=None, value="192.0.2.7", x_note=n) for n in ("first",)]
        relabelled = [tool(f"relabel {n}") for n in range(3)]
        self.take("own", [*marked, granular, report, green_report, *bonds, *several, *tightened, *sco, *relabelled])
        self.take("feed", [tool("shared", None, x_note="feed"), tool("fed", None), tool("fed relabel", None),
                           text("note", "feed note", "clear", content="n", name=None, object_refs=[an_id("tool", "fed relabel")])], "--source", "feed")
        self.take("other", [tool("shared", None, x_note="other"), tool("fed green", None)], "--source", "other")

    def post(self, root):
        """Bravo posts what it may read back and others may not, and something for everyone."""
        raws = [tool("posted red", "red"), tool("posted clear"), tool("posted and deleted")]
        self.inputs.update(raws)
        self.ids.update(item(r).id for r in raws)
        raw = Raw(root, *self.login["bravo"])
        inbox = next(c["id"] for c in json.loads(raw.get("collections/")[1])["collections"] if c.get("can_write"))
        status = raw.post(inbox, b'{"objects":[' + ",".join(raws).encode() + b"]}")
        require(status["success_count"] == len(raws), f"the posts failed: {status}")
        return inbox

    def delete(self, root, inbox):
        raw = Raw(root, *self.login["bravo"])
        status, _, body = raw.call("DELETE", f"collections/{inbox}/objects/{an_id('tool', 'posted and deleted')}/")
        require(status == 200, f"the DELETE answered {status}: {body[:200]!r}")

    # Readers.

    def raw(self, root, name):
        user, password = self.login[name]
        return Raw(root, user, password)

    def pages(self, root, name, collection, resource="objects", limit=3, query="match[version]=all", most=10_000):
        """Follows `next` by hand and keeps each body."""
        link, cursor = self.raw(root, name), None
        for _ in range(most):
            path = f"collections/{collection}/{resource}/?limit={limit}&{query}" + (f"&next={cursor}" if cursor else "")
            body = link.get(path)[1]
            self.got[name].answer(body)
            value = json.loads(body)
            if not value.get("more"):
                return
            cursor = value["next"]

    def single(self, root, name, collection, object_id, query="match[version]=all&limit=1"):
        """One object, version by version; whatever is not there answers 404."""
        link, cursor = self.raw(root, name), None
        while True:
            status, _, body = link.call("GET", f"collections/{collection}/objects/{object_id}/?{query}" + (f"&next={cursor}" if cursor else ""))
            require(status in (200, 404), f"GET of {object_id} answered {status}: {body[:200]!r}")
            if status == 404:
                return
            self.got[name].answer(body)
            value = json.loads(body)
            if not value.get("more"):
                return
            cursor = value["next"]

    def versions(self, root, name, collection, object_id):
        status, _, body = self.raw(root, name).call("GET", f"collections/{collection}/objects/{object_id}/versions/")
        require(status in (200, 404), f"versions of {object_id} answered {status}: {body[:200]!r}")
        if status == 200:
            self.got[name].versions_of(object_id, body, object_id.startswith("ipv4-addr"))

    def library(self, root, name, collection, method, **query):
        """taxii2-client, with the bytes of every answer kept by a hook of its session."""
        user, password = self.login[name]
        client = Collection(f"{root.rstrip('/')}/collections/{collection}/", user=user, password=password)
        require(client.can_read, f"{name} cannot read the collection")

        def keep(response, *_, **__):
            if response.status_code == 200:
                self.got[name].answer(response.content)

        client._conn.session.hooks["response"].append(keep)
        for _ in as_pages(getattr(client, method), per_request=4, **query):
            pass
        client.close()

    # Comparison.

    def compare(self, when):
        for name, received in self.got.items():
            done = self.node("ledger", "what-has", name, "--json", ok=(0, 1))
            rows = done.json()["what_has"]
            expected = received.expected()
            require(done.code == (0 if rows else 1), f"{when}: {done.brief()}")
            found = _collapsed(rows)
            require(found == expected, f"{when}, `ledger what-has {name}`: {_told(expected, found)}")
            self._digests(when, name, rows)
        for object_id in self.ids:
            rows = self.node("ledger", "who-has", object_id, "--json", ok=(0, 1)).json()["who_has"]
            for name, received in self.got.items():
                expected = {e for e in received.expected() if e[0] == object_id}
                found = _collapsed([r for r in rows if r["recipient"] == name])
                require(found == expected, f"{when}, `ledger who-has {object_id}`, {name}: {_told(expected, found)}")
            strangers = {r["recipient"] for r in rows} - set(self.got)
            require(not strangers, f"{when}: `ledger who-has {object_id}` names {strangers}")

    def _digests(self, when, name, rows):
        """Where the ledger gives digests they are those of the bytes."""
        received = self.got[name].digests()
        for row in rows:
            digest = row.get("sha256")
            key = row["id"], row["version"], row["what"]
            if digest is not None and row["what"] != "listed":
                require(digest in received[key], f"{when}, {name}: the ledger says {digest} of {key}, received were {received[key]}")


def equal_to_bytes(report):
    """Readers of many kinds, one ledger."""
    _MARKED_BY_NODE.clear()
    with fresh() as node:
        run = None
        with report.case("ledger: a mixed campaign with seven readers is set up"):
            run = Campaign(node)
            run.fill()
        if run is None:
            return
        with node.serve() as server:
            _first_readings(report, run, server)
        with report.case("ledger: the same after the node was stopped, read from its directory"):
            run.compare("stopped")
        with report.case("ledger: one who is no longer configured has still received what it received"):
            kept = {name: (node.dir / name).read_text() for name in ("recipients.toml", "users.toml")}
            for name, entry in (("recipients.toml", "[[recipient]]"), ("users.toml", "[[user]]")):
                parts = re.split(rf"(?={re.escape(entry)})", kept[name])
                rest = [p for p in parts if '"zulu"' not in p]
                require(len(rest) == len(parts) - 1, f"`{name}` has {len(parts) - len(rest)} entries of zulu")
                (node.dir / name).write_text("".join(rest))
            try:
                run.compare("zulu is gone")
            finally:
                for name, before in kept.items():
                    (node.dir / name).write_text(before)
        with node.serve() as server:
            root, collection = server.ready["api_root"], server.ready["collection"]
            with report.case("ledger: the same after a restart"):
                run.compare("restarted")
            with report.case("ledger: after a restart, all readers read everything once more"):
                for name in ("alfa", "bravo", "charlie", "zulu", "public", "duty@bravo"):
                    run.pages(root, name, collection, limit=7)
                    run.library(root, name, collection, "get_manifest")
                run.compare("read again")
            with report.case("ledger: one who was let back in gets what it may have now"):
                node("recipient", "resume", "delta")
                run.pages(root, "delta", collection, limit=50)
                run.compare("resumed")
        with report.case("ledger: the digests it keeps of redacted copies are those of the bytes received"):
            kept = _kept_digests(node)
            for name, received in run.got.items():
                if name == "echo":
                    continue  # it has received nothing yet, and cases of its own tell whether the ledger says so
                expected = {d for copies in received.whole.values() for what, d in copies if what == "redacted"}
                require(kept.get(name, set()) == expected, f"{name}: {len(kept.get(name, ()))} kept, {len(expected)} received, "
                        f"{len(kept.get(name, set()) & expected)} in both")
            require(any(kept.values()), "nothing was redacted: nothing was tried")
        with report.case("ledger: redacted copies are known to the byte (`ledger what-has --json` gives their sha256)"):
            rows = node("ledger", "what-has", "zulu", "--json").json()["what_has"]
            redacted = [r for r in rows if r["what"] == "redacted"]
            require(redacted, "nothing was redacted: nothing was tried")
            require(all(r.get("sha256") for r in redacted), f"no digest: {redacted[0]}")
            run.compare("with digests")


def _kept_digests(node):
    """{recipient: digests of redacted copies}, from the store's file: four bytes of position and the digest, again and again."""
    found = {}
    with sqlite3.connect(f"file:{node.dir / 'store' / 'store.db'}?mode=ro", uri=True) as store:
        for name, packed in store.execute("SELECT recipient, redacted FROM ledger"):
            found.setdefault(name, set()).update(packed[at + 4 : at + 36].hex() for at in range(0, len(packed), 36))
    store.close()
    return found


def at_once(report):
    """Readers on several connections while objects come, are marked and go."""
    with fresh() as node:
        run = Campaign(node)
        run.fill()
        with node.serve() as server, report.case("ledger: readers at once with changes, nothing received is missing"):
            root, collection = server.ready["api_root"], server.ready["collection"]
            inbox = run.post(root)
            parts, faults, done = [], [], threading.Event()

            def read(name, limit, resource):
                # Each connection keeps a record of its own; they are put together afterwards.
                part = Campaign.__new__(Campaign)
                part.login, part.got = run.login, {name: Received(run.inputs)}
                parts.append((name, part.got[name]))
                try:
                    while not done.is_set():
                        part.pages(root, name, collection, resource, limit=limit)
                except Exception as error:  # shown as the case's failure
                    faults.append(f"{name}: {type(error).__name__}: {error}")

            readers = [threading.Thread(target=read, args=(name, limit, resource)) for name, limit, resource in (
                ("zulu", 3, "objects"), ("zulu", 50, "objects"), ("zulu", 7, "manifest"), ("bravo", 5, "objects"), ("charlie", 20, "objects"))]
            for n in range(12):
                _MARKED_BY_NODE.add(an_id("tool", f"burst {n}"))
            for reader in readers:
                reader.start()
            try:
                for n in range(12):
                    run.take(f"burst {n}", [tool(f"burst {n}"), tool(f"burst {n} stays"), tool(f"burst {n}", modified=V2)])
                    node("object", "mark", an_id("tool", f"burst {n}"), "--tlp", ("green", "amber", "red")[n % 3])
                run.delete(root, inbox)
            finally:
                done.set()
                for reader in readers:
                    reader.join(30)
            require(not faults, "; ".join(faults[:2]))
            for name, part in parts:
                for key, copies in part.whole.items():
                    run.got[name].whole.setdefault(key, set()).update(copies)
                run.got[name].named |= part.named
            require(all(part.whole or part.named for _, part in parts), "a reader got nothing")
            kept = _kept_digests(node)
            for name in ("zulu", "bravo", "charlie"):
                lost = run.got[name].expected() - _entries(node, name)
                require(not lost, f"{name}: {len(lost)} received and not in the ledger: {sorted(lost, key=str)[:3]}")
                digests = {d for copies in run.got[name].whole.values() for what, d in copies if what == "redacted"}
                require(digests <= kept.get(name, set()), f"{name}: {len(digests - kept.get(name, set()))} digests of redacted copies are not kept")
        with report.case("ledger: readers at once with changes, nothing more is entered than was received"):
            run.compare("at once")


def _entries(node, name):
    """Whatever the ledger says of a reader: also that a version was named, where it was sent too."""
    rows = node("ledger", "what-has", name, "--json", ok=(0, 1)).json()["what_has"]
    entries = {(r["id"], r["version"], r["what"]) for r in rows}
    return entries | {(i, v, "listed") for i, v, _ in entries}


def _first_readings(report, run, server):
    root, collection = server.ready["api_root"], server.ready["collection"]
    ids = sorted(run.ids)
    inbox = run.post(root)
    with report.case("ledger: nobody has read, nothing is in it"):
        run.compare("before any reading")
    with report.case("ledger: objects, pages, single objects, manifests and versions by seven readers"):
        run.pages(root, "bravo", collection, limit=3)
        run.library(root, "charlie", collection, "get_objects")
        run.pages(root, "zulu", collection, "manifest", limit=2)
        for object_id in ids[::3]:
            run.single(root, "zulu", collection, object_id)
        for object_id in ids:
            run.versions(root, "public", collection, object_id)
        for object_id in ids[::2]:
            run.single(root, "public", collection, object_id, query="match[version]=first&limit=1")
        run.library(root, "delta", collection, "get_manifest", version="all")
        run.pages(root, "delta", collection, limit=5, most=2)
        run.library(root, "alfa", collection, "get_objects", version="all")
        run.pages(root, "bravo", inbox, limit=1)
        run.compare("first readings")
        require(any(w == "redacted" for _, _, w in run.got["bravo"].expected()), "nothing bravo got was redacted")
        require(any(w == "listed" for _, _, w in run.got["zulu"].expected()), "nothing was only listed to zulu")
        require(run.got["public"].whole, "the public got nothing")
        require(not run.got["echo"].expected(), "echo never read")
    with report.case("ledger: after relabelling, deletion, suspension and new versions"):
        node = run.node
        for n, level in enumerate(("green", "amber", "red")):
            node("object", "mark", an_id("tool", f"relabel {n}"), "--tlp", level)
            _MARKED_BY_NODE.add(an_id("tool", f"relabel {n}"))
        node("object", "mark", an_id("tool", "fed relabel"), "--tlp", "red")
        run.delete(root, inbox)
        node("recipient", "suspend", "delta")
        run.take("later", [tool("several", "green", modified="2024-01-04T00:00:00.000Z"), tool("late")])
        run.compare("after the acts, before reading")
        status, _, _ = run.raw(root, "delta").call("GET", f"collections/{collection}/objects/")
        require(status == 401, f"a suspended recipient was answered {status}")
        run.library(root, "zulu", collection, "get_objects", version="all")
        run.library(root, "bravo", collection, "get_manifest", version="all")
        run.pages(root, "charlie", collection, limit=1, query="match[version]=last")
        run.pages(root, "duty@bravo", collection, limit=2, query="match[type]=report,tool")
        run.pages(root, "public", collection, limit=4, query="match[version]=first")
        run.compare("second readings")
        gone = an_id("tool", "posted and deleted")
        rows = node("ledger", "who-has", gone, "--json").json()["who_has"]
        require(rows and not any(r["in_view"] for r in rows), f"a deleted object: {rows[:2]}")
    _not_sent(report, run, root, collection)


def _not_sent(report, run, root, collection):
    """Answers that hold nothing enter nothing."""
    for what, method, path in (
        ("a question for a version that is not there", "GET", f"objects/{an_id('tool', 'late')}/?match[version]=2020-01-01T00:00:00.000Z"),
        ("a 406", "GET", "objects/"),
        ("HEAD", "HEAD", "objects/?match[version]=all"),
    ):
        with report.case(f"ledger: {what} sends nothing and enters nothing"):
            before = run.node("ledger", "what-has", "echo", "--json", ok=(0, 1)).json()["what_has"]
            headers = {"Accept": "text/html"} if what == "a 406" else None
            _, _, body = run.raw(root, "echo").call(method, f"collections/{collection}/{path}", headers=headers)
            require(b"stix" not in body and b'"id"' not in body, f"an object came: {body[:200]!r}")
            rows = run.node("ledger", "what-has", "echo", "--json", ok=(0, 1)).json()["what_has"]
            new = [r for r in rows if r not in before]
            _forget(run, new)
            require(not new, f"{len(new)} entries for echo, which received nothing: {new[:2]}")
    with report.case("ledger: `object find` without a hit shows nothing and enters nothing"), fresh() as node:
        node.importing(bundle_file(node.home, "unseen", [tool("unseen")]))
        done = node("object", "find", "nosuchword", ok=(1,))
        require("unseen" not in done.text, done.brief())
        rows = node("ledger", "what-has", "alfa", "--json", ok=(0, 1)).json()["what_has"]
        require(not rows, f"{len(rows)} entries for what was never shown: {rows[:2]}")


def _forget(run, rows):
    """What was entered too much is one finding; the later comparisons go on from there."""
    for row in rows:
        key = row["id"], row["version"]
        if row["what"] == "listed":
            run.got["echo"].named.add(key)
        else:
            run.got["echo"].whole.setdefault(key, set()).add((row["what"], row.get("sha256", "")))
