#!/usr/bin/env bash
# LibriTTS: 2,456 English readers of audiobooks.
set -euo pipefail
cd "$(dirname "$0")"

./tts.sh --acoustic fs2 --voices-from-minutes 20 "$@"
