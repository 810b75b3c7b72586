"""Uses of undocumented internals of this package's dependencies.

Belongs here: subclasses and look-ups of internals of uvicorn, FastAPI, Starlette and OpenTelemetry, a
module for each. `pyproject.toml` bounds their versions from above, and
`tests/unit/api/test_adapters.py` fails first when a new version changes one. Never here: code that
public interfaces suffice for.
"""
