"""PyMISP against a node: the calls analysts' scripts make, each with what must come back.

Rule: every call goes through PyMISP as its users write it; `Counted` counts them, and what a reader may not see is asked for too.
"""

import logging
import uuid as uuids
import warnings

from harness import require
from node import Node, temporary

BRAVO = "0b7a60a4-0bd3-4a0e-9d0a-0f2b6c5d7e02"
CALLS_MIN = 60


def key_of(node, recipient, member, *more):
    """A recipient of a member, and its key."""
    added = node("recipient", "add", recipient, "--kind", "partner-system", "--organisation", member, *more, "--json").json()
    return added["token"]


class Counted:
    """A PyMISP whose calls are counted by name."""

    made = {}

    def __init__(self, url, key):
        from pymisp import PyMISP

        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        self._misp = PyMISP(url, key, ssl=False)
        self._misp.toggle_global_pythonify()
        Counted.made["PyMISP"] = Counted.made.get("PyMISP", 0) + 1

    def __getattr__(self, name):
        found = getattr(self._misp, name)
        if not callable(found):
            return found

        def call(*args, **named):
            Counted.made[name] = Counted.made.get(name, 0) + 1
            return found(*args, **named)

        return call


def same(got, want, what):
    require(got == want, f"{what}: {got!r:.300} and not {want!r:.300}")


def _post(client, path, body):
    """A call PyMISP would not let its users make."""
    return client._misp._check_json_response(client._misp._prepare_request("POST", path, data=body))


def refused(answer, status, what):
    require(isinstance(answer, dict) and answer.get("errors", [None])[0] == status, f"{what}: {answer!r:.300} and not {status}")


def _events(report, owner, bravo):
    from pymisp import MISPEvent

    with report.case("pymisp: connection, user, types"):
        require(owner.misp_instance_version["version"].startswith("2.5."), f"{owner.misp_instance_version}")
        same(owner.get_user("me").email, "owner", "the user")
        same(len(owner.describe_types_remote["types"]), 194, "types")
        same(len(owner.describe_types_remote["categories"]), 16, "categories")
    event = MISPEvent()
    event.info, event.distribution = "a wave of lures", 3
    event.add_tag("tlp:green")
    event.add_attribute("ip-dst", "192.0.2.7")
    event.add_attribute("domain", "lure.example", to_ids=True, comment="seen by the duty officer")
    event.add_attribute("text", "for alfa alone", distribution=0)
    with report.case("pymisp: an event is added, and read by UUID and by number"):
        made = owner.add_event(event)
        same((made.info, len(made.attributes), made.published), (event.info, 3, False), "the event")
        same(made.uuid, event.uuid, "its UUID")
        same(owner.get_event(made.uuid).id, made.id, "its number")
        same(owner.get_event(int(made.id)).uuid, made.uuid, "by number")
        same(sorted(a.value for a in owner.get_event(made).attributes), ["192.0.2.7", "for alfa alone", "lure.example"], "its attributes")
        require(owner.event_exists(made.uuid), "it does not exist")
        require(not owner.event_exists(str(uuids.uuid4())), "an unknown event exists")
        refused(owner.get_event(str(uuids.uuid4())), 404, "an unknown event")
        refused(owner.add_event(event), 404, "the same event again")
        refused(_post(owner, "events/add", {"info": ""}), 403, "an event without a title")
    with report.case("pymisp: what is not published is there for nobody else"):
        require(not bravo.event_exists(made.uuid), "bravo sees an unpublished event")
        same(bravo.search_index(), [], "the list")
        refused(bravo.get_event(made.uuid), 404, "the event")
        refused(bravo.get_event(int(made.id)), 404, "by alfa's number")
        require("name" in owner.publish(made), "not published")
        require(owner.get_event(made.uuid).published, "not published")
        same(sorted(a.value for a in bravo.get_event(made.uuid).attributes), ["192.0.2.7", "lure.example"], "what bravo reads")
        require(bravo.get_event(made.uuid).id != made.id, "numbers are shared")
        same(bravo.get_event(made.uuid).attribute_count, "2", "a count over what bravo may see")
    with report.case("pymisp: who may read and not send is told so"):
        refused(bravo.publish(made), 403, "bravo publishes")
        refused(_post(bravo, "events/add", {"info": "mine"}), 403, "bravo adds")
        refused(bravo.delete_event(made), 403, "bravo deletes")
        refused(bravo.add_attribute(made, {"type": "domain", "value": "x.example"}), 403, "bravo adds an attribute")
    return made


