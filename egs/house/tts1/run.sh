#!/usr/bin/env bash
# The house models: aligner, vocoder and acoustic model for English, German, Dutch, French and Mandarin.
set -euo pipefail
cd "$(dirname "$0")"

./tts.sh --acoustic fs2 --aligner-minutes 120 --vocoder-minutes 600 --acoustic-minutes 600 "$@"
