"""HTTP as every route needs it, whatever it answers.

Belongs here: connections and their deadlines, admission (keys, rates, concurrency), request parsing,
pagination, problems, cached responses, the envelope. Never here: SQL, or what a route answers.
"""
