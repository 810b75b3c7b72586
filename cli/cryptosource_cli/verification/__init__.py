"""The verification of a deployment from outside, by the answers of its API.

Belongs here: requests to the API, and pure checks of the answers. Never here: access to the
database or the cluster, for which a user of the API has no rights. It imports the standard library
only, so that it runs in every image.
"""
