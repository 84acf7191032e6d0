"""`calpatch simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from worker.cli.talk import tell
from worker.errors import WorkerError

if TYPE_CHECKING:
    from worker.simulator import Behaviour

PortOption: TypeAlias = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]
AccountsOption: TypeAlias = Annotated[int, typer.Option(min=0, help="People to make up.")]
EventsOption: TypeAlias = Annotated[int, typer.Option(min=0, help="Events for each of them.")]
AccountsOutOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="Write the accounts, for accounts import.")
]
EditsOutOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="Write a campaign over all events, for submit.")
]
IcsOption: TypeAlias = Annotated[
    list[Path] | None, typer.Option(help="An iCalendar file: one more account.")
]
FaultsOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="A script of faults, as JSON or JSON lines.")
]
RateOption: TypeAlias = Annotated[str | None, typer.Option(help='Its limits; "off" for none.')]
BehaviourOption: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="Another switch, as in lag_s=2.")
]


class SimulatorFailed(WorkerError):
    """Raised when the simulator cannot serve: a wrong switch, a port taken, a file not there."""

    exit_code = 2


def register(app: typer.Typer) -> None:
    """Add the command."""
    example = "Example: calpatch simulate --accounts-out accounts.csv --edits-out edits.csv"
    app.command("simulate", epilog=example)(simulate)


def simulate(
    *,
    port: PortOption = 9001,
    accounts: AccountsOption = 20,
    events: EventsOption = 200,
    accounts_out: AccountsOutOption = None,
    edits_out: EditsOutOption = None,
    ics: IcsOption = None,
    faults: FaultsOption = None,
    rate: RateOption = None,
    behaviour: BehaviourOption = None,
) -> None:
    """Serve a local Cronofy with made-up people, to try everything on; it keeps nothing."""
    from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET, SimulateOptions, serve

    try:
        options = SimulateOptions(
            port=port,
            accounts=accounts,
            events=events,
            behaviour=_behaviour(rate, behaviour or []),
            ics=tuple(ics or ()),
            faults=faults,
            accounts_out=accounts_out,
            edits_out=edits_out,
        )
        tell(
            f"In the other terminals: CALPATCH_API_URL=http://127.0.0.1:{port or 'PORT'} "
            f"CALPATCH_CRONOFY_CLIENT_ID={SIM_CLIENT_ID} "
            f"CALPATCH_CRONOFY_CLIENT_SECRET={SIM_CLIENT_SECRET}"
        )
        serve(options)
    except (ValueError, OSError) as error:
        raise SimulatorFailed(
            f"The simulator cannot serve: {error}", next_step="Correct the option and try again"
        ) from error


def _behaviour(rate: str | None, switches: list[str]) -> Behaviour:
    from worker.simulator.behaviour import Behaviour, changed_behaviour, read_switches

    changes = read_switches(switches)
    return changed_behaviour(Behaviour(), changes if rate is None else changes | {"rate": rate})
