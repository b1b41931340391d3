"""Which permissions can never have an effect: a block wins over every grant."""

from collections.abc import Sequence

from mas.settings.permissions import Allow, AllowBidirectional, AllowBroadcast, Block, Permission

Pairs = set[tuple[str, str]]


def contradicted(permissions: Sequence[Permission]) -> dict[int, str]:
    """Return the place of each permission that only grants what others block, and the problem in words.

    A network or a wildcard of which some is blocked is no contradiction: it says "all but".
    """
    blocks: dict[tuple[str, str], int] = {
        (sender, target): place
        for place, block in enumerate(permissions)
        if isinstance(block, Block)
        for sender in block.senders
        for target in block.targets
    }
    problems = {}
    for place, permission in enumerate(permissions):
        pairs = _pairs(permission)
        if pairs and pairs <= blocks.keys():
            sender, target = pair = min(pairs)
            block = f"permissions[{blocks[pair]}] blocks {sender} -> {target}"
            problems[place] = f"{permission.type} has no effect: {block}"
    return problems


def _pairs(permission: Permission) -> Pairs:
    match permission:
        case Allow(senders=senders, targets=targets):
            return {(sender, target) for sender in senders for target in targets}
        case AllowBidirectional(agents=(one, other)):
            return {(one, other), (other, one)}
        case AllowBroadcast(sender=sender, targets=targets):
            return {(sender, target) for target in targets}
        case _:
            return set()
