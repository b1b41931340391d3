"""Settings: agents.yaml and gateway.yaml as attrs classes.

`load` finds the files, reads them as plain data (`document`), lays the environment's overrides on
top (`variables`), turns the result into classes (`structure`, `model`) and asks what must hold
between them (`checks`). `explain` says where each value came from; `sharing` what binds all gateways
alike; `way_in` opens a deployment that runs.
"""

from mas.settings.agent import AgentSettings
from mas.settings.classes import resolve_class
from mas.settings.deployment import deployment_secret
from mas.settings.explain import Explained, explain
from mas.settings.fields import Within
from mas.settings.gateway import (
    AuditSettings,
    AuthenticationSettings,
    DeliverySettings,
    FeatureSettings,
    GatewaySettings,
    LetterSettings,
    LimitSettings,
    RateLimitSettings,
    RateOverride,
    RedisSettings,
    SigningSettings,
)
from mas.settings.load import load
from mas.settings.model import Settings
from mas.settings.ops import OpsSettings
from mas.settings.permissions import (
    Allow,
    AllowBidirectional,
    AllowBroadcast,
    AllowNetwork,
    AllowWildcard,
    Assign,
    Block,
    Permission,
    Role,
)
from mas.settings.redis_url import RedisUrl
from mas.settings.search import find_config
from mas.settings.secret import Secret
from mas.settings.sharing import changed_keys, kept_until_restart, read_shared, share, wait_for_restart
from mas.settings.supervisors import SupervisorSettings
from mas.settings.way_in import way_in

__all__ = [
    "AgentSettings",
    "Allow",
    "AllowBidirectional",
    "AllowBroadcast",
    "AllowNetwork",
    "AllowWildcard",
    "Assign",
    "AuditSettings",
    "AuthenticationSettings",
    "Block",
    "DeliverySettings",
    "Explained",
    "FeatureSettings",
    "GatewaySettings",
    "LetterSettings",
    "LimitSettings",
    "OpsSettings",
    "Permission",
    "RateLimitSettings",
    "RateOverride",
    "RedisSettings",
    "RedisUrl",
    "Role",
    "Secret",
    "Settings",
    "SigningSettings",
    "SupervisorSettings",
    "Within",
    "changed_keys",
    "deployment_secret",
    "explain",
    "find_config",
    "kept_until_restart",
    "load",
    "read_shared",
    "resolve_class",
    "share",
    "wait_for_restart",
    "way_in",
]
