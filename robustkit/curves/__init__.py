"""Accuracy as something changes (eps, steps, the mix of learners), and the loss around an example. Figures only."""
