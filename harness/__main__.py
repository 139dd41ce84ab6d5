"""``python -m harness`` is ``harness``."""

import sys

from harness.packages import leave_working_folder

if __name__ == "__main__":
    leave_working_folder()
    from harness.cli import main

    sys.exit(main())
