"""The leaks that MISPs have had, by the numbers of the study's list, that no other group names.

Rule: what was hidden is looked for in every byte that the reader gets; what must not change is read by whose it is.
"""

import json
import re
import time

import requests

from cases_misp_sync import Answering
from cases_misp_worlds import _event, ask
from cases_pymisp import BRAVO, key_of
from harness import require
from node import Node, temporary

_OPEN, _HIDDEN, _NOBODY = (f"5f0e0001-0000-4000-8000-{n:012}" for n in (1, 2, 3))
_DELTA = BRAVO[:-1] + "9"
_PULL = "/deleted[]:0/deleted[]:1/excludeGalaxy:1/includeEventCorrelations:0/includeFeedCorrelations:0/includeWarninglistHits:0/excludeLocalTags:"


def _part(event, n=10):
    return f"{event[:-6]}{event[-3:]}{n:03}"


class _Told(Answering):
    """A MISP that wants everything and keeps what it was told."""

    def __init__(self):
        self.told = []
        super().__init__()

    def answer(self, method, path, body, headers):
        self.told.append(path.encode() + b" " + body)
        said = {"/servers/getVersion": {"version": "2.5.1", "perm_sync": True}, "/users/view/me.json": {"User": {"email": "s@s.example"}, "Organisation": {"uuid": BRAVO}}}
        if path.startswith("/events/filterEventIdsForPush"):
            return 200, {}, json.dumps([e["Event"]["uuid"] for e in json.loads(body)]).encode()
        if path.startswith("/events/add"):
            return 200, {}, body
        return (200, {}, json.dumps(said[path]).encode()) if path in said else (404, {}, b"{}")


def _three(home):
    """A node, and the keys of two members that may send to it."""
    node = Node(home)
    node("member", "add", "bravo", "--uuid", BRAVO)
    node("member", "add", "delta", "--uuid", _DELTA)
    bravo, delta = key_of(node, "bravo-misp", "bravo"), key_of(node, "delta-misp", "delta")
    node("collection", "add", "inbox", "--title", "Inbox", "--write", "bravo-misp", "--write", "delta-misp")
    return node, bravo, delta


