"""Parallel jobs as run.pl starts them, and progress in a log."""

import io

import pytest

from recipes import progress
from recipes.progress import Progress, clock, track
from recipes.run import parse, run
from tts.base.errors import PartialError, UsageError


def test_every_job_has_its_log_and_its_number(tmp_path):
    plan = parse(["--max-jobs-run", "2", "--mem", "4G", "-pe", "smp", "4", "JOB=1:3", f"{tmp_path}/log/x.JOB.log",
                  "echo", "part JOB", "of 3"])  # fmt: skip
    assert run(plan) == [1, 2, 3]
    log = (tmp_path / "log" / "x.2.log").read_text().splitlines()
    assert log[0] == "# echo 'part 2' 'of 3'" and log[3] == "part 2 of 3" and log[-1].startswith("# Ended (code 0)")


def test_operators_connect_commands(tmp_path):
    run(parse(["JOB=2:2", f"{tmp_path}/x.JOB.log", "echo", "a; b JOB", "|", "tr", "ab", "AB"]))
    assert "A; B 2" in (tmp_path / "x.2.log").read_text()


def test_failed_jobs_are_named_and_can_be_repeated(tmp_path):
    command = ["JOB=1:4", f"{tmp_path}/x.JOB.log", "test", "-e", f"{tmp_path}/done.JOB"]
    for job in (1, 4):
        (tmp_path / f"done.{job}").touch()
    with pytest.raises(PartialError, match=r"2 of 4 jobs failed: 2 3") as caught:
        run(parse(command))
    assert "x.2.log" in str(caught.value) and caught.value.exit_code == 79
    for job in (2, 3):
        (tmp_path / f"done.{job}").touch()
    (tmp_path / "x.4.log").write_text("# killed before its end\n")
    assert run(parse(["--pick", "incomplete", *command])) == [4]
    assert run(parse(["--pick=failed", *command])) == [2, 3]
    assert run(parse(["--pick", "failed", *command])) == []


def test_a_command_that_does_not_exist_fails_in_its_log(tmp_path):
    with pytest.raises(PartialError):
        run(parse([f"{tmp_path}/x.log", "no-such-command-anywhere"]))
    assert "code 127" in (tmp_path / "x.log").read_text()


@pytest.mark.parametrize("arguments, message", [
    (["JOB=0:3", "x.JOB.log", "true"], "Jobs count from 1"),
    (["JOB=3:1", "x.JOB.log", "true"], "Jobs count from 1"),
    (["JOB=1:3", "x.log", "true"], "Put JOB into the log's name"),
    (["JOB=1:3", "x.JOB.log"], "a command are needed"),
    (["--pick", "some", "x.log", "true"], "all, failed or incomplete"),
    (["--max-jobs-run", "0", "x.log", "true"], "above 0"),
])  # fmt: skip
def test_a_wrong_call_is_a_usage_error(arguments, message):
    with pytest.raises(UsageError, match=message):
        parse(arguments)


def test_progress_in_a_log_has_share_time_and_figures(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    with Progress("train x", minutes=2, stream=stream) as bar:
        for step in range(1, 41):
            now[0] += 1
            bar.update(step=step, loss=1 / step)
    lines = stream.getvalue().splitlines()
    assert lines == ["train x: 1 1 % 0:01 eta 1:59 loss=1", "train x: 16 13 % 0:16 eta 1:44 loss=0.0625",
                     "train x: 31 26 % 0:31 eta 1:29 loss=0.03226", "train x: 40 33 % 0:40 eta 1:20 loss=0.025"]  # fmt: skip


def test_tracked_items_pass_unchanged(capsys):
    assert list(track(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert "letters: 3/3 100 %" in capsys.readouterr().err
    assert (clock(59), clock(61), clock(3661)) == ("0:59", "1:01", "1:01:01")
