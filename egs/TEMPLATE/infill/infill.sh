#!/usr/bin/env bash
# The stages of every infill recipe, on the features of a tts1 recipe and the text side of a trained fs2 or megatts: infilling
# without text, with text, solvers of few steps. A recipe's run.sh sets its corpus and calls this with its own options.
set -euo pipefail

stage=1            # first stage to run
stop_stage=8       # last stage to run
nj=$(nproc)        # parallel processes
ngpu=0             # GPUs to train on; 0 is the CPU
data=../tts1/data  # data directories: train, dev, test
dump=../tts1/dump  # feature store, aligned
exp=exp            # training folders and models
pack=              # train from a packed corpus: begins at stage 1; 7 and 8 need the recordings
start=../tts1/exp/models/fs2          # the model whose text side and voices it speaks with
aligner=../tts1/exp/models/aligner
vocoder=           # a vocoder's folder that the model takes with it; empty: the house vocoder
free_minutes=120   # without text
text_minutes=300   # with text
solver_minutes=30  # of each solver
free_steps=        # stop at these steps even if minutes are left; empty: never
text_steps=
solver_steps=
solvers="4 2"      # steps of the bespoke solvers, of order 2
free_config=conf/infill.yaml
text_config=conf/infill.yaml
voices_from_minutes=15
speak=test         # the split that stage 7 speaks
utterances=40      # at most so many of it
dry_run=false      # print the commands only
list_stages=false
help_message="Usage: ./run.sh [--stage N] [--stop-stage M] [--ngpu G] [--name value | --name=value] ...
Stages: 1 infill without text, 2 infill with text, 3 bespoke solvers, 7 synthesise, 8 evaluate.
Options, with their defaults: see the top of infill.sh."

. ./path.sh
. ./cmd.sh
. ./parse_options.sh
. "$parlance_root/egs/TEMPLATE/tts1/stages.sh"

packed 1 "$speak"
models=$exp/models

if begin 1 "infill without text"; then
    train train-acoustic --model infill --exp "$exp/infill-free" --minutes "$free_minutes" --config "$free_config" \
        --set task.text_free=true --warm-start "$start" ${free_steps:+--max-steps "$free_steps"}
    recipes export --exp "$exp/infill-free" --dump "$dump" --out "$models/infill-free" --voices-from-minutes 100000
fi

if begin 2 "infill with text"; then
    train train-acoustic --model infill --exp "$exp/infill" --minutes "$text_minutes" --config "$text_config" \
        --warm-start "$models/infill-free" ${text_steps:+--max-steps "$text_steps"}
    recipes export --exp "$exp/infill" --dump "$dump" --out "$models/infill" --voices-from-minutes "$voices_from_minutes" \
        ${vocoder:+--vocoder "$vocoder"}
fi

if begin 3 "bespoke solvers"; then
    for steps in $solvers; do
        run rm -rf "$exp/bespoke-$steps"    # minutes of work, for another export
        train train-bespoke --model "$models/infill" --steps "$steps" --exp "$exp/bespoke-$steps" --minutes "$solver_minutes" \
            --config conf/bespoke.yaml ${solver_steps:+--max-steps "$solver_steps"}
    done
fi

if begin 7 "synthesise"; then
    recipes synthesise --data "$data/$speak" --model "$models/infill" --out "$exp/synth/infill" --utterances "$utterances"
fi

if begin 8 "evaluate"; then
    recipes score --data "$data/$speak" --synth "$exp/synth/infill" --aligner "$aligner" --results "$exp/RESULTS.md"
    if [[ -x local/evaluate.sh ]]; then run local/evaluate.sh --model "$models/infill" --exp "$exp"; fi
fi