def leaks(report):
    """L6, L7, L9, L11 and L14, each by the way it went wrong elsewhere."""
    with temporary() as home:
        node, bravo, delta = _three(home)
        tags = [{"name": "tlp:green"}, {"name": "secret:local", "local": True}, {"name": "secret:kept", "exportable": False}]
        seen = _event(_OPEN, "open", [("same.example", 5)], Tag=tags)
        seen["Event"]["Attribute"][0]["Tag"] = tags[1:]
        seen["Event"]["EventReport"] = [{"uuid": _part(_OPEN, 20), "name": "r", "content": "c", "timestamp": "1780000000", "distribution": "5", "Tag": [{"name": "report:tag"}, *tags[1:]]}]
        seen["Event"]["Note"] = [{"uuid": _part(_OPEN, 30), "object_uuid": _OPEN, "object_type": "Event", "note": "first", "distribution": "5", "created": "2026-05-01 00:00:00",
                                  "modified": "2026-05-01 00:00:00", "Opinion": [{"uuid": _part(_OPEN, 31), "object_uuid": _part(_OPEN, 30), "object_type": "Note", "opinion": "80", "comment": "ours",
                                                                                  "distribution": "5", "created": "2026-05-01 00:00:00", "modified": "2026-05-01 00:00:00"}]}]
        hidden = _event(_HIDDEN, "secret affair", [("same.example", 5), ("secret.example", 5)], distribution="0")
        (home / "a.json").write_text(json.dumps([seen, hidden]))
        node.importing(home / "a.json")
        (home / "k").write_text("k" * 40 + "\n")
        node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        with node.serve() as served:
            url = served.ready["misp"]

            def all_of(key, *routes):
                return b"\n".join(ask(url, key, *(route if len(route) == 3 else (*route, None)))[2] for route in routes)

            with report.case("misp L6: correlations, searches and previews know only what the reader may"):
                got = all_of(bravo, ("GET", f"/events/view/{_OPEN}/includeEventCorrelations:1"), ("POST", "/events/restSearch", {"value": "same.example", "includeCorrelations": 1}),
                             ("POST", "/attributes/restSearch", {"value": "same.example", "includeCorrelations": 1}), ("POST", "/attributes/restSearch", {"value": "%secret%"}),
                             ("POST", "/events/restSearch", {"quickFilter": "%secret%"}), ("GET", "/feed/manifest.json"), ("GET", "/feed/hashes.csv"), ("POST", "/events/index", {"value": "same.example"}))
                require(b"same.example" in got and b"secret affair" not in got and _HIDDEN.encode() not in got and b"secret.example" not in got, f"{got}")
                own = all_of(node.token, ("POST", "/attributes/restSearch", {"value": "same.example", "includeCorrelations": 1}))
                require(_HIDDEN.encode() in own, f"its owner sees no correlation: {own}")
            with report.case("misp L7: what is tagged here for here leaves by no way"):
                routes = [("GET", f"/events/view/{_OPEN}{_PULL}{n}") for n in (0, 1)] + [("GET", f"/feed/{_OPEN}.json"), ("GET", "/tags/index"), ("POST", "/tags/search", {"name": "%secret%"})]
                routes += [("POST", f"/{c}/restSearch", {"returnFormat": f, "includeContext": 1, "includeEventTags": 1}) for c in ("events", "attributes") for f in ("json", "csv", "text", "stix2")]
                routes += [("POST", "/events/restSearch", {"tags": ["secret:local"]}), ("POST", "/attributes/restSearch", {"tags": ["secret:kept"]})]
                got = all_of(bravo, *routes)
                require(b"same.example" in got and b"secret:" not in got, f"{got}")
                far = _Told()
                node("misp", "add", "far", far.url, "--key-file", home / "k", "--source", "from-bravo", "--to", "bravo-misp")
                node("misp", "push", "far", ok=None)
                told = b"\n".join(far.told)
                far.close()
                require(b"same.example" in told and b"secret" not in told, f"{told}")
                kept = all_of(node.token, ("GET", f"/events/view/{_OPEN}"))
                require(kept.count(b"secret:local") == 3, f"at home they are gone: {kept}")
            with report.case("misp L9: what is changed is authorised, not what it is reached by"):
                mine = _event(_NOBODY, "delta's", [("delta.example", 5)], Orgc={"uuid": _DELTA, "name": "delta"})
                require(ask(url, delta, "POST", "/events/add", mine)[0] == 200, "delta may not add")
                before = all_of(node.token, ("GET", f"/events/view/{_OPEN}"))
                opinion = {"uuid": _part(_OPEN, 31), "object_uuid": _part(_NOBODY, 40), "object_type": "Note", "opinion": "0", "comment": "overwritten", "distribution": "3",
                           "created": "2026-05-01 00:00:00", "modified": "2026-06-01 00:00:00"}
                note = {"uuid": _part(_NOBODY, 40), "object_uuid": _NOBODY, "object_type": "Event", "note": "n", "distribution": "3", "created": "2026-05-01 00:00:00", "modified": "2026-05-01 00:00:00"}
                stolen = {"uuid": _part(_OPEN), "type": "domain", "category": "Network activity", "value": "stolen.example", "timestamp": "1790000000", "distribution": "3"}
                taking = _event(_NOBODY, "delta's", [], Orgc={"uuid": _DELTA, "name": "delta"}, timestamp="1790000000", Attribute=[stolen],
                                Object=[{"uuid": _part(_NOBODY, 50), "name": "file", "timestamp": "1790000000", "distribution": "5", "Attribute": [{**stolen, "object_relation": "filename", "type": "filename"}]}],
                                EventReport=[{"uuid": _part(_OPEN, 20), "name": "stolen", "content": "stolen", "timestamp": "1790000000", "distribution": "3"}])
                for method, path, body in (
                    ("POST", f"/tags/removeTagFromObject/uuid:{_part(_OPEN, 20)}/tag:report:tag", {}), ("POST", "/tags/removeTagFromObject", {"uuid": _part(_OPEN, 20), "tag": "report:tag"}),
                    ("POST", "/tags/attachTagToObject", {"uuid": _part(_OPEN), "tag": "stolen"}), ("POST", f"/eventReports/edit/{_part(_OPEN, 20)}", {"name": "stolen", "event_id": _NOBODY}),
                    ("POST", f"/eventReports/delete/{_part(_OPEN, 20)}", {}), ("POST", f"/attributes/edit/{_part(_OPEN)}", {"value": "stolen.example", "event_uuid": _NOBODY}),
                    ("POST", f"/events/edit/{_NOBODY}", taking), ("POST", "/analyst_data/pushAnalystData", {"Note": {**note, "Opinion": [opinion]}}),
                    ("POST", "/analyst_data/pushAnalystData", {"Opinion": opinion}), ("POST", f"/analyst_data/edit/Opinion/{_part(_OPEN, 31)}", {"comment": "overwritten"}),
                    ("POST", f"/objects/edit/{_part(_NOBODY, 50)}", {"Object": {"uuid": _part(_NOBODY, 50), "Attribute": [stolen]}}), ("POST", f"/attributes/delete/{_part(_OPEN)}", {"event_id": _NOBODY}),
                ):
                    ask(url, delta, method, path, body)
                    after = all_of(node.token, ("GET", f"/events/view/{_OPEN}"))
                    require(after == before, f"{path} changed it: {after}")
                require(b"stolen" not in all_of(bravo, ("GET", f"/events/view/{_OPEN}")), "bravo reads what was stolen")
            with report.case("misp L11: who somebody is does not follow from an address"):
                made = json.loads(ask(url, node.token, "POST", "/admin/users/add", {"email": "ana@alfa.example", "org_id": _own_org(url, node), "role_id": 3})[2])["User"]
                same = ask(url, node.token, "POST", "/admin/users/add", {"email": "ana@alfa.example", "org_id": _own_org(url, node), "role_id": 6})
                require(same[0] == 403, f"a second one by that address: {same}")
                other = json.loads(ask(url, node.token, "POST", "/admin/users/add", {"email": "eve@alfa.example", "org_id": _own_org(url, node), "role_id": 3})[2])["User"]
                renamed = ask(url, node.token, "POST", f"/admin/users/edit/{other['id']}", {"email": "ana@alfa.example"})
                require(json.loads(ask(url, other["authkey"], "GET", "/users/view/me")[2])["User"]["email"] != "ana@alfa.example", f"eve is ana now: {renamed}")
                claim = requests.get(url.rstrip("/") + "/users/view/me", headers={"Authorization": other["authkey"], "Accept": "application/json", "X-Forwarded-User": "ana@alfa.example",
                                                                                  "Email": "ana@alfa.example", "From": "ana@alfa.example"}, timeout=30)
                require(claim.json()["User"]["id"] == other["id"], f"{claim.text}")
                me = json.loads(ask(url, made["authkey"], "GET", "/users/view/me")[2])["User"]
                require(me["id"] == made["id"], f"{me}")
            with report.case("misp L14: what a reader may not know answers as what is not there"):
                absent = "5f0e0001-0000-4000-8000-00000000dead"

                def answers(uuid):
                    # What it did is not to be told from what it could not do; every trace of the name that was asked by is taken out.
                    asked = [("HEAD", f"/events/view/{uuid}", None), ("GET", f"/events/view/{uuid}", None), ("POST", "/events/filterEventIdsForPush", [{"Event": {"uuid": uuid, "timestamp": 1}}]),
                             ("POST", f"/events/edit/{uuid}", _event(uuid, "x", [])), ("POST", f"/events/delete/{uuid}", {}), ("POST", f"/events/publish/{uuid}", {}),
                             ("POST", f"/attributes/add/{uuid}", {"type": "domain", "value": "x.example"}), ("POST", f"/sightings/add/{_part(uuid)}", {}), ("POST", f"/events/pushProposals/{uuid}", []),
                             ("POST", f"/sightings/filterSightingUuidsForPush/{uuid}", [uuid]), ("POST", "/analyst_data/filterAnalystDataForPush", {"Note": {uuid: "2026-05-01 00:00:00"}}),
                             ("POST", "/events/add", _event(uuid, "bravo's own", [("x.example", 5)], Orgc={"uuid": BRAVO, "name": "b"})), ("GET", f"/events/view/{uuid}", None)]
                    drawn = re.compile(rb'"(?:id|[a-z]+_id)":"\d+"|' + uuid.encode() + b"|" + _part(uuid).encode())
                    got = [(route[1].replace(uuid, "U"), *ask(url, bravo, *route)) for route in asked]
                    return [(path.replace(_part(uuid), "P"), status, "Location" in head, drawn.sub(b"", body)) for path, status, head, body in got]

                for got, want in zip(answers(_HIDDEN), answers(absent)):
                    require(got == want, f"{got} and not {want}")


