#!/usr/bin/env bash
# Cloning from LibriTTS' 2,456 readers, on the features, the fs2 and the vocoder of ../tts1.
set -euo pipefail
cd "$(dirname "$0")"

./clone.sh --vocoder ../tts1/exp/models/vocoder --speaker-minutes 600 --voices-from-minutes 20 "$@"
