"""``tts serve``: speech over HTTP, as OpenAI's clients ask for it, on a page for people, and over the Wyoming protocol.

    connection ──server.py──▶ request ──app.py, wyoming.py──▶ checked fields ──service.py──▶ job ──engine.py──▶ bytes

``engine`` and ``service`` know no network, ``app`` no socket; ``page`` holds what a browser runs. What a client may cost is
bounded by the fields ``serve_…`` of ``tts.base.limits``.
"""
