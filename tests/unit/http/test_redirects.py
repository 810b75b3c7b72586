"""F42: a redirect stays within its origin or is refused; the key goes nowhere else."""

from __future__ import annotations

import httpx
import pytest

from cryptosource_etl.errors import Permanent
from cryptosource_etl.http.redirects import follow
from cryptosource_store.reasons import Reason
from support.wire import Wire, answer

AUTH = ("x-cg-demo-api-key", "CG-canary-0123456789")


def test_within_the_origin_a_redirect_is_followed_with_the_headers_kept(make_client):
    hops = [answer(301, location="/b?x=1"), answer(307, location="c"), answer(200, b"there")]
    with Wire(*hops) as wire:
        response = make_client().get(wire.url("/v1/a"), auth_header=AUTH)

        assert [request.target for request in wire.received] == ["/v1/a", "/b?x=1", "/c"]
        assert all(request.headers[AUTH[0]] == AUTH[1] for request in wire.received)
    assert response.body == b"there"
    assert response.attempts == 1


def test_three_hops_are_followed_and_a_fourth_is_not(make_client):
    onward = answer(302, location="/next")
    with Wire(onward, onward, onward, answer(200, b"x")) as wire:
        assert make_client().get(wire.url()).body == b"x"
    with Wire(onward) as wire:
        with pytest.raises(Permanent, match="more than 3 times"):
            make_client().get(wire.url())

        assert len(wire.received) == 4


def test_another_port_of_the_same_host_hears_nothing(make_client):
    with (
        Wire(answer(200, b"stolen")) as elsewhere,
        Wire(answer(302, location=elsewhere.url("/?steal=1"))) as wire,
    ):
        with pytest.raises(Permanent, match="another origin is never followed") as failure:
            make_client().get(wire.url(), auth_header=AUTH)

        assert elsewhere.connections == 0
        assert "steal" not in failure.value.message
    assert failure.value.reason is Reason.UPSTREAM_REFUSED


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://api.test/x",
        "https://api.test:444/x",
        "https://api.test.evil.test/x",
        "https://evil.test",
        "//evil.test/x",
        "https://api.test@evil.test/",
        "https://user:password@api.test/",
        "ftp://api.test/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://[::1",
        "https://api.test:99999999/",
        "",
    ],
)
def test_every_other_redirect_is_refused(location):
    with pytest.raises(Permanent) as failure:
        follow(httpx.URL("https://api.test/v1?k=v"), location, hops=0)

    assert failure.value.reason is Reason.UPSTREAM_REFUSED
    assert "api.test" in failure.value.message
    assert "k=v" not in failure.value.message
    assert "password@" not in failure.value.message


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/x", "https://api.test/x"),
        ("y?z=1", "https://api.test/v1/y?z=1"),
        ("https://api.test:443/x", "https://api.test/x"),
        ("https://API.test/x", "https://api.test/x"),
    ],
)
def test_all_ways_to_write_the_same_origin_are_followed(location, target):
    assert follow(httpx.URL("https://api.test/v1/a"), location, hops=2) == target


def test_a_redirect_that_puts_the_key_into_the_url_is_refused(make_client):
    with Wire(answer(302, location=f"/x?q={AUTH[1]}")) as wire:
        with pytest.raises(Permanent) as failure:
            make_client().get(wire.url(), auth_header=AUTH)

        assert len(wire.received) == 1
    assert AUTH[1] not in failure.value.message