def _attributes(report, owner, bravo, event):
    from pymisp import MISPAttribute

    with report.case("pymisp: attributes are added, changed, withdrawn and taken back"):
        added = owner.add_attribute(event, {"type": "sha256", "value": "a" * 64})
        same((added.value, added.category, added.to_ids), ("a" * 64, "Payload delivery", True), "the attribute")
        added.comment = "from the sandbox"
        changed = owner.update_attribute(added)
        same((changed.comment, changed.uuid), ("from the sandbox", added.uuid), "the change")
        same(owner.get_attribute(added.uuid).comment, "from the sandbox", "by UUID")
        same(owner.get_attribute(added.id).uuid, added.uuid, "by number")
        same(bravo.get_attribute(added.uuid).comment, "from the sandbox", "what bravo reads")
        require("errors" not in owner.delete_attribute(added), "not withdrawn")
        require(added.uuid not in [a.uuid for a in owner.get_event(event.uuid).attributes], "still there")
        withdrawn = [a for a in owner.get_event(event.uuid, deleted=[0, 1]).attributes if a.uuid == added.uuid]
        same([a.deleted for a in withdrawn], [True], "as withdrawn")
        same([a.deleted for a in bravo.get_event(event.uuid, deleted=[0, 1]).attributes if a.uuid == added.uuid], [True], "bravo hears of it")
        same(owner.restore_attribute(added).deleted, False, "taken back")
        many = owner.add_attribute(event, [{"type": "domain", "value": f"d{n}.example"} for n in range(3)])
        same(len(many["attributes"]), 3, "a list")
        refused(owner.add_attribute(event, {"type": "domain", "value": "d1.example"}), 403, "a value again")
        refused(_post(owner, f"attributes/add/{event.uuid}", {"type": "no-such-type", "value": "x"}), 403, "an unknown type")
        refused(owner.get_attribute(str(uuids.uuid4())), 404, "an unknown attribute")
        hidden = next(a for a in owner.get_event(event.uuid).attributes if a.value == "for alfa alone")
        refused(bravo.get_attribute(hidden.uuid), 404, "a hidden attribute")
        refused(bravo.get_attribute(hidden.id), 404, "a hidden attribute by alfa's number")
        one = MISPAttribute()
        one.from_dict(type="url", value="http://lure.example/x", distribution=5)
        same(owner.add_attribute(event.id, one).value, one.value, "an attribute object")
    return hidden


