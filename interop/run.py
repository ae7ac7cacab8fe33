#!/usr/bin/env python3
"""Drives the polder program with programs others wrote; one line per case, `N passed, N failed` at the end.

usage: run.py [--list] [WORDS]      only the groups whose name holds one of the words
POLDER_BIN names the program, POLDER_DATA the folder of public STIX files, POLDER_TOOLS the folder of outside tools.
Groups run two at a time; those that measure time run alone.
"""

import contextlib
import io
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

import cases_bad
import cases_clock
import cases_console
import cases_console_breaks
import cases_console_edges
import cases_console_lift
import cases_console_guard
import cases_console_sharing
import cases_console_since
import cases_demo
import cases_exit
import cases_files
import cases_kill
import cases_ledger
import cases_limits
import cases_misp
import cases_misp_beside
import cases_misp_feed
import cases_misp_leaks
import cases_misp_lost
import cases_misp_sync
import cases_misp_trip
import cases_misp_worlds
import cases_pymisp
import cases_pymisp_house
import cases_store
import cases_terminal
import cases_tls
import cases_worlds
import harness
import selftest
import stixfiles

BUDGET_S = 480


def groups():
    """(name, function, arguments, alone?) of everything there is to run here, and what cannot be run with the reason."""
    found = [
        ("self-test", selftest.selftest, (), False),
        ("demo", cases_demo.demo, (), True),
        ("bad objects", cases_bad.one_bad_object, (), False),
        ("bad files", cases_bad.broken_files, (), False),
        ("bad over TAXII", cases_bad.over_taxii, (), False),
        ("surroundings", cases_bad.surroundings, (), False),
        ("ledger", cases_ledger.equal_to_bytes, (), False),
        ("ledger at once", cases_ledger.at_once, (), False),
        ("clock future", cases_clock.from_the_future, (), False),
        ("clock behind", cases_clock.behind, (), False),
        ("https", cases_tls.https, (), False),
        ("terminal", cases_terminal.progress, (), False),
        ("limits of labels", cases_limits.labels, (), False),
        ("limits of types", cases_limits.types, (), False),
        ("exit codes", cases_exit.table, (), False),
        ("exit codes elsewhere", cases_exit.surroundings, (), False),
    ]
    found += [(f"export worlds {part + 1}", cases_worlds.export, (part,), False) for part in range(cases_worlds.PARTS)]
    found += [(f"kill {part + 1}", cases_kill.killed, (part,), False) for part in range(cases_kill.PARTS)]
    skipped = []
    data, tools = stixfiles.data_dir(), stixfiles.tools_dir()
    if data is None:
        skipped.append(("public STIX files", "no folder ../shared/data/stix and no POLDER_DATA"))
    else:
        files = stixfiles.corpus(data)
        path = dict(files)
        unit42 = [f for f in files if f[0].startswith("unit42/")]
        ics, disarm = path["attack/ics-attack-18.1"], path["disarm/DISARM"]
        # The largest first, so that the two workers end together.
        for name, place in sorted(files, key=lambda f: -f[1].stat().st_size):
            found.append((f"TAXII {name}", cases_files.by_taxii, (name, place), False))
            found.append((f"import {name}", cases_files.by_import, (name, place), False))
        found.append(("all in one", cases_store.all_in_one, (files,), False))
        found.append(("ally", cases_store.ally, (unit42, ics), False))
        found.append(("running node", cases_store.fed_while_serving, (disarm,), False))
        found.append(("pull", cases_store.pull, (disarm,), False))
        found.append(("damaged", cases_bad.damaged, (disarm,), False))
        found.append(("full disk", cases_bad.full_disk, ([("", disarm), *unit42],), False))
    for part in ("sessions", "worlds", "utility", "people", "hostile", "cut_out", "widening"):
        found.append((f"console {part}", getattr(cases_console, part), (), False))
    for part in ("downgrades", "over_taxii", "bindings", "exports", "approvals", "acts"):
        found.append((f"console guard {part}", getattr(cases_console_guard, part), (), False))
    for part in ("guards", "tightening", "persons", "forms", "acts"):
        found.append((f"console breaks {part}", getattr(cases_console_breaks, part), (), False))
    for part in ("not_now", "raising", "kept", "parts", "batches"):
        found.append((f"console edges {part}", getattr(cases_console_edges, part), (), False))
    for part in ("lifting", "by_two", "from_a_misp"):
        found.append((f"console lift {part}", getattr(cases_console_lift, part), (), False))
    for part in ("commits", "races", "recipients", "narrower", "guesses", "chains", "sources", "levels_of_two", "answers", "echoes", "hidden"):
        found.append((f"console since {part}", getattr(cases_console_since, part), (), False))
    for part in ("recall", "receipts", "wider", "forms", "lists", "beside", "live"):
        found.append((f"console sharing {part}", getattr(cases_console_sharing, part), (), False))
    found.append(("pymisp", cases_pymisp.calls, (), False))
    found.append(("pymisp house", cases_pymisp_house.house, (), False))
    found.append(("misp worlds", cases_misp_worlds.worlds, (), False))
    found.append(("misp leaks", cases_misp_leaks.leaks, (), False))
    found.append(("misp sent back", cases_misp_leaks.sent_back, (), False))
    found.append(("misp echo", cases_misp_leaks.echo, (), False))
    found.append(("misp hostile", cases_misp_worlds.hostile, (), False))
    found.append(("misp hostile server", cases_misp_sync.hostile, (), False))
    found.append(("misp feed, ours", cases_misp_feed.ours, (), False))
    found.append(("misp feed, theirs", cases_misp_feed.theirs, (), False))
    found.append(("misp library", cases_misp_beside.words, (), False))
    found.append(("misp clusters", cases_misp_beside.clusters, (), False))
    found.append(("misp beside", cases_misp_beside.beside, (), False))
    found.append(("misp withdrawn", cases_misp_beside.withdrawn, (), False))
    found.append(("misp lost", cases_misp_lost.lost, (), False))
    found.append(("misp unsaid", cases_misp_beside.unsaid, (), False))
    found.append(("misp left", cases_misp_beside.left, (), False))
    found.append(("misp rules", cases_misp_beside.rules, (), False))
    found.append(("misp long event", cases_misp_beside.long_event, (), False))
    found.append(("misp in step", cases_misp_sync.in_step, (), False))
    misp = data.parent / "misp" if data else None
    if misp is None or not misp.is_dir():
        skipped.append(("MISP events", "no folder ../shared/data/misp"))
    else:
        found.append(("misp audit", cases_misp.audit, (misp,), False))
        found.append(("misp recorded server", cases_misp_sync.recorded, (misp / "transcripts",), False))
        found.append(("misp recorded server, push", cases_misp_sync.recorded_push, (misp / "transcripts",), False))
        found.append(("misp recorded", cases_misp_worlds.recorded, (misp / "transcripts",), False))
        found.append(("misp round trip", cases_misp_trip.trip, (misp,), False))
    program = tools / "taxii" / "probe.py" if tools else None
    if program is None or not program.is_file():
        skipped.append(("probe", "no ../shared/tools/taxii/probe.py and no POLDER_TOOLS"))
    else:
        found.append(("probe", cases_store.probe, (str(program),), False))
    return found, skipped


