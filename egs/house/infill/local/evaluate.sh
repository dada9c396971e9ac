#!/usr/bin/env bash
# The tables of ../RESULTS.md on one infill.
set -euo pipefail

model=
exp=exp
help_message="Usage: local/evaluate.sh --model DIR [--exp DIR]    (corpus: db.sh, or SPEECH=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

to=(--speech "$SPEECH" --out "$exp/evaluate" --results ../RESULTS.md)
for table in solver intelligibility cloning; do "$PYTHON" -m recipes evaluate "$table" --model "$model" "${to[@]}"; done
