"""The HTTP door under load: Locust files, each of use by itself, and what runs them all: ``make load``.

::

    locust -f benchmarks/load/steady.py --headless -u 40 -r 40 -t 30s --host http://127.0.0.1:8000

They run in an environment of their own, so ``steady``, ``burst``, ``hot_agent``, ``waiters`` and ``posting`` import
nothing of the project.
"""
