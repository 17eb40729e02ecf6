"""``python -m lass_plugin.cli``: the same as ``lass``."""

import sys

from lass_plugin.cli.main import main

sys.exit(main())
