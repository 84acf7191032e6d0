"""What `calpatch accounts check` tells to do: each trouble has another owner."""

from __future__ import annotations

import pytest

from worker.app import AccountCheck
from worker.cli.accounts import _trouble
from worker.model import AccountStatus


@pytest.mark.parametrize(
    ("status", "reason", "what", "step"),
    [
        (AccountStatus.LOST, "account_lost", "lost", "`calpatch accounts import` the new tokens"),
        (AccountStatus.PARKED, "account_locked", "locked", "The owner reconnects it"),
        (AccountStatus.PARKED, "unauthorized", "refused", "Check the client id and secret"),
        (AccountStatus.ACTIVE, "not checked: no answer", "not checked", "`calpatch doctor`"),
        (AccountStatus.PARKED, "not checked: no answer", "not checked", "`calpatch doctor`"),
    ],
)
def test_an_account_in_trouble_has_its_next_step(
    status: AccountStatus, reason: str, what: str, step: str
) -> None:
    """To ask an owner to reconnect what the API's outage broke would cost trust."""
    found = _trouble(AccountCheck(sub="acc_1", status=status, reason=reason))
    assert found is not None
    assert found[0].startswith(what)
    assert step in found[1]


def test_a_good_account_is_no_trouble() -> None:
    """It answered, and what may be edited is known."""
    good = AccountCheck(sub="acc_1", status=AccountStatus.ACTIVE, reason="", calendars=2)
    assert _trouble(good) is None
