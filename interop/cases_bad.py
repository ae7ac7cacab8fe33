"""Bad input and bad surroundings: the error names place and remedy, and the rest of the batch goes on.

Rule: each case also proves that the node still works afterwards and that nothing acknowledged is lost.
"""

import json
import os
import re
import socket
import subprocess
import uuid

from harness import Skip, require
from node import Node, fresh, run, temporary
from stixfiles import Item, differences, envelope, read, split
from rawtaxii import Raw

_AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
_PLACE = re.compile(r"\b(line|byte|column|character|offset|position|object|objects\[|item|entry)\b\W*\d+", re.IGNORECASE)


def _object(n, extra="", kind="tool", object_id=None):
    ident = object_id or f"{kind}--{uuid.uuid5(uuid.NAMESPACE_URL, f'https://example.com/{kind}/{n}')}"
    return (f'{{"type":"{kind}","spec_version":"2.1","id":"{ident}","created":"2024-01-01T00:00:00.000Z",'
            f'"modified":"2024-01-01T00:00:00.000Z","name":"n{n}"{extra}}}')


def _item(raw):
    return Item(raw, json.loads(raw))


def _bundle(*raws):
    return f'{{"type":"bundle","id":"bundle--{uuid.uuid4()}","objects":[{",".join(raws)}]}}'.encode()


def _bad_objects():
    """(what is wrong, text of the object)"""
    redefined = (f'{{"type":"marking-definition","spec_version":"2.1","id":"{_AMBER}","created":"2017-01-20T00:00:00.000Z",'
                 '"definition_type":"tlp","name":"TLP:WHITE","definition":{"tlp":"white"}}')
    return [
        ("a number out of range", _object(1, ',"x_n":1e400')),
        ("a number of 100,000 digits", _object(1, ',"x_n":' + "9" * 100_000)),
        ("nesting 100 deep", _object(1, ',"x_n":' + "[" * 100 + "]" * 100)),
        ("the same key twice", _object(1, ',"name":"again"')),
        ("half of a surrogate pair", _object(1, ',"x_s":"\\ud800"')),
        ("an id of another type", _object(1, kind="tool", object_id=f"malware--{uuid.uuid4()}")),
        ("a time that is a number", _object(1).replace('"created":"2024-01-01T00:00:00.000Z"', '"created":1704067200')),
        ("an object without id", '{"type":"tool","spec_version":"2.1","name":"n"}'),
        ("a re-defined TLP marking", redefined),
        ("a string where an object belongs", '"tool"'),
    ]


def one_bad_object(report):
    """One bad object between two good ones."""
    good = [_object(100), _object(101)]
    for what, bad in _bad_objects():
        with report.case(f"bad input, {what}: refused with place and help, the others are kept"), fresh() as node:
            path = node.home / "bad.json"
            path.write_bytes(_bundle(good[0], bad, good[1]))
            answer = node.importing(path, ok=(5,))
            require(len(answer["refused"]) == 1, f"{len(answer['refused'])} refused instead of 1: {answer['refused'][:3]}")
            refusal = answer["refused"][0]
            for name in ("place", "reason", "help"):
                require(refusal.get(name) not in (None, ""), f"the refusal has no `{name}`: {refusal}")
            require(answer["new"] == 2, f"{answer['new']} of the 2 good objects are new")
            faults = differences([_item(g) for g in good], node.export("alfa"))
            require(not faults, "; ".join(faults))


