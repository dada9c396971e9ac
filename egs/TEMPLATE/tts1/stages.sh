# Sourced by tts.sh and codec.sh behind their options: checks those that all recipes have, and brings what runs a stage.
[[ $# -eq 0 ]] || { echo "$0: unexpected argument '$1' (options begin with --)" >&2; exit 2; }
for number in "$stage" "$stop_stage" "$nj" "$ngpu"; do
    [[ $number =~ ^[0-9]+$ ]] || { echo "$0: '$number' is not a whole number" >&2; exit 2; }
done

if $list_stages; then
    sed -n 's/^if begin \([0-9]\) "\(.*\)"; then$/\1 \2/p' "${BASH_SOURCE[1]}"
    exit 0
fi

if ((ngpu > 1)) && [[ -n $pack ]]; then
    echo "$0: several processes would unpack $pack at once; run 'python -m recipes unpack' first, and leave --pack out" >&2
    exit 2
fi
launch=$(if ((ngpu > 1)); then echo "-m torch.distributed.run --standalone --nproc-per-node $ngpu"; fi)
device=$([[ $ngpu -gt 0 ]] && echo cuda || echo cpu)

log() { echo "$(date '+%Y-%m-%d %H:%M:%S') $*" >&2; }

begin() { # number, title: whether this stage is wanted
    if (($1 < stage || $1 > stop_stage)); then return 1; fi
    log "stage $1: $2"
}

run() { # a command, printed and run
    echo "+ $*" >&2
    if ! $dry_run; then "$@"; fi
}

recipes() { # a stage of the package, through the command of cmd.sh
    run $cpu_cmd "$PYTHON" -m recipes "$@"
}

train() { # a training stage; resumes where it stopped
    run $train_cmd "$PYTHON" $launch -m recipes "$@" --dump "$dump" --device "$device" ${pack:+--pack "$pack"}
}

packed() { # first training stage, split whose recordings stages 7 and 8 need: a packed corpus stands for the stages before
    if [[ -z $pack ]] || ((stage >= $1)); then return 0; fi
    log "the packed corpus $pack stands for stages 1 to $(($1 - 1))"
    stage=$1
    if ((stop_stage > 6)) && [[ ! -d $data/$2 ]]; then stop_stage=6; fi
}
