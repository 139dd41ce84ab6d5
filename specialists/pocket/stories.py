"""Arithmetic stories: people who gain, lose, pass on and compare amounts of one item, event by
event.

A story consists of the program from which it was drawn (:class:`Step`) and of sentences. The
notation of a step, ``Ben@market: Ben + 12``, is the output of the ``decompose`` specialist: the
person whose amount changes, the place, and the operation on a name, on an earlier amount
(``Ana@fair``) or on a number. In prompts the sentences are numbered (:func:`numbered`); the answer
repeats each sentence behind its number and puts its steps below, so that each step can be read from
the sentence above it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from specialists.pocket.arithmetic import LIMIT, apply, within_reach
from specialists.pocket.heldout import held_out, pair_held_out

NAMES = (
    "Ana",
    "Ben",
    "Cleo",
    "Dan",
    "Eva",
    "Finn",
    "Gina",
    "Hugo",
    "Iris",
    "Jack",
    "Kim",
    "Leo",
    "Mia",
    "Noah",
    "Olga",
    "Paul",
    "Rosa",
    "Sam",
    "Tina",
    "Uma",
    "Vera",
    "Will",
    "Yara",
    "Zoe",
)
ITEMS = (
    "apples",
    "beads",
    "books",
    "cards",
    "coins",
    "eggs",
    "marbles",
    "nuts",
    "pens",
    "pins",
    "plums",
    "ribbons",
    "shells",
    "stamps",
    "stickers",
    "tokens",
)
PLACES = (
    "market",
    "fair",
    "beach",
    "harbour",
    "library",
    "school",
    "park",
    "museum",
    "station",
    "bakery",
    "castle",
    "farm",
    "forest",
    "garden",
    "mill",
    "pier",
    "river",
    "shop",
    "square",
    "stadium",
    "theatre",
    "tower",
    "village",
    "zoo",
    "bridge",
    "camp",
    "church",
    "cinema",
    "circus",
    "factory",
    "hotel",
    "island",
)

_START = ("{a} starts with {n} {i}.", "{a} has {n} {i} at first.", "At the start {a} owns {n} {i}.")
_GAIN = (
    "{a} buys {n} {i}", "{a} finds {n} {i}", "{a} wins {n} {i}", "{a} gets {n} more {i}",
    "{a} picks up {n} {i}", "a friend gives {a} {n} {i}", "{a} collects {n} {i}",
)  # fmt: skip
_LOSS = (
    "{a} sells {n} {i}", "{a} loses {n} {i}", "{a} gives away {n} {i}", "{a} drops {n} {i}",
    "{n} of the {i} of {a} break", "{a} hands out {n} {i}", "{a} trades away {n} {i}",
)  # fmt: skip
_PASS = (
    "{a} gives {n} {i} to {b}", "{a} sends {b} {n} {i}", "{b} receives {n} {i} from {a}",
    "{a} passes {n} {i} on to {b}",
)  # fmt: skip
_TIMES = (
    "the {i} of {a} become {n} times as many", "{a} ends up with {n} times as many {i}",
    "{a} multiplies the pile of {i} by {n}",
)  # fmt: skip
_DOUBLE = ("{a} doubles the number of {i}", "{a} ends up with twice as many {i}")
_TRIPLE = ("{a} triples the number of {i}", "{a} ends up with three times as many {i}")
_SHARE = (
    "{a} splits the {i} into {n} equal piles and keeps one",
    "{a} shares the {i} equally among {n} people and keeps one share",
    "{a} keeps only one of {n} equal parts of the {i}",
)  # fmt: skip
_HALF = ("{a} gives away half of the {i}", "{a} keeps only half of the {i}")
_NOW = (
    "{a} gets as many {i} as {b} has now", "{a} wins as many {i} as {b} has at that moment",
    "{a} buys as many {i} as {b} owns now",
)  # fmt: skip
_PAST = (
    "{a} gets as many {i} as {b} had after the {p}", "{a} finds as many {i} as {b} had after the {p}",
    "{a} buys as many {i} as {b} owned after the {p}",
)  # fmt: skip
_NOISE = (
    "The sun is out.", "It starts to rain.", "{a} waves to {b}.", "{a} tells a long joke.",
    "{b} is tired and takes a nap.", "A dog barks at {a}.", "{a} and {b} talk about the weather.",
    "{b} likes the {p}.", "Nobody looks at the clock.", "{a} sings a song about {i}.",
    "Two birds sit on a fence.", "{b} looks for a blue hat.",
)  # fmt: skip
_ASK = (
    "How many {i} does {a} have at the end?", "How many {i} does {a} have now?",
    "In the end, how many {i} does {a} own?",
)  # fmt: skip
_ASK_SUM = (
    "How many {i} do {a} and {b} have together at the end?",
    "How many {i} do {a} and {b} own in all?",
)  # fmt: skip


def numbered(parts: Iterable[str]) -> str:
    """``parts``, one a line, each behind its number: ``#1 Ana has 3 nuts at first.``"""
    return "\n".join(f"#{k} {part}" for k, part in enumerate(parts, 1))


