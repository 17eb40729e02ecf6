"""Threads that read batches ahead when Python ends.

Symptom: now and then a command that has done its work ends with "terminate called
without an active exception" and status -6. The threads are daemons: Python kills them
when it ends, and one that is just then inside a call of torch takes the whole process
down.
"""

import contextlib
import queue
import threading
import time

from fairseq.data import iterators


def stop_readers() -> None:
    """End the threads that read batches ahead; asked for when Python ends."""
    for thread in threading.enumerate():
        if isinstance(thread, iterators.BackgroundConsumer):
            thread._max_len = 0  # the batch that it is at will be its last
            give_up = time.monotonic() + 10
            while thread.is_alive() and time.monotonic() < give_up:
                with contextlib.suppress(queue.Empty):
                    thread._queue.get(timeout=0.01)  # it may be waiting for room
