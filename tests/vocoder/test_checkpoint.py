"""A model folder is read whole and right, or refused by name."""

import hashlib
import json
import random
import struct

import numpy as np
import pytest
import torch

from tts.base.errors import ModelError, ResourceError, TtsError
from vocoder.nn.checkpoint import (
    load_config,
    load_into,
    load_model,
    read_tensors,
    save_model,
    share_tensors,
    verify_model,
    write_tensors,
)


def small():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "m", small().state_dict(), {"kind": "test", "languages": {"de": 103.0}}, "# A card")
    return tmp_path / "m"


def reseal(folder, **changes):
    """Change the config and make its own hash right again: only the changed field is wrong then."""
    from vocoder.nn.checkpoint import _model_id

    config = json.loads((folder / "config.json").read_text()) | changes
    config["model_id"] = _model_id(config)
    (folder / "config.json").write_text(json.dumps(config))


def test_what_is_saved_comes_back(folder):
    config, tensors = load_model(folder, "test")
    module = small()
    for name, value in module.state_dict().items():
        assert torch.allclose(tensors[name].float(), value.float(), atol=1e-3)
        assert tensors[name].dtype == (torch.float32 if value.is_floating_point() else torch.int64)
    load_into(module, tensors)
    assert torch.equal(module[0].weight, tensors["0.weight"])
    assert config["languages"] == {"de": 103.0} and config["format_version"] == 1 and len(config["model_id"]) == 16
    assert (folder / "card.md").read_text() == "# A card\n" and verify_model(folder) == config


def test_saving_again_what_was_loaded_gives_the_same_bytes(folder, tmp_path):
    config, tensors = load_model(folder)
    again = save_model(tmp_path / "again", tensors, config, "# A card")
    assert again == config
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_modules_that_do_not_fit_are_named(folder):
    _, tensors = load_model(folder)
    with pytest.raises(ModelError, match=r"4 tensors unknown \(first: 1\..*\)"):
        load_into(torch.nn.Sequential(torch.nn.Linear(3, 4)), {k: v for k, v in tensors.items() if "num_batches" not in k})
    with pytest.raises(ModelError, match=r"1 with a different shape: 0.weight is \[4, 3\] in the file, \[4, 2\] in the model"):
        load_into(torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4)), tensors)
    with pytest.raises(ModelError, match=r"1 tensor missing \(first: 0.bias\)"):
        load_into(small(), {k: v for k, v in tensors.items() if k != "0.bias"})


def test_versions_kinds_and_edits_are_refused_by_name(folder):
    with pytest.raises(ModelError, match="kind 'test', 'vocoder' is needed"):
        load_model(folder, "vocoder")
    reseal(folder, format_version=2)
    with pytest.raises(ModelError, match="format 2") as caught:
        load_model(folder)
    assert caught.value.exit_code == 78 and "pgrade" in caught.value.fix
    reseal(folder, format_version=True)
    with pytest.raises(ModelError):
        load_model(folder)
    reseal(folder, format_version=1, files=[])
    with pytest.raises(ModelError, match="sha256"):
        load_model(folder)
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace("103", "104"))
    with pytest.raises(ModelError, match="model_id"):
        load_config(folder)


def test_missing_folder_and_missing_weights(folder, tmp_path):
    with pytest.raises(ModelError, match=r"config.json is missing"):
        load_model(tmp_path / "none")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(folder)


def test_every_mutant_of_the_files_is_refused(folder):
    chance = random.Random(0)
    for name in ("model.safetensors", "config.json"):
        good = (folder / name).read_bytes()
        for _ in range(150):
            mutant = bytearray(good)
            kind = chance.randrange(3)
            if kind == 0:
                mutant[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
            elif kind == 1:
                mutant = mutant[: chance.randrange(len(good))]
            else:
                mutant += bytes([chance.randrange(256)])
            (folder / name).write_bytes(mutant)
            if name == "config.json" and bytes(mutant).split() == good.split():
                continue  # white space
            with pytest.raises(ModelError):
                load_model(folder)
        (folder / name).write_bytes(good)
    load_model(folder)


def raw(header, data=b"\0" * 4):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04pickle",
        b"PK\x03\x04" * 10,
        raw({}),
        raw(b"[]"),
        raw(b" " + json.dumps({"a": entry()}).encode()),
        raw(b'{"a":' + json.dumps(entry()).encode() + b',"a":' + json.dumps(entry()).encode() + b"}"),
        raw({"../../x": entry()}),
        raw({"a" * 200: entry()}),
        raw({"a": entry(dtype="F64")}),
        raw({"a": entry(shape=[0, 10**9])}),
        raw({"a": entry(shape=[1] * 7)}),
        raw({"a": entry(offsets=[0, 8])}),
        raw({"a": entry(offsets=[4, 0])}),
        raw({"a": entry(shape=[2])}),
        raw({"a": []}),
        raw({"__metadata__": {"a": 1}, "a": entry()}),
        raw({"a": entry()}, b"\0" * 5),
        raw({f"t{i}": entry() for i in range(5000)}),
        struct.pack("<Q", 2**63) + b"{}",
        raw({"a": entry()}, np.float32(np.nan).tobytes()),
        raw({"a": entry()}, np.float32(np.inf).tobytes()),
    ],
)
def test_hostile_tensor_files_are_refused(tmp_path, data):
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(ModelError):
        read_tensors(tmp_path / "x.safetensors")


