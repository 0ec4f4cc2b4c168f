"""The lab: fleets of access points with real systemd, their backbone and stations, in network namespaces.

The one library that Molecule's create and destroy, `make demo` and the end-to-end tests use. Needs root, Python
3.11 and nothing but its standard library. Read topology.py for what there is, lab.py for what can be done to it.
"""
