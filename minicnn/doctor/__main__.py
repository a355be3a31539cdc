"""python -m minicnn.doctor."""

import sys

from .command import main

sys.exit(main())
