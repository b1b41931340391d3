"""Keys and what they prove: submissions, deliveries, replies and records.

keyring   every key of a deployment, derived from its one secret
proof     a sender's proof of possession over one submission
seal      the gateway's seal on one delivery
permit    the right to answer one request
record    the MAC that a stored record must carry
"""

from mas.trust.keyring import Credential, Keyring
from mas.trust.permit import Permit
from mas.trust.proof import prove
from mas.trust.record import protect, unprotect
from mas.trust.seal import seal

__all__ = ["Credential", "Keyring", "Permit", "protect", "prove", "seal", "unprotect"]
