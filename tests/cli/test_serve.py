"""``tts serve`` as far as its flags go; what it serves: ``tests/serve``."""

import importlib.util

import pytest

pytest.importorskip("uvicorn")


def test_what_is_missing_is_told_with_the_line_that_installs_it(tts, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name))
    done = tts("serve")
    assert done.code == 69 and "uvicorn is not installed" in done.err and "pip install 'parlance-tts[serve]'" in done.err


def test_nothing_is_opened_to_other_machines_by_accident(tts, tmp_path):
    token = tmp_path / "token"
    token.write_text("x" * 32)
    token.chmod(0o644)
    for arguments, code, told in (
        (["--host", "0.0.0.0"], 77, "--token-file"),
        (["--wyoming", "0.0.0.0:10200"], 77, "--insecure"),
        (["--host", "0.0.0.0", "--token-file", token], 77, "chmod 600"),
        (["--token-file", tmp_path / "none"], 66, "none"),
        (["--wyoming", "here"], 2, "HOST:PORT"),
        (["--port", "70000"], 2, "70000"),
    ):
        done = tts("serve", *arguments)
        assert done.code == code and told in done.err, arguments
