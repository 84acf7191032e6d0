"""Benchmarks: loads, limits and machine are stated; figures are printed, never asserted."""
