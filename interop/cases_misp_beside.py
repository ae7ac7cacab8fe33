"""What goes between MISPs besides events, what is taken back there, and the library of words.

Rule: what arrived is read from the other side; what may no longer be there is looked for in all the other side says.
"""

import json

import requests

from cases_misp_sync import Answering
from cases_misp_worlds import _event
from cases_pymisp import BRAVO, Counted, key_of, refused, same
from cases_pymisp_house import _post
from harness import require
from node import Node, temporary

_CLUSTER = "5f0d0001-0000-4000-8000-00000000000"
_GALAXY = {"uuid": "5f0d0002-0000-4000-8000-000000000001", "name": "Harbour Crew", "type": "harbour-crew", "namespace": "polder", "description": "Who calls at harbours.", "version": "1"}


def _library(folder):
    def put(path, value):
        place = folder / path
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(value))

    put("misp-objects/objects/berth/definition.json", {
        "uuid": "5f0d0003-0000-4000-8000-000000000001", "name": "berth", "meta-category": "misc", "version": 2, "description": "A place to lie.", "requiredOneOf": ["name"],
        "attributes": {"name": {"misp-attribute": "text", "ui-priority": 1, "description": "What it is called."}, "quay": {"misp-attribute": "text", "multiple": True}}})
    put("misp-taxonomies/harbour/machinetag.json", {
        "namespace": "harbour", "description": "Words of harbours.", "version": 3, "predicates": [{"value": "tide", "expanded": "Tide"}, {"value": "open", "expanded": "Open", "colour": "#00ff00"}],
        "values": [{"predicate": "tide", "entry": [{"value": "high", "expanded": "High water", "numerical_value": 90}]}]})
    put("misp-galaxy/galaxies/harbour-crew.json", _GALAXY)
    put("misp-galaxy/clusters/harbour-crew.json", {
        "uuid": "5f0d0002-0000-4000-8000-000000000002", "name": "Harbour Crew", "type": "harbour-crew", "version": 1, "authors": ["Alfa"], "source": "written here", "category": "crew",
        "values": [{"uuid": "5f0d0002-0000-4000-8000-000000000003", "value": "Night Pilots", "description": "Come at night.", "meta": {"synonyms": ["NP", "Owls"], "country": "XA"}}]})
    put("misp-warninglists/lists/ours/list.json", {
        "name": "Our own hosts", "description": "Ours.", "version": 1, "type": "hostname", "matching_attributes": ["domain", "hostname", "url"], "list": ["own.example"]})
    put("misp-warninglists/lists/nets/list.json", {"name": "Documentation nets", "version": 1, "type": "cidr", "list": ["192.0.2.0/24"]})
    (folder / "misp-taxonomies" / "broken").mkdir()
    (folder / "misp-taxonomies" / "broken" / "machinetag.json").write_text("{")