def _searches(report, owner, bravo, event, hidden):
    with report.case("pymisp: restSearch over events"):
        def infos(**filters):
            return [e.info for e in owner.search(**filters)]

        same(infos(value="lure.example"), [event.info], "by value")
        same(infos(value="%lure%"), [event.info], "by part of a value")
        same(infos(value="nothing.example"), [], "by a value that is not there")
        same(infos(type_attribute="ip-dst"), [event.info], "by type")
        same(infos(tags=["tlp:green"]), [event.info], "by tag")
        same(infos(tags=owner.build_complex_query(or_parameters=["tlp:red"])), [], "by another tag")
        same(infos(tags=owner.build_complex_query(not_parameters=["tlp:green"])), [], "not by a tag")
        same(infos(uuid=event.uuid), [event.info], "by UUID")
        same(infos(eventid=event.id), [event.info], "by number")
        same(infos(eventinfo="%lures%"), [event.info], "by title")
        same(infos(published=True), [event.info], "published")
        same(infos(published=False), [], "not published")
        same(infos(timestamp="1h"), [event.info], "changed within an hour")
        same(infos(timestamp=[1, 5]), [], "changed long ago")
        same(infos(publish_timestamp="1h"), [event.info], "published within an hour")
        same(infos(date_from="2000-01-01", date_to="2000-01-02"), [], "by day")
        same(infos(org="Alfa CSIRT"), [event.info], "by organisation")
        same(infos(limit=1, page=2), [], "the second page")
        same([len(e.attributes) for e in owner.search(uuid=event.uuid, metadata=True)], [0], "without parts")
        refused(_post(owner, "events/restSearch", {"no_such_filter": 1}), 400, "an unknown filter")
    with report.case("pymisp: restSearch over attributes, in every form"):
        def values(client, **filters):
            return sorted(a.value for a in client.search(controller="attributes", **filters))

        same(values(owner, type_attribute="ip-dst"), ["192.0.2.7"], "by type")
        same(values(owner, category="Other"), ["for alfa alone"], "by category")
        same(values(bravo, category="Other"), [], "bravo, by category")
        same(values(bravo, value="for alfa alone"), [], "bravo, by a hidden value")
        same(values(bravo, uuid=hidden.uuid), [], "bravo, by a hidden UUID")
        same(values(owner, to_ids=True, type_attribute="domain"), ["d0.example", "d1.example", "d2.example", "lure.example"], "for detection")
        same(values(owner, value=["192.0.2.7", "lure.example"]), ["192.0.2.7", "lure.example"], "by a list")
        rows = owner.search(controller="attributes", return_format="csv", value="192.0.2.7", pythonify=False)
        require("192.0.2.7" in str(rows) and "ip-dst" in str(rows), f"csv: {rows!r:.200}")
        text = owner.search(controller="attributes", return_format="text", type_attribute="ip-dst", pythonify=False)
        same(str(text).strip(), "192.0.2.7", "text")
        bundle = owner.search(return_format="stix2", uuid=event.uuid, pythonify=False)
        require({"report", "indicator"} <= {o["type"] for o in bundle["objects"]}, f"stix2: {bundle!r:.200}")
        require("for alfa alone" not in str(bravo.search(return_format="stix2", uuid=event.uuid, pythonify=False)), "stix2 to bravo")
    with report.case("pymisp: the list of events"):
        same([e.info for e in owner.search_index(published=True)], [event.info], "published")
        same([e.info for e in owner.search_index(eventinfo="lures")], [event.info], "by title")
        same([e.info for e in owner.search_index(tags="tlp:red")], [], "by another tag")
        listed = _post(bravo, "events/index", {"minimal": 1, "published": 1})
        same([sorted(e) for e in listed], [["id", "orgc_uuid", "published", "sighting_timestamp", "timestamp", "uuid"]], "minimal")


def _parts(report, owner, bravo, event):
    from pymisp import MISPEventReport, MISPObject, MISPSighting

    with report.case("pymisp: tags are set on events and attributes, and taken off"):
        require(owner.tag(event.uuid, "workflow:state=\"draft\"")["saved"], "not set")
        require('workflow:state="draft"' in [t.name for t in owner.get_event(event.uuid).tags], "not there")
        require(owner.untag(event.uuid, "workflow:state=\"draft\"")["saved"], "not taken off")
        same([t.name for t in owner.get_event(event.uuid).tags], ["tlp:green"], "the event's tags")
        owner.tag(event.uuid, "alfa:only", local=True)
        require("alfa:only" in [t.name for t in owner.get_event(event.uuid).tags], "the local tag is lost")
        same([t.name for t in bravo.get_event(event.uuid).tags], ["tlp:green"], "a local tag leaves")
        lure = next(a for a in owner.get_event(event.uuid).attributes if a.value == "lure.example")
        owner.tag(lure.uuid, "tlp:red")
        require("lure.example" not in [a.value for a in bravo.get_event(event.uuid).attributes], "RED goes on being read")
        owner.untag(lure.uuid, "tlp:red")
        require("lure.example" in [a.value for a in bravo.get_event(event.uuid).attributes], "what was lifted does not come back")
    with report.case("pymisp: objects, references and reports"):
        sample = MISPObject("file")
        sample.add_attribute("filename", value="lure.doc")
        sample.add_attribute("md5", value="d41d8cd98f00b204e9800998ecf8427e")
        made = owner.add_object(event, sample)
        same((made.name, sorted(a.value for a in made.attributes)), ("file", ["d41d8cd98f00b204e9800998ecf8427e", "lure.doc"]), "the object")
        same([o.name for o in bravo.get_event(event.uuid).objects], ["file"], "what bravo reads")
        note = MISPEventReport()
        note.from_dict(name="what happened", content="# a wave", distribution=5)
        same(owner.add_event_report(event.id, note).name, "what happened", "the report")
        same([r.name for r in bravo.get_event(event.uuid).EventReport], ["what happened"], "what bravo reads")
    with report.case("pymisp: sightings"):
        seen = MISPSighting()
        seen.value, seen.source = "lure.example", "a sensor"
        same(owner.add_sighting(seen).source, "a sensor", "by value")
        lure = next(a for a in owner.get_event(event.uuid).attributes if a.value == "lure.example")
        owner.add_sighting({"type": "1"}, attribute=lure)
        found = owner.search_sightings(context="event", context_id=event.uuid, pythonify=False)
        same(sorted(s["sighting"].type for s in found), ["0", "1"], "of the event")
        same(len(bravo.search_sightings(context="event", context_id=event.uuid, pythonify=False)), 2, "what bravo reads")


