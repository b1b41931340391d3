from pydantic import BaseModel

from mas import Agent, AgentMessage


class Question(BaseModel):
    topic: str


class Ledger(BaseModel):
    """What the librarian remembers from one run to the next."""

    lent: int = 0


SHELF = {"bees": "The Life of the Bee", "whales": "Moby-Dick"}


class Librarian(Agent[Ledger]):
    @Agent.on("book.wanted", model=Question)
    async def lend(self, message: AgentMessage, question: Question) -> None:
        await self.update_state({"lent": self.state.lent + 1})
        title = SHELF.get(question.topic, "an encyclopedia")
        await message.reply("book.lent", {"title": title, "number": self.state.lent})


class Reader(Agent[dict]):
    async def on_start(self) -> None:
        book = await self.request("librarian", "book.wanted", {"topic": "whales"}, timeout=5)
        print(f"Reading {book.data['title']}, loan number {book.data['number']}.")
