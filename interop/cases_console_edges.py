"""Recall, raising, widening, files and guards where something else keeps an object back just now, or keeps a part of it.

Rule: each case first shows that the plain way works, or ends with it, so that a refusal is not of everything.
"""

import json
from datetime import datetime, timedelta, timezone

import requests

from cases_console import _AUDIENCE, _house, _in, marking, words
from cases_console_breaks import _keeps
from cases_console_guard import _later
from cases_console_sharing import _press
from cases_pymisp import same
from harness import require
from node import temporary
from objects import TLP, V1, V2, an_id, bundle_file, text


def _hence(**more):
    return (datetime.now(timezone.utc) + timedelta(**more)).strftime("%Y-%m-%dT%H:%M:%SZ")


def not_now(report):
    """A recall is of what somebody might have later, too."""
    with temporary() as home:
        node, logins = _house(home)
        later = json.loads(marking("later", members=["bravo"]))
        later["extensions"][_AUDIENCE]["not_before"] = _hence(days=1)
        strange = an_id("marking-definition", "strange")
        plain, window, held = an_id("tool", "plain"), an_id("tool", "window"), an_id("tool", "held")
        node.importing(bundle_file(home, "some", [json.dumps(later), text("tool", "plain", "green"), text("tool", "window", None, marking=later["id"]), text("tool", "held", None, marking=strange)]))
        for who in ("bravo", "charlie"):
            node("recipient", "suspend", who)
        with node.serve() as served:
            analyst, owner = _in(served, logins, "analyst"), _in(served, logins, "owner")
            with report.case("console edges: who recalls is told what names the object and is still given"):
                for who in ("bravo", "charlie"):
                    node("recipient", "resume", who)
                told, kept = (text("report", label, level, published=V1, object_refs=[plain, an_id("tool", "other")]) for label, level in (("told", "green"), ("kept", "amber+strict")))
                node.importing(bundle_file(home, "about", [told, kept, text("tool", "other", "green")]))
                said = words(analyst.get(f"/recall?id={plain}"))
                require("These name it and may still be given" in said and "report told" in said and "report kept" not in said, said[:900])
                require("These name it" not in words(analyst.get(f"/recall?id={window}")), "nothing names that")
                for who in ("bravo", "charlie"):
                    node("recipient", "suspend", who)
            with report.case("console edges: what nobody may have just now is recalled all the same"):
                for one in (plain, window, held):
                    page = analyst.get(f"/recall?id={one}")
                    require("Nobody outside may have it now" in words(page), words(page)[:600])
                    same(_press(analyst, page, "/console/recall").status_code, 303, "recalled")
                    require("Nobody but your organisation" in words(analyst.get(f"/recall?id={one}")), "and not once more")
            for who in ("bravo", "charlie"):
                node("recipient", "resume", who)
            node("member", "add", "delta", "--name", "Delta")
            logins["delta"] = node("recipient", "add", "delta", "--organisation", "delta", "--json").json()["password"]
            with report.case("console edges: who is let in again, or comes later, has nothing of it"):
                for who in ("bravo", "charlie", "delta"):
                    browser = _in(served, logins, who)
                    same([browser.get(f"/objects/{one}").status_code for one in (plain, window, held)], [404] * 3, who)
                require("held" not in words(owner.get("/queue")), "what was held waits for nobody")
                node.importing(bundle_file(home, "more", [text("tool", "more", "green")]))
                same(_in(served, logins, "delta").get(f"/objects/{an_id('tool', 'more')}").status_code, 200, "what was not recalled")


