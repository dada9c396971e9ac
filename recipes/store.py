"""Feature store: one memory-mapped file per feature, with an index beside it. No million small files.

    mel.bin          the arrays, one after the other, C order
    mel.json         {"dtype", "columns", "items": {utterance id: [first row, rows]}}

``columns`` is 0 for features with one value a row. Written once, in one pass; read by any number of processes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from tts.base.errors import DataError, NoInputError


class StoreWriter:
    """Appends arrays; the pair of files appears under its name only when :meth:`close` succeeds."""

    def __init__(self, folder, name: str, dtype: str, columns: int = 0):
        self.path = Path(folder) / name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.dtype, self.columns = np.dtype(dtype), columns
        self.items: dict[str, list[int]] = {}
        self.rows = 0
        self._file = open(f"{self.path}.bin.part", "wb")  # noqa: SIM115

    def add(self, key: str, array: np.ndarray) -> None:
        array = np.ascontiguousarray(array, dtype=self.dtype)
        if array.ndim != (2 if self.columns else 1) or (self.columns and array.shape[1] != self.columns):
            raise DataError(
                f"{self.path.name}: array of shape {array.shape} does not fit {self.columns} columns.", where=key
            )
        if key in self.items:
            raise DataError(f"{self.path.name}: this id is stored already.", where=key, fix="Ids must be unique.")
        self.items[key] = [self.rows, len(array)]
        self.rows += len(array)
        array.tofile(self._file)

    def close(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        index = {"dtype": self.dtype.name, "columns": self.columns, "items": self.items}
        Path(f"{self.path}.json.part").write_text(json.dumps(index))
        os.replace(f"{self.path}.bin.part", f"{self.path}.bin")
        os.replace(f"{self.path}.json.part", f"{self.path}.json")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self._file.close()
            os.unlink(f"{self.path}.bin.part")


class Store:
    """Read side: ``store[id]`` is a read-only view of [rows] or [rows, columns]."""

    def __init__(self, folder, name: str):
        path = Path(folder) / name
        try:
            index = json.loads(Path(f"{path}.json").read_text())
            size = os.path.getsize(f"{path}.bin")
            self.items, columns = index["items"], index["columns"]
            rows = sum(n for _, n in self.items.values())
            expected = rows * max(columns, 1) * np.dtype(index["dtype"]).itemsize
        except FileNotFoundError as error:
            raise NoInputError(
                f"feature {name!r} is missing.", where=folder, fix="Run the feature stage of the recipe first."
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise DataError("is no index of a feature store.", where=f"{path}.json", fix="Run the stage again.") from error
        if size != expected:
            raise DataError(
                f"holds {size} bytes, its index promises {expected}.", where=f"{path}.bin", fix="Run the stage again."
            )
        shape = (rows, columns) if columns else (rows,)
        self.array = np.memmap(f"{path}.bin", dtype=index["dtype"], mode="r", shape=shape) if rows else np.zeros(shape)

    def __getitem__(self, key: str) -> np.ndarray:
        start, rows = self.items[key]
        return self.array[start : start + rows]

    def __contains__(self, key: str) -> bool:
        return key in self.items

    def __len__(self) -> int:
        return len(self.items)

    def rows(self, key: str) -> int:
        return self.items[key][1]