def work(function, args):
    """Runs one group in a worker: its results and what it printed."""
    report, printed = harness.Report(), io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            function(report, *args)
        except harness.Skip as skip:
            report.results.append((function.__name__, "skip", str(skip), 0.0))
        except Exception as error:  # outside of any case: the set-up of the group failed
            report.results.append((f"{function.__name__} {args[:1]}", "FAIL", f"{type(error).__name__}: {error}", 0.0))
    return report.results, printed.getvalue()


def show(outcome, totals):
    results, printed = outcome
    for result in results:
        print(harness.line(result), flush=True)
        totals[result[1]] = totals.get(result[1], 0) + 1
    if printed:
        print(printed, end="", flush=True)


def main(argv):
    start = time.monotonic()
    found, skipped = groups()
    words = [a for a in argv if not a.startswith("--")]
    if words:
        found = [g for g in found if any(w in g[0] for w in words)]
        skipped = [s for s in skipped if any(w in s[0] for w in words)]
    if "--list" in argv:
        print("\n".join(g[0] for g in found))
        return 0
    totals = {"ok": 0, "FAIL": 0, "skip": 0, "dev": 0}
    for name, reason in skipped:
        show(([(name, "skip", reason, 0.0)], ""), totals)
    for _, function, args, alone in found:
        if alone:
            show(work(function, args), totals)
    jobs = int(os.environ.get("POLDER_INTEROP_JOBS", "2"))
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        running = [pool.submit(work, function, args) for _, function, args, alone in found if not alone]
        for future in as_completed(running):
            show(future.result(), totals)
    took = time.monotonic() - start
    print(f"interop took {took:.0f} s of its budget of {BUDGET_S} s" + (": TOO SLOW" if took > BUDGET_S else ""), flush=True)
    tail = f", {totals['skip']} skipped" if totals["skip"] else ""
    tail += f", {totals['dev']} known deviations" if totals["dev"] else ""
    print(f"{totals['ok']} passed, {totals['FAIL']} failed{tail}", flush=True)
    return 1 if totals["FAIL"] or not totals["ok"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
