"""`python -m tests.bench.inside STATE MODULE ARGUMENT ...`: runs a module as the account that owns a state folder.

A control plane that root starts runs as an account of its own; files that root made in its folder would be closed to it.
"""

import runpy
import sys
from pathlib import Path

from launcher.privileges import drop_to_owner

if __name__ == "__main__":
    drop_to_owner(Path(sys.argv[1]))
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
