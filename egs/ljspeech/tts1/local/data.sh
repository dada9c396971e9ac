#!/usr/bin/env bash
# data/{train,dev,test} of LJSpeech-1.1.
set -euo pipefail

data=data
held_out=250    # clips in dev, and as many in test
help_message="Usage: local/data.sh [--data DIR] [--held-out N]    (corpus: db.sh, or LJSPEECH=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

"$PYTHON" -m recipes data ljspeech --root "$LJSPEECH" --out "$data" --option "held_out=$held_out"
