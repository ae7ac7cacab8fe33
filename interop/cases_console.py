"""The console over HTTP: who comes in, what each role may do, what each reader sees, in two worlds, and objects that want to be more than text.

Rule: both worlds are copies of one node, and every page is asked for by every role in both; what is permitted is looked for by name.
"""

import html
import json
import re
import shutil
from datetime import datetime, timezone

import requests

from cases_pymisp import BRAVO, same
from harness import require
from node import PASSWORD, Node, Process, temporary
from objects import TLP, V1, V2, an_id, bundle_file, text

CHARLIE = "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e03"
ROLES = ("analyst", "release-officer", "auditor", "reader")
_AUDIENCE = "extension-definition--6f2b0c1e-6f0f-4a53-9d5c-7f9be2b1f0a1"


def marking(label, **audience):
    """A marking-definition that names who may have something."""
    return json.dumps({"type": "marking-definition", "spec_version": "2.1", "id": an_id("marking-definition", label), "created": V1,
                       "object_marking_refs": [TLP["clear"]], "extensions": {_AUDIENCE: {"extension_type": "property-extension", "audience": audience}}})


class Browser:
    """Somebody at a browser without scripts."""

    def __init__(self, served):
        self.base = served.ready["console"].rstrip("/")
        self.http = requests.Session()
        self.http.headers["Sec-Fetch-Site"] = "same-origin"

    def login(self, user, password):
        return self.http.post(self.base + "/login", data={"user": user, "password": password}, allow_redirects=False, timeout=30)

    def get(self, path, **more):
        return self.http.get(self.base + path, timeout=60, allow_redirects=False, **more)

    def token(self):
        return re.search(r'name="form_token" value="([0-9a-f]+)"', self.get("/styleguide").text).group(1)

    def post(self, path, files=None, **data):
        return self.http.post(self.base + path, data={"form_token": self.token(), **data}, files=files, timeout=60, allow_redirects=False)


def settle(browser, held, to, answer):
    """Answers as the queue's page does: about the copies that it showed."""
    forms = re.findall(r"<form class=.answers.*?</form>", browser.get("/queue").text, re.S)
    mine = [f for f in forms if f'name="id" value="{held}"' in f and f'name="to" value="{to}"' in f]
    seen = re.findall(r'name="seen" value="([^"]*)"', mine[0]) if mine else ["nothing"]
    return browser.post("/queue", id=held, to=to, answer=answer, seen=seen)