def words(report):
    """PyMISP over a library that the user has."""
    with temporary() as home:
        node = Node(home)
        _library(home / "words")
        with open(node.dir / "polder.toml", "a") as config:
            config.write(f'\nmisp_library = "{home / "words"}"\n')
        with report.case("misp library: the command says what was read and what could not be"):
            told = node("misp", "library", "--json", ok=(5,)).json()["library"]
            require([told[k] for k in ("object_templates", "taxonomies", "tags", "galaxies", "clusters", "warninglists")] == [1, 1, 2, 1, 1, 2], f"{told}")
            require(len(told["unread"]) == 1 and "broken" in told["unread"][0]["file"], f"{told}")
            shown = node("misp", "library", ok=(5,)).text
            require("broken" in shown and "taxonomies" in shown, shown)
        node("member", "add", "bravo", "--uuid", BRAVO)
        reading = key_of(node, "bravo-misp", "bravo")
        with node.serve() as served:
            owner, reader = Counted(served.ready["misp"], node.token), Counted(served.ready["misp"], reading)
            with report.case("misp library: object templates"):
                (template,) = owner.object_templates()
                same((template.name, template.version), ("berth", "2"), "a template")
                whole = _post(served, node.token, "/objectTemplates/view/5f0d0003-0000-4000-8000-000000000001", method="GET").json()
                same(sorted(e["object_relation"] for e in whole["ObjectTemplateElement"]), ["name", "quay"], "its elements")
                same(owner.get_raw_object_template("berth")["version"], 2, "the raw template")
                refused(owner.get_object_template("no-such"), 404, "one that is not there")
            with report.case("misp library: taxonomies"):
                (taxonomy,) = owner.taxonomies()
                same(taxonomy.namespace, "harbour", "a taxonomy")
                whole = _post(served, node.token, f"/taxonomies/view/{taxonomy.id}", method="GET").json()
                same([e["tag"] for e in whole["entries"]], ['harbour:tide="high"', "harbour:open"], "its tags")
                same(whole["entries"][0]["expanded"], "Tide: High water", "in words")
            with report.case("misp library: galaxies"):
                (galaxy,) = owner.galaxies()
                whole = _post(served, node.token, f"/galaxies/view/{galaxy.uuid}", method="GET").json()
                (cluster,) = whole["GalaxyCluster"]
                same((cluster["value"], cluster["tag_name"]), ("Night Pilots", 'misp-galaxy:harbour-crew="Night Pilots"'), "a cluster")
                one = _post(served, node.token, "/galaxy_clusters/view/5f0d0002-0000-4000-8000-000000000003", method="GET").json()["GalaxyCluster"]
                same(sorted((e["key"], e["value"]) for e in one["GalaxyElement"]), [("country", "XA"), ("synonyms", "NP"), ("synonyms", "Owls")], "what it says")
            with report.case("misp library: warninglists, and what is on them"):
                same(sorted(w.name for w in owner.warninglists()), ["Documentation nets", "Our own hosts"], "lists")
                found = owner.values_in_warninglist(["192.0.2.9", "mail.own.example", "far.example"])
                same({k: [h["name"] for h in v] for k, v in found.items()}, {"192.0.2.9": ["Documentation nets"], "mail.own.example": ["Our own hosts"]}, "values")
                owner.add_event({"info": "warned", "Attribute": [{"type": "domain", "value": v} for v in ("mail.own.example", "far.example")] + [{"type": "ip-dst", "value": "192.0.2.77"}]})
                same(sorted(a.value for a in owner.search("attributes", enforce_warninglist=True)), ["far.example"], "attributes on no list")
                (event,) = owner.search("events", enforce_warninglist=True)
                same([a.value for a in event.attributes], ["far.example"], "the event without them")
                refused(owner.add_attribute(event, {"type": "domain", "value": "www.own.example", "enforceWarninglist": True}), 403, "an attribute on a list")
                require(owner.add_attribute(event, {"type": "domain", "value": "www.far.example", "enforceWarninglist": True}).value == "www.far.example", "one on none")
                same(owner.toggle_warninglist(warninglist_name="%own hosts")["success"], "1 warninglist(s) toggled", "one switched off")
                same(owner.values_in_warninglist(["mail.own.example"]), [], "values on it")
                same(sorted(a.value for a in owner.search("attributes", enforce_warninglist=True)), ["far.example", "mail.own.example", "www.far.example"], "attributes on no other list")
                same([w.enabled for w in owner.warninglists() if w.name == "Our own hosts"], [False], "it is off")
                refused(reader.toggle_warninglist(warninglist_name="%"), 403, "a reader's switch")
                same(owner.toggle_warninglist(warninglist_name="%own%", force_enable=True)["success"], "1 warninglist(s) enabled", "on again")
                same(owner.toggle_warninglist(warninglist_name="no such")["saved"], False, "one that is not there")
                hit = _post(served, node.token, "/attributes/restSearch", {"value": "192.0.2.77", "includeWarninglistHits": 1}).json()["response"]["Attribute"][0]
                same([w["warninglist_name"] for w in hit["warnings"]], ["Documentation nets"], "hits told")


def _cluster(n, value, distribution, version=1780000000, **more):
    return {"GalaxyCluster": {"uuid": f"{_CLUSTER}{n}", "type": _GALAXY["type"], "value": value, "tag_name": f'misp-galaxy:harbour-crew="{value}"', "description": f"about {value}",
                              "source": "us", "authors": ["a"], "version": str(version), "distribution": str(distribution), "default": False, "published": True, "deleted": False,
                              "GalaxyElement": [{"key": "synonyms", "value": f"also {value}"}], "GalaxyClusterRelation": [], "Galaxy": _GALAXY, **more}}


def clusters(report):
    """Custom clusters at one node, by who may have them."""
    with temporary() as home:
        alfa = Node(home)
        alfa("member", "add", "bravo", "--uuid", BRAVO)
        bravo = key_of(alfa, "bravo-misp", "bravo")
        alfa("collection", "add", "inbox", "--title", "Inbox", "--write", "bravo-misp")
        with alfa.serve() as served:
            def seen(key, path="/galaxy_clusters/restSearch"):
                return {c["GalaxyCluster"]["value"]: c["GalaxyCluster"] for c in _post(served, key, path, {"custom": 1}).json()["response"]}

            with report.case("misp clusters: kept as they came, given to who may have them"):
                secret_relation = {"referenced_galaxy_cluster_uuid": f"{_CLUSTER}9", "referenced_galaxy_cluster_type": "similar", "distribution": "0"}
                sent = [_cluster(1, "Own", 0), _cluster(2, "All", 3), _cluster(3, "Draft", 3, published=False), _cluster(4, "Related", 3, GalaxyClusterRelation=[secret_relation])]
                sent += [_cluster(6, "Red", 3, Tag=[{"name": "tlp:red"}]), _cluster(7, "Odd", 3, GalaxyClusterRelation={"distribution": "0"}), _cluster(8, "Unreadable", 9)]
                reply = _post(served, alfa.token, "/galaxies/pushCluster", sent)
                require("7 imported" in reply.json()["message"], reply.text)
                require(sorted(seen(alfa.token)) == ["All", "Draft", "Odd", "Own", "Red", "Related", "Unreadable"] and sorted(seen(bravo)) == ["All"], f"{sorted(seen(bravo))}")
                got = seen(alfa.token)["All"]
                lost = {k: v for k, v in sent[1]["GalaxyCluster"].items() if got.get(k) != v and k != "locked"}
                require(not lost, f"{lost} became {got}")
                for n, status in ((1, 404), (2, 200), (3, 404), (4, 404), (6, 404), (7, 404), (8, 404), (9, 404)):
                    require(_post(served, bravo, f"/galaxy_clusters/view/{_CLUSTER}{n}", method="GET").status_code == status, f"{n}")
            with report.case("misp clusters: nobody takes another's over (L15)"):
                reply = _post(served, bravo, "/galaxies/pushCluster", [_cluster(2, "Taken", 3, 1790000000), _cluster(1, "Taken", 3, 1790000000), _cluster(5, "Bravo's", 3)])
                require(reply.status_code == 200 and sorted(seen(alfa.token)) == ["All", "Bravo's", "Draft", "Odd", "Own", "Red", "Related", "Unreadable"], f"{reply.text} {sorted(seen(alfa.token))}")
                require(_post(served, bravo, f"/galaxy_clusters/delete/{_CLUSTER}2", {}).status_code == 403, "another's was deleted")
            with report.case("misp clusters: a newer version stands for the older one, an older one does not"):
                _post(served, alfa.token, "/galaxies/pushCluster", [_cluster(2, "All anew", 3, 1780000100)])
                reply = _post(served, alfa.token, "/galaxies/pushCluster", [_cluster(2, "All", 3)])
                require("0 imported, 1 ignored" in reply.json()["message"] and "All anew" in seen(bravo), f"{reply.text} {sorted(seen(bravo))}")
                require(_post(served, alfa.token, f"/galaxy_clusters/delete/{_CLUSTER}2", {}).status_code == 200 and "All anew" not in seen(bravo), "it stands")


