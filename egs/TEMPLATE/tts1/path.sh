# Sourced by run.sh: where Python and the package are. Set PYTHON to use another interpreter.
parlance_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
export PYTHONPATH="$parlance_root${PYTHONPATH:+:$PYTHONPATH}"
export PYTHON="${PYTHON:-python3}"
export PYTHONUNBUFFERED=1
export LC_ALL=C.UTF-8    # sorting by code points, text in UTF-8
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}  # jobs run side by side
