"""What comes between a look and an act, and what comes later: other versions, other people, other recipients, an echo.

Rule: each case first shows what holds in order, then that the same in another order gives nobody more.
"""

import json
import re
import threading
import uuid

import requests

from cases_console import CHARLIE, _house, _in, marking, words
from cases_console_sharing import _form, _press
from cases_pymisp import BRAVO, same
from harness import require
from node import PASSWORD, Node, temporary
from objects import TLP, V1, V2, V3, an_id, bundle_file, days_ahead, text

_HEAD = {"Accept": "application/taxii+json;version=2.1", "Content-Type": "application/taxii+json;version=2.1"}


def _two_persons(node):
    settings = node.dir / "polder.toml"
    settings.write_text(settings.read_text().replace("widen_persons_min = 1", "widen_persons_min = 2"))


def _second(node, logins):
    logins["second"] = node("user", "add", "second", "--role", "release-officer", "--json").json()["password"]


def _version(raw, modified, **changes):
    value = {**json.loads(raw), "modified": modified, **changes}
    return {key: kept for key, kept in value.items() if kept is not None}


def _draft(browser, objects, source="own"):
    """The name of the draft that may be saved, if it may, and the page."""
    page = browser.post("/draft", source=source, json="\n".join(o if isinstance(o, str) else json.dumps(o) for o in objects))
    found = re.search(r'name="draft" value="([0-9a-f]+)"', page.text)
    return found and found.group(1), page


def _saved(browser, objects, source="own"):
    draft, page = _draft(browser, objects, source)
    require(draft, words(page)[:700])
    return browser.post("/draft", draft=draft)


def _barred(browser, objects, source="own"):
    draft, page = _draft(browser, objects, source)
    require(draft is None, words(page)[:700])


def _together(*acts):
    threads = [threading.Thread(target=act) for act in acts]
    [t.start() for t in threads]
    [t.join() for t in threads]


def commits(report):
    """A file of several commits gives what each of them gives."""
    with temporary() as home:
        node, logins = _house(home)
        one = text("tool", "one", "amber", description="secret")
        node.importing(bundle_file(home, "one", [one]))
        # More than one commit holds.
        filler = [{"type": "tool", "spec_version": "2.1", "id": f"tool--{uuid.uuid4()}", "created": V1, "modified": V1, "name": "f"} for _ in range(1500)]
        wide = _version(one, V2, object_marking_refs=[TLP["green"]])
        with node.serve() as served:
            analyst = _in(served, logins, "analyst")
            with report.case("console since: a wider version is not saved for that a later one in the same file takes it back"):
                require(_draft(analyst, [*filler, _version(one, V3)])[0], "without it")
                _barred(analyst, [wide, *filler, _version(one, V3)])
        _two_persons(node)
        with node.serve() as served:
            with report.case("console since: nor by one person of two"):
                _barred(_in(served, logins, "owner"), [wide, *filler, _version(one, V3)])


