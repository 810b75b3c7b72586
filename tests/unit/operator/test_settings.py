from __future__ import annotations

import pytest

from cryptosource_operator.settings import OperatorSettings
from cryptosource_store.environment import InvalidSetting

LEAST = {"CRYPTOSOURCE_ETL_IMAGE": "etl:1"}


def test_an_image_is_enough():
    settings = OperatorSettings.from_environ(LEAST)

    assert settings.job.image == "etl:1"
    assert settings.namespaces == ()
    assert settings.database is None
    assert settings.job.database_secret == "cryptosource-database"


def test_everything_can_be_told():
    settings = OperatorSettings.from_environ(
        LEAST
        | {
            "CRYPTOSOURCE_NAMESPACES": "a, b,",
            "DATABASE_URL": "postgres://u:s3cret@h/d",
            "CRYPTOSOURCE_DATABASE_SECRET": "pg-app",
            "CRYPTOSOURCE_DATABASE_SECRET_KEY": "fqdn-uri",
            "CRYPTOSOURCE_JOB_ENV": '{"LOG_LEVEL": "DEBUG"}',
            "CRYPTOSOURCE_JOB_POD": '{"nodeSelector": {"a": "b"}}',
            "CRYPTOSOURCE_SPREAD_SECONDS": "0",
        }
    )

    assert settings.namespaces == ("a", "b")
    assert (settings.job.database_secret, settings.job.database_key) == ("pg-app", "fqdn-uri")
    assert settings.job.environment == {"LOG_LEVEL": "DEBUG"}
    assert settings.job.pod == {"nodeSelector": {"a": "b"}}
    assert settings.job.spread_seconds == 0
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CRYPTOSOURCE_ETL_IMAGE", " ", "name the image"),
        ("CRYPTOSOURCE_OPERATOR_WORKERS", "0", "at least 1"),
        ("CRYPTOSOURCE_RESYNC_SECONDS", "1.5", "whole number"),
        ("CRYPTOSOURCE_RESYNC_SECONDS", "٣", "whole number"),
        ("CRYPTOSOURCE_OPERATOR_PORT", "65536", "from 0 to 65535"),
        ("DATABASE_URL", "mysql://h/d", "write postgresql://"),
        ("CRYPTOSOURCE_JOB_ENV", "{", "not JSON"),
        ("CRYPTOSOURCE_JOB_ENV", "[]", "JSON object"),
        ("CRYPTOSOURCE_JOB_ENV", '{"A": 1}', "put numbers in quotes"),
        ("CRYPTOSOURCE_JOB_POD", '{"hostNetwork": true}', "must not hold hostNetwork"),
        ("CRYPTOSOURCE_JOB_POD", '{"serviceAccountName": "admin"}', "serviceAccountName"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_would_be_right(name, value, words):
    with pytest.raises(InvalidSetting, match=words) as refused:
        OperatorSettings.from_environ(LEAST | {name: value})

    assert name in str(refused.value)
