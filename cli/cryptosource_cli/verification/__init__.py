"""Looking at a deployment from outside, by what its API says.

Belongs here: asking, and judging the answers (pure). Never here: looking into the database or the
cluster; that needs rights which whoever verifies may not have. The standard library alone does it,
so that every image can.
"""
