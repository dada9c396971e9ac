"""The process in which espeak-ng lives: ``python -m frontend.g2p_worker``.

JSON lines on stdin and stdout. Request ``{"voice": "de", "clauses": [["guten", "Tag"], ...]}``, answer
``{"clauses": [{"words": [[phonemes], ...], "switches": [...]}, ...]}`` or ``{"error": "..."}``; the first line out is
``{"ready": true}``. It ends when stdin closes. Memory and processor time are limited.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

_MEMORY = 2 << 30  # bytes of address space
_CPU_SECONDS = 900  # over the whole life; the client replaces a worker long before


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    with contextlib.suppress(ValueError, OSError):  # a lower limit already holds
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing a C library prints gets between the answers
    _limit()
    from frontend.espeak import Espeak

    engine = Espeak()
    answers.write('{"ready": true}\n')
    answers.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            answer = {"clauses": [engine.clause(request["voice"], words) for words in request["clauses"]]}
        except (RuntimeError, UnicodeError) as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer, ensure_ascii=False) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
