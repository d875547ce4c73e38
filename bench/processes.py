# SPDX-License-Identifier: MIT
"""Python's side of the benchmarks of processes: multiprocessing.Pool.

It does less than the others of all but the map, and forks its workers, which is
the fastest that it can do; the figures are per task all the same.
"""
import multiprocessing
import sys
import time

WORKERS, WARM_UP, TASKS, BURST, ROUND_TRIPS = 2, 1000, 40000, 10000, 2000
MAPPED, POOLS, WINDOW, LARGE, MIB = 1000000, 10, 8, 64, 1 << 20
fork = multiprocessing.get_context("fork")


def following(n):
    return n + 1


def same(data):
    return bytes(memoryview(data))


def whole_life(workers):
    def run(_, n):
        for _ in range(n):
            with fork.Pool(workers) as pool:
                assert pool.map(following, range(10)) == list(range(1, 11))
                pool.close()
                pool.join()

    return run


def submit_all(pool, n):
    for begin in range(0, n, BURST):
        count = min(BURST, n - begin)
        results = [pool.apply_async(following, (i,)) for i in range(count)]
        for i, result in enumerate(results):
            assert result.get() == i + 1


def map_all(pool, n):
    assert pool.map(following, range(n))[-1] == n


def round_trips(pool, n):
    for i in range(n):
        assert pool.apply(following, (i,)) == i + 1


def large(pool, n):
    data = b"x" * MIB
    for _ in range(0, n, WINDOW):
        results = [pool.apply_async(same, (data,)) for _ in range(WINDOW)]
        for result in results:
            assert len(result.get()) == MIB


def timed(run, n, warm_up, workers):
    """Seconds for each of n."""
    with fork.Pool(workers) as pool:
        run(pool, warm_up)
        start = time.perf_counter()
        run(pool, n)
        return (time.perf_counter() - start) / n


if __name__ == "__main__":
    name = sys.argv[1]
    run, n, warm_up, workers, unit = {
        "life_2": (whole_life(2), POOLS, 1, 1, "us"),
        "life_4": (whole_life(4), POOLS, 1, 1, "us"),
        "life_8": (whole_life(8), POOLS, 1, 1, "us"),
        "submit": (submit_all, TASKS, BURST, WORKERS, "ns"),
        "map": (map_all, MAPPED, BURST, WORKERS, "ns"),
        "round_trip": (round_trips, ROUND_TRIPS, WARM_UP, 1, "ns"),
        "large": (large, LARGE, WINDOW, WORKERS, "us"),
    }[name]
    scale = {"us": 1e6, "ns": 1e9}[unit]
    print(f"{name} {timed(run, n, warm_up, workers) * scale:.1f} {unit}")