def _events(served, key, **filters):
    return _post(served, key, "/events/restSearch", filters).json()["response"]


def _note(uuid, text, level):
    from pymisp import MISPNote

    note = MISPNote()
    note.object_uuid, note.object_type, note.note, note.distribution = uuid, "Event", text, level
    return note


def _identity(node, member):
    return next(m for m in node("member", "list", "--json").json()["members"] if m["id"] == member)["identity"].removeprefix("identity--")


def _pair(home):
    """Bravo pushes to alfa's node; what alfa has is read with alfa's own key."""
    alfa, bravo = Node(home), Node(home, "bravo", "Bravo CSIRT", BRAVO)
    alfa("member", "add", "bravo", "--uuid", BRAVO)
    key = key_of(alfa, "bravo-misp", "bravo")
    alfa("collection", "add", "inbox", "--title", "Inbox", "--write", "bravo-misp")
    bravo("member", "add", "alfa", "--uuid", _identity(alfa, "alfa"))
    bravo("source", "add", "from-alfa", "--kind", "member", "--member", "alfa")
    key_of(bravo, "alfa-misp", "alfa")
    (home / "k").write_text(key + "\n")
    return alfa, bravo


def beside(report):
    """Sightings, proposals, notes and clusters go with a push, and come with a pull."""
    with temporary() as home:
        alfa, bravo = _pair(home)
        event = "5f0d0010-0000-4000-8000-000000000001"
        made_by = {"Orgc": {"uuid": BRAVO, "name": "Bravo CSIRT"}}
        document = _event(event, "one", [("one.example", 5), ("own.example", 0)], **made_by)
        (home / "a.json").write_text(json.dumps(document))
        bravo.importing(home / "a.json")
        attribute, hidden = (a["uuid"] for a in document["Event"]["Attribute"])
        with alfa.serve() as served, bravo.serve() as own:
            bravo("misp", "add", "alfa", served.ready["misp"], "--key-file", home / "k", "--source", "from-alfa", "--to", "alfa-misp")
            bravo("misp", "push", "alfa")
            writer = Counted(own.ready["misp"], bravo.token)
            writer.add_sighting({"uuid": attribute, "source": "gate"}, attribute)
            writer.add_sighting({"uuid": hidden}, hidden)
            for level, text in ((3, "for all"), (0, "for us")):
                writer.add_note(_note(event, text, level))
            require(_post(own, bravo.token, "/galaxies/pushCluster", [_cluster(1, "Own", 0), _cluster(2, "All", 3)]).status_code == 200, "not kept")
            with report.case("misp beside: what is said goes with a push, and no more than may"):
                told = bravo("misp", "push", "alfa", "--json").json()
                require(told["beside"] == {"analyst_data": 1, "clusters": 1, "sightings": 1} and not told["problems"], f"{told}")
                reader = Counted(served.ready["misp"], alfa.token)
                (there,) = _events(served, alfa.token, uuid=event)
                (one,) = there["Event"]["Attribute"]
                same([s["source"] for s in one["Sighting"]], ["gate"], "sightings")
                same([n["note"] for n in there["Event"]["Note"]], ["for all"], "notes")
                same([c["GalaxyCluster"]["value"] for c in _post(served, alfa.token, "/galaxy_clusters/restSearch", {}).json()["response"]], ["All"], "clusters")
            with report.case("misp beside: nothing goes twice (S9: no sighting is doubled)"):
                told = bravo("misp", "push", "alfa", "--json").json()
                require(not any(told["beside"].values()) and told["pushed"] == 0, f"{told}")
                same(len(reader.sightings(attribute)), 1, "sightings")
            with report.case("misp beside: many sightings go in bounded batches and arrive once (S9)"):
                many = [{"uuid": f"5f0d0011-0000-4000-8000-{n:012}", "attribute_uuid": attribute, "date_sighting": str(1780000000 + n), "type": "0", "source": f"s{n}"} for n in range(1200)]
                require(_post(own, bravo.token, f"/sightings/bulkSaveSightings/{event}", many).status_code == 200, "not kept")
                told = bravo("misp", "push", "alfa", "--json").json()
                require(told["beside"]["sightings"] == 1200, f"{told}")
                same(len(reader.sightings(attribute)), 1201, "sightings")
                told = bravo("misp", "push", "alfa", "--json").json()
                require(not any(told["beside"].values()), f"a second time: {told}")
            with report.case("misp beside: a proposal goes to whose event it is"):
                theirs = reader.add_event({"info": "alfa's", "distribution": 3, "published": True, "Attribute": [{"type": "domain", "value": "wrong.example"}]})
                reader.publish(theirs)
                bravo("misp", "pull", "alfa")
                writer.add_attribute_proposal(theirs.uuid, {"type": "domain", "value": "right.example"})
                told = bravo("misp", "push", "alfa", "--json").json()
                require(told["beside"].get("proposals") == 1, f"{told}")
                same([p.value for p in reader.attribute_proposals(theirs)], ["right.example"], "proposals")
            with report.case("misp beside: clusters come with a pull"):
                require(_post(served, alfa.token, "/galaxies/pushCluster", [_cluster(6, "Alfa's", 3), _cluster(7, "Alfa's own", 0)]).status_code == 200, "not kept")
                bravo("misp", "pull", "alfa")
                names = [c["GalaxyCluster"]["value"] for c in _post(own, bravo.token, "/galaxy_clusters/restSearch", {}).json()["response"]]
                require("Alfa's" in names and "Alfa's own" not in names, f"{names}")
                told = bravo("misp", "pull", "alfa", "--json").json()
                require(told["new"] == 0, f"a second time: {told}")


