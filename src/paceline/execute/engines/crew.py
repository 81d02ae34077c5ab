"""The engines of a study: how they start, and what happens to those that cannot."""

from collections.abc import Callable

from paceline.core import PacelineError
from paceline.core.events import ADVICE, Event, Noted
from paceline.execute.engines.link import EngineSupply
from paceline.execute.engines.messages import Message
from paceline.execute.engines.numerics import numerics
from paceline.execute.engines.slot import EngineSlot
from paceline.execute.engines.work_coding import encoded_work
from paceline.execute.lane_facts import LaneFacts
from paceline.execute.versions import differences, versions
from paceline.execute.work import NetworkWork

_TRIES = 2  # starts of an engine that fail one after the other


class Crew:
    """Takes engines from their supply, and gives them the work."""

    def __init__(
        self,
        work: NetworkWork,
        supply: EngineSupply,
        wake: Callable[[], None],
        facts: LaneFacts | None = None,
    ) -> None:
        """Encodes the work; takes no engine yet.

        Args:
            work: the networks.
            supply: where engines come from.
            wake: called when a message has arrived.
            facts: those of this process; None to find them out.

        Raises:
            InvalidInput: the work cannot be sent to another process.
        """
        self.slots: list[EngineSlot] = []
        self._supply, self._own_facts = supply, facts
        self._fused = work.backend == "jax"
        self._work, self._arrays = encoded_work(work, supply.has_same_main)
        self._facts: LaneFacts | None = None
        self._versions = versions()
        self._failures, self._is_enough = 0, False
        supply.connect(wake)

    @property
    def at_once(self) -> int:
        """Cohorts that all engines train at once."""
        return max(1, sum(slot.at_once for slot in self.slots))

    def fill(self, num_open: int) -> None:
        """Takes engines, if there are more trainings than engines.

        Raises:
            PacelineError: none can be started.
        """
        while len(self.slots) < num_open and not self._is_enough:
            link = self._supply.take(len(self.slots))
            if link is None:
                return
            self.slots.append(EngineSlot(link))

    def greet(self, slot: EngineSlot, message: Message) -> Event | PacelineError | None:
        """Sends the work to an engine that has started, unless its versions differ."""
        different = differences(self._versions, message.content["versions"])
        if different:
            return self._reject(slot, f"versions differ: {different}")
        slot.phase, slot.at_once = "preparing", message.content["at_once"]
        if self._facts is None:
            self._facts = self._decided(LaneFacts.from_json(message.content["facts"]))
        content = {"work": self._work, "facts": self._facts.to_json(), "numerics": numerics()}
        slot.link.send(Message("start", content, self._arrays))
        return None

    def ready(self, slot: EngineSlot) -> None:
        """Notes that an engine takes jobs."""
        slot.phase, self._failures = "ready", 0

    def refuse(self, slot: EngineSlot, error: PacelineError) -> Event | PacelineError | None:
        """Removes an engine that cannot do the work; the others could not either."""
        if self._supply.starts_engines:
            self._remove(slot)
            return error
        return self._reject(slot, str(error))

    def lose(self, slot: EngineSlot, reason: str) -> Event | PacelineError | None:
        """Removes a lost engine; the error or note if it had not started."""
        if slot.phase == "ready":
            self._remove(slot)
            self._is_enough = self._is_enough and bool(self.slots)
            return None
        return self._reject(slot, reason)

    def close(self) -> None:
        """Ends all engines."""
        for slot in list(self.slots):
            self._remove(slot)
        self._supply.close()

    def _decided(self, of_engine: LaneFacts) -> LaneFacts:
        """The facts from which all engines choose numbers of lanes.

        Those of this machine if the engines have such devices, so that a study is the same as
        without engines; else those of the first engine.
        """
        own = self._own_facts or LaneFacts.of_machine(self._fused)
        return own if own.device.is_cpu and own.is_like(of_engine) else of_engine

    def _reject(self, slot: EngineSlot, reason: str) -> Event | PacelineError | None:
        """Removes an engine that could not start: a note, or an error after too many."""
        self._remove(slot)
        name, advice = slot.link.name, self._supply.advice
        if not self._supply.starts_engines:
            return Noted(f"The engine {name} cannot take part: {reason}.", ADVICE)
        self._failures += 1
        if self._failures < _TRIES:
            return None
        if any(one.phase == "ready" for one in self.slots):
            self._is_enough = True
            return Noted(
                f"No further engine starts: {reason}, before it could begin. The study continues "
                "with those that run.",
                ADVICE,
            )
        return PacelineError(f"{reason}, before it could begin. {advice}".rstrip())

    def _remove(self, slot: EngineSlot) -> None:
        self.slots.remove(slot)
        slot.link.close()
