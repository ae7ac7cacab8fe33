"""Small STIX objects as text, for cases that make their own.

Rule: the text is what the case compares later, so it is made once and never printed again.
"""

import json
import time
import uuid

from stixfiles import Item

# TLP 1 and TLP 2, by the ids that their publishers gave them.
TLP = {
    "white-1": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "green-1": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "amber-1": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "red-1": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
REDACTED = "extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a2"
V1, V2, V3 = (f"2024-01-0{n}T00:00:00.000Z" for n in (1, 2, 3))


def an_id(kind, name):
    return f"{kind}--{uuid.uuid5(uuid.NAMESPACE_URL, f'https://example.com/{kind}/{name}')}"


def text(kind, label, tlp=None, modified=V1, marking=None, **more):
    """An object with spaces and an escape where a printer would put none, so that printing it anew shows."""
    value = {"type": kind, "spec_version": "2.1", "id": an_id(kind, label), "created": V1, "modified": modified, "name": f"{label} é"}
    marks = [TLP[tlp]] if tlp else [marking] if marking else []
    if marks:
        value["object_marking_refs"] = marks
    value.update(more)
    value = {k: v for k, v in value.items() if v is not None}
    return json.dumps(value, separators=(", ", " :"))


def tool(label, tlp="clear", **more):
    return text("tool", label, tlp, **more)


def item(raw):
    return Item(raw, json.loads(raw))


def bundle(raws):
    return ('{"type":"bundle","id":"bundle--' + str(uuid.uuid4()) + '","objects":[' + ",\n".join(raws) + "]}").encode()


def bundle_file(home, name, raws):
    path = home / f"{name}.json"
    path.write_bytes(bundle(raws))
    return path


def days_ahead(days):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + days * 86400))
