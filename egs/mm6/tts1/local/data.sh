#!/usr/bin/env bash
# data/{train,dev,test} of MM6.
set -euo pipefail

data=data
held_out=2      # clips a speaker in dev, and as many in test, where no list says which
help_message="Usage: local/data.sh [--data DIR] [--held-out N]    (corpus: db.sh, or MM6=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

"$PYTHON" -m recipes data mm6 --root "$MM6" --out "$data" --option "held_out=$held_out"
