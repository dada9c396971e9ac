#!/usr/bin/env bash
# Every table of ../RESULTS.md on cloning, for one model.
set -euo pipefail

model=
exp=exp
help_message="Usage: local/evaluate.sh --model DIR [--exp DIR]    (corpus: db.sh, or SPEECH=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

to=(--speech "$SPEECH" --out "$exp/evaluate" --results ../RESULTS.md)
"$PYTHON" -m recipes evaluate verification --speaker-encoder "$exp/models/speaker" "${to[@]}"
for table in cloning prosody conversion crosslingual editing; do
    "$PYTHON" -m recipes evaluate "$table" --model "$model" "${to[@]}"
done
for table in references accent watermark; do "$PYTHON" -m recipes evaluate "$table" "${to[@]}"; done
