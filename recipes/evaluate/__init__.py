"""Evaluation: every table of RESULTS.md, from the public API, natural recordings and offline judges.

``python -m recipes evaluate TABLE`` (``command.py``) runs one experiment (``experiments.py``), writes ``TABLE.json`` and the
table's own block of the results file. One measure a file; none of the judges was used in training, except the project's own
aligner (``per.py``).
"""
