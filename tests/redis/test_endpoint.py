import ssl
from dataclasses import replace

import pytest
import trustme

from mas.errors import ConfigurationError
from mas.redis import Endpoint, Redis, Tls

CANARY = "c4n4ry"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", Endpoint()),
        ("redis://example:7000/2", Endpoint(host="example", port=7000, db=2)),
        ("redis://[::1]:7000", Endpoint(host="::1", port=7000)),
        ("redis://u:p%40@h", Endpoint(host="h", username="u", password="p@")),
        ("redis://h?db=4&password=p", Endpoint(host="h", db=4, password="p")),
        ("unix:///run/redis.sock?db=1", Endpoint(path="/run/redis.sock", db=1)),
        ("unix://u:p@/run/redis.sock", Endpoint(path="/run/redis.sock", username="u", password="p")),
        ("rediss://h", Endpoint(host="h", tls=Tls())),
        (
            "rediss://h?ssl_ca_certs=ca&ssl_certfile=c&ssl_keyfile=k&ssl_check_hostname=false",
            Endpoint(host="h", tls=Tls(ca_certs="ca", certfile="c", keyfile="k", check_hostname=False)),
        ),
        ("rediss://h?ssl_cert_reqs=none", Endpoint(host="h", tls=Tls(cert_reqs=ssl.CERT_NONE))),
        (
            "redis+sentinel://u:p@a:1,b/main/3?sentinel_password=s",
            Endpoint(
                host="",
                sentinels=(("a", 1), ("b", 26379)),
                service="main",
                db=3,
                username="u",
                password="p",
                sentinel_password="s",
            ),
        ),
        (
            "rediss+sentinel://[::1]:5/main",
            Endpoint(host="", sentinels=(("::1", 5),), service="main", tls=Tls()),
        ),
    ],
)
def test_each_form_of_url_is_read(url, expected):
    assert Endpoint.parse(url) == expected
    assert Endpoint.parse(expected) is expected


@pytest.mark.parametrize(
    "form", ["redis://{}@h:1/2", "unix://{}@/s?db=1", "rediss+sentinel://{}@h:1,i:2/m/3"]
)
def test_a_url_without_its_password_is_what_is_shown(form):
    endpoint = Endpoint.parse(form.format("u:secret"))
    assert str(endpoint) == form.format("u:***")
    assert Endpoint.parse(str(endpoint)) == replace(endpoint, password="***")


@pytest.mark.parametrize(
    "url",
    [
        f"{CANARY}@host",
        f"http://:{CANARY}@host",
        f"redis://:{CANARY}#x@host:1",
        f"redis://:{CANARY}/x@host:1",
        f"redis://:{CANARY}?x@host:1",
        f"redis://user:12/{CANARY}@host",
        f"redis://:{CANARY}@host:port",
        f"redis://:{CANARY}@host/first",
        f"redis://:{CANARY}@host?db=first",
        f"redis://:{CANARY}@host?max_connections=3",
        f"redis://host?pasword={CANARY}",
        f"redis://:{CANARY}@host?ssl_ca_certs=ca",
        f"rediss://:{CANARY}@host?ssl_cert_reqs=perhaps",
        f"redis+sentinel://:{CANARY}@host:1",
        f"redis+sentinel://:{CANARY}@/service",
        f"redis+sentinel://:{CANARY}@host:x/service",
        f"redis+sentinel://:{CANARY}@host:1/service/x",
        f"redis://[{CANARY}",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_being_repeated(url):
    with pytest.raises(ConfigurationError) as refusal:
        Endpoint.parse(url)
    seen = refusal.value
    assert CANARY not in str(seen)
    assert seen.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{CANARY}@h",
        f"unix://u:{CANARY}@/s",
        f"redis+sentinel://:{CANARY}@h:1/m?sentinel_password={CANARY}",
    ],
)
def test_no_password_is_ever_shown(url):
    endpoint = Endpoint.parse(url)
    for shown in (repr(endpoint), str(endpoint), endpoint.address, repr(Redis(endpoint)), f"{[endpoint]}"):
        assert CANARY not in shown


def test_certificates_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        Tls(ca_certs=str(tmp_path / "missing.pem")).context()


def test_verification_is_as_strict_as_asked_for(tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    strict = Tls(ca_certs=str(tmp_path / "ca.pem")).context()
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    lax = Tls(cert_reqs=ssl.CERT_NONE).context()
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)
