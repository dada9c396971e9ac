#!/usr/bin/env bash
# Every stage in seconds, on the features and the fs2 of ../tts1, which runs first. The recipe is proved here, not the sound.
set -euo pipefail
cd "$(dirname "$0")"

./infill.sh --vocoder ../tts1/exp/models/vocoder --utterances 4 --voices-from-minutes 0.2 --solvers 2 \
    --free-steps 30 --text-steps 60 --solver-steps 30 "$@"
