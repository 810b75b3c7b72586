"""How often and how much at a time: rates by the generic cell rate algorithm, and a cap.

Belongs here: counting, and what an answer says about it. Never here: who asks (`access`), and what
a single connection may take its time with (`wire`).
"""
