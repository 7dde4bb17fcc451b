"""What one render may use: a count of work that is the same on every machine, and the clock only as a net below it.

A step is one node, one iteration, one call, or four characters that go through a function: about a microsecond, at most two.
50,000 steps are therefore the promise of 50 ms. The processor time of the thread stops what the count did not foresee.
"""

from time import thread_time

from .errors import TemplateTooExpensive

STEPS = 50_000
OUTPUT_BYTES = 1 << 20
VALUE_CHARACTERS = 1 << 20
VALUE_DEPTH = 250
TEMPLATE_DEPTH = 100
CPU_SECONDS = 0.25


class Budget:
    """What is left for the render under way."""

    __slots__ = ("_deadline", "_next_look", "output_left", "steps_left")

    def __init__(self) -> None:
        self.steps_left = STEPS
        self.output_left = OUTPUT_BYTES
        self._deadline = thread_time() + CPU_SECONDS
        self._next_look = STEPS - 500

    def spend(self, steps: int) -> None:
        self.steps_left -= steps
        if self.steps_left < self._next_look:
            if self.steps_left < 0:
                raise TemplateTooExpensive(f"the template does more than {STEPS:,} steps of work: make loops and texts shorter")
            if thread_time() > self._deadline:
                raise TemplateTooExpensive("the template takes too long: make loops and texts shorter")
            self._next_look = self.steps_left - 500

    def emit(self, text: str) -> None:
        self.output_left -= len(text) if text.isascii() else len(text.encode(errors="replace"))
        if self.output_left < 0:
            raise TemplateTooExpensive(f"the template writes more than {OUTPUT_BYTES:,} bytes")

    def expect(self, characters: int) -> None:
        """Refuse a value before it is made. Four of its characters are one step."""
        if characters > VALUE_CHARACTERS:
            raise TemplateTooExpensive(f"a value would be longer than {VALUE_CHARACTERS:,} characters")
        self.spend(characters >> 2)

    def weigh(self, value: object) -> tuple[int, int]:
        """Return the characters and the depth that printing the value would take, and pay for the walk.

        A value may hold the same list many times, or itself: the walk counts what printing would visit, and its price ends it.
        """
        if isinstance(value, str):
            return len(value), 0
        if not isinstance(value, dict | list | tuple):
            return 8, 0
        characters = deepest = 0
        pending: list[tuple[object, int]] = [(value, 1)]
        while pending:
            item, depth = pending.pop()
            if isinstance(item, str):
                characters += len(item) + 2
            elif isinstance(item, dict):
                self._enter(len(item), depth)
                characters += 2
                for key, held in item.items():
                    characters += len(key) + 4 if isinstance(key, str) else 8
                    pending.append((held, depth + 1))
            elif isinstance(item, list | tuple):
                self._enter(len(item), depth)
                characters += 2
                pending.extend((held, depth + 1) for held in item)
            else:
                characters += 8
            deepest = max(deepest, depth)
            if characters > VALUE_CHARACTERS:
                self.expect(characters)
        return characters, deepest

    def _enter(self, items: int, depth: int) -> None:
        if depth > VALUE_DEPTH:
            raise TemplateTooExpensive(f"a value is nested deeper than {VALUE_DEPTH} levels, or holds itself")
        self.spend(1 + (items >> 1))
