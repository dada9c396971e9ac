# Sourced by run.sh: how a stage is started. Put a scheduler's command here to run stages on a cluster, for example
#   train_cmd="srun --gpus=1 --time=12:00:00"
# For many parallel jobs with a log each there is:  $PYTHON -m recipes run JOB=1:8 exp/log/x.JOB.log command JOB
# A training on several machines is started by one call of slurm.sh or torchrun.sh instead.
cpu_cmd=""
train_cmd=""
