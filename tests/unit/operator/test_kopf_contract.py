"""What `adapters.kopf` relies on in how Kopf is built, said in words when Kopf has changed."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import cryptosource_operator
from cryptosource_operator.adapters.kopf import operator_settings

PACKAGE = Path(cryptosource_operator.__file__).parent
IMPORT_OF_KOPF = re.compile(r"^\s*(import|from) kopf\b", re.MULTILINE)

IMPORTED = """
import sys
from cryptosource_operator.adapters.kopf import kopf
print("kubernetes" in sys.modules)
import kubernetes
print(callable(kopf.login_via_client))
"""
IMPORTED_BEFORE = """
import sys
import kubernetes
import cryptosource_operator.adapters.kopf
print(sys.modules["kubernetes"] is kubernetes)
"""


def printed(program):
    """Return the lines that a fresh interpreter prints."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_kopf_can_be_imported_as_if_the_kubernetes_package_were_absent():
    assert printed(IMPORTED) == ["False", "True"], (
        "Kopf imports the kubernetes package in another way than adapters/kopf.py expects: the "
        "operator would start later and hold 22 MiB more"
    )


def test_a_kubernetes_package_that_is_imported_already_stays():
    assert printed(IMPORTED_BEFORE) == ["True"]


def test_kopf_has_every_setting_that_is_set():
    settings = operator_settings({("batch", "v1", "jobs"): "label"})

    for field in dataclasses.fields(settings):
        section = getattr(settings, field.name)
        unknown = set(vars(section)) - {known.name for known in dataclasses.fields(section)}
        assert not unknown, (
            f"Kopf has no settings.{field.name}.{', '.join(unknown)} any more, and would ignore "
            "what adapters/kopf.py sets there"
        )


def test_no_other_module_of_the_operator_imports_kopf_itself():
    importers = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if IMPORT_OF_KOPF.search(file.read_text("utf-8"))
    }

    assert importers == {"adapters/kopf.py"}
