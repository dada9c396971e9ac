#!/usr/bin/env bash
# Masked parallel decoding with the house models, on the features of ../tts1.
set -euo pipefail
cd "$(dirname "$0")"

./masked.sh "$@"
