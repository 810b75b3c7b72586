"""The answers' forms, for OpenAPI and for the tests that hold the bytes against them.

No answer passes through these at run time: Postgres builds the JSON.
"""
