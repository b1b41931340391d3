"""`python -m mas` is `mas`, and `mas` alone is `mas run`."""

from mas.cli import main

main()
