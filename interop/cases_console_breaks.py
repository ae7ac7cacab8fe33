"""What a reviewer broke in recall, widening, forms and guards, case by case.

Rule: each case first shows that the plain way works, so that a refusal is not of everything.
"""

import json
from datetime import datetime, timedelta, timezone

from cases_console import _AUDIENCE, _house, _in, marking, words
from cases_console_guard import _barred, _later
from cases_console_sharing import _form, _press, _saved
from cases_pymisp import same
from harness import require
from node import temporary
from objects import TLP, V1, V2, V3, an_id, bundle_file, text


def _keeps(page):
    require('name="draft"' in page.text, f"it may be saved: {words(page)[:700]}")


def guards(report):
    """Who gives more is found by the marking, by the same source, by the part, by the definition."""
    with temporary() as home:
        node, logins = _house(home)
        who, note = an_id("identity", "who"), an_id("note", "call")
        call = json.loads(text("note", "call", None, content="what they said", object_refs=[who]))
        del call["name"]
        node.importing(bundle_file(home, "note", [text("identity", "who", None, identity_class="group"), json.dumps(call)]))
        node.importing(bundle_file(home, "feed", [text("tool", "rich", "clear"), text("tool", "late", "clear")]), "--source", "import")
        rich = text("tool", "rich", "amber+strict", x_note="SECRET enrichment")
        node.importing(bundle_file(home, "own", [rich]))
        alone = marking("alone", members=["alfa"])
        parts = [{"marking_ref": an_id("marking-definition", "alone"), "selectors": ["labels.[1]", "x_note"]}]
        marked = text("tool", "parts", "green", labels=["public", "SECRET label"], x_note="SECRET note", granular_markings=parts)
        strange = [{"marking_ref": an_id("marking-definition", "strange"), "selectors": ["x_note"]}]
        unread, window = text("tool", "unread", "green", x_note="SECRET too", granular_markings=strange), text("tool", "window", "green", object_marking_refs=[TLP["green"], an_id("marking-definition", "later")])
        node.importing(bundle_file(home, "parts", [alone, marked, unread, window]))
        with node.serve() as served:
            analyst, bravo = _in(served, logins, "analyst"), _in(served, logins, "bravo")
            with report.case("console breaks: a marking is lowered by who may, also where something else keeps the object back for now"):
                _keeps(analyst.post("/draft", json=json.dumps({**call, "modified": V2, "content": "more"})))
                page = analyst.post("/draft", json=json.dumps({**call, "modified": V2, "object_marking_refs": [TLP["clear"]]}))
                require("right to downgrade" in words(page) and 'name="draft"' not in page.text, words(page)[:700])
                _keeps(analyst.post("/draft", json=json.dumps({**call, "modified": V2, "object_marking_refs": [TLP["amber+strict"]]})))
            with report.case("console breaks: a feed's copy is no measure of what an own one gives"):
                _barred(analyst.post("/draft", json=_later(rich).replace(TLP["amber+strict"], TLP["green"])))
                _keeps(analyst.post("/draft", json=_later(rich).replace("SECRET", "hidden")))
                _keeps(analyst.post("/draft", json=_later(text("tool", "late", "clear"))))
            with report.case("console breaks: a part that is marked for itself is not given by another place in its list, nor by fewer marks"):
                require("SECRET" not in bravo.get(f"/objects/{an_id('tool', 'parts')}/raw").text, "what bravo has")
                value = json.loads(_later(marked))
                barred = lambda **more: require("right to downgrade" in words(analyst.post("/draft", json=json.dumps({**value, **more}))), f"{more}")
                _keeps(analyst.post("/draft", json=json.dumps({**value, "description": "more of it"})))
                barred(labels=["new", "public", "SECRET label"])
                barred(granular_markings=[{**parts[0], "selectors": ["labels.[1]"]}])
            with report.case("console breaks: a form does not offer a list of which a place is marked for itself"):
                page = analyst.get(f"/objects/{an_id('tool', 'parts')}/edit")
                require('name="labels"' not in page.text and 'name="description"' in page.text and "Labels" in words(page), "what it offers")
            with report.case("console breaks: a definition opens no part and no later window past the guard"):
                page = analyst.post("/draft", json=json.dumps({"type": "marking-definition", "spec_version": "2.1", "id": an_id("marking-definition", "strange"), "created": V1, "name": "TLP:CLEAR"}))
                require("right to downgrade" in words(page) and 'name="draft"' not in page.text, words(page)[:700])
                soon = json.loads(marking("later", members=["bravo"]))
                soon["extensions"][_AUDIENCE]["not_before"] = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
                page = analyst.post("/draft", json=json.dumps(soon))
                require("right to downgrade" in words(page) and 'name="draft"' not in page.text, words(page)[:700])
                _keeps(analyst.post("/draft", json=marking("of nothing here", members=["bravo"])))
            with report.case("console breaks: what hangs on an object is named before it is widened, and before it is raised"):
                officer = _in(served, logins, "release-officer")
                lowered = {**call, "modified": V2, "object_marking_refs": [TLP["clear"]]}
                owner = _in(served, logins, "owner")
                _saved(owner, owner.post("/draft", json=json.dumps(lowered)))
                page = officer.get(f"/objects/{who}/widen?level=green")
                require("It does not go alone" in words(page) and "would gain 1 other object" in words(page), words(page)[:900])
                _press(officer, page, f"/console/objects/{who}/widen", answer="yes")
                same(bravo.get(f"/objects/{note}").status_code, 200, "bravo has both")
                require("would lose 1 other object" in words(analyst.get(f"/objects/{who}/mark?level=red")), "raising")
                require("would lose 1 other object" in words(analyst.get(f"/recall?id={who}")), "recall")


