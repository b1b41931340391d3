"""`python -m mas.audit.apart OWNER LIFELINE REPORTS`: examine what its owner asks for over stdin."""

import sys

from mas.audit.apart.child import main

sys.exit(main(*map(int, sys.argv[1:4])))
