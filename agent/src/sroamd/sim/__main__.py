"""`python3 -m sroamd.sim`."""

import sys

from sroamd.sim.cli import main

if __name__ == "__main__":
    sys.exit(main())
