"""The marker that plugins put on their hooks."""

import pluggy

hookimpl = pluggy.HookimplMarker("robustkit")
"""Marks a function of a plugin module as the implementation of the hook of that name."""