def raising(report):
    """A higher level gives nobody anything by what it makes void or what names it."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "set", "own", "--default-members", "bravo")
        unmarked, amber = an_id("tool", "unmarked"), an_id("tool", "amber")
        node.importing(bundle_file(home, "some", [text("tool", "unmarked"), text("tool", "amber", "amber"), text("tool", "green", "green")]))
        with node.serve() as served:
            analyst, bravo, charlie = (_in(served, logins, u) for u in ("analyst", "bravo", "charlie"))
            with report.case("console edges: raising what is under its source's default label keeps that label's audience"):
                seen = lambda: [b.get(f"/objects/{unmarked}").status_code for b in (bravo, charlie)]
                same(seen(), [200, 404], "before")
                same(analyst.post("/mark", id=unmarked, level="green").status_code, 303, "raised")
                same(seen(), [200, 404], "after")
                same(analyst.post("/mark", id=unmarked, level="red").status_code, 303, "raised more")
                same(seen(), [404, 404], "in the end")
            node("standing", "add", "strict", "--level", "amber+strict", "--type", "tool", "--member", "bravo")
            with report.case("console edges: raising into a standing release is refused"):
                same(bravo.get(f"/objects/{amber}").status_code, 404, "before")
                answer = analyst.post("/mark", id=amber, level="amber+strict")
                require(answer.status_code != 303 and "standing release" in words(answer), f"{answer.status_code} {words(answer)[:400]}")
                same(bravo.get(f"/objects/{amber}").status_code, 404, "after")
                same(analyst.post("/mark", id=amber, level="red").status_code, 303, "where none is")
                same(analyst.post("/mark", id=an_id("tool", "green"), level="amber+strict").status_code, 303, "who had it already loses nothing, so nobody gains")
            with report.case("console edges: a lower level that reaches clients is given by who may downgrade, also before there is one"):
                strict = text("tool", "strict", "amber+strict")
                node("standing", "remove", "strict")
                node.importing(bundle_file(home, "strict", [strict]))
                page = analyst.post("/draft", json=_later(strict).replace(TLP["amber+strict"], TLP["amber"]))
                require("right to downgrade" in words(page) and "client that comes later" in words(page), words(page)[:600])
                _keeps(analyst.post("/draft", json=_later(strict)))


def kept(report):
    """What a wider version keeps is the object's own."""
    with temporary() as home:
        node, logins = _house(home)
        mine, strangers = an_id("marking-definition", "mine"), an_id("marking-definition", "strangers")
        one = an_id("tool", "one")
        means = [json.dumps({"type": "marking-definition", "spec_version": "2.1", "id": i, "created": V1, "definition_type": "statement", "definition": {"statement": "said"}}) for i in (mine, strangers)]
        node.importing(bundle_file(home, "some", [*means, text("tool", "one", None, object_marking_refs=[TLP["amber+strict"], mine])]))
        with node.serve() as served, report.case("console edges: a wider version keeps markings that the object has, and no other"):
            officer = _in(served, logins, "release-officer")
            page = officer.get(f"/objects/{one}/widen?level=green")
            for keep in (strangers, f"{mine},{strangers}", "nothing"):
                answer = _press(officer, page, f"/console/objects/{one}/widen", answer="yes", keep=keep)
                require(answer.status_code == 422 and "is no marking of this object" in words(answer), f"{keep}: {answer.status_code} {words(answer)[:300]}")
            same(_press(officer, page, f"/console/objects/{one}/widen", answer="yes", keep=mine).status_code, 303, "its own")
            same(json.loads(officer.get(f"/objects/{one}/raw").text)["object_marking_refs"], [mine, TLP["green"]], "in the end")


