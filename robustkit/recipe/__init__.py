"""What users write: the recipe's sections, how it is read and checked, and the lock that repeats a run."""
