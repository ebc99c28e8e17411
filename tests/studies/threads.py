"""Calls at the same moment, as of several workers or windows."""

import threading

from django.db import connections


def at_once(*calls):
    """Run the calls at the same moment, each with its own connection; the outcomes, exceptions included, in order."""
    outcomes = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(number, call):
        barrier.wait()
        try:
            outcomes[number] = call()
        except Exception as error:
            outcomes[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
