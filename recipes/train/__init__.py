"""Training: one loop (loop.py), one file per task (vocoder.py, aligner.py, acoustic.py)."""
