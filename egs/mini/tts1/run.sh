#!/usr/bin/env bash
# Every stage on a corpus made in seconds. It proves that the recipe runs; the voices are a formant synthesiser's.
# Budgets are in steps, so that a busy machine gets the same models, later.
set -euo pipefail
cd "$(dirname "$0")"

./tts.sh --nj 2 --utterances 4 --voices-from-minutes 0.2 \
    --aligner-steps 700 --vocoder-steps 120 --acoustic-steps 200 "$@"
