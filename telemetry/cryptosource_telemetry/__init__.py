"""JSON logs and traces, in the same form for every process.

Belongs here: the format of log lines, the export of spans, and the redaction of secrets in both.
Never here: which events are logged or traced, which each part decides; nor an import of another
package of this repository, so that every part can use this one.
"""
