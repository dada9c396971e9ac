# VCTK-Corpus-0.92 as published: the folder with wav48_silence_trimmed/, txt/ and speaker-info.txt.
VCTK="${VCTK:-downloads/VCTK-Corpus-0.92}"
