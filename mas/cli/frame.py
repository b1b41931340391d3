"""What stands around each command: its log on stderr, and one message for what goes wrong."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def framed(*, debug: bool, log: str = "warning") -> Generator[None]:
    """Log what is worth it, and end the process with one message and its exit code if the block fails.

    :param debug: log all, and show tracebacks
    :param log: the least that is logged otherwise
    """
    from mas.cli import logs
    from mas.cli.complaint import told

    with told(debug=debug):
        logs.configure("debug" if debug else log)
        yield
