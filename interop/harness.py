"""Cases and their verdicts.

Rule: a case that could not be tried says so as skipped with its reason; it never counts as passed. One that fails and is listed in
`known.py` is a deviation: it is printed and counted apart, and neither passes nor fails the run.
"""

import contextlib
import time
import traceback

from known import KNOWN


class Failure(Exception):
    """The product did not do what the case expects."""


class Skip(Exception):
    """The case cannot be tried here; the text says why."""


def require(condition, text):
    if not condition:
        raise Failure(text)


class Report:
    """Collects one line per case."""

    def __init__(self):
        self.results = []

    @contextlib.contextmanager
    def case(self, name):
        start = time.monotonic()
        verdict, reason = "ok", ""
        try:
            yield
        except Skip as skip:
            verdict, reason = "skip", str(skip)
        except (Failure, AssertionError) as failure:
            verdict, reason = "FAIL", str(failure)
        except Exception as error:  # a client that chokes on our answers is a failed case, not a crash of the runner
            last = traceback.extract_tb(error.__traceback__)[-1]
            verdict, reason = "FAIL", f"{type(error).__name__}: {error} ({last.name}, line {last.lineno})"
        if verdict == "FAIL" and name in KNOWN:
            verdict, reason = "dev", f"{KNOWN[name]}; {reason}"
        elif verdict == "ok" and name in KNOWN:
            reason = "no longer deviates: take it out of known.py"
        self.results.append((name, verdict, reason, time.monotonic() - start))

    @property
    def all_ok(self):
        return all(verdict != "FAIL" for _, verdict, _, _ in self.results)


def line(result):
    name, verdict, reason, seconds = result
    flat = " ".join(reason.split())
    return f"{verdict:<4} {name} ({seconds:.1f} s)" + (f": {flat[:900]}" if flat else "")
