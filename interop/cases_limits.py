"""What is bounded, met by a source that sends too much: the surplus is refused by name, the rest is kept and goes on being served.

Rule: the bounds are those that `polder doctor` lists; a bound that is not listed there is a fault of its own.
"""

import json
import time
import uuid

from harness import require
from node import fresh
from objects import bundle_file, text, tool
from rawtaxii import Raw

# What `polder doctor` has to list beside those that are met here.
_LABELS, _TYPES = "store.labels_per_source_max", "store.types_max"
_IN_ONE_COMMIT = 1_000


def _limit(node, name):
    limits = node("doctor", "--json").json()["limits"]
    require(name in limits, f"`doctor` does not list `{name}`; it lists {sorted(limits)}")
    return limits[name]


def _short(kind, n, marking=None):
    """A small object of its own; sixty thousand of them are still a small file."""
    marks = f',"object_marking_refs":["{marking}"]' if marking else ""
    ident = uuid.UUID(int=(0x4 << 76) | (0x8 << 60) | (n << 8) | 0x21)
    return (f'{{"type":"{kind}","spec_version":"2.1","id":"{kind}--{ident}","created":"2024-01-01T00:00:00.000Z",'
            f'"modified":"2024-01-01T00:00:00.000Z","name":"n{n}"{marks}}}')


def _marking(n):
    return f"marking-definition--{uuid.UUID(int=(0x4 << 76) | (0x8 << 60) | (n << 8) | 0x42)}"


def labels(report):
    """More distinct markings from one source than a node keeps apart."""
    with fresh() as node:
        most = 65_536
        with report.case(f"limits: `doctor` lists {_LABELS}"):
            most = _limit(node, _LABELS)
        node("source", "add", "loud", "--kind", "feed")
        node("source", "add", "quiet", "--kind", "feed")
        raws = [_short("tool", n, _marking(n)) for n in range(most + 3 * _IN_ONE_COMMIT)]
        answer = {}
        with report.case(f"limits: {len(raws)} distinct markings from one source: the surplus is refused with reason and remedy"):
            path = bundle_file(node.home, "loud", raws)
            start = time.monotonic()
            answer = node.importing(path, "--source", "loud", ok=(5,))
            print(f"     {len(raws)} distinct markings took {time.monotonic() - start:.1f} s")
            require(answer["new"] + len(answer["refused"]) == len(raws), f"{answer['new']} new and {len(answer['refused'])} refused")
            # Counted per commit, so the last commit that fits may go beyond.
            require(most <= answer["new"] + 1 <= most + _IN_ONE_COMMIT, f"{answer['new']} of {most} were kept")
            refusal = answer["refused"][0]
            require(str(most) in refusal["reason"] and "label" in refusal["reason"], f"{refusal}")
            require("marking" in refusal["help"] and refusal["place"], f"{refusal}")
        with report.case("limits: the source may still send what is marked like something it has already sent"):
            again = node.importing(bundle_file(node.home, "again", [_short("tool", 900_000, _marking(1))]), "--source", "loud", ok=(0, 5))
            require(again["new"] == 1, f"it brings no new label, and was refused: {again['refused'][:1]}")
        with report.case("limits: the source may still send what it has sent before"):
            again = node.importing(bundle_file(node.home, "known", raws[:2]), "--source", "loud", ok=(0, 5))
            require(again["known"] == 2, f"{again}")
        with report.case("limits: what is refused leaves nothing behind, no type and no name"):
            before = node("doctor", "--json").json()["held"]
            again = node.importing(bundle_file(node.home, "odd", [_short("x-odd", 900_001, _marking(900_001))]), "--source", "loud", ok=(5,))
            require(len(again["refused"]) == 1, f"not refused: {again}")
            after = node("doctor", "--json").json()["held"]
            require(after == before, f"held before {before}, after a refusal {after}")
        with report.case("limits: other sources are not hurt"):
            other = node.importing(bundle_file(node.home, "quiet", [tool("quiet"), text("tool", "quiet too", marking=_marking(999_999))]),
                                   "--source", "quiet", ok=(0, 5))
            require(other["new"] == 2, f"{other['refused'][:1]}")
        with report.case("limits: the node goes on after a restart, with all that was kept"):
            got = node.export("alfa")
            require(len(got) >= answer["new"] + 2, f"{len(got)} of {answer['new']} and 2 are there")
            require(node("doctor", "--json").json()["damage"] == [], "damage")


def types(report):
    """More object types than a store knows."""
    with fresh() as node:
        most = 60_000
        with report.case(f"limits: `doctor` lists {_TYPES}"):
            most = _limit(node, _TYPES)
        raws = [_short(f"x-t{n}", n) for n in range(most + 1_500)]
        answer = {}
        with report.case(f"limits: {len(raws)} object types: the surplus is refused with reason and remedy"):
            start = time.monotonic()
            answer = node.importing(bundle_file(node.home, "types", raws), ok=(5,))
            print(f"     {len(raws)} object types took {time.monotonic() - start:.1f} s")
            require(answer["new"] + len(answer["refused"]) == len(raws), f"{answer['new']} new and {len(answer['refused'])} refused")
            require(most - answer["new"] <= 10, f"only {answer['new']} of {most} were kept")
            refusal = answer["refused"][0]
            require("type" in refusal["reason"] and str(most) in refusal["reason"], f"{refusal}")
        with report.case("limits: no more object types are kept than the limit says"):
            require(answer["new"] <= most, f"{answer['new']} types were kept, the limit is {most}")
        with report.case("limits: the remedy for too many object types is about types"):
            help_text = answer["refused"][0]["help"]
            require("type" in help_text, f"the remedy is about something else: {help_text!r}")
        with report.case("limits: objects of known types still come in, by import and by POST"), node.serve() as server:
            one = node.importing(bundle_file(node.home, "more", [_short("x-t1", 910_000), _short("x-new", 910_001)]), ok=(5,))
            require(one["new"] == 1 and len(one["refused"]) == 1, f"{one}")
            raw = Raw(server.ready["api_root"], token=node.token)
            status = raw.post(server.ready["collection"], f'{{"objects":[{_short("x-t2", 910_002)},{_short("x-newer", 910_003)}]}}'.encode())
            require((status["success_count"], status["failure_count"]) == (1, 1), f"{json.dumps(status)[:300]}")
            require("types" in status["failures"][0].get("message", ""), f"{status['failures']}")
        with report.case("limits: after a restart the store of many types is whole"):
            require(len(node.export("alfa")) == answer["new"] + 2, "not all that was kept is there")