def races(report):
    """Whoever looks and then acts is not overtaken by who recalls."""
    with temporary() as home:
        node, logins = _house(home)
        _second(node, logins)
        token = node("user", "add", "poster", "--role", "analyst", "--json").json()["token"]
        some = [text("tool", f"some {n}", "green") for n in range(8)]
        fill = [text("tool", f"fill {n}", "green") for n in range(40)]
        node.importing(bundle_file(home, "some", some + fill))
        # The more are asked about, the longer a look takes.
        for n in range(12):
            node("recipient", "add", f"desk-{n}", "--organisation", "charlie")
        with node.serve() as served:
            url = served.ready["api_root"] + f"collections/{served.ready['collection']}/objects/"
            analyst, officer, charlie = (_in(served, logins, u) for u in ("analyst", "release-officer", "charlie"))
            token_of = {id(b): b.token() for b in (analyst, officer)}
            recall = lambda one: officer.http.post(officer.base + "/recall", data={"form_token": token_of[id(officer)], "id": one}, allow_redirects=False, timeout=60)
            posted = lambda objects: requests.post(url, json={"objects": objects}, headers={**_HEAD, "Authorization": f"Bearer {token}"}, timeout=60)
            with report.case("console since: a recall holds beside a post over TAXII that was looked at before it"):
                for raw in some[:4]:
                    objects = [_version(o, days_ahead(0.4)) for o in [raw, *fill]]
                    kept = []
                    _together(lambda: kept.append(posted(objects).json()["success_count"]), lambda: recall(objects[0]["id"]))
                    require(kept[0] >= len(fill), f"{kept}")
                    same(charlie.get(f"/objects/{objects[0]['id']}").status_code, 404, "recalled")
            with report.case("console since: a recall holds beside a draft that is saved"):
                for n, raw in enumerate(some[4:]):
                    one = json.loads(raw)["id"]
                    draft, _ = _draft(analyst, [_version(o, days_ahead(0.4)) for o in [raw, *fill]])
                    save = lambda: analyst.http.post(analyst.base + "/draft", data={"form_token": token_of[id(analyst)], "draft": draft}, allow_redirects=False, timeout=60)
                    # A moment later each time.
                    later = lambda: ([officer.get("/board") for _ in range(4 * n + 4)], recall(one))
                    _together(save, later)
                    same(charlie.get(f"/objects/{one}").status_code, 404, "recalled")
        _two_persons(node)
        node.importing(bundle_file(home, "twice", [text("tool", f"twice {n}", "amber") for n in range(6)]))
        with node.serve() as served:
            officer, second, bravo = (_in(served, logins, u) for u in ("release-officer", "second", "bravo"))
            tokens = {id(b): b.token() for b in (officer, second)}
            with report.case("console since: two yeses at once are two"):
                for n in range(6):
                    one = an_id("tool", f"twice {n}")
                    fields = _form(officer.get(f"/objects/{one}/widen?level=green"), f"/console/objects/{one}/widen")
                    yes = lambda who: who.http.post(f"{who.base}/objects/{one}/widen", data=[("form_token", tokens[id(who)]), *fields, ("answer", "yes")], allow_redirects=False, timeout=60)
                    _together(lambda: yes(officer), lambda: yes(second))
                    same(bravo.get(f"/objects/{one}").status_code, 200, "given by both")


