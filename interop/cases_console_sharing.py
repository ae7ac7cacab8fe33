"""The console's forms, and what people change about who has what: recall with receipts, widening by one person or two, filters, tables.

Rule: what a person does is looked for where it matters: in the recipients' own copies, in another MISP, in the object that was saved.
"""

import csv
import io
import json
import re
from urllib.parse import urlencode

import requests
from stix2validator import ValidationOptions, validate_string

from cases_console import CHARLIE, _house, _in, marking, words
from cases_misp_beside import _event, _events, _note, _pair, _Stubborn
from cases_pymisp import BRAVO, Counted, same
from harness import require
from node import PASSWORD, temporary
from objects import TLP, V1, V2, an_id, bundle_file, text

_TAXII = {"Accept": "application/taxii+json;version=2.1"}


def _form(page, action):
    """The hidden fields of the form that leads there."""
    found = re.search(rf'<form[^>]*method="post" action="{re.escape(action)}".*?</form>', page.text, re.S)
    require(found, f"no form to {action}: {words(page)[:500]}")
    return [(k, v) for k, v in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found.group(0)) if k != "form_token"]


def _press(browser, page, action, **more):
    fields = {}
    for key, value in _form(page, action):
        fields.setdefault(key, []).append(value)
    return browser.post(action.removeprefix("/console"), **fields, **more)


