"""STIX files as the raw text of each object, and the comparison of what went in with what came out.

Rule: text is cut, never printed again, so that "byte for byte" is what is compared.
"""

import json
import os
from collections import defaultdict
from pathlib import Path

_decoder = json.JSONDecoder()
_BLANK = " \t\r\n"

# What 2.1 requires and 2.0 did not have; the lift of a 2.0 object adds these and changes nothing.
_LIFT = {"spec_version": ("2.1",)}
_LIFT_BY_TYPE = {"malware": {"is_family": (True, False)}, "indicator": {"pattern_type": ("stix",)}}


class Item:
    """One object: its text as it stands in the file, and its parsed form."""

    __slots__ = ("raw", "value")

    def __init__(self, raw, value):
        self.raw = raw
        self.value = value

    @property
    def id(self):
        return self.value["id"]

    @property
    def key(self):
        """(id, version) as TAXII names it; objects without a version of their own have none here."""
        return self.id, self.value.get("modified") or self.value.get("created") or ""

    @property
    def is_2_0(self):
        """2.0 has no `spec_version` on objects; 2.1 may leave it out on cyber-observables, which have no `created`."""
        return self.value.get("spec_version") == "2.0" or ("spec_version" not in self.value and "created" in self.value)


def _skip(text, at):
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _expect(text, at, char):
    if text[at : at + 1] != char:
        raise ValueError(f"expected {char!r} at character {at}, found {text[at:at + 20]!r}")
    return _skip(text, at + 1)


def split(text):
    """The items of a bundle or TAXII envelope, or the single object that `text` is."""
    at = _expect(text, _skip(text, 0), "{")
    while text[at : at + 1] != "}":
        name, at = _decoder.raw_decode(text, at)
        at = _expect(text, _skip(text, at), ":")
        if name == "objects" and text[at : at + 1] == "[":
            return list(_elements(text, at))
        _, at = _decoder.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    whole = json.loads(text)
    if whole.get("type") == "bundle" or "id" not in whole:
        return []
    return [Item(text.strip(_BLANK), whole)]


def _elements(text, at):
    at = _expect(text, at, "[")
    while text[at : at + 1] != "]":
        value, end = _decoder.raw_decode(text, at)
        yield Item(text[at:end], value)
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)


def read(path):
    """The items of a file."""
    return split(Path(path).read_bytes().decode("utf-8"))


def envelope(items):
    """A TAXII envelope whose objects are the very text of the items."""
    return ('{"objects":[' + ",".join(i.raw for i in items) + "]}").encode("utf-8")


def batches(items, size=500):
    for at in range(0, len(items), size):
        yield items[at : at + size]


def reference_lift(value):
    """A 2.0 object with what 2.1 requires, in the plainest way."""
    lifted = {**value, "spec_version": "2.1"}
    for name, values in _LIFT_BY_TYPE.get(value["type"], {}).items():
        lifted.setdefault(name, values[-1])
    return lifted


def lift_fault(before, after):
    """Why `after` is not `before` lifted, or None."""
    allowed = {**_LIFT, **_LIFT_BY_TYPE.get(before["type"], {})}
    for name, value in before.items():
        if name == "spec_version":
            continue
        if name not in after:
            return f"property `{name}` is gone"
        if json.dumps(after[name], sort_keys=True) != json.dumps(value, sort_keys=True):
            return f"property `{name}` changed"
    for name, value in after.items():
        if name in before and name != "spec_version":
            continue
        if value not in allowed.get(name, ()):
            return f"property `{name}` was added as {value!r}"
    missing = [n for n in allowed if n not in after]
    return f"property `{missing[0]}` is not there" if missing else None


def differences(went_in, came_out, most=3):
    """What is lost, added or changed, as short sentences; empty when all is as it should be."""
    faults = []
    out = defaultdict(list)
    for item in came_out:
        out[item.key].append(item)
    for item in went_in:
        candidates = out.get(item.key, [])
        at, why = None, "did not come back"
        for n, got in enumerate(candidates):
            fault = lift_fault(item.value, got.value) if item.is_2_0 else _text_fault(item.raw, got.raw)
            if fault is None:
                at = n
                break
            why = fault
        if at is None:
            faults.append(f"{item.key[0]} {item.key[1]}: {why}")
        else:
            candidates.pop(at)
    faults.extend(f"{k[0]} {k[1]}: came back but never went in, or twice" for k, rest in out.items() for _ in rest)
    if len(faults) > most:
        faults[most:] = [f"and {len(faults) - most} more"]
    return faults


def _text_fault(before, after):
    if before == after:
        return None
    at = next((n for n, (a, b) in enumerate(zip(before, after)) if a != b), min(len(before), len(after)))
    return f"differs at character {at}: {before[at:at + 40]!r} became {after[at:at + 40]!r}"


def data_dir():
    """The folder of public STIX files, or None: it is not part of the repository."""
    named = os.environ.get("POLDER_DATA")
    place = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data" / "stix"
    return place if place.is_dir() else None


def tools_dir():
    """The folder of outside measuring tools, or None."""
    named = os.environ.get("POLDER_TOOLS")
    place = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "tools"
    return place if place.is_dir() else None


def corpus(place):
    """(short name, path) of every file of the corpus that holds STIX objects."""
    found = []
    for folder in ("attack", "disarm", "unit42", "oasis-examples/examples"):
        for path in sorted((place / folder).rglob("*.json")):
            found.append((f"{folder.split('/')[0]}/{path.stem}", path))
    return found