def _edits(report, owner, bravo, event):
    with report.case("pymisp: an event is changed as a whole, and deleted"):
        held = owner.get_event(event.uuid)
        held.info = "a wave of lures, ended"
        held.add_attribute("url", "http://late.example/")
        changed = owner.update_event(held)
        same(changed.info, held.info, "the title")
        require("http://late.example/" in [a.value for a in changed.attributes], "the new attribute is missing")
        same(bravo.get_event(event.uuid).info, held.info, "what bravo reads")
        require("errors" not in owner.delete_event(event), "not deleted")
        require(not owner.event_exists(event.uuid), "still there")
        require(not bravo.event_exists(event.uuid), "still there for bravo")
        same(bravo.search(value="lure.example"), [], "still found")
        refused(owner.delete_event(event), 404, "a second time")


def _empty(report, owner):
    with report.case("pymisp: tags are those of what one may see"):
        event = owner.add_event({"info": "tagged", "Tag": [{"name": "seen:by-alfa"}]})
        marking = [t.name for t in owner.tags() if t.name != "seen:by-alfa"]
        same((len(marking), {n.split(":")[0].lower() for n in marking}), (9, {"tlp", "pap"}), "tags that mark are always offered")
        same([t.name for t in owner.search_tags("seen:%")], ["seen:by-alfa"], "tags by name")
        owner.delete_event(event)
        same([t.name for t in owner.tags()], marking, "tags when the event is gone")
    with report.case("pymisp: what is not kept here is empty, as in a new MISP"):
        for name in ("taxonomies", "warninglists", "galaxies", "feeds", "sharing_groups", "attribute_proposals", "noticelists"):
            same(getattr(owner, name)(), [], name)


def calls(report):
    """Every call PyMISP's users make daily."""
    with temporary() as home:
        node = Node(home)
        node("member", "add", "bravo", "--uuid", BRAVO)
        bravo_key = key_of(node, "bravo-misp", "bravo")
        with node.serve() as served:
            owner, bravo = Counted(served.ready["misp"], node.token), Counted(served.ready["misp"], bravo_key)
            event = _events(report, owner, bravo)
            hidden = _attributes(report, owner, bravo, event)
            _searches(report, owner, bravo, event, hidden)
            _parts(report, owner, bravo, event)
            _edits(report, owner, bravo, event)
            _empty(report, owner)
            with report.case("pymisp: a wrong key, and none, are turned away"):
                from pymisp import PyMISP
                from pymisp.exceptions import PyMISPError

                for key in ("x" * 40, node.token[:-1] + "x"):
                    try:
                        PyMISP(served.ready["misp"], key, ssl=False)
                    except PyMISPError:
                        continue
                    require(False, "a wrong key is let in")
        with report.case(f"pymisp: at least {CALLS_MIN} calls were made"):
            total = sum(Counted.made.values())
            require(total >= CALLS_MIN, f"{total} calls of {len(Counted.made)} kinds")
