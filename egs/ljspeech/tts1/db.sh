# LJSpeech-1.1 as published: the folder that holds metadata.csv and wavs/. Override with the environment.
LJSPEECH="${LJSPEECH:-downloads/LJSpeech-1.1}"
