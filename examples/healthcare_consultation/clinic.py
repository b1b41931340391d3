"""A patient, a triage nurse and two specialists; what is wrong with whom is decided by rules."""

from typing import Literal

from pydantic import BaseModel, Field

from mas import Agent, AgentMessage, MessageRefused

Urgency = Literal["emergency", "soon", "self-care"]
CARDIAC = {"chest pain", "palpitations", "short of breath"}
SKIN = {"rash", "itching", "changing mole"}


class Report(BaseModel):
    age: int = Field(ge=0, le=120)
    pulse: int = Field(ge=20, le=250, description="beats a minute")
    symptoms: list[str] = Field(min_length=1)


class Referral(BaseModel):
    case: int
    urgency: Urgency
    report: Report


class Opinion(BaseModel):
    finding: str
    advice: str


class Plan(BaseModel):
    case: int
    urgency: Urgency
    seen_by: str
    advice: str


class CaseBook(BaseModel):
    """What triage remembers: how many cases it took, over all runs."""

    cases: int = 0


class Triage(Agent[CaseBook]):
    @Agent.on("symptoms.report", model=Report)
    async def assess(self, message: AgentMessage, payload: Report) -> None:
        await self.update_state({"cases": self.state.cases + 1})
        case, urgency, field = self.state.cases, urgency_of(payload), field_of(payload)
        specialists = await self.discover(field) if field else []
        if urgency == "self-care" or not specialists:
            plan = Plan(
                case=case, urgency=urgency, seen_by=self.id, advice="rest, and report again if it gets worse"
            )
        else:
            seen_by = specialists[0].agent_id
            referral = Referral(case=case, urgency=urgency, report=payload)
            opinion = Opinion.model_validate((await self.request(seen_by, "referral", referral)).data)
            plan = Plan(
                case=case, urgency=urgency, seen_by=seen_by, advice=f"{opinion.finding}: {opinion.advice}"
            )
        await message.reply("symptoms.plan", plan)


class Cardiologist(Agent[dict[str, object]]):
    @Agent.on("referral", model=Referral)
    async def examine(self, message: AgentMessage, payload: Referral) -> None:
        if payload.urgency == "emergency":
            opinion = Opinion(finding="possible acute coronary syndrome", advice="ECG and troponin now")
        else:
            opinion = Opinion(finding="palpitations", advice="ECG within the week")
        await message.reply("opinion", opinion)


class Dermatologist(Agent[dict[str, object]]):
    @Agent.on("referral", model=Referral)
    async def examine(self, message: AgentMessage, payload: Referral) -> None:
        mole = "changing mole" in payload.report.symptoms
        opinion = (
            Opinion(finding="naevus", advice="dermatoscopy")
            if mole
            else Opinion(finding="dermatitis", advice="a mild ointment, twice a day")
        )
        await message.reply("opinion", opinion)


class Patient(Agent[dict[str, object]]):
    async def on_start(self) -> None:
        await self.try_to_skip_the_queue()
        for report in (
            Report(age=61, pulse=118, symptoms=["chest pain", "short of breath"]),
            Report(age=34, pulse=70, symptoms=["rash", "itching"]),
            Report(age=28, pulse=64, symptoms=["runny nose"]),
        ):
            answer = await self.request("triage", "symptoms.report", report)
            plan = Plan.model_validate(answer.data)
            print(f"{', '.join(report.symptoms)} -> {plan.urgency}, seen by {plan.seen_by}: {plan.advice}")
        print("consultation over")

    async def try_to_skip_the_queue(self) -> None:
        """Neither finds nor reaches a specialist: the gateway says no, at once and with the reason."""
        visible = [peer.agent_id for peer in await self.discover()]
        print(f"the patient sees {visible}")
        try:
            await self.request("cardiologist", "referral", {"report": "please hurry"})
        except MessageRefused as refused:
            print(f"the patient writes to the cardiologist -> {refused.decision}: {refused.reason}")


def urgency_of(report: Report) -> Urgency:
    """Decide how soon somebody must look."""
    if "chest pain" in report.symptoms and (report.age >= 40 or report.pulse > 110):
        return "emergency"
    return "soon" if field_of(report) else "self-care"


def field_of(report: Report) -> str:
    """Decide whose field it is; empty for nobody's."""
    if CARDIAC & set(report.symptoms):
        return "cardiology"
    return "dermatology" if SKIN & set(report.symptoms) else ""
