"""CUDA graphs: a function of tensors is recorded once for a shape, then replayed, so that a call costs one launch.

Streaming and samplers of few steps run hundreds of small kernels, whose launches take longer than their work. ``Graphed``
records at the second call with a shape, or in ``prewarm``, a handful of shapes; sequences of any length share a few by padding.
Where there is no GPU, where autograd watches, and with ``PARLANCE_GRAPHS=off`` it calls the function as it is, unpadded.

A function that is recorded must launch the same kernels at every call: no ``.item()``, no branch on what a tensor holds, no
random generator. What it reads beside its arguments must stay where it is; parameters that change in place are seen.

After Moshi's wrapper (arXiv 2410.00037, its code). Differs: several shapes, padding, and a failed recording is a warning.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LENGTHS = (128, 256, 512, 1024, 2048)  # frames that padded sequences are filled up to
LIMIT = 8  # graphs of one function: each holds the memory of a call
WARM_UP = 3  # calls before recording: compiled kernels, FFT plans and workspaces must be there


class Graphed:
    """``function`` of tensors (or None) to a tensor or a tuple of tensors.

    Args:
        function: With padded arguments, one whose results up to the true length do not depend on what stands beyond it.
        padded: Which arguments have frames as dimension 1; these are filled up with zeros to the next of ``lengths``, and the
            results, all of which have frames, are cut. Empty: every shape is recorded as it is.
        lengths: Longer sequences are computed as they are.
    """

    def __init__(self, function: Callable, padded: Sequence[int] = (), lengths: Sequence[int] = LENGTHS):
        self.function, self.padded, self.lengths = function, tuple(padded), tuple(lengths)
        self._recordings: dict[tuple, Recording] = {}
        self._seen: set[tuple] = set()  # called before
        self._hopeless: set[tuple] = set()  # could not be recorded

    def __call__(self, *given: Tensor | None):
        if not usable(*given):
            return self.function(*given)
        filled, size = self.fill(given)
        if filled is None:
            return self.function(*given)
        key = key_of(filled)
        recording = self._recordings.get(key) or (self._record(key, filled) if key in self._seen else None)
        self._seen.add(key)
        if recording is None:
            return self.function(*given)
        results = recording.replay(filled)
        if size is None:
            return results
        return tuple(result[:, :size] for result in results) if isinstance(results, tuple) else results[:, :size]

    def __getstate__(self) -> dict:
        """For copies: recordings read the tensors of this very object."""
        return vars(self) | dict(_recordings={}, _seen=set(), _hopeless=set())

    def prewarm(self, *given: Tensor | None) -> None:
        """Record the shapes of ``given`` now."""
        filled = self.fill(given)[0] if usable(*given) else None
        if filled is not None and key_of(filled) not in self._recordings:
            self._record(key_of(filled), filled)

    def fill(self, given: tuple) -> tuple[tuple | None, int | None]:
        """The arguments filled up, and their true length (None: nothing is padded); (None, _) when they are too long."""
        if not self.padded:
            return given, None
        size = given[self.padded[0]].shape[1]
        target = next((length for length in self.lengths if length >= size), None)
        if target is None:
            return None, size
        more = (0, target - size)
        filled = (F.pad(x, (0, 0) * (x.dim() - 2) + more) if i in self.padded else x for i, x in enumerate(given))
        return tuple(filled), size

    def _record(self, key: tuple, filled: tuple) -> Recording | None:
        if key in self._hopeless or len(self._recordings) >= LIMIT:
            return None
        try:
            self._recordings[key] = Recording(self.function, filled)
        except RuntimeError as error:
            warnings.warn(f"no CUDA graph of {self.function}: {error}", RuntimeWarning, stacklevel=3)
            self._hopeless.add(key)
        return self._recordings.get(key)


class Recording:
    """A CUDA graph of one call, with the tensors that it reads and writes."""

    def __init__(self, function: Callable, given: tuple):
        with torch.inference_mode(False), torch.no_grad():  # so that a later call may write into them in any mode
            self.inputs = tuple(x if x is None else x.clone() for x in given)
            self.run, self.outputs = self.capture(function)

    def capture(self, function: Callable) -> tuple[Callable, Tensor | tuple[Tensor, ...]]:
        """(what computes the outputs anew from the inputs, the outputs)."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                function(*self.inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = function(*self.inputs)
        return graph.replay, outputs

    def replay(self, given: tuple):
        for mine, value in zip(self.inputs, given, strict=True):
            if mine is not None:
                mine.copy_(value, non_blocking=True)
        self.run()
        if isinstance(self.outputs, tuple):
            return tuple(output.clone() for output in self.outputs)  # the next replay overwrites them
        return self.outputs.clone()


def usable(*given: Tensor | None) -> bool:
    """May a call with these be a graph?"""
    tensors = [x for x in given if x is not None]
    on_gpu = all(x.is_cuda for x in tensors) and not torch.is_grad_enabled()
    return on_gpu and os.environ.get("PARLANCE_GRAPHS") != "off" and not torch.cuda.is_current_stream_capturing()


def key_of(given: tuple) -> tuple:
    return tuple(None if x is None else (tuple(x.shape), x.dtype, x.device) for x in given)
