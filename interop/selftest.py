"""The interop programs' own checks: a harness that compares wrongly would pass everything."""

import json

from harness import require
from stixfiles import Item, differences, split

_U = "11111111-1111-4111-8111-111111111111"
_T = '"created":"2020-01-01T00:00:00.000Z","modified":"2020-01-01T00:00:00.000Z"'


def _one(raw):
    return Item(raw, json.loads(raw))


def selftest(report):
    tool = f'{{ "type":"tool",\n "spec_version": "2.1","id":"tool--{_U}",{_T},"name":"a \\u00e9 \\" ]}} é", "x_n": 1.50e2 }}'
    other = f'{{"type":"tool","spec_version":"2.1","id":"tool--{_U}",{_T},"name":"b"}}'
    old = f'{{"type":"malware","id":"malware--{_U}",{_T},"name":"m"}}'
    with report.case("self-test: objects are cut out of a bundle as they stand"):
        for text in (
            f'{{"type":"bundle","x":[{{"objects":[1]}}],"objects":[{tool} , {other}],"more":true}}',
            f'\n{{ "objects" : [ {tool},{other} ] }}\n',
        ):
            require([i.raw for i in split(text)] == [tool, other], f"wrong pieces of {text!r}")
        require([i.raw for i in split(f" {tool}\n")] == [tool], "a single object is not itself")
        require(split("{}") == [] and split('{"objects":[]}') == [], "an empty envelope is not empty")
    with report.case("self-test: the comparison sees loss, doubling and every change"):
        a, b = _one(tool), _one(other)
        require(differences([a, b], [b, a]) == [], "order must not count")
        require(differences([a], []) and differences([], [a]) and differences([a], [a, a]), "count must count")
        require(differences([a], [_one(tool.replace("1.50e2", "150.0"))]), "a number printed anew must show")
        require(differences([a], [b]), "other content must show")
        lifted = old[:-1] + ',"spec_version":"2.1","is_family":false}'
        require(differences([_one(old)], [_one(lifted)]) == [], "a lift must pass")
        for wrong in (old, lifted.replace('"m"', '"n"'), lifted[:-1] + ',"x":1}', lifted.replace('"name":"m",', "")):
            require(differences([_one(old)], [_one(wrong)]), f"must show: {wrong}")