def broken_files(report):
    """Files that are no JSON at all, or not in UTF-8."""
    good = _bundle(_object(200))
    whole = _bundle(_object(1), _object(2, ',"description":"caf\u00e9"'), _object(3))
    files = [
        ("a truncated file", whole[:-70], _PLACE),
        ("a file in Latin-1", whole.decode().encode("latin-1"), re.compile("utf-?8", re.IGNORECASE)),
        ("a file in UTF-16", whole.decode().encode("utf-16"), re.compile("utf-?8", re.IGNORECASE)),
        ("an empty file", b"", re.compile(r"empty|nothing|no objects?|end of", re.IGNORECASE)),
        ("a file of nesting alone", b"[" * 200_000, _PLACE),
        ("a web page", b"<!doctype html><title>503</title>", _PLACE),
    ]
    with fresh() as node:
        for n, (what, content, says) in enumerate(files):
            with report.case(f"bad input, {what}: the error names the place, the node goes on"):
                path = node.home / f"bad-{n}.json"
                path.write_bytes(content)
                done = node("import", path, "--own", ok=(1, 2, 3, 5))
                require("panicked" not in done.text, done.brief())
                require(says.search(done.text), f"no `{says.pattern}` in: {done.text[:400]!r}")
                after = node.home / f"good-{n}.json"
                after.write_bytes(good)
                node.importing(after)
        with report.case("bad input, a file that is not there: exit code and path"):
            done = node("import", node.home / "absent.json", "--own", ok=(1, 2, 3))
            require("absent.json" in done.text, done.brief())
        with report.case("a marking that is not there: kept, held, and explained"):
            marked = _object(300, f',"object_marking_refs":["marking-definition--{uuid.uuid4()}"]')
            path = node.home / "marked.json"
            path.write_bytes(_bundle(marked))
            require(node.importing(path)["new"] == 1, "the object was not kept")
            node("member", "add", "bravo", "--kind", "nation")
            node("recipient", "add", "bravo", "--kind", "organisation", "--organisation", "bravo")
            subject = json.loads(marked)["id"]
            require(subject not in {i.id for i in node.export("bravo")}, "it left with an unreadable marking")
            done = node("release", "explain", subject, "--to", "bravo", ok=(1,))
            require("marking" in done.text, done.brief())


def over_taxii(report):
    """Bad bodies and logins over TAXII."""
    with fresh() as node, node.serve() as server:
        root, collection = server.ready["api_root"], server.ready["collection"]
        raw = Raw(root, node.user, node.password)
        objects = f"collections/{collection}/objects/"
        kept = []
        for n, (what, bad) in enumerate(_bad_objects()):
            if what in ("an object without id", "a string where an object belongs"):
                continue
            with report.case(f"TAXII POST with {what}: the failure names it, the others are kept"):
                good = [_object(1000 + 2 * n), _object(1001 + 2 * n)]
                value = raw.post(collection, b'{"objects":[' + ",".join([good[0], bad, good[1]]).encode() + b"]}")
                require((value["success_count"], value["failure_count"]) == (2, 1), f"counted {value}")
                kept += good
                failure = value["failures"][0]
                require(failure.get("message"), f"the failure has no message: {failure}")
        with report.case("TAXII POST cut short: 400, nothing of it is kept"):
            body = envelope([_item(_object(2000)), _item(_object(2001))])
            status, headers, answer = raw.call("POST", objects, body[:-30])
            _is_error(status, headers, answer, 400)
        with report.case("TAXII POST of an object without id: 422, nothing of it is kept"):
            body = f'{{"objects":[{_object(2002)},{{"type":"tool","spec_version":"2.1","name":"n"}}]}}'.encode()
            _is_error(*raw.call("POST", objects, body), 422)
        with report.case("after all bad bodies, exactly the good objects are there"):
            faults = differences([_item(k) for k in kept], raw.objects(collection))
            require(not faults, "; ".join(faults))
        for what, login in (("token", {"token": "not-the-token"}), ("password", {"user": node.user, "password": "no"})):
            with report.case(f"a wrong {what}: 401 with a TAXII error"):
                status, headers, answer = Raw(root, **login).call("GET", objects)
                _is_error(status, headers, answer, 401)
                require(headers.get("WWW-Authenticate"), "no WWW-Authenticate")
        with report.case("taxii pull with a wrong password: exit 4 and what to do"), fresh("bravo", "Bravo CSIRT") as bravo:
            bravo("member", "add", "alfa", "--kind", "nation")
            bravo("source", "add", "alfa", "--kind", "member", "--member", "alfa")
            done = bravo("taxii", "pull", server.ready["taxii"], "--user", node.user, "--password-file",
                         bravo.secret("wrong", "not the password"), "--source", "alfa", ok=(4,))
            require(re.search(r"401|password|credential|login", done.text, re.IGNORECASE), done.brief())


def _is_error(status, headers, body, expected):
    require(status == expected, f"answered {status} instead of {expected}: {body[:200]!r}")
    require("taxii+json" in (headers.get("Content-Type") or ""), f"media type is {headers.get('Content-Type')}")
    value = json.loads(body)
    require(value.get("title") and value.get("http_status") == str(expected), f"no TAXII error resource: {body[:200]!r}")


