"""Live changes of the data and of runs, sent to clients as they are committed.

One thread with one session listens to Postgres (`change_listener`), reads once for all clients what
a commit changed (`change_queries`, `run_changes`) and appends it to a ring (`ring`, `hub`). A client
is only a position in the ring, so one that does not read costs nothing, and is disconnected when its
position is dropped. `sse` and `websocket` differ in framing alone. Never here: SQL text.
"""
