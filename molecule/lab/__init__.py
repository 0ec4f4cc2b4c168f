"""The lab: fleets of access points with real systemd, their backbone and stations, in network namespaces.

The one library that Molecule's create and destroy, `make demo` and the end-to-end tests use. Needs root, Python
3.11 and nothing but its standard library. Read topology.py for what there is, lab.py for what can be done to it.
"""

import os

# Whatever umask root has: what is made here are the roots of machines, in which every service has to find its way.
os.umask(0o022)
