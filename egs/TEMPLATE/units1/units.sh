#!/usr/bin/env bash
# The stages of every recipe of self-supervised units, on the features of a tts1 recipe: an encoder learns clusters of cepstra, then
# the units that it makes by then, then to let speech be rebuilt from them; the units of the corpus. A recipe's run.sh sets its
# corpus and calls this.
set -euo pipefail

stage=1            # first stage to run
stop_stage=5       # last stage to run
nj=$(nproc)        # parallel processes
ngpu=0             # GPUs to train on; 0 is the CPU
data=../tts1/data  # data directories: train, dev, test
dump=../tts1/dump  # feature store; stage 5 wants it aligned
exp=exp            # training folders and models
pack=              # train from a packed corpus
first_minutes=60   # on clusters of cepstra
second_minutes=180 # on units of the first encoder
books_minutes=60   # the quantiser and the encoder together
first_steps=       # stop at these steps even if minutes are left; empty: never
second_steps=
books_steps=
dry_run=false      # print the commands only
list_stages=false
help_message="Usage: ./run.sh [--stage N] [--stop-stage M] [--ngpu G] [--name value | --name=value] ...
Stages: 1 clusters of cepstra, 2 units of the first, 3 books, 4 units, 5 evaluate. Options, with their defaults: see the top of units.sh."

. ./path.sh
. ./cmd.sh
. ./parse_options.sh
. "$parlance_root/egs/TEMPLATE/tts1/stages.sh"

models=$exp/models

if begin 1 "clusters of cepstra"; then
    train train-units --exp "$exp/units-first" --minutes "$first_minutes" --config conf/units.yaml \
        ${first_steps:+--max-steps "$first_steps"}
    recipes export --exp "$exp/units-first" --dump "$dump" --out "$models/units-first"
fi

if begin 2 "units of the first"; then
    recipes units --dump "$dump" --extractor "house:$models/units-first" --nj "$nj"
    train train-units --exp "$exp/units" --minutes "$second_minutes" --config conf/units.yaml \
        --warm-start "$models/units-first" --set task.clusters_of=units ${second_steps:+--max-steps "$second_steps"}
fi

if begin 3 "books"; then
    recipes export --exp "$exp/units" --dump "$dump" --out "$models/units-second"
    train train-unit-books --exp "$exp/books" --minutes "$books_minutes" --config conf/books.yaml \
        --warm-start "$models/units-second" ${books_steps:+--max-steps "$books_steps"}
    recipes export --exp "$exp/books" --dump "$dump" --out "$models/units"
fi

if begin 4 "units"; then
    recipes units --dump "$dump" --extractor "house:$models/units" --nj "$nj"
fi

if begin 5 "evaluate"; then
    recipes evaluate units --dump "$dump" --extractor "house:$models/units" --out "$exp/evaluate" --results "$exp/RESULTS.md"
fi
