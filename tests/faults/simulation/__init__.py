"""The simulation: calpatch's real code in a world where everything may go wrong, from one seed.

Real are the engine (`run_chunk`, `verify_account`, `sweep`, `relay`, sessions, leases), the client
with its retries and its limiter, the store on SQLite, and the simulator's rules. Simulated are what
they stand on: time, threads, the network, the broker, and the life of processes.

    clock     an event loop that jumps to its next timer; SQLite's functions of time
    stage     a database that is emptied for each world
    process   a worker or the clock: it can be killed at any effect, frozen, told to stop
    network   an HTTP session in front of the simulator's core: loses, delays, refuses, lies
    broker    messages in a list: lost, repeated, out of order
    people    events, patches, and those who edit their own calendars meanwhile
    ground    what a world is built on, and how campaigns are submitted
    world     all of it together, and what may be done to it
    watch     what must hold at every commit and every departure
    judge     what must hold at the end: lost, unexpected, duplicated, recovered
    walks     one campaign, with a crash at every effect, and at every pair of them
    storm     a random life of a world, by a seed
    machine   the same by Hypothesis, which shrinks what it finds
    mutants   bugs on purpose: the simulation must find each of them

`python -m tests.faults.simulation --runs 100 --seed 1` runs storms and tells what came of them.
"""
