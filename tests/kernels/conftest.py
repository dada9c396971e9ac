"""Triton kernels run in the interpreter where there is no GPU; triton reads the variable when it decorates, so it is set before
any import. Fixtures: ``interpreter``, ``guarded`` buffers, ``compile_for_gpu``.
"""

import os
import subprocess
import sys

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

GUARD = 77
POISON = {torch.float32: float("nan"), torch.complex64: complex("nan"), torch.int64: -(2**40), torch.int32: -(2**20)}


@pytest.fixture
def interpreter():
    """Skips unless Triton kernels run here in the interpreter."""
    if not pytest.importorskip("triton").knobs.runtime.interpret:
        pytest.skip("needs TRITON_INTERPRET=1 before triton is imported")  # or a GPU and CUDA tensors


@pytest.fixture
def guarded(monkeypatch):
    """Calls a kernel while ``torch.empty`` gives poison between guard words: the interpreter writes anywhere in silence."""
    empty, buffers = torch.empty, []

    def poisoned(*size, dtype=torch.float32, device=None):
        size = size[0] if isinstance(size[0], tuple | list) else size
        count = torch.Size(size).numel()
        buffer = empty(count + 32, dtype=dtype, device=device).fill_(GUARD)
        buffer[16 : 16 + count] = POISON[dtype]
        buffers.append((buffer, count))
        return buffer[16 : 16 + count].view(size)

    def call(kernel, *args):
        with monkeypatch.context() as patch:
            patch.setattr(torch, "empty", poisoned)
            result = kernel(*args)
        assert buffers
        for buffer, count in buffers:
            assert (buffer[:16] == GUARD).all() and (buffer[16 + count :] == GUARD).all()
        return result

    return call


@pytest.fixture
def compile_for_gpu(tmp_path):
    """Compiles a kernel ahead of time for sm_90, outside the interpreter, given the types of its arguments and its constants."""
    pytest.importorskip("triton")

    def run(module, kernel, types, constants, shared=48 * 1024):
        script = f"""
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from {module} import {kernel}
types, constants = {types!r}, {constants!r}
made = compile(ASTSource(fn={kernel}, signature=types | dict.fromkeys(constants, "constexpr"), constexprs=constants),
               target=GPUTarget("cuda", 90, 32))
assert made.asm["cubin"] and made.metadata.shared <= {shared}, made.metadata.shared
"""
        env = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
        env["TRITON_CACHE_DIR"] = str(tmp_path)
        subprocess.run([sys.executable, "-c", script], check=True, env=env)

    return run
