#!/usr/bin/env bash
# Every stage on the corpus of ../tts1 with the units of ../units1, made in seconds; budgets are in steps.
set -euo pipefail
cd "$(dirname "$0")"

./zmm.sh --nj 1 --extractor house:../units1/exp/models/units --vocoder ../tts1/exp/models/vocoder \
    --speaks ../tts1/exp/models/vocoder --utterances 4 --voices-from-minutes 0.2 \
    --txt2vec-steps 150 --vec2mel-steps 120 --vec2wav-steps 80 "$@"
