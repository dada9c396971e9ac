#!/usr/bin/env bash
# Every table of ../RESULTS.md for one model.
set -euo pipefail

model=
exp=exp
help_message="Usage: local/evaluate.sh --model DIR [--exp DIR]    (corpus: db.sh, or SPEECH=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

to=(--out "$exp/evaluate" --results ../RESULTS.md)
for table in intelligibility similarity naturalness; do
    "$PYTHON" -m recipes evaluate "$table" --speech "$SPEECH" --model "$model" "${to[@]}"
done
"$PYTHON" -m recipes evaluate vocoder --speech "$SPEECH" --vocoder "recipe=$model/vocoder" "${to[@]}"
"$PYTHON" -m recipes evaluate paragraph --model "$model" "${to[@]}"
"$PYTHON" -m recipes evaluate speed --model "$model" "${to[@]}"
