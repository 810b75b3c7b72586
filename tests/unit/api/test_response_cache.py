from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptosource_api.http.response_cache import OVERHEAD_BYTES, CachedResponse, ResponseCache


def kept(body: bytes, version: str = "1") -> CachedResponse:
    return CachedResponse(version=version, etag='W/"x"', body=body)


def test_an_answer_of_another_version_is_not_given():
    cache = ResponseCache(100_000)
    cache.put(b"k", kept(b"old", "1"))

    assert cache.get(b"k", versions=["2"]) is None
    old = cache.get(b"k", versions=["1"])
    assert old is not None
    assert old.body == b"old"
    cache.put(b"k", kept(b"new", "2"))
    assert (len(cache), cache.get(b"k", versions=["1"])) == (1, None)


def test_the_least_recently_used_goes_first():
    cache = ResponseCache(10 * (OVERHEAD_BYTES + 1))
    for n in range(10):
        cache.put(b"%d" % n, kept(b""))
    cache.get(b"0", versions=["1"])
    cache.put(b"x", kept(b""))

    assert cache.get(b"0", versions=["1"])
    assert cache.get(b"1", versions=["1"]) is None


def test_no_bytes_keep_nothing():
    cache = ResponseCache(0)
    cache.put(b"k", kept(b""))

    assert (len(cache), cache.used_bytes) == (0, 0)


@given(st.lists(st.tuples(st.binary(max_size=2), st.binary(max_size=900)), max_size=80))
def test_it_never_outgrows_its_bytes(puts):
    cache = ResponseCache(12_000)
    for key, body in puts:
        cache.put(key, kept(body))
        assert 0 <= cache.used_bytes <= 12_000
    assert (cache.used_bytes == 0) == (len(cache) == 0)
