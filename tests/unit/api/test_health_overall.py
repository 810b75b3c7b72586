from __future__ import annotations

from cryptosource_api.health.queries import overall


def test_one_source_with_a_reason_degrades_the_whole():
    fine = {"source": "a", "namespace": "n", "reason": None, "message": None}
    bad = {"source": "b", "namespace": "n", "reason": "Stale", "message": "old"}

    assert overall([])["status"] == "ok"
    assert overall([fine])["status"] == "ok"
    assert overall([fine, bad])["degraded"] == [bad]
    assert overall([fine, bad])["status"] == "degraded"
