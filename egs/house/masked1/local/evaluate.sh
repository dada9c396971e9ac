#!/usr/bin/env bash
# The tables of ../RESULTS.md on masked decoding.
set -euo pipefail

models=
exp=exp
help_message="Usage: local/evaluate.sh --models DIR [--exp DIR]    (corpus: db.sh, or SPEECH=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

to=(--speech "$SPEECH" --out "$exp/evaluate" --results ../RESULTS.md)
"$PYTHON" -m recipes evaluate passes --model "$models/masked" "${to[@]}"
"$PYTHON" -m recipes evaluate enhance --model "$models/patches" "${to[@]}"
