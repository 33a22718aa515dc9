"""How plugins come in: the hooks they may implement, how they are loaded, and the registry of what they brought."""
