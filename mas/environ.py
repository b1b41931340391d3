"""What of our environment another program may see: nothing that is ours, the secret least of all."""

import os
from collections.abc import Mapping


def for_others(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a child process, without what begins with `MAS_`.

    :param environ: None: that of this process
    """
    known = os.environ if environ is None else environ
    return {name: value for name, value in known.items() if not name.startswith("MAS_")}
