"""Two worlds at the command `export`: two nodes that differ only in work hidden from the reader give it the same bytes.

Rule: what is hidden and what is owed follows from how an object was made, never from what a node says.
"""

import contextlib
import random
import re

from harness import require
from node import fresh, run
from objects import an_id, bundle_file, text

_READER = "bravo"
# How the owner marks what the reader gets, and what it never does; `None` is unmarked.
_VISIBLE, _HIDDEN = ("clear", "green", "white-1", "green-1"), ("red", "amber+strict", "amber", "red-1", "amber-1", None)
_TYPES = ("tool", "malware", "campaign", "attack-pattern")
_UNREADABLE = "marking-definition--4f0f6f0e-5a4e-4c36-8d5c-1d2a1c0d7e01"
PAIRS, PARTS = 12, 4


class _Script:
    """One script, written once: steps that both worlds do, and between them steps that only the second one does."""

    def __init__(self, seed):
        self.random = random.Random(f"export {seed}")
        self.made, self.owed, self.hidden = 0, {}, []
        self.steps = [self._arrive()]
        for _ in range(self.random.randrange(4, 8)):
            self.steps.append((True, self._unseen()))
            self.steps.append(self.random.choice((self._arrive, self._raise, self._arrive, self._poll))())
        self.steps += [(True, self._unseen()), self._poll()]

    def _object(self, tlp, **more):
        self.made += 1
        kind = self.random.choice(_TYPES)
        if kind == "malware":
            more["is_family"] = False
        label = f"object {self.made} of the script"
        return an_id(kind, label), text(kind, label, tlp, **more)

    def _arrive(self):
        made = [self._object(self.random.choice(_VISIBLE)) for _ in range(self.random.randrange(1, 6))]
        self.owed.update(made)
        return False, ("take", [raw for _, raw in made], ("--own",))

    def _raise(self):
        if not self.owed:
            return self._poll()
        one = self.random.choice(sorted(self.owed))
        del self.owed[one]
        return False, ("run", "object", "mark", one, "--tlp", self.random.choice(("red", "amber")))

    def _poll(self):
        return False, ("poll", dict(self.owed))

    def _unseen(self):
        """Work that the reader must not notice."""
        draw = self.random.randrange(6)
        if draw == 0 and self.hidden:
            return ("run", "object", "mark", self.random.choice(self.hidden), "--tlp", "red")
        if draw == 1:
            return ("run", "standing", "add", f"rule{self.made}", "--level", "amber", "--recipient", "charlie")
        if draw == 2 and self.hidden:
            return ("run", "release", "approve", self.random.choice(self.hidden), "--to", "charlie")
        if draw == 3:
            return ("run", "recipient", self.random.choice(("suspend", "resume")), "charlie")
        if draw == 4:
            _, raw = self._object(None)
            return ("take", [raw], ("--source", "feed"))
        made = [self._object(self.random.choice(_HIDDEN)) for _ in range(self.random.randrange(1, 4))]
        if self.random.random() < 0.4:
            made.append(self._object(None, marking=_UNREADABLE))
        self.hidden += [one for one, _ in made]
        return ("take", [raw for _, raw in made], ("--own",))


def _world(node, script, more):
    """Runs the script, with the hidden steps if `more`; each export, with what was owed then."""
    exports = []
    node("member", "add", _READER, "--kind", "nation")
    node("member", "add", "charlie", "--kind", "nation")
    node("recipient", "add", _READER, "--organisation", _READER)
    node("recipient", "add", "charlie", "--organisation", "charlie")
    node("source", "add", "feed", "--kind", "feed")
    for n, (only_more, step) in enumerate(script.steps):
        if only_more and not more:
            continue
        what, *rest = step
        if what == "take":
            node.importing(bundle_file(node.home, f"step{n}", rest[0]), *rest[1])
        elif what == "run":
            # Approving what no longer waits is a negative answer.
            node(*rest, ok=(0, 1))
        else:
            done = run("--dir", node.dir, "export", "--to", _READER)
            told = done.err.decode().replace(str(node.home), "HOME")
            exports.append((done.code, _steady(done.out.decode()), told, rest[0]))
    return exports


def _steady(out):
    """Without what is new in every export and in every run of a script: the bundle's id, and the time of `object mark`."""
    out = re.sub(r'"id":"bundle--[0-9a-f-]{36}"', '"id":"BUNDLE"', out, count=1)
    return re.sub(r'("modified" ?: ?)"20(?!24-01-0)[^"]*"', r'\1"NOW"', out)


def export(report, part):
    """`PAIRS` scripts in `PARTS` parts, every second pair on running nodes."""
    for seed in range(part, PAIRS, PARTS):
        with report.case(f"two worlds: `export` of script {seed} differs by nothing, and all that is owed is in it"):
            script = _Script(seed)
            with fresh() as less, fresh() as more, contextlib.ExitStack() as running:
                if seed % 2:
                    running.enter_context(less.serve())
                    running.enter_context(more.serve())
                first, second = _world(less, script, False), _world(more, script, True)
            require(first and script.hidden, "the script tries nothing")
            for n, (one, other) in enumerate(zip(first, second, strict=True)):
                require(one == other, f"export {n} differs: {_difference(one, other)}")
                missing = [i for i, raw in one[3].items() if raw not in one[1]]
                require(not missing, f"export {n} lacks {missing[:3]}")


def _difference(one, other):
    parts = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    lines = {str(a) for a, _ in parts} ^ {str(b) for _, b in parts}
    return str(sorted(lines))[:400]
