"""Clients that drip, against a real server process: they are cut off and hurt nobody else."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import URL

from cryptosource_api.http.models import Problem
from support import postgres as postgres_support
from support.commands import environment
from support.serving import ServedApi, serving
from support.waits import eventually, read_until

DRIPPING = 500
SHORT = {
    "CRYPTOSOURCE_API_HEAD_SECONDS": "2",
    "CRYPTOSOURCE_API_BODY_SECONDS": "2",
    "CRYPTOSOURCE_API_WRITE_SECONDS": "2",
    "CRYPTOSOURCE_API_KEEP_ALIVE_SECONDS": "2",
    "CRYPTOSOURCE_API_RATE_PER_ADDRESS": "0",
}
HEAD = b"GET /data HTTP/1.1\r\nHost: api\r\n"
BODY = b"POST /trigger-etl HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def api(
    postgres: URL, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    folder = tmp_path_factory.mktemp("api")
    with (
        postgres_support.database(postgres, template=migrated_template) as url,
        serving("api", env=environment(url, folder, **SHORT), folder=folder) as served,
    ):
        yield served


def connected(api: ServedApi, sent: bytes = b"") -> socket.socket:
    link = socket.create_connection(("127.0.0.1", api.port), timeout=30)
    link.sendall(sent)
    return link


def problem_of(answer: bytes) -> Problem:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"x-request-id: " in head
    problem = Problem.model_validate_json(body)
    assert head.startswith(b"HTTP/1.1 %d" % problem.status)
    return problem


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEAD,
        BODY + b"Content-Length: 100\r\n\r\n{",
        BODY + b"Transfer-Encoding: chunked\r\n\r\n1\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
def test_hundreds_that_drip_are_all_cut_off_and_others_are_answered_meanwhile(
    api: ServedApi, sent: bytes
):
    with ExitStack() as stack:
        links = [stack.enter_context(closing(connected(api, sent))) for _ in range(DRIPPING)]
        for link in links[::5]:
            link.sendall(b"G")  # some drip on
        healthy = [api.text("/data")[0] for _ in range(50)]
        answers = [read_until(link) for link in links]

    assert healthy == [200] * 50
    assert {problem_of(answer).status for answer in answers if answer} == {408}
    assert sum(not answer for answer in answers) == 0
    assert api.text("/health/ready")[0] == 200


def test_a_head_that_drips_on_is_cut_off_at_its_deadline(api: ServedApi):
    with closing(connected(api, HEAD)) as link:
        link.settimeout(0.05)
        answer = b""
        for _ in range(600):
            try:
                link.sendall(b"a")
                answer = link.recv(4096)
                break
            except TimeoutError:
                continue

    assert problem_of(answer).status == 408


def test_a_client_that_does_not_read_is_cut_off(api: ServedApi):
    requests = (HEAD + b"\r\n").replace(b"/data", b"/openapi.json") * 200
    with closing(socket.socket()) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.settimeout(30)
        link.connect(("127.0.0.1", api.port))
        link.sendall(requests)
        assert api.text("/health/ready")[0] == 200
        eventually(lambda: is_reset(link))


def is_reset(link: socket.socket) -> bool:
    try:
        link.sendall(HEAD)
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET /data HTTP/1.1\r\nHost api\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: api\r\n\r\n", 400),
        (b"GET /data HTTP/1.1\r\n\r\n", 400),
        (HEAD + b"Host: other\r\n\r\n", 400),
        (HEAD + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (HEAD + b"X-Many: x\r\n" * 20_000, 431),
        (HEAD + b"Content-Length: 99999999\r\n\r\n", 413),
        (HEAD.replace(b"/data", b"/data?" + b"x" * 10_000) + b"\r\n", 414),
    ],
)
def test_what_cannot_be_taken_is_a_problem_document(api: ServedApi, sent: bytes, status: int):
    with closing(connected(api)) as link:
        with suppress(ConnectionError):
            link.sendall(sent)
        answer = read_until(
            link, lambda read: b"\r\n\r\n{" in read and read.endswith(b"}"), what="a problem"
        )

    assert problem_of(answer).status == status


def test_more_connections_than_allowed_are_told_so(database: URL, tmp_path: Path):
    env = environment(database, tmp_path, **SHORT, CRYPTOSOURCE_API_CONNECTIONS="3")
    with serving("api", env=env, folder=tmp_path) as api, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(closing(connected(api, HEAD)))
        with closing(connected(api, HEAD + b"\r\n")) as link:
            refused = read_until(link)

    assert problem_of(refused).status == 503
    assert b"retry-after: 2" in refused


def test_http_1_0_need_not_name_a_host(api: ServedApi):
    with closing(connected(api, b"GET /data HTTP/1.0\r\n\r\n")) as link:
        assert read_until(link).startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_all_answered(api: ServedApi):
    with closing(
        connected(api, (HEAD + b"\r\n") * 2 + HEAD + b"Connection: close\r\n\r\n")
    ) as link:
        answers = read_until(link)

    assert answers.count(b"HTTP/1.1 200") == 3
    assert json.loads(answers.rpartition(b"\r\n\r\n")[2])["data"] == []
