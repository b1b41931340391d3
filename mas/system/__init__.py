"""The one package that sees everyone: it turns a configuration into a running tree.

    mas (one_for_one)
    ├── redis          the embedded server, where no URL is given
    ├── connection     one socket for all commands of this process
    ├── subscription   one socket for all rings
    ├── audit          seals what is recorded, and archives it
    ├── events         writes down what touches security and is no message
    ├── bulletin       shows this tree to whoever asks, by way of Redis
    ├── steering       takes an operator's commands
    ├── watchdog       names what holds up the event loop
    ├── ops            health, metrics and a dashboard, where a port is given
    ├── tombstones     who was revoked: in Redis, in this process and on this disk alike
    ├── registry       finds instances that died
    ├── policy         keeps what the configuration grants in Redis
    ├── letters        archives dead letters that are too many or too old
    ├── outsiders      lets whoever has a Redis user of its own into Redis, and nobody else
    ├── grants         enrols whoever shows a grant
    ├── gateway        decides and delivers
    ├── roster         enrols the agents, keeps them alive, signs them off
    ├── pulse          the beat of all inboxes
    └── agents (one_for_one)
        ├── the supervisors that agents.yaml declares, with their agents
        └── echo, greeter, ...

Started downward, stopped upward: whoever still works while it stops can still be answered.

assembly    everyone is made and put in their place
tree        the agents' places, as declared
seat        one instance's place
bounds      who keeps what is recorded within its bounds
registered  who looks after what the registry keeps for all
operating   what lets people see and steer the rest
policy      what is in force: from the settings, reloaded, changed, followed
opening     from a configuration to a running system
"""

from mas.system.assembly import ALL, Part, System
from mas.system.opening import Config, open_system, prepare
from mas.system.policy import Reloaded
from mas.system.seat import Seat

__all__ = ["ALL", "Config", "Part", "Reloaded", "Seat", "System", "open_system", "prepare"]
