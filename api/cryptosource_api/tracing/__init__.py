"""Traces of requests: which are recorded, and with which attributes.

Belongs here: sampling and the instrumentation of the application. Never here: how spans leave the
process, which is `cryptosource_telemetry`'s.
"""
