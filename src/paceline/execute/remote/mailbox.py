"""Messages in numbered parts, so that none is lost or taken twice when a request is repeated.

A body is the number of its first part (8 bytes), then the parts. A part is its length (4 bytes),
whether it is the last of its message (1 byte), and its content.
"""

import struct
import threading
from collections import deque

PART_BYTES = 2**22
"""How long a part is at most."""

BODY_BYTES = 2 * PART_BYTES
"""How long a body is at most, headers of parts included: a part, and short ones beside it."""

_FIRST, _HEAD = struct.Struct(">Q"), struct.Struct(">I?")


class Malformed(ValueError):
    """A body that no mailbox has made, or a message that is too long."""


class Outbox:
    """Messages to the other end, kept until that says that it has them. Threads may share it."""

    def __init__(self) -> None:
        """Has no message."""
        self._parts: deque[bytes] = deque()
        self._first = 0  # the number of the first part that is kept
        self._lock = threading.Lock()

    def put(self, message: bytes) -> None:
        """Adds a message."""
        starts = range(0, max(len(message), 1), PART_BYTES)
        whole = memoryview(message)
        with self._lock:
            for start in starts:
                content = whole[start : start + PART_BYTES]
                is_last = start + PART_BYTES >= len(message)
                self._parts.append(_HEAD.pack(len(content), is_last) + bytes(content))

    def body(self, after: int) -> bytes | None:
        """The parts from number ``after`` on, as many as fit a body; None if there are none.

        Those before are dropped: the other end has them.
        """
        with self._lock:
            while self._parts and self._first < after:
                self._parts.popleft()
                self._first += 1
            if not self._parts:
                return None
            chosen, size = [_FIRST.pack(self._first)], _FIRST.size
            for part in self._parts:
                size += len(part)
                if size > BODY_BYTES:
                    break
                chosen.append(part)
        return b"".join(chosen)


class Inbox:
    """Messages from the other end.

    Attributes:
        num_taken: parts that have arrived; the number of the next one.
    """

    def __init__(self, most_bytes: int) -> None:
        """Nothing has arrived.

        Args:
            most_bytes: how long a message may be.
        """
        self.num_taken = 0
        self._most, self._size = most_bytes, 0
        self._parts: list[bytes] = []

    def take(self, body: bytes) -> list[bytes]:
        """Takes the parts of a body that are new; returns the messages that they complete.

        Raises:
            Malformed: it has another form, parts are missing before it, or a message is too long.
        """
        if len(body) < _FIRST.size:
            raise Malformed("a body without the number of its first part")
        (number,) = _FIRST.unpack_from(body)
        if number > self.num_taken:
            raise Malformed(f"part {number} came before part {self.num_taken}")
        place, messages = _FIRST.size, []
        while place < len(body):
            if place + _HEAD.size > len(body):
                raise Malformed("a part without its length")
            length, is_last = _HEAD.unpack_from(body, place)
            place += _HEAD.size
            if place + length > len(body):
                raise Malformed("a part that is cut off")
            if number == self.num_taken:
                messages += self._add(body[place : place + length], is_last)
            place, number = place + length, number + 1
        return messages

    def _add(self, content: bytes, is_last: bool) -> list[bytes]:
        self._size += len(content)
        if self._size > self._most:
            raise Malformed(f"a message of more than {self._most:,} bytes")
        self._parts.append(content)
        self.num_taken += 1
        if not is_last:
            return []
        message, self._parts, self._size = b"".join(self._parts), [], 0
        return [message]
