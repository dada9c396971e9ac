#!/usr/bin/env bash
# The stages of every recipe that adds a language to a trained model. A recipe's run.sh sets its corpus and calls this with its
# own options.
set -euo pipefail

stage=1            # first stage to run
stop_stage=8       # last stage to run
nj=$(nproc)        # parallel processes
ngpu=0             # GPUs to train on; 0 is the CPU
data=data          # data directories of the new language: train, test, perhaps dev
dump=dump          # its feature store
exp=exp            # training folders and models
minutes="15"       # of the new language; several ("0 2.5 5 15") make a model each; 0 is its text alone
model=../tts1/exp/models/fs2          # the fs2 or megatts that gets the language
aligner=../tts1/exp/models/aligner
replay=../tts1/dump                   # feature store of the old languages, aligned
replay_pack=       # a packed corpus (recipes pack) in its place
learn=rows         # of the acoustic model: the rows of new phones and language, or all
share=0.5          # of every epoch that is replayed, where all learns
hours=1            # of the replayed store at most
aligner_minutes=4  # budget of each aligner
acoustic_minutes=10
judge_minutes=8    # of the aligner that judges
aligner_steps=     # stop at these steps even if minutes are left; empty: never
acoustic_steps=
judge_steps=
worst=0.6          # share of its phones that an utterance may sound otherwise; beyond it is left out
voices_from_minutes=1    # a new speaker with so much speech becomes a voice
old_data=../tts1/data/test            # held-out sentences of the old languages
judge=             # an aligner that heard the new language; empty: one is adapted here, on all of its recordings
listener=          # the aligner that judges the old languages; empty: the house aligner
sentences=12       # a language that stage 8 speaks
results=           # Markdown file of stage 8; empty: RESULTS.md in $exp
check_audio=true   # stage 2 opens every recording
data_options=      # passed on to local/data.sh
dry_run=false      # print the commands only
list_stages=false
help_message="Usage: ./run.sh [--stage N] [--stop-stage M] [--minutes 'M M ...'] [--name value | --name=value] ...
Stages: 1 data, 2 validate, 3 coverage, 4 features, 5 align, 6 adapt, 7 judge, 8 evaluate.
Options, with their defaults: see the top of adapt.sh."

. ./path.sh
. ./cmd.sh
. ./parse_options.sh
. "$parlance_root/egs/TEMPLATE/tts1/stages.sh"

models=$exp/models
name=$(basename "$model")
if [[ -n $replay_pack ]]; then replay=$exp/replay; fi

adapt() { # what, of which configuration, budget, steps, further options: a language for a model
    run $train_cmd "$PYTHON" -m recipes adapt --exp "$exp/$1" --out "$models/$1" --config "conf/$2.yaml" --minutes "$3" \
        ${4:+--max-steps "$4"} --replay "$replay" --share "$share" --hours "$hours" --device "$device" "${@:5}"
}

if begin 1 "data"; then
    run local/data.sh --data "$data" $data_options
fi

if begin 2 "validate"; then
    folders=()
    for split in train dev test; do if [[ -d $data/$split ]] || $dry_run; then folders+=("$data/$split"); fi; done
    recipes validate "${folders[@]}" $(if $check_audio; then echo --audio; fi) --nj "$nj"
fi

if begin 3 "coverage"; then
    recipes coverage --data "$data/train" --model "$model"
fi

if begin 4 "features"; then
    recipes features --data "$data" --dump "$dump" --nj "$nj"
    if [[ -n $replay_pack ]]; then recipes unpack "$replay_pack" --dump "$replay" --nj "$nj"; fi
fi

if begin 5 "align"; then
    for m in $minutes; do
        if [[ $m == 0 ]]; then continue; fi
        recipes subset --dump "$dump" --out "$exp/dump-$m" --minutes "$m"
        adapt "aligner-$m" aligner "$aligner_minutes" "$aligner_steps" --model "$aligner" --dump "$exp/dump-$m"
        recipes align --dump "$exp/dump-$m" --aligner "$models/aligner-$m" --worst "$worst"
    done
fi

if begin 6 "adapt"; then
    for m in $minutes; do
        if [[ $m == 0 ]]; then
            run mkdir -p "$exp"
            run cut -d " " -f 2- "$data/train/text" > "$(if $dry_run; then echo /dev/null; else echo "$exp/text"; fi)"
            recipes adapt --model "$model" --text "$exp/text" --language "$(cut -d " " -f 2 "$data/train/utt2lang" | head -n 1)" \
                --out "$models/$name-0"
        else
            adapt "$name-$m" "$learn" "$acoustic_minutes" "$acoustic_steps" --model "$model" --dump "$exp/dump-$m" \
                --learn "$learn" --voices-from-minutes "$voices_from_minutes"
        fi
    done
fi

if begin 7 "judge"; then
    if [[ -z $judge ]]; then
        adapt judge aligner "$judge_minutes" "$judge_steps" --model "$aligner" --dump "$dump"
    fi
fi

if begin 8 "evaluate"; then
    afters=()
    for m in $minutes; do afters+=(--after "$m min=$models/$name-$m"); done
    recipes evaluate adapt --before "$model" "${afters[@]}" --new "$data/test" --old "$old_data" --judge "${judge:-$models/judge}" \
        ${listener:+--aligner "$listener"} --sentences "$sentences" --out "$exp/evaluate" --results "${results:-$exp/RESULTS.md}"
fi