def tightening(report):
    """A recall and a raised marking hold, whatever the object says of its own time."""
    with temporary() as home:
        node, logins = _house(home)
        ahead = (datetime.now(timezone.utc) + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        ahead_mark, long, sco = an_id("tool", "ahead, raised"), an_id("tool", "long"), "domain-name--" + an_id("tool", "x").split("--")[1]
        head = len(text("tool", "long", "clear", x_pad=""))
        raws = [text("tool", "ahead", "clear", modified=ahead), text("tool", "ahead, raised", "clear", modified=ahead), text("tool", "long", "clear", x_pad="p" * ((16 << 20) - head - 20)),
                json.dumps({"type": "domain-name", "spec_version": "2.1", "id": sco, "value": "wide.example"})]
        node.importing(bundle_file(home, "some", raws[:2] + raws[3:]))
        node.importing(bundle_file(home, "long", raws[2:3]))
        with node.serve() as served:
            analyst, officer, bravo = (_in(served, logins, u) for u in ("analyst", "release-officer", "bravo"))
            with report.case("console breaks: what is dated ahead is recalled and raised all the same"):
                for one, press in ((an_id("tool", "ahead"), lambda i: analyst.post("/recall", id=i)), (ahead_mark, lambda i: analyst.post("/mark", id=i, level="red"))):
                    same(bravo.get(f"/objects/{one}").status_code, 200, "before")
                    same(press(one).status_code, 303, "done")
                    same(bravo.get(f"/objects/{one}").status_code, 404, "after")
            with report.case("console breaks: what is too long for another marking is taken back without a version"):
                same(bravo.get(f"/objects/{long}/raw").status_code, 200, "before")
                same(analyst.post("/recall", id=long).status_code, 303, "recalled")
                same(bravo.get(f"/objects/{long}").status_code, 404, "after")
            with report.case("console breaks: an observable is widened, and recalled"):
                same(bravo.get(f"/objects/{sco}").status_code, 404, "unmarked")
                page = officer.get(f"/objects/{sco}/widen?level=clear")
                same(_press(officer, page, f"/console/objects/{sco}/widen", answer="yes").status_code, 303, "widened")
                same(bravo.get(f"/objects/{sco}").status_code, 200, "given")
                same(analyst.post("/recall", id=sco).status_code, 303, "recalled")
                same(bravo.get(f"/objects/{sco}").status_code, 404, "taken back")
            with report.case("console breaks: what is given again after a recall is called so"):
                node.importing(bundle_file(home, "again", [text("tool", "again", "clear")]))
                again = an_id("tool", "again")
                bravo.get(f"/objects/{again}")
                analyst.post("/recall", id=again)
                node("import", bundle_file(home, "later", [text("tool", "again", "clear", modified=(datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z"))]), "--own")
                bravo.get(f"/objects/{again}")
                require("given again since" in words(analyst.get(f"/recall?id={again}")), words(analyst.get(f"/recall?id={again}"))[:900])
            with report.case("console breaks: what nobody else has is not recalled once more"):
                said = words(_in(served, logins, "auditor").get("/acts"))
                analyst.post("/recall", id=sco)
                same(words(_in(served, logins, "auditor").get("/acts")).count("recalled"), said.count("recalled"), "acts")


def persons(report):
    """Two persons are two, and a yes is to those who were shown."""
    with temporary() as home:
        node, logins = _house(home)
        settings = node.dir / "polder.toml"
        settings.write_text(settings.read_text().replace("widen_persons_min = 1", "widen_persons_min = 2"))
        node.importing(bundle_file(home, "some", [text("tool", f"two {n}", "amber") for n in range(3)]))
        two = [an_id("tool", f"two {n}") for n in range(3)]
        with node.serve() as served:
            officer, owner = _in(served, logins, "release-officer"), _in(served, logins, "owner")
            with report.case("console breaks: a first yes is not to a member that came later"):
                address = f"/console/objects/{two[0]}/widen"
                _press(officer, officer.get(f"/objects/{two[0]}/widen?level=green"), address, answer="yes")
                queue = owner.get("/queue")
                node("member", "add", "delta")
                logins["delta"] = node("recipient", "add", "delta", "--organisation", "delta", "--json").json()["password"]
                answer = _press(owner, queue, address, answer="yes")
                require("others would receive it" in words(answer), words(answer)[:300])
                same(_in(served, logins, "delta").get(f"/objects/{two[0]}").status_code, 404, "given")
            with report.case("console breaks: whoever is suspended counts among those who would gain"):
                for member in ("bravo", "charlie", "delta"):
                    owner.post(f"/board/{member}/suspend")
                page = owner.get(f"/objects/{two[1]}/widen?level=green")
                require("It takes 2 persons" in words(page), words(page)[:700])
                for member in ("bravo", "charlie", "delta"):
                    owner.post(f"/board/{member}/resume")


def forms(report):
    """What a form takes in is what somebody entered, and nothing of it is lost."""
    with temporary() as home:
        node, logins = _house(home)
        victim = an_id("tool", "victim")
        named = json.loads(text("malware", "named", "green", is_family=False))
        named["name"] = f"{victim} looks harmless"
        node.importing(bundle_file(home, "feed", [json.dumps(named), text("tool", "of a feed", "green")]), "--source", "import")
        report_id, nobody = an_id("report", "about it"), an_id("marking-definition", "nobody")
        node.importing(bundle_file(home, "own", [text("report", "about it", "green", published=V1, object_refs=[named["id"]]), marking("nobody", members=[]), text("tool", "for nobody", None, marking=nobody), text("malware", "high", "red", is_family=False)]))
        with node.serve() as served:
            analyst, owner = _in(served, logins, "analyst"), _in(served, logins, "owner")
            with report.case("console breaks: an object's name in a form is no reference"):
                page = analyst.get(f"/objects/{report_id}/edit")
                require(f'{named["id"]} &quot;{victim} looks harmless&quot;' in page.text, "the form says what it is called")
                hidden = dict(_form(page, "/console/draft"))
                _saved(analyst, analyst.post("/draft", **hidden, name="about it", level="green", published=V1, description="d", object_refs=f'{named["id"]} "{victim} looks harmless"'))
                same(json.loads(analyst.get(f"/objects/{report_id}/raw").text)["object_refs"], [named["id"]], "what it is about")
                require("on each line stands the id of one object" in words(analyst.post("/draft", kind="report", name="n", object_refs=f"{victim} {victim}")), "two on a line")
            with report.case("console breaks: an audience that names nobody stays on what is edited, and can be taken off by name"):
                one = an_id("tool", "for nobody")
                page = analyst.get(f"/objects/{one}/edit")
                require("Other markings stay on it" in words(page), words(page)[:700])
                hidden = dict(_form(page, "/console/draft"))
                _saved(analyst, analyst.post("/draft", **hidden, name="for nobody, still", level=""))
                same(json.loads(analyst.get(f"/objects/{one}/raw").text)["object_marking_refs"], [nobody], "markings")
                page = owner.get(f"/objects/{one}/widen?level=green&keep={nobody}")
                require("gains it" not in words(page), "with it nobody gains")
                page = owner.get(f"/objects/{one}/widen?level=green")
                require("gains it" in words(page), words(page)[:700])
            with report.case("console breaks: only who introduced an object makes its next version"):
                page = analyst.get(f"/objects/{an_id('tool', 'of a feed')}/edit")
                require(page.status_code == 422 and "did not introduce" in words(page), words(page)[:400])
                require("Edit…" not in words(analyst.get(f"/objects/{an_id('tool', 'of a feed')}")) and "Edit…" in words(analyst.get(f"/objects/{report_id}")), "what is offered")
            with report.case("console breaks: the JSON of a next version is of that object"):
                page = analyst.post("/draft", of=report_id, json=text("tool", "another", "green"))
                require("not the object that is edited" in words(page) and "another" in page.text, words(page)[:400])
            with report.case("console breaks: an error and a preview keep what was entered"):
                page = analyst.post("/draft", kind="malware", name="typed once", first_seen="yesterday")
                require(page.status_code == 422 and 'value="typed once"' in page.text and 'value="yesterday"' in page.text, words(page)[:400])
                page = analyst.post("/draft", kind="malware", name="typed once", level="green")
                require('value="typed once"' in page.text and "Change what was entered" in words(page), words(page)[:400])
            with report.case("console breaks: a report that is marked lower than what it is about is told so"):
                page = analyst.post("/draft", kind="report", name="n", level="green", object_refs=an_id("malware", "high"))
                require("marked higher than it is" in words(page) and "TLP:RED" in words(page), words(page)[:700])
            with report.case("console breaks: what an edit changes is named"):
                page = analyst.get(f"/objects/{report_id}/edit")
                hidden = dict(_form(page, "/console/draft"))
                page = analyst.post("/draft", **hidden, name="about it, renamed", level="green", published=V1, description="d", object_refs=named["id"])
                require("What changes" in words(page) and "about it, renamed" in words(page) and "new version of" in words(page), words(page)[:700])
            with report.case("console breaks: what refers to an object is not all that its author wrote"):
                me, other = an_id("identity", "me"), an_id("tool", "victim")
                node.importing(bundle_file(home, "wrote", [text("identity", "me", "green", identity_class="group"), text("tool", "victim", "green", created_by_ref=me), text("relationship", "joins", "green", created_by_ref=me, relationship_type="uses", source_ref=an_id("malware", "named"), target_ref=other)]))
                said = words(analyst.get(f"/objects/{me}"))
                require("Nothing that is here for you" in said, said[:900])
                require("uses" in words(analyst.get(f"/objects/{other}")), "what does is there")


def acts(report):
    """What is told of a copy that another one of the house may not hold."""
    with temporary() as home:
        node, logins = _house(home)
        node("recipient", "add", "ana", "--kind", "person", "--organisation", "alfa", "--person", "ana")
        logins["bob"] = node("user", "add", "bob", "--recipient", "ana", "--role", "auditor", "--json").json()["password"]
        both = an_id("tool", "both")
        node.importing(bundle_file(home, "own", [text("tool", "both", "green", marking=None, object_marking_refs=[TLP["red"]]), text("tool", "seen", "amber")]))
        node.importing(bundle_file(home, "feed", [text("tool", "both", "clear")]), "--source", "import")
        with node.serve() as served, report.case("console breaks: acts about an own copy are told to who holds that copy"):
            owner, bob = _in(served, logins, "owner"), _in(served, logins, "bob")
            same(bob.get(f"/objects/{both}").status_code, 200, "the feed's copy")
            _press(owner, owner.get(f"/objects/{both}/widen?level=green&for=members:bravo"), f"/console/objects/{both}/widen", answer="yes")
            owner.post("/mark", id=both, level="amber")
            owner.post("/mark", id=an_id("tool", "seen"), level="amber+strict")
            said = words(owner.get("/acts"))
            require("wider version saved:" in said and "marked TLP:AMBER" in said, said[:900])
            said = words(bob.get("/acts"))
            require("wider version" not in said and "marked TLP:AMBER +" not in said and "both é marked" not in said, said[:1200])
            require("marked TLP:AMBER+STRICT" in said, f"of what bob holds: {said[:900]}")
