#!/usr/bin/env bash
# ZMM-TTS on the features of ../tts1 and the house's own units: txt2vec begins from the text side of megatts, the generator of
# zmm2 from the house vocoder.
set -euo pipefail
cd "$(dirname "$0")"

./zmm.sh --start ../../../tts/assets/megatts --vocoder ../../../vocoder/assets/house --aligner ../../../tts/assets/aligner "$@"
