"""The gateway's seal on one delivery.

It covers where the delivery may lie (target and, for a reply, the instance), which submission it is
(the ingress entry), until when it holds, the reply permit, and the exact envelope. So an entry that
somebody else put into a stream does not open, nor a copy moved to another stream.
"""

from mas.trust.mac import mac


def seal(key: bytes, target: str, instance: str, route: str, envelope: bytes) -> str:
    """Return the seal as hex.

    :param key: the target's own seal key
    :param instance: empty for a delivery that any instance may take
    :param route: `ingress-entry expiry permit`, as stored beside the envelope
    """
    return mac(key, f"{target}\0{instance}\0{route}\0".encode() + envelope)
