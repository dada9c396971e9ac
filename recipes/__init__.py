"""From corpora to trained models: data directories, feature store, training, evaluation. Not needed to speak."""