def words(page):
    """What a page says, without its markup."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)))


def _house(home):
    node = Node(home)
    node("member", "add", "bravo", "--uuid", BRAVO, "--name", "Bravo CSIRT")
    node("member", "add", "charlie", "--uuid", CHARLIE)
    logins = {"owner": PASSWORD}
    for member in ("bravo", "charlie"):
        logins[member] = node("recipient", "add", member, "--organisation", member, "--json").json()["password"]
    for role in ROLES:
        logins[role] = node("user", "add", role, "--role", role, "--json").json()["password"]
    return node, logins


def _in(served, logins, user):
    browser = Browser(served)
    require(browser.login(user, logins[user]).status_code == 303, f"{user} cannot log in")
    return browser


def sessions(report):
    """Coming in, staying in, and being put out."""
    with temporary() as home:
        node, logins = _house(home)
        node.importing(bundle_file(home, "some", [text("tool", "seen", "green")]))
        with node.serve() as served:
            with report.case("console: a wrong name and a wrong password are one answer"):
                stranger = Browser(served)
                wrong, unknown = stranger.login("analyst", "no"), stranger.login("nobody", "no")
                same((wrong.status_code, unknown.status_code), (401, 401), "status")
                same(re.sub("analyst", "nobody", wrong.text), unknown.text, "the page")
                require("Set-Cookie" not in wrong.headers, "a cookie for nobody")
            with report.case("console: nobody sees a page without a login, and comes back to the page asked for"):
                for path in ("/objects", "/queue", "/board", "/ledger", "/acts", "/styleguide", "/matrix", f"/objects/{an_id('tool', 'seen')}"):
                    answer = Browser(served).get(path)
                    require(answer.status_code == 303 and answer.headers["Location"].startswith("/console/login"), f"{path}: {answer.status_code}")
                browser = Browser(served)
                answer = browser.http.post(browser.base + "/login", data={"user": "owner", "password": PASSWORD, "next": "/console/board"}, allow_redirects=False, timeout=30)
                same(answer.headers["Location"], "/console/board", "where the login leads")
                answer = browser.http.post(browser.base + "/login", data={"user": "owner", "password": PASSWORD, "next": "https://far.example/"}, allow_redirects=False, timeout=30)
                same(answer.headers["Location"], "/console/objects", "not elsewhere")
            with report.case("console: the cookie is for this console alone, and every answer forbids what pages do not need"):
                browser = Browser(served)
                cookie = browser.login("owner", PASSWORD).headers["Set-Cookie"]
                require(all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/console")), cookie)
                for path in ("/objects", "/nowhere", "/login", "/assets/none"):
                    head = browser.get(path).headers
                    policy = head["Content-Security-Policy"]
                    require("default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy, policy)
                    same((head["X-Content-Type-Options"], head["Referrer-Policy"], head["Cache-Control"]), ("nosniff", "no-referrer", "no-store"), path)
            with report.case("console: a form that did not come from a page of the session changes nothing"):
                browser = _in(served, logins, "owner")
                for data, site in (({}, "same-origin"), ({"form_token": "0" * 64}, "same-origin"), ({"form_token": browser.token()}, "cross-site")):
                    answer = browser.http.post(browser.base + "/board/bravo/suspend", data=data, headers={"Sec-Fetch-Site": site}, allow_redirects=False, timeout=30)
                    require(answer.status_code == 422 and "form" in words(answer), f"{data} {site}: {answer.status_code}")
                other = _in(served, logins, "analyst")
                answer = browser.http.post(browser.base + "/board/bravo/suspend", data={"form_token": other.token()}, allow_redirects=False, timeout=30)
                same(answer.status_code, 422, "another session's form")
                require("suspended: yes" not in node("recipient", "list").text and not any(r.get("suspended") for r in node("recipient", "list", "--json").json()["recipients"]), "suspended")
            with report.case("console: a session ends with a log-out, a new password, another role's rights, a removed login, a suspended recipient"):
                browser = _in(served, logins, "analyst")
                same(browser.get("/objects").status_code, 200, "before")
                browser.post("/../console/logout")
                browser.http.post(browser.base + "/logout", timeout=30)
                same(browser.get("/objects").status_code, 303, "logged out")
                browser = _in(served, logins, "reader")
                fresh = node("user", "password", "reader", "--json").json()["password"]
                same(browser.get("/objects").status_code, 303, "another password")
                require(browser.login("reader", logins["reader"]).status_code == 401, "the old password")
                require(browser.login("reader", fresh).status_code == 303, "the new one")
                same(browser.get("/ledger").status_code, 403, "a reader's ledger")
                node("user", "role", "reader", "auditor")
                same(browser.get("/ledger").status_code, 200, "an auditor's")
                node("user", "remove", "reader")
                same(browser.get("/objects").status_code, 303, "removed")
                browser = _in(served, logins, "bravo")
                require("seen" in words(browser.get("/objects")), "what bravo may have")
                node("recipient", "suspend", "bravo")
                same((browser.get("/objects").status_code, browser.login("bravo", logins["bravo"]).status_code), (303, 401), "suspended")
                node("recipient", "resume", "bravo")
            with report.case("console: a node keeps an owner, and others' people only read"):
                for command in (("user", "remove", "owner"), ("user", "role", "owner", "reader"), ("user", "add", "eve", "--recipient", "bravo", "--role", "owner")):
                    node(*command, ok=(1,))
                node("user", "add", "eve", "--role", "king", ok=(2,))
                node("user", "role", "bravo", "analyst", ok=(1,))
                listed = {u["user"]: u["rights"] for u in node("user", "list", "--json").json()["users"]}
                same((listed["bravo"], "administer" in listed["owner"], "release" in listed["analyst"]), (["read"], True, False), "rights")
            with report.case("console: who audits or releases sends nothing, over TAXII either"):
                added = node("user", "add", "second-auditor", "--role", "auditor", "--json").json()
                body = {"objects": [json.loads(text("tool", "posted", "green"))]}
                url = served.ready["api_root"] + f"collections/{served.ready['collection']}/objects/"
                head = {"Accept": "application/taxii+json;version=2.1", "Content-Type": "application/taxii+json;version=2.1"}
                answer = requests.post(url, json=body, headers={**head, "Authorization": f"Bearer {added['token']}"}, timeout=30)
                require(answer.status_code == 403, f"an auditor posted: {answer.status_code}")
                answer = requests.post(url, json=body, headers={**head, "Authorization": f"Bearer {node.token}"}, timeout=30)
                require(answer.status_code == 202, f"the owner could not: {answer.status_code}")


def _paths(seen, hidden):
    """Every page, of what is seen and of what is hidden, by each way there is to ask for it."""
    yield from ("", "/", "/objects", "/objects?q=hidden", "/objects?q=secret", "/objects?type=malware", "/objects?type=x-hidden", "/objects?col=author&col=labels&q=seen")
    yield from ("/objects?since=2000-01-01", "/objects?until=2000-01-01", "/objects?before=2100-01-01T00:00:00Z", "/objects?since=nonsense")
    for one in (*seen, *hidden):
        yield from (f"/objects/{one}", f"/objects/{one}?from=1", f"/objects/{one}/raw", f"/objects/{one}/mark", f"/objects/{one}/mark?level=red", f"/objects/{one}/edit")
        yield from (f"/objects/{one}/graph", f"/objects/{one}/graph?hops=3&most=2", f"/objects/{one}/graph?hops=2&as=svg", f"/matrix?of={one}", f"/mark?id={one}&level=red")
        yield f"/objects/{one}?version={V1}"
        yield from (f"/recall?id={one}", f"/objects/{one}/widen", f"/objects/{one}/widen?level=clear", f"/objects/{one}/widen?level=&for=members:charlie", f"/new?kind=note&about={one}")
        yield from (f"/objects/{one}/edit?as=json", f"/objects/{one}/lift", f"/objects/{one}/lift?left=green")
    yield from ("/pick?q=hidden", "/pick?q=secret&types=malware", "/pick?q=seen", f"/recall?id={seen[0]}&id={hidden[0]}")
    yield f"/mark?id={seen[0]}&id={hidden[0]}&level=amber%2Bstrict"
    yield from ("/matrix", "/matrix?as=layer", "/matrix?as=layer&domain=ics-attack", "/matrix?as=svg", "/queue", "/board", "/policy", "/ledger", "/acts", "/acts?from=1", "/new", "/new?kind=report", "/import", "/styleguide")
    for recipient in ("alfa", "bravo", "charlie", "nobody"):
        yield from (f"/board/{recipient}", f"/ledger?recipient={recipient}", f"/ledger?recipient={recipient}&from=1")


def _forms(hidden):
    """Every form that names what is hidden."""
    for one in hidden:
        yield ("/mark", {"id": one, "level": "red"})
        yield ("/queue", {"id": one, "to": "bravo", "answer": "approve"})
        yield ("/queue", {"id": one, "to": "bravo", "answer": "refuse"})
    yield ("/queue", {"id": hidden[0], "to": "nobody", "answer": "perhaps"})
    yield ("/draft/check", {"kind": "indicator", "name": "", "pattern": "[domain-name:value = 'hidden.example']", "level": "green"})
    for one in hidden:
        yield ("/new", {"kind": "report", "name": "about it", "object_refs": one, "level": "green"})
        yield ("/draft/check", {"kind": "note", "content": "about it", "object_refs": one, "level": "green"})
        yield ("/draft/check", {"kind": "relationship", "source_ref": one, "relationship_type": "uses", "target_ref": one, "level": "green"})
    # The hidden object itself, another of its id and version, an older and a newer one, in its source and in others.
    for label, tlp in (("hidden of bravo", "green"), ("hidden red", "red"), ("hidden red", "clear"), ("seen feed", "red")):
        for modified in (V1, V2, "2000-01-01T00:00:00.000Z"):
            for source in ("import", "own", ""):
                raw = text("malware", label, tlp, modified=modified, is_family=False, description="secret word")
                yield ("/draft/check", {"json": raw.replace(V1, modified) if modified < V1 else raw, "source": source})
    # An object with the id and version of a hidden one, in another source.
    yield ("/draft/check", {"json": text("malware", "hidden of bravo", "green"), "source": "import"})
    yield ("/draft", {"json": text("malware", "hidden of bravo", "green"), "source": "import"})
    for one in hidden:
        yield ("/recall", {"id": one})
        yield ("/recall/push", {"id": one, "misp": "none"})
        for answer in ("yes", "no"):
            yield (f"/objects/{one}/widen", {"level": "clear", "seen": "", "answer": answer})
            yield (f"/objects/{one}/lift", {"left": "", "seen": "", "answer": answer})
        yield ("/draft/check", {"kind": "malware", "of": one, "version": V1, "name": "mine now", "level": "green"})
    yield ("/board/nobody/suspend", {})
    yield ("/export", {"id": hidden})
    yield ("/export", {"id": hidden, "to": "bravo"})
    yield ("/export", {"id": hidden + [an_id("malware", "seen green"), an_id("report", "seen report")], "to": "bravo"})
    # What is seen, of which another has a copy and a version that are hidden.
    yield ("/export", {"id": [an_id("malware", "seen green"), an_id("report", "seen report")], "to": "charlie", "sure": "yes"})
    yield ("/export", {"id": [an_id("malware", "seen green"), an_id("report", "seen report")]})
    yield ("/draft/check", {"kind": "malware", "of": an_id("malware", "seen green"), "version": V1, "name": "mine now", "level": "clear"})


def _plain(answer):
    """A page without what belongs to its session and to the moment."""
    page = re.sub(r'name="form_token" value="[0-9a-f]+"', "", answer.text)
    page = re.sub(r'name="draft" value="[0-9a-f]+"', "", page)
    # What a form would make anew each time.
    page = re.sub(r"&quot;modified&quot;: &quot;[^&]*&quot;", "", page)
    # What each world did while it was asked, it did at its own moment.
    page = re.sub(r'<time datetime="([^"]+)"[^>]*>[^<]*</time>', lambda m: m.group(0) if m.group(1) < _BEGAN[0] else "TIME", page)
    page = re.sub(r"(indicator|report|marking-definition|bundle)--[0-9a-f-]{36}(?=[^0-9a-f-])", lambda m: m.group(0) if m.group(0) in _KEPT else "ID", page)
    heads = {k: v for k, v in answer.headers.items() if k.lower() not in ("date", "content-length", "set-cookie")}
    return answer.status_code, sorted(heads.items()), page


_KEPT = set()
_BEGAN = ["9999"]


def _serve(node):
    """Copies of one node have one port in their settings."""
    return Process(["--dir", node.dir, "serve", "--plain-http", "--json", "--listen", "127.0.0.1:0"])


def worlds(report):
    """A world with work that is hidden from each reader, and one without."""
    with temporary() as home:
        base, logins = _house(home)
        base("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        seen = [an_id("malware", "seen green"), an_id("report", "seen report"), an_id("attack-pattern", "seen technique")]
        phases = [{"kill_chain_name": "mitre-attack", "phase_name": "impact"}]
        visible = [
            text("malware", "seen green", "green", is_family=False),
            text("attack-pattern", "seen technique", "green", kill_chain_phases=phases, external_references=[{"source_name": "mitre-attack", "external_id": "T1486"}]),
            text("relationship", "seen uses", "green", relationship_type="uses", source_ref=seen[0], target_ref=seen[2]),
            text("report", "seen report", "green", published=V1, object_refs=[seen[0], seen[2]]),
        ]
        base.importing(bundle_file(home, "visible", visible))
        # A feed's, of which an older and stricter version will come that alfa may not have.
        base.importing(bundle_file(home, "visible-feed", [text("malware", "seen feed", "green", modified=V2, is_family=False)]), "--source", "import")
        seen.append(an_id("malware", "seen feed"))
        _KEPT.update(seen)
        # Hidden from bravo and charlie: for alfa alone. Hidden from alfa: bravo's, for charlie; and what a feed says is RED.
        alone, for_charlie = marking("alone", members=["alfa"]), marking("for charlie", members=["charlie"])
        own = [alone] + [
            text("malware", "hidden own", None, marking=an_id("marking-definition", "alone"), is_family=False, description="secret word"),
            text("relationship", "hidden uses", None, marking=an_id("marking-definition", "alone"), relationship_type="uses", source_ref=an_id("malware", "hidden own"), target_ref=seen[2]),
            text("x-hidden", "hidden type", None, marking=an_id("marking-definition", "alone")),
        ]
        theirs = [for_charlie] + [
            text("malware", "hidden of bravo", None, marking=an_id("marking-definition", "for charlie"), is_family=False, description="secret word"),
            text("relationship", "hidden uses of bravo", None, marking=an_id("marking-definition", "for charlie"), relationship_type="uses", source_ref=an_id("malware", "hidden of bravo"), target_ref=seen[2]),
        ]
        # Another copy of what alfa sees, and a version of it, that are not for alfa.
        theirs += [text("malware", "seen green", None, marking=an_id("marking-definition", "for charlie"), is_family=False, description="secret word"),
                   text("report", "seen report", None, marking=an_id("marking-definition", "for charlie"), modified=V2, published=V1, object_refs=[seen[0]], description="secret word")]
        feed = [text("malware", "hidden red", "red", is_family=False, description="secret word"), text("malware", "seen feed", "red", is_family=False, description="secret word")]
        hidden = {
            "bravo": [an_id("malware", "hidden own"), an_id("relationship", "hidden uses"), an_id("x-hidden", "hidden type")],
            "alfa": [an_id("malware", "hidden of bravo"), an_id("relationship", "hidden uses of bravo"), an_id("malware", "hidden red")],
        }

        def world(name, documents):
            node = Node.__new__(Node)
            node.dir, node.home, node.member, node.token = home / name, home, base.member, base.token
            shutil.copytree(base.dir, node.dir)
            for n, (source, raws) in enumerate(documents):
                node.importing(bundle_file(home, f"{name}{n}", raws), *source)
            return node

        full = {"bravo": world("full-bravo", [((), own)]), "alfa": world("full-alfa", [(("--source", "from-bravo"), theirs), (("--source", "import"), feed)])}
        for reader, users in (("bravo", ("bravo",)), ("alfa", ("owner", *ROLES))):
            # Both worlds are served from the state they were made in, once for each reader.
            copies = [world(f"{reader}-bare", []), full[reader]]
            _BEGAN[0] = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            with _serve(copies[0]) as one, _serve(copies[1]) as other:
                for user in users:
                    asked = 0
                    with report.case(f"console worlds: no page tells {user} of what is hidden from {reader}"):
                        here, there = _in(one, logins, user), _in(other, logins, user)
                        for path in _paths(seen, hidden[reader]):
                            a, b = here.get(path), there.get(path)
                            asked += 1
                            require(_plain(a) == _plain(b), f"{path}: {_first_difference(_plain(a), _plain(b))}")
                            require("secret" not in b.text or "secret" in path, f"{path} has what is hidden")
                        for path, data in _forms(hidden[reader]):
                            a, b = here.post(path, **data), there.post(path, **data)
                            asked += 1
                            require(_plain(a) == _plain(b), f"POST {path} {str(data)[:80]}: {_first_difference(_plain(a), _plain(b))}")
                        require(asked > 100, f"{asked} pages")
                if reader == "alfa":
                    with report.case("console worlds: what is taken back tells nothing of a copy of it that is hidden"):
                        here, there = _in(one, logins, "analyst"), _in(other, logins, "analyst")
                        for path in (f"/recall?id={seen[0]}", f"/objects/{seen[0]}", "/objects"):
                            if path.startswith("/recall"):
                                answers = [b.post("/recall", id=seen[0]).status_code for b in (here, there)]
                                same(answers, [303, 303], "recalled")
                            a, b = (re.sub(r"20[0-9-]{8}T[0-9:.]+Z", "", str(_plain(browser.get(path)))) for browser in (here, there))
                            require(a == b, f"{path}: {_first_difference((0, 0, a), (0, 0, b))}")
                        require("Nobody but your organisation may have it now" in words(there.get(f"/recall?id={seen[0]}")), "after")
                # Last, since what others read stands in the ledger of the world in which it is there.
                with report.case(f"console worlds: what is hidden from {reader} is there for who may have it"):
                    other_reader = "owner" if reader == "bravo" else "charlie"
                    here, there = (_in(s, logins, other_reader) for s in (one, other))
                    one_hidden = hidden[reader][0]
                    same((here.get(f"/objects/{one_hidden}").status_code, there.get(f"/objects/{one_hidden}").status_code), (404, 200), "the two worlds")
                    require(_plain(here.get("/objects?q=hidden")) != _plain(there.get("/objects?q=hidden")), "the comparison sees no difference where there is one")


def cut_out(report):
    """What is cut out of a reader's copy is on none of its pages."""
    with temporary() as home:
        node, logins = _house(home)
        alone, target = marking("alone", members=["alfa"]), an_id("tool", "target")
        parts = [{"marking_ref": an_id("marking-definition", "alone"), "selectors": ["x_about_ref"]}]
        cutter = text("tool", "cutter", "green", x_about_ref=target, granular_markings=parts)
        node.importing(bundle_file(home, "cut", [alone, text("tool", "target", "green"), cutter]))
        with node.serve() as served, report.case("console: a reference that is cut out of a copy leads nowhere"):
            bravo, owner = _in(served, logins, "bravo"), _in(served, logins, "owner")
            require("x_about_ref" not in bravo.get(f"/objects/{an_id('tool', 'cutter')}/raw").text, "the copy")
            for path in (f"/objects/{target}", f"/objects/{target}/graph?hops=2"):
                require("cutter" not in words(bravo.get(path)), f"bravo: {path}")
                require("cutter" in words(owner.get(path)), f"owner: {path}")
            require(" taken out of its copy" in words(owner.get(f"/objects/{an_id('tool', 'cutter')}")) and "x_about_ref" in words(owner.get(f"/objects/{an_id('tool', 'cutter')}")), "what is cut out, told to who may know")


