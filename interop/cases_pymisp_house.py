"""PyMISP by the people of one MISP: organisations, users, sharing groups, proposals, notes, sightings, each with who may see and change what.

Rule: every refusal is asked for by who must be refused, and what a refused call wanted is looked for afterwards.
"""

import json
import time
import uuid as uuids

import requests

from cases_pymisp import BRAVO, Counted, key_of, refused, same
from harness import require
from node import Node, temporary


def _post(served, key, path, body=None, method="POST"):
    head = {"Authorization": key, "Accept": "application/json"}
    return requests.request(method, served.ready["misp"].rstrip("/") + "/" + path.lstrip("/"), json=body, headers=head, timeout=30)


def _servers(report, served, node):
    from pymisp import MISPServer

    owner = Counted(served.ready["misp"], node.token)
    key = "s" * 40
    with report.case("pymisp: an owner says which MISPs there are, and no answer repeats a key"):
        server = MISPServer()
        server.name, server.url, server.remote_org_id, server.authkey = "Second", "https://misp.harbour.example", 1, key
        made = owner.add_server(server)
        same((made.name, made.url, made.push), ("Second", "https://misp.harbour.example", False), "what was added")
        made.name = "Second of ours"
        same(owner.update_server(made).name, "Second of ours", "another name")
        (listed,) = owner.servers()
        same((listed.name, listed.remote_org_id, listed.internal), ("Second of ours", listed.org_id, True), "the list")
        told = node("misp", "status", "--json")
        same([(m["name"], m["source"]) for m in told.json()["misps"]], [("Second of ours", "own")], "the node's own list")
        require(key not in _post(served, node.token, "/servers/index", method="GET").text + told.text, "the key came out")
    with report.case("pymisp: what cannot be a server is refused with what to do"):
        for wrong, said in (({"url": "ftp://x.example"}, "ftp"), ({"url": "http://far.example"}, "not encrypted"), ({"remote_org_id": 77}, "organisation is not known"), ({"authkey": ""}, "authkey"),
                            ({"name": "Second of ours"}, "already")):
            body = {"name": "Third", "url": "https://third.example", "remote_org_id": 1, "authkey": key, **wrong}
            reply = _post(served, node.token, "/servers/add", body)
            require(reply.status_code == 403 and said in reply.text, f"{wrong}: {reply.status_code} {reply.text}")
        reply = _post(served, node.token, f"/servers/edit/{listed.id}", {"url": "https://elsewhere.example"})
        require(reply.status_code == 403 and "another MISP" in reply.text, reply.text)
        same(len(owner.servers()), 1, "servers")
    with report.case("pymisp: another name leaves what the operator chose"):
        node("recipient", "add", "ours-2", "--kind", "partner-system", "--organisation", node.member)
        node("misp", "set", "Second of ours", "--to", "ours-2")
        listed.name, listed.push = "Second", True
        same(owner.update_server(listed).push, True, "direction")
        same([(m["name"], m["to"]) for m in node("misp", "status", "--json").json()["misps"]], [("Second", "ours-2")], "whose view is pushed")
        (listed,) = owner.servers()
    with report.case("pymisp: a server is forgotten"):
        same(owner.delete_server(listed)["name"], "Server deleted", "the answer")
        same(owner.servers(), [], "servers")


