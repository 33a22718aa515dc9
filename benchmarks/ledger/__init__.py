"""The results ledger: runs of every recipe and of the ablations, and docs/results.md made from what they found."""
