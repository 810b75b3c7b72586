"""From parameters to statements and back: what is asked, bound, read and wrapped.

Belongs here: parameter models and functions of a connection. Never here: HTTP.
"""
