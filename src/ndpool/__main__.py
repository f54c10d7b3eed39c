"""``python -m ndpool`` is the command ``ndpool``."""

import sys

from .cli import main

sys.exit(main())
