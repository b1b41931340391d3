"""A baker, a customer, and a stranger: agents as anyone would write them."""

from typing import Any

import anyio
import msgspec

from mas import Agent, AgentMessage


class Order(msgspec.Struct):
    """What a customer wants."""

    bread: str


class Shop(msgspec.Struct):
    """What the baker remembers, through crashes and restarts."""

    sold: int = 0


class OvenOnFire(Exception):
    """More than the baker can handle."""


class Baker(Agent[Shop]):
    """Sells bread, and counts the loaves."""

    def __init__(self, agent_id: str, **kwargs: Any) -> None:
        super().__init__(agent_id, **kwargs)
        self.smoke = anyio.Event()

    async def on_start(self) -> None:
        """Watch the oven for as long as the shop is open; what is raised here is a crash."""
        await self.smoke.wait()
        raise OvenOnFire("the oven is on fire")

    @Agent.on("bread.order", model=Order)
    async def sell(self, message: AgentMessage, order: Order) -> None:
        """Hand over a loaf."""
        await self.update_state({"sold": self.state.sold + 1})
        await message.reply("bread.sold", {"bread": order.bread, "loaf": self.state.sold})


class Customer(Agent[dict[str, Any]]):
    """May order: the permissions say so."""

    async def buy(self, bread: str) -> dict[str, Any]:
        """Order a loaf and return what comes back."""
        reply = await self.request("baker", "bread.order", Order(bread), timeout=10)
        loaf: dict[str, Any] = reply.data
        return loaf


class Stranger(Customer):
    """Does the same, but nobody gave it a permission."""


BAKERY = {
    "agents": [
        {"agent_id": "baker", "class_path": Baker},
        {"agent_id": "customer", "class_path": Customer},
        {"agent_id": "stranger", "class_path": Stranger},
    ],
    "permissions": [{"type": "allow", "from": "customer", "to": "baker"}],
}
"""The same as agents.yaml would say it."""
