"""Measure the message path, always beside what the machine allows in the same run.

floor   the same hops with nothing decided on the way
path    the real system, everything on
sealing the same with the sealer stopped, in turn
proving how fast a trail is verified
scratch where the keys of all these are, and that they go
suite   all of these in turn
"""

from mas.bench.floor import run_floor
from mas.bench.path import run_one_way, run_round_trip
from mas.bench.proving import Proof, run_verify
from mas.bench.result import Result
from mas.bench.sealing import Pair, run_sealing
from mas.bench.suite import KINDS, Kind, Row, rows

__all__ = [
    "KINDS",
    "Kind",
    "Pair",
    "Proof",
    "Result",
    "Row",
    "rows",
    "run_floor",
    "run_one_way",
    "run_round_trip",
    "run_sealing",
    "run_verify",
]
