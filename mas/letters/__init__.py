"""Dead letters: what they hold, and what an operator may do with them.

letter     one message that was not handled, and why; MACed like every record
order      an operator's word to the gateways: take this one up again
archive    files of letters that were too many or too old; `archivist` moves them there
desk       list, read, redrive, restore and purge
"""

from mas.letters.archive import Archived, archives_in, count_in, read_archives
from mas.letters.archivist import Archivist
from mas.letters.desk import LetterDesk, Selection
from mas.letters.letter import DeadLetter, Filed, read_letter, write_letter
from mas.letters.order import ORDER_FIELDS, Outcome, Redrive, read_order, write_order, write_outcome

__all__ = [
    "ORDER_FIELDS",
    "Archived",
    "Archivist",
    "DeadLetter",
    "Filed",
    "LetterDesk",
    "Outcome",
    "Redrive",
    "Selection",
    "archives_in",
    "count_in",
    "read_archives",
    "read_letter",
    "read_order",
    "write_letter",
    "write_order",
    "write_outcome",
]
