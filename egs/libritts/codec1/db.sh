# LibriTTS or LibriTTS-R as published: the folder with train-clean-100/ and its neighbours. A part of them is fine.
LIBRITTS="${LIBRITTS:-downloads/LibriTTS}"
