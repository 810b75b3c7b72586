"""What `/openapi.json` says beside what FastAPI finds out by itself.

Belongs here: the catalogue of problems, headers, example answers, and putting them together. Never
here: anything that a request needs; a description is built once, when it is first asked for.
"""
