#!/usr/bin/env bash
# ZMM-TTS as published, on the features of ../tts1: XLSR=DIR ./run.sh takes the units of XLSR-53, without it those of the house.
set -euo pipefail
cd "$(dirname "$0")"

./zmm.sh ${XLSR:+--extractor "xlsr:$XLSR"} --vocoder ../../../vocoder/assets/house "$@"
