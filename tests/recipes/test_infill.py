"""Training of ``infill`` with and without transcripts, of its solvers, and the table of solvers; tiny models, a tiny store."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from codec.quantize.base import exported
from recipes.evaluate import solver as table_of_solvers
from recipes.store import StoreWriter
from recipes.train import bespoke
from recipes.train.acoustic import AcousticTask, AcousticTraining, build, main, take_over
from recipes.train.loop import TrainConfig
from tts.base.errors import ModelError, UsageError
from tts.models import load_acoustic
from tts.models.solver import Table
from vocoder.nn.checkpoint import save_model
from vocoder.nn.config import to_dict

_spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).parents[1] / "tts" / "conftest.py")
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)

SIZES = {"dim": 16, "hidden": 24, "n_blocks": 3, "pitch_dim": 8, "time_dim": 8, "steps": 2, "guidance": 0.5}
QUICK = TrainConfig(learning_rate=0.02, warmup_steps=1, weight_decay=0.0, ema_decay=0.8, report_steps=5, validate_steps=1000,
                    precision="32-true")  # fmt: skip


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """Train and dev of two speakers with eight utterances each; the last four have no phones."""
    folder = tmp_path_factory.mktemp("dump")
    batch = tiny.make_batch(tuple((5 + i, 40 + 2 * i) for i in range(16)), seed=1)
    batch["f0"] = batch["log_f0"].exp() * batch["voiced"]
    frames = {"mel": ("float16", 100), "f0": ("float32", 0)}
    phones = dict.fromkeys(("ids", "styles", "langs", "durations"), ("int16", 0))
    rows = [{"key": f"u{i:02}", "speaker": "ab"[i % 2], "language": ("en-us", "de")[i % 2]} for i in range(16)]
    for split in ("train", "dev"):
        for name, kind in (frames | phones).items():
            sizes = batch["frame_lengths"] if name in frames else batch["text_lengths"][:12]
            with StoreWriter(folder / split, name, *kind) as store:
                for row, values, size in zip(rows, batch[name], sizes, strict=False):
                    store.add(row["key"], values[:size].numpy())
        (folder / split / "utterances.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def saved(folder: Path, kind: str) -> Path:
    """A model folder of random weights."""
    from frontend import inventory

    model = tiny.build(kind, n_symbols=inventory.size())
    config = {"kind": "acoustic", "architecture": kind, "model": to_dict(model.config), "minutes": {"en-us": 1.0},
              "inventory": inventory.digest(inventory.size())}  # fmt: skip
    save_model(folder / kind, exported(model.state_dict()), config, "# tiny")
    return folder / kind


def test_without_text_every_recording_counts_and_no_phone_is_read(dump, tmp_path):
    start = saved(tmp_path, "fs2")
    net = build("infill", dump, sizes=SIZES, start=start)
    free = AcousticTraining(dump, net, AcousticTask(text_free=True, reference_frames=(20, 30)))
    told = AcousticTraining(dump, net, AcousticTask(reference_frames=(20, 30)))
    assert len(free.batches.frames) == 16 and len(told.batches.frames) == 12
    assert "ids" not in free.batch(0) and "ids" in told.batch(0)
    assert {"flow", "f0", "voicing"} == set(free.validate(net.eval(), 0)) == set(told.validate(net, 0))
    with pytest.raises(UsageError, match="fs2 needs text"):
        main(dump, tmp_path / "x", 1, "fs2", task=AcousticTask(text_free=True))


def test_it_takes_the_text_side_of_its_start_with_its_sizes_and_leaves_it(dump, tmp_path):
    start = saved(tmp_path, "megatts")
    net = build("infill", dump, sizes=SIZES, start=start)
    assert take_over(net, start) > 50
    mega = load_acoustic(start)[0]
    own, theirs = net.variance.state_dict(), mega.variance.state_dict()
    for name in own:
        assert name.startswith("speakers.") or torch.equal(own[name], theirs[name]), name
    assert not any(parameter.requires_grad for parameter in net.variance.parameters())
    with pytest.raises(ModelError, match="do not fit what the new model leaves as it is"):
        take_over(build("infill", dump, sizes=SIZES | {"freeze_variance": True}), start)


def test_training_goes_on_from_recordings_to_text_and_resumes(dump, tmp_path):
    start = saved(tmp_path, "fs2")
    task = AcousticTask(budget=400, reference_frames=(20, 30), warp=0.0)
    main(dump, tmp_path / "free", 1, "infill", task=replace(task, text_free=True), config=QUICK, warm_start=start, max_steps=4,
         sizes=SIZES)  # fmt: skip
    for steps in (3, 6):
        reached = main(dump, tmp_path / "text", 1, "infill", task=task, config=QUICK, warm_start=start, max_steps=steps,
                       sizes=SIZES)  # fmt: skip
        assert reached == steps
    rows = [json.loads(line) for line in (tmp_path / "text" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "dev/flow" in row] == [3, 6]


@pytest.mark.parametrize("kind", ["flow", "infill"])
def test_a_solver_learned_from_paths_is_nearer_than_the_plain_one_and_used(dump, tmp_path, kind):
    folder = saved(tmp_path, kind)
    task = bespoke.BespokeTask(paths=6, batch_size=2, path_steps=8, guidance=0.5)
    place = bespoke.main(dump, tmp_path / "exp", 1, folder, 2, task=task, config=QUICK, max_steps=20)
    rows = [json.loads(line) for line in (tmp_path / "exp" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["dev/bespoke"] < 0.9 * rows[-1]["dev/plain"]
    assert place == folder / "bespoke-2-2.json" and load_acoustic(folder)[0].solvers[2, 2].guidance == 0.5
    with pytest.raises(UsageError, match="another solver"):
        bespoke.main(dump, tmp_path / "exp", 1, folder, 3, task=task, config=QUICK)
    with pytest.raises(ModelError, match="a fs2 has no solver"):
        bespoke.main(dump, tmp_path / "other", 1, saved(tmp_path, "fs2"), 2)


def test_the_table_compares_every_solver_with_the_accurate_one():
    own = {(2, 2): Table.plain(2, 2), (1, 4): Table.plain(1, 4), (2, 5): Table.plain(2, 5)}
    systems = table_of_solvers.systems(SimpleNamespace(solvers=own))
    assert list(systems) == ["midpoint, 32", "euler, 4", "midpoint, 4", "bespoke RK2, 4", "bespoke RK1, 4", "euler, 8",
                             "midpoint, 8"]  # fmt: skip
    assert all(table.order * table.steps == int(name.split()[-1]) for name, table in systems.items())

    def speak(clip, voice, table):
        """The more evaluations, the nearer to silence."""
        return np.full((20, 100), 1 / (table.order * table.steps)), np.full(100, table.order * table.steps, np.float32)

    records = table_of_solvers.measure(
        [SimpleNamespace(id="a"), SimpleNamespace(id="b")], lambda clip: "me", systems, speak, lambda clip: [20, 21],
        lambda wav: [20, 21] if wav[0] > 4 else [20], lambda wav: np.array([1.0, 0.0]), lambda clip: None)  # fmt: skip
    rows = table_of_solvers.table(records)
    assert [(row["solver"], row["evaluations"]) for row in rows][:2] == [("midpoint", 32), ("euler", 4)]
    distances = [row["mel dB to the first"].value for row in rows]
    assert distances[0] == 0 and distances[1] == distances[2] > distances[-1] > 0
    assert [row["phone error"].value for row in rows[:2]] == [0, 0.5] and rows[0]["cosine to the recording"].value == 1
