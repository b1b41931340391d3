"""What a deployment wants found and done: the `dlp:` section of gateway.yaml."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from mas.dlp.classes import CLASSES, DEFAULT_ACTIONS, Action
from mas.dlp.custom import CustomPattern

Actions = dict[str, Action | None]

_DIGEST = re.compile(r"[0-9a-f]{32}|sha256:[0-9a-f]{64}")


def _positive(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if not value > 0:
        raise ValueError(f"{attribute.name} must be above 0, not {value!r}")


def _digests(_: object, attribute: "attrs.Attribute[tuple[str, ...]]", value: tuple[str, ...]) -> None:
    for position, entry in enumerate(value):
        if not _DIGEST.fullmatch(entry):
            raise ValueError(
                f"{attribute.name}[{position}] is not a value hash: give the 32 hex digits of a finding, "
                "or `sha256:` and 64 hex digits; never the value itself"
            )


def _redaction(_: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    if value not in {"mask", "token"}:
        raise ValueError(f"{attribute.name} must be `mask` or `token`, not {value!r}")


def _tuple(value: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(value)


@attrs.frozen
class Allow:
    """What is let pass without a finding.

    :param values: hashes of harmless values: as findings report them (keyed), or `sha256:` of the bare value
    :param paths: patterns of JSON paths, such as `$.order.id` or `$.items[*].sku`; `*` stands for anything
    :param senders: agent ids whose messages are not scanned
    """

    values: tuple[str, ...] = attrs.field(default=(), converter=_tuple, validator=_digests)
    paths: tuple[str, ...] = attrs.field(default=(), converter=_tuple)
    senders: tuple[str, ...] = attrs.field(default=(), converter=_tuple)


@attrs.frozen
class Policy:
    """Which classes are acted on, and how.

    :param actions: action by class; what is not named keeps its default, `null` finds without acting
    :param targets: actions that replace the above for messages to a target; the key may hold `*`
    :param roles: actions that replace the above for senders with a role; where target and roles disagree,
        the strictest of them decides
    :param custom: patterns of one's own
    :param allow: what is let pass
    :param redaction: `mask` keeps the format, `token` puts a stable, keyed name in place of each value
    :param max_bytes: largest payload that is judged, in bytes; a larger one is refused
    :param max_milliseconds: most processor time that judging a payload may take; beyond it, it is refused
    :param min_confidence: finds below it are dropped, 0 to 1
    """

    actions: Actions = attrs.field(factory=dict)
    targets: dict[str, Actions] = attrs.field(factory=dict)
    roles: dict[str, Actions] = attrs.field(factory=dict)
    custom: tuple[CustomPattern, ...] = attrs.field(default=(), converter=_tuple)
    allow: Allow = attrs.field(factory=Allow)
    redaction: str = attrs.field(default="mask", validator=_redaction)
    max_bytes: int = attrs.field(default=1 << 20, validator=_positive)
    max_milliseconds: float = attrs.field(default=1000.0, validator=_positive)
    min_confidence: float = 0.5

    def __attrs_post_init__(self) -> None:
        """Check that every class named anywhere exists.

        :raises ValueError: naming the class, where it is not one
        """
        custom = [pattern.name for pattern in self.custom]
        for name in custom:
            if custom.count(name) > 1:
                raise ValueError(f"two custom patterns are named {name!r}")
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence must be between 0 and 1, not {self.min_confidence!r}")
        known = {*CLASSES, *custom}
        for where, actions in (
            ("actions", self.actions),
            *((f"targets.{target}", actions) for target, actions in self.targets.items()),
            *((f"roles.{role}", actions) for role, actions in self.roles.items()),
        ):
            for kind in actions:
                if kind not in known:
                    raise ValueError(
                        f"{where}: there is no class {kind!r}; there are {', '.join(sorted(known))}"
                    )

    def table(self, target: str, roles: Iterable[str]) -> Actions:
        """Return the action for every class, for messages to this target from a sender with these roles."""
        decided: Actions = dict(DEFAULT_ACTIONS)
        decided.update({pattern.name: pattern.action for pattern in self.custom})
        decided.update(self.actions)
        special = [actions for pattern, actions in self.targets.items() if wildcard([pattern])(target)]
        special += [self.roles[role] for role in roles if role in self.roles]
        replaced: Actions = {}
        for actions in special:
            for kind, action in actions.items():
                replaced[kind] = strictest((action, replaced.get(kind)))
        return {**decided, **replaced}


def wildcard(patterns: Iterable[str]) -> Callable[[str], object]:
    """Return a test for texts that one of the patterns matches in full; `*` stands for anything."""
    alternatives = "|".join(re.escape(pattern).replace(r"\*", ".*") for pattern in patterns)
    return re.compile(alternatives or r"(?!)", re.DOTALL).fullmatch


def strictest(actions: Iterable[Action | None]) -> Action | None:
    """Return the strictest of several actions; None where there is none."""
    return max((action for action in actions if action), key=lambda action: action.severity, default=None)
