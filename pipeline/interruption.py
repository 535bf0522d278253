"""What a run does when it is asked to stop: the signals of a keyboard, a system and a terminal."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from threading import current_thread, main_thread
from typing import TYPE_CHECKING

from pipeline.offspring import end_offspring

if TYPE_CHECKING:
    from pipeline.live.display import Display
    from pipeline.live.progress import Meter

STOPPED = 130
"""The exit code of a run that was stopped at once."""


class Interruption:
    """The first Ctrl-C (or SIGTERM, or a closed terminal) asks the run to stop; the second ends it at once.

    A terminal that closes may say so twice, the system to everybody and the shell to its jobs: that is no second one.
    """

    def __init__(self, display: Display, meter: Meter) -> None:
        self._display, self._meter, self.was_asked = display, meter, False
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._signals = [s for s in signals if signal.getsignal(s) != signal.SIG_IGN]  # nohup stays nohup
        self._listen()

    def asked(self) -> bool:
        """Whether to stop; also takes the signals back from Ray, which claims them as it starts."""
        if current_thread() is main_thread():  # no other may
            self._listen()
        return self.was_asked

    def _listen(self) -> None:
        for (
            number
        ) in self._signals:  # whoever has them by what Python knows: Ray takes SIGTERM behind its back
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: object) -> None:
        if self.was_asked and number == signal.SIGHUP:
            return
        if self.was_asked:
            self._display.close()
            end_offspring()
            os._exit(STOPPED)  # committed frames are safe
        if not self._meter.is_working:
            raise KeyboardInterrupt  # still looking at the sources: nothing to finish
        self.was_asked = True
        with suppress(OSError, RuntimeError):  # in the middle of other words there is no saying anything
            self._display.say("stopping after the frames in work; Ctrl-C again stops at once", "yellow")


def stop_by_ctrl_c() -> None:
    """Take SIGTERM and a closed terminal for a Ctrl-C, so that a command so ended throws its temporary files away."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, signal.default_int_handler)