def recipients(report):
    """Whoever is not there yet, or not now, counts among those who would gain."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        node("member", "group", "desk", "--member", "bravo")
        strict = text("tool", "strict", "amber+strict")
        for_bravo, named = marking("for bravo", members=["bravo", "alfa"]), an_id("marking-definition", "for bravo")
        mine = text("tool", "mine", None, object_marking_refs=[TLP["amber"], named])
        alone, cut = marking("alone", members=["alfa"]), [{"marking_ref": an_id("marking-definition", "alone"), "selectors": ["x_note"]}]
        unread = text("tool", "unread", "green", x_note="kept", granular_markings=[{"marking_ref": an_id("marking-definition", "unread"), "selectors": ["x_note"]}])
        steps = text("tool", "steps", "green", x_note="for us", granular_markings=cut)
        node.importing(bundle_file(home, "own", [strict, for_bravo, mine, alone, steps, unread]))
        node.importing(bundle_file(home, "theirs", [alone, text("tool", "theirs", "green", x_note="kept by bravo", granular_markings=cut)]), "--source", "from-bravo")
        with node.serve() as served:
            analyst, owner = _in(served, logins, "analyst"), _in(served, logins, "owner")
            with report.case("console since: a member or a group that is named and not known yet"):
                for label, who in (("delta", {"members": ["alfa", "delta"]}), ("ghost", {"members": ["alfa"], "groups": ["ghost"]})):
                    objects = [marking(label, **who), _version(strict, V2, object_marking_refs=[TLP["amber+strict"], an_id("marking-definition", label)])]
                    _barred(analyst, objects)
                    require(_draft(owner, objects)[0], "the owner may")
                objects = [marking("house", members=["alfa"]), _version(strict, V2, object_marking_refs=[TLP["amber+strict"], an_id("marking-definition", "house")])]
                require(_draft(analyst, objects)[0], "the house itself")
            with report.case("console since: whoever joins a group later"):
                objects = [marking("the desk", members=["alfa"], groups=["desk"]), _version(mine, V2, object_marking_refs=[TLP["amber"], an_id("marking-definition", "the desk")])]
                _barred(analyst, objects)
            for active in (True, False):
                with report.case(f"console since: a part that others keep, for who is {'active' if active else 'suspended'}"):
                    value = _version(text("tool", "theirs", "green", x_note="kept by bravo"), V2)
                    _barred(analyst, [value])
                    _barred(owner, [value])
                with report.case(f"console since: a definition that opens a part, for who is {'active' if active else 'suspended'}"):
                    _barred(analyst, [marking("unread", members=["alfa", "bravo"])])
                for who in ("bravo", "charlie"):
                    node("recipient", "suspend" if active else "resume", who)
            with report.case("console since: a part comes back in no two steps"):
                _barred(analyst, [_version(steps, V2, granular_markings=None)])
                same(_saved(analyst, [_version(steps, V2, granular_markings=None, x_note=None)]).status_code, 303, "without the part")
                _barred(analyst, [_version(steps, V3, granular_markings=None)])
            with report.case("console since: nor in a version that is not the latest, together with one that has no part, or between two"):
                shown, without = _version(steps, V2, granular_markings=None), _version(steps, V3, granular_markings=None, x_note=None)
                _barred(analyst, [_version(json.dumps(shown), "2024-01-02T12:00:00.000Z"), without])
                same(_saved(analyst, [without]).status_code, 303, "without it again")
                _barred(analyst, [_version(json.dumps(shown), "2024-01-02T12:00:00.000Z")])
                theirs = text("tool", "theirs", "green", x_note="kept by bravo")
                _barred(owner, [_version(theirs, V2), _version(theirs, V3, x_note=None)])
            with report.case("console since: what an owner has shown is no part any more"):
                same(_saved(owner, [_version(steps, "2024-01-04T00:00:00.000Z", granular_markings=None)]).status_code, 303, "shown")
                require(_draft(analyst, [_version(steps, "2024-02-01T00:00:00.000Z", granular_markings=None, x_more="said")])[0], "an edit of it")
        with report.case("console since: a program of this organisation is no wider door"):
            token = node("recipient", "add", "siem", "--kind", "partner-system", "--organisation", "alfa", "--json").json()["token"]
            node("collection", "add", "inbox", "--read", "*", "--write", "siem", "--json")
            with node.serve() as served:
                head = {**_HEAD, "Authorization": f"Bearer {token}"}
                inbox = next(c["id"] for c in requests.get(served.ready["api_root"] + "collections/", headers=head, timeout=30).json()["collections"] if c["can_write"])
                post = lambda value: requests.post(f"{served.ready['api_root']}collections/{inbox}/objects/", json={"objects": [value]}, headers=head, timeout=30).json()
                same(post(_version(strict, V2, object_marking_refs=[TLP["clear"]]))["failure_count"], 1, "wider")
                same(post(_version(strict, V2, x_note="more"))["success_count"], 1, "as it was")


def narrower(report):
    """What is no wider is saved by who writes: a wrong refusal keeps people from sharing."""
    with temporary() as home:
        node, logins = _house(home)
        node("recipient", "add", "duty", "--organisation", "bravo", "--kind", "person", "--person", "duty@bravo")
        node("recipient", "add", "hub", "--organisation", "bravo", "--kind", "node")
        node("recipient", "add", "pia", "--organisation", "alfa", "--kind", "person", "--person", "pia")
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        audiences = {"bravo": {"members": ["alfa", "bravo"]}, "duty": {"persons": ["duty@bravo"]}, "hub": {"nodes": ["hub"]}, "house": {"members": ["alfa"]}, "pia": {"persons": ["pia"]}}
        named = {label: an_id("marking-definition", f"for {label}") for label in audiences}
        definitions = [marking(f"for {label}", **who) for label, who in audiences.items()]
        marks = lambda level, label: [m for m in (level and TLP[level], label and named[label]) if m]
        ways = [(("amber", "bravo"), ("amber", "duty")), (("amber", "bravo"), ("red", "duty")), (("amber", "bravo"), ("amber", "hub")), (("green", None), ("amber", "duty")),
                (("green", None), ("red", "duty")), (("amber+strict", None), ("red", "pia")), (("amber", "house"), ("amber", "pia")), ((None, None), ("red", "pia"))]
        own = [text("tool", f"way {n}", None, object_marking_refs=marks(*was) or None) for n, (was, _) in enumerate(ways)]
        statement = json.dumps({"type": "marking-definition", "spec_version": "2.1", "id": an_id("marking-definition", "said"), "created": V1, "definition_type": "statement", "definition": {"statement": "Copyright 2026, Alfa"}})
        carriers = [text("tool", f"carrier {n}", None, object_marking_refs=[TLP["green"], an_id("marking-definition", "said")]) for n in range(2100)]
        node.importing(bundle_file(home, "own", [*definitions, *own, statement, *carriers]))
        node.importing(bundle_file(home, "theirs", [text("tool", "theirs", "green")]), "--source", "from-bravo")
        with node.serve() as served:
            analyst, owner = _in(served, logins, "analyst"), _in(served, logins, "owner")
            for n, (was, then) in enumerate(ways):
                with report.case(f"console since: from {was} to {then} is narrower"):
                    page = _draft(analyst, [_version(own[n], V2, object_marking_refs=marks(*then))])
                    require(page[0], words(page[1])[:600])
            with report.case("console since: an own copy of a member's may be for fewer than theirs"):
                for who in (analyst, owner):
                    require(_draft(who, [text("tool", "theirs", None, modified=V2, object_marking_refs=marks("amber", "pia"))])[0], "for one of the house")
            with report.case("console since: the definitions that a bundle brings again open nothing"):
                level = json.dumps({"type": "marking-definition", "spec_version": "2.1", "id": TLP["green"], "created": "2022-10-01T00:00:00.000Z", "name": "TLP:GREEN",
                                    "extensions": {"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {"extension_type": "property-extension", "tlp_2_0": "green"}}})
                for definition in (statement, level):
                    page = _draft(analyst, [definition, text("tool", "new", "green")])
                    require(page[0], words(page[1])[:600])


def guesses(report):
    """Who holds a part of an object learns nothing of the rest by trying."""
    with temporary() as home:
        node, logins = _house(home)
        for person in ("pia", "quinn"):
            node("recipient", "add", person, "--kind", "person", "--person", person, "--organisation", "alfa", "--user", f"{person}-r", "--json")
            logins[person] = node("user", "add", person, "--recipient", person, "--role", "analyst", "--json").json()["password"]
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        cut = [{"marking_ref": an_id("marking-definition", "q"), "selectors": ["labels.[1]"]}]
        node.importing(bundle_file(home, "theirs", [marking("q", persons=["quinn"]), text("tool", "x", "green", labels=["pub", "secret"], granular_markings=cut)]), "--source", "from-bravo")
        with node.serve() as served:
            pia = _in(served, logins, "pia")
            with report.case("console since: a guess at a part that is kept is answered like any other"):
                require("secret" not in pia.get(f"/objects/{an_id('tool', 'x')}/raw").text, "it is kept")
                said = [_draft(pia, [text("tool", "x", "green", modified=V2, labels=[guess, "pub"])])[0] is not None for guess in ("wrong", "secret", "other")]
                same(len(set(said)), 1, f"{said}")


def chains(report):
    """A long chain of references, in two versions each, takes no more time than its length."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        names = [f"note--{uuid.uuid5(uuid.NAMESPACE_URL, f'https://example.com/{n}')}" for n in range(60)]
        note = lambda n, modified: {"type": "note", "spec_version": "2.1", "id": names[n], "created": V1, "modified": modified, "content": f"number {n}",
                                    "object_refs": [names[n - 1] if n else an_id("tool", "first")], "object_marking_refs": [TLP["green"]]}
        for modified in (V1, V2):
            notes = [json.dumps(note(n, modified)) for n in range(60)]
            node.importing(bundle_file(home, "chain", [text("tool", "first", "green"), *notes]), "--source", "from-bravo")
        with node.serve() as served:
            analyst, charlie = _in(served, logins, "analyst"), _in(served, logins, "charlie")
            with report.case("console since: beside a long chain of references pages and previews answer"):
                same([charlie.get(f"/objects/{names[n]}").status_code for n in (0, 20)], [200, 200], "the beginning of it")
                require(_draft(analyst, [text("tool", "unrelated", "green")])[0] and analyst.get("/board").status_code == 200, "a draft and the board")


