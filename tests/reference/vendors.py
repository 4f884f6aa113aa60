"""``vendors/SCHEME.md``: a page for each provider, from the docstring of its file and its features."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from sms.conf import FREE
from sms.management.commands.providers import table
from sms.providers import provider_classes
from sms.providers.described import Described, vendors
from tests.reference.words import FOLDER, joined, paragraph, sentence

#: Titles, where the name for the log is not good as one.
TITLES = {"https": "Any HTTP gateway"}

CAN = "../providers.md#features"

#: Where a page of ours says more.
MORE = {
    "https": "[A gateway of your country](../gateway.md) has examples, and "
    "[http_receipts.py](../../sms/providers/http_receipts.py) the options for receipts.",
    "email": "[E-mail](../email.md) has the steps.",
    "smpp": "[SMPP](../smpp.md) has the steps.",
    "telegram": "[Telegram](../telegram.md) has the steps.",
    "twilio-voice": "[Voice calls](../voice.md) has the steps.",
    "vonage-voice": "[Voice calls](../voice.md) has the steps.",
    "whatsapp": "[WhatsApp](../whatsapp.md) has the steps.",
}

COMMON = "The [options of every URL](../providers.md#options-of-every-url) work here too."

TRY = """
## Try it

The first command prints the addresses for the vendor's console, if any. The second sends one real message.

```sh
python manage.py providers --configured
python manage.py send_test main +12025550123{}
```
""".strip()

#: The options that ``send_test`` needs besides the number.
NEEDED = {"email": " --email you@shop.example"}


def pages() -> Mapping[str, partial[str]]:
    return {f"vendors/{one.scheme}.md": partial(page, one) for one in vendors()}


def page(one: Described) -> str:
    name = TITLES.get(one.scheme, provider_classes()[one.scheme].name)
    summary = "" if one.summary == name else sentence(one.summary.replace("``", "`"))
    can = f"Features: [{', '.join(one.can)}]({CAN})." if one.can else ""
    before, options, after = _said(one.text)
    return joined(
        f"# {name[0].upper()}{name[1:]}",
        " ".join(part for part in (summary, can, MORE.get(one.scheme, "")) if part),
        f"```ini\nSMS_PROVIDERS=main={one.url}\n```",
        *before,
        "## Options" if options else "",
        "\n".join(f"- {option}" for option in options),
        COMMON if one.scheme not in FREE else "",
        "## What to know" if after else "",
        *after,
        TRY.format(NEEDED.get(one.scheme, "")) if one.scheme not in FREE else "",
    )


def _said(text: str) -> tuple[list[str], list[str], list[str]]:
    """The docstring without its head: the paragraphs before the list of options, that list, and the rest."""
    before: list[str] = []
    options: list[str] = []
    after: list[str] = []
    head, *blocks = text.split("\n\n")
    _, _, of_head = " ".join(head.partition("``:")[2].split()).partition(". ")
    last = ""
    for block in (of_head, *blocks):
        if block.startswith("    "):
            shown = re.sub(r"^ {4}", "", block, flags=re.MULTILINE).replace("``", "`")
            (after if options else before).append(f"```text\n{shown}\n```")
        elif block.startswith("- "):
            items = [_plain(item) for item in re.split(r"^- ", block, flags=re.MULTILINE)[1:]]
            if last == "Options:":
                options = items
            else:
                (after if options else before).append("\n".join(f"- {item}" for item in items))
        elif block != "Options:" and (plain := _plain(block)):
            (after if options else before).append(paragraph(plain))
        last = block
    return before, options, after


def _plain(block: str) -> str:
    """reStructuredText as Markdown, with links to pages of ours."""
    plain = " ".join(block.split()).replace("``", "`")
    plain = re.sub(r"`?docs/([\w-]+)\.md`?", r"[\1](../\1.md)", plain)
    return plain[:-1] if plain.endswith("::") else plain


def providers_page() -> str:
    """``providers.md`` as it stands, with the table of the vendors that there are now."""
    page = (FOLDER.parent / "providers.md").read_text()
    now = table(list(vendors()))
    return re.sub(r"^\| provider \|(.*\n\|)*.*$", lambda _: now, page, count=1, flags=re.MULTILINE)
