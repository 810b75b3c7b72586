"""The images, built by Docker where an engine runs and by buildah where none does.

Here belongs what builds and checks images for development; how an image is made is in the
Dockerfile alone. The standard library alone, as hack.cluster. `python3 -m hack.images --help`.
"""
