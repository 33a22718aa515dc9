"""Networks that are ready to use: normalization inside, and files that say what they hold."""
