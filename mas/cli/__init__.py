"""The command line: what `mas` and `python -m mas` do."""


def main() -> None:
    """Run the command line."""
