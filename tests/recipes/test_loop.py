"""The training loop: resumed to the bit, damaged checkpoints passed over, bad batches skipped and named, a budget kept."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from recipes.train import loop
from recipes.train.loop import Player, Task, TrainConfig, precision_of, read_checkpoint, train
from tts.base.errors import DataError, ModelError

EVERY_STEP = TrainConfig(precision="32-true", save_minutes=0.0, warmup_steps=5, report_steps=5, validate_steps=7, keep=3)


class Stopped(BaseException):
    """As a kill: nothing in the loop may catch it."""


class Pair(Task):
    """A regression with dropout, and a critic that joins at step 4: chance, two optimisers, a late start."""

    def __init__(self, stop_at=None, bad_steps=(), width=6, chatty=False, delay=0.0, dropout=0.3):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, width), nn.Dropout(dropout), nn.Linear(width, 2))
        self.critic = nn.Linear(2, 1)
        self.stop_at, self.bad_steps, self.chatty, self.delay = stop_at, bad_steps, chatty, delay
        self.players = [Player("critic", self.critic, self.judge, starts_at=4), Player("model", self.model, self.regress)]

    def batch(self, step):
        if step == self.stop_at:
            raise Stopped
        time.sleep(self.delay)
        x = torch.from_numpy(np.random.default_rng([7, step]).standard_normal((8, 4)).astype(np.float32))
        return {"keys": [f"u{step}"], "x": x * (float("nan") if step in self.bad_steps else 1.0)}

    def predict(self, batch, scratch):
        return scratch.setdefault("y", self.model(batch["x"]))

    def judge(self, batch, step, scratch):
        return {"critic": self.critic(self.predict(batch, scratch).detach()).square().mean()}

    def regress(self, batch, step, scratch):
        y = self.predict(batch, scratch)
        return {"fit": (y - batch["x"][:, :2]).square().mean(), "please": 0.1 * self.critic(y).mean()}

    def validate(self, model, step):
        assert not model.training
        return {"chance": float(torch.randn(3).sum())} if self.chatty else {}


def run(exp, steps, config=EVERY_STEP, **task):
    return train(Pair(**task), config, exp, minutes=5, max_steps=steps)


def tensors(exp, step):
    """Digest of every tensor file of a checkpoint."""
    folder = exp / f"step-{step:08d}"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.safetensors")}


def rows(exp, name="metrics.jsonl"):
    return [json.loads(line) for line in (exp / name).read_text().splitlines()]


@pytest.fixture(scope="module", autouse=True)
def no_tensorboard():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "tensorboard_writer", lambda exp: None)
        yield


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Twenty steps without a break."""
    exp = tmp_path_factory.mktemp("straight")
    run(exp, 20)
    return exp


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    exp = tmp_path_factory.mktemp("twelve")
    run(exp, 12)
    return exp


def test_a_checkpoint_holds_everything_and_knows_its_hashes(straight):
    step, stored = read_checkpoint(straight / "step-00000020")
    assert step == 20
    assert set(stored) == {"model", "critic", "ema", "optimizer-model", "optimizer-critic"}
    assert (straight / "LATEST").read_text() == "step-00000020"
    assert sorted(path.name for path in straight.glob("step-*")) == [f"step-{n:08d}" for n in (18, 19, 20)]
    assert not list(straight.glob(".*"))


@pytest.mark.parametrize("stops", [(10,), (1, 3, 5, 17)])
def test_killed_and_resumed_ends_with_the_same_bits(straight, tmp_path, stops):
    for stop in stops:
        with pytest.raises(Stopped):
            run(tmp_path, 20, stop_at=stop)
    assert run(tmp_path, 20)[1] == 20
    assert tensors(tmp_path, 20) == tensors(straight, 20)


def test_killed_while_saving_loses_only_that_checkpoint(straight, tmp_path, monkeypatch):
    def die(*_):
        raise Stopped

    with monkeypatch.context() as patch:
        real, calls = loop.save_file, []

        def save_file(stored, path):
            calls.append(path)
            if len(calls) == 33:  # in the middle of the seventh checkpoint
                path.write_bytes(b"half")
                raise Stopped
            real(stored, path)

        patch.setattr(loop, "save_file", save_file)
        with pytest.raises(Stopped):
            run(tmp_path, 20)
    assert list(tmp_path.glob(".step-*.part"))
    with monkeypatch.context() as patch:  # and once more, between the files and the name
        patch.setattr(loop.os, "rename", die)
        with pytest.raises(Stopped):
            run(tmp_path, 20)
    assert run(tmp_path, 20)[1] == 20
    assert tensors(tmp_path, 20) == tensors(straight, 20)


def flip(path, where):
    data = bytearray(path.read_bytes())
    data[where] ^= 0x10
    path.write_bytes(data)


