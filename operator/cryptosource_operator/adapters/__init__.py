"""Where this package depends on how a dependency is built, not only on what it documents.

Belongs here: each such dependency in a module of its own, with an upper bound in `pyproject.toml`
and a contract test (`tests/unit/operator/test_kopf_contract.py`) that says what has changed. Never
here: rules of the operator.
"""
