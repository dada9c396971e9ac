#!/usr/bin/env bash
# Every stage on a corpus made in seconds. It proves that the recipe runs; budgets are in steps.
set -euo pipefail
cd "$(dirname "$0")"

./codec.sh --nj 2 --utterances 4 --vocoder "" --autoencoder-steps 100 --codes-steps 40 "$@"
