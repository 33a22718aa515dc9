"""What happens in a run: the data, the learners, the training loop, checkpoints, and the results folder."""
