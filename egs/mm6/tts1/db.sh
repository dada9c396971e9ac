# MM6 as published: the folder with MM6/wavs/ and preprocessed_data/MM6/train.txt.
MM6="${MM6:-downloads/ZMM-TTS}"
