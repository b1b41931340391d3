"""`limits:` in gateway.yaml: what a message may cost before anyone parses it."""

from typing import Annotated

from attrs import frozen

from mas.settings.fields import Within, by_type


@frozen(kw_only=True, field_transformer=by_type)
class LimitSettings:
    """Caps on one envelope."""

    max_envelope: Annotated[int, Within(1024, 67_108_864, "bytes")] = 1_048_576
    """The size of the whole envelope, in bytes."""

    max_depth: Annotated[int, Within(2, 512, "levels")] = 64
    """Arrays and objects within one another."""

    max_keys: Annotated[int, Within(16, 1_000_000, "keys")] = 10_000
    """Keys of all objects together."""

    max_hops: Annotated[int, Within(1, 1_000_000, "hops")] = 256
    """How deep a message may stand in the chain of messages that caused it."""

    max_chain: Annotated[int, Within(1, 1_000_000_000, "messages")] = 10_000
    """Messages that one message may cause, all in all, within an hour."""

    max_digits: Annotated[int, Within(20, 4300, "digits")] = 128
    """Digits of one number."""