def recall(report):
    """An object is taken back to the house, and the page says of each copy what is known."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        mine, theirs, alone = (an_id("tool", label) for label in ("mine", "theirs", "alone"))
        node.importing(bundle_file(home, "mine", [text("tool", "mine", "clear"), marking("for alfa", members=["alfa"]), text("tool", "alone", None, marking=an_id("marking-definition", "for alfa"))]))
        node.importing(bundle_file(home, "theirs", [text("tool", "theirs", "green"), text("tool", "mine", "green")]), "--source", "from-bravo")
        token = node("user", "add", "reader-of-charlie", "--recipient", "charlie", "--json").json()["token"]
        with node.serve() as served:
            url = served.ready["api_root"] + f"collections/{served.ready['collection']}/objects/"
            reads = lambda: [o["id"] for o in requests.get(url, headers={**_TAXII, "Authorization": f"Bearer {token}"}, timeout=30).json().get("objects", [])]
            analyst, charlie = _in(served, logins, "analyst"), _in(served, logins, "charlie")
            require({mine, theirs} <= set(reads()), "charlie reads both")
            with report.case("console recall: who would lose it is shown, and who was sent it when"):
                page = analyst.get(f"/recall?id={mine}")
                said = words(page)
                require("charlie" in said and "loses it" in said and "not recalled" in said and "in full" in said, said[:900])
                require(re.search(r"charlie.{0,400}first sent|First sent", page.text, re.S), "when")
                require("Nobody but your organisation" in words(analyst.get(f"/recall?id={alone}")), "nothing to recall")
                same(charlie.get(f"/recall?id={mine}").status_code, 403, "another's people")
            with report.case("console recall: one press takes back every copy that is here, whoever sent it; the house keeps it"):
                same(_press(analyst, page, "/console/recall").status_code, 303, "recalled")
                require(mine not in reads() and theirs in reads(), "what charlie reads now")
                same((charlie.get(f"/objects/{mine}").status_code, analyst.get(f"/objects/{mine}").status_code), (404, 200), "who has it")
                kept = json.loads(analyst.get(f"/objects/{mine}/raw").text)
                require(TLP["clear"] in kept["object_marking_refs"] and len(kept["object_marking_refs"]) == 2, f"its other markings stay: {kept}")
            with report.case("console recall: a reader cannot be made to forget, and the page says so"):
                said = words(analyst.get(f"/recall?id={mine}"))
                require("cannot be recalled" in said and "asked again at" in said and "may no longer have it" in said and "Recalled at" in said, said[:900])
            with report.case("console recall: what a member sent is no longer given on, and that member keeps its own"):
                page = analyst.get(f"/recall?id={theirs}")
                same(_press(analyst, page, "/console/recall").status_code, 303, "recalled")
                require(theirs not in reads(), "charlie")
                same((_in(served, logins, "bravo").get(f"/objects/{theirs}").status_code, analyst.get(f"/objects/{theirs}").status_code), (200, 200), "bravo's own, and the house")
                again = json.loads(text("tool", "theirs", "clear", modified=V2))
                node("import", bundle_file(home, "again", [json.dumps(again)]), "--source", "from-bravo")
                require(theirs not in reads(), "nor a later version of it")
            with report.case("console recall: many at once, and the acts say who"):
                node.importing(bundle_file(home, "many", [text("tool", f"many {n}", "clear") for n in range(3)]))
                many = [an_id("tool", f"many {n}") for n in range(3)]
                require(set(many) <= set(reads()), "before")
                page = analyst.get("/recall?" + urlencode({"id": many}, doseq=True))
                require("Loses" in words(page) and "charlie" in words(page), words(page)[:600])
                require(words(_press(analyst, page, "/console/recall")).count("recalled") >= 3, "told")
                require(not set(many) & set(reads()), "after")
                said = words(_in(served, logins, "auditor").get("/acts"))
                require("recalled" in said and "many 1" in said and "analyst" in said, said[:900])
            with report.case("object recall: the command line does the same and says who was sent it"):
                node.importing(bundle_file(home, "last", [text("tool", "last", "clear")]))
                last = an_id("tool", "last")
                require(last in reads(), "before")
                tried = node("object", "recall", last, "--dry-run")
                require("withhold" in tried.text and last in reads(), tried.text)
                done = node("object", "recall", last)
                require("stays with this organisation" in done.text and "charlie" in done.text and "full" in done.text, done.text)
                require(last not in reads(), "after")
                require("recalled 20" in node("ledger", "who-has", last).text, "told later")
                require("charlie" in node("ledger", "who-has", last).text, "and who")
        with node.serve() as served, report.case("console recall: it holds over a restart"):
            require(not {mine, theirs, *many, last} & {o["id"] for o in requests.get(served.ready["api_root"] + f"collections/{served.ready['collection']}/objects/", headers={**_TAXII, "Authorization": f"Bearer {token}"}, timeout=30).json().get("objects", [])}, "given again")


def receipts(report):
    """A MISP that deletes what it is told to gives a receipt; one that does not is named."""
    with temporary() as home:
        alfa, bravo = _pair(home)
        event, part = "5f0d0031-0000-4000-8000-000000000001", "5f0d0031-0000-4000-8000-000000000002"
        made_by = {"Orgc": {"uuid": BRAVO, "name": "Bravo CSIRT"}}
        documents = [_event(event, "an affair", [("affair.example", 5)], **made_by), _event(part, "another", [("stays.example", 5), ("part.example", 5)], **made_by)]
        (home / "a.json").write_text(json.dumps(documents))
        bravo.importing(home / "a.json")
        stubborn = _Stubborn()
        with alfa.serve() as far, bravo.serve() as served:
            for name, url in (("alfa", far.ready["misp"]), ("stubborn", stubborn.url)):
                bravo("misp", "add", name, url, "--key-file", home / "k", "--source", "from-alfa", "--to", "alfa-misp")
            writer = Counted(served.ready["misp"], bravo.token)
            noted = [writer.add_note(_note(about, said, 3)) for about, said in ((event, "a note on the affair"), (part, "a note that stays"))]
            for name in ("alfa", "stubborn"):
                bravo("misp", "push", name)
            require("a note on the affair" in json.dumps(_events(far, alfa.token)), "nor was this")
            require("affair.example" in json.dumps(_events(far, alfa.token)), "not there to begin with")
            owner = _in(served, {"owner": PASSWORD}, "owner")
            report_id = f"report--{event}"
            address = f"/recall?id={report_id}"
            with report.case("console receipts: before a recall the page says where it stands"):
                said = words(owner.get(address))
                require("stands at MISP alfa" in said and "stands at MISP stubborn" in said, said[:1200])
            with report.case("console receipts: what a MISP deleted is a receipt, with the time at which that was seen"):
                same(_press(owner, owner.get(address), "/console/recall").status_code, 303, "recalled")
                page = owner.get(address)
                require("until the next push" in words(page), words(page)[:1200])
                for note in noted:
                    writer.delete_note(note)
                same(owner.post("/recall/push", id=report_id, misp="alfa").status_code, 303, "taken back now")
                said = words(owner.get(address))
                require("seen gone at MISP alfa at 20" in said, said[:1200])
                there = json.dumps(_events(far, alfa.token, deleted=[0, 1]))
                stands = [said for said in ("affair.example", "a note on the affair", "a note that stays") if said in there]
                same(stands, ["a note that stays"], "what stands there")
                require("stays.example" in json.dumps(_events(far, alfa.token)), "what was not recalled went too")
            with report.case("console receipts: a MISP that keeps it is named, with why"):
                owner.post("/recall/push", id=report_id, misp="stubborn")
                said = words(owner.get(address))
                require("cannot be withdrawn at MISP stubborn" in said and "seen gone at MISP alfa" in said, said[:1200])
                require("an affair" in words(owner.get("/board")), "on the board too")
            with report.case("console receipts: a part of an event is taken back by itself"):
                found = owner.get("/objects?q=part.example").text
                indicator = re.search(r"/console/objects/((?:indicator|domain-name|x-[a-z-]+|observed-data)--[0-9a-f-]{36})", found).group(1)
                _press(owner, owner.get(f"/recall?id={indicator}"), "/console/recall")
                same(owner.post("/recall/push", id=indicator, misp="alfa").status_code, 303, "taken back now")
                there = json.dumps(_events(far, alfa.token, deleted=[0, 1]))
                require("part.example" not in there and "stays.example" in there, there[:900])
                require("seen gone at MISP alfa" in words(owner.get(f"/recall?id={indicator}")), words(owner.get(f"/recall?id={indicator}"))[:900])
            with report.case("console receipts: a MISP at which it does not stand is not pushed to"):
                same(owner.post("/recall/push", id=indicator, misp="none").status_code, 404, "no such MISP")
                same(owner.post("/recall/push", id=indicator, misp="alfa").status_code, 404, "taken back already")
            with report.case("object recall: receipts are on the command line too"):
                said = bravo("ledger", "who-has", report_id).text
                require("MISP alfa: seen gone there" in said and "MISP stubborn: cannot be withdrawn" in said, said)
        stubborn.close()


def wider(report):
    """Who may downgrade makes an own object wider; where the policy says so it takes two."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        logins["second"] = node("user", "add", "second", "--role", "release-officer", "--json").json()["password"]
        first, other, bound = an_id("tool", "first"), an_id("tool", "other"), an_id("tool", "bound")
        node.importing(bundle_file(home, "bound-first", [text("tool", "bound", "amber+strict")]), "--source", "from-bravo")
        node.importing(bundle_file(home, "own", [text("tool", "first", "amber+strict", x_note="kept"), text("tool", "other", "amber+strict"), text("tool", "bound", "amber+strict")]))
        with node.serve() as served:
            officer, analyst, bravo = (_in(served, logins, u) for u in ("release-officer", "analyst", "bravo"))
            with report.case("console widen: a release officer gives an own object to more, and everything else of it stays"):
                same((analyst.get(f"/objects/{first}/widen").status_code, bravo.get(f"/objects/{first}").status_code), (403, 404), "before")
                page = officer.get(f"/objects/{first}/widen?level=green")
                require(len(re.findall("gains it", page.text)) == 2, words(page)[:900])
                answer = _press(officer, page, f"/console/objects/{first}/widen", answer="yes")
                same(answer.status_code, 303, words(answer)[:300])
                raw = json.loads(bravo.get(f"/objects/{first}/raw").text)
                same((raw["x_note"], raw["object_marking_refs"], raw["created"]), ("kept", [TLP["green"]], V1), "the new version")
            with report.case("console widen: an audience is named, and taken off again"):
                page = officer.get(f"/objects/{other}/widen?level=&for=members:bravo")
                _press(officer, page, f"/console/objects/{other}/widen", answer="yes")
                same([_in(served, logins, u).get(f"/objects/{other}").status_code for u in ("bravo", "charlie")], [200, 404], "for bravo")
                page = officer.get(f"/objects/{other}/widen")
                require(re.search(r'value="members:bravo" checked', page.text), "the form shows it as it is")
                _press(officer, officer.get(f"/objects/{other}/widen?level=green"), f"/console/objects/{other}/widen", answer="yes")
                same([_in(served, logins, u).get(f"/objects/{other}").status_code for u in ("bravo", "charlie")], [200, 200], "for both")
            with report.case("console widen: what others keep from somebody is not widened here"):
                page = officer.get(f"/objects/{bound}/widen?level=clear")
                require("what others marked binds" in words(page) and 'name="answer"' not in page.text, words(page)[:900])
        settings = node.dir / "polder.toml"
        settings.write_text(settings.read_text().replace("widen_persons_min = 1", "widen_persons_min = 2"))
        node.importing(bundle_file(home, "two", [text("tool", f"two {n}", "amber") for n in range(4)]))
        two = [an_id("tool", f"two {n}") for n in range(4)]
        with node.serve() as served:
            officer, second, owner, bravo = (_in(served, logins, u) for u in ("release-officer", "second", "owner", "bravo"))
            address = f"/console/objects/{two[0]}/widen"
            with report.case("console widen: the first of two proposes, and nothing is given by that"):
                page = officer.get(f"/objects/{two[0]}/widen?level=green")
                require("It takes 2 persons" in words(page), words(page)[:600])
                same(_press(officer, page, address, answer="yes").status_code, 303, "proposed")
                same(bravo.get(f"/objects/{two[0]}").status_code, 404, "not yet")
                queue = words(officer.get("/queue"))
                require("two 0" in queue and "approved by release-officer, 1 of 2" in queue and "you have said yes" in queue, queue[:900])
                require("TLP:AMBER tool two 0" in queue, queue[:900])
            with report.case("console widen: the page of what is proposed says whose yes it has, and what another one does"):
                asked = f"/objects/{two[0]}/widen?level=green"
                mine, theirs = words(officer.get(asked)), words(second.get(asked))
                require("waits for another person" in mine and "Propose it" not in mine, mine[-700:])
                require("yours is the last yes, and it is given at once" in theirs and "Save the new version" in theirs and "Refuse" in theirs, theirs[-700:])
                require("yours is the first yes" in words(second.get(f"/objects/{two[0]}/widen?level=clear")), "another wish is another proposal")
            with report.case("console widen: no one person says it twice"):
                answer = _press(officer, officer.get("/queue"), address, answer="yes")
                require("said yes to this already" in words(answer), words(answer)[:300])
                same(bravo.get(f"/objects/{two[0]}").status_code, 404, "not yet")
            with report.case("console widen: the second saves it"):
                same(_press(second, second.get("/queue"), address, answer="yes").status_code, 303, "the second")
                same(bravo.get(f"/objects/{two[0]}").status_code, 200, "given")
                require("two 0" not in words(second.get("/queue")), "it waits no longer")
            with report.case("console widen: a no ends it, and a yes about another copy counts for nothing"):
                _press(officer, officer.get(f"/objects/{two[1]}/widen?level=green"), f"/console/objects/{two[1]}/widen", answer="yes")
                kept = second.get("/queue")
                _press(owner, owner.get("/queue"), f"/console/objects/{two[1]}/widen", answer="no")
                answer = _press(second, kept, f"/console/objects/{two[1]}/widen", answer="yes")
                same((answer.headers.get("Location"), bravo.get(f"/objects/{two[1]}").status_code), ("/console/queue", 404), "a first yes again")
                _press(officer, officer.get(f"/objects/{two[2]}/widen?level=green"), f"/console/objects/{two[2]}/widen", answer="yes")
                kept = second.get("/queue")
                node.importing(bundle_file(home, "changed", [text("tool", "two 2", "amber", modified=V2, x_secret="much more")]))
                answer = _press(second, kept, f"/console/objects/{two[2]}/widen", answer="yes")
                require("another version" in words(answer), words(answer)[:300])
                require("two 2" not in words(second.get("/queue")), "what was proposed is of another copy")
                same(bravo.get(f"/objects/{two[2]}").status_code, 404, "given")
            with report.case("console widen: the yes of a removed login is void"):
                node("user", "add", "third", "--role", "release-officer", "--json")
                logins["third"] = node("user", "password", "third", "--json").json()["password"]
                third = _in(served, logins, "third")
                _press(third, third.get(f"/objects/{two[3]}/widen?level=green"), f"/console/objects/{two[3]}/widen", answer="yes")
                require("two 3" in words(second.get("/queue")), "proposed")
                node("user", "remove", "third")
                require("two 3" not in words(second.get("/queue")), "it still waits")
                page = second.get(f"/objects/{two[3]}/widen?level=green")
                _press(second, page, f"/console/objects/{two[3]}/widen", answer="yes")
                same(bravo.get(f"/objects/{two[3]}").status_code, 404, "one yes is one")
            with report.case("console widen: where it takes two, no draft gives more by one"):
                raw = text("tool", "two 3", "green", modified=V2)
                page = owner.post("/draft", json=raw)
                require("takes 2 persons" in words(page) and 'name="draft"' not in page.text, words(page)[:600])
                page = owner.post("/draft", json=raw.replace(TLP["green"], TLP["amber"]))
                require('name="draft"' in page.text, "as it is marked now")
            with report.case("console widen: the acts tell of it without naming the copy"):
                said = words(_in(served, logins, "auditor").get("/acts"))
                require("wider version proposed:" in said and "wider version saved:" in said and "wider version refused:" in said, said[:900])
                require(not re.search(r"\b[0-9a-f]{32}\b", said), "a digest")


