"""What people look at: plots as SVG, and one self-contained HTML file a run."""