def _own_org(url, node):
    return json.loads(ask(url, node.token, "GET", "/users/view/me")[2])["User"]["org_id"]


def sent_back(report):
    """What was found by reading with fresh eyes, each by the way it was found."""
    with temporary() as home:
        node, bravo, delta = _three(home)

        def bring(*events):
            (home / "a.json").write_text(json.dumps(list(events)))
            node.importing(home / "a.json")

        mine = _event(_OPEN, "open", [("open.example", 5)])
        bring(mine)
        with node.serve() as served:
            url = served.ready["misp"]

            def read(key, uuid=_OPEN, path=""):
                return ask(url, key, "GET", f"/events/view/{uuid}{path}")[2]

            with report.case("misp: publishing again after a hidden edit moves nothing that others read"):
                before = json.loads(read(bravo))["Event"]
                more = _event(_OPEN, "open", [("open.example", 5), ("hidden.example", 0)], timestamp="1790000500", publish_timestamp="1790000600")
                more["Event"]["Attribute"][1]["timestamp"] = "1790000500"
                bring(more)
                after = json.loads(read(bravo))["Event"]
                require((after["timestamp"], after["publish_timestamp"]) == (before["timestamp"], before["publish_timestamp"]), f"{before} {after}")
                own = json.loads(read(node.token))["Event"]
                require((own["timestamp"], own["publish_timestamp"]) == ("1790000500", "1790000600"), f"its owner reads other times: {own['timestamp']} {own['publish_timestamp']}")
            with report.case("misp: what others said about an event stays theirs when its owner sends it back"):
                attribute = _part(_OPEN)
                ask(url, bravo, "POST", f"/sightings/add/{attribute}", {"source": "bravo's gate"})
                ask(url, bravo, "POST", f"/shadowAttributes/add/{_OPEN}", {"type": "domain", "value": "bravo-says.example"})
                ask(url, bravo, "POST", f"/shadowAttributes/edit/{attribute}", {"value": "bravo-means.example", "type": "domain"})
                ask(url, bravo, "POST", f"/analyst_data/add/Note/{attribute}/Attribute", {"note": "bravo's note", "distribution": "0"})
                whole = read(node.token)
                require(all(v in whole for v in (b"bravo's gate", b"bravo-says.example", b"bravo-means.example")), f"its owner does not read it: {whole}")
                before = read(delta)
                ask(url, node.token, "POST", f"/events/edit/{_OPEN}", json.loads(whole))
                one = json.loads(whole)["Event"]["Attribute"][0]
                ask(url, node.token, "POST", f"/attributes/edit/{attribute}", one)
                (home / "back.json").write_text(node("export", "--to", node.member, "--format", "misp").out.decode())
                node.importing(home / "back.json")
                for path in ("", "/deleted[]:0/deleted[]:1"):
                    require(not any(v in read(delta, path=path) for v in (b"bravo's", b"bravo-")), f"delta reads {read(delta, path=path)}")
                got, first = json.loads(read(delta))["Event"], json.loads(before)["Event"]
                require([a["value"] for a in got["Attribute"]] == [a["value"] for a in first["Attribute"]], f"{got} and not {first}")
                require(b"bravo's gate" in read(node.token), "its owner lost it")
            with report.case("misp: an event that is raised alone is withdrawn with its parts, and what is added to it then is not told"):
                node("object", "mark", f"report--{_OPEN}", "--tlp", "red")
                pull = f"{_PULL}1"
                told = json.loads(read(bravo, path=pull))["Event"]
                require(told["info"] == "withdrawn" and [a["deleted"] for a in told["Attribute"]] == [True], f"{told}")
                require(int(told["Attribute"][0]["timestamp"]) > 1780000000 and told["Orgc"]["uuid"] == mine["Event"]["Orgc"]["uuid"], f"{told}")
                added = json.loads(json.dumps(more))
                added["Event"]["timestamp"] = str(int(time.time()))
                added["Event"]["Attribute"].append({**more["Event"]["Attribute"][0], "uuid": _part(_OPEN, 60), "value": "added.example", "timestamp": "1790000700"})
                bring(added)
                ask(url, bravo, "POST", "/events/restSearch", {})
                again = json.loads(read(bravo, path=pull))["Event"]
                require(again == told, f"{again} and not {told}")
            with report.case("misp: what a tool writes as a moment is kept as MISP reads it"):
                note = {"uuid": _part(_NOBODY, 30), "note": "n", "created": "2026-11-28T08:23:32+00:00", "modified": "2026-11-28T08:23:32+00:00", "distribution": "3"}
                ask(url, node.token, "POST", "/events/add", _event(_NOBODY, "noted", [("noted.example", 5)], Note=[note]))
                (kept,) = json.loads(read(node.token, _NOBODY))["Event"]["Note"]
                require((kept["created"], kept["modified"]) == ("2026-11-28 08:23:32", "2026-11-28 08:23:32"), f"{kept}")
            with report.case("misp: an event and an attribute are asked for by the UUIDs that MISP has for them"):
                for uuid, id in ((_NOBODY, f"report--{_NOBODY}"), (_part(_NOBODY), f"indicator--{_part(_NOBODY)}")):
                    require(id in node("release", "audience", uuid).text and id in node("release", "explain", uuid.upper(), "--to", "bravo-misp", ok=(0, 1)).text, uuid)
                require("object find" in node("object", "get", "5f0e0001-0000-4000-8000-00000000dead", ok=(1,)).text, "one that is not there")
                require("is not a STIX id" in node("object", "get", "nonsense", ok=(2,)).text, "nonsense")
            with report.case("misp: why somebody gets nothing is said in MISP's words too"):
                for uuid, more, said in ((_HIDDEN[:-1] + "a", {"published": False}, "not published"), (_HIDDEN[:-1] + "b", {"distribution": "0"}, "distribution 0"),
                                         (_HIDDEN[:-1] + "c", {"Tag": [{"name": "tlp:purple"}]}, "tag `tlp:purple` is not known here")):
                    bring(_event(uuid, "words", [("words.example", 5)], **more))
                    require(f"in MISP: the event is {said}" in (shown := node("release", "explain", uuid, "--to", "bravo-misp", ok=(0, 1)).text) or f"in MISP: {said}" in shown, shown)
                queue = node("release", "queue").text
                require("help: tag `tlp:purple` is not known here; correct it in MISP" in queue, queue)
            with report.case("misp: a distribution that MISP does not have is refused to people who work here"):
                for path, body in (("/events/add", {"info": "x", "distribution": 7}), (f"/attributes/add/{_NOBODY}", {"type": "domain", "value": "x.example", "distribution": "9"})):
                    status, _, said = ask(url, node.token, "POST", path, body)
                    require(status == 403 and b"Sharing group (4)" in said, f"{path}: {status} {said}")
            with report.case("misp: what a member says we made is for it and us alone"):
                ours = next(m for m in node("member", "list", "--json").json()["members"] if m["id"] == node.member)["identity"].removeprefix("identity--")
                forged = _event(_HIDDEN, "made by alfa, says delta", [("forged.example", 5)], Orgc={"uuid": ours, "name": "alfa"})
                require(ask(url, delta, "POST", "/events/add", forged)[0] == 200, "it was not taken")
                require(b"forged.example" in read(delta, _HIDDEN) and ask(url, bravo, "GET", f"/events/view/{_HIDDEN}")[0] == 404, "bravo reads it as ours")