def _people(report, served, node):
    from pymisp import MISPOrganisation, MISPUser

    owner = Counted(served.ready["misp"], node.token)
    with report.case("pymisp: an owner adds an organisation and its users"):
        organisation = MISPOrganisation()
        organisation.name = "Harbour"
        organisation = owner.add_organisation(organisation)
        same(organisation.name, "Harbour", "the name")
        people = {}
        for name, role in (("ana@harbour.example", 3), ("pub@harbour.example", 4), ("read@harbour.example", 6)):
            user = MISPUser()
            user.email, user.org_id, user.role_id = name, organisation.id, role
            made = owner.add_user(user)
            require(len(made.authkey) == 40, f"no key: {made}")
            people[name.split("@")[0]] = Counted(served.ready["misp"], made.authkey)
            people[name.split("@")[0] + "-key"] = made.authkey
        same(sorted(u.email for u in owner.users() if "harbour" in u.email), ["ana@harbour.example", "pub@harbour.example", "read@harbour.example"], "users")
        same([o.name for o in owner.organisations() if o.name == "Harbour"], ["Harbour"], "organisations")
    with report.case("pymisp: nobody else says who is who"):
        ana = people["ana"]
        stranger = MISPOrganisation()
        stranger.name = "Stranger"
        refused(ana.add_organisation(stranger), 403, "an organisation")
        user = MISPUser()
        user.email, user.org_id, user.role_id = "eve@harbour.example", organisation.id, 1
        refused(ana.add_user(user), 403, "a user")
        refused(owner.add_user(user), 403, "an administrator of another organisation")
        refused(ana.users(), 403, "the list of users")
        same([o.name for o in ana.organisations()], ["Harbour"], "the organisations ana knows of")
        me = owner.get_user("me")
        refused(ana.get_user(me.id), 404, "another user")
        reply = _post(served, people["ana-key"], f"auth_keys/add/{me.id}", {})
        same(reply.status_code, 404, "L10: a key for the owner")
        require("authkey_raw" not in reply.text, "a key came out")
        require("Stranger" not in node("member", "list", "--json").text, "the organisation is there")
    with report.case("pymisp: a new key opens beside the first, a reset one instead of all"):
        from pymisp import PyMISP
        from pymisp.exceptions import PyMISPError

        more = ana.get_new_authkey()
        PyMISP(served.ready["misp"], more, ssl=False)
        PyMISP(served.ready["misp"], people["ana-key"], ssl=False)
        fresh = _post(served, more, "users/resetauthkey/me", {}).json()["AuthKey"]["authkey_raw"]
        for old in (more, people["ana-key"]):
            try:
                PyMISP(served.ready["misp"], old, ssl=False)
            except PyMISPError:
                continue
            require(False, "a key from before the reset still opens")
        people["ana"], people["ana-key"] = Counted(served.ready["misp"], fresh), fresh
    return owner, people, organisation


def _events(report, served, owner, people, bravo):
    from pymisp import MISPEvent

    ana, pub, read = people["ana"], people["pub"], people["read"]

    def event(distribution=3, **more):
        made = MISPEvent()
        made.info, made.distribution = "made at the harbour", distribution
        made.add_attribute("domain", f"{uuids.uuid4().hex}.example", to_ids=True)
        for key, value in more.items():
            setattr(made, key, value)
        return made

    with report.case("pymisp: what is not published is for those who work on this MISP"):
        draft = owner.add_event(event())
        require(ana.event_exists(draft.uuid), "ana cannot see it")
        require(not bravo.event_exists(draft.uuid), "bravo can see a draft")
        own = owner.add_event(event(0))
        require(not ana.event_exists(own.uuid), "distribution 0 is for the owner's organisation")
        same(ana.get_event(draft.uuid).id, draft.id, "one number for all who work here")
    with report.case("pymisp: roles: read, send, publish"):
        refused(read.add_event(event()), 403, "a reader sends")
        sent = ana.add_event(event(published=True))
        require(not sent.published, "ana may not publish")
        refused(ana.publish(sent), 403, "ana publishes")
        require(not bravo.event_exists(sent.uuid), "bravo sees what nobody published")
        require("errors" not in pub.publish(sent), "pub may publish")
        require(bravo.event_exists(sent.uuid), "bravo does not see it")
        refused(bravo.update_event({"info": "taken"}, event_id=sent.uuid), 403, "another member changes it")
        same(ana.get_event(sent.uuid).info, "made at the harbour", "the title")
    with report.case("pymisp: an attribute that is no longer for detection stays one, however often it is changed"):
        attribute = sent.attributes[0]
        for comment in "abc":
            attribute.to_ids, attribute.comment = comment == "c", comment
            pub.update_attribute(attribute)
            same([(a.comment, a.to_ids) for a in ana.get_event(sent.uuid).attributes], [(comment, comment == "c")], "the attributes")
    with report.case("pymisp: a link that is followed changes nothing"):
        for path in (f"events/delete/{sent.uuid}", f"events/publish/{draft.uuid}", f"attributes/delete/{attribute.uuid}"):
            same(_post(served, people["pub-key"], path, method="GET").status_code, 405, path)
        require(ana.event_exists(sent.uuid), "deleted by GET")
    return sent, draft


