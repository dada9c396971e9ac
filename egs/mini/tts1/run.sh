#!/usr/bin/env bash
# Every stage on a corpus made in seconds. It proves that the recipe runs; the voices are a formant synthesiser's.
set -euo pipefail
cd "$(dirname "$0")"

./tts.sh --nj 2 --utterances 4 --voices-from-minutes 0.2 \
    --aligner-minutes 0.3 --vocoder-minutes 0.25 --acoustic-minutes 0.4 "$@"
