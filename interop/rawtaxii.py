"""A raw TAXII 2.1 reader and writer that keeps the bytes, written apart from any client library.

Rule: it follows `next` exactly as the server gives it and repeats the same query.
"""

import base64
import http.client
import json
import time
from urllib.parse import quote, urlsplit

from harness import Failure, require
from stixfiles import envelope, batches, split

MEDIA = "application/taxii+json;version=2.1"


class Raw:
    """One keep-alive connection to one API root with one login."""

    def __init__(self, api_root, user=None, password=None, token=None, timeout=120):
        at = urlsplit(api_root)
        require(at.scheme == "http", f"`{api_root}` is not plain http, as `serve --plain-http` was asked for")
        self.root = at.path if at.path.endswith("/") else at.path + "/"
        self.netloc, self.timeout = at.netloc, timeout
        self.link = http.client.HTTPConnection(at.netloc, timeout=timeout)
        self.headers = {"Accept": MEDIA}
        if token is not None:
            self.headers["Authorization"] = f"Bearer {token}"
        elif user is not None:
            self.headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def call(self, method, path, body=None, headers=None):
        """(status, headers, bytes) of a path below the API root."""
        sent = {**self.headers, **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", MEDIA)
        for last in (False, True):
            try:
                self.link.request(method, self.root + path, body=body, headers=sent)
                answer = self.link.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # An idle connection may have been closed under us; once is normal, twice is a fault.
                self.link.close()
                if last:
                    raise
        raise AssertionError("unreachable")

    def get(self, path):
        status, headers, body = self.call("GET", path)
        require(status == 200, f"GET {path} answered {status}: {body[:300]!r}")
        return headers, body

    def post(self, collection, body):
        """Adds objects; the final status resource."""
        status, _, answer = self.call("POST", f"collections/{collection}/objects/", body)
        require(status == 202, f"POST of {len(body)} bytes answered {status}: {answer[:300]!r}")
        value = json.loads(answer)
        deadline = time.monotonic() + 60
        while value["status"] != "complete":
            require(time.monotonic() < deadline, f"status {value['id']} stayed {value['status']}")
            time.sleep(0.02)
            value = json.loads(self.get(f"status/{value['id']}/")[1])
        return value

    def post_all(self, collection, items, size=500):
        """Adds the items in batches; the sum of the failures."""
        failures = []
        for batch in batches(items, size):
            value = self.post(collection, envelope(batch))
            total = value["success_count"] + value["failure_count"] + value.get("pending_count", 0)
            require(total == len(batch), f"a status counts {total} of {len(batch)} objects")
            failures.extend(value.get("failures", []))
        return failures

    def pages(self, collection, limit=1000, query="match[version]=all"):
        """The items of each page of the collection's objects."""
        base = f"collections/{collection}/objects/?limit={limit}" + (f"&{query}" if query else "")
        path, seen = base, set()
        while True:
            headers, body = self.get(path)
            text = body.decode("utf-8")
            items = split(text)
            if items:
                for name in ("X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"):
                    require(headers.get(name), f"a page with objects has no {name}")
            yield items
            outer = _outer(text)
            if not outer.get("more"):
                return
            cursor = outer.get("next")
            require(cursor, "a page says `more` and gives no `next`")
            # A server may keep one cursor for a whole read, but the same cursor and the same page is a loop.
            mark = cursor, items[0].key if items else None
            require(mark not in seen, "the server gave the same page and `next` twice: a reader would loop")
            seen.add(mark)
            path = f"{base}&next={quote(cursor, safe='')}"

    def objects(self, collection, limit=1000, query="match[version]=all"):
        return [item for page in self.pages(collection, limit, query) for item in page]

    def close(self):
        self.link.close()


def _outer(text):
    value = json.loads(text)
    if not isinstance(value, dict):
        raise Failure(f"not an envelope: {text[:100]!r}")
    value.pop("objects", None)
    return value
