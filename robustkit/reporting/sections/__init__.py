"""The parts of a page, one noun a file."""
