#!/usr/bin/env bash
# LibriTTS: the published layout of Language-Codec, as far as this model has it. The shipped vocoder has other sizes.
set -euo pipefail
cd "$(dirname "$0")"

./codec.sh --vocoder "" --autoencoder-minutes 600 --codes-minutes 6000 "$@"
