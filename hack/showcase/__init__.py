"""A database in which every state of a source can be seen, for screenshots and for tests."""
