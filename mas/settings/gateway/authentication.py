"""`authentication:` in gateway.yaml: how long what an agent proves itself with stays good."""

from typing import Annotated

from attrs import frozen

from mas.settings.fields import Within, by_type


@frozen(kw_only=True, field_transformer=by_type)
class AuthenticationSettings:
    """How long tokens live."""

    token_lifetime: Annotated[float, Within(240, 31_536_000, "s")] = 86_400.0
    """How long a token stays valid, in seconds; the runner rotates it at half of that, without a restart."""