# Of every type that has a form, what somebody would enter.
_ENTERED = {
    "indicator": {"name": "n", "pattern": "[domain-name:value = 'made.example']", "indicator_types": ["malicious-activity", "anonymization"], "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z",
                  "kill_chain_phases": "mitre-attack impact\r\nown-chain second", "description": "two\r\nlines"},
    "report": {"name": "n", "report_types": ["threat-report"], "published": "2026-01-02T00:00:00Z", "object_refs": "REF \"a name beside it\""},
    "note": {"abstract": "a", "content": "c", "authors": "one\r\ntwo", "object_refs": "REF"},
    "opinion": {"opinion": "agree", "explanation": "because", "object_refs": "REF"},
    "grouping": {"name": "n", "context": "suspicious-activity", "object_refs": "REF"},
    "malware": {"name": "n", "malware_types": ["ransomware", "worm"], "is_family": "yes", "aliases": "b", "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-02T00:00:00Z"},
    "tool": {"name": "n", "tool_types": ["remote-access"], "tool_version": "1.0"},
    "threat-actor": {"name": "n", "threat_actor_types": ["criminal"], "sophistication": "expert", "primary_motivation": "personal-gain", "goals": "one\r\ntwo"},
    "intrusion-set": {"name": "n", "aliases": "m", "primary_motivation": "ideology"},
    "campaign": {"name": "n", "objective": "o", "first_seen": "2026-01-01T00:00:00Z"},
    "attack-pattern": {"name": "n", "kill_chain_phases": "mitre-attack impact", "external_references": "mitre-attack T1486"},
    "vulnerability": {"name": "CVE-2026-0001", "external_references": "cve CVE-2026-0001\r\nvendor https://vendor.example/a"},
    "infrastructure": {"name": "n", "infrastructure_types": ["botnet"], "first_seen": "2026-01-01T00:00:00Z"},
    "course-of-action": {"name": "n", "description": "d"},
    "incident": {"name": "n"},
    "identity": {"name": "n", "identity_class": "organization", "sectors": ["energy", "transportation"], "contact_information": "at the gate"},
    "location": {"name": "n", "country": "XA", "city": "c"},
    "sighting": {"sighting_of_ref": "REF", "count": "3", "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-02T00:00:00Z"},
    "relationship": {"source_ref": "REF", "relationship_type": "related-to", "target_ref": "REF", "start_time": "2026-01-01T00:00:00Z", "stop_time": "2026-01-02T00:00:00Z"},
    "domain-name": {"value": "made.example"},
    "ipv4-addr": {"value": "192.0.2.1"},
    "ipv6-addr": {"value": "2001:db8::1"},
    "url": {"value": "https://made.example/a"},
    "email-addr": {"value": "a@made.example", "display_name": "A"},
    "file": {"hashes": "SHA-256 " + "ab" * 32 + "\r\nMD5 " + "cd" * 16, "name": "a.bin", "size": "7"},
    "mac-addr": {"value": "00:00:5e:00:53:01"},
    "software": {"name": "n", "vendor": "v", "version": "1"},
    "user-account": {"account_login": "a", "account_type": "unix"},
}