def unsaid(report):
    """What was said besides events is taken back too; what MISP has no words for is told (S1)."""
    with temporary() as home:
        alfa, bravo = _pair(home)
        event = "5f0d0030-0000-4000-8000-000000000001"
        made_by = {"Orgc": {"uuid": BRAVO, "name": "Bravo CSIRT"}}
        document = _event(event, "one", [("one.example", 5)], Tag=[{"name": "case:open"}, {"name": "case:secret"}], **made_by)
        (home / "a.json").write_text(json.dumps(document))
        bravo.importing(home / "a.json")
        attribute = document["Event"]["Attribute"][0]["uuid"]
        stubborn = _Stubborn()
        with alfa.serve() as served, bravo.serve() as own:
            bravo("misp", "add", "alfa", served.ready["misp"], "--key-file", home / "k", "--source", "from-alfa", "--to", "alfa-misp")
            bravo("misp", "add", "stubborn", stubborn.url, "--key-file", home / "k", "--source", "from-alfa", "--to", "alfa-misp")
            writer, reader = Counted(own.ready["misp"], bravo.token), Counted(served.ready["misp"], alfa.token)
            bravo("misp", "push", "alfa")
            writer.add_sighting({"uuid": attribute, "source": "gate"}, attribute)
            note = writer.add_note(_note(event, "a secret note", 3))
            cluster = _cluster(3, "secret cluster", 3)
            require(_post(own, bravo.token, "/galaxies/pushCluster", [cluster]).status_code == 200, "not kept")
            theirs = reader.add_event({"info": "alfa's", "distribution": 3, "published": True, "Attribute": [{"type": "domain", "value": "wrong.example"}]})
            reader.publish(theirs)
            bravo("misp", "pull", "alfa")
            proposal = writer.add_attribute_proposal(theirs.uuid, {"type": "domain", "value": "secret.example"})
            bravo("misp", "push", "alfa")
            bravo("misp", "push", "stubborn", ok=None)
            before = json.dumps(_events(served, alfa.token)) + _post(served, alfa.token, "/galaxy_clusters/restSearch", {}).text
            require(all(v in before for v in ("a secret note", "secret cluster", "secret.example", "case:secret")), f"not there to begin with: {before}")
            writer.delete_note(note)
            writer.discard_attribute_proposal(proposal)
            sighting = reader.sightings(attribute)[0]
            writer.delete_sighting(sighting.uuid)
            require(_post(own, bravo.token, f"/galaxy_clusters/delete/{cluster['GalaxyCluster']['uuid']}", {}).status_code == 200, "not deleted")
            with report.case("misp unsaid: notes, clusters and proposals go from another MISP; a sighting is told as one that stays (S1)"):
                done = bravo("misp", "push", "alfa", "--json", ok=None)
                told = done.json()
                there = json.dumps(_events(served, alfa.token, deleted=[0, 1])) + _post(served, alfa.token, "/galaxy_clusters/restSearch", {}).text
                require(not any(v in there for v in ("a secret note", "secret cluster", "secret.example")), f"{told} {there}")
                same(told["withdrawn"], 3, "what was taken back")
                require(done.code == 5 and [p["event"] for p in told["problems"]] == [sighting.uuid], f"{done.code} {told}")
            with report.case("misp unsaid: it is done once, and told once; status goes on saying it"):
                told = bravo("misp", "push", "alfa", "--json").json()
                require(told["withdrawn"] == 0 and not told["problems"], f"{told}")
                require([s["event"] for s in bravo("misp", "status", "--json").json()["cannot_be_withdrawn"] if s["misp"] == "alfa"] == [sighting.uuid], "not told")
            with report.case("misp unsaid: a tag that MISP does not take off is told"):
                document["Event"]["Tag"].pop()
                document["Event"]["timestamp"] = "1780000500"
                (home / "b.json").write_text(json.dumps(document))
                bravo.importing(home / "b.json")
                told = bravo("misp", "push", "alfa", "--json").json()
                require(not told["problems"] and "case:secret" not in json.dumps(_events(served, alfa.token)), f"{told}")
                told = bravo("misp", "push", "stubborn", "--json", ok=None).json()
                require(any("case:secret" in p["why"] for p in told["problems"]), f"{told}")
            with report.case("misp unsaid: whoever is suspended is sent nothing, and what it had is taken back"):
                bravo("recipient", "suspend", "alfa-misp")
                done = bravo("misp", "push", "alfa", "--json", ok=None)
                told = done.json()
                require(done.code == 5 and told["pushed"] == 0 and told["withdrawn"] >= 1 and [p["what"] for p in told["problems"]] == ["not pushed"], f"{done.code} {told}")
                require("one.example" not in json.dumps(_events(served, alfa.token, deleted=[0, 1])), "it is still there")
        stubborn.close()


