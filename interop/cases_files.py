"""Public files through the node and back: by import, by TAXII, and as other people's clients read them.

Rule: every file gets empty stores of its own; what went in is what must come out.
"""

import random

import stix2
from stix2.utils import parse_into_datetime
from stix2validator import ValidationOptions, validate_instance
from taxii2client.v21 import Collection, as_pages

from harness import require
from node import fresh
from stixfiles import differences, read, reference_lift
from rawtaxii import Raw

_VALIDATED_PER_FILE = 120
_ORIGINALS_PER_FILE = 3


def by_import(report, name, path):
    """One file by `import --own` into an empty store, and out again by `export`."""
    items = read(path)
    with fresh() as node:
        exported = []
        with report.case(f"{name}: import and export, {len(items)} objects"):
            answer = node.importing(path)
            require(not answer["refused"], f"refused: {answer['refused'][:2]}")
            require(answer["new"] == len(items), f"{answer['new']} of {len(items)} objects are new")
            exported = node.export("alfa")
            faults = differences(items, exported)
            require(not faults, "; ".join(faults))
            again = node.importing(path)
            require(again["known"] == len(items), f"the second time {again['known']} of {len(items)} are known")
        lifted = [i for i in items if i.is_2_0]
        if lifted:
            with report.case(f"{name}: the 2.0 originals are kept"):
                for item in random.Random(1).sample(lifted, min(_ORIGINALS_PER_FILE, len(lifted))):
                    got = node("object", "get", item.id, "--original").out.decode("utf-8")
                    require(item.raw in got, f"`object get {item.id} --original` is not the text that came in")
        with report.case(f"{name}: stix2_validator finds nothing new in the output"):
            _validate(items, exported)


def by_taxii(report, name, path):
    """One file by TAXII into an empty store, and out again by raw paging and by two client libraries."""
    items = read(path)
    with fresh() as node, node.serve() as server:
        root, collection = server.ready["api_root"], server.ready["collection"]
        raw = Raw(root, node.user, node.password)
        with report.case(f"{name}: TAXII POST and paged GET, {len(items)} objects"):
            failures = raw.post_all(collection, items)
            require(not failures, f"{len(failures)} failures: {failures[:2]}")
            faults = differences(items, raw.objects(collection))
            require(not faults, "; ".join(faults))
        raw.close()
        url = f"{root.rstrip('/')}/collections/{collection}/"
        with report.case(f"{name}: taxii2-client reads the same"):
            client = Collection(url, user=node.user, password=node.password)
            got = [o for page in as_pages(client.get_objects, per_request=1000) for o in page.get("objects", [])]
            _same_set({_key(i.value) for i in items}, [_key(o) for o in got])
        with report.case(f"{name}: python-stix2 reads the same"):
            refused = _refused_by_python_stix2(items)
            client = _Without(url, refused, user=node.user, password=node.password)
            source = stix2.TAXIICollectionSource(client, allow_custom=True, items_per_page=1000)
            got = [_key(o) for o in source.query([])]
            _same_set({_key(i.value) for i in items if i.id not in refused}, got)
            for item_id, why in sorted(refused.items()):
                print(f"     python-stix2 refuses {item_id} from the file itself: {why}")


class _Without(Collection):
    """A collection without the objects that the reader refuses from the file too: one would end the whole read."""

    def __init__(self, url, refused, **login):
        super().__init__(url, **login)
        self._refused = refused

    def get_objects(self, *args, **kwargs):
        page = super().get_objects(*args, **kwargs)
        if "objects" in page:
            page["objects"] = [o for o in page["objects"] if o["id"] not in self._refused]
        return page


def _refused_by_python_stix2(items):
    refused = {}
    for item in items:
        value = reference_lift(item.value) if item.is_2_0 else item.value
        try:
            stix2.parse(value, allow_custom=True)
        except Exception as error:  # the library raises many kinds
            refused[item.id] = f"{type(error).__name__}: {error}"[:120]
    return refused


def _key(value):
    version = value.get("modified") or value.get("created")
    return value["id"], parse_into_datetime(version) if version else None


def _same_set(expected, got):
    require(len(got) == len(set(got)), f"{len(got) - len(set(got))} objects were read twice")
    lost, extra = expected - set(got), set(got) - expected
    require(not lost and not extra, f"lost {len(lost)}: {list(lost)[:2]}; unexpected {len(extra)}: {list(extra)[:2]}")


def _validate(items, exported):
    require(exported, "nothing was exported")
    came_out = {i.key: i.value for i in exported}
    sample = random.Random(2).sample(items, min(_VALIDATED_PER_FILE, len(items)))
    new = []
    for item in sample:
        before, after = item.value, came_out[item.key]
        errors, warnings = _findings(after, "2.1")
        errors_before, warnings_before = _findings(before, "2.0" if item.is_2_0 else "2.1")
        if item.is_2_0:
            # Advice that 2.1 gives and 2.0 did not is about what the producer wrote; the plainest lift has it too.
            warnings_before |= _findings(reference_lift(before), "2.1")[1]
        new.extend((errors - errors_before) | (warnings - warnings_before))
    require(not new, f"{len(new)} new findings in {len(sample)} objects: {sorted(new)[:2]}")


def _findings(value, version):
    result = validate_instance(value, ValidationOptions(version=version))
    return {str(e) for e in result.errors or ()}, {str(w) for w in result.warnings or ()}