DAMAGE = {
    "a bit of a weight": lambda f: flip(f / "model.safetensors", -3),
    "a bit of the average": lambda f: flip(f / "ema.safetensors", -1),
    "a bit of a header": lambda f: flip(f / "critic.safetensors", 3),
    "a short file": lambda f: (f / "optimizer-model.safetensors").write_bytes(b""),
    "a missing file": lambda f: (f / "optimizer-critic.safetensors").unlink(),
    "a missing player": lambda f: (f / "critic.safetensors").unlink(),
    "no state": lambda f: (f / "state.json").unlink(),
    "a list as state": lambda f: (f / "state.json").write_text("[]"),
    "another step": lambda f: (f / "state.json").write_text((f / "state.json").read_text().replace('"step": 12', '"step": 18')),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(twelve, tmp_path, damage):
    exp = shutil.copytree(twelve, tmp_path / "exp")
    DAMAGE[damage](exp / "step-00000012")
    assert run(exp, 12)[1] == 12  # reaches step 12 again: the damaged folder must not stand in its place
    assert read_checkpoint(exp / "step-00000012")[0] == 12
    assert tensors(exp, 12) == tensors(twelve, 12)
    (note,) = [row for row in rows(exp) if "damaged_checkpoint" in row]
    assert note["damaged_checkpoint"] == "step-00000012" and note["error"]
    assert (exp / "damaged-step-00000012").is_dir()


def test_when_every_checkpoint_is_damaged_training_starts_afresh(straight, tmp_path):
    run(tmp_path, 3)
    for folder in tmp_path.glob("step-*"):
        flip(folder / "model.safetensors", -1)
    run(tmp_path, 20)
    assert tensors(tmp_path, 20) == tensors(straight, 20)
    assert len([row for row in rows(tmp_path) if "damaged_checkpoint" in row]) == 3


def test_validation_moves_neither_weights_nor_chance(straight, tmp_path):
    run(tmp_path, 20, chatty=True)
    assert tensors(tmp_path, 20) == tensors(straight, 20)
    assert [row["step"] for row in rows(tmp_path) if "dev/chance" in row] == [7, 14, 20]


def test_a_bad_batch_is_skipped_and_named_and_leaves_nothing_behind(tmp_path):
    """Step 3 (before the critic joins) does nothing at all: the state after it is the state before it."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    run(good, 3)
    run(bad, 4, bad_steps=(3,))
    assert tensors(good, 3) == tensors(bad, 4)
    (row,) = rows(bad, "bad_batches.jsonl")
    assert row["step"] == 3 and row["utterances"] == ["u3"]
    assert np.isnan(row["losses"]["fit"])


def test_a_bad_batch_stops_at_the_first_player_that_sees_it(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    run(good, 6)
    run(bad, 7, bad_steps=(6,))
    assert tensors(good, 6) == tensors(bad, 7)


def test_five_bad_batches_in_a_row_or_six_in_all_stop_the_training_and_fewer_do_not(tmp_path):
    assert run(tmp_path / "four", 12, bad_steps=(2, 3, 4, 5, 7))[1] == 12
    with pytest.raises(DataError, match="6 times in 1,000 steps"):
        run(tmp_path / "six", 20, bad_steps=(2, 4, 6, 8, 10, 12))
    with pytest.raises(DataError, match="five times in a row") as caught:
        run(tmp_path / "five", 12, bad_steps=(2, 3, 4, 5, 6))
    assert caught.value.code == "train.nan" and "bad_batches.jsonl" in caught.value.where
    weights = load_file(sorted((tmp_path / "five").glob("step-*"))[-1] / "model.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_the_budget_in_minutes_ends_the_run_and_is_saved(tmp_path):
    started = time.monotonic()
    _, step = train(Pair(delay=0.05), EVERY_STEP, tmp_path, minutes=0.5 / 60)
    assert 1 <= step < 15 and time.monotonic() - started < 20
    assert read_checkpoint(tmp_path / f"step-{step:08d}")[0] == step
    assert train(Pair(), EVERY_STEP, tmp_path, minutes=0)[1] == step  # no minutes: nothing is lost, nothing is done


def test_reports_are_means_over_the_steps_that_were_taken(tmp_path):
    """A run resumed between two reports, with a skipped batch, and a player that joins between them."""

    class Steady(Pair):
        def regress(self, batch, step, scratch):
            return {"fit": 3.0 + 0.0 * self.predict(batch, scratch).sum()}

        def judge(self, batch, step, scratch):
            return {"critic": 2.0 + 0.0 * self.critic(self.predict(batch, scratch).detach()).sum()}

    for steps in (3, 10):
        train(Steady(bad_steps=(7,)), EVERY_STEP, tmp_path, minutes=5, max_steps=steps)
    reports = [row for row in rows(tmp_path) if "fit" in row]
    assert [(row["step"], row["fit"], row["critic"]) for row in reports] == [(5, 3.0, 2.0), (10, 3.0, 2.0)]
    assert {"steps_per_second", "rate", "model/grad"} <= set(reports[0])


def test_a_checkpoint_of_another_shape_is_refused_by_name(tmp_path):
    run(tmp_path, 2)
    with pytest.raises(ModelError, match=r"does not fit the model: .*0\.weight"):
        run(tmp_path, 4, width=5)
    assert (tmp_path / "step-00000002").is_dir()  # nothing is set aside: it is sound


def test_a_run_that_goes_on_with_other_numbers_says_so(tmp_path, capsys):
    run(tmp_path, 2)
    assert "goes on" not in capsys.readouterr().err
    train(Pair(), replace(EVERY_STEP, learning_rate=0.5), tmp_path, minutes=5, max_steps=3)
    assert f"goes on from step 2 with train.learning_rate {EVERY_STEP.learning_rate} -> 0.5" in capsys.readouterr().err
    changed = [row["changed"] for row in rows(tmp_path) if "changed" in row]
    assert changed == [{"train.learning_rate": [EVERY_STEP.learning_rate, 0.5]}]


def test_a_player_that_joins_a_trained_run_starts_afresh(tmp_path):
    class Alone(Pair):
        def __init__(self):
            super().__init__()
            self.players = [Player("model", self.model, lambda batch, *_: {"fit": self.predict(batch, {}).square().mean()})]

    train(Alone(), EVERY_STEP, tmp_path, minutes=5, max_steps=6)
    assert run(tmp_path, 8)[1] == 8
    assert "critic.safetensors" in tensors(tmp_path, 8)


def test_the_rate_warms_up_holds_and_cools_down():
    config = TrainConfig(learning_rate=1.0, warmup_steps=4, cooldown_start=10, cooldown_steps=5)
    assert [config.rate(step) for step in (0, 1, 3, 9, 10, 12, 15, 99)] == pytest.approx([0.25, 0.5, 1, 1, 1, 0.6, 0, 0])
    assert TrainConfig(learning_rate=1.0, warmup_steps=0).rate(10**6) == 1.0


def test_the_average_of_weights_is_the_stated_recursion(straight):
    ema = {"w": torch.zeros(1)}
    module = nn.Module()
    module.w = nn.Parameter(torch.ones(1))
    expected = 0.0
    for step in range(200):
        loop.update_ema(ema, module, 0.9, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
    assert float(ema["w"]) == pytest.approx(expected, abs=1e-5)


def test_precision_follows_the_machine_unless_it_is_told(monkeypatch):
    for native, expected in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda native=native: native)
        monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)
        assert precision_of("auto", "cpu") == expected
    assert precision_of("auto", "cuda") == "bf16-mixed" and precision_of("16-mixed", "cpu") == "16-mixed"


def test_a_parameter_learns_at_the_rate_of_its_name():
    module = nn.ModuleDict({"slow": nn.Linear(1, 1), "fast": nn.Linear(1, 1)})
    still, slow = Player("model", module, None).groups(), Player("model", module, None, factors={"slow.": 0.1}).groups()
    assert [(len(group["params"]), group["factor"]) for group in still] == [(4, 1.0)]
    assert [(group["params"][0] is module["slow"].weight, group["factor"]) for group in slow] == [(False, 1.0), (True, 0.1)]


class Both(Pair):
    """What two processes see in a step."""

    def batch(self, step):
        return {"x": torch.cat([super(Both, self).batch(number)["x"] for number in (2 * step, 2 * step + 1)])}


TWO = """
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("test_loop", sys.argv[1])
tests = sys.modules["test_loop"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
tests.loop.tensorboard_writer = lambda exp: None
exp = pathlib.Path(sys.argv[2])
for name, steps in (("straight", 12), ("resumed", 7), ("resumed", 12)):
    assert tests.run(exp / name, steps, dropout=0.0)[1] == steps
tests.run(exp / "bad", 12, bad_steps=(9,), dropout=0.0)
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_of_both_their_batches(tmp_path):
    (tmp_path / "two.py").write_text(TWO)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(loop.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, tmp_path / "two.py", __file__, tmp_path], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    train(Both(dropout=0.0), EVERY_STEP, tmp_path / "one", minutes=5, max_steps=12)
    one, two = (read_checkpoint(tmp_path / name / "step-00000012")[1] for name in ("one", "straight"))
    for part in ("model", "critic", "ema"):
        for name, value in one[part].items():
            assert torch.allclose(value, two[part][name], rtol=1e-4, atol=1e-6), (part, name)
    assert tensors(tmp_path / "resumed", 12) == tensors(tmp_path / "straight", 12)
    assert [row["step"] for row in rows(tmp_path / "straight") if "rate" in row] == [5, 10]  # the first process alone reports
    bad = rows(tmp_path / "bad", "bad_batches.jsonl")
    assert {(row["step"], *row["utterances"]) for row in bad} == {(4, "u8"), (4, "u9")}
    assert all(torch.isfinite(value).all() for value in read_checkpoint(tmp_path / "bad" / "step-00000012")[1]["model"].values())