def test_weights_of_a_diverged_training_are_neither_saved_nor_loaded(tmp_path, folder):
    for bad in (np.nan, np.inf, 2e4):
        with pytest.raises(ModelError, match=r"0\.weight"):
            save_model(tmp_path / "bad", {"0.weight": torch.full((2,), bad)}, {"kind": "test"}, "")
    assert not (tmp_path / "bad").exists()
    data = raw({"a": entry()}, np.float32(2e4).tobytes())
    (folder / "model.safetensors").write_bytes(data)
    reseal(folder, files={"model.safetensors": {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}})
    with pytest.raises(ModelError, match="tensor a holds 20000"):
        load_model(folder)


def test_single_files_keep_metadata_and_obey_their_size(tmp_path):
    path = tmp_path / "voice.safetensors"
    write_tensors(path, {"style": torch.arange(4.0), "big": torch.full((1,), 3e5)}, {"consent": "me"})
    metadata, tensors = read_tensors(path)
    assert metadata == {"consent": "me"} and tensors["style"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ResourceError):
        read_tensors(path, max_bytes=10)
    with pytest.raises(TtsError, match="--force"):
        write_tensors(path, tensors, {})


def test_loading_runs_nothing_and_opens_no_socket(folder):
    import subprocess
    import sys

    program = (
        "import sys, torch; from vocoder.nn.checkpoint import load_model, load_into; import safetensors.torch\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append(name) if name.split('.')[0] in ('pickle', 'socket', 'subprocess') "
        "or name in ('os.system', 'os.exec') else None)\n"
        "load_model(sys.argv[1]); print(seen)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tensors_of_a_folder_beside_are_shared(folder, tmp_path):
    """The same model to the bit and by the same hash, as long as the other is there and as it was."""
    state = small().state_dict()
    state["1.bias"] += 1
    own = save_model(tmp_path / "other", state, {"kind": "test", "steps": 7}, "# Another")
    whole = load_model(tmp_path / "other")[1]
    before = (tmp_path / "other" / "model.safetensors").stat().st_size
    assert share_tensors(tmp_path / "other", "m") == len(state) - 1
    assert (tmp_path / "other" / "model.safetensors").stat().st_size < before and verify_model(tmp_path / "other") == own
    config, tensors = load_model(tmp_path / "other", "test")
    assert config == own and tensors.keys() == whole.keys() and all(torch.equal(tensors[name], whole[name]) for name in whole)
    with pytest.raises(ModelError, match="no whole model"):  # nor a ring of folders
        share_tensors(folder, "other")
        load_model(folder)
    for wrong in ("../m", "/", "m/../m", ""):
        (tmp_path / "other" / "shares.json").write_text(json.dumps({"from": wrong, "tensors": ["0.weight"]}))
        with pytest.raises(ModelError, match="no whole model"):
            load_model(tmp_path / "other")


def test_a_share_that_is_not_there_any_more_is_told(folder, tmp_path):
    save_model(tmp_path / "other", small().state_dict(), {"kind": "test", "steps": 7}, "# Another")
    share_tensors(tmp_path / "other", "m")
    kept = (tmp_path / "other" / "shares.json").read_text()
    for text in ("{}", "[]", "{", '{"from": "m", "tensors": ["nothing"]}', '{"from": "m", "tensors": 1}'):
        (tmp_path / "other" / "shares.json").write_text(text)
        with pytest.raises(ModelError, match="side by side"):
            load_model(tmp_path / "other")
    (tmp_path / "other" / "shares.json").write_text(kept)
    changed = {name: value + 1 for name, value in small().state_dict().items()}
    save_model(folder, changed, {"kind": "test"}, "# A card")
    with pytest.raises(ModelError, match="sha256"):
        load_model(tmp_path / "other")
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        load_model(tmp_path / "other")
    save_model(tmp_path / "other", small().state_dict(), {"kind": "test", "steps": 7}, "# Another")
    assert load_model(tmp_path / "other")[0]["steps"] == 7  # saved anew it stands alone
