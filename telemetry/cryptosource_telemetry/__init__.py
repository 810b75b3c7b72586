"""What every process says of itself: JSON logs and traces, in one form.

Belongs here: how a log line looks and where spans go. Never here: what is logged or traced, which
is for the parts; nor anything of ours, so that every part can use it.
"""