def _saved(browser, page):
    draft = re.search(r'name="draft" value="([0-9a-f]+)"', page.text)
    require(draft, f"nothing to save: {words(page)[:700]}")
    return browser.post("/draft", draft=draft.group(1))


def forms(report):
    """Every common type has a form that makes what others read, and that loses nothing of what is edited."""
    with temporary() as home:
        node, logins = _house(home)
        about = an_id("malware", "about")
        node.importing(bundle_file(home, "some", [text("malware", "about", "clear", is_family=False), marking("alone", members=["alfa"]), marking("many", members=["bravo"]), marking("more", members=["bravo", "charlie"])]))
        with node.serve() as served:
            analyst, bravo = _in(served, logins, "analyst"), _in(served, logins, "bravo")
            with report.case("console forms: every type that is offered makes an object that stix2-validator reads"):
                offered = re.findall(r"<option value=\"([a-z0-9-]+)\"", re.search(r'<select id="kind".*?</select>', analyst.get("/new").text, re.S).group(0))
                same(sorted(offered), sorted(_ENTERED), "types")
                for kind, entered in _ENTERED.items():
                    fields = {k: v.replace("REF", about) if isinstance(v, str) else v for k, v in entered.items()}
                    shown = analyst.get(f"/new?kind={kind}").text
                    require(all(f'name="{name}"' in shown for name in fields), f"{kind}: a field is not in its form")
                    page = analyst.post("/draft", kind=kind, level="green", labels="made\r\nby hand", confidence="70", **fields)
                    require("Against the specification" not in words(page), f"{kind}: {words(page)[:700]}")
                    _saved(analyst, page)
                    (one,) = [i for i in re.findall(r"/console/objects/([a-z0-9-]+--[0-9a-f-]{36})\"", analyst.get(f"/objects?type={kind}").text) if i != about][:1]
                    raw = bravo.get(f"/objects/{one}/raw").text
                    saved = json.loads(raw)
                    result = validate_string(raw, ValidationOptions(version="2.1", disabled="all"))
                    require(result.is_valid, f"{kind}: {[str(e) for e in result.errors]}")
                    for name, value in fields.items():
                        text_of = json.dumps(saved.get(name), ensure_ascii=False)
                        words_of = value if isinstance(value, list) else re.split(r"[\r\n]+", value) if name in ("authors", "goals") else [value.split()[0]]
                        require(all(w in text_of or w in ("yes",) for w in words_of), f"{kind} {name}: {text_of}")
                    if "created" in saved:
                        same((saved["labels"], saved["confidence"]), (["made", "by hand"], 70), kind)
            with report.case("console forms: an edit changes what was changed and keeps the rest to the letter"):
                one = an_id("threat-actor", "whole")
                whole = text("threat-actor", "whole", "green", x_own={"deep": [1, {"a": None}]}, aliases=["one", "two"], goals=["g"], roles=["agent"], confidence=30, external_references=[{"source_name": "s", "description": "long", "url": "https://far.example/"}],
                             granular_markings=[{"marking_ref": an_id("marking-definition", "alone"), "selectors": ["x_own"]}])
                node.importing(bundle_file(home, "whole", [whole]))
                page = analyst.get(f"/objects/{one}/edit")
                require("Elsewhere" in re.sub(r"<fieldset.*?</fieldset>", "", words(page)) and 'name="external_references"' not in page.text, "what a form cannot show it does not offer")
                require(re.search(r'name="name"[^>]*value="whole é"', page.text) and ">one\ntwo</textarea>" in page.text, "what it is now")
                hidden = dict(_form(page, "/console/draft"))
                same((hidden["of"], hidden["kind"]), (one, "threat-actor"), "which")
                fields = {"name": "whole, renamed", "aliases": "two\r\nthree", "goals": "g", "confidence": "30", "level": "green", "labels": "", "description": "new"}
                _saved(analyst, analyst.post("/draft", **hidden, **fields))
                before, after = json.loads(whole), json.loads(analyst.get(f"/objects/{one}/raw").text)
                same((after["name"], after["aliases"], after["description"]), ("whole, renamed", ["two", "three"], "new"), "what was changed")
                for key in set(before) - {"name", "aliases", "modified"}:
                    same(after[key], before[key], key)
                same(set(after) - set(before), {"description"}, "what came")
                require(after["modified"] > before["modified"], "a new version")
                require("x_own" not in json.loads(bravo.get(f"/objects/{one}/raw").text), "what was for the house alone stays so")
            with report.case("console forms: a form of an older version saves nothing"):
                page = analyst.post("/draft", **hidden, **fields)
                require("another version of this object came in" in words(page) and 'name="draft"' not in page.text, words(page)[:500])
            with report.case("console forms: markings a form does not show stay on the object"):
                two = an_id("tool", "marked")
                node.importing(bundle_file(home, "marked", [text("tool", "marked", None, object_marking_refs=[TLP["green"], an_id("marking-definition", "many"), an_id("marking-definition", "more"), an_id("marking-definition", "unknown")])]))
                page = analyst.get(f"/objects/{two}/edit")
                require("Other markings stay on it" in words(page), words(page)[:800])
                hidden = dict(_form(page, "/console/draft"))
                _saved(analyst, analyst.post("/draft", **hidden, name="marked, still", level="amber"))
                refs = json.loads(analyst.get(f"/objects/{two}/raw").text)["object_marking_refs"]
                same(set(refs), {TLP["amber"], an_id("marking-definition", "many"), an_id("marking-definition", "more"), an_id("marking-definition", "unknown")}, "markings")
            with report.case("console forms: what cannot be read is told by the name of its field"):
                for fields, said in (({"kind": "malware", "name": "n", "first_seen": "yesterday"}, "First seen"), ({"kind": "file", "hashes": "SHA-256"}, "Hashes"), ({"kind": "sighting", "sighting_of_ref": "nothing"}, "What was seen"),
                                     ({"kind": "tool", "name": "n", "confidence": "101"}, "Confidence"), ({"kind": "x-none"}, "no form"), ({"kind": "indicator", "name": "n"}, "STIX pattern")):
                    page = analyst.post("/draft", **fields)
                    require(said in words(page) and "help:" in words(page) and 'name="draft"' not in page.text, f"{fields}: {words(page)[:400]}")
            with report.case("console forms: objects are found by name, as far as they may be known"):
                found = analyst.get("/pick?q=about&types=malware tool").text
                require(f'data-add="{about}"' in found, found[:500])
                require(about not in analyst.get("/pick?q=about&types=tool").text, "another type")
                same(bravo.get("/pick?q=about").status_code, 403, "who writes nothing")


