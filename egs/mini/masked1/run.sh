#!/usr/bin/env bash
# Every stage on the corpus, the fs2, the codec and the units of the recipes beside it; budgets are in steps.
set -euo pipefail
cd "$(dirname "$0")"

./masked.sh --nj 2 --utterances 4 --voices-from-minutes 0.2 --acoustic ../tts1/exp/models/fs2 --codec ../codec1/exp/models/codec \
    --units ../units1/exp/models/units --aligner ../tts1/exp/models/aligner \
    --masked-steps 80 --books-steps 40 --patches-steps 40 "$@"
