import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.errors import ConfigurationError
from mas.settings import RedisUrl


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost", "redis://localhost"),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:pw@127.0.0.1:6379", "redis://:***@127.0.0.1:6379"),
        ("redis://me:pw@[::1]:6379/3", "redis://me:***@[::1]:6379/3"),
        ("redis://me@localhost", "redis://me@localhost"),
        ("rediss://me:p%40w@h.test:1?ssl_cert_reqs=none", "rediss://me:***@h.test:1?ssl_cert_reqs=none"),
        (
            "rediss://h.test?password=pw&db=1&ssl_password=",
            "rediss://h.test?password=***&db=1&ssl_password=***",
        ),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
        ("unix://:pw@/run/redis.sock", "unix://:***@/run/redis.sock"),
        ("redis+sentinel://:pw@a,b:26379/main/1", "redis+sentinel://:***@a,b:26379/main/1"),
        ("rediss+sentinel://a/main?sentinel_password=pw", "rediss+sentinel://a/main?sentinel_password=***"),
    ],
)
def test_a_url_is_kept_as_given_and_shown_without_secrets(url, shown):
    assert RedisUrl(url).reveal() == url
    assert str(RedisUrl(url)) == shown
    assert repr(RedisUrl(url)) == f"RedisUrl({shown!r})"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "canary",
        "localhost:6379",
        "http://canary",
        "redis:canary",
        "redis://",
        "redis://:canary@",
        "redis://host:canary",
        "redis://host:0",
        "redis://host:65536",
        "redis://host/canary",
        "redis://:can#canary@host",
        "redis://:can/canary@host",
        "redis://:can?canary@host",
        "redis://:can ary@host",
        "redis://host\n/canary",
        "redis://host#canary",
        "redis://:canary\u2100@host",
        "redis://[canary",
        "redis://[canary]",
        "redis+sentinel://[::1],[::canary/main",
        "redis+sentinel://[::1],canary]/main",
        "unix://canary",
        "unix:canary",
        "redis+sentinel://a,,b/main",
        "redis://" + "a" * 5000,
        "redis://host:٣",
    ],
)
def test_what_is_no_redis_url_is_refused_without_quoting_it(url):
    with pytest.raises(ConfigurationError) as caught:
        RedisUrl(url)
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "in_clear"),
    [
        ("redis://localhost", False),
        ("redis://LOCALHOST:1", False),
        ("redis://127.9.9.9", False),
        ("redis://[::1]", False),
        ("redis://localhost.example.test", True),
        ("redis://10.0.0.1", True),
        ("redis://[::2]", True),
        ("redis://user:127.0.0.1@example.test", True),
        ("redis://0.0.0.0", True),
        ("rediss://example.test", False),
        ("unix:///run/redis.sock", False),
        ("redis+sentinel://127.0.0.1,example.test/main", True),
        ("redis+sentinel://127.0.0.1,[::1]:26379/main", False),
        ("rediss+sentinel://example.test/main", False),
    ],
)
def test_a_network_is_crossed_in_clear_without_tls_and_off_this_machine(url, in_clear):
    assert RedisUrl(url).crosses_network_in_clear is in_clear


@given(st.text() | st.text().map("redis://".__add__) | st.text().map("redis+sentinel://".__add__))
def test_any_text_is_a_url_or_refused(text):
    try:
        url = RedisUrl(text)
    except ConfigurationError:
        return
    assert all(url.hosts)
    assert str(url)


@given(st.text(st.characters(categories=["L", "N"]), min_size=8, max_size=20).map("Pw".__add__))
def test_a_password_is_never_shown(password):
    url = RedisUrl(f"redis://user:{password}@localhost:6379/0")
    assert password not in str(url) + repr(url)