@dataclass(frozen=True)
class Step:
    """``target[@place]: left [op right]``; operands are numbers, names or ``name@place``."""

    target: str
    left: str
    op: str | None = None
    right: str | None = None
    place: str | None = None

    def __str__(self) -> str:
        head = f"{self.target}@{self.place}" if self.place else self.target
        return f"{head}: {self.left}" + (f" {self.op} {self.right}" if self.op else "")


@dataclass(frozen=True)
class Event:
    """One sentence and its steps (none for a distractor)."""

    sentence: str
    steps: tuple[Step, ...] = ()


@dataclass
class Story:
    """Sentences with their steps, every intermediate value, and the answer."""

    item: str
    events: list[Event] = field(default_factory=list)
    question: str = ""
    asked: tuple[str, ...] = ()
    values: list[tuple[Step, int, int | None, int]] = field(default_factory=list)
    """(step, left value, right value, result) in order, the final sum of two people included."""
    answer: int = 0

    @property
    def sentences(self) -> list[str]:
        return [*(e.sentence for e in self.events), self.question]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)

    @property
    def steps(self) -> list[Step]:
        return [s for e in self.events for s in e.steps]

    @property
    def told(self) -> list[tuple[str, Sequence[object]]]:
        """Each sentence, the question included, and the steps that ``decompose`` writes below
        it."""
        return [*((e.sentence, e.steps) for e in self.events), (self.question, (self.ask,))]

    @property
    def ask(self) -> str:
        """The last line of a decomposition."""
        return "answer: " + " + ".join(self.asked)


