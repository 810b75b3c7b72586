"""A Kubernetes for development and tests, on any machine.

Here belongs what finds, builds, starts and ends a cluster, and nothing about what runs on it. It
runs before the project's environment exists: the standard library alone, Python 3.11 or newer.
`python -m hack.cluster --help` is the way in; tests start `hack.cluster.control_plane.running()`.
"""
