"""The parts of HTTP that all routes share.

Belongs here: serving, admission (keys, rates, concurrency), request parsing, pagination, problems,
cached responses, the envelope of answers. Never here: SQL, or the content of a particular answer.
"""
