"""The guide's plugin works as it stands there, in fewer than 60 lines of code."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from cryptosource_etl.clock import SystemClock
from cryptosource_etl.errors import Permanent
from cryptosource_etl.records import Quote, Rejection
from cryptosource_etl.sources import registry
from cryptosource_etl.sources.plugin import SourceContext
from support.sources import make_source

GUIDE = Path(__file__).parents[3] / "docs" / "plugins.md"
BODY = b"""[{"id": "a", "ticker": "aaa", "title": "A", "usd": 1.50, "at": "2026-01-01T00:00:00Z"},
 {"id": "b", "ticker": "bbb", "usd": -1}, {"id": "c", "usd": 1e-18}]"""


def code_of_the_guide() -> str:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 1
    return blocks[0]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The guide's package, as if pip had installed it."""
    (tmp_path / "acme_source.py").write_text(code_of_the_guide())
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("Acme", "acme_source:PLUGIN", registry.GROUP)
    monkeypatch.setattr(registry, "installed_types", lambda: {"Acme": entry})


@pytest.fixture
def context() -> SourceContext:
    source = make_source(
        type="Acme", options={"url": "https://api.acme.example/coins"}, batchSize=2
    )
    http = SimpleNamespace(get=lambda _url: SimpleNamespace(body=BODY))
    return SourceContext(source=source, http=http, clock=SystemClock())


def test_the_guides_plugin_has_fewer_than_60_lines_of_code() -> None:
    lines = [line for line in code_of_the_guide().splitlines() if line.strip()]

    assert len(lines) < 60


def test_the_guides_plugin_reads_judges_and_resumes(
    installed: None, context: SourceContext
) -> None:
    reader = registry.open_source(context)

    first, second = reader.pages({})
    judged = [
        reader.normalize(record, received_at=first.received_at)
        for page in (first, second)
        for record in page.records
    ]

    assert [type(outcome) for outcome in judged] == [Quote, Rejection, Quote]
    assert str(judged[0].price_usd) == "1.50"
    assert str(judged[2].price_usd) == "1E-18"
    assert first.cursor_after(1) == {"done": 1}
    assert second.cursor_after(1) == {}
    (resumed,) = reader.pages({"done": 2})
    assert [record.external_id for record in resumed.records] == ["c"]


def test_options_the_plugin_does_not_know_are_refused_with_their_path(
    installed: None, context: SourceContext
) -> None:
    spec = context.source.spec.model_copy(update={"options": {"url": "x", "colour": "red"}})
    source = context.source.model_copy(update={"spec": spec})

    with pytest.raises(Permanent, match=r"spec\.options\.colour"):
        registry.open_source(replace(context, source=source))


def test_an_unknown_type_names_those_that_are_installed() -> None:
    with pytest.raises(Permanent, match="did you mean CoinGecko"):
        registry.plugin_for("CoinGeko")
