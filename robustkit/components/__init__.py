"""What a plugin can contribute: one kind of component per file."""
