#!/usr/bin/env bash
# Makes the corpus in downloads/, then data/{train,dev,test}.
set -euo pipefail

data=data
downloads=downloads
per_voice=16    # sentences a speaker
help_message="Usage: local/data.sh [--data DIR] [--downloads DIR] [--per-voice N]"
. ./path.sh
. ./parse_options.sh

"$PYTHON" -m recipes mini-corpus --out "$downloads" --per-voice "$per_voice" --language nl
"$PYTHON" -m recipes data speech --root "$downloads" --out "$data"
