"""A sender's proof of possession over one submission.

HMAC-SHA256 under the instance's token, over the exact envelope, the time and the sequence number.
The last two are digits, so the layout can be read in one way only.
"""

import hmac


def prove(token: bytes, envelope: bytes, timestamp: bytes, sequence: bytes) -> str:
    """Return the proof as hex.

    :param timestamp: seconds since the epoch, in ASCII
    :param sequence: the instance's sequence number, in ASCII
    """
    covered = b"%b\n%b\n%b" % (envelope, timestamp, sequence)
    return hmac.digest(token, covered, "sha256").hex()
