"""``python -m transferkit.estimator check PROGRAM_OR_FOLDER``."""

import sys

from transferkit.estimator.namespace.find_uses import main

sys.exit(main(sys.argv[1:]))
