"""Many files in one node: variants, an ally's view, and a node that is fed while it serves.

Rule: expectations are worked out from the files alone.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict

from harness import require
from node import fresh
from stixfiles import differences, read, reference_lift
from rawtaxii import Raw

_MITRE = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"
_WITHHELD_SHARE_MAX = 0.01


def all_in_one(report, files):
    """All files into one store: variants are counted and reported, none is lost."""
    contents, total = defaultdict(dict), 0
    for _, path in files:
        for item in read(path):
            total += 1
            value = reference_lift(item.value) if item.is_2_0 else item.value
            contents[item.key].setdefault(json.dumps(value, sort_keys=True), item)
    several = {key: list(found.values()) for key, found in contents.items() if len(found) > 1}
    expected = sum(len(found) - 1 for found in several.values())
    with fresh() as node:
        with report.case(f"all {len(files)} files in one store: {expected} variants counted"):
            sums = defaultdict(int)
            for _, path in files:
                answer = node.importing(path)
                for name in ("new", "known", "variant", "conflict"):
                    sums[name] += answer[name]
                sums["refused"] += len(answer["refused"])
            require(sums["refused"] == 0, f"{sums['refused']} objects were refused")
            counted = sums["new"] + sums["known"] + sums["variant"] + sums["conflict"]
            require(counted == total, f"the reports add up to {counted} of {total} objects: {dict(sums)}")
            found = sums["variant"] + sums["conflict"]
            require(found == expected, f"{found} variants and conflicts were reported, the files hold {expected}")
            require(sums["new"] == len(contents), f"{sums['new']} are new, the files hold {len(contents)} versions")
        with report.case("all files in one store: no variant is lost"):
            for found in several.values():
                got = node("object", "get", found[0].id, "--all").out.decode("utf-8")
                for item in found:
                    text = item.raw.rstrip()[:-1].rstrip() if item.is_2_0 else item.raw
                    require(text in got, f"`object get {item.id} --all` lacks one of its {len(found)} contents")
        with report.case("all files in one store: the export holds each version once"):
            keys = [i.key for i in node.export("alfa")]
            require(len(keys) == len(set(keys)), f"{len(keys) - len(set(keys))} versions came twice")
            missing = set(contents) - set(keys)
            require(not missing and len(keys) == len(contents), f"{len(missing)} are missing: {sorted(missing)[:2]}")


def ally(report, unit42, attack):
    """An ally receives public data once its default label is set and the missing marking is pinned, and not before."""
    items = {item.key: item for _, path in unit42 for item in read(path)}
    definition = next(i for i in read(attack) if i.id == _MITRE)
    marked = next(i for i in items.values() if _MITRE in i.value.get("object_marking_refs", ()))
    unmarked = next(i for i in items.values() if not i.value.get("object_marking_refs"))
    with fresh() as node:
        node("member", "add", "bravo", "--kind", "nation")
        node("recipient", "add", "bravo", "--kind", "organisation", "--organisation", "bravo")
        with report.case("ally: without a default label nothing leaves, and `release explain` says what to do"):
            node("source", "add", "plain", "--kind", "feed")
            for _, path in unit42[:1]:
                node.importing(path, "--source", "plain")
            require(node.export("bravo") == [], "unmarked objects of a feed reached an ally")
            first = {i.key: i for i in read(unit42[0][1])}
            subject = next(i for i in first.values() if not i.value.get("object_marking_refs"))
            _explained(node, subject.id, r"default")
            subject = next((i for i in first.values() if _MITRE in i.value.get("object_marking_refs", ())), None)
            require(subject is not None, "the first file holds no object with the statement")
            _explained(node, subject.id, r"marking pin")
    with fresh() as node:
        node("member", "add", "bravo", "--kind", "nation")
        login = node("recipient", "add", "bravo", "--kind", "organisation", "--organisation", "bravo",
                     "--user", "bravo-reader", "--json").json()
        node("source", "add", "unit42", "--kind", "feed", "--default-tlp", "clear")
        with report.case("ally: a marking that is not there holds back exactly what carries it"):
            for _, path in unit42:
                node.importing(path, "--source", "unit42", ok=(0, 5))
            got = {i.key for i in node.export("bravo")}
            require(marked.key not in got, f"{marked.id} left with an unreadable marking")
            require(unmarked.key in got, f"{unmarked.id} did not leave although the default label is CLEAR")
            _explained(node, marked.id, r"marking pin")
        with report.case(f"ally: with the statement pinned, {len(items)} versions of Unit 42 arrive"):
            pin = node.home / "statement.json"
            pin.write_text(definition.raw, encoding="utf-8")
            node("marking", "pin", pin)
            exported = {i.key: i for i in node.export("bravo")}
            withheld = [item for key, item in items.items() if key not in exported]
            require(not set(exported) - set(items) - {definition.key}, "the ally received what is in no file")
            require(len(withheld) <= _WITHHELD_SHARE_MAX * len(items), f"{len(withheld)} of {len(items)} are withheld")
            for item in withheld:
                print(f"     withheld from the ally: {item.id}: {_explained(node, item.id, r'.')}")
        with report.case("ally: TAXII gives the same set as the export"), node.serve() as server:
            raw = Raw(server.ready["api_root"], login["user"], login["password"])
            collections = json.loads(raw.get("collections/")[1]).get("collections", [])
            readable = [c["id"] for c in collections if c.get("can_read")]
            require(readable, "the ally's login can read no collection")
            got = [i.key for i in raw.objects(readable[0])]
            require(set(got) == set(exported) and len(got) == len(exported),
                    f"{len(got)} by TAXII, {len(exported)} by export")


def _explained(node, object_id, pattern):
    done = node("release", "explain", object_id, "--to", "bravo", ok=(1,))
    text = " ".join(done.text.split())
    require(re.search(pattern, text, re.IGNORECASE), f"`release explain {object_id}` does not say `{pattern}`: {text[:300]}")
    return text[:300]


def fed_while_serving(report, disarm):
    """The command line works on a node that is running, and its readers see the result."""
    items = read(disarm)
    with fresh() as node, node.serve() as server:
        with report.case("import and export through a running node"):
            answer = node.importing(disarm)
            require(answer["new"] == len(items), f"{answer['new']} of {len(items)} are new")
            raw = Raw(server.ready["api_root"], node.user, node.password)
            faults = differences(items, raw.objects(server.ready["collection"], limit=100))
            require(not faults, "; ".join(faults))
            faults = differences(items, node.export("alfa"))
            require(not faults, "; ".join(faults))
        with report.case("the owner's token reads like the password"):
            require(node.token, "`init` printed no token")
            raw = Raw(server.ready["api_root"], token=node.token)
            require(len(raw.objects(server.ready["collection"])) == len(items), "the token reads another set")
        with report.case("`doctor` is content with a running node"):
            done = node("doctor", "--json")
            require(isinstance(done.json(), dict), "`doctor --json` is no object")


def pull(report, disarm):
    """One node pulls from another by TAXII: bytes arrive as they left, and the second pull brings nothing new."""
    with fresh() as alfa, fresh("bravo", "Bravo CSIRT") as bravo:
        alfa("member", "add", "bravo", "--kind", "nation")
        login = alfa("recipient", "add", "bravo", "--kind", "organisation", "--organisation", "bravo",
                     "--user", "bravo-node", "--json").json()
        alfa("source", "add", "disarm", "--kind", "feed", "--default-tlp", "clear")
        alfa.importing(disarm, "--source", "disarm")
        bravo("member", "add", "alfa", "--kind", "nation")
        bravo("source", "add", "alfa", "--kind", "member", "--member", "alfa")
        secret = bravo.secret("alfa", login["password"])
        with alfa.serve() as server, report.case("pull: another node receives the same bytes by TAXII"):
            how = ("taxii", "pull", server.ready["taxii"], "--user", login["user"], "--password-file", secret,
                   "--source", "alfa")
            sent = alfa.export("bravo")
            require(sent, "the first node has nothing for the second")
            bravo(*how)
            faults = differences(sent, bravo.export("bravo"))
            require(not faults, "; ".join(faults))
            bravo(*how)
            require(len(bravo.export("bravo")) == len(sent), "a second pull changed the set")


def probe(report, program):
    """The outside probe of TAXII edge cases."""
    with report.case("probe.py finds no deviation"), fresh() as node, node.serve() as server:
        done = subprocess.run(
            [sys.executable, program, server.ready["taxii"], server.ready["api_root"], server.ready["collection"],
             node.user, node.password], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
            check=False,
        )
        deviations = [text for text in done.stdout.splitlines() if text.startswith("DEV")]
        require(done.returncode == 0 and not deviations, "; ".join(deviations) or done.stdout[-300:])
