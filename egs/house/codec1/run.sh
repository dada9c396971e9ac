#!/usr/bin/env bash
# The house codec: an autoencoder from the shipped vocoder, then codes with mel losses, then discriminators on top.
set -euo pipefail
cd "$(dirname "$0")"

./codec.sh --autoencoder-minutes 10 --codes-minutes 600 "$@"
