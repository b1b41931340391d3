"""Measure the message path, always beside what the machine allows in the same run.

floor   the same hops with nothing decided on the way
path    the real system, everything on
"""

from mas.bench.floor import run_floor
from mas.bench.path import run_one_way, run_round_trip
from mas.bench.result import Result

__all__ = ["Result", "run_floor", "run_one_way", "run_round_trip"]
