#!/usr/bin/env bash
# data/{train,dev,test} of LibriTTS.
set -euo pipefail

data=data
subsets='train-*,dev-*,test-*'    # folders, comma-separated patterns
help_message="Usage: local/data.sh [--data DIR] [--subsets PATTERNS]    (corpus: db.sh, or LIBRITTS=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

"$PYTHON" -m recipes data libritts --root "$LIBRITTS" --out "$data" --option "subsets=$subsets"
