"""Runs inside a control plane: `python -m tests.bench.hostile ADDRESS ATTACK`."""

import sys

from tests.bench.hostile import main

main(*sys.argv[1:])
