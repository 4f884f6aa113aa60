"""One Django signal per fact of a verification's life.

Each carries ``verification_id``, ``purpose`` and ``reference`` (the caller's own, "" without one);
``code_issued`` and ``code_resent`` also ``message_id`` ("" where its user is to send the code to us).
None carries the code, only ``code_wanted`` the number. A receiver that raises is logged and stops nothing.

``guard_decided`` comes before there is a verification: it carries ``reason``, ``scope``, ``country``,
``purpose``, ``enforced`` (False in shadow mode: the code goes out) and ``allowed`` (the code goes out beyond
a cap as an operator said so).

``access_denied`` and ``limit_reached`` are alarms: of each kind at most one a minute and process, with a
``count`` of how often it happened since the last. ``access_denied``: calls of the HTTP API that were
answered 401 or 403; it carries ``reason`` (the ``code`` of the answer) and ``name`` (of the API key, "" where
it is nobody's). ``limit_reached``: a limit on wrong guesses, or one on SMS that users share; it carries
``limit`` (its name in the answer) and ``name``.

``code_wanted`` comes before all others and is for judging a risk, such as a SIM that was swapped
yesterday: it carries ``number`` (a ``sms.phone.Phone``), ``purpose`` and ``ip``. A receiver that
returns ``REFUSE`` keeps the SMS from being sent; who asked is answered as always and learns nothing.
"""

from __future__ import annotations

from django.dispatch import Signal

REFUSE = "refuse"

code_wanted = Signal()
code_issued = Signal()
code_resent = Signal()
code_accepted = Signal()
code_rejected = Signal()  # a wrong guess
code_blocked = Signal()  # a guess after the last attempt
verification_cancelled = Signal()
guard_decided = Signal()  # the pumping guard refused a send, would have, or was told to allow it
access_denied = Signal()  # 401, or 403 for a key that may not
limit_reached = Signal()  # of wrong guesses, or one that everybody shares