def left(report):
    """A MISP that pulls is told what it may no longer have, in its own words (S1, S3)."""
    with temporary() as home:
        node = Node(home)
        node("member", "add", "bravo", "--uuid", BRAVO)
        node("member", "add", "delta", "--uuid", BRAVO[:-1] + "9")
        key, other = key_of(node, "bravo-misp", "bravo"), key_of(node, "delta-misp", "delta")
        event, second = "5f0d0040-0000-4000-8000-000000000001", "5f0d0040-0000-4000-8000-000000000002"
        document = _event(event, "stays", [("stays.example", 5), ("secret.example", 5)])
        document["Event"]["Object"] = [{"uuid": "5f0d0040-0000-4000-8000-0000000000a1", "name": "domain-ip", "timestamp": "1780000000", "distribution": "5", "Attribute": [
            {"uuid": "5f0d0040-0000-4000-8000-0000000000a2", "type": "domain", "category": "Network activity", "object_relation": "domain", "value": "hull.example", "distribution": "5", "timestamp": "1780000000"}]}]
        document["Event"]["EventReport"] = [{"uuid": "5f0d0040-0000-4000-8000-0000000000b1", "name": "secret report", "content": "secret", "timestamp": "1780000000", "distribution": "5"}]
        affair = _event(second, "secret affair", [("affair.example", 5)])
        view = "/deleted[]:0/deleted[]:1/excludeGalaxy:1/includeEventCorrelations:0/includeFeedCorrelations:0/includeWarninglistHits:0/excludeLocalTags:1"

        def bring(name):
            (home / f"{name}.json").write_text(json.dumps([document, affair]))
            node.importing(home / f"{name}.json")

        bring("a")
        with node.serve() as served:
            def index(key=key):
                return {e["uuid"]: e["timestamp"] for e in _post(served, key, "/events/index", {"minimal": 1, "published": 1}).json()}

            def pulled(uuid, key=key):
                return _post(served, key, f"/events/view/{uuid}{view}", method="GET")

            before = index()
            require("secret.example" in pulled(event).text and "affair.example" in pulled(second).text, "not there to begin with")
            for one in (document["Event"], document["Event"]["Attribute"][1], document["Event"]["Object"][0], document["Event"]["EventReport"][0], affair["Event"]):
                one.update({"distribution": "0", "timestamp": "1780000400"})
            document["Event"]["distribution"] = "3"
            bring("b")
            after = index()
            with report.case("misp left: the times move at once, also within a second (S3)"):
                require(after[event] > before[event] and after[second] > before[second], f"{before} {after}")
            with report.case("misp left: a part goes as deleted and says nothing (S1)"):
                told = pulled(event).json()["Event"]
                require(not any(v in json.dumps(told) for v in ("secret", "hull.example", "domain-ip")), json.dumps(told))
                gone = [a["uuid"] for a in told["Attribute"] if a["deleted"]], [o["uuid"] for o in told["Object"] if o["deleted"]], [r["uuid"] for r in told["EventReport"] if r["deleted"]]
                same(gone, ([document["Event"]["Attribute"][1]["uuid"]], ["5f0d0040-0000-4000-8000-0000000000a1"], ["5f0d0040-0000-4000-8000-0000000000b1"]), "deleted")
                require(all(int(a["timestamp"]) > 1780000000 for a in told["Attribute"] if a["deleted"]), f"{told['Attribute']}")
                same([a["uuid"] for a in told["Object"][0]["Attribute"]], ["5f0d0040-0000-4000-8000-0000000000a2"], "within")
                same(told["attribute_count"], "1", "count")
            with report.case("misp left: a whole event goes, all its parts deleted, and is not there for who does not ask what was withdrawn"):
                told = pulled(second).json()["Event"]
                require(told["info"] == "withdrawn" and [a["deleted"] for a in told["Attribute"]] == [True] and "affair" not in json.dumps(told), f"{told}")
                require(_post(served, key, f"/events/view/{second}", method="GET").status_code == 404, "it is shown")
                require(_post(served, key, f"/events/view/{second}", method="HEAD").status_code == 404, "it is there")
            with report.case("misp left: who never had it hears nothing of it"):
                require(second not in index(other) and pulled(second, other).status_code == 404, "it hears")
                require(not [a for a in pulled(event, other).json()["Event"]["Attribute"] if a["deleted"]], "it hears of parts")
            with report.case("misp left: at home nothing is left of it"):
                require("withdrawn" not in pulled(second, node.token).text, "it is shown at home")
            stood = index()
        with node.serve() as served:
            with report.case("misp left: a restart forgets none of it"):
                same(index(), stood, "times")
                require(pulled(second).json()["Event"]["info"] == "withdrawn", "forgotten")
            with report.case("misp left: what comes into view again stands again"):
                affair["Event"].update({"distribution": "3", "timestamp": "1780000900"})
                bring("c")
                require(pulled(second).json()["Event"]["info"] == "secret affair" and index()[second] > stood[second], f"{pulled(second).text}")


