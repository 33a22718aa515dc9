"""Measuring: natural and robust accuracy, example by example, with intervals."""
