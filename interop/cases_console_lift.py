"""Giving again what people here raised or recalled by an act over copies, which no version of one's own can undo.

Rule: each case shows who has it before, and who has it after.
"""

import time

from pymisp import PyMISP

from cases_console import _house, _in, marking, words
from cases_console_guard import _later
from cases_console_sharing import _press
from cases_pymisp import same
from harness import require
from node import temporary
from objects import an_id, bundle_file, text


def _lift(browser, one, left=None, answer="yes"):
    page = browser.get(f"/objects/{one}/lift" + ("" if left is None else f"?left={left.replace('+', '%2B')}"))
    require(page.status_code == 200, f"{page.status_code} {words(page)[:400]}")
    return page, _press(browser, page, f"/console/objects/{one}/lift", answer=answer)


def lifting(report):
    """One person where the policy says no more; the copies count as their senders marked them."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        open_, mine = an_id("tool", "open"), an_id("tool", "mine")
        some = [text("tool", "open", "clear"), marking("for nobody else", members=["alfa"])]
        node.importing(bundle_file(home, "theirs", some + [text("tool", "kept", None, marking=an_id("marking-definition", "for nobody else"))]), "--source", "from-bravo")
        node.importing(bundle_file(home, "mine", [text("tool", "mine", "green")]))
        with node.serve() as served:
            analyst, officer, owner, charlie = (_in(served, logins, u) for u in ("analyst", "release-officer", "owner", "charlie"))
            reads = lambda *ids: [charlie.get(f"/objects/{one}").status_code for one in ids]
            same(reads(open_, mine), [200, 200], "before")
            with report.case("console lift: what was recalled is given again by who may downgrade, and nobody else"):
                same(analyst.post("/recall", id=open_).status_code, 303, "recalled")
                same((reads(open_), officer.get(f"/objects/{open_}").status_code), ([404], 200), "in the house")
                require("recalled here" in words(officer.get(f"/objects/{open_}")) and "Lift what was raised here" in words(officer.get(f"/objects/{open_}")), "the page says so")
                same((analyst.get(f"/objects/{open_}/lift").status_code, charlie.get(f"/objects/{open_}/lift").status_code), (403, 403), "not theirs to lift")
                require("Lift what was raised here" not in words(analyst.get(f"/objects/{open_}")), "no link either")
                page, answer = _lift(officer, open_)
                require("charlie" in words(page) and "From from-bravo : recalled here" in words(page).replace("  ", " "), words(page)[:700])
                same((answer.status_code, reads(open_)), (303, [200]), "given again")
                require("given again since" in words(owner.get(f"/recall?id={open_}")), "the receipts say so")
                require("raised marking lifted here" in words(owner.get("/acts")), words(owner.get("/acts"))[:700])
                same(officer.get(f"/objects/{open_}/lift").status_code, 404, "nothing is left to lift")
            with report.case("console lift: an own object that was recalled by a version is widened, not lifted"):
                same(analyst.post("/recall", id=mine).status_code, 303, "recalled")
                same(officer.get(f"/objects/{mine}/lift").status_code, 404, "no act over it")
            with report.case("console lift: a level stays, if one is named; of what was raised before its recall that level is proposed"):
                same(analyst.post("/mark", id=open_, level="amber").status_code, 303, "raised")
                same(analyst.post("/recall", id=open_).status_code, 303, "recalled")
                page = officer.get(f"/objects/{open_}/lift")
                require('value="amber" selected' in page.text, words(page)[:700])
                same((_lift(officer, open_)[1].status_code, reads(open_)), (303, [404]), "still raised")
                require("raised here to ◆ TLP:AMBER" in words(officer.get(f"/objects/{open_}")), "as the page says")
                same((_lift(officer, open_, left="")[1].status_code, reads(open_)), (303, [200]), "not any more")
            with report.case("console lift: a yes is to what was raised when it was looked at"):
                analyst.post("/recall", id=open_)
                page = officer.get(f"/objects/{open_}/lift")
                analyst.post("/mark", id=open_, level="amber")
                answer = _press(officer, page, f"/console/objects/{open_}/lift", answer="yes")
                require(answer.status_code == 422 and "look at it again" in words(answer), f"{answer.status_code} {words(answer)[:300]}")
                same((reads(open_), _lift(officer, open_, left="")[1].status_code, reads(open_)), ([404], 303, [200]), "given by a yes of now")
            with report.case("console lift: who raises a copy to what nobody here may have is told that it takes the command line to undo it"):
                page = analyst.get(f"/objects/{open_}/mark?level=red")
                require("You would not see it any more" in words(page) and "polder object lift" in words(page), words(page)[:900])
                require("You would not see it" not in words(analyst.get(f"/objects/{open_}/mark?level=amber")), "a level that the house may have")
                same((analyst.post("/mark", id=open_, level="red").status_code, officer.get(f"/objects/{open_}/lift").status_code, reads(open_)), (303, 404, [404]), "RED")
                node("object", "lift", open_)
                same(reads(open_), [200], "given again")
            with report.case("console lift: a recall is not undone by a copy of one's own that an analyst brings in"):
                analyst.post("/recall", id=open_)
                page = analyst.post("/draft", json=_later(text("tool", "open", "clear")))
                require("right to downgrade" in words(page) and 'name="draft"' not in page.text, words(page)[:600])
                _lift(officer, open_)
            with report.case("console lift: what others marked stays as they marked it"):
                kept = an_id("tool", "kept")
                same((analyst.post("/mark", id=kept, level="amber+strict").status_code, _lift(officer, kept)[1].status_code, reads(kept)), (303, 303, [404]), "theirs")
            with report.case("console lift: an own copy that came later is widened past one's own recall, not past what others said"):
                node.importing(bundle_file(home, "own copy", [text("tool", "open", "clear")]))
                same(analyst.post("/recall", id=open_).status_code, 303, "recalled")
                same(_press(officer, officer.get(f"/objects/{open_}/widen?level=clear"), f"/console/objects/{open_}/widen", answer="yes").status_code, 303, "widened")
                same(reads(open_), [200], "by the own copy")
                node.importing(bundle_file(home, "own kept", [text("tool", "kept", None, marking=an_id("marking-definition", "for nobody else")), marking("for nobody else", members=["alfa"])]))
                page = officer.get(f"/objects/{kept}/widen?level=clear")
                require("what others marked binds" in words(page) and 'name="answer"' not in page.text, words(page)[:900])
        with report.case("console lift: the command line does the same, and says what is not there to lift"):
            told = node("object", "lift", open_, "--dry-run", "--json").json()
            same([t["recalled"] for t in told["tightened"]], [True], f"{told}")
            same(node("object", "lift", open_, "--to", "green", "--json").json()["saved"], True, "lifted")
            told = node("object", "lift", mine, ok=(1, 2))
            require("nobody here tightened copies" in told.text and "help:" in told.text, told.text)
            told = node("object", "lift", open_, "--to", "purple", ok=(1, 2))
            require("`purple`" in told.text, told.text)


def by_two(report):
    """Where the policy wants two persons, the first yes gives nothing."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        logins["second"] = node("user", "add", "second", "--role", "release-officer", "--json").json()["password"]
        one, other = an_id("tool", "one"), an_id("tool", "other")
        node.importing(bundle_file(home, "theirs", [text("tool", "one", "clear"), text("tool", "other", "clear")]), "--source", "from-bravo")
        settings = node.dir / "polder.toml"
        settings.write_text(settings.read_text().replace("widen_persons_min = 1", "widen_persons_min = 2"))
        with node.serve() as served:
            analyst, officer, second, charlie = (_in(served, logins, u) for u in ("analyst", "release-officer", "second", "charlie"))
            reads = lambda: [charlie.get(f"/objects/{i}").status_code for i in (one, other)]
            with report.case("console lift: the first of two proposes, the second gives it"):
                analyst.post("/recall", id=one)
                page, answer = _lift(officer, one)
                require("It takes 2 persons" in words(page), words(page)[:600])
                same((answer.status_code, reads()), (303, [404, 200]), "proposed")
                queue = second.get("/queue")
                require("What was raised here is lifted" in words(queue) and "1 of 2" in words(queue), words(queue)[:700])
                mine, theirs = (words(who.get(f"/objects/{one}/lift")) for who in (officer, second))
                require("waits for another person" in mine and "Propose it" not in mine and "Lift it" not in mine, mine[-700:])
                require("release-officer said yes: yours is the last yes, and it is given at once" in theirs and "Refuse" in theirs, theirs[-700:])
                require("said yes to this already" in words(_press(officer, officer.get("/queue"), f"/console/objects/{one}/lift", answer="yes")), "twice by one")
                same(_press(second, queue, f"/console/objects/{one}/lift", answer="yes").status_code, 303, "the second")
                same(reads(), [200, 200], "given")
                require("What was raised here" not in words(second.get("/queue")), "it waits no longer")
            with report.case("console lift: what is raised meanwhile ends what was proposed, and a no does"):
                analyst.post("/recall", id=other)
                _lift(officer, other)
                kept = second.get("/queue")
                analyst.post("/mark", id=other, level="amber")
                require("What was raised here" not in words(second.get("/queue")), "another thing by now")
                require("look at it again" in words(_press(second, kept, f"/console/objects/{other}/lift", answer="yes")), "the old page")
                _lift(officer, other, left="")
                _press(second, second.get("/queue"), f"/console/objects/{other}/lift", answer="no")
                require("What was raised here" not in words(second.get("/queue")), "refused")
                same(reads(), [200, 404], "in the end")
            with report.case("console lift: what gives nobody anything takes one person"):
                page, answer = _lift(officer, other, left="red")
                require("It takes 2 persons" not in words(page), words(page)[:600])
                same((answer.status_code, reads()), (303, [200, 404]), "kept from them")
        with report.case("console lift: the command line cannot answer for two"):
            told = node("object", "lift", other, ok=(1, 2))
            require("answer in the console" in told.text, told.text)


