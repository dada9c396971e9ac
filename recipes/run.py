"""Parallel jobs with a log each, in the manner of Kaldi's run.pl; no Perl, no scheduler.

    python -m recipes run --max-jobs-run 4 JOB=1:8 exp/log/feats.JOB.log  command --part JOB --of 8

``JOB`` is replaced in the log's name and in every argument. A log begins with the command and its start, and ends with
``# Ended (code N)``. One failure makes the call fail, after all jobs have run. Arguments that are a shell operator
(``|``, ``>``, ``&&`` ...) connect commands; everything else is passed on as it is. Unknown options of schedulers
(``--mem 4G``, ``-q all.q``) are ignored, so that one ``cmd.sh`` serves all.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tts.base.errors import CannotCreateError, PartialError, UsageError

OPERATORS = {"|", "||", "&&", ";", ">", ">>", "<", "2>", "2>>", "2>&1", "|&"}
SHOWN_LINES = 15  # of the log of a failed job
_JOBS = re.compile(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?")
_ENDED = re.compile(r"# Ended \(code (-?\d+)\)")


@dataclass(frozen=True)
class Plan:
    """A parsed call."""

    name: str | None  # of the job variable
    jobs: range
    log: str
    command: list[str]
    at_once: int | None = None
    pick: str = "all"  # or "failed", "incomplete"

    def of(self, text: str, job: int) -> str:
        return text if self.name is None else text.replace(self.name, str(job))


def parse(arguments: list[str]) -> Plan:
    """The arguments of run.pl as a plan."""
    arguments, options = list(arguments), {}
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0).lstrip("-")
        option, equals, value = option.partition("=")
        if option == "pe":  # -pe smp 4
            del arguments[:2]
        elif not equals:
            if not arguments:
                raise UsageError(f"--{option} needs a value.", code="run.usage")
            value = arguments.pop(0)
        options[option] = value
    name, jobs = None, range(1, 2)
    if arguments and (found := _JOBS.fullmatch(arguments[0])):
        first, last = int(found[2]), int(found[3] or found[2])
        if not 1 <= first <= last:
            raise UsageError(f"{arguments[0]!r} is no range of jobs.", code="run.range", fix="Jobs count from 1: JOB=1:8")
        name, jobs = found[1], range(first, last + 1)
        arguments.pop(0)
    if len(arguments) < 2:
        raise UsageError("a log file and a command are needed.", code="run.usage",
                         fix="python -m recipes run JOB=1:4 exp/log/x.JOB.log command JOB")
    if name and len(jobs) > 1 and name not in arguments[0]:
        raise UsageError(f"all jobs would write to {arguments[0]}.", code="run.log", fix=f"Put {name} into the log's name.")
    pick = options.get("pick", "all")
    if pick not in ("all", "failed", "incomplete"):
        raise UsageError(f"--pick {pick!r}.", code="run.pick", fix="Use all, failed or incomplete.")
    limit = options.get("max-jobs-run", options.get("max-jobs", ""))
    if limit and not (limit.isdecimal() and int(limit)):
        raise UsageError(f"--max-jobs-run {limit!r}.", code="run.jobs", fix="Give a whole number above 0.")
    return Plan(name, jobs, arguments[0], arguments[1:], int(limit) if limit else None, pick)


def run(plan: Plan) -> list[int]:
    """Run all picked jobs; returns the numbers of those that ran.

    Raises:
        PartialError: Some jobs failed; the message names their logs and shows the end of the first.
    """
    import os

    chosen = [job for job in plan.jobs if wanted(plan, job)]
    with ThreadPoolExecutor(plan.at_once or os.cpu_count() or 1) as pool:
        codes = dict(zip(chosen, pool.map(lambda job: run_one(plan, job), chosen), strict=True))
    failed = [job for job, code in codes.items() if code]
    if failed:
        log = plan.of(plan.log, failed[0])
        tail = "\n".join(Path(log).read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN_LINES:])
        raise PartialError(f"{len(failed)} of {len(chosen)} jobs failed: {' '.join(map(str, failed[:20]))}.", where=log,
                           value=tail, code="run.failed", fix=f"Its log ends:\n{tail}\nRepeat only these with --pick failed.")
    return chosen


def wanted(plan: Plan, job: int) -> bool:
    if plan.pick == "all":
        return True
    try:
        ends = _ENDED.findall(Path(plan.of(plan.log, job)).read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return True
    return not ends or (plan.pick == "failed" and ends[-1] != "0")


def run_one(plan: Plan, job: int) -> int:
    """Exit code of one job."""
    command = [plan.of(argument, job) for argument in plan.command]
    log = Path(plan.of(plan.log, job))
    shown = " ".join(word if word in OPERATORS else shlex.quote(word) for word in command)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = open(log, "w", encoding="utf-8")  # noqa: SIM115 - the next statement closes it
    except OSError as error:
        raise CannotCreateError(f"cannot be written: {error.strerror}.", where=log, code="run.log") from error
    with file:
        file.write(f"# {shown}\n# Started at {time.ctime()}\n#\n")
        file.flush()
        started = time.monotonic()
        argv = ["bash", "-c", f"set -o pipefail; {shown}"] if OPERATORS & set(command) else command
        try:
            code = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT).returncode
        except OSError as error:
            file.write(f"{command[0]}: {error.strerror}\n")
            code = 127
        file.write(f"# Accounting: time={time.monotonic() - started:.0f}\n# Ended (code {code}) at {time.ctime()}\n")
    return code
