"""torchaudio as pure Python, which the packages beside ours import: its compiled part wants CUDA libraries."""

import sys
import types

import pytest


@pytest.fixture
def pure_torchaudio(monkeypatch):
    extension = types.ModuleType("torchaudio._extension")
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = extension._IS_ALIGN_AVAILABLE = False
    extension.fail_if_no_align = lambda function: function
    extension._check_cuda_version = lambda: None
    monkeypatch.setitem(sys.modules, "torchaudio._extension", extension)
