"""What Lighthouse says of the pages. How fast they are is a matter of the machine too: the bench has that."""

from __future__ import annotations

import pytest

from tests.e2e import lighthouse
from tests.e2e.host import let_in, served_otpost
from tests.e2e.lighthouse import failed, scores, weight
from tests.e2e.lighthouse_pages import NAMES, audit, shop_of

pytestmark = [
    pytest.mark.slow(30),
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(lighthouse.lacking()), reason=lighthouse.lacking()),
]

#: The page, its style, two scripts and the icon. With the widget: the page, its script, and the session with
#: what CORS asks before.
MOST_REQUESTS = {"number": 5, "code": 5, "over": 3, "widget": 4}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_sound_and_light(name, settings):
    settings.OTP_PURPOSES = {"login": {"lifetime": 600}}  # Lighthouse takes its time
    with served_otpost(settings) as otpost, shop_of(otpost) as shop:
        let_in(settings, shop.address)
        report = audit(name, shop)
    for category in ("accessibility", "best-practices"):
        assert failed(report, category) == []
        assert scores(report)[category] == 100
    found = weight(report)
    assert found["shift"] == 0
    assert found["bytes"] < 70_000
    assert found["requests"] <= MOST_REQUESTS[name]
    assert found["elements"] < 400
