"""One Django signal per fact of a verification's life.

Each carries ``verification_id``, ``purpose`` and ``reference`` (the caller's own, "" without one).
``code_issued`` and ``code_resent`` also carry ``message_id`` ("" where its user is to send the code to us).
None carries the code, and only ``code_wanted`` the number. A receiver that raises is logged and stops
nothing.

``guard_decided`` comes before there is a verification. It carries ``reason``, ``scope``, ``country``,
``purpose``, ``enforced`` and ``allowed``. ``enforced`` is False in shadow mode, where the code goes out.
``allowed`` says that the code goes out beyond a cap, by an operator's order.

``access_denied`` and ``limit_reached`` are alarms. Of each kind there is at most one a minute and process,
with a ``count`` of how often it happened since the last. ``access_denied`` carries ``reason`` (the ``code``
of the answer) and ``name`` (of the API key, "" where it is nobody's). ``limit_reached`` carries ``limit``
(its name in the answer) and ``name``.

``code_wanted`` comes before all others and is for judging a risk, such as a SIM that was swapped yesterday.
It carries ``number`` (a ``sms.phone.Phone``), ``purpose`` and ``ip``. A receiver that returns ``REFUSE``
keeps the SMS from being sent. Whoever asked is answered as always and learns nothing.
"""

from __future__ import annotations

from django.dispatch import Signal

REFUSE = "refuse"

code_wanted = Signal()  # somebody asks for a code; nothing is sent yet
code_issued = Signal()  # a start has made a code
code_resent = Signal()  # the code is sent once more
code_accepted = Signal()  # the right guess
code_rejected = Signal()  # a wrong guess
code_blocked = Signal()  # a guess after the last attempt
verification_cancelled = Signal()  # the code is forgotten, as its caller said
guard_decided = Signal()  # the pumping guard refused a send, would have, or was told to allow it
access_denied = Signal()  # a call of the HTTP API was answered 401, or 403 as its key may not
limit_reached = Signal()  # a limit on wrong guesses is reached, or one on SMS that all users share