class _Stubborn(Answering):
    """A MISP that says yes to everything and keeps what it has."""

    def __init__(self):
        self.held = {}
        super().__init__()

    def answer(self, method, path, body, headers):
        status, said = self.reply(path, json.loads(body or b"null"))
        return status, {"Content-Type": "application/json"}, json.dumps(said).encode()

    def reply(self, path, body):
        if path.startswith("/servers/getVersion"):
            return 200, {"version": "2.5.1", "perm_sync": True, "request_encoding": ["gzip"]}
        if path.startswith("/users/view"):
            return 200, {"User": {"email": "sync@s.example"}, "Organisation": {"name": "S", "uuid": BRAVO}}
        if path.startswith("/events/filterEventIdsForPush"):
            return 200, [e["Event"]["uuid"] for e in body]
        if path.startswith("/events/view/"):
            held = self.held.get(path.split("/")[3])
            return (200, held) if held else (404, {})
        if path.startswith(("/events/add", "/events/edit")):
            self.held.setdefault(body["Event"]["uuid"], body)
            return 200, self.held[body["Event"]["uuid"]]
        return 404, {}


def withdrawn(report):
    """What may no longer be at another MISP is taken back there; what cannot be is told (S1)."""
    with temporary() as home:
        alfa, bravo = _pair(home)
        empty = "5f0d0020-0000-4000-8000-000000000003"
        event, gone = "5f0d0020-0000-4000-8000-000000000001", "5f0d0020-0000-4000-8000-000000000002"
        made_by = {"Orgc": {"uuid": BRAVO, "name": "Bravo CSIRT"}}
        documents = [_event(event, "stays", [("stays.example", 5), ("secret.example", 5)], **made_by), _event(gone, "secret affair", [("affair.example", 5)], **made_by)]
        documents[0]["Event"]["Object"] = [{"uuid": "5f0d0020-0000-4000-8000-0000000000a1", "name": "domain-ip", "meta-category": "network", "template_uuid": "43b3b146-77eb-4931-b4cc-b66c60f28734",
                                            "template_version": "1", "description": "", "timestamp": "1780000000", "distribution": "5", "comment": "", "deleted": False, "ObjectReference": [], "Attribute": [
                                                {"uuid": "5f0d0020-0000-4000-8000-0000000000a2", "type": "domain", "category": "Network activity", "object_relation": "domain", "value": "hull.example",
                                                 "to_ids": True, "distribution": "5", "timestamp": "1780000000", "comment": "", "deleted": False}]}]
        documents.append(_event("5f0d0020-0000-4000-8000-000000000003", "secret emptiness", [], **made_by))
        (home / "a.json").write_text(json.dumps(documents))
        bravo.importing(home / "a.json")
        stubborn = _Stubborn()

        def again(change):
            later = json.loads(json.dumps(documents))
            change(later)
            for one in later:
                one["Event"]["timestamp"] = "1780000500"
            (home / "b.json").write_text(json.dumps(later))
            bravo.importing(home / "b.json")

        def narrowed(later):
            part, inner = later[0]["Event"]["Attribute"][1], later[0]["Event"]["Object"][0]
            for one in (part, inner, later[1]["Event"], later[2]["Event"]):
                one.update({"distribution": "0", "timestamp": "1780000500"})

        with alfa.serve() as served:
            for name, url in (("alfa", served.ready["misp"]), ("stubborn", stubborn.url)):
                bravo("misp", "add", name, url, "--key-file", home / "k", "--source", "from-alfa", "--to", "alfa-misp")
                told = bravo("misp", "push", name, "--json").json()
                require(told["pushed"] == 3 and told["withdrawn"] == 0, f"{told}")
            before = json.dumps(_events(served, alfa.token))
            require(all(v in before for v in ("secret.example", "affair.example", "hull.example")), "not there to begin with")
            again(narrowed)
            with report.case("misp withdrawn: parts and events go from another MISP, and what they said with them (S1)"):
                told = bravo("misp", "push", "alfa", "--json").json()
                require(told["withdrawn"] == 4 and not told["problems"], f"{told}")
                there = json.dumps(_events(served, alfa.token, deleted=[0, 1]))
                require(all(v not in there for v in ("secret.example", "affair.example", "hull.example", "secret affair", "secret emptiness")), there[:2000])
                require("stays.example" in there, there[:500])
                (standing,) = [e["Event"] for e in _events(served, alfa.token, uuid=event)]
                same([a["value"] for a in standing["Attribute"]], ["stays.example"], "what stands")
            with report.case("misp withdrawn: it is done once"):
                told = bravo("misp", "push", "alfa", "--json").json()
                require(told["withdrawn"] == 0 and told["pushed"] == 0, f"{told}")
            with report.case("misp withdrawn: what cannot be is told, by the push and by status"):
                done = bravo("misp", "push", "stubborn", "--json", ok=None)
                told = done.json()
                require(done.code == 5 and sorted(p["event"] for p in told["problems"] if p["what"] == "cannot be withdrawn") == [event, gone, empty], f"{done.code} {told}")
                standing = bravo("misp", "status", "--json").json()["cannot_be_withdrawn"]
                require(sorted((s["misp"], s["event"]) for s in standing) == [("stubborn", e) for e in (event, gone, empty)], f"{standing}")
                shown = bravo("misp", "status").text
                require("cannot_be_withdrawn" in shown and event in shown, shown)
            with report.case("misp withdrawn: what a reader may have again comes again"):
                again(lambda later: [p.update({"timestamp": "1780000900"}) for p in later[0]["Event"]["Attribute"]])
                bravo("misp", "push", "alfa", "--json")
                there = json.dumps(_events(served, alfa.token))
                require("secret.example" in there, there[:1500])
        stubborn.close()