def from_a_misp(report):
    """What our own MISP writes keeps its markings, so a recall of it is an act too, and is lifted."""
    with temporary() as home:
        node, logins = _house(home)
        key = node.token
        with node.serve() as served:
            officer, bravo = _in(served, logins, "release-officer"), _in(served, logins, "bravo")
            writer = PyMISP(served.ready["misp"], key, ssl=False)
            made = writer.add_event({"info": "of our MISP", "distribution": 3, "published": True, "Attribute": [{"type": "domain", "value": "c2.example", "distribution": 5}]})
            one = f"report--{made['Event']['uuid']}"
            with report.case("console lift: an event of one's own MISP is recalled, and given again"):
                same(bravo.get(f"/objects/{one}").status_code, 200, "before")
                same((officer.post("/recall", id=one).status_code, bravo.get(f"/objects/{one}").status_code), (303, 404), "recalled")
                page, answer = _lift(officer, one)
                same((answer.status_code, bravo.get(f"/objects/{one}").status_code), (303, 200), words(page)[:900])
            with report.case("console lift: a level that was raised stays in its version until that MISP writes it again"):
                officer.post("/mark", id=one, level="amber")
                page, answer = _lift(officer, one)
                require("stays until that MISP writes it again" in words(page), words(page)[:900])
                raised_s = time.time() // 1
                same((answer.status_code, bravo.get(f"/objects/{one}").status_code), (303, 404), "the version says so")
                # What MISP writes is of a whole second, so that of a later one is later than the version that raised it.
                while time.time() // 1 <= raised_s:
                    bravo.get(f"/objects/{one}")
                require("errors" not in writer.update_event(writer.get_event(made["Event"]["uuid"], pythonify=True)), "edited")
                same(bravo.get(f"/objects/{one}").status_code, 200, "given again")
            with report.case("console lift: while it is not lifted, no edit in that MISP gives it"):
                officer.post("/recall", id=one)
                event = writer.get_event(made["Event"]["uuid"], pythonify=True)
                event.distribution = 3
                writer.update_event(event)
                same(bravo.get(f"/objects/{one}").status_code, 404, "recalled still")
                page, answer = _lift(officer, one)
                require("bravo ○ withheld ● released" in words(page), words(page)[:900])
                same((answer.status_code, bravo.get(f"/objects/{one}").status_code), (303, 200), "the lift alone gives it then")
