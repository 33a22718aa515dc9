"""One file per verb. At their top they import click and light modules of the command line, so that help is instant."""