def parts(report):
    """Parts that are marked for themselves: who may raise them, who may take them along."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        logins["ann"] = node("recipient", "add", "ann", "--kind", "person", "--person", "ann", "--organisation", "alfa", "--json").json().get("password")
        logins["ann-writes"] = node("user", "add", "ann-writes", "--recipient", "ann", "--role", "analyst", "--json").json()["password"]
        of = lambda level, *selectors: {"marking_ref": TLP[level], "selectors": list(selectors)}
        marked = lambda label, **more: text("tool", label, "green", labels=["public", "SECRET label"], x_note="SECRET note", **more)
        amber = marked("amber parts", granular_markings=[of("amber", "labels.[1]", "x_note")])
        for_charlie = [{"marking_ref": an_id("marking-definition", "for charlie"), "selectors": ["x_note"]}]
        theirs = text("tool", "theirs", "green", x_note="SECRET of charlie", granular_markings=for_charlie)
        strange = [{"marking_ref": an_id("marking-definition", "soon"), "selectors": ["x_note"]}]
        alone = [{"marking_ref": an_id("marking-definition", "boss alone"), "selectors": ["x_note"]}]
        for_boss = text("tool", "for boss", "green", x_note="SECRET of the boss", granular_markings=alone)
        node.importing(bundle_file(home, "some", [amber, text("tool", "unread", "green", x_note="SECRET for now", granular_markings=strange), marking("boss alone", persons=["boss"]), for_boss]))
        node.importing(bundle_file(home, "theirs", [marking("for charlie", members=["charlie"]), theirs]), "--source", "from-bravo")
        with node.serve() as served:
            analyst, bravo, owner, charlie = (_in(served, logins, u) for u in ("analyst", "bravo", "owner", "charlie"))
            value = json.loads(_later(amber))
            tried = lambda **more: analyst.post("/draft", json=json.dumps({k: v for k, v in {**value, **more}.items() if v is not None}))
            barred = lambda **more: require("right to downgrade" in words(tried(**more)) and 'name="draft"' not in tried(**more).text, f"{more}: {words(tried(**more))[:500]}")
            with report.case("console edges: a part's own marking is raised by a draft, and all of the object with its parts"):
                require("SECRET" not in bravo.get(f"/objects/{value['id']}/raw").text, "what bravo has")
                _keeps(tried(granular_markings=[of("red", "labels.[1]", "x_note")]))
                _keeps(tried(granular_markings=None, object_marking_refs=[TLP["red"]]))
                _keeps(tried(granular_markings=[of("amber", "labels", "x_note")]))
                barred(granular_markings=None)
                barred(granular_markings=[of("green", "labels.[1]", "x_note")])
                barred(granular_markings=None, object_marking_refs=[TLP["green"]])
            with report.case("console edges: a part is written anew, moved with its mark, taken out; never past its mark"):
                _keeps(tried(labels=["public", "SECRET label, corrected"]))
                _keeps(tried(labels=["public"], granular_markings=[of("amber", "x_note")]))
                _keeps(tried(labels=["SECRET label", "public"], granular_markings=[of("amber", "labels.[0]", "x_note")]))
                barred(labels=["SECRET label", "public"])
                barred(labels=["public", "SECRET label", "SECRET label"])
                barred(labels=["public", "SECRET label, corrected"], granular_markings=[of("amber", "x_note")])
            with report.case("console edges: a definition opens no part by a window that begins later"):
                soon = json.loads(marking("soon", members=["bravo"]))
                soon["extensions"][_AUDIENCE]["not_before"] = _hence(hours=1)
                page = analyst.post("/draft", json=json.dumps(soon))
                require("right to downgrade" in words(page) and 'name="draft"' not in page.text, words(page)[:600])
            with report.case("console edges: a file for another has no part that its maker may not hold"):
                one = an_id("tool", "theirs")
                require("SECRET of charlie" in charlie.get(f"/objects/{one}/raw").text and "SECRET of charlie" not in owner.get(f"/objects/{one}/raw").text, "who holds it")
                saved = owner.post("/export", to="charlie", sure="yes", id=[one, value["id"]])
                require("SECRET of charlie" not in saved.text and value["id"] in saved.text, saved.text[:600])
            with report.case("console edges: who holds a part of an own object makes no next version of it"):
                one, ann = json.loads(_later(for_boss)), _in(served, logins, "ann-writes")
                require("SECRET" not in ann.get(f"/objects/{one['id']}/raw").text, "ann holds a part")
                page = ann.post("/draft", of=one["id"], json=json.dumps({**one, "x_note": "mine"}))
                require(page.status_code == 422 and "you hold a part" in words(page), f"{page.status_code} {words(page)[:400]}")
                _keeps(analyst.post("/draft", of=one["id"], json=json.dumps({**one, "x_note": "mine"})))


def batches(report):
    """Several objects at once, and references that nobody saw."""
    with temporary() as home:
        node, logins = _house(home)
        token = node("user", "add", "second-analyst", "--role", "analyst", "--json").json()["token"]
        who, hidden = an_id("identity", "who"), an_id("tool", "hidden")
        call = json.loads(text("note", "call", "amber", content="what they said", object_refs=[who]))
        del call["name"]
        seen = json.loads(text("report", "seen", "green", published=V1, object_refs=[an_id("tool", "open"), hidden]))
        parts_of = {"granular_markings": [{"marking_ref": TLP["red"], "selectors": ["x_note"]}], "x_note": "SECRET"}
        identity = json.loads(text("identity", "who", "green", identity_class="group", **parts_of))
        node.importing(bundle_file(home, "some", [json.dumps(o) for o in (call, seen, identity)] + [text("tool", "open", "green"), text("tool", "hidden", "amber+strict")]))
        with node.serve() as served:
            with report.case("console edges: of a batch over TAXII what is refused shields nothing else of it"):
                url = served.ready["api_root"] + f"collections/{served.ready['collection']}/objects/"
                head = {"Accept": "application/taxii+json;version=2.1", "Content-Type": "application/taxii+json;version=2.1", "Authorization": f"Bearer {token}"}
                raised = {**identity, "modified": V2, "object_marking_refs": [TLP["amber"]], "granular_markings": []}
                del raised["granular_markings"]
                objects = [raised, {**call, "modified": V2, "object_marking_refs": [TLP["green"]]}, json.loads(text("tool", "new", "green"))]
                told = requests.post(url, json={"objects": objects}, headers=head, timeout=30).json()
                same((told["success_count"], told["failure_count"]), (1, 2), f"{told}")
                bravo = _in(served, logins, "bravo")
                same([bravo.get(f"/objects/{i}").status_code for i in (call["id"], an_id("tool", "new"))], [404, 200], "who has what")
                require("SECRET" not in bravo.get(f"/objects/{who}/raw").text, "the part")
            with report.case("console edges: a reference that nobody else saw is taken out by anybody who writes"):
                require(hidden not in bravo.get(f"/objects/{seen['id']}/raw").text, "what bravo has")
                analyst = _in(served, logins, "analyst")
                _keeps(analyst.post("/draft", json=json.dumps({**seen, "modified": V2, "object_refs": seen["object_refs"][:1]})))
