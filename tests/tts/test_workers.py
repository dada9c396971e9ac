"""Many jobs by many workers: the same bytes by two processes as by one; on Ray, workers that die cost nothing but time."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tts.base.errors import PartialError
from tts.cli import run as command
from tts.cli.plan import Job, Plan
from tts.cli.work import run

pytestmark = pytest.mark.slow


def test_two_processes_write_the_same_bytes_as_one(model_folder, tmp_path):
    (tmp_path / "text").write_text("a One.\nb Two words.\nc Three.\n")
    for nj in ("1", "2"):
        settings = ["-l", "en", "--model", str(model_folder / "fs2"), "--no-watermark", "--reason", "a test"]
        assert command(["synth", "--list", str(tmp_path / "text"), "-o", str(tmp_path / nj), "--nj", nj, *settings]) == 0
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / nj).glob("*.wav")} for nj in "12")
    assert sorted(one) == ["a.wav", "b.wav", "c.wav"] and one == two


class Note:
    """A task that writes the name of its job and process; the first worker that does ``victim`` dies over it, once."""

    threads = 1

    def __init__(self, victim, deaths):
        self.victim, self.deaths = victim, deaths

    def load(self):
        return self.do

    def line(self, facts):
        return ""

    def do(self, job, progress):
        from tts.base.files import atomic_write

        time.sleep(0.05)
        folder = os.path.dirname(job.target)
        if job.name == self.victim and sum("death" in name for name in os.listdir(folder)) < self.deaths:
            open(os.path.join(folder, f"death-{time.monotonic_ns()}"), "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
        atomic_write(job.target, job.name * 1000)
        return {"input": job.source, "output": job.target, "kept": False, "seconds": 1.0, "pid": os.getpid(), "notes": []}


@pytest.fixture(scope="module")
def two_workers():
    ray = pytest.importorskip("ray")
    try:
        ray.init("local", num_cpus=2, log_to_driver=False, include_dashboard=False)
    except Exception as error:  # it gives its own processes 15 seconds to start
        pytest.skip(f"Ray does not start on this machine: {error}")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    ray.shutdown()


@pytest.mark.slow
def test_a_worker_of_ray_dies_and_every_job_is_done_once(two_workers, tmp_path, capsys):
    jobs = tuple(Job(f"u{i}", f"u{i}", str(tmp_path / f"u{i}.txt")) for i in range(8))
    plan = Plan(jobs, batch=True, folder=str(tmp_path), list_file=str(tmp_path / "list"))
    run(plan, Note("u2", deaths=1), 1, quiet=True, as_json=True, ray="")
    facts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["input"] for row in facts] == [job.name for job in jobs] and len({row["pid"] for row in facts}) > 1
    assert all(Path(job.target).read_text() == job.name * 1000 for job in jobs)
    assert len(list(tmp_path.glob("death*"))) == 1 and not list(tmp_path.glob(".*.part"))
    assert (tmp_path / "list").read_text().split()[::2] == [job.name for job in jobs]


@pytest.mark.slow
def test_a_job_that_kills_every_worker_fails_alone(two_workers, tmp_path):
    jobs = tuple(Job(f"u{i}", f"u{i}", str(tmp_path / f"u{i}.txt")) for i in range(4))
    plan = Plan(jobs, batch=True, folder=str(tmp_path), list_file=str(tmp_path / "list"))
    with pytest.raises(PartialError, match="1 of 4"):
        run(plan, Note("u1", deaths=9), 1, quiet=True, as_json=False, ray="")
    assert len(list(tmp_path.glob("death*"))) == 4 and (tmp_path / "list").read_text().split()[::2] == ["u0", "u2", "u3"]
