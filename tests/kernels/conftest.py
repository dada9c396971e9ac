"""Triton kernels run in the interpreter where there is no GPU; triton reads the variable when it decorates, so it is set before
any import.
"""

import os

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
