"""One Django signal per event in the life of a verification.

Each carries ``verification_id``, ``purpose`` and ``reference`` (the caller's own, "" without one).
``code_issued`` and ``code_resent`` also carry ``message_id`` ("" if the user sends the code to us).
None carries the code, and only ``code_wanted`` the number. An error in a receiver is logged, and stops
nothing.

``guard_decided`` comes before there is a verification. It carries ``reason``, ``scope``, ``country``,
``purpose``, ``enforced`` and ``allowed``. ``enforced`` is False in shadow mode, where the code goes out.
``allowed`` says that the code goes out beyond a cap, by an operator's order.

``access_denied`` and ``limit_reached`` are alarms. Each process sends each kind at most once a minute, with a
``count`` of how often it happened since the last one. ``access_denied`` carries ``reason`` (the ``code``
of the answer) and ``name`` (of the API key, "" if it is unknown). ``limit_reached`` carries ``limit``
(its name in the answer) and ``name``.

``code_wanted`` comes before all others. It is for judging a risk, such as a SIM that was swapped yesterday.
It carries ``number`` (a ``sms.phone.Phone``), ``purpose`` and ``ip``. A receiver that returns ``REFUSE``
keeps the SMS from being sent. The caller gets the usual answer and learns nothing.
"""

from __future__ import annotations

from django.dispatch import Signal

REFUSE = "refuse"

code_wanted = Signal()  # A code was requested. Nothing is sent yet.
code_issued = Signal()  # A start made a code.
code_resent = Signal()  # The code was sent again.
code_accepted = Signal()  # A guess was right.
code_rejected = Signal()  # A guess was wrong.
code_blocked = Signal()  # A guess was not compared, as no attempts were left.
verification_cancelled = Signal()  # The caller cancelled the verification.
guard_decided = Signal()  # The pumping guard refused a send, would have, or allowed it by an order.
access_denied = Signal()  # A request to the HTTP API got 401, or 403 because its key lacks the right.
limit_reached = Signal()  # A limit on wrong guesses, or one on SMS that all users share, was reached.
