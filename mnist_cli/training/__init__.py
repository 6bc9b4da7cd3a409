"""Training: the loop over epochs, the steps of one, checkpoints, and a whole run."""
