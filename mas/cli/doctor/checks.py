"""Every check there is, in the order in which a cause comes before what it causes."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from mas.cli.doctor import configuration, files, flow, keeping, machine, residents, server
from mas.cli.doctor.finding import Finding
from mas.cli.doctor.patient import Patient


class Check(NamedTuple):
    """One line of the report.

    :param look: returns what it came to, or raises: `CannotLook`, or what a run would end with
    """

    name: str
    look: Callable[[Patient], Finding | Awaitable[Finding]]


CHECKS: Final = (
    Check("python", machine.python),
    Check("packages", machine.packages),
    Check("server program", machine.server_program),
    Check("open files", machine.open_files),
    Check("configuration", configuration.configuration),
    Check("writers", configuration.writers),
    Check("warnings", configuration.warnings),
    Check("policies", configuration.policies),
    Check("secret", files.secret),
    Check("data directory", files.data_directory),
    Check("disk", files.space),
    Check("audit key", files.audit_key),
    Check("audit sink", files.audit_sink),
    Check("archives", files.archives),
    Check("redis", server.reachable),
    Check("way to redis", server.way),
    Check("password", server.password),
    Check("accounts", server.accounts),
    Check("rights", server.rights),
    Check("eviction", keeping.eviction),
    Check("memory", server.memory),
    Check("persistence", keeping.persistence),
    Check("disk writes", keeping.writes),
    Check("failover", keeping.failover),
    Check("clock", server.clock),
    Check("connections", server.connections),
    Check("runners", residents.runners),
    Check("gateways", residents.gateways),
    Check("permissions", residents.policy),
    Check("sealer", residents.sealer),
    Check("seals", residents.seals),
    Check("unsealed records", flow.unsealed),
    Check("ingress", flow.ingress),
    Check("mail", flow.mail),
    Check("leases", flow.leases),
    Check("dead letters", flow.dead_letters),
    Check("instances", residents.instances),
    Check("circuits", residents.breakers),
)
