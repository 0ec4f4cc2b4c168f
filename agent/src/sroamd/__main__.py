"""`python -m sroamd` is the daemon."""

import sys

from sroamd.daemon import main

sys.exit(main())