class _Teller:
    """Draws a story event by event while keeping every amount within reach."""

    def __init__(self, rng: random.Random, people: int, *, test: bool, places: float) -> None:
        self.rng, self.test, self.place_rate = rng, test, places
        self.names = rng.sample(NAMES, people)
        self.story = Story(item=rng.choice(ITEMS))
        self.amount: dict[str, int] = {}
        self.past: dict[str, int] = {}
        self.free_places = rng.sample(PLACES, len(PLACES))

    def _ok(self, op: str, a: int, b: int) -> bool:
        if not within_reach(op, a, b) or apply(op, a, b) > LIMIT:
            return False
        return self.test or not pair_held_out(op, a, b)

    def start(self, name: str) -> None:
        n = self.rng.randint(2, self.rng.choice((20, 99, 400)))
        text = self.rng.choice(_START).format(a=name, n=n, i=self.story.item)
        step = Step(name, str(n))
        self.amount[name] = n
        self.story.events.append(Event(text, (step,)))
        self.story.values.append((step, n, None, n))

    def noise(self) -> None:
        a, b = self.rng.choice(self.names), self.rng.choice(NAMES)
        text = self.rng.choice(_NOISE)
        where = self.rng.choice(PLACES)
        self.story.events.append(Event(text.format(a=a, b=b, p=where, i=self.story.item)))

    def event(self) -> None:
        while not self._try_event():
            pass

    def _try_event(self) -> bool:
        rng = self.rng
        a = rng.choice(self.names)
        have = self.amount[a]
        others = [n for n in self.names if n != a]
        kind = rng.choice(("gain", "gain", "loss", "loss", "times", "share", "pass", "now", "past"))
        if have > 1500 and kind in ("gain", "times", "now") and rng.random() < 0.8:
            kind = rng.choice(("loss", "share"))
        b, place, word = "", "", None
        templates: tuple[str, ...]
        changes: list[tuple[str, str, str, int]]
        n = rng.randint(2, rng.choice((20, 99, 300)))
        if kind == "gain":
            templates, changes = _GAIN, [(a, "+", str(n), n)]
        elif kind == "loss":
            templates, changes = _LOSS, [(a, "-", str(n), n)]
        elif kind == "times":
            n = rng.choice((2, 2, 3, 3, 4, 5, 6, 8, 10, 12))
            word = {2: _DOUBLE, 3: _TRIPLE}.get(n) if rng.random() < 0.6 else None
            templates, changes = word or _TIMES, [(a, "*", str(n), n)]
        elif kind == "share":
            divisors = [k for k in range(2, 100) if have % k == 0 and have // k >= 2]
            if not divisors:
                return False
            n = rng.choice([k for k in divisors if k <= 12] or divisors)
            word = _HALF if n == 2 and rng.random() < 0.6 else None
            templates, changes = word or _SHARE, [(a, "/", str(n), n)]
        elif kind == "pass" and others:
            b = rng.choice(others)
            templates, changes = _PASS, [(a, "-", str(n), n), (b, "+", str(n), n)]
        elif kind == "now" and others:
            b = rng.choice(others)
            templates, changes = _NOW, [(a, "+", b, self.amount[b])]
        elif kind == "past" and self.past:
            ref = rng.choice(sorted(self.past))
            b, place = ref.split("@")
            templates, changes = _PAST, [(a, "+", ref, self.past[ref])]
        else:
            return False
        if not all(self._ok(op, self.amount[who], v) for who, op, _, v in changes):
            return False
        body = rng.choice(templates).format(a=a, b=b, n=n, i=self.story.item, p=place)
        self._commit(body, changes)
        return True

    def _commit(self, body: str, changes: list[tuple[str, str, str, int]]) -> None:
        place, sentence = None, body[0].upper() + body[1:] + "."
        if self.free_places and self.rng.random() < self.place_rate:
            place = self.free_places.pop()
            tail = (
                "has now" in body or "moment" in body or "owns now" in body or "after the" in body
            )
            front = tail or self.rng.random() < 0.5
            sentence = f"At the {place}, {body}." if front else f"{sentence[:-1]} at the {place}."
        steps = []
        for who, op, operand, value in changes:
            step = Step(who, who, op, operand, place)
            before, after = self.amount[who], apply(op, self.amount[who], value)
            self.story.values.append((step, before, value, after))
            self.amount[who] = after
            steps.append(step)
            if place:
                self.past[f"{who}@{place}"] = after
        self.story.events.append(Event(sentence, tuple(steps)))

    def ask(self) -> None:
        story, item = self.story, self.story.item
        if len(self.names) > 1 and self.rng.random() < 0.25:
            a, b = self.rng.sample(self.names, 2)
            if self._ok("+", self.amount[a], self.amount[b]):
                story.question = self.rng.choice(_ASK_SUM).format(a=a, b=b, i=item)
                story.asked = (a, b)
                x, y = self.amount[a], self.amount[b]
                story.values.append((Step("answer", a, "+", b), x, y, x + y))
                story.answer = x + y
                return
        a = story.values[-1][0].target
        story.question = self.rng.choice(_ASK).format(a=a, i=item)
        story.asked, story.answer = (a,), self.amount[a]


def draw_story(
    rng: random.Random, events: int, *, test: bool, people: int | None = None, noise: float = 0.15
) -> Story:
    """A story of ``events`` events over one to four people, from the requested split.

    Each person's first amount stands before the first event and does not count as an event; about
    ``noise`` distractors for each event are mixed in.
    """
    while True:
        teller = _Teller(rng, people or rng.randint(1, 4), test=test, places=0.35)
        for name in teller.names:
            teller.start(name)
        for _ in range(events):
            if rng.random() < noise:
                teller.noise()
            teller.event()
        teller.ask()
        if held_out(teller.story.text) == test:
            return teller.story


def step_lines(told: Iterable[tuple[str, Sequence[object]]]) -> str:
    """The decomposition of (sentence, its steps): each sentence repeated, then its steps or
    ``none``."""
    parts = ("\n".join([text, *map(str, steps or ("none",))]) for text, steps in told)
    return numbered(parts)


def draw_chunk(rng: random.Random, events: int, *, test: bool) -> tuple[list[str], str]:
    """(sentences, answer) for ``decompose``: up to ``events`` sentences from the middle of a
    story."""
    story = draw_story(rng, rng.randint(events, events + 8), test=test)
    first = rng.randrange(max(1, len(story.told) - events + 1))
    chunk = story.told[first : first + events]
    return [text for text, _ in chunk], step_lines(chunk)


def draw_expression(rng: random.Random, operations: int, *, test: bool) -> tuple[str, str]:
    """(prompt, answer) for ``decompose`` on a bracketed expression.

    In training its first pair of operands, the only pair of numbers in the text, is never held out.
    """
    first, lines = rng.randint(2, 999), []
    text = left = str(first)
    for k in range(operations):
        while True:
            op, n = rng.choice("+-*/"), str(rng.randint(2, 99 if rng.random() < 0.7 else 999))
            if k or test or not pair_held_out(op, first, int(n)):
                break
        name = "abcd"[k]
        lines.append(f"{name}: {left} {op} {n}")
        text = f"({text} {op} {n})" if k + 1 < operations else f"{text} {op} {n}"
        left = name
    return text, step_lines([(text, [*lines, f"answer: {left}"])])
