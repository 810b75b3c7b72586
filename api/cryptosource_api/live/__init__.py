"""Changes of the data, told to whoever listens as they are committed.

One thread with one session listens to Postgres (`following`), reads what a commit changed once for
everybody and hands it to a ring that all clients share (`hub`); each client only has a place in it,
so one that does not read costs nothing and is dropped when the ring has passed it. Never here: what
differs between server-sent events and WebSockets beyond their framing (`sse`, `websocket`).
"""
