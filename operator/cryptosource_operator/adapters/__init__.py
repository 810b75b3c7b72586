"""Adapters to dependencies of which undocumented behaviour is used.

Belongs here: a module for each such dependency, with an upper bound in `pyproject.toml` and a
contract test (`tests/unit/operator/test_kopf_contract.py`) that fails when that behaviour changes.
Never here: rules of the operator.
"""
