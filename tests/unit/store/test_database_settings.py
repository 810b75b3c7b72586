"""DATABASE_URL in all the spellings that hosters hand out, and in those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptosource_store.settings import DatabaseSettings, InvalidDatabaseURL, parse_database_url


@pytest.mark.parametrize(
    "raw",
    [
        "postgres://u:p@h:5432/d",
        "postgresql://u:p@h:5432/d",
        "postgresql+psycopg://u:p@h:5432/d",
        "postgresql+psycopg2://u:p@h:5432/d",
    ],
)
def test_every_spelling_means_the_projects_own_driver(raw: str):
    url = parse_database_url(raw)

    assert url.render_as_string(hide_password=False) == "postgresql+psycopg2://u:p@h:5432/d"


@pytest.mark.parametrize("raw", ["mysql://u:secret@h/d", "sqlite:///x", "host=h user=u", "h:5432"])
def test_a_url_that_cannot_be_used_says_what_to_write_and_not_what_was_given(raw: str):
    with pytest.raises(InvalidDatabaseURL, match="write postgresql://") as refused:
        parse_database_url(raw)

    assert "secret" not in str(refused.value)


def test_without_a_url_the_embedded_postgres_is_meant():
    settings = DatabaseSettings.from_environ({"DATABASE_URL": " ", "CRYPTOSOURCE_DATA_DIR": "/x"})

    assert settings.url is None
    assert settings.data_dir == Path("/x")


def test_the_password_is_not_shown():
    settings = DatabaseSettings.from_environ({"DATABASE_URL": "postgresql://u:canary@h/d"})

    assert "canary" not in repr(settings)
