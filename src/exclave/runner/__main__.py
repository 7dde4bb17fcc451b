"""`python -m exclave.runner`."""

import sys

from exclave.runner.main import main

sys.exit(main(sys.argv[1:]))
