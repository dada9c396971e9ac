# Corpus root: a folder with metadata.tsv (layout: recipes/corpora/speech.py). Override with the environment.
SPEECH="${SPEECH:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)/../shared/speech}"
