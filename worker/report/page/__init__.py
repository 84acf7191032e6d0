"""A plan as a page for people without a terminal: one file, without scripts, to read and to print.

    view = write_page(store, campaign, path, about=About(...))

What it became is in the same page once the campaign has run. Memory does not grow with the plan.
"""

from worker.report.page.page import About, write_page

__all__ = ["About", "write_page"]
