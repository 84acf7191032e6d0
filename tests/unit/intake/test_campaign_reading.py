"""What a campaign file says becomes the model's values, however it is written."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.unit.intake.campaigns import (
    FILE,
    about,
    also,
    between,
    doing,
    like,
    of,
    opened,
    read,
    told,
)
from worker.intake import Known
from worker.intake.campaign import CampaignFile, Notify, example, read_campaign
from worker.intake.campaign.shape import schema
from worker.model import (
    AddText,
    Between,
    InZone,
    Lasting,
    Match,
    Op,
    Policy,
    Replace,
    Run,
    Select,
    SetText,
    Shift,
    TextRule,
    Threshold,
    ToTime,
    Window,
)

BETWEEN = Between(first=date(2026, 3, 1), after=date(2026, 5, 1), tzid="Europe/Paris")


def test_the_smallest_campaign_has_careful_defaults() -> None:
    """What nobody says is decided for the people whose calendars these are."""
    assert read(FILE) == CampaignFile(
        name="move",
        reason="The office moves",
        select=Select(between=BETWEEN),
        ops=(Shift(seconds=3600),),
    )


def test_the_last_day_is_included() -> None:
    """People who write "to the 30th" mean the 30th as well."""
    one_day = between("{from: 2026-03-01, to: 2026-03-01, tzid: UTC}")
    assert read(one_day).select.between == Between(
        first=date(2026, 3, 1), after=date(2026, 3, 2), tzid="UTC"
    )


def test_the_head_is_read() -> None:
    """Blanks around words and the order of tags mean nothing."""
    text = FILE.replace(
        "{id: move, reason: The office moves}",
        "{id: move-1, reason: ' We move ', owner: ops@acme.com, tags: [b, a], job: nightly}",
    )
    campaign = read(text)
    assert (campaign.name, campaign.reason) == ("move-1", "We move")
    assert (campaign.owner, campaign.tags, campaign.job) == ("ops@acme.com", ("a", "b"), "nightly")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("all", {}),
        ("[acc_2, acc_1]", {"subs": ("acc_1", "acc_2")}),
        ("{labels: [paris, lyon office]}", {"labels": ("lyon office", "paris")}),
    ],
)
def test_accounts_are_named_in_three_ways(written: str, meant: dict[str, Any]) -> None:
    """The fourth, a file of its own, has its own tests."""
    assert read(of(written)).select == Select(between=BETWEEN, **meant)


def test_accounts_and_labels_must_be_known() -> None:
    """A campaign that selects nobody by a typing error would end well and do nothing."""
    known = Known({"acc_1", "other"}, {"paris"})
    assert read(of("[acc_1]"), known=known).select.subs == ("acc_1",)
    assert read(of("{labels: [paris]}"), known=known).select.labels == ("paris",)
    assert told(of("[acc_1, acc_3]"), known=known) == [
        (
            "line 4, column 21, select.accounts[1] 'acc_3': unknown account "
            '(did you mean "acc_1"?); correct it, or add it with `calpatch accounts import`'
        )
    ]
    assert told(of("{labels: [pariss]}"), known=known) == [
        (
            "line 4, column 23, select.accounts.labels[0] 'pariss': no account has this label "
            '(did you mean "paris"?); correct it; `calpatch accounts list` shows those there are'
        )
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{primary: true}", {"primary": True}),
        (
            "{primary: true, exclude: [cal_2, cal_1]}",
            {"primary": True, "exclude": ("cal_1", "cal_2")},
        ),
        ("{only: [cal_1]}", {"calendars": ("cal_1",)}),
    ],
)
def test_calendars_are_narrowed_down(written: str, meant: dict[str, Any]) -> None:
    """Without it, all calendars are meant that may be edited."""
    text = FILE.replace("transform:", f"  calendars: {written}\ntransform:")
    assert read(text).select == Select(between=BETWEEN, **meant)


STANDUP = TextRule(text="standup")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{organizer: self}", Match(organizer="self")),
        ("{organizer: other}", Match(organizer="other")),
        ("{organizer: {domain: '@Acme.com'}}", Match(organizer_domains=("acme.com",))),
        (
            "{organizer: {domain: [b.com, a.com]}}",
            Match(organizer_domains=("a.com", "b.com")),
        ),
        ("{summary: standup}", Match(summary=STANDUP)),
        ("{summary: {literal: standup}}", Match(summary=STANDUP)),
        (
            "{summary: '/stand.?up/'}",
            Match(summary=TextRule(text="stand.?up", how="regex")),
        ),
        (
            "{location: /Room|Raum/i}",
            Match(location=TextRule(text="Room|Raum", how="regex", ignore_case=True)),
        ),
        (
            "{location: {regex: /a/, ignore_case: true}}",
            Match(location=TextRule(text="/a/", how="regex", ignore_case=True)),
        ),
        (
            "{summary: {glob: 'Stand*', ignore_case: false}}",
            Match(summary=TextRule(text="Stand*", how="glob")),
        ),
        ("{summary: {literal: '1 * 1'}}", Match(summary=TextRule(text="1 * 1"))),
        ("{summary: 'What?'}", Match(summary=TextRule(text="What?"))),
        (
            "{attendees: {any_domain: [A.com], only_domains: ['@B.com'], any: [Ann@C.com]}}",
            Match(
                attendees_any_domain=("a.com",),
                attendees_only_domains=("b.com",),
                attendees_any=("ann@c.com",),
            ),
        ),
        (
            "{attendees: {at_least: 0, at_most: 5}}",
            Match(least_attendees=0, most_attendees=5),
        ),
        ("{private: false, all_day: true}", Match(private=False, all_day=True)),
        (
            "{created_before: 2026-02-20}",
            Match(created_before=datetime(2026, 2, 19, 23, tzinfo=UTC)),
        ),
        (
            "{updated_before: 2026-02-20T12:00}",
            Match(updated_before=datetime(2026, 2, 20, 11, tzinfo=UTC)),
        ),
        (
            "{updated_before: 2026-02-20T12:00-05:00}",
            Match(updated_before=datetime(2026, 2, 20, 17, tzinfo=UTC)),
        ),
        (
            "{duration: {at_least: PT15M, at_most: P1DT1H}}",
            Match(shortest_s=900, longest_s=90_000),
        ),
    ],
)
def test_conditions_are_read(written: str, meant: Match) -> None:
    """Domains and addresses are the same in capital letters, and moments are in UTC."""
    assert read(like(written)).select.match == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("shift: -P1DT2H", [Shift(days=-1, seconds=-7200)]),
        ("shift: {by: PT1H, mode: elapsed}", [Shift(seconds=3600, elapsed=True)]),
        ("shift: {by: P1W, mode: wall_clock}", [Shift(days=7)]),
        (
            "set: {summary: On hold, location: '', transparency: transparent}",
            [
                SetText(field="summary", value="On hold"),
                SetText(field="location", value=""),
                SetText(field="transparency", value="transparent"),
            ],
        ),
        (
            "set:\n      description: |\n        One\n        two",
            [SetText(field="description", value="One\ntwo\n")],
        ),
        (
            r"replace: {field: location, pattern: 'Room (\d+)', with: 'B\1'}",
            [Replace(field="location", pattern=r"Room (\d+)", with_text=r"B\1", how="regex")],
        ),
        (
            r"replace: {field: location, pattern: '(?P<n>.) (.)', with: '\2\\\g<n>\g<2>'}",
            [
                Replace(
                    field="location",
                    pattern="(?P<n>.) (.)",
                    with_text=r"\2\\\g<n>\g<2>",
                    how="regex",
                )
            ],
        ),
        (
            "replace: {field: location, pattern: '^$', with: Room 4}",
            [Replace(field="location", pattern="^$", with_text="Room 4", how="regex")],
        ),
        (
            r"replace: {field: summary, literal: '\d', with: '', ignore_case: true}",
            [Replace(field="summary", pattern=r"\d", with_text="", ignore_case=True)],
        ),
        ("move: {to_weekday: sunday}", [ToTime(weekday=6)]),
        (
            "move: {to_weekday: monday, to_time: 9:30, tzid: Europe/Paris}",
            [ToTime(weekday=0, time="09:30", tzid="Europe/Paris")],
        ),
        ("move: {to_time: '17:00:30'}", [ToTime(time="17:00:30")]),
        ("duration: PT45M", [Lasting(seconds=2700)]),
        ("duration: P2D", [Lasting(days=2)]),
        ("zone: {tzid: Asia/Tokyo}", [InZone(tzid="Asia/Tokyo")]),
        (
            "zone: {tzid: Asia/Tokyo, keep: wall_clock}",
            [InZone(tzid="Asia/Tokyo", keep="wall_clock")],
        ),
        ("append: {field: summary, text: ' (new)'}", [AddText(field="summary", text=" (new)")]),
        (
            "prepend: {field: description, text: 'Note: '}",
            [AddText(field="description", text="Note: ", before=True)],
        ),
    ],
)
def test_transforms_are_read(written: str, meant: list[Op]) -> None:
    """One key may make several of them, and their order stays."""
    assert read(doing(written, "append: {field: summary, text: '!'}")).ops == (
        *meant,
        AddText(field="summary", text="!"),
    )


@pytest.mark.parametrize(
    "transform", ["shift: {by: PT1H, READ}", "move: {to_time: 09:00, READ}",
                  "zone: {tzid: Asia/Tokyo, keep: wall_clock, READ}"],
)  # fmt: skip
def test_readings_of_the_clocks_become_the_campaigns(transform: str) -> None:
    """Each transform that reads a clock may say it, and any may repeat it."""
    said = transform.replace("READ", "dst_gap: later, dst_fold: earlier")
    policy = read(doing(said, "shift: {by: P1D, dst_gap: later}")).policy
    assert policy == Policy(dst_gap="later", dst_fold="earlier")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{skip: [past_event]}", Policy()),
        ("{past_events: true}", Policy(past_events=True)),
        (
            "{skip: [private_event, external_attendees], internal_domains: ['@Acme.com', a.fr]}",
            Policy(
                skip=("external_attendees", "private_event"),
                internal_domains=("a.fr", "acme.com"),
            ),
        ),
        (
            "{deny: [cal_Board, Ann@Acme.com, '@Customer.com']}",
            Policy(deny=("@customer.com", "ann@acme.com", "cal_Board")),
        ),
        ("{not_within: PT20H}", Policy(not_within_s=72_000)),
        (
            "{on_conflict: rebase, allow_repeat: true}",
            Policy(on_conflict="rebase", allow_repeat=True),
        ),
    ],
)
def test_guards_are_read(written: str, meant: Policy) -> None:
    """What is skipped without being asked for may be said all the same."""
    assert read(also(f"guards: {written}")).policy == meant


def test_the_caps_are_read() -> None:
    """They stand among the guards, and hold the campaign as a whole."""
    campaign = read(also("guards: {max_changes: 5000, max_people_notified: 10000}"))
    assert campaign.run == Run(max_changes=5000, max_people=10_000)


NIGHT = Window(since=1200, until=360, tzid="Europe/Paris")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (
            "{schedule: {at: 2026-02-25T20:00, deadline: 2026-02-27, tzid: Europe/Paris}}",
            Run(
                at=datetime(2026, 2, 25, 19, tzinfo=UTC),
                deadline=datetime(2026, 2, 26, 23, tzinfo=UTC),
            ),
        ),
        (
            "{schedule: {windows: [20:00-06:00@Europe/Paris]}}",
            Run(windows=(NIGHT,)),
        ),
        (
            "{schedule: {windows: ['0:00 - 24:00 @ UTC'], quiet_hours: [20:00-6:00@Europe/Paris]}}",
            Run(windows=(Window(since=0, until=1440, tzid="UTC"),), quiet=(NIGHT,)),
        ),
        (
            "{schedule: {windows: [20:00-06:00@UTC], quiet_hours: [20:00-05:59@UTC]}}",
            Run(
                windows=(Window(since=1200, until=360, tzid="UTC"),),
                quiet=(Window(since=1200, until=359, tzid="UTC"),),
            ),
        ),
        ("{rate: {share: 70%, max_rps: 8}}", Run(share=0.7, max_rps=8.0)),
        ("{rate: {share: 0.5}, batch: {size: 25}}", Run(share=0.5, batch_size=25)),
        ("{canary: {items: 20, require: verified}}", Run(canary=20)),
        ("{approval: {second_person_above: 0}}", Run(second_person_above=0)),
        ("{approval: {within: PT4H}}", Run(plan_holds_s=14_400)),
        ("{max_failures: 2.5%}", Run(max_failures=Threshold(percent=2.5))),
        ("{max_failures: 25.0}", Run(max_failures=Threshold(percent=None, count=25))),
        ("{max_failures: 25}", Run(max_failures=Threshold(percent=None, count=25))),
        (
            "{max_failures: none}",
            Run(max_failures=Threshold(percent=None, same_code_in_a_row=None)),
        ),
        (
            "{max_failures: {percent: none, same_code_in_a_row: 3, count: 9, min_attempted: 1}}",
            Run(
                max_failures=Threshold(percent=None, same_code_in_a_row=3, count=9, min_attempted=1)
            ),
        ),
        (
            "{max_failures: {percent: 10, same_code_in_a_row: none}}",
            Run(max_failures=Threshold(percent=10.0, same_code_in_a_row=None)),
        ),
    ],
)
def test_the_run_is_read(written: str, meant: Run) -> None:
    """A measure that is not named keeps its default; none leaves one out."""
    assert read(also(f"run: {written}")).run == meant


def test_priority_and_proof_are_read() -> None:
    """They are the lane and a part of the policy."""
    campaign = read(also("run: {priority: interactive, verify: {mode: none}}"))
    assert (campaign.lane, campaign.policy.verify) == ("interactive", "none")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{webhook: 'https://a.fr/x?y=1'}", Notify(webhook="https://a.fr/x?y=1")),
        # `on` is true to YAML 1.1, and would be another key.
        ("{webhook: https://a.fr, on: [held]}", Notify(webhook="https://a.fr", on=("held",))),
        (
            "{webhook: 'https://8.8.8.8:8443', on: [finished, planned]}",
            Notify(webhook="https://8.8.8.8:8443", on=("planned", "finished")),
        ),
    ],
)
def test_news_are_read(written: str, meant: Notify) -> None:
    """Without a choice all is told."""
    assert read(also(f"notify: {written}")).notify == meant


@pytest.mark.parametrize("address", ["http://127.0.0.1:80/", "http://hooks/x", "https://127.0.0.1"])
def test_hosts_that_the_operator_allows_may_be_plain_and_private(address: str) -> None:
    """Else what a file says would have us reach into our own network."""
    text = also(f"notify: {{webhook: '{address}'}}")
    hosts = frozenset({"127.0.0.1", "hooks"})
    assert read_campaign(opened(text), webhook_hosts=hosts).notify == Notify(webhook=address)
    assert len(told(text)) == 1


def test_all_problems_are_told_at_once_in_their_order() -> None:
    """Form and meaning, unknown keys and wrong values: one reading tells them all."""
    text = (
        between("{from: 2026-04-30, to: 2026-03-01, tzid: Europe/Pari}")
        .replace("shift: PT1H", "shift: PT0S\n  - set: {colour: red, location: '#N/A'}")
        .replace("version: 1", "version: 3")
        + "guards: {max_changes: many}\nrun: {rate: {share: 7}}\n"
    )
    places = [line.partition(" '")[0].partition(": ")[0] for line in told(text)]
    assert places == [
        "line 1, column 10, version",
        "line 5, column 35, select.between.to",
        "line 5, column 53, select.between.tzid",
        "line 7, column 12, transform[0].shift",
        "line 8, column 11, transform[1].set.colour",
        "line 8, column 34, transform[1].set.location",
        "line 9, column 23, guards.max_changes",
        "line 10, column 21, run.rate.share",
    ]


@pytest.mark.parametrize("place", ["set: {summary: [HIDDEN]}", "append: {field: x, text: HIDDEN}",
    "replace: {field: x, literal: a, with: HIDDEN}", "set: {location: HIDDEN #4}"])  # fmt: skip
def test_text_for_events_is_in_no_problem(place: str) -> None:
    """It is personal, and problems go into logs and tickets."""
    assert "HIDDEN" not in "".join(told(doing(place)))


def test_an_address_to_post_to_is_shown_nowhere() -> None:
    """What follows the host often is a secret."""
    assert "HIDDEN" not in "".join(told(also("notify: {webhook: http://a.fr/HIDDEN}")))
    assert "HIDDEN" not in repr(read(also("notify: {webhook: https://a.fr/HIDDEN}")))


def test_the_example_is_valid() -> None:
    """It is what everybody begins from."""
    campaign = read(example())
    assert (campaign.name, len(campaign.ops)) == ("office-move-paris", 2)
    assert campaign.policy.internal_domains == ("acme.com",)


def test_the_example_tells_of_every_section_and_transform() -> None:
    """A key that it does not have is hard to find; where it is not needed it stands in a remark."""
    top = schema()["properties"]
    keys = {*top, *top["transform"]["items"]["properties"]}
    for section in ("campaign", "select", "guards", "run", "notify"):
        keys |= {*top[section]["properties"]}
    keys |= {*top["select"]["properties"]["match"]["properties"]}
    told_of = {key for key in keys if re.search(rf"\b{key}\b", example())}
    assert keys == told_of


def test_the_order_of_keys_and_quotes_mean_nothing() -> None:
    """The same campaign in other words is the same."""
    assert read(about("'The office moves'")) == read(FILE)
