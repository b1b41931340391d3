"""Find personal, health, card and secret data in a payload: bytes in, findings out.

classes       what there is to find, and what is done about it by default
rules/        how each form is recognised; issuers, secrecy, words: what confirms or dismisses a candidate
first_pass    one pass over raw bytes: is anything worth a closer look?
walk, fold, readings, unwrap    every string of the payload, in every way it could be meant
scan          the closer look; resolve: overlaps
redact        masks and tokens
policy, custom    what a deployment wants; lines, score: what the command line prints
"""

from mas.dlp.classes import CLASSES, DEFAULT_ACTIONS, DESCRIPTIONS, Action
from mas.dlp.custom import CustomPattern
from mas.dlp.finding import CLEAN, Finding, Verdict
from mas.dlp.lines import run_scan_lines
from mas.dlp.policy import Allow, Policy
from mas.dlp.scan import Scanner
from mas.dlp.score import Scores, score

__all__ = [
    "CLASSES",
    "CLEAN",
    "DEFAULT_ACTIONS",
    "DESCRIPTIONS",
    "Action",
    "Allow",
    "CustomPattern",
    "Finding",
    "Policy",
    "Scanner",
    "Scores",
    "Verdict",
    "run_scan_lines",
    "score",
]
