#!/usr/bin/env bash
# data/{train,dev,test} of the corpus at $SPEECH; share-alike parts and suspect clips are left out and listed.
set -euo pipefail

data=data
help_message="Usage: local/data.sh [--data DIR]    (corpus: db.sh, or SPEECH=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

"$PYTHON" -m recipes data speech --root "$SPEECH" --out "$data"