def rules(report):
    """What is signed, what is of one's own house, and what is long: L12, S8, S10, S11."""
    with temporary() as home:
        alfa, bravo = _pair(home)
        own = next(m for m in alfa("member", "list", "--json").json()["members"] if m["id"] == "alfa")["identity"].removeprefix("identity--")
        made_by = {"Orgc": {"uuid": own, "name": "Alfa CSIRT"}}
        guarded, near = "5f0d0030-0000-4000-8000-000000000001", "5f0d0030-0000-4000-8000-000000000002"

        def give(at, *values, **more):
            keys = {"protected": True, "CryptographicKey": [{"uuid": "5f0d0030-0000-4000-8000-0000000000f1", "type": "pgp", "key_data": "none", "fingerprint": "00"}]}
            documents = [_event(guarded, "guarded", [(v, 5) for v in values], timestamp=str(at), **keys, **made_by), _event(near, "near", [("near.example", 5)], timestamp=str(at), **made_by, **more)]
            for document in documents:
                for attribute in document["Event"]["Attribute"]:
                    attribute["timestamp"] = str(at)
            (home / "g.json").write_text(json.dumps(documents))
            alfa.importing(home / "g.json")

        def held(node):
            done = node("export", "--to", node.member, "--format", "misp", ok=(0, 1))
            return {e["Event"]["info"]: e["Event"] for e in json.loads(done.out)["response"]} if done.out.strip() else {}

        give(1780000000, "first.example")
        with alfa.serve() as served:
            key = alfa.token
            (home / "own").write_text(key + "\n")
            bravo("misp", "add", "alfa", served.ready["misp"], "--key-file", home / "k", "--source", "from-alfa")
            bravo("misp", "pull", "alfa")
            with report.case("misp L12: a protected event is not changed by what nobody has checked a signature of"):
                require([a["value"] for a in held(bravo)["guarded"]["Attribute"]] == ["first.example"] and held(bravo)["guarded"]["protected"], f"{held(bravo)}")
                give(1780000100, "second.example")
                done = bravo("misp", "pull", "alfa", "--json", ok=(5,)).json()
                require(any("protected" in r["reason"] for r in done["refused"]), f"{done['refused']}")
                require([a["value"] for a in held(bravo)["guarded"]["Attribute"]] == ["first.example"], f"{held(bravo)['guarded']}")
                require(held(bravo)["near"]["timestamp"] == "1780000100", "the others did not go on")
            with report.case("misp S10: a MISP of one's own is not narrowed on the way in, another's is"):
                lone = Node(home, "lone", "Alfa CSIRT", own)
                lone("source", "add", "house", "--kind", "own")
                lone("misp", "add", "house", served.ready["misp"], "--key-file", home / "own", "--source", "house")
                give(1780000200, "second.example", distribution="1", Tag=[{"name": "tlp:green"}, {"name": "only:here", "local": True}])
                lone("misp", "pull", "house")
                got = held(lone)["near"]
                require((got["distribution"], [t["name"] for t in got["Tag"]]) == ("1", ["tlp:green", "only:here"]), f"{got}")
                bravo("misp", "pull", "alfa", ok=(0, 5))
                require("only:here" not in json.dumps(held(bravo)), "a local tag came")
            with report.case("misp S11: a change of local tags alone moves nothing for others, and comes by a full pull at home"):
                before = _post(served, bravo_key(home), "/events/index", {"minimal": 1}).json()
                give(1780000200, "second.example", distribution="1", Tag=[{"name": "tlp:green"}, {"name": "also:here", "local": True}])
                require(_post(served, bravo_key(home), "/events/index", {"minimal": 1}).json() == before, "the index moved")
                lone("misp", "pull", "house", "--full")
                require([t["name"] for t in held(lone)["near"]["Tag"]] == ["tlp:green", "also:here"], f"{held(lone)['near']['Tag']}")


