"""The console's guards, case by case as a reviewer got past them: who gives more than before, what an answer is about, what an act tells.

Rule: each case first shows that the plain way works, so that a refusal is not of everything.
"""

import json
import re

import requests

from cases_console import _AUDIENCE, _house, _in, marking, settle, words
from cases_pymisp import same
from harness import require
from node import temporary
from objects import TLP, V1, V2, V3, an_id, bundle_file, days_ahead, text


def _later(raw):
    return raw.replace(f'"modified" :"{V1}"', f'"modified" :"{V2}"')


def _barred(page, recipient="bravo"):
    require("right to downgrade" in words(page) and f"would go to {recipient}" in words(page) and 'name="draft"' not in page.text, words(page)[:700])


def downgrades(report):
    """Ways in which a version gives more than before, besides a lower level."""
    with temporary() as home:
        node, logins = _house(home)
        alone = marking("alone", members=["alfa"])
        cut = [{"marking_ref": an_id("marking-definition", "alone"), "selectors": ["x_note"]}]
        noted = text("tool", "noted", "green", x_note="for us", granular_markings=cut)
        strange = an_id("marking-definition", "alliance")
        held = text("tool", "of the alliance", "green", object_marking_refs=[TLP["green"], strange])
        tight = text("tool", "tight", "amber")
        node.importing(bundle_file(home, "some", [alone, noted, held, tight]))
        with node.serve() as served:
            analyst = _in(served, logins, "analyst")
            with report.case("console guard: a part that was cut out is not given by a version without its marking"):
                require("for us" not in _in(served, logins, "bravo").get(f"/objects/{an_id('tool', 'noted')}/raw").text, "what bravo has")
                page = analyst.post("/draft", json=_later(noted).replace("for us", "for us alone"))
                require('name="draft"' in page.text, "another text of the part")
                require(words(page).count("2 parts taken out of its copy x_note for us alone") == 2, words(page)[-1500:])
                value = json.loads(_later(noted))
                del value["granular_markings"]
                _barred(analyst.post("/draft", json=json.dumps(value)))
            with report.case("console guard: nor by a window that opens later"):
                soon = json.loads(marking("soon", members=["bravo"]))
                soon["extensions"][_AUDIENCE] = {"extension_type": "property-extension", "not_before": days_ahead(1)}
                value = json.loads(_later(tight))
                value["object_marking_refs"] = [TLP["green"], soon["id"]]
                _barred(analyst.post("/draft", json=json.dumps(soon) + "\n" + json.dumps(value)))
                value["object_marking_refs"] = [TLP["amber"], soon["id"]]
                require('name="draft"' in analyst.post("/draft", json=json.dumps(soon) + "\n" + json.dumps(value)).text, "a window that narrows")
            with report.case("console guard: nor by saying what a marking means that nobody could read"):
                require("of the alliance" in words(analyst.get("/queue")), "it waits")
                means = json.loads(marking("alliance", members=["bravo", "alfa"]))
                _barred(analyst.post("/draft", json=json.dumps(means)))
                require('name="draft"' in _in(served, logins, "owner").post("/draft", json=json.dumps(means)).text, "an owner may")
            with report.case("console guard: nor by a lower level, or a looser PAP, beside an audience that stays"):
                owner, for_bravo = _in(served, logins, "owner"), marking("for bravo", members=["bravo"])
                named = an_id("marking-definition", "for bravo")
                for n, (was, then) in enumerate([("amber+strict", "clear"), ("red", "green"), ("green", None)]):
                    one = text("tool", f"named {n}", None, object_marking_refs=[TLP[was], named])
                    node.importing(bundle_file(home, f"named-{n}", [for_bravo, one]))
                    value = json.loads(_later(one))
                    value["object_marking_refs"] = [named] + ([TLP[then]] if then else [])
                    page = analyst.post("/draft", json=json.dumps(value))
                    level = f"TLP:{then.upper()}" if then else "no level"
                    # Red goes to no organisation, so bravo gains the object itself.
                    why = "would go to bravo" if was == "red" else f"would say {level} to bravo, instead of TLP:{was.upper()}"
                    require("right to downgrade" in words(page) and why in words(page), words(page)[:900])
                    require('name="draft"' not in page.text and "1 new" not in words(page), words(page)[:900])
                    changes = words(page).split("What changes")[1].split("Who would receive it")[0]
                    require(f"TLP:{was.upper()}" in changes and named not in changes, changes)
                    require('name="draft"' in owner.post("/draft", json=json.dumps(value)).text, "an owner may")
                    value["object_marking_refs"] = [named, TLP["red"]]
                    require('name="draft"' in analyst.post("/draft", json=json.dumps(value)).text, "a higher one")
                pap = lambda name: {"type": "marking-definition", "spec_version": "2.1", "id": an_id("marking-definition", f"pap {name}"), "created": V1,
                                    "definition_type": "pap", "definition": {"pap": name}}
                node.importing(bundle_file(home, "paps", [json.dumps(pap("red")), json.dumps(pap("green"))]))
                careful = text("tool", "careful", None, object_marking_refs=[named, TLP["amber"], pap("red")["id"]])
                node.importing(bundle_file(home, "careful", [careful]))
                page = analyst.post("/draft", json=_later(careful).replace(pap("red")["id"], pap("green")["id"]))
                lowered = _later(text("tool", "named 0", None, object_marking_refs=[TLP["clear"], named]))
                draft = re.search(r'name="draft" value="([0-9a-f]+)"', owner.post("/draft", json=lowered).text).group(1)
                same(owner.post("/draft", draft=draft).status_code, 303, "the owner saves it")
                require("marked wider than before" in words(owner.get("/acts")), "and the acts say so")
                require("do more with it, by its PAP" in words(page) and 'name="draft"' not in page.text, words(page)[:900])
                require('name="draft"' in analyst.post("/draft", json=_later(careful)).text, "as it is")
            with report.case("console guard: what may not be saved is not kept, nor what was shown before"):
                page = analyst.post("/draft", json=_later(tight))
                draft = re.search(r'name="draft" value="([0-9a-f]+)"', page.text).group(1)
                _barred(analyst.post("/draft", json=_later(tight).replace(TLP["amber"], TLP["green"])))
                same(analyst.post("/draft", draft=draft).status_code, 422, "the one before")