def surroundings(report):
    """A port in use, a directory in use, a peer that is not there."""
    with fresh() as node:
        with report.case("a port in use: the error names it"), socket.socket() as taken:
            taken.bind(("127.0.0.1", node.port))
            taken.listen()
            done = run("--dir", node.dir, "serve", "--plain-http", timeout=30)
            require(done.code in (3, 4) and str(node.port) in done.text, done.brief())
        with node.serve() as server:
            with report.case("a directory in use: a second server says so, the first goes on"):
                done = run("--dir", node.dir, "serve", "--plain-http", timeout=30)
                require(done.code == 3, done.brief())
                require(re.search(r"running|in use|lock|another", done.text), done.brief())
                Raw(server.ready["api_root"], node.user, node.password).get("collections/")
        with report.case("taxii pull from nobody: exit 4 and the address"):
            node("source", "add", "gone", "--kind", "feed")
            done = node("taxii", "pull", f"http://127.0.0.1:{node.port}/taxii2/", "--user", "u", "--password-file",
                        node.secret("any", "any"), "--source", "gone", ok=(4,))
            require(str(node.port) in done.text, done.brief())
        with report.case("a directory that is no node: exit 3 and what to do"), temporary() as empty:
            done = run("--dir", empty, "doctor", timeout=30)
            require(done.code == 3 and "init" in done.text, done.brief())
        with report.case("an unknown key in the configuration is refused by name"):
            files = sorted(node.dir.glob("*.toml"))
            require(files, "the node directory holds no configuration file")
            named = next((f for f in files if f.stem in ("polder", "config", "node")), files[0])
            text = named.read_text()
            named.write_text("no_such_key = 1\n" + text)
            done = run("--dir", node.dir, "doctor", timeout=30)
            named.write_text(text)
            require(done.code == 3 and "no_such_key" in done.text, done.brief())


def damaged(report, path):
    """A flipped bit in the store is never served, and somebody is told."""
    items = read(path)
    with report.case("a flipped byte in the store: detected, never served"), fresh() as node:
        node.importing(path)
        require(len(node.export("alfa")) == len(items), "the node does not hold the file before the damage")
        store = max((f for f in node.dir.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
        content = bytearray(store.read_bytes())
        subject = items[len(items) // 2]
        at = content.find(subject.raw.encode("utf-8")[:200])
        in_body = at >= 0  # else bodies are packed, and a byte in the middle may belong to nothing
        at = at + 150 if in_body else len(content) // 2
        content[at] ^= 0x01
        store.write_bytes(bytes(content))
        done = node("export", "--to", "alfa", ok=None, timeout=240)
        require("panicked" not in done.text, done.brief())
        if done.code == 0:
            served = {i.raw for i in split(done.out.decode("utf-8"))}
            require(served <= {i.raw for i in items}, "an altered object was served")
            require(not in_body or len(served) < len(items), "a byte of an object was flipped and nothing noticed")
        else:
            require(re.search(r"damage|corrupt|checksum|malformed|integrity", done.text), done.brief())


def full_disk(report, files):
    """A full disk: an error that says so, and everything acknowledged is there when there is room again."""
    with report.case("a full disk: named, nothing acknowledged is lost"), temporary() as home:
        if os.geteuid() != 0:
            raise Skip("only root can mount a small disk")
        place = home / "small"
        place.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", place], capture_output=True, check=False)
        if mounted.returncode != 0:
            raise Skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
        try:
            _fill(Node(place), place, files)
        finally:
            subprocess.run(["umount", "-l", place], check=False)


def _fill(node, place, files):
    kept, refused = {}, None
    for _, path in files:
        done = node("import", path, "--own", "--json", ok=None, timeout=240)
        require("panicked" not in done.text, done.brief())
        if done.code != 0:
            refused = done
            break
        kept.update({i.key: i for i in read(path)})
    require(refused is not None, "the files fitted on the small disk: nothing was tried")
    require(kept, f"not even one file fitted: {refused.brief()}")
    require(re.search(r"full|space", refused.text), refused.brief())
    subprocess.run(["mount", "-o", "remount,size=256m", place], check=True)
    got = {i.key for i in node.export("alfa")}
    lost = set(kept) - got
    require(not lost, f"{len(lost)} acknowledged objects are gone: {sorted(lost)[:2]}")
