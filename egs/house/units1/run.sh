#!/usr/bin/env bash
# The house's self-supervised units, on the features of ../tts1; no text is read.
set -euo pipefail
cd "$(dirname "$0")"

./units.sh "$@"
