"""A tutor who explains and quizzes, and a student who learns: what both know outlives a run."""

from typing import Any

import msgspec
from chemistry import NotChemistry, atoms, solve

from mas import Agent, AgentMessage

QUIZ = {
    "masses": ["molar mass of Mg(OH)2", "molar mass of Al2(SO4)3", "molar mass of Ca(NO3)2"],
    "balances": [
        "balance Fe + O2 -> Fe2O3",
        "balance Al + HCl -> AlCl3 + H2",
        "balance CH4 + O2 -> CO2 + H2O",
    ],
    "acids": ["pH of 0.01 mol/L HCl", "pH of 0.001 mol/L HBr", "pH of 0.1 mol/L HI"],
}


class Ask(msgspec.Struct):
    question: str


class Explanation(msgspec.Struct):
    result: str
    steps: list[str]


class Quiz(msgspec.Struct):
    lesson: int
    questions: dict[str, str]
    """By topic; the topic that went worst so far comes first."""


class Answers(msgspec.Struct):
    answers: dict[str, str]
    questions: dict[str, str]


class Marks(msgspec.Struct):
    right: list[str]
    explained: dict[str, Explanation]
    """What was wrong, by topic, and how it is done."""


class Record(msgspec.Struct):
    """What the tutor remembers of one student."""

    lessons: int = 0
    mistakes: dict[str, int] = {}


class Register(msgspec.Struct):
    """The tutor's state: one record a student."""

    students: dict[str, Record] = {}


class Tutor(Agent[Register]):
    @Agent.on("question.ask", model=Ask)
    async def explain(self, message: AgentMessage, payload: Ask) -> None:
        try:
            worked = solve(payload.question)
        except NotChemistry as error:
            await message.reply("question.declined", {"reason": str(error)})
            return
        await message.reply("question.answer", Explanation(worked.result, worked.steps))

    @Agent.on("quiz.begin")
    async def quiz(self, message: AgentMessage, payload: None) -> None:
        record = self.state.students.get(message.sender_id, Record())
        topics = sorted(QUIZ, key=lambda topic: -record.mistakes.get(topic, 0))
        questions = {topic: QUIZ[topic][record.lessons % len(QUIZ[topic])] for topic in topics}
        await message.reply("quiz.questions", Quiz(record.lessons + 1, questions))

    @Agent.on("quiz.answers", model=Answers)
    async def mark(self, message: AgentMessage, payload: Answers) -> None:
        record = self.state.students.get(message.sender_id, Record())
        marks, mistakes = Marks([], {}), dict(record.mistakes)
        for topic, question in payload.questions.items():
            worked = solve(question)
            if payload.answers.get(topic) == worked.result:
                marks.right.append(topic)
            else:
                marks.explained[topic] = Explanation(worked.result, worked.steps)
                mistakes[topic] = mistakes.get(topic, 0) + 1
        known = Record(record.lessons + 1, mistakes)
        await self.update_state({"students": {**self.state.students, message.sender_id: known}})
        await message.reply("quiz.marks", marks)


class Notebook(msgspec.Struct):
    """The student's state: the topics of which a worked example was written down."""

    understood: list[str] = []


class Student(Agent[Notebook]):
    def __init__(self, agent_id: str, *, questions: list[str], **kwargs: Any) -> None:
        super().__init__(agent_id, **kwargs)
        self.questions = questions

    async def on_start(self) -> None:
        [tutor] = await self.discover("chemistry")
        for question in self.questions:
            answer = await self.request(tutor.agent_id, "question.ask", Ask(question))
            print(f"{question}: {answer.data['result']}  ({'; '.join(answer.data['steps'])})")
        await self.take_quiz(tutor.agent_id)

    async def take_quiz(self, tutor: str) -> None:
        asked = await self.request(tutor, "quiz.begin")
        quiz = msgspec.convert(asked.data, Quiz)
        answers = {topic: self.answer(topic, question) for topic, question in quiz.questions.items()}
        marked = await self.request(tutor, "quiz.answers", Answers(answers, quiz.questions))
        marks = msgspec.convert(marked.data, Marks)
        for topic, question in quiz.questions.items():
            verdict = "right" if topic in marks.right else f"no, {marks.explained[topic].result}"
            print(f"quiz, {question}: {answers[topic]}? {verdict}")
        await self.update_state({"understood": sorted({*self.state.understood, *marks.explained})})
        print(f"lesson {quiz.lesson}: {len(marks.right)} of {len(quiz.questions)} right")

    def answer(self, topic: str, question: str) -> str:
        """Answer by the rule, if it was ever written down; else make the beginner's mistake."""
        if topic in self.state.understood:
            return solve(question).result
        subject = question.split(maxsplit=1)[1]
        match topic:
            case "masses":
                return f"{len(atoms(subject.removeprefix('mass of ')))} g/mol"
            case "balances":
                return subject
            case _:
                return "pH 7.0"
