"""Sweeps: one recipe in many settings and with several seeds, in one folder."""
