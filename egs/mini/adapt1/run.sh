#!/usr/bin/env bash
# Dutch for the models of ../tts1, which know English and German: every stage, from a corpus made in seconds. Budgets are in steps.
set -euo pipefail
cd "$(dirname "$0")"

./adapt.sh --nj 1 --minutes "0 0.7" --hours 0.03 --sentences 2 --voices-from-minutes 0.2 --worst 0.9 \
    --listener ../tts1/exp/models/aligner --aligner-steps 40 --acoustic-steps 20 --judge-steps 40 "$@"
