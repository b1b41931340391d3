"""`dlp:` in gateway.yaml: what is looked for in payloads, and what is done about it."""

from typing import Annotated, Literal

import attrs
from attrs import Factory, frozen

from mas.dlp import Action, Allow, CustomPattern, Policy
from mas.settings.fields import Unfit, Within, by_type

Doing = Literal["block", "redact", "alert"]
Doings = dict[str, Doing | None]


@frozen(kw_only=True, field_transformer=by_type)
class CustomSettings:
    """A class of one's own; its examples are tried when it is loaded."""

    name: str
    """The class it reports: lower-case letters, digits and `_`."""

    pattern: str
    """RE2 syntax; a group `v` marks the value, else all of it is."""

    action: Doing | None = "alert"
    """What is done; null finds without acting."""

    validator: str = ""
    """`luhn`, `card`, or a python-stdnum module such as `gb.nhs`, which must confirm the value."""

    context: tuple[str, ...] = ()
    """Words of which one must stand near; none means anywhere will do."""

    must_match: tuple[str, ...] = attrs.field(default=(), repr=False)
    """Examples in each of which it must find something."""

    must_not_match: tuple[str, ...] = attrs.field(default=(), repr=False)
    """Examples in none of which it may."""


@frozen(kw_only=True, field_transformer=by_type)
class AllowedSettings:
    """What is let pass without a finding."""

    values: tuple[str, ...] = ()
    """Hashes of harmless values: as findings report them, or `sha256:` of the bare value."""

    paths: tuple[str, ...] = ()
    """JSON paths, such as `$.order.id`; `*` stands for anything."""

    senders: tuple[str, ...] = ()
    """Agents whose messages are not scanned."""


@frozen(kw_only=True, field_transformer=by_type)
class DlpSettings:
    """Data loss prevention; `features.dlp` switches it."""

    actions: Doings = Factory(dict)
    """Action by class; what is not named keeps its default, null finds without acting."""

    targets: dict[str, Doings] = Factory(dict)
    """Actions that replace these for messages to a target; the key may hold `*`."""

    roles: dict[str, Doings] = Factory(dict)
    """Actions that replace these for senders with a role."""

    custom: tuple[CustomSettings, ...] = ()
    """Patterns of one's own."""

    allow: AllowedSettings = Factory(AllowedSettings)
    """What is let pass."""

    redaction: Literal["mask", "token"] = "mask"
    """mask: keep the format, token: put a stable, keyed name in place of each value."""

    max_bytes: Annotated[int, Within(64, 67_108_864, "bytes")] = 1_048_576
    """The largest payload that is judged; a larger one is refused."""

    max_milliseconds: Annotated[float, Within(1, 60_000, "ms")] = 1000.0
    """The longest that judging a payload may take; one that takes longer is refused."""

    min_confidence: Annotated[float, Within(0, 1, "of certainty")] = 0.5
    """Finds below it are dropped."""

    def __attrs_post_init__(self) -> None:
        self.policy()

    def policy(self) -> Policy:
        """Return this as the scanner wants it.

        :raises ConfigurationError: for a class that does not exist, a pattern that does not compile or
            fails its own examples, a value hash that is none
        """
        try:
            return Policy(
                actions=_actions(self.actions),
                targets={target: _actions(doings) for target, doings in self.targets.items()},
                roles={role: _actions(doings) for role, doings in self.roles.items()},
                custom=tuple(_custom(pattern) for pattern in self.custom),
                allow=Allow(self.allow.values, self.allow.paths, self.allow.senders),
                redaction=self.redaction,
                max_bytes=self.max_bytes,
                max_milliseconds=self.max_milliseconds,
                min_confidence=self.min_confidence,
            )
        except ValueError as error:
            raise Unfit(str(error)) from None


def _actions(doings: Doings) -> dict[str, Action | None]:
    return {kind: None if doing is None else Action(doing) for kind, doing in doings.items()}


def _custom(pattern: CustomSettings) -> CustomPattern:
    return CustomPattern(
        pattern.name,
        pattern.pattern,
        None if pattern.action is None else Action(pattern.action),
        pattern.validator,
        pattern.context,
        pattern.must_match,
        pattern.must_not_match,
    )