def echo(report):
    """An event of ours that comes back with a pull does not stand in for the one we take back; and what the operator is told of servers."""
    with temporary() as home:
        alfa, bravo = Node(home), Node(home, "bravo", "Bravo CSIRT", BRAVO)
        ours = next(m for m in alfa("member", "list", "--json").json()["members"] if m["id"] == "alfa")["identity"].removeprefix("identity--")
        alfa("member", "add", "bravo", "--uuid", BRAVO)
        bravo("member", "add", "alfa", "--uuid", ours)
        key, _ = key_of(bravo, "alfa-misp", "alfa"), key_of(alfa, "bravo-misp", "bravo")
        bravo("collection", "add", "inbox", "--title", "Inbox", "--write", "alfa-misp")
        alfa("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
        (home / "k").write_text(key + "\n")

        def bring(**more):
            (home / "a.json").write_text(json.dumps([_event(_OPEN, "ours", [("ours.example", 5)], Orgc={"uuid": ours, "name": "Alfa"}, **more)]))
            alfa.importing(home / "a.json")

        bring()
        with bravo.serve() as served:
            alfa("misp", "add", "bravo", served.ready["misp"], "--key-file", home / "k", "--source", "from-bravo", "--to", "bravo-misp")

            def there():
                return ask(served.ready["misp"], bravo.token, "POST", "/events/restSearch", {"deleted": [0, 1]})[2]

            alfa("misp", "push", "bravo")
            require(b"ours.example" in there(), "it did not arrive")
            with report.case("misp echo: what went out from here and comes back is left alone"):
                told = alfa("misp", "pull", "bravo", "--json").json()
                require(told["new"] == told["variant"] == 0 and told["misp"]["events"] == 1, f"{told}")
            with report.case("misp echo: round and round nothing more goes or comes"):
                for _ in range(3):
                    pushed, pulled = alfa("misp", "push", "bravo", "--json").json(), alfa("misp", "pull", "bravo", "--json").json()
                    require((pushed["wanted"], pulled["new"]) == (0, 0), f"{pushed} {pulled}")
            with report.case("misp echo: and it is taken back though it came back"):
                bring(distribution="0", timestamp="1780000400")
                told = alfa("misp", "push", "bravo", "--json").json()
                require(told["withdrawn"] >= 1 and b"ours.example" not in there(), f"{told} {there()}")
            with report.case("misp set: another URL or key does not forget what was pushed; remove says what stays there"):
                bring(timestamp="1780000800")
                alfa("misp", "push", "bravo")
                require("nothing is to be changed" in alfa("misp", "set", "bravo", ok=(2,)).text, "it changed something")
                told = alfa("misp", "set", "bravo", "--url", served.ready["misp"].rstrip("/"), "--key-file", home / "k", "--json").json()
                require(told["misp"]["to"] == "bravo-misp", f"{told}")
                alfa("recipient", "suspend", "bravo-misp")
                told = alfa("misp", "push", "bravo", "--json", ok=(5,)).json()
                require(told["withdrawn"] >= 1 and b"ours.example" not in there(), f"{told}")
                alfa("recipient", "resume", "bravo-misp")
                alfa("misp", "push", "bravo")
            with report.case("misp status: what failed is told until it goes again"):
                (home / "wrong").write_text("w" * 40 + "\n")
                alfa("misp", "set", "bravo", "--key-file", home / "wrong")
                alfa("misp", "pull", "bravo", ok=(4,))
                (shown,) = alfa("misp", "status", "--json").json()["misps"]
                require("pull: " in shown["failed"], f"{shown}")
                alfa("misp", "set", "bravo", "--key-file", home / "k")
                alfa("misp", "set", "bravo", "--url", served.ready["misp"].replace("/misp/", "/"))
                require("/misp/" in alfa("misp", "test", "bravo", ok=(4,)).text, "the path is not named")
                alfa("misp", "set", "bravo", "--url", served.ready["misp"])
                alfa("misp", "pull", "bravo")
                require(alfa("misp", "status", "--json").json()["misps"][0]["failed"] == "", "it is told still")
                require(alfa("misp", "remove", "bravo", "--json").json()["events_left_there"] == 1, "nothing stays there")
        with report.case("misp feed: a stranger's words are not taken as one's own"):
            done = alfa("misp", "feed", "https://feed.example/list.txt", "--source", "own", "--format", "freetext", ok=(2,))
            require("of kind own" in done.text and "--kind feed" in done.text, done.text)
