"""`python -m robustkit` is the command `robustkit`."""

from robustkit.cli.main import main

if __name__ == "__main__":
    main()