def widening(report):
    """What others marked binds who received it."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        theirs = text("malware", "of bravo", "amber+strict", is_family=False)
        node.importing(bundle_file(home, "theirs", [theirs, text("malware", "for all", "green", is_family=False)]), "--source", "from-bravo")
        with node.serve() as served:
            analyst = _in(served, logins, "analyst")
            with report.case("console: nobody here gives on what a member keeps from others"):
                wider = theirs.replace(TLP["amber+strict"], TLP["clear"]).replace(f'"modified" :"{V1}"', f'"modified" :"{V2}"')
                require(V2 in wider and TLP["clear"] in wider, wider)
                for source in ("", "import"):
                    page = analyst.post("/draft", json=wider, source=source)
                    require("cannot be saved" in words(page) and "would go to charlie" in words(page) and 'name="draft"' not in page.text, f"{source}: {words(page)[:600]}")
                require("by that member's login" in words(analyst.post("/draft", json=wider, source="from-bravo")), "in the member's name")
                page = analyst.post("/draft", json=theirs.replace(f'"modified" :"{V1}"', f'"modified" :"{V2}"').replace("of bravo é", "of bravo, noted"))
                require('name="draft"' in page.text, f"as strict as theirs: {words(page)[:600]}")
            with report.case("console: only who may downgrade saves a version that gives it to more"):
                tight = text("tool", "tight", "amber")
                node.importing(bundle_file(home, "tight", [tight]))
                wider = tight.replace(TLP["amber"], TLP["green"]).replace(f'"modified" :"{V1}"', f'"modified" :"{V2}"')
                page = analyst.post("/draft", json=wider)
                require("right to downgrade" in words(page) and "would go to bravo" in words(page) and 'name="draft"' not in page.text, words(page)[:600])
                owner = _in(served, logins, "owner")
                page = owner.post("/draft", json=wider)
                same(len(re.findall("gains it", page.text)), 2, "who gains")
                draft = re.search(r'name="draft" value="([0-9a-f]+)"', page.text).group(1)
                same(analyst.post("/draft", draft=draft).status_code, 422, "another's draft")
                same(owner.post("/draft", draft=draft).status_code, 303, "the owner saves it")
                require("tight" in words(_in(served, logins, "bravo").get("/objects")), "bravo has it")
            with report.case("console: an edit shows who gains and who loses"):
                mine = text("tool", "mine", "green")
                node.importing(bundle_file(home, "mine", [mine]))
                page = analyst.post("/draft", json=mine.replace(TLP["green"], TLP["red"]).replace(f'"modified" :"{V1}"', f'"modified" :"{V2}"'))
                same(len(re.findall("loses it", page.text)), 2, "who loses")


def _first_difference(a, b):
    a, b = str(a), str(b)
    at = next((n for n, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"...{a[max(0, at - 60):at + 120]!r} and ...{b[max(0, at - 60):at + 120]!r}"


def utility(report):
    """What a reader may have is on the pages, each by its name; and a page of a list costs no object."""
    with temporary() as home:
        node, logins = _house(home)
        raws = [text("tool", f"permitted {n:03}", "green") for n in range(130)]
        raws += [text("report", "holds many", "green", published=V1, object_refs=[an_id("tool", f"permitted {n:03}") for n in range(130)])]
        node.importing(bundle_file(home, "many", raws))
        with node.serve() as served:
            for user in ("owner", "analyst", "release-officer", "auditor", "reader", "bravo"):
                with report.case(f"console utility: everything permitted is on the pages of {user}"):
                    browser, found, path, pages = _in(served, logins, user), set(), "/objects", 0
                    while path and pages < 20:
                        page = browser.get(path)
                        found |= set(re.findall(r"(?:tool|report)--[0-9a-f-]{36}", page.text))
                        older = re.search(r'rel="next" href="/console([^"]+)"', page.text)
                        path, pages = html.unescape(older.group(1)) if older else None, pages + 1
                    same(found, {json.loads(r)["id"] for r in raws}, "objects over all pages")
                    same(pages, 3, "pages of 50")
                    report_id, members, path = an_id("report", "holds many"), set(), f"/objects/{an_id('report', 'holds many')}"
                    for n in (0, 100):
                        members |= set(re.findall(r"tool--[0-9a-f-]{36}", browser.get(f"/objects/{report_id}?from={n}").text.split("As JSON")[0]))
                    same(len(members), 130, "members of the report")
                    one = json.loads(raws[7])
                    require(one["name"] in words(browser.get(f"/objects/{one['id']}")), "its page")
                    same(browser.get(f"/objects/{one['id']}/raw").json(), one, "as JSON")
                    require(one["id"] in browser.get("/objects?q=permitted+007").text, "a search")
                    require("131 of 131" in words(browser.get(f"/objects/{report_id}/graph?most=300")), "its graph")


def people(report):
    """What people do: create, preview, raise, approve with two, suspend."""
    with temporary() as home:
        node, logins = _house(home)
        settings = node.dir / "polder.toml"
        settings.write_text(settings.read_text().replace("widen_persons_min = 1", "widen_persons_min = 2"))
        strange = an_id("marking-definition", "strange")
        node.importing(bundle_file(home, "held", [text("tool", "held", None, marking=strange), text("tool", "shared", "green")]))
        with node.serve() as served:
            analyst, officer, owner, auditor = (_in(served, logins, u) for u in ("analyst", "release-officer", "owner", "auditor"))
            with report.case("console: what an analyst writes is previewed, saved as previewed, and received"):
                sent = {"kind": "indicator", "name": "made by hand", "pattern": "[domain-name:value = 'made.example']", "level": "amber"}
                page = analyst.post("/draft", **sent)
                said = words(page)
                require("1 new" in said and "bravo" in said and "TLP:AMBER does not reach" in said, said[:600])
                require("made by hand" not in words(analyst.get("/objects")), "saved before it was previewed")
                draft = re.search(r'name="draft" value="([0-9a-f]+)"', page.text).group(1)
                answer = analyst.post("/draft", draft=draft)
                same(answer.status_code, 303, "saved, and on to the list")
                saved = words(analyst.get(answer.headers["Location"].removeprefix("/console")))
                require("1 new" in saved, f"saved: {saved[:300]}")
                require("made by hand" in words(analyst.get("/objects")), "not there")
                require("no longer here" in words(analyst.post("/draft", draft=draft)), "saved twice")
            with report.case("console: an audience that is named is who receives"):
                page = analyst.post("/draft", kind="malware", name="for bravo alone", **{"for": "members:bravo"})
                require(re.search(r"bravo</bdi></th>.{0,120}?verdict-release", page.text, re.S) and re.search(r"charlie</bdi></th>.{0,120}?verdict-withhold", page.text, re.S), page.text[:2000])
                draft = re.search(r'name="draft" value="([0-9a-f]+)"', page.text).group(1)
                analyst.post("/draft", draft=draft)
                bravo, charlie = _in(served, logins, "bravo"), _in(served, logins, "charlie")
                require("for bravo alone" in words(bravo.get("/objects")) and "for bravo alone" not in words(charlie.get("/objects")), "who has it")
            with report.case("console: what cannot be used is told with its place, and kept out"):
                for data, said in (({"kind": "indicator", "name": "x"}, "STIX pattern"), ({"json": "{"}, "object"), ({"json": "nothing"}, "help"), ({}, "nothing to import"), ({"kind": "report", "name": "r", "object_refs": "no-id"}, "id")):
                    page = analyst.post("/draft", **data)
                    require(said in words(page), f"{data}: {words(page)[:400]}")
                file = {"file": ("bad.json", b"\x00\x01", "application/json")}
                require(analyst.post("/draft", files=file).status_code in (200, 422), "a broken file")
                page = analyst.post("/draft", files={"file": ("good.json", bundle_file(home, "good", [text("tool", "dropped", "clear")]).read_bytes(), "application/json")}, source="import")
                require("1 new" in words(page) and "good.json" in words(page), "a file")
            with report.case("console: raising a marking shows who loses it, and then they do"):
                shared = an_id("tool", "shared")
                page = analyst.get(f"/objects/{shared}/mark?level=red")
                same(len(re.findall("loses it", page.text)), 2, "who loses it")
                require("shared" in words(bravo.get(f"/objects/{shared}")), "before")
                require("would lower" in words(analyst.get(f"/mark?id={an_id('tool', 'shared')}&level=clear")), "lowering")
                same(analyst.post("/mark", id=shared, level="red").status_code, 303, "raised")
                same(bravo.get(f"/objects/{shared}").status_code, 404, "after")
            with report.case("console: what is held takes two persons, and no one person twice"):
                held = an_id("tool", "held")
                require("held" in words(officer.get("/queue")) and "It takes 2 persons" in words(officer.get("/queue")), "the queue")
                same(settle(officer, held, "bravo", "approve").status_code, 303, "the first yes")
                same(bravo.get(f"/objects/{held}").status_code, 404, "one yes is none")
                page = settle(officer, held, "bravo", "approve")
                require(page.status_code == 422 and "already" in words(page), "the same person again")
                require("approved by release-officer, 1 of 2" in words(owner.get("/queue")), "who has said yes")
                for who in (analyst, auditor):
                    same(who.post("/queue", id=held, to="bravo", answer="approve").status_code, 403, "who may not")
                same(settle(owner, held, "bravo", "approve").status_code, 303, "the second yes")
                same(bravo.get(f"/objects/{held}").status_code, 200, "released")
                same(charlie.get(f"/objects/{held}").status_code, 404, "to bravo alone")
                settle(officer, held, "charlie", "approve")
                settle(owner, held, "charlie", "refuse")
                require("No object waits" in words(owner.get("/queue")), "refused, so nothing waits")
                said = words(auditor.get("/acts"))
                require("one yes of several" in said and "released by a person" in said and "refused by a person" in said and "release-officer" in said, said[:400])
            with report.case("console: one press suspends, and only who administers lets in again"):
                same(analyst.post("/board/bravo/suspend").status_code, 303, "suspended")
                same(bravo.get("/objects").status_code, 303, "bravo is out")
                same(analyst.post("/board/bravo/resume").status_code, 403, "an analyst's resume")
                same(owner.post("/board/bravo/resume").status_code, 303, "the owner's")
                same(owner.post("/board/alfa/suspend").status_code, 422, "one's own organisation")
            with report.case("console: who else of a suspended organisation still receives is said, and all of it is suspended with one press"):
                node("recipient", "add", "duty@bravo", "--organisation", "bravo", "--kind", "person", "--person", "duty@bravo")
                answer = analyst.post("/board/bravo/suspend")
                require("these still receive: duty@bravo" in words(analyst.http.get(analyst.base.rsplit("/console", 1)[0] + answer.headers["Location"], timeout=30)), "the other one")
                owner.post("/board/bravo/resume")
                require("Suspend all 2 of bravo" in words(analyst.get("/board")), "the button")
                analyst.post("/board/bravo/suspend", all="yes")
                suspended = {r["id"] for r in node("recipient", "list", "--json").json()["recipients"] if r.get("suspended")}
                same(suspended, {"bravo", "duty@bravo"}, "all of bravo, and nobody else")
                for one in suspended:
                    same(owner.post(f"/board/{one}/resume").status_code, 303, one)
                node("recipient", "remove", "duty@bravo")
            with report.case("console: what is on the screen is saved for a recipient, as that one may have it"):
                ids = [an_id("tool", "held"), an_id("tool", "shared")]
                saved = owner.http.post(owner.base + "/export", data={"form_token": owner.token(), "to": "bravo", "id": ids, "sure": "yes"}, timeout=30).json()
                same([o["id"] for o in saved["objects"]], [held], "bravo's file")
                page = owner.post("/export", to="bravo", id=ids)
                require("1 of 2 objects go into it" in words(page) and "1 stays" in words(page) and "tool shared" in words(page), words(page)[:600])
                require(f'name="id" value="{held}"' in page.text and f'name="id" value="{ids[1]}"' not in page.text, "its form carries what goes")
                said = words(auditor.get("/acts"))
                same(said.count("saved as a file for bravo"), 1, "who gave it is in the log of acts, who looked is not")
                same(len(owner.http.post(owner.base + "/export", data={"form_token": owner.token(), "id": ids}, timeout=30).json()["objects"]), 2, "one's own")
                same(owner.http.post(owner.base + "/export", data={"form_token": owner.token(), "to": "charlie", "id": ids}, timeout=30).status_code, 422, "charlie's")
                same(analyst.http.post(analyst.base + "/export", data={"form_token": analyst.token(), "to": "bravo", "id": ids}, timeout=30).status_code, 403, "by an analyst")
                same(bravo.login("bravo", logins["bravo"]).status_code, 303, "bravo comes back")
                same(bravo.http.post(bravo.base + "/export", data={"form_token": bravo.token(), "to": "alfa", "id": ids}, timeout=30).status_code, 403, "for another, by a reader")
            with report.case("console: the board says when somebody asked"):
                require("never yet" in words(owner.get("/board")), "nobody has asked")
                head = {"Accept": "application/taxii+json;version=2.1"}
                same(requests.get(served.ready["taxii"], auth=("bravo", logins["bravo"]), headers=head, timeout=30).status_code, 200, "TAXII")
                same(owner.get("/board").text.count('class="beat-on"'), 1, "one hour in which somebody asked")
                require("over TAXII" in words(owner.get("/board")) and "fetches it over TAXII" in words(owner.get("/board")), words(owner.get("/board"))[:900])
            with report.case("console: acts say who brought in, raised, suspended"):
                said = words(auditor.get("/acts"))
                for what in ("import into own", "marked TLP:RED", "recipient suspend bravo", "recipient resume bravo"):
                    require(what in said, f"{what}: {said[:900]}")
            with report.case("console: the ledger says what was sent"):
                said = words(auditor.get("/ledger?recipient=bravo"))
                require("held" in said and "full" in said, said[:500])
                same(analyst.get("/ledger").status_code, 403, "an analyst's ledger")


HOSTILE = [
    '<script>window.x=1</script>', '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "</title><script>alert(1)</script>", "{{7*7}}", "<svg onload=alert(1)>",
    "invoice\u202efdp.exe", "zero\u200bwidth", "=HYPERLINK(\"https://far.example\")", "https://far.example/a?b=c", "a\r\nSet-Cookie: x=y", "é" * 5000, "' or 1=1 --", "</textarea><b>x", "-->", "\u0007bell",
    "[click](javascript:alert(1)) ![x](https://far.example/x.png) **<img src=x onerror=alert(1)>**", "# <b>x</b>\n> <script>alert(1)</script>\n\n```\n</pre><script>\n```",
]


def hostile(report):
    """Objects full of script, markup and tricks: nothing of them becomes part of a page."""
    with temporary() as home:
        node, logins = _house(home)
        raws = []
        for n, bad in enumerate(HOSTILE):
            raws.append(text("malware", f"h{n}", "clear", name=bad, description=bad, is_family=False, labels=[bad], aliases=[bad], **{"x_" + str(n): {bad: [bad]}}))
            raws.append(text("report", f"r{n}", "clear", name=bad, published=V1, object_refs=[an_id("malware", f"h{n}")]))
            raws.append(text("relationship", f"u{n}", "clear", relationship_type=bad if n % 2 else "uses", source_ref=an_id("malware", f"h{n}"), target_ref=an_id("attack-pattern", f"t{n}")))
            raws.append(text("attack-pattern", f"t{n}", "clear", name=bad, kill_chain_phases=[{"kill_chain_name": "mitre-attack", "phase_name": bad}], external_references=[{"source_name": "mitre-attack", "external_id": bad}]))
        raws.append(text("malware", "h0", "green", modified=V2, name=HOSTILE[0], is_family=False))
        node.importing(bundle_file(home, "hostile", raws))
        with node.serve() as served:
            browser = _in(served, logins, "owner")
            with report.case("console hostile: no string of an object is markup, a link, or unseen on any page"):
                paths = ["/objects", "/matrix", "/matrix?as=svg", "/queue", "/acts", "/ledger?recipient=alfa"]
                for n in range(len(HOSTILE)):
                    for kind, label in (("malware", f"h{n}"), ("report", f"r{n}"), ("attack-pattern", f"t{n}")):
                        one = an_id(kind, label)
                        paths += [f"/objects/{one}", f"/objects/{one}/graph", f"/objects/{one}/graph?as=svg", f"/objects/{one}/mark?level=amber", f"/objects/{one}/edit", f"/matrix?of={one}"]
                for path in paths:
                    answer = browser.get(path)
                    page = answer.text
                    same(answer.status_code, 200, path)
                    for tag in ("<script>", "<img", "<svg onload", "onerror=alert(1)>", "<b>x", "</title><script"):
                        require(tag not in page.replace(re.search(r"<script src=[^>]*></script>|^", page).group(0), ""), f"{path} has {tag}")
                    for odd in ("\u202e", "\u200b", "\u0007"):
                        require(odd not in page or path.endswith("/edit"), f"{path} has an unseen character {odd!r}")
                    for address in re.findall(r'(?:href|src|action|data)="([^"]*)"', page):
                        require(address.startswith(("/console", "#")) or address == "data:,", f"{path} leads to {address}")
                    require(len(re.findall(r"https?://far", re.sub(r"<textarea.*?</textarea>|<pre.*?</pre>|<input [^>]*>", "", page, flags=re.S))) == 0, f"{path} has an address that is not defanged")
            with report.case("console hostile: nonsense in addresses and forms is answered with what to do"):
                for path in ("/objects?since=x", "/objects?before=%00", "/objects/x", "/objects/../../etc/passwd", "/objects/malware--zzz", "/objects?col=" + "a" * 5000, "/matrix?of=x", "/mark?level=red", "/board/%3Cscript%3E",
                             "/objects/" + an_id("malware", "h1") + "/graph?hops=99999999999999999999&most=-1", "/ledger?recipient=%27&from=-5", "/acts?from=99999999999", "/new?kind=<b>", "/nowhere"):
                    answer = browser.get(path)
                    require(answer.status_code in (200, 303, 400, 404, 422), f"{path[:60]}: {answer.status_code}")
                    require("<script>" not in answer.text and "panicked" not in answer.text, path[:60])
                layer = {"techniques": [{"techniqueID": "T1486", "score": "<script>alert(1)</script>"}], "name": "<img src=x>"}
                answer = browser.post("/matrix", files={"file": ("l.json", json.dumps(layer).encode(), "application/json")})
                require(answer.status_code == 200 and "<img" not in answer.text and "<script>alert" not in answer.text, "a layer")
                for body in (b"", b"{", b"[]", b'{"techniques":1}'):
                    same(browser.post("/matrix", files={"file": ("l.json", body, "application/json")}).status_code, 422, repr(body))
