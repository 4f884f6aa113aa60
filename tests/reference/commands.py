"""``commands.md``: what ``manage.py COMMAND --help`` says, of each command of ours."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from tests.reference.words import code, joined, paragraph, prose, sentence, table

INTRO = """
Run them as `python manage.py COMMAND`. `--help` prints the same texts, with the options that every Django
command has. Before a release goes live, also run Django's own `python manage.py check
--deploy`.
"""

#: The options that Django gives to every command.
_COMMON = {action.dest for action in BaseCommand().create_parser("", "")._actions}


def page() -> str:
    names = sorted(name for name, app in get_commands().items() if app in ("sms", "otp"))
    return joined("# Commands", prose(INTRO), *(_command(name) for name in names))


def _command(name: str) -> str:
    parser = load_command_class(str(get_commands()[name]), name).create_parser("manage.py", name)
    return joined(
        f"## {code(name)}", paragraph(sentence(parser.description or "")), *_arguments(parser, "")
    ).rstrip()


def _arguments(parser: argparse.ArgumentParser, before: str) -> Iterator[str]:
    rows, inner = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            inner = [(name, told.get(name, ""), sub) for name, sub in action.choices.items()]
        elif action.dest not in _COMMON:
            rows.append((code(_spelled(action)), " ".join((action.help or "").split())))
    if rows:
        yield table(("argument", "meaning"), rows)
    for name, help, sub in inner:
        yield paragraph(f"{code(f'{before}{name}')}: {help}.")
        yield from _arguments(sub, f"{before}{name} ")


def _spelled(action: argparse.Action) -> str:
    several = action.nargs in ("*", "+")
    if not action.option_strings:
        word = action.dest.upper() + (" …" if several else "")
        return f"[{word}]" if action.nargs in ("?", "*") else word
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return f"{action.option_strings[-1]}{value}{' …' if several else ''}"
