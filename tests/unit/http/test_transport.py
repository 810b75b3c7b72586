"""F41: the address that is connected to is the one that was checked, and TLS names the host."""

from __future__ import annotations

import ssl
import threading

import httpcore
import pytest

from cryptosource_etl.clock import Stopped, SystemClock
from cryptosource_etl.errors import Permanent, Retryable
from cryptosource_etl.http.transport import Progress, resolve
from cryptosource_store.reasons import Reason
from support.waits import eventually
from support.wire import Wire, answer, hang_up

ONE_TRY = {"max_attempts": 1}


def answers(*batches):
    """Return a resolver that gives each batch once, and what it was asked."""
    left = list(batches)
    asked = []

    def resolver(host, port):
        asked.append(host)
        return left.pop(0)

    return resolver, asked


def test_a_name_that_turns_private_is_refused_when_it_is_resolved_again(make_client):
    resolver, asked = answers(["127.0.0.1"], ["10.0.0.1"])
    closing = answer(200, b"one", connection="close")
    with Wire(closing) as wire:
        client = make_client(resolver=resolver)
        first = client.get(wire.url(host="rebind.test"))
        with pytest.raises(Permanent) as failure:
            client.get(wire.url(host="rebind.test"))

        assert first.body == b"one"
        assert failure.value.reason is Reason.EGRESS_DENIED
        assert asked == ["rebind.test", "rebind.test"]
        assert len(wire.received) == 1


def test_a_name_is_resolved_once_per_connection_and_never_between_check_and_connect(make_client):
    resolver, asked = answers(["127.0.0.1"])
    with Wire(answer(200, b"x")) as wire:
        client = make_client(resolver=resolver)
        client.get(wire.url(host="kept.test"))
        client.get(wire.url(host="kept.test"))

        assert asked == ["kept.test"]
        assert wire.connections == 1
        assert wire.received[0].headers["host"] == f"kept.test:{wire.port}"


def test_of_mixed_answers_only_the_permitted_are_tried_in_their_order(make_client):
    resolver, _ = answers(["10.0.0.1", "::1", "169.254.169.254", "127.0.0.2", "127.0.0.1"])
    with Wire(answer(200, b"x"), host="127.0.0.1") as wire:
        response = make_client(resolver=resolver).get(wire.url(host="mixed.test"))

        assert response.body == b"x"
        assert response.attempts == 1


def test_a_name_without_a_permitted_address_is_refused_before_any_packet(make_client):
    resolver, _ = answers(["127.0.0.1", "::1", "10.0.0.1"])
    with Wire(answer(), host="127.0.0.1") as wire:
        with pytest.raises(Permanent):
            make_client(resolver=resolver, allow="").get(wire.url(host="inside.test"))

        assert wire.connections == 0


@pytest.mark.parametrize("problem", [OSError("no such name"), UnicodeError("label too long")])
def test_a_name_that_does_not_resolve_is_unreachable(make_client, problem):
    def resolver(host, port):
        raise problem

    with pytest.raises(Retryable, match=r"unknown\.test: the name does not resolve") as failure:
        make_client(resolver=resolver, retry=ONE_TRY).get("http://unknown.test/")

    assert failure.value.reason is Reason.UPSTREAM_UNREACHABLE


def test_a_name_without_addresses_is_unreachable(make_client):
    with pytest.raises(Retryable, match="has no address"):
        make_client(resolver=lambda *_: [], retry=ONE_TRY).get("http://empty.test/")


def test_a_resolver_that_hangs_is_left_behind():
    released = threading.Event()
    with pytest.raises(httpcore.ConnectTimeout):
        resolve(lambda *_: released.wait() and [], "slow.test", 80, seconds=0.01)
    released.set()


def test_tls_asks_for_the_host_and_not_for_the_checked_address(make_client):
    hello = []

    def read_hello(connection):
        return False

    with Wire(read_hello) as wire:
        client = make_client(resolver=lambda *_: ["127.0.0.1"], retry=ONE_TRY)
        with pytest.raises(Retryable) as failure:
            client.get(f"https://named.test:{wire.port}/")
        hello = wire.received[0].head

    assert b"named.test" in hello
    assert failure.value.reason is Reason.UPSTREAM_UNREACHABLE


def test_certificates_are_verified_by_default(make_client):
    context = make_client()._pool._ssl_context or httpcore.default_ssl_context()

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_proxies_of_the_environment_are_ignored(make_client, monkeypatch):
    with Wire(hang_up) as proxy, Wire(answer(200, b"direct")) as wire:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())

        assert make_client().get(wire.url()).body == b"direct"
        assert proxy.connections == 0


def test_cookies_are_neither_kept_nor_sent(make_client):
    with Wire(answer(200, b"x", set_cookie="session=1; Path=/")) as wire:
        client = make_client()
        client.get(wire.url())
        client.get(wire.url(), headers={"Cookie": "mine=1"})

        assert ["cookie" in request.headers for request in wire.received] == [False, False]


def test_a_deadline_clips_the_timeout_of_each_operation(clock):
    progress = Progress(clock, total_seconds=10.0)

    assert progress.clip(3.0) == 3.0
    clock.sleep(8.0)
    assert progress.clip(3.0) == 2.0
    assert not progress.expired
    clock.sleep(2.0)
    assert progress.clip(None) == 0.0
    assert progress.expired


def silent(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
    return bool(connection.recv(1))


def mute(connection):
    return bool(connection.recv(1))


@pytest.mark.parametrize("upstream", [silent, mute])
def test_a_stop_ends_the_wait_for_an_upstream_that_says_nothing(make_client, upstream):
    stop = threading.Event()
    hour = {"read_seconds": 3600.0, "total_seconds": 3600.0}
    client = make_client(clock=SystemClock(stop), limits=hour)
    raised = []

    def get():
        with pytest.raises(Stopped):
            client.get(wire.url())
        raised.append(True)

    with Wire(upstream) as wire:
        getting = threading.Thread(target=get, daemon=True)
        getting.start()
        eventually(lambda: wire.received, what="the request is sent")
        stop.set()
        getting.join(60)

    assert raised == [True]
