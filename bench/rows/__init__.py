"""What `bench/run` measures, a row of the table of targets each; `row.py` says what a row is."""

from . import calls, closed, cores, crowd, fresh, idle, open_loop, swaps

ROWS = (closed.SMALL, closed.BODIES, crowd.CROWD, idle.IDLE, open_loop.OPEN, fresh.FRESH, cores.CORES, swaps.SWAPS,
        calls.CALLS)
NAMES = tuple(row.name for row in ROWS)


def chosen(options):
    """The rows that were asked for, or the closed loops that were."""
    if options.rows == (closed.ASKED.name,):
        return (closed.ASKED,)
    return tuple(row for row in ROWS if row.name in options.rows)
