"""A faithful local Cronofy over real HTTP: for tests, for trying out, for `calpatch simulate`.

Written from the API notes alone; it shares no code with the client, so that a wrong belief cannot
sit on both sides.
"""

from worker.simulator.behaviour import Behaviour, read_rate
from worker.simulator.faults import Fault, load_faults
from worker.simulator.options import SimulateOptions
from worker.simulator.records import RequestRecord, WriteRecord
from worker.simulator.seeds import seed_ics, seed_people, write_accounts_csv, write_edits_csv
from worker.simulator.serve import serve
from worker.simulator.server import SimulatorServer
from worker.simulator.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET, Simulator

__all__ = [
    "SIM_CLIENT_ID",
    "SIM_CLIENT_SECRET",
    "Behaviour",
    "Fault",
    "RequestRecord",
    "SimulateOptions",
    "Simulator",
    "SimulatorServer",
    "WriteRecord",
    "load_faults",
    "read_rate",
    "seed_ics",
    "seed_people",
    "serve",
    "write_accounts_csv",
    "write_edits_csv",
]