def over_taxii(report):
    """The same over TAXII: a role is no wider by another door."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        token = node("user", "add", "second-analyst", "--role", "analyst", "--json").json()["token"]
        officer = node("user", "add", "second-owner", "--role", "owner", "--json").json()["token"]
        strange = an_id("marking-definition", "alliance")
        tight, theirs = text("tool", "tight", "amber"), text("tool", "theirs", "amber+strict")
        node.importing(bundle_file(home, "some", [tight, text("tool", "of the alliance", "green", object_marking_refs=[TLP["green"], strange])]))
        node.importing(bundle_file(home, "theirs", [theirs]), "--source", "from-bravo")

        def posted(served, raws, who=token):
            url = served.ready["api_root"] + f"collections/{served.ready['collection']}/objects/"
            head = {"Accept": "application/taxii+json;version=2.1", "Content-Type": "application/taxii+json;version=2.1", "Authorization": f"Bearer {who}"}
            answer = requests.post(url, json={"objects": [json.loads(raw) for raw in raws]}, headers=head, timeout=30)
            require(answer.status_code == 202, answer.text)
            return answer.json()

        wider = _later(tight).replace(TLP["amber"], TLP["green"])
        with node.serve() as served:
            bravo = _in(served, logins, "bravo")
            with report.case("console guard: an analyst gives no more over TAXII than in the console"):
                told = posted(served, [wider, text("tool", "another", "green")])
                require(told["success_count"] == 1 and told["failure_count"] == 1 and "would go to `bravo`" in told["failures"][0]["message"], str(told))
                same([bravo.get(f"/objects/{an_id('tool', label)}").status_code for label in ("tight", "another")], [404, 200], "who has what")
                told = posted(served, [_later(tight).replace("tight \u00e9", "tight, noted")])
                same((told["success_count"], told["failure_count"]), (1, 0), "as it is marked now")
            with report.case("console guard: nor what a member keeps from others, nor by saying what a marking means"):
                told = posted(served, [_later(theirs).replace(TLP["amber+strict"], TLP["green"])])
                require(told["failure_count"] == 1 and "charlie" in told["failures"][0]["message"], str(told))
                told = posted(served, [marking("alliance", members=["bravo", "alfa"])])
                require(told["failure_count"] == 1 and "bravo" in told["failures"][0]["message"], str(told))
            with report.case("console guard: who may downgrade does so over TAXII too"):
                same(posted(served, [wider.replace(V2, V3)], officer)["failure_count"], 0, "an owner")
                same(bravo.get(f"/objects/{an_id('tool', 'tight')}").status_code, 200, "given")
        settings = node.dir / "polder.toml"
        settings.write_text(settings.read_text().replace("widen_persons_min = 1", "widen_persons_min = 2"))
        node.importing(bundle_file(home, "more", [text("tool", "for two", "amber")]))
        with node.serve() as served, report.case("console guard: where it takes two, not even an owner does alone"):
            told = posted(served, [text("tool", "for two", "green", modified=V2)], officer)
            require(told["failure_count"] == 1, str(told))
            same(_in(served, logins, "bravo").get(f"/objects/{an_id('tool', 'for two')}").status_code, 404, "given by one")


def bindings(report):
    """What others said later of one's own."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        mine = text("tool", "ours first", "amber")
        node.importing(bundle_file(home, "mine", [mine]))
        node.importing(bundle_file(home, "echo", [mine.replace(TLP["amber"], TLP["amber+strict"]).replace("first \\u00e9", "first, they say")]), "--source", "from-bravo")
        with node.serve() as served, report.case("console guard: a member does not freeze what was ours first by a copy of it"):
            wider = _later(mine).replace(TLP["amber"], TLP["green"])
            _barred(_in(served, logins, "analyst").post("/draft", json=wider), "charlie")
            page = _in(served, logins, "owner").post("/draft", json=wider)
            require('name="draft"' in page.text, words(page)[:700])


