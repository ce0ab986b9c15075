"""``python -m wardbridge``: the same as the console script."""

from wardbridge.cli import main

main()
