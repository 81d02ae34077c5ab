"""The models that leave a study: from a trial and its variables to a Keras model."""