def sources(report):
    """A draft is looked at anew as from another source, and saved as it was shown last."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        one, broken = text("tool", "one", "green"), json.dumps({"type": "tool", "name": "broken"})
        with node.serve() as served:
            analyst, bravo = _in(served, logins, "analyst"), _in(served, logins, "bravo")
            with report.case("console since: what was previewed is previewed as from another source"):
                draft, page = _draft(analyst, [one, broken], "import")
                require("refused tool broken" in words(page).replace("✗ ", ""), words(page)[:900])
                again = analyst.post("/draft", draft=draft, again="yes", source="own")
                require("Save to own" in words(again) and "one" in words(again), words(again)[:700])
                same(analyst.post("/draft", draft=draft).status_code, 422, "the one before")
                same(analyst.post("/draft", draft=draft, again="yes", source="from-bravo").status_code, 422, "what a member says")
                analyst.post("/draft", draft=re.search(r'name="draft" value="([0-9a-f]+)"', again.text).group(1))
                same(bravo.get(f"/objects/{an_id('tool', 'one')}").status_code, 200, "kept as one's own")
            with report.case("console since: what cannot be used in a form leads to its field"):
                page = analyst.post("/draft", kind="tool", name="")
                require(page.status_code == 422 and 'href="#name"' in page.text, words(page)[:700])


def levels_of_two(report):
    """What one copy says to some is no leave for what another says to others."""
    with temporary() as home:
        node, logins = Node(home), {"owner": PASSWORD}
        for member, name, more in (("bravo", BRAVO, ()), ("charlie", CHARLIE, ("--client-of", "alfa")), ("delta", "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e99", ())):
            node("member", "add", member, "--uuid", name, *more)
            logins[member] = node("recipient", "add", member, "--organisation", member, "--json").json()["password"]
            node("source", "add", f"from-{member}", "--kind", "member", "--member", member)
        logins["analyst"] = node("user", "add", "analyst", "--role", "analyst", "--json").json()["password"]
        for source, level, members in (("from-bravo", "amber", ["alfa", "charlie"]), ("from-delta", "green", ["alfa", "delta"])):
            copy = text("tool", "x", None, object_marking_refs=[TLP[level], an_id("marking-definition", source)])
            node.importing(bundle_file(home, source, [marking(source, members=members), copy]), "--source", source)
        with node.serve() as served:
            with report.case("console since: a lower level is not taken from a copy that is for somebody else"):
                own = text("tool", "x", None, modified=V2, object_marking_refs=[TLP["green"], an_id("marking-definition", "from-bravo")])
                _barred(_in(served, logins, "analyst"), [marking("from-bravo", members=["alfa", "charlie"]), own])


def answers(report):
    """A yes is to what was seen, by who it was then, about what was done last."""
    with temporary() as home:
        node, logins = _house(home)
        _second(node, logins)
        _two_persons(node)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        unread = an_id("marking-definition", "later")
        pap = {"type": "marking-definition", "spec_version": "2.1", "id": an_id("marking-definition", "pap"), "created": V1, "definition_type": "pap", "definition": {"pap": "red"}}
        part, whole = an_id("tool", "part"), an_id("report", "whole")
        own = [text("tool", label, "amber") for label in ("blind", "role", "part")] + [json.dumps(pap), text("tool", "kept", None, object_marking_refs=[TLP["amber"], pap["id"]])]
        own += [text("tool", "other", "green"), text("report", "whole", "amber", published=V1, report_types=["threat-report"], object_refs=[part, an_id("tool", "other")])]
        node.importing(bundle_file(home, "own", own))
        node.importing(bundle_file(home, "theirs", [text("tool", "unread", None, object_marking_refs=[TLP["green"], unread]), text("tool", "again", "green")]), "--source", "from-bravo")
        with node.serve() as served:
            analyst, officer, second, owner, bravo, charlie = (_in(served, logins, u) for u in ("analyst", "release-officer", "second", "owner", "bravo", "charlie"))
            widen = lambda who, one, asked="level=green": _press(who, who.get(f"/objects/{one}/widen?{asked}"), f"/console/objects/{one}/widen", answer="yes")
            lift = lambda who, one: _press(who, who.get(f"/objects/{one}/lift?left="), f"/console/objects/{one}/lift", answer="yes")
            with report.case("console since: an answer that does not say what was looked at is none"):
                blind = an_id("tool", "blind")
                same([who.post(f"/objects/{blind}/widen", level="green", answer="yes").status_code for who in (officer, second)], [422, 422], "refused")
                same(bravo.get(f"/objects/{blind}").status_code, 404, "not given")
            with report.case("console since: what cannot be read may be read later, so lifting it takes two"):
                one = an_id("tool", "unread")
                same(analyst.post("/recall", id=one).status_code, 303, "recalled")
                same(lift(officer, one).headers.get("Location"), "/console/queue", "proposed")
                node.importing(bundle_file(home, "read", [marking("later", members=["bravo", "charlie", "alfa"])]), "--source", "from-bravo")
                same(charlie.get(f"/objects/{one}").status_code, 404, "not given by one")
            with report.case("console since: an old yes is not to a later recall"):
                one = an_id("tool", "again")
                analyst.post("/recall", id=one)
                lift(second, one)
                require("approved by second, 1 of 2" in words(owner.get("/queue")), "it waits")
                analyst.post("/mark", id=one, level="amber")
                [lift(who, one) for who in (officer, owner)]
                same(charlie.get(f"/objects/{one}").status_code, 200, "given again")
                analyst.post("/recall", id=one)
                lift(officer, one)
                same((charlie.get(f"/objects/{one}").status_code, "1 of 2" in words(owner.get("/queue"))), (404, True), "one new yes is one")
            with report.case("console since: who had another role meanwhile has said nothing"):
                one = an_id("tool", "role")
                widen(second, one)
                require("approved by second, 1 of 2" in words(owner.get("/queue")), "it waits")
                [node("user", "role", "second", role) for role in ("reader", "release-officer")]
                require("approved by second, 1 of 2" not in words(owner.get("/queue")), "it waits no more")
            with report.case("console since: what is to stay on it stays, however it is written"):
                one, kind = an_id("tool", "kept"), pap["id"].split("--")
                second = _in(served, logins, "second")
                widen(second, one, f"level=green&keep={kind[0]}--{kind[1].upper()}")
                widen(officer, one, f"level=green&keep={pap['id']}")
                same(set(json.loads(bravo.get(f"/objects/{one}/raw").text)["object_marking_refs"]), {TLP["green"], pap["id"]}, "what bravo has")
            with report.case("console since: a yes is to what each would get, and to what goes with it"):
                widen(second, whole)
                [widen(who, part) for who in (second, officer)]
                node.importing(bundle_file(home, "note", [text("note", "tells", "green", content="names the victim", object_refs=[whole], name=None)]))
                same(widen(officer, whole).headers.get("Location"), "/console/queue", "a first yes again")
                same(words(officer.get("/queue")).count("report whole"), 1, "in the place of the old one")
                same([bravo.get(f"/objects/{i}").status_code for i in (whole, an_id("note", "tells"))], [404, 404], "not given")


def echoes(report):
    """What was recalled stays in the house, from whatever side it comes back."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        node("source", "add", "open", "--kind", "feed", "--default-tlp", "clear")
        node("collection", "add", "inbox", "--read", "*", "--write", "charlie", "--json")
        token = node("user", "add", "poster", "--role", "analyst", "--json").json()["token"]
        reader = node("user", "add", "reader-of-bravo", "--recipient", "bravo", "--json").json()["token"]
        echo = text("tool", "echo", "green")
        one = json.loads(echo)["id"]
        node.importing(bundle_file(home, "own", [echo, text("tool", "other", "green")]))
        with node.serve() as served:
            url = served.ready["api_root"] + f"collections/{served.ready['collection']}/objects/"
            with_token = lambda token: {**_HEAD, "Authorization": f"Bearer {token}"}
            took = lambda: [o["id"] for o in requests.get(url, headers=with_token(reader), timeout=30).json().get("objects", [])]
            analyst, officer, bravo, charlie = (_in(served, logins, u) for u in ("analyst", "release-officer", "bravo", "charlie"))
            require(one in took(), "bravo took it")
            same(analyst.post("/recall", id=one).status_code, 303, "recalled")
            reads = lambda: [who.get(f"/objects/{one}").status_code for who in (bravo, charlie)]
            with report.case("console since: an echo from a member or a feed gives nobody what was recalled"):
                node.importing(bundle_file(home, "echo", [echo]), "--source", "from-bravo")
                _saved(analyst, [echo], "open")
                same(reads(), [200, 404], "bravo has what it says itself")
                require("Taken back" not in words(bravo.get(f"/objects/{one}")), "that is for the house")
            with report.case("console since: nor an echo from a member that never sent anything before"):
                auth = {"auth": ("charlie", logins["charlie"]), "headers": _HEAD, "timeout": 30}
                inbox = next(c["id"] for c in requests.get(served.ready["api_root"] + "collections/", **auth).json()["collections"] if c["can_write"])
                value = json.loads(text("tool", "echo", "green", modified=V2))
                same(requests.post(f"{served.ready['api_root']}collections/{inbox}/objects/", json={"objects": [value]}, **auth).status_code, 202, "charlie posts")
                version = json.loads(bravo.get(f"/objects/{one}/raw").text)["modified"]
                same(version, V1, "bravo does not get what charlie says")
            other = an_id("tool", "other")
            require(other in took(), "bravo took it")
            analyst.post("/recall", id=other)
            with report.case("console since: the audience of what was recalled is not taken out by who may not downgrade"):
                refs = json.loads(officer.get(f"/objects/{other}/raw").text)["object_marking_refs"]
                definition = next(r for r in refs if r not in TLP.values())
                same(requests.delete(f"{url}{definition}/", headers=with_token(token), timeout=30).status_code, 403, "an analyst's")
            with report.case("console since: what was for the house before it was recalled stays there as well"):
                alone = text("tool", "alone", "green")
                node.importing(bundle_file(home, "alone", [alone, marking("house", members=["alfa"])]))
                require(json.loads(alone)["id"] in took(), "bravo took it")
                node.importing(bundle_file(home, "narrowed", [json.dumps(_version(alone, V2, object_marking_refs=[TLP["green"], an_id("marking-definition", "house")]))]))
                page = analyst.get(f"/recall?id={json.loads(alone)['id']}")
                require("Nobody but your organisation may have it now" in words(page) and "Recall it all the same" in words(page), words(page)[:700])
                analyst.post("/recall", id=json.loads(alone)["id"])
                node("source", "add", "later", "--kind", "feed", "--default-tlp", "clear")
                node.importing(bundle_file(home, "again", [alone]), "--source", "later")
                same([who.get(f"/objects/{json.loads(alone)['id']}").status_code for who in (bravo, charlie)], [404, 404], "from a source that was made later")
            with report.case("console since: what is given again is not said to be taken back"):
                require("Taken back" in words(officer.get(f"/objects/{other}")), "recalled")
                _press(officer, officer.get(f"/objects/{other}/widen?level=green"), f"/console/objects/{other}/widen", answer="yes")
                require("Taken back" not in words(officer.get(f"/objects/{other}")), "given again, though not fetched yet")
                require("given again since" in words(officer.get(f"/recall?id={other}")), words(officer.get(f"/recall?id={other}"))[:700])


