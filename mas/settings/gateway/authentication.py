"""`authentication:` in gateway.yaml: how long what an agent proves itself with stays good."""

from typing import Annotated

from attrs import frozen

from mas.settings.fields import Within, by_type


@frozen(kw_only=True, field_transformer=by_type)
class AuthenticationSettings:
    """How long tokens live, and what of failures is written."""

    token_lifetime: Annotated[float, Within(240, 31_536_000, "s")] = 86_400.0
    """How long a token stays valid, in seconds; the runner rotates it at half of that, without a restart."""

    recorded_failures: Annotated[int, Within(1, 1_000_000, "a second")] = 200
    """Refusals of what proves nothing that are written, a second and ingress stream; of more, one in a
    hundred is written, and all are counted."""
