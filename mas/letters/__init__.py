"""Dead letters: what they hold, and what an operator may do with them.

letter     one message that was not handled, and why; MACed like every record
order      an operator's word to the gateways: take this one up again
unwanted   an operator's word to the gateways: nobody will handle this delivery
archive    files of letters that were too many or too old; `archivist` moves them there
desk       list, read, redrive, restore and purge
"""

from mas.letters.archive import Archived, archives_in, count_in, read_archives
from mas.letters.archivist import Archivist
from mas.letters.desk import LetterDesk, Selection
from mas.letters.letter import DeadLetter, Filed, read_letter, write_letter
from mas.letters.order import ORDER_FIELDS, Outcome, Redrive, read_order, write_order, write_outcome
from mas.letters.unwanted import HOLDER, UNWANTED_FIELDS, Unwanted, read_unwanted, write_unwanted

__all__ = [
    "HOLDER",
    "ORDER_FIELDS",
    "UNWANTED_FIELDS",
    "Archived",
    "Archivist",
    "DeadLetter",
    "Filed",
    "LetterDesk",
    "Outcome",
    "Redrive",
    "Selection",
    "Unwanted",
    "archives_in",
    "count_in",
    "read_archives",
    "read_letter",
    "read_order",
    "read_unwanted",
    "write_letter",
    "write_order",
    "write_outcome",
    "write_unwanted",
]
