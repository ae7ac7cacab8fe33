"""`polder misp audit` over events that others published, against a count made here.

Rule: the count is made from MISP's documents alone: an attribute goes as far as the least of its own, its object's and its event's distribution.
"""

import json
import re
from html.parser import HTMLParser

from harness import require
from node import run, temporary

_NAMES = {0: "organisation", 4: "group", 1: "community", 2: "connected", 3: "all"}
_ORDER = ["organisation", "group", "community", "connected", "all", "unstated"]


def _least(*distributions):
    said = [_NAMES[int(d)] for d in distributions if d not in (None, "") and int(d) != 5]
    if distributions[0] is None:
        said.append("unstated")
    return min(said, key=_ORDER.index)


def _count(folder):
    """{reach: [events, attributes]} and which events name their analyst, over the files that hold an event."""
    found, analysts, unread = {name: [0, 0] for name in _ORDER}, set(), []
    for path in sorted(folder.rglob("*.json")):
        try:
            event = json.loads(path.read_text())["Event"]
        except (ValueError, KeyError, TypeError):
            unread.append(str(path))
            continue
        whole = _least(event.get("distribution"))
        found[whole][0] += 1
        if event.get("event_creator_email") and whole != "organisation":
            analysts.add(event["uuid"])
        parts = [(a, None, False) for a in event.get("Attribute", [])]
        parts += [(a, o.get("distribution"), o.get("deleted")) for o in event.get("Object", []) for a in o.get("Attribute", [])]
        for attribute, above, gone in parts:
            if not attribute.get("deleted") and not gone:
                found[_least(event.get("distribution"), above, attribute.get("distribution"))][1] += 1
    return found, analysts, unread


class _Page(HTMLParser):
    """The tags of a page and what they point to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.points = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.points += [f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "action") or name.startswith("on")]


def audit(report, place):
    """Real events, one broken file beside them, and the page."""
    folder = place / "eset-misp-events"
    expected, analysts, _ = _count(folder)
    with temporary() as home:
        page = home / "report.html"
        with report.case("misp audit: who receives what of the published events is what a count apart says"):
            done = run("misp", "audit", folder, "--html", page, "--json")
            require(done.code == 0, done.brief())
            told = done.json()
            reach = {name: [count["events"], count["attributes"]] for name, count in told["reach"].items()}
            require(reach == expected, f"{reach} and not {expected}")
            require(sum(n for _, n in expected.values()) > 1000, "the folder holds hardly anything")
        with report.case("misp audit: every event that names its analyst and leaves is listed, and the address is not"):
            named = {p["event"] for p in told["findings"]["address"]["places"] if "analyst who made" in p["says"]}
            require(named == analysts and analysts, f"{len(named)} and not {len(analysts)}")
            texts = done.out.decode() + page.read_text()
            addresses = {json.loads(p.read_text())["Event"].get("event_creator_email") for p in folder.glob("*.json")} - {None, ""}
            require(addresses and not [a for a in addresses if a in texts], "an address is repeated")
        with report.case("misp audit: the page stands alone, with charts, and points nowhere"):
            seen = _Page(page.read_text())
            require({"svg", "rect", "table", "h1"} <= seen.tags and not seen.tags & {"script", "link", "img", "iframe"}, f"{sorted(seen.tags)}")
            require(not seen.points and not re.search(r"url\(|@import", page.read_text()), f"{seen.points[:3]}")
        with report.case("misp audit: files that hold no event are named, the others are read"):
            done = run("misp", "audit", place / "misc", "--json")
            _, _, unread = _count(place / "misc")
            told = done.json()
            require(done.code == 5 and told["seen"]["events"] > 0, done.brief())
            require({u["place"] for u in told["unread"]} <= set(unread), "a file with an event was not read")
            require(all(u["reason"] for u in told["unread"]), f"{told['unread'][:2]}")
        with report.case("misp audit: an event that two files state is counted once, what is not published apart, and a title with an address is not repeated"):
            twice = home / "twice"
            twice.mkdir()
            for n, event in enumerate(({"info": "call john.doe@ministry.example", "published": True}, {"info": "a draft", "published": False})):
                whole = {"Event": {"uuid": f"5f0f0001-0000-4000-8000-00000000000{n}", "date": "2026-01-01", "distribution": "3", "timestamp": "1780000000", **event,
                                   "Attribute": [{"uuid": f"5f0f0001-0000-4000-8000-00000000001{n}", "type": "domain", "category": "Network activity", "value": "x.example", "distribution": "5"}]}}
                for name in "ab":
                    (twice / f"{name}{n}.json").write_text(json.dumps(whole))
            done = run("misp", "audit", twice, "--html", page, "--json")
            told = done.json()
            require((told["seen"]["events"], told["repeated"], told["unpublished"]) == (2, 2, {"events": 1, "attributes": 1}), f"{told}")
            require("address" in told["findings"] and "john.doe" not in done.out.decode() + page.read_text(), "the address is repeated")
