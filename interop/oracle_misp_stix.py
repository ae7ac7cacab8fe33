#!/usr/bin/env python3
"""misp-stix as an oracle: it reads the STIX a node makes of MISP's events, and must find the attributes that went in.

usage: oracle_misp_stix.py [FOLDER...] (without one: the events of ../shared/data/misp, if they are there; with `pip install misp-stix pymisp`; POLDER_BIN names the program)
Compared are sets of (type, value, to_ids) of the types that STIX has a word for, and of tags by their levels; types that STIX does not tell
apart count as one.

Rule: what is expected is read from MISP's JSON alone.
"""

import collections
import json
import logging
import sys
import warnings
from pathlib import Path

from cases_misp_trip import events
from harness import Failure
from node import Node, temporary
from stixfiles import data_dir

# Values in quotation marks, which are of no form that STIX has; a node leaves them custom objects.
_ODD = "escaped_values"
_ONE = {"ip-src": "ip-dst", "hostname": "domain", "uri": "url", "link": "url", "email-src": "email", "email-dst": "email"}
_KINDS = {"ip-src", "ip-dst", "domain", "hostname", "url", "uri", "link", "md5", "sha1", "sha256", "sha512", "filename", "mutex", "email", "email-src", "email-dst", "regkey", "AS", "mac-address"}


def _plain(kind, value, to_ids):
    value = value.strip()
    value = value.lower() if kind in ("md5", "sha1", "sha256", "sha512", "mac-address") else value.upper().removeprefix("AS") if kind == "AS" else value
    return _ONE.get(kind, kind), value.replace("-", ":") if kind == "mac-address" else value, bool(to_ids)


def _wanted(event):
    listed = (event.get("Attribute") or []) + [a for o in event.get("Object") or [] for a in o.get("Attribute") or []]
    for one in listed:
        if one.get("type") in _KINDS:
            yield _plain(one["type"], str(one["value"]), one.get("to_ids") in (True, 1, "1"))


def _read(bundle):
    import stix2
    from misp_stix_converter import ExternalSTIX2toMISPParser

    parser = ExternalSTIX2toMISPParser()
    parser.load_stix_bundle(stix2.parse(bundle, allow_custom=True))
    parser.parse_stix_bundle()
    found = set()
    for event in parser.misp_events if isinstance(parser.misp_events, list) else [parser.misp_events]:
        listed = list(event.attributes) + [a for o in event.objects for a in o.attributes]
        found |= {_plain(a.type, str(a.value), a.to_ids) for a in listed}
    return found


def main(folders):
    data = data_dir()
    if not folders and data is None:
        print("skipped: no folder ../shared/data and no POLDER_DATA")
        return 0
    folders = folders or [data.parent / "misp" / name for name in ("misp-stix-events", "misc", "eset-misp-events")]
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    counted, missing = collections.Counter(), collections.Counter()
    with temporary() as home:
        for n, path in enumerate(sorted(p for folder in folders for p in Path(folder).rglob("*.json") if _ODD not in p.name)):
            try:
                found = events(json.loads(path.read_text()))
            except ValueError:
                continue
            for event in found:
                node = Node(home, f"n{n}-{counted['events']}")
                counted["events"] += 1
                (home / "in.json").write_text(json.dumps({"Event": event}))
                node.importing(home / "in.json")
                try:
                    got = _read(json.loads(node("export", "--to", node.member).out))
                except Failure:
                    raise
                except Exception as error:  # misp-stix's own: it stops at some bundles of its own making too
                    counted["not read by misp-stix"] += 1
                    print(f"{path.name}: {type(error).__name__}: {error}"[:200])
                    continue
                wanted = set(_wanted(event))
                counted["wanted"] += len(wanted)
                counted["found"] += len(wanted & got)
                for kind, value, to_ids in wanted - got:
                    missing[kind] += 1
                    print(f"{path.name}: {kind} {value!r:.80} to_ids {to_ids} is not found")
    print(json.dumps({**counted, "missing": missing}))
    return 0 if counted["found"] == counted["wanted"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