def hidden(report):
    """Two worlds that differ in a copy that the reader may not hold."""
    with report.case("console since: what is taken out of whose copy is said without what is hidden"):
        same(*[_taken_out(copy) for copy in (False, True)], "charlie's row")
    with report.case("console since: a push is asked for by the id of an object"):
        same(*[_pushed(n) for n in (0, 2)], "the answers")
    with report.case("console since: the recall of a hidden copy is not told"):
        same(*[_recalled(copy) for copy in (False, True)], "the receipts")


def _taken_out(copy):
    with temporary() as home:
        node, logins = _house(home)
        part, whole = an_id("tool", "part"), an_id("report", "whole")
        node.importing(bundle_file(home, "own", [text("tool", "part", "amber"), text("report", "whole", "green", published=V1, report_types=["threat-report"], object_refs=[part, an_id("tool", "other")])]))
        if copy:
            node.importing(bundle_file(home, "hidden", [marking("charlie", members=["charlie"]), text("tool", "part", None, marking=an_id("marking-definition", "charlie"))]), "--source", "import")
        with node.serve() as served:
            said = re.findall(r"charlie [○◐●].{0,230}", words(_in(served, logins, "analyst").get(f"/objects/{whole}")))
            require(said and "taken out" in said[0], f"{said}")
            return said


