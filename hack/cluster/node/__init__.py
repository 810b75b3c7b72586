"""A single-node Kubernetes without a container engine, in Linux namespaces of its own.

The cluster is one process tree: its first process has its own mount, network, process, host name
and IPC namespaces, and everything else runs below it. When the first process ends, in whatever
way, the kernel ends all the others, unmounts what they mounted, and takes away their bridge, their
firewall rules and the network link to the machine. So there is little to clean up, and nothing to
confuse with what is not ours. What stays outside is named in `outside`: a folder, a control group,
a link with its routes, two tagged firewall rules.
"""
