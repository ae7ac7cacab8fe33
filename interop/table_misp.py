#!/usr/bin/env python3
"""How much of a folder of MISP's events leaves, to whom: a table in Markdown.

usage: table_misp.py FOLDER...   (POLDER_BIN names the program)
Each document goes into a node of its own as the holder's, and every object of it is asked about for a member, a client outside the alliance and the public.

Rule: the figures are the node's answers to `release summary`, added up.
"""

import collections
import json
import shutil
import sys
from pathlib import Path

from cases_misp_trip import _documents, events
from node import Node, temporary

_READERS = (("a member's MISP", "bravo"), ("a client of the holder", "charlie"), ("anybody", "public"))


def main(folders):
    rows = []
    with temporary() as home:
        empty = Node(home)
        empty("member", "add", "bravo")
        empty("member", "add", "charlie", "--client-of", "alfa", "--outside")
        for name in ("bravo", "charlie"):
            empty("recipient", "add", name, "--kind", "partner-system", "--organisation", name)
        empty("recipient", "add", "public", "--kind", "public")
        for folder in map(Path, folders):
            counted = {reader: collections.Counter() for _, reader in _READERS}
            held = 0
            for _, document in _documents(folder):
                found = events(document)
                if not found:
                    continue
                node = Node.__new__(Node)
                node.dir = home / "one"
                shutil.rmtree(node.dir, ignore_errors=True)
                shutil.copytree(empty.dir, node.dir)
                (home / "in.json").write_text(json.dumps(document))
                node.importing(home / "in.json", ok=(0, 5))
                held += len(found)
                for _, reader in _READERS:
                    counted[reader].update(node("release", "summary", "--to", reader, "--json").json()["verdicts"])
            for shown, reader in _READERS:
                total = sum(counted[reader].values()) or 1
                shares = [f"{100 * counted[reader][v] / total:.1f} %" for v in ("release", "redact", "withhold", "hold")]
                rows.append(f"| {folder.name} ({held} events, {total} objects) | {shown} | {' | '.join(shares)} |")
    print("| events | reader | released | redacted | withheld | held |\n|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
