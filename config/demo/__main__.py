"""``python -m config.demo``: see config/demo/main.py."""

import sys

from config.demo.main import main

if __name__ == "__main__":
    sys.exit(main())
