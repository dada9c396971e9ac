"""Phone error rate in every language, by the project's own aligner used as a recogniser.

It was trained on the natural recordings of the training split, so its absolute rates flatter them; synthetic speech is judged by
the distance to the rate of *natural held-out* recordings of the same sentences. Stress, tone, length and pauses are not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from recipes.evaluate.edits import Edits, count_edits

Recogniser = Callable[[np.ndarray], Sequence[int]]  # [S] float32 at 24 kHz -> phone ids


def phone_edits(reference: Sequence[int], wav: np.ndarray, recognise: Recogniser) -> Edits:
    """Edits between the phones of the text and those heard in a clip; specials and punctuation marks are left out of both."""
    return count_edits(spoken(reference), spoken(recognise(wav)))


def spoken(phones: Sequence[int]) -> list[int]:
    """The ids that stand for sounds."""
    from frontend.inventory import EXCLAMATION  # the last of the specials and marks

    return [int(phone) for phone in phones if phone > EXCLAMATION]