def exports(report):
    """A file for somebody else, of what has other copies and versions."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        seen = text("tool", "seen", "green")
        node.importing(bundle_file(home, "seen", [seen]))
        for_charlie = {"object_marking_refs": [an_id("marking-definition", "for charlie")]}
        hidden = [marking("for charlie", members=["charlie"])] + [text("tool", "seen", None, modified=m, description="secret", **for_charlie) for m in (V1, V2)]
        node.importing(bundle_file(home, "hidden", hidden), "--source", "from-bravo")
        with node.serve() as served, report.case("console guard: a file for another has no copy and no version that its maker may not have"):
            require("secret" in _in(served, logins, "charlie").get(f"/objects/{an_id('tool', 'seen')}/raw").text, "charlie has it")
            owner = _in(served, logins, "owner")
            saved = owner.post("/export", to="charlie", sure="yes", id=an_id("tool", "seen"))
            require("secret" not in saved.text, saved.text[:400])
            same([o["modified"] for o in saved.json()["objects"]], [V1], "the version that the maker has")


def approvals(report):
    """What a yes is about, and whose it is."""
    with temporary() as home:
        node, logins = _house(home)
        settings = node.dir / "polder.toml"
        settings.write_text(settings.read_text().replace("widen_persons_min = 1", "widen_persons_min = 2"))
        strange = an_id("marking-definition", "strange")
        held = text("tool", "held", None, marking=strange)
        one = an_id("tool", "held")
        node.importing(bundle_file(home, "held", [held]))
        with node.serve() as served:
            owner = _in(served, logins, "owner")
            with report.case("console guard: an answer is about the text that was read, not about what came under its version since"):
                page = owner.get("/queue").text
                node.importing(bundle_file(home, "other", [held.replace("held \\u00e9", "held, other words")]))
                form = next(f for f in re.findall(r"<form class=.answers.*?</form>", page, re.S) if 'value="bravo"' in f)
                answer = owner.post("/queue", id=one, to="bravo", answer="approve", seen=re.findall(r'name="seen" value="([^"]*)"', form))
                require(answer.status_code == 422 and "another version" in words(answer), words(answer)[:300])
            with report.case("console guard: the yes of a removed login is not that of the next who bears its name"):
                same(settle(_in(served, logins, "release-officer"), one, "bravo", "approve").status_code, 303, "the first yes")
                require("approved by release-officer" in words(owner.get("/queue")), "it counts")
                node("user", "remove", "release-officer")
                require("approved by" not in words(owner.get("/queue")), "it counts no more")
                logins["release-officer"] = node("user", "add", "release-officer", "--role", "release-officer", "--json").json()["password"]
                require("approved by" not in words(owner.get("/queue")), "nor again")
                same(settle(owner, one, "bravo", "approve").status_code, 303, "the owner's yes")
                require("held" in words(owner.get("/queue")), "is one of two")
            with report.case("console guard: what was refused is answered again on its own page"):
                officer = _in(served, logins, "release-officer")
                same(settle(officer, one, "charlie", "refuse").status_code, 303, "refused")
                page = owner.get(f"/objects/{one}")
                require("refused by release-officer" in words(page) and "Answer again" in words(page), words(page)[:600])
                form = next(f for f in re.findall(r"<form class=.answers.*?</form>", page.text, re.S) if 'value="charlie"' in f)
                seen = re.findall(r'name="seen" value="([^"]*)"', form)
                for who in (owner, officer):
                    same(who.post("/queue", id=one, to="charlie", answer="approve", seen=seen).status_code, 303, "a yes")
                same(_in(served, logins, "charlie").get(f"/objects/{one}").status_code, 200, "charlie has it")


def acts(report):
    """What the log of acts tells of copies that somebody may not have."""
    with temporary() as home:
        node, logins = _house(home)
        node("collection", "add", "inbox", "--read", "*", "--write", "bravo")
        seen = text("tool", "seen", "green")
        node.importing(bundle_file(home, "seen", [seen]))
        one = an_id("tool", "seen")
        with node.serve() as served, report.case("console guard: an act upon a copy is told to who holds that copy"):
            auditor = _in(served, logins, "auditor")
            api = served.ready["api_root"]
            head = {"Accept": "application/taxii+json;version=2.1", "Content-Type": "application/taxii+json;version=2.1"}
            bravo = {"auth": ("bravo", logins["bravo"]), "headers": head, "timeout": 30}

            collections = requests.get(f"{api}collections/", **bravo).json()["collections"]
            inbox = f"{api}collections/{next(c['id'] for c in collections if c['can_write'])}/objects/"

            def posted_and_deleted(version, raws):
                answer = requests.post(inbox, data='{"objects":[' + ",".join(raws) + "]}", **bravo)
                same(answer.status_code, 202, f"post: {answer.text[:200]}")
                same(requests.delete(f"{inbox}{one}/", params={"match[version]": version}, **bravo).status_code, 200, "delete")
                return words(auditor.get("/acts"))

            for_charlie = {"object_marking_refs": [an_id("marking-definition", "for charlie and bravo")]}
            hidden = [marking("for charlie and bravo", members=["charlie", "bravo"]), text("tool", "seen", None, modified=V2, **for_charlie)]
            said = posted_and_deleted(V2, hidden)
            require("removed" not in said, f"of a hidden copy: {said[150:900]}")
            said = posted_and_deleted(V3, [text("tool", "seen", "green", modified=V3)])
            require("removed" in said, f"of one that is held: {said[150:900]}")