def _said(report, owner, people, bravo, sent):
    from pymisp import MISPAttribute, MISPNote

    ana, pub = people["ana"], people["pub"]
    with report.case("pymisp: a proposal goes to whose event it is, who decides"):
        wish = MISPAttribute()
        wish.type, wish.value = "ip-dst", "198.51.100.9"
        made = bravo.add_attribute_proposal(sent.uuid, wish)
        same(made.value, wish.value, "the proposal")
        told = ana.attribute_proposals(sent.uuid)
        same([p.value for p in told], [wish.value], "what ana is told")
        refused(bravo.accept_attribute_proposal(made), 403, "bravo decides itself")
        same(pub.accept_attribute_proposal(told[0])["message"], "Proposed change accepted.", "accepted")
        require(wish.value in [a.value for a in bravo.get_event(sent.uuid).attributes], "the attribute is missing")
        same(bravo.attribute_proposals(), [], "S7: nothing waits any more")
        change = bravo.update_attribute_proposal(sent.attributes[0].uuid, {"to_ids": False})
        require(change.id, "nothing was proposed")
        same(pub.discard_attribute_proposal(pub.attribute_proposals()[0])["message"], "Proposal discarded.", "discarded")
        same(bravo.attribute_proposals(), [], "nothing waits any more")
    with report.case("pymisp: a note about another's event is for its owner and for who wrote it"):
        note = MISPNote()
        note.object_uuid, note.object_type, note.note, note.distribution = sent.uuid, "Event", "seen at bravo too", 3
        note = bravo.add_note(note)
        same([n.note for n in ana.get_event(sent.uuid).notes], ["seen at bravo too"], "what ana reads")
        note.note = "changed"
        refused(ana.update_note(note), 403, "ana changes bravo's note")
        same(bravo.update_note(note).note, "changed", "bravo's own change")
        same([n.note for n in ana.get_event(sent.uuid).notes], ["changed"], "what ana reads now")
        require("errors" not in bravo.delete_note(note), "not deleted")
        same(ana.get_event(sent.uuid).notes, [], "after that")
    with report.case("pymisp: sightings of another's attribute reach whose it is"):
        before = len(ana.sightings(sent))
        bravo.add_sighting({"source": "bravo"}, sent.attributes[0].uuid)
        seen = [s for s in ana.sightings(sent) if s.source == "bravo"]
        same((len(ana.sightings(sent)) - before, len(seen)), (1, 1), "sightings")
        refused(pub.delete_sighting(seen[0].uuid), 404, "another's sighting")
        require("errors" not in bravo.delete_sighting(seen[0].uuid), "not deleted")
        same(len(ana.sightings(sent)), before, "afterwards")


def _groups(report, owner, people, organisation, bravo):
    from pymisp import MISPEvent, MISPSharingGroup

    ana = people["ana"]
    with report.case("pymisp: who joins a sharing group gets what was shared before, who leaves loses it"):
        group = MISPSharingGroup()
        group.name, group.releasability = "Quay", "harbours"
        refused(ana.add_sharing_group(group), 403, "ana makes a group")
        group = owner.add_sharing_group(group)
        same(ana.sharing_groups(), [], "L5: the groups ana knows of")
        require(not ana.sharing_group_exists(group.uuid), "ana can look at it")
        event = MISPEvent()
        event.info, event.distribution, event.sharing_group_id, event.published = "for the quay", 4, group.id, True
        event.add_attribute("domain", "quay.example")
        event = owner.add_event(event)
        require(not ana.event_exists(event.uuid), "ana is not in the group")
        owner.add_org_to_sharing_group(group, organisation)
        require(ana.event_exists(event.uuid), "S2: ana is in the group now")
        same([g.name for g in ana.sharing_groups()], ["Quay"], "the groups ana knows of")
        same([e.uuid for e in ana.search(sharinggroup=group.id)], [event.uuid], "searched by group")
        require(not bravo.event_exists(event.uuid), "bravo is not in the group")
        owner.remove_org_from_sharing_group(group, organisation)
        require(not ana.event_exists(event.uuid), "S1: ana is no longer in the group")
        require("errors" not in owner.delete_sharing_group(group), "not deleted")


