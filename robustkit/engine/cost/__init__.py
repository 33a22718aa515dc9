"""What a run costs: time by phase, operations, memory; measured while it runs, or foreseen from a few steps."""
