"""The leaks that MISPs have had, by the numbers of the study's list, that no other group names.

Rule: what was hidden is looked for in every byte that the reader gets; what must not change is read by whose it is.
"""

import json
import re

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


def leaks(report):
    """L6, L7, L9, L11 and L14, each by the way it went wrong elsewhere."""
    with temporary() as home:
        node = Node(home)
        node("member", "add", "bravo", "--uuid", BRAVO)
        node("member", "add", "delta", "--uuid", _DELTA)
        bravo, delta = key_of(node, "bravo-misp", "bravo"), key_of(node, "delta-misp", "delta")
        node("collection", "add", "inbox", "--title", "Inbox", "--write", "bravo-misp", "--write", "delta-misp")
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
