"""A real polder node in a temporary directory: its command line and its server.

Rule: what a case starts, it stops, by its own process id.
"""

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from harness import Failure, require

PASSWORD = "correct-horse-battery-staple-42"


def binary():
    named = os.environ.get("POLDER_BIN")
    if not named:
        raise Failure("POLDER_BIN does not name the polder program; `cargo xtask test` sets it")
    return named


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Result:
    """What a command answered."""

    def __init__(self, args, code, out, err, seconds):
        self.args_shown = " ".join(args)
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    @property
    def text(self):
        return self.out.decode("utf-8", "replace") + self.err.decode("utf-8", "replace")

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise Failure(f"`{self.args_shown}` did not print JSON ({error}): {self.text[:300]!r}") from error

    def brief(self):
        return f"`polder {self.args_shown}` ended with {self.code}: {self.text.strip()[:400]}"


def run(*args, stdin=None, timeout=120, cwd=None):
    """Runs the program to its end."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("POLDER_") or k == "POLDER_BIN"}
    start = time.monotonic()
    try:
        done = subprocess.run(
            [binary(), *map(str, args)], input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, env=env, cwd=cwd, check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(f"`polder {' '.join(map(str, args))}` did not end within {timeout} s") from error
    return Result([str(a) for a in args], done.returncode, done.stdout, done.stderr, time.monotonic() - start)


class Process:
    """A polder process in the foreground that prints one line of JSON when it is ready."""

    def __init__(self, args, ready_within=30):
        env = {k: v for k, v in os.environ.items() if not k.startswith("POLDER_") or k == "POLDER_BIN"}
        self.args = args
        self.log = tempfile.TemporaryFile()
        start = time.monotonic()
        self.child = subprocess.Popen(
            [binary(), *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=env,
        )
        lines = queue.Queue()
        threading.Thread(target=self._pump, args=(lines,), daemon=True).start()
        deadline = start + ready_within
        self.ready = None
        while self.ready is None:
            try:
                text = lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                self.stop()
                raise Failure(f"`polder {self._shown()}` was not ready within {ready_within} s: {self.errors()}") from None
            if text is None:
                self.child.wait()
                raise Failure(f"`polder {self._shown()}` ended with {self.child.returncode}: {self.errors()}")
            with contextlib.suppress(ValueError):
                value = json.loads(text)
                self.ready = value if isinstance(value, dict) else None
        self.ready_s = time.monotonic() - start

    def _pump(self, lines):
        for text in self.child.stdout:
            lines.put(text)
        lines.put(None)

    def _shown(self):
        return " ".join(map(str, self.args))

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace").strip()[-400:]

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Node:
    """A node directory of one member, with its owner's login."""

    def __init__(self, home, member="alfa", name="Alfa CSIRT", uuid=None):
        self.dir = Path(home) / member
        self.member = member
        self.home = Path(home)
        self.port = free_port()
        password_file = self.secret("owner", PASSWORD)
        made = run(
            "init", "--dir", self.dir, "--member", member, "--name", name, "--taxii-port", self.port,
            "--password-file", password_file, "--json", *(("--uuid", uuid) if uuid else ()),
        )
        require(made.code == 0, made.brief())
        facts = made.json()
        self.user = facts["user"]
        self.password = facts.get("password") or PASSWORD
        self.token = facts.get("token")
        self.collection = facts["collection"]

    def secret(self, name, text):
        path = self.home / f"{self.member}-{name}.password"
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path

    def __call__(self, *args, stdin=None, timeout=120, ok=(0,)):
        done = run("--dir", self.dir, *args, stdin=stdin, timeout=timeout)
        require(ok is None or done.code in ok, done.brief())
        return done

    def importing(self, path, *how, ok=(0,), timeout=240):
        """Imports a file; the JSON report, whatever the verdict."""
        done = self("import", path, *(how or ("--own",)), "--json", ok=ok, timeout=timeout)
        report = done.json()
        for name in ("new", "known", "variant", "conflict", "refused"):
            require(name in report, f"the import report has no `{name}`: {done.out[:300]!r}")
        return report

    def export(self, to):
        from stixfiles import split

        done = self("export", "--to", to, ok=(0, 1), timeout=240)
        if done.code == 1 and not done.out.strip():
            return []
        return split(done.out.decode("utf-8"))

    def serve(self):
        return Process(["--dir", self.dir, "serve", "--plain-http", "--json"])


@contextlib.contextmanager
def temporary():
    """A directory of its own for a case."""
    home = tempfile.mkdtemp(prefix="polder-interop-")
    try:
        yield Path(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def fresh(member="alfa", name="Alfa CSIRT"):
    """An empty node."""
    with temporary() as home:
        yield Node(home, member, name)
