#!/usr/bin/env bash
# The stages of every text-to-speech recipe. A recipe's run.sh sets its corpus and calls this with its own options.
set -euo pipefail

stage=1            # first stage to run
stop_stage=8       # last stage to run
nj=$(nproc)        # parallel processes
ngpu=0             # GPUs to train on; 0 is the CPU
data=data          # data directories: train, dev, test
dump=dump          # feature store
exp=exp            # training folders and models
pack=              # train from a packed corpus: begins at stage 5; 7 and 8 need the recordings
check_audio=true   # stage 2 opens every recording
aligner=           # a trained aligner's folder; empty trains one here
vocoder=           # a trained vocoder's folder; empty trains one here
acoustic=fs2       # fs2 or flow
aligner_minutes=60
vocoder_minutes=600
acoustic_minutes=600
aligner_steps=     # stop at this step even if minutes are left; empty: never
vocoder_steps=
acoustic_steps=
aligner_config=conf/aligner.yaml
vocoder_config=conf/vocoder.yaml
acoustic_config=   # default conf/<acoustic>.yaml
warm_start=        # a model folder whose fitting tensors the acoustic model starts from
voices_from_minutes=15   # a speaker with so much speech becomes a voice
speak=test         # the split that stage 7 speaks
utterances=40      # at most so many of it
data_options=      # passed on to local/data.sh
dry_run=false      # print the commands only
list_stages=false
help_message="Usage: ./run.sh [--stage N] [--stop-stage M] [--nj K] [--ngpu G] [--name value | --name=value] ...
Stages: 1 data, 2 validate, 3 features, 4 align, 5 train, 6 export, 7 synthesise, 8 evaluate.
Options, with their defaults: see the top of tts.sh."

. ./path.sh
. ./cmd.sh
. ./parse_options.sh
. "$parlance_root/egs/TEMPLATE/tts1/stages.sh"

packed 5 "$speak"
acoustic_config=${acoustic_config:-conf/$acoustic.yaml}

if begin 1 "data"; then
    run local/data.sh --data "$data" $data_options
fi

if begin 2 "validate"; then
    folders=()
    for split in train dev test; do if [[ -d $data/$split ]] || $dry_run; then folders+=("$data/$split"); fi; done
    recipes validate "${folders[@]}" $(if $check_audio; then echo --audio; fi) --nj "$nj"
fi

if begin 3 "features"; then
    recipes features --data "$data" --dump "$dump" --nj "$nj"
fi

if begin 4 "align"; then
    if [[ -z $aligner ]]; then
        train train-aligner --exp "$exp/aligner" --minutes "$aligner_minutes" --config "$aligner_config" \
            ${aligner_steps:+--max-steps "$aligner_steps"}
        recipes export --exp "$exp/aligner" --dump "$dump" --out "$exp/models/aligner"
    fi
    recipes align --dump "$dump" --aligner "${aligner:-$exp/models/aligner}"
fi

if begin 5 "train"; then
    if [[ -z $vocoder ]]; then
        train train-vocoder --exp "$exp/vocoder" --minutes "$vocoder_minutes" --config "$vocoder_config" \
            ${vocoder_steps:+--max-steps "$vocoder_steps"}
    fi
    train train-acoustic --model "$acoustic" --exp "$exp/$acoustic" --minutes "$acoustic_minutes" \
        --config "$acoustic_config" ${acoustic_steps:+--max-steps "$acoustic_steps"} ${warm_start:+--warm-start "$warm_start"}
fi

if begin 6 "export"; then
    if [[ -z $vocoder ]]; then
        recipes export --exp "$exp/vocoder" --dump "$dump" --out "$exp/models/vocoder"
    fi
    recipes export --exp "$exp/$acoustic" --dump "$dump" --out "$exp/models/$acoustic" \
        --voices-from-minutes "$voices_from_minutes" --vocoder "${vocoder:-$exp/models/vocoder}"
fi

if begin 7 "synthesise"; then
    recipes synthesise --data "$data/$speak" --model "$exp/models/$acoustic" --out "$exp/synth/$acoustic" \
        --utterances "$utterances"
fi

if begin 8 "evaluate"; then
    recipes score --data "$data/$speak" --synth "$exp/synth/$acoustic" --aligner "${aligner:-$exp/models/aligner}" \
        --results "$exp/RESULTS.md"
    if [[ -x local/evaluate.sh ]]; then run local/evaluate.sh --model "$exp/models/$acoustic" --exp "$exp"; fi
fi
