"""Shared by all tests: at most two threads, so that times and results do not depend on the machine's cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])
