"""`python -m mas.agent.process OWNER LIFELINE REPORTS`: one instance, as its owner tells over stdin."""

import sys

from mas.agent.process.child import main

sys.exit(main(*map(int, sys.argv[1:4])))
