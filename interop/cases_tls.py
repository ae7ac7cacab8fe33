"""TLS as members use it: a pull over https with an authority of one's own, and who may speak to the listener.

Rule: the certificates are made here by `openssl`, so that a wrong name and a foreign authority can be tried.
"""

import http.client
import re
import shutil
import ssl
import subprocess

from harness import Failure, Skip, require
from node import Process, fresh, run
from objects import bundle_file, item, tool
from stixfiles import differences

_OBJECTS = [tool(f"over tls {n}", "green") for n in range(5)]


def _openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, check=False)
    require(done.returncode == 0, f"openssl {args[0]} failed: {done.stderr.decode()[-300:]}")


def _authority(home, name):
    key, cert = home / f"{name}.key", home / f"{name}.pem"
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-keyout", key, "-out", cert)
    return key, cert


def _certificate(home, authority, names, place):
    """A server certificate with these names, in a node's tls folder."""
    place.mkdir(exist_ok=True)
    request, extra = home / "server.csr", home / "server.ext"
    extra.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a node",
             "-keyout", place / "key.pem", "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", authority[1], "-CAkey", authority[0], "-days", "2", "-extfile", extra, "-out", place / "cert.pem")


def _serve(node):
    return Process(["--dir", node.dir, "serve", "--json"])


def https(report):
    if shutil.which("openssl") is None:
        raise Skip("there is no `openssl` to make certificates with")
    with fresh() as alfa, fresh("bravo", "Bravo CSIRT") as bravo:
        alfa("member", "add", "bravo", "--kind", "nation")
        login = alfa("recipient", "add", "bravo", "--kind", "organisation", "--organisation", "bravo", "--json").json()
        alfa.importing(bundle_file(alfa.home, "tls", _OBJECTS))
        bravo("member", "add", "alfa", "--kind", "nation")
        bravo("source", "add", "alfa", "--kind", "member", "--member", "alfa")
        secret = bravo.secret("alfa", login["password"])

        def pull(url, *more, ok):
            return bravo("taxii", "pull", url, "--user", login["user"], "--password-file", secret, "--source", "alfa", *more, ok=ok)

        _made_by_init(report, alfa, pull)
        _own_authority(report, alfa, bravo, pull, login)
        _plain(report, pull)


def _refused(done, *says):
    require("panicked" not in done.text, done.brief())
    for pattern in says:
        require(re.search(pattern, done.text, re.IGNORECASE), f"nothing of `{pattern}` in: {done.brief()}")


def _made_by_init(report, alfa, pull):
    with _serve(alfa) as server:
        url = server.ready["taxii"]
        with report.case("tls: the certificate of `init` is not trusted by itself: exit 4, and the help names --ca"):
            require(url.startswith("https://"), f"`serve` is not over TLS: {url}")
            _refused(pull(url, ok=(4,)), "certificate", "--ca")
        with report.case("tls: with --ca, the certificate of `init` is enough"):
            pull(url, "--ca", alfa.dir / "tls" / "cert.pem", ok=(0,))
        with report.case("tls: the certificate of `init` is also good for localhost"):
            # The dry answer 404 of another path would do as well: what counts is that TLS holds.
            context = ssl.create_default_context(cafile=alfa.dir / "tls" / "cert.pem")
            require(_status(alfa, context, "localhost") == 200, "localhost is not in the certificate")


def _own_authority(report, alfa, bravo, pull, login):
    right, foreign = _authority(alfa.home, "right"), _authority(alfa.home, "foreign")
    _certificate(alfa.home, right, "IP:127.0.0.1,DNS:localhost", alfa.dir / "tls")
    with _serve(alfa) as server:
        url = server.ready["taxii"]
        with report.case("tls: pull with --ca of one's own authority brings the same bytes"):
            pull(url, "--ca", right[1], ok=(0,))
            faults = differences([item(r) for r in _OBJECTS], [i for i in bravo.export("bravo") if i.value["type"] == "tool"])
            require(not faults, "; ".join(faults))
        with report.case("tls: without --ca: exit 4, and the help names --ca"):
            _refused(pull(url, ok=(4,)), "certificate", "--ca")
        with report.case("tls: with the --ca of somebody else: exit 4"):
            _refused(pull(url, "--ca", foreign[1], ok=(4,)), "certificate")
        with report.case("tls: --ca with a file that is not there, or no certificate: the error names it"):
            for path in (alfa.home / "absent.pem", alfa.home / "right.key"):
                _refused(pull(url, "--ca", path, ok=(2, 3, 4)), path.name)
        with bravo.serve(), report.case("tls: a relative --ca means the same beside a running node: the command's own folder"):
            done = run("--dir", bravo.dir, "taxii", "pull", url, "--token-file", bravo.secret("token", login["token"]), "--source", "alfa",
                       "--ca", right[1].name, cwd=alfa.home)
            require(done.code == 0, done.brief())
        _versions(report, alfa, right[1])
    _certificate(alfa.home, right, "DNS:wrong.example", alfa.dir / "tls")
    with _serve(alfa) as server, report.case("tls: a certificate for another name: exit 4, and the reason is the name"):
        done = pull(server.ready["taxii"], "--ca", right[1], ok=(4,))
        _refused(done, "certificate", r"name|127\.0\.0\.1|wrong\.example")


def _status(alfa, context, host="127.0.0.1"):
    link = http.client.HTTPSConnection(host, alfa.port, context=context, timeout=20)
    link.request("GET", "/taxii2/", headers={"Authorization": f"Bearer {alfa.token}"})
    status = link.getresponse().status
    link.close()
    return status


def _versions(report, alfa, authority):
    for name, version in (("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)):
        with report.case(f"tls: a client that speaks TLS {name} alone is served"):
            context = ssl.create_default_context(cafile=authority)
            context.minimum_version = context.maximum_version = version
            require(_status(alfa, context) == 200, "not served")
    with report.case("tls: a client that speaks nothing newer than TLS 1.1 is not served"):
        context = ssl.create_default_context(cafile=authority)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        try:
            status = _status(alfa, context)
        except (ssl.SSLError, OSError):
            return
        raise Failure(f"served with status {status}")


def _plain(report, pull):
    with report.case("tls: plain http to another machine is refused before anything is sent: the reason and https"):
        # 192.0.2.1 is nobody: were it tried, this would take long and end otherwise.
        done = pull("http://192.0.2.1/taxii2/", ok=(2, 4))
        _refused(done, "not encrypted|plain", "https")
        require(done.seconds < 5, f"took {done.seconds:.1f} s: was it tried?")
