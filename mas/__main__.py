"""`python -m mas` is `mas run`."""

from mas.cli import main

main()
