#!/usr/bin/env bash
# The codec's tables of ../RESULTS.md.
set -euo pipefail

model=
autoencoder=
exp=exp
help_message="Usage: local/evaluate.sh --model DIR [--autoencoder DIR] [--exp DIR]    (corpus: db.sh, or SPEECH=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

"$PYTHON" -m recipes evaluate codec --speech "$SPEECH" --codec "$model" ${autoencoder:+--autoencoder "$autoencoder"} \
    --out "$exp/evaluate" --results ../RESULTS.md
