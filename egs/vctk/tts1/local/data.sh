#!/usr/bin/env bash
# data/{train,dev,test} of VCTK-Corpus-0.92.
set -euo pipefail

data=data
mic=1           # 1 or 2
held_out=5      # clips a speaker in dev, and as many in test
help_message="Usage: local/data.sh [--data DIR] [--mic 1|2] [--held-out N]    (corpus: db.sh, or VCTK=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

"$PYTHON" -m recipes data vctk --root "$VCTK" --out "$data" --option "mic=$mic" --option "held_out=$held_out"
