"""What a person at a terminal sees while a command works.

Rule: the terminal is a real pseudo-terminal; nothing is read from the program but what it drew there.
"""

import os
import pty
import subprocess

from harness import require
from node import binary, fresh
from objects import bundle_file, tool

_OBJECTS = 20_000


def _drawn(node, *words):
    """What a command draws on a terminal, with its exit code."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([binary(), "--dir", str(node.dir), *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs) as child:
        os.close(theirs)
        drawn = b""
        # Linux ends a pseudo-terminal whose other side is closed with an error.
        try:
            while part := os.read(ours, 65536):
                drawn += part
        except OSError:
            pass
        finally:
            os.close(ours)
        out = child.stdout.read()
        return child.wait(), drawn.decode("utf-8", "replace"), out.decode("utf-8", "replace")


def progress(report):
    """`import` says how far it is, whether the node is stopped or running, and not where a program reads."""
    with fresh() as stopped, fresh() as served:
        path = bundle_file(stopped.home, "many", [tool(f"number {n}") for n in range(_OBJECTS)])
        with served.serve():
            for name, node in (("stopped", stopped), ("running", served)):
                with report.case(f"terminal: import into a {name} node shows its progress"):
                    code, drawn, out = _drawn(node, "import", path)
                    require(code == 0 and f"{_OBJECTS} new" in out, f"{code}: {out[:300]}")
                    require(f" of {_OBJECTS} objects" in drawn, f"nothing of it in {drawn[:300]!r}")
                with report.case(f"terminal: import into a {name} node with --json draws nothing"):
                    code, drawn, out = _drawn(node, "import", path, "--json")
                    require(code == 0 and drawn == "" and out.count("\n") == 1, f"{code}: {drawn[:300]!r} {out[:300]!r}")
