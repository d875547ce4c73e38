# SPDX-License-Identifier: MIT
"""Python's side of the benchmarks: concurrent.futures.ThreadPoolExecutor.

It is some hundred times slower than the others, so it does less of each; the
figures are per task all the same.
"""
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

WORKERS, WARM_UP, TASKS, BURST, ROUND_TRIPS = 2, 1000, 20000, 10000, 2000


def following(n):
    return n + 1


def hold_all(pool, n):
    futures = [pool.submit(following, i) for i in range(n)]
    for i, future in enumerate(futures):
        assert future.result() == i + 1


def submit_all(pool, n):
    for _ in range(0, n, BURST):
        hold_all(pool, min(BURST, n))


def fire_all(pool, n):
    """Nobody keeps the futures; the last task to end says so."""
    left, lock, finished = n, threading.Lock(), threading.Event()

    def count_down(_):
        nonlocal left
        with lock:
            left -= 1
            if left == 0:
                finished.set()

    for i in range(n):
        pool.submit(count_down, i)
    finished.wait()


def round_trips(pool, n):
    for i in range(n):
        assert pool.submit(following, i).result() == i + 1


def map_all(pool, n):
    assert list(pool.map(following, range(n))) == list(range(1, n + 1))


def resident():
    with open("/proc/self/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def memory():
    """Bytes of a task that waits, with its future."""
    begun, go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: (begun.set(), go.wait()))
        begun.wait()
        before = resident()
        futures = [pool.submit(following, i) for i in range(TASKS)]
        after = resident()
        go.set()
        assert sum(f.result() for f in futures) == TASKS * (TASKS + 1) // 2
    return (after - before) / TASKS


def timed(run, n):
    with ThreadPoolExecutor(WORKERS) as pool:
        run(pool, WARM_UP)
        start = time.perf_counter_ns()
        run(pool, n)
        return (time.perf_counter_ns() - start) / n


name = sys.argv[1]
if name == "memory":
    print(f"memory {memory():.1f} bytes")
else:
    run, n = {
        "submit": (submit_all, TASKS),
        "hold": (hold_all, TASKS),
        "fire": (fire_all, TASKS),
        "round_trip": (round_trips, ROUND_TRIPS),
        "map": (map_all, TASKS),
    }[name]
    print(f"{name} {timed(run, n):.1f} ns")
