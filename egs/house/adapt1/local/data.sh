#!/usr/bin/env bash
# data/{train,test} of one language of the corpus at $SPEECH.
set -euo pipefail

data=data
languages=ml
exclude=none    # sub-corpora that are left out
help_message="Usage: local/data.sh [--data DIR] [--languages TAG] [--exclude NAME]    (corpus: db.sh, or SPEECH=DIR)"
. ./path.sh
. ./db.sh
. ./parse_options.sh

"$PYTHON" -m recipes data speech --root "$SPEECH" --out "$data" --option "languages=$languages" --option "exclude=$exclude"