def _raised(report, served, node, owner, bravo):
    from pymisp import MISPEvent

    with report.case("pymisp: a marking that was raised here is not lowered by MISP's next write"):
        event = MISPEvent()
        event.info, event.distribution, event.published = "raised", 3, True
        event.add_attribute("domain", "raised.example")
        event.add_attribute("comment", "stays")
        event = owner.add_event(event)
        raised, other = event.attributes
        require("raised.example" in [a.value for a in bravo.get_event(event.uuid).attributes], "bravo does not have it")
        held = [k for k in ("indicator", "domain-name") if node("object", "get", f"{k}--{raised.uuid}", ok=None).code == 0]
        node("object", "mark", f"{held[0]}--{raised.uuid}", "--tlp", "red")
        other.comment = "changed"
        owner.update_attribute(other)
        raised.comment = "changed"
        owner.update_attribute(raised)
        same([a.value for a in bravo.get_event(event.uuid).attributes], ["stays"], "what bravo reads")
    with report.case("pymisp: a key that may not read what it sends may not lower its marking"):
        system = key_of(node, "alfa-system", "alfa")
        event = MISPEvent()
        event.info, event.distribution, event.published = "for named persons", 3, True
        event.add_tag("tlp:red")
        event.add_attribute("domain", "red.example")
        event = owner.add_event(event)
        same(_post(served, system, f"events/view/{event.uuid}", method="GET").status_code, 404, "it reads")
        body = {"Event": {"Tag": [], "timestamp": str(int(time.time()) + 5)}}
        reply = _post(served, system, f"events/edit/{event.uuid}", body)
        require("red.example" not in reply.text, "the answer shows what may not be read")
        for what in (system, bravo._misp.key):
            require("red.example" not in _post(served, what, "events/restSearch", {"returnFormat": "json"}).text, "it was lowered")
    with report.case("pymisp: a table of an event is made in little memory"):
        attributes = [{"type": "domain", "value": f"n{n}.example", "category": "Network activity"} for n in range(1500)]
        owner.add_event({"info": "many", "distribution": "0", "Attribute": attributes})
        lines = _post(served, node.token, "events/restSearch", {"returnFormat": "csv", "eventinfo": "many"}).text.splitlines()
        same(len(lines), 1501, "lines")
        peak = next(int(line.split()[1]) for line in open(f"/proc/{served.child.pid}/status") if line.startswith("VmHWM"))
        require(peak < 600_000, f"{peak} kB at the peak")