def bravo_key(home):
    return (home / "k").read_text().strip()


def long_event(report, count=160_000):
    """An event longer than MISP's own can be sent and read, in bounded memory (S8)."""
    with temporary() as home:
        node = Node(home)
        uuid = "5f0d0040-0000-4000-8000-000000000001"

        def pieces():
            head = _event(uuid, "long", [])["Event"]
            head.pop("Attribute")
            yield ('{"Event":' + json.dumps(head)[:-1] + ',"Attribute":[').encode()
            for n in range(0, count, 1000):
                part = [{"uuid": f"5f0d0041-0000-4000-8000-{i:012}", "type": "domain", "category": "Network activity", "value": f"h{i}.example", "to_ids": True, "distribution": "5",
                         "timestamp": "1780000000", "comment": "a host of a long event"} for i in range(n, n + 1000)]
                yield (("," if n else "") + json.dumps(part)[1:-1]).encode()
            yield b"]}}"

        with node.serve() as served:
            with report.case(f"misp S8: an event of {count:,} attributes comes in over HTTP, whole"):
                head = {"Authorization": node.token, "Accept": "application/json", "Content-Type": "application/json"}
                reply = requests.post(served.ready["misp"].rstrip("/") + "/events/add/metadata:1", data=pieces(), headers=head, timeout=300)
                require(reply.status_code == 200 and reply.json()["Event"]["uuid"] == uuid, f"{reply.status_code} {reply.text[:300]}")
            for packing in ("identity", "gzip"):
                with report.case(f"misp S8: and goes out whole, {packing}"):
                    reply = requests.get(served.ready["misp"].rstrip("/") + f"/events/view/{uuid}", headers={**head, "Accept-Encoding": packing}, timeout=300)
                    require(reply.status_code == 200 and len(reply.json()["Event"]["Attribute"]) == count, f"{reply.status_code} {len(reply.content)}")
            with report.case("misp S8: and is pulled whole by another node, one level down"):
                bravo = Node(home, "bravo", "Bravo CSIRT", BRAVO)
                node("member", "add", "bravo", "--uuid", BRAVO)
                (home / "k").write_text(key_of(node, "bravo-misp", "bravo") + "\n")
                bravo("member", "add", "alfa", "--uuid", _identity(node, "alfa"))
                bravo("source", "add", "from-alfa", "--kind", "member", "--member", "alfa")
                Counted(served.ready["misp"], node.token).add_sighting({"uuid": f"5f0d0041-0000-4000-8000-{count - 1:012}", "source": "gate"}, f"5f0d0041-0000-4000-8000-{count - 1:012}")
                bravo("misp", "add", "alfa", served.ready["misp"], "--key-file", home / "k", "--source", "from-alfa")
                with bravo.serve() as theirs:
                    told = bravo("misp", "pull", "alfa", "--json").json()
                    require(told["misp"]["events"] == 1 and not told.get("refused"), f"{told}")
                    event = _post(theirs, bravo.token, f"/events/view/{uuid}", method="GET").json()["Event"]
                    require(len(event["Attribute"]) == count and event["locked"] and event["Attribute"][-1]["Sighting"][0]["source"] == "gate", f"{len(event['Attribute'])} {event['Attribute'][-1]}")
                    again = bravo("misp", "pull", "alfa", "--full", "--json").json()
                    require(again["new"] == 0 and again["misp"]["unchanged"] >= count, f"{again}")
            with report.case("misp S8: it is not pushed, and that is told"):
                other = _Stubborn()
                node("source", "add", "from-bravo", "--kind", "member", "--member", "bravo")
                node("misp", "add", "bravo", other.url, "--key-file", home / "k", "--source", "from-bravo", "--to", "bravo-misp")
                pushed = node("misp", "push", "bravo", "--json", ok=(5,)).json()
                require([p["event"] for p in pushed["problems"] if p["what"] == "not pushed"] == [uuid] and not other.held, f"{pushed}")
                other.close()
            with report.case("misp S8: what is not whole is refused, and leaves nothing behind"):
                def broken():
                    for n, piece in enumerate(pieces()):
                        if n > 100:
                            return
                        yield piece.replace(b"5f0d004", b"5f0d005")

                reply = requests.post(served.ready["misp"].rstrip("/") + "/events/add", data=broken(), headers=head, timeout=300)
                require(reply.status_code == 400, f"{reply.status_code} {reply.text[:300]}")
                require(_post(served, node.token, "/events/view/5f0d0050-0000-4000-8000-000000000001", method="GET").status_code == 404, "part of it is there")
