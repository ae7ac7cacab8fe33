"""Every event of the corpus through a node and back, compared field by field with what went in.

Rule: collections of attributes are no events; left out of the comparison are numbers of a local database, the analyst's address, and what is added; nothing that went in may be missing or differ.
"""

import json
import shutil

from harness import require
from node import Node, temporary

_NUMBERS = {
    "id", "attribute_id", "event_id", "event_org_id", "galaxy_cluster_id", "galaxy_id", "object_id", "old_id", "org_id", "orgc_id", "referenced_id",
    "server_id", "sharing_group_id", "sync_user_id", "tag_id", "user_id",
}
_PARTS = ("Attribute", "Object", "ObjectReference", "EventReport", "Sighting")


def events(value):
    """The events in a document."""
    if isinstance(value, list):
        return [event for one in value for event in events(one)]
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("Event"), (dict, list)):
        return events(value["Event"])
    if "response" in value:
        return events(value["response"])
    return [value] if "info" in value and ("Attribute" in value or "Object" in value or "date" in value) else []


def _is_number(key, value):
    return key in _NUMBERS and (value is None or isinstance(value, int) or isinstance(value, str) and not value.strip("0123456789"))


def _plain(value, key=None):
    """Numbers and booleans as MISP 2.4 writes them; empty values away; parts in one order."""
    if isinstance(value, dict):
        kept = {k: _plain(v, k) for k, v in value.items() if key == "meta" or not (_is_number(k, v) or k == "event_creator_email")}
        return {k: v for k, v in kept.items() if v not in ([], {}, None)}
    if isinstance(value, list):
        parts = [_plain(v, key) for v in value]
        if key in _PARTS:
            order = ("value", "type", "object_relation", "name", "comment", "referenced_uuid", "relationship_type", "uuid")
            parts.sort(key=lambda p: json.dumps([p.get(name) for name in order]))
        return parts
    return {True: "1", False: "0"}[value] if isinstance(value, bool) else None if value is None else str(value)


def _differences(sent, back, at=""):
    if type(sent) is not type(back):
        return [f"{at}: {sent!r:.80} became {back!r:.80}"]
    if isinstance(sent, dict):
        return [d for key, value in sent.items() for d in _differences(value, back.get(key), f"{at}/{key}")]
    if isinstance(sent, list):
        if len(sent) != len(back):
            return [f"{at}: {len(sent)} became {len(back)}"]
        return [d for a, b in zip(sent, back) for d in _differences(a, b, f"{at}[]")]
    return [] if sent == back else [f"{at}: {sent!r:.80} became {back!r:.80}"]


def _documents(place):
    for path in sorted(place.rglob("*.json")):
        if path.relative_to(place).parts[0] in ("knowledge", "schema", "stix-bundles", "misp-stix-collections"):
            continue
        try:
            document = json.loads(path.read_text())
        except ValueError:
            continue
        if path.parent.name != "transcripts":
            yield str(path.relative_to(place)), document
            continue
        for side in ("req_body", "resp_body"):
            try:
                yield f"{path.name} {side}", json.loads(document[side])
            except (ValueError, TypeError):
                continue


def trip(report, place):
    """Each document in a node of its own: fixtures use the same UUIDs for different things."""
    with temporary() as home:
        empty = Node(home)
        counted = {"documents": 0, "events": 0, "attributes": 0}
        with report.case("misp: every event of the corpus comes back field by field"):
            for name, document in _documents(place):
                sent = events(document)
                if not sent:
                    continue
                node = Node.__new__(Node)
                node.dir = home / "one"
                shutil.rmtree(node.dir, ignore_errors=True)
                shutil.copytree(empty.dir, node.dir)
                (home / "in.json").write_text(json.dumps(document))
                told = node.importing(home / "in.json")
                require(not told["refused"] and not told["variant"] and not told["conflict"], f"{name}: {told}")
                back = events(json.loads(node("export", "--to", "alfa", "--format", "misp").out))
                require(len(back) == len(sent), f"{name}: {len(sent)} events became {len(back)}")
                by_uuid = {e["uuid"]: e for e in back}
                for event in sent:
                    got = by_uuid.get((event.get("uuid") or "").lower()) or back[0]
                    found = _differences(_plain(event), _plain(got))
                    require(not found, f"{name}: {found[:3]}")
                    counted["attributes"] += int(got["attribute_count"])
                again = node.importing(home / "in.json")
                require(again["new"] == 0, f"{name}: a second import found something new: {again}")
                counted["documents"] += 1
                counted["events"] += len(sent)
            require(counted["events"] > 250, f"{counted}")
        with report.case("misp: a folder is taken file by file, and a broken one is named"):
            node = Node(home, "bravo", "Bravo")
            done = node("import", place / "eset-misp-events", "--own", "--json", ok=(0, 5), timeout=240)
            told = done.json()
            files = [p for p in (place / "eset-misp-events").glob("*.json") if p.name != "manifest.json"]
            require(told["misp"]["events"] + len(told["refused"]) >= len(files) - 1, f"{told}")
