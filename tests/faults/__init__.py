"""Faults: what must hold whatever breaks, and the simulation that breaks it."""
