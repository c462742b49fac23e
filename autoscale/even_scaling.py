"""The same as `autoscale.scaling` for samples that come evenly, each a minute late: quick enough for years.

An evaluation is decided by the answers to what the formula asks of its samples, one after the other. So each course of answers
is worked out by the interpreter once, and then remembered; and while all answers stay what they are, nothing has to be
evaluated. Neither knows anything of a certain formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta

from autoscale.interpreter.evaluate import Evaluation, evaluate
from autoscale.interpreter.metrics import NAMES, PERIOD, History, Question, Sample
from autoscale.interpreter.parser import Call, Place, parse
from autoscale.interpreter.values import Interval, Value
from autoscale.scaling import BEGIN, EVERY, HISTORY, LATENESS, Measure, moment


@dataclass
class _Step:
    """What a formula asks next, as far as it has got, and where each answer leads."""

    answer: Callable[[float], Value]
    """At a second."""
    leads: dict[object, _Step | Evaluation] = field(default_factory=dict)


class EvenScaling:
    """Of a pool with one formula; `hold`, `evaluate` and `is_settled` are those of Scaling."""

    def __init__(self, formula: str) -> None:
        self._samples = EvenSamples(name for name in NAMES if f"${name}" in formula)
        self._repeats = _repeats(formula)
        self._first: dict[object, _Step | Evaluation] = {}
        self._longest = 0.0

    def hold(self, until: float, measure: Measure) -> None:
        """Take all samples that are due before `until`: nothing has changed since the last call."""
        self._samples.hold(until, measure)

    def evaluate(self, formula: str, now: float, dedicated: int, spot: int) -> Evaluation:
        """What the formula wants, where its last evaluation wanted so many nodes. Raises FormulaError."""
        found = self._first.get((dedicated, spot))
        while isinstance(found, _Step):
            found = found.leads.get(found.answer(now))
        return found or self._work_out(formula, now, dedicated, spot)

    def is_settled(self, now: float) -> bool:
        """Whether each evaluation from now on gives what this one does, as long as neither the pool nor its targets change."""
        return self._repeats and now - self._samples.changed > self._longest + LATENESS + EVERY

    def _work_out(self, formula: str, now: float, dedicated: int, spot: int) -> Evaluation:
        asked = _Asked(self._samples, dedicated, spot)
        found = evaluate(formula, asked, moment(now))
        if not self._repeats:
            return found
        leads = self._first
        key: object = (dedicated, spot)
        for question, answer_at, answer in asked.course:
            self._longest = max(self._longest, *map(_looks_back, question.arguments), 0.0)
            step = leads.get(key)
            if not isinstance(step, _Step):
                step = leads[key] = _Step(answer_at)
            leads, key = step.leads, answer
        leads[key] = found
        return found


@dataclass
class _Asked:
    """What one evaluation reads, with all that it asked."""

    samples: EvenSamples
    target_dedicated: int
    target_low_priority: int
    course: list[tuple[Question, Callable[[float], Value], Value]] = field(default_factory=list)

    def answer(self, question: Question, now: datetime, place: Place) -> Value:
        answer_at = self.samples.answerer(question, place)
        value = answer_at((now - BEGIN).total_seconds())
        self.course.append((question, answer_at, value))
        return value


class EvenSamples:
    """A value of each variable for every 30 seconds since the beginning, so that a look back is a slice of a list."""

    def __init__(self, names: Iterable[str]) -> None:
        self._values: dict[str, list[float]] = {name: [] for name in names}
        self._last: Mapping[str, int] = {}
        self._count, self._next = 0, 0.0
        self.changed = 0.0
        """The second of the first sample that has all its values from the one before."""

    def hold(self, until: float, measure: Measure) -> None:
        """Take all samples that are due before `until`."""
        if until <= self._next:
            return
        due = int(-(-until // EVERY)) - self._count
        values = measure()
        if values != self._last:
            self._last, self.changed = values, self._count * EVERY
        for name, kept in self._values.items():
            if name in values:
                kept.extend([float(values[name])] * due)
        self._count += due
        self._next = self._count * EVERY

    def history(self, name: str, now: datetime) -> History:
        """The same as samples that carry their times: as many of them as are kept."""
        readable = self._readable((now - BEGIN).total_seconds())
        first = max(0, readable - HISTORY)
        samples = [
            Sample(BEGIN + PERIOD * number, BEGIN + PERIOD * number + timedelta(seconds=LATENESS), value)
            for number, value in enumerate(self._values[name][first:readable], first)
        ]
        return History(name, samples, now)

    def answerer(self, question: Question, place: Place) -> Callable[[float], Value]:
        """What answers the question at any second: quickly, where it is one that formulas usually ask."""
        values, readable = self._values[question.name], self._readable

        def slowly(now: float) -> Value:
            return self.history(question.name, moment(now)).answer(question, place)

        reduce: Callable[[list[float]], float] | None = {"max": max, "min": min}.get(question.function)
        match question.method, *question.arguments:
            case "GetSample", 1.0 if reduce:
                return lambda now: values[readable(now) - 1] if readable(now) else slowly(now)
            case "GetSample", Interval(seconds) if reduce and seconds >= 0:

                def within(now: float) -> Value:
                    window = values[_after(now - seconds) : readable(now)]
                    return reduce(window) if window else slowly(now)

                return within
            case "GetSamplePercent", Interval(seconds) if 0 <= seconds < EVERY:
                return lambda _: 0.0  # none is possible
            case "GetSamplePercent", Interval(seconds) if seconds >= EVERY:
                possible = seconds // EVERY
                return lambda now: min(100.0, 100.0 * max(0, readable(now) - _after(now - seconds)) / possible)
        return slowly

    def _readable(self, now: float) -> int:
        return min(self._count, max(0, int((now - LATENESS) // EVERY) + 1))


def _after(second: float) -> int:
    """The first sample after it."""
    return max(0, int(second // EVERY) + 1)


def _looks_back(argument: Value) -> float:
    """Seconds, at the most."""
    match argument:
        case Interval(seconds):
            return abs(seconds)
        case float(count):
            return count * EVERY
    return 0.0


def _repeats(formula: str) -> bool:
    """Whether the formula gives the same wherever its samples are the same: it doesn't ask for the time."""
    return not any(isinstance(node, Call) and node.function == "time" for node in _nodes(parse(formula)))


def _nodes(value: object) -> Iterator[object]:
    """All parts of a formula, in each other."""
    yield value
    if isinstance(value, tuple):
        for each in value:
            yield from _nodes(each)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _nodes(getattr(value, each.name))
