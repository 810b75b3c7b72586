"""docs/faults.md, F22 to F24: short, endless, dripping, bloated and mislabelled bodies."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.errors import Retryable
from cryptosource_etl.http.response_body import BodyCaps, TooLarge, decode
from cryptosource_etl.http.retry import AttemptFailed
from cryptosource_store.reasons import Reason
from support.wire import Wire, answer, endless, raw, reset_after, truncated

MIB = 1024 * 1024
OPEN = BodyCaps(sent_bytes=None, decoded_bytes=None, expansion=1032)
ONE_TRY = {"max_attempts": 1}


def decoded(chunks, *, encoding="gzip", length="", caps=OPEN):
    return b"".join(decode(chunks, content_encoding=encoding, content_length=length, caps=caps))


def split(data, sizes):
    chunks, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= len(data):
            return chunks
        chunks.append(data[at : at + size])
        at += size
    return chunks


def bomb(mebibytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    zeros = bytes(MIB)
    return b"".join([*(packer.compress(zeros) for _ in range(mebibytes)), packer.flush()])


@given(st.binary(max_size=3000), st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_gzip_comes_out_as_it_went_in_however_it_is_cut(data, sizes):
    packed = gzip.compress(data)

    assert decoded(split(packed, sizes), length=str(len(packed))) == data


@given(st.integers(0, 200_000), st.integers(1, 40), st.sampled_from([b"a", b"ab\n", b"0"]))
def test_long_runs_come_out_whole_wherever_a_piece_ends(length, size, pattern):
    data = (pattern * length)[:length]

    assert decoded(split(gzip.compress(data), [size])) == data


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(1, 50))
def test_gzip_members_that_follow_each_other_are_one_body(first, second, size):
    packed = gzip.compress(first) + gzip.compress(second)

    assert decoded(split(packed, [size])) == first + second


def test_repetitive_gzip_comes_out_in_pieces_of_at_most_64_kib():
    data = b"a,b,c\r\n" * 300_000
    pieces = list(
        decode([gzip.compress(data)], content_encoding="gzip", content_length="", caps=OPEN)
    )

    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 64 * 1024


@given(st.binary(min_size=1, max_size=500), st.data())
def test_gzip_that_ends_early_is_malformed(data, draw):
    packed = gzip.compress(data)
    kept = draw.draw(st.integers(0, len(packed) - 1))

    with pytest.raises(AttemptFailed) as failure:
        decoded([packed[:kept]] if kept else [])

    assert failure.value.reason is Reason.MALFORMED_RESPONSE


@pytest.mark.parametrize("rest", [b"\0", b"garbage", b"\x1f\x8b", b"\0" * 512])
def test_anything_but_gzip_behind_gzip_is_malformed(rest):
    with pytest.raises(AttemptFailed, match="gzip"):
        decoded([gzip.compress(b"data") + rest])


@pytest.mark.parametrize(
    "encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip,br", "identity, gzip"]
)
def test_other_and_nested_encodings_are_refused(encoding):
    with pytest.raises(AttemptFailed, match="only gzip was asked for"):
        decoded([gzip.compress(b"data")], encoding=encoding)


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_plain_bodies_pass_unchanged(encoding):
    assert decoded([b"ab", b"c"], encoding=encoding, length="3") == b"abc"


@pytest.mark.parametrize("length", ["2", "4"])
def test_a_body_of_another_length_than_announced_is_malformed(length):
    with pytest.raises(AttemptFailed, match=f"3 bytes came of {length} announced"):
        decoded([b"ab", b"c"], encoding="", length=length)


def test_a_body_larger_than_announced_cap_is_refused_before_it_is_read():
    def never():
        raise AssertionError("read")
        yield b""

    caps = BodyCaps(sent_bytes=10, decoded_bytes=None, expansion=10)
    with pytest.raises(TooLarge, match="11 bytes announced, 10 allowed"):
        decoded(never(), encoding="", length="11", caps=caps)


def test_each_cap_holds_by_itself_and_its_exact_size_passes():
    caps = BodyCaps(sent_bytes=100, decoded_bytes=100, expansion=10)

    assert decoded([bytes(100)], encoding="", caps=caps) == bytes(100)
    with pytest.raises(TooLarge, match=r"more than 100 bytes$"):
        decoded([bytes(100), b"x"], encoding="", caps=caps)
    with pytest.raises(TooLarge, match="once decompressed"):
        decoded([gzip.compress(bytes(101))], caps=caps)


def test_a_gzip_bomb_is_cut_with_flat_memory(make_client):
    body = bomb(512)
    client = make_client()
    with Wire(answer(200, body, content_encoding="gzip")) as wire:
        tracemalloc.start()
        with pytest.raises(Retryable, match="gzip bomb") as failure:
            client.get(wire.url())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert failure.value.reason is Reason.BODY_TOO_LARGE
        assert len(wire.received) == 1
        assert peak < 16 * MIB


def test_a_large_stream_stays_in_flat_memory(make_client):
    packed = gzip.compress(bytes(range(256)) * 8 + b"\n" * 2048, 1) * 16_000
    client = make_client()
    with Wire(answer(200, packed, content_encoding="gzip")) as wire:
        tracemalloc.start()
        with client.stream(wire.url()) as response:
            size = sum(len(chunk) for chunk in response.chunks)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert size == 4096 * 16_000
    assert peak < 4 * MIB


def test_a_body_without_end_is_cut_at_its_cap(make_client):
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    client = make_client(limits={"max_body_bytes": 2 * MIB})
    with (
        Wire(endless(itertools.chain([head], itertools.repeat(bytes(65536))))) as wire,
        pytest.raises(Retryable) as failure,
    ):
        client.get(wire.url())

    assert failure.value.reason is Reason.BODY_TOO_LARGE


@pytest.mark.parametrize(
    "pieces",
    [
        itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b"x")),
        itertools.chain(
            [b"HTTP/1.1 200 OK\r\n"], (f"a{n}: b\r\n".encode() for n in itertools.count())
        ),
        itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "headers", "interim answers"],
)
def test_an_answer_that_drips_for_ever_is_cut_by_the_total_deadline(make_client, virtual, pieces):
    client = make_client(retry=ONE_TRY, clock=virtual(tick=1.0), limits={"total_seconds": 30.0})
    with Wire(endless(pieces)) as wire, pytest.raises(Retryable) as failure:
        client.get(wire.url())

    assert failure.value.reason in {Reason.DEADLINE_EXCEEDED, Reason.MALFORMED_RESPONSE}


def test_an_answer_that_stops_coming_is_cut_by_the_read_timeout(make_client):
    def stall(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
        return bool(connection.recv(1))

    client = make_client(retry=ONE_TRY, limits={"read_seconds": 0.05})
    with Wire(stall) as wire, pytest.raises(Retryable, match="stopped coming") as failure:
        client.get(wire.url())

    assert failure.value.reason is Reason.DEADLINE_EXCEEDED


@pytest.mark.parametrize("sent", [0, 1, 1024, 2048, 4095])
def test_a_body_cut_short_is_asked_for_again(make_client, sent):
    body = bytes(range(256)) * 16
    with Wire(truncated(body, sent=sent), answer(200, body)) as wire:
        response = make_client().get(wire.url())

    assert response.body == body
    assert response.attempts == 2


@pytest.mark.parametrize(
    "broken",
    [
        reset_after(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"),
        raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n"),
        answer(200, b"3\r\nabc\r\n0\r\n\r\n", transfer_encoding="chunked", content_length="99"),
        raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabcde\r\n"),
        raw(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b"abc")[:-1]),
        raw(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-encoding: gzip\r\n\r\n"),
        raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nbig: " + b"x" * 40_000 + b"\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nbig: " + b"x" * 400_000),
        answer(204),
        answer(206, b"part"),
        answer(304),
    ],
    ids=lambda _: "",
)
def test_what_is_no_proper_answer_is_malformed_after_the_last_attempt(make_client, broken):
    with Wire(broken) as wire, pytest.raises(Retryable) as failure:
        make_client(retry={"max_attempts": 2}).get(wire.url())

    assert failure.value.reason is Reason.MALFORMED_RESPONSE
    assert "2 attempts" in failure.value.message