def _pushed(copies):
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, "https://example.com/hidden"))
        for kind in ("tool", "malware")[:copies]:
            value = {**json.loads(text("tool", "x", None, object_marking_refs=[an_id("marking-definition", "charlie")])), "type": kind, "id": f"{kind}--{name}", "is_family": False}
            node.importing(bundle_file(home, kind, [marking("charlie", members=["charlie"]), json.dumps(value)]), "--source", "from-bravo")
        with node.serve() as served:
            answer = _in(served, logins, "analyst").post("/recall/push", id=name, misp="none")
            return answer.status_code, words(answer)


def _recalled(copy):
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        for person in ("pia", "quinn"):
            node("recipient", "add", person, "--kind", "person", "--person", person, "--organisation", "alfa", "--user", f"{person}-r", "--json")
            logins[person] = node("user", "add", person, "--recipient", person, "--role", "analyst", "--json").json()["password"]
        one = an_id("tool", "x")
        node.importing(bundle_file(home, "own", [marking("q", persons=["quinn"]), text("tool", "x", None, marking=an_id("marking-definition", "q"))]))
        if copy:
            node.importing(bundle_file(home, "hidden", [marking("p", persons=["pia"], members=["charlie"]), text("tool", "x", None, modified=V2, marking=an_id("marking-definition", "p"))]), "--source", "from-bravo")
        with node.serve() as served:
            _in(served, logins, "pia").post("/recall", id=one)
            return re.findall(r"Receipts.*", words(_in(served, logins, "quinn").get(f"/recall?id={one}")))
