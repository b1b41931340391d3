"""Who acts, for the record: as the system knows this process, and not as its environment claims."""

import os
import pwd
import socket


def actor() -> str:
    """Return `user@host`; where the user has no name, the number."""
    number = os.getuid()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:
        user = str(number)
    return f"{user}@{socket.gethostname()}"
