"""``python -m tts`` is the ``tts`` command."""

from tts.cli import main

main()