def lists(report):
    """What a list is narrowed to, and what is saved of it."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        author, formula = an_id("identity", "author"), '=HYPERLINK("https://far.example/","x")'
        node.importing(bundle_file(home, "own", [text("identity", "author", "clear", identity_class="organization"), text("tool", "green one", "green", created_by_ref=author), text("tool", "amber one", "amber"), text("tool", "bare one"),
                                                 text("tool", "formula", "green", name=formula, labels=["+1", "plain"])]))
        node.importing(bundle_file(home, "theirs", [text("tool", "their one", "green", created_by_ref=author)]), "--source", "from-bravo")
        with node.serve() as served:
            analyst, bravo = _in(served, logins, "analyst"), _in(served, logins, "bravo")
            names = lambda browser, query: {w for w in ("green one", "amber one", "bare one", "their one") if w in words(browser.get(f"/objects?{query}"))}
            with report.case("console lists: by marking, source and author, with words and without"):
                for query, want in (("type=tool", {"green one", "amber one", "bare one", "their one"}), ("type=tool&level=green", {"green one", "their one"}), ("level=amber", {"amber one"}), ("type=tool&level=none", {"bare one"}),
                                    ("source=from-bravo", {"their one"}), ("source=own&type=tool", {"green one", "amber one", "bare one"}), (f"author={author}", {"green one", "their one"}), (f"author={author}&source=own", {"green one"}),
                                    ("q=one&level=green", {"green one", "their one"}), (f"q=their&author={author}", {"their one"}), ("q=one&level=red", set()), (f"author={an_id('identity', 'nobody')}", set())):
                    same(names(analyst, query), want, query)
                require("is no TLP level" in words(analyst.get("/objects?level=purple")), "a level that is none")
            with report.case("console lists: the marking in force is no filter for others' people"):
                same(names(bravo, "level=amber"), names(bravo, ""), "the filter does nothing")
                require('id="level"' not in bravo.get("/objects").text and 'id="source"' not in bravo.get("/objects").text, "it is not offered")
            with report.case("console lists: a table has no cell that a spreadsheet takes for a formula"):
                ids = [an_id("tool", label) for label in ("formula", "green one")]
                answer = analyst.post("/export", id=ids, **{"as": "csv"})
                require(answer.headers["Content-Type"].startswith("text/csv") and "attachment" in answer.headers["Content-Disposition"], str(answer.headers))
                rows = {r["id"]: r for r in csv.DictReader(io.StringIO(answer.text))}
                same((rows[ids[0]]["name"], rows[ids[0]]["labels"], rows[ids[1]]["created_by_ref"], rows[ids[1]]["marking"]), ("'" + formula, "'+1; plain", author, "TLP:GREEN"), "cells")
            with report.case("console lists: a table for a recipient has what that one may have"):
                officer = _in(served, logins, "release-officer")
                answer = officer.post("/export", id=[an_id("tool", "amber one"), an_id("tool", "green one")], to="bravo", sure="yes", **{"as": "csv"})
                require("green one" in answer.text and "amber one" not in answer.text, answer.text)
                require("bravo" in node("ledger", "who-has", an_id("tool", "green one")).text, "the ledger")


def beside(report):
    """Copies of one object from several sources, with what they say differently."""
    with temporary() as home:
        node, logins = _house(home)
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        one, lone = an_id("tool", "both"), an_id("tool", "lone")
        node.importing(bundle_file(home, "own", [text("tool", "both", "green", description="as we saw it", x_same=1), text("tool", "lone", "green")]))
        node.importing(bundle_file(home, "theirs", [text("tool", "both", "green", description="as they saw it", x_same=1, x_theirs="more")]), "--source", "from-bravo")
        node.importing(bundle_file(home, "feed", [text("tool", "both", "red", description="what a feed keeps", modified=V2)]), "--source", "import")
        with node.serve() as served:
            analyst, bravo = _in(served, logins, "analyst"), _in(served, logins, "bravo")
            with report.case("console copies: sources stand side by side where they differ, and who vouches is told"):
                said = words(analyst.get(f"/objects/{one}"))
                require("Side by side: 2 properties differ" in said and "as we saw it" in said and "as they saw it" in said and "x_theirs" in said, said[:1500])
                require("came by the login of bravo" in said and "made here" in said, said[:1500])
                require("Side by side" not in words(analyst.get(f"/objects/{lone}")), "one copy")
            with report.case("console copies: a copy that is not for the house is not among them, and others' people see none"):
                require("what a feed keeps" not in analyst.get(f"/objects/{one}").text, "the RED one")
                require("Side by side" not in bravo.get(f"/objects/{one}").text and "Copies here" not in bravo.get(f"/objects/{one}").text, "bravo's page")


def live(report):
    """An open page hears of moves, and of nothing else."""
    with temporary() as home:
        node, logins = _house(home)
        token = node("user", "add", "reader-of-bravo", "--recipient", "bravo", "--json").json()["token"]
        with node.serve() as served:
            def heard(user, cause, until, most_s=20):
                browser = _in(served, logins, user)
                lines = []
                with browser.http.get(browser.base + "/events", stream=True, timeout=most_s) as stream:
                    event = None
                    try:
                        for line in stream.iter_lines(decode_unicode=True):
                            if line.startswith("event: "):
                                event = line[7:]
                            if line.startswith("data: "):
                                lines.append((event, line[6:]))
                                if event == "watching":
                                    cause()
                                if until in lines:
                                    break
                    except requests.exceptions.RequestException:
                        pass
                return lines
            url = served.ready["api_root"] + "collections/"
            polls = lambda: requests.get(url, headers={**_TAXII, "Authorization": f"Bearer {token}"}, timeout=30)
            with report.case("console live: a new object is told, by no more than which parts to ask for again"):
                lines = heard("analyst", lambda: node.importing(bundle_file(home, "new", [text("tool", "new", "green")])), ("moved", "view"))
                same(lines, [("watching", "view"), ("moved", "view")], "events")
            with report.case("console live: that a recipient asked is told to who sees the board, and to nobody else"):
                lines = heard("analyst", polls, ("moved", "board"))
                require(lines[-1] == ("moved", "board") and set(lines) <= {("watching", "view"), ("moved", "board")}, str(lines))
                same(heard("bravo", polls, ("moved", "board"), most_s=8), [("watching", "view")], "another's people")
