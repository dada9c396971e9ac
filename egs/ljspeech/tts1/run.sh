#!/usr/bin/env bash
# LJSpeech: one English voice.
set -euo pipefail
cd "$(dirname "$0")"

./tts.sh --acoustic fs2 "$@"
