"""The pages for people: HTML rendered by the server, without a build step.

Belongs here: queries for pages, formatting of values, charts, templates. Never here: a rule of its
own on whether a source is healthy (that is the store's), a script without which content is missing,
assets of third parties, `style` attributes (the content security policy forbids them).
"""