def _tags(report, served, node, owner, people, organisation, bravo, bravo_key):
    from pymisp import MISPEvent, MISPTag

    ana, pub = people["ana"], people["pub"]
    me = next(u for u in owner.users() if u.email == "ana@harbour.example")

    def tag(name, **more):
        made = MISPTag()
        made.from_dict(name=name, **more)
        return made

    def names(who, **search):
        return sorted(t.name for t in who.tags(**search))

    with report.case("pymisp: an owner administers tags, and nobody else does"):
        inner = owner.add_tag(tag("harbour:inner", exportable=False, colour="#112233"))
        same((inner.name, inner.exportable, inner.colour), ("harbour:inner", False, "#112233"), "what was added")
        ours = owner.add_tag(tag("harbour:ours", org_id=owner.get_user("me").org_id))
        hers = owner.add_tag(tag("harbour:hers", user_id=me.id))
        same((ours.user_id, hers.user_id), ("0", str(me.id)), "for whom")
        refused(owner.add_tag(tag("harbour:inner")), 403, "one that is there")
        refused(owner.add_tag(tag("harbour:red", colour="red")), 403, "no colour")
        refused(owner.add_tag(tag("harbour:nobody", org_id=77)), 403, "nobody's")
        refused(owner.add_tag(tag("tlp:red", exportable=False)), 403, "a marking that is not told")
        refused(pub.add_tag(tag("harbour:mine")), 403, "a publisher's")
        refused(pub.update_tag(inner), 403, "a publisher's edit")
        refused(pub.delete_tag(inner), 403, "a publisher's deletion")
        same([n for n in names(ana) if n.startswith("harbour:")], ["harbour:hers", "harbour:inner"], "tags ana may set")
        same([n for n in names(bravo) if n.startswith("harbour:")], [], "tags another member knows of")
        same([t.name for t in owner.search_tags("harbour:i%")], ["harbour:inner"], "a search")
        same(owner.search_tags("no such tag"), [], "a search for none")
        same(owner.get_tag(inner.id).name, "harbour:inner", "by its number")
        refused(owner.get_tag("77"), 404, "one that is not there")
        require("harbour:inner" in (node.dir / "misp_words.toml").read_text(), "not kept")
    with report.case("pymisp: a tag is set by whose it is"):
        event = MISPEvent()
        event.info, event.distribution = "tagged at the harbour", 3
        event.add_attribute("domain", "tagged.example")
        event.add_attribute("domain", "marked.example")
        event = ana.add_event(event)
        for who, name, why in ((ana, "harbour:ours", "fixed organisation"), (pub, "harbour:hers", "fixed user")):
            answer = who.tag(event, name)
            refused(answer, 403, name)
            require(why in answer["errors"][1]["errors"], f"{answer}")
        refused(pub.add_attribute(event, {"type": "domain", "value": "x.example", "Tag": [{"name": "harbour:hers"}]}), 403, "with an attribute")
        require("successfully" in ana.tag(event.attributes[0], "harbour:hers")["message"], "her own")
    with report.case("pymisp: a tag that is not for export is in no answer, and edits keep it"):
        require("successfully" in ana.tag(event.attributes[1], "harbour:inner")["message"], "set")
        require("successfully" in ana.tag(event, "harbour:inner")["message"], "set on the event")
        ana.tag(event.attributes[1], "tlp:green")
        pub.publish(event)
        for key in (people["ana-key"], node.token, bravo_key):
            told = _post(served, key, f"/events/view/{event.uuid}", method="GET")
            require(told.status_code == 200 and "harbour:inner" not in told.text and "tlp:green" in told.text, f"the event: {told.status_code} {told.text[:300]}")
        require("harbour:inner" not in json.dumps(owner.search("attributes", tags=["harbour:inner"], pythonify=False)), "found by it")
        whole = ana.get_event(event.uuid)
        whole.info = "tagged at the harbour, edited"
        ana.update_event(whole)
        ana.update_attribute({"comment": "edited", "Tag": [{"name": "tlp:green", "deleted": True}, {"name": "harbour:open"}]}, event.attributes[1].uuid)
        same([t.name for t in ana.get_attribute(event.attributes[1].uuid).tags], ["harbour:open"], "a tag taken off by an edit")
        inner.exportable = True
        owner.update_tag(inner)
        same(sorted(t.name for t in ana.get_attribute(event.attributes[1].uuid).tags), ["harbour:inner", "harbour:open"], "tags after the edits")
        same([t.name for t in ana.get_event(event.uuid).tags], ["harbour:inner"], "tags of the event")
    with report.case("pymisp: a tag that is set is neither renamed nor deleted"):
        inner.name = "harbour:other"
        refused(owner.update_tag(inner), 403, "another name")
        refused(owner.delete_tag(hers), 403, "deletion")
        inner.name, inner.exportable = "harbour:inner", False
        owner.update_tag(inner)
        refused(owner.delete_tag(inner), 403, "deletion of one that is in no answer")
        owner.delete_event(event.uuid)
        inner.name = "harbour:other"
        same(owner.update_tag(inner).name, "harbour:other", "another name")
        for gone in (inner, hers, ours):
            same(owner.delete_tag(gone)["message"], "Tag deleted.", "deletion")
        same([n for n in names(owner) if n.startswith("harbour:")], [], "tags left")


def house(report):
    """Those who work on one MISP, and a member that does not."""
    with temporary() as home:
        node = Node(home)
        node("member", "add", "bravo", "--uuid", BRAVO)
        bravo_key = node("recipient", "add", "bravo", "--kind", "organisation", "--organisation", "bravo", "--json").json()["token"]
        node("collection", "add", "in", "--title", "in", "--read", "bravo", "--write", "bravo")
        with node.serve() as served:
            _servers(report, served, node)
            owner, people, organisation = _people(report, served, node)
            with report.case("pymisp: nobody else knows of servers"):
                for path in ("index", "add", "edit/1", "delete/1"):
                    same(_post(served, people["pub-key"], f"/servers/{path}", {}, "GET" if path == "index" else "POST").status_code, 403, path)
            bravo = Counted(served.ready["misp"], bravo_key)
            sent, _ = _events(report, served, owner, people, bravo)
            _said(report, owner, people, bravo, sent)
            _groups(report, owner, people, organisation, bravo)
            _raised(report, served, node, owner, bravo)
            _tags(report, served, node, owner, people, organisation, bravo, bravo_key)
            with report.case("pymisp: an organisation that sent nothing goes with its users; one that did stays until that is gone"):
                refused(owner.delete_organisation(organisation), 403, "with events of its own here")
                same(people["ana"].get_user("me").email, "ana@harbour.example", "ana is still there")
                for event in owner.search(org="Harbour"):
                    owner.delete_event(event)
                gone = owner.delete_organisation(organisation)
                require("errors" not in gone, f"not removed: {gone}")
                same(_post(served, people["ana-key"], "users/view/me", method="GET").status_code, 403, "ana's key")
