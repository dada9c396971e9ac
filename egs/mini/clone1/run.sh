#!/usr/bin/env bash
# Every stage of cloning on the features and models of ../tts1. It proves that the recipe runs; budgets are in steps.
set -euo pipefail
cd "$(dirname "$0")"

./clone.sh --nj 1 --utterances 2 --voices-from-minutes 0.2 --vocoder ../tts1/exp/models/vocoder \
    --speaker-steps 30 --open-steps 6 --codes-steps 6 --rest-steps 3 --prosody-steps 30 --content-steps 3 "$@"
