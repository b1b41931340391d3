"""`mas doctor`: what is wrong with this machine or deployment, and how to mend it. It changes nothing.

finding        what a check came to
patient        what is looked at: settings, secret, Redis; or why that cannot be
machine        checks of Python, packages and limits
configuration  checks of the files, and of who may write them
files          checks of the secret and of what lies in the data directory
server         checks of Redis and of the way there
keeping        checks of what Redis keeps, and for how long
residents      checks of who runs
flow           checks of what waits
checks         the table of them all
rounds         each made in turn; none hides another
screen         how it is shown
"""

from mas.cli.doctor.rounds import examine
from mas.cli.doctor.screen import show_findings

__all__ = ["examine", "show_findings"]
