"""Dead letters: what they hold, and what an operator may do with them.

letter  one message that was not handled, and why; MACed like every record
order   an operator's word to the gateways: take this one up again
desk    list, read, redrive and purge
"""

from mas.letters.desk import LetterDesk, Selection
from mas.letters.letter import DeadLetter, Filed, read_letter, write_letter
from mas.letters.order import ORDER_FIELDS, Outcome, Redrive, read_order, write_order, write_outcome

__all__ = [
    "ORDER_FIELDS",
    "DeadLetter",
    "Filed",
    "LetterDesk",
    "Outcome",
    "Redrive",
    "Selection",
    "read_letter",
    "read_order",
    "write_letter",
    "write_order",
    "write_outcome",
]
