"""What bench/siege makes of what it saw."""

import argparse
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sieges import report, slowloris, soak, tokens
from sieges.besieged import added

MEBIBYTE = 2**20


def calm(descriptors=10, threads=3, resident=30 * MEBIBYTE, cpu=0.001, exchanges=0):
    return {"descriptors": descriptors, "threads": threads, "resident": resident, "cpu": cpu, "under_way": {"exchanges_open": exchanges}}


def cycle(seen, answered=100, faults=()):
    return {"calm": seen, "counts": {"good requests answered": answered, "hostile connections": 5}, "faults": list(faults)}


def soaked(*cycles):
    return {"engine": "epoll", "start": calm(), "cycles": list(cycles), "faults": [], "counts": {}, "servers": {}}


class SoakTest(unittest.TestCase):
    def test_cycles_that_end_as_they_began_are_no_fault(self):
        self.assertEqual(soak.faults(soaked(*[cycle(calm())] * 5)), [])

    def test_whatever_stays_behind_is_a_fault(self):
        for seen, word in [
            (calm(descriptors=11), "descriptors"),
            (calm(threads=4), "threads"),
            (calm(cpu=0.04), "of a core"),
            (calm(exchanges=1), "exchanges_open is 1"),
        ]:
            with self.subTest(word=word):
                self.assertIn(word, " ".join(soak.faults(soaked(cycle(seen)))))

    def test_memory_may_grow_up_to_the_third_cycle_and_not_after_it(self):
        def grown(*sizes):
            return soak.faults(soaked(*[cycle(calm(resident=size * MEBIBYTE)) for size in sizes]))

        self.assertEqual(grown(10, 30, 100, 104, 90, 105), [])
        self.assertIn("RSS grew from 100.0 MiB", " ".join(grown(10, 30, 100, 106)))

    def test_wrong_and_missing_answers_are_faults(self):
        self.assertEqual(len(soak.faults(soaked(cycle(calm(), faults=["another's body"])))), 1)
        self.assertEqual(len(soak.faults(soaked(cycle(calm(), answered=0)))), 1)

    def test_a_cycle_in_which_ringway_ended_is_shown(self):
        options = argparse.Namespace(attackers=300, cycle=60, calm=6.0, minutes=1)
        self.assertIn("| 1 | gone |", soak.markdown([soaked(cycle(None))], options))


def besieged(rates, errors=0, opened=9_000, peak=50, left=True):
    def load(rate):
        return {"requests_per_s": rate, "p99_us": 1000, "cpu_us_per_request": 20.0, "errors": errors, "core_share": 0.9}

    rounds = [{"calm": load(2 * without), "displaced": load(without), "besieged": load(with_them), "open": opened, "left": left}
              for without, with_them in rates]
    return {"start": 10 * MEBIBYTE, "peak": peak * MEBIBYTE, "rounds": rounds}


class SlowlorisTest(unittest.TestCase):
    def faults(self, **more):
        return slowloris.faults(besieged(**{"rates": [(100, 95)]} | more), 9_000)

    def test_a_small_loss_is_no_fault_and_the_median_decides(self):
        self.assertEqual(self.faults(), [])
        self.assertEqual(self.faults(rates=[(100, 95), (100, 50), (100, 91)]), [])
        self.assertIn("lost 11.0%", " ".join(self.faults(rates=[(100, 95), (100, 50), (100, 89)])))

    def test_errors_memory_and_absent_drippers_are_faults(self):
        for more in ({"errors": 1}, {"peak": 400}, {"opened": 8_000}, {"left": False}):
            with self.subTest(**more):
                self.assertEqual(len(self.faults(**more)), 1)

    def test_the_drippers_pay_for_what_the_requests_do_not(self):
        rounds = besieged([(100, 10_000)])["rounds"]
        self.assertAlmostEqual(slowloris.drippers_cost(rounds), 0.9 - 10_000 * 20e-6)


class TokensTest(unittest.TestCase):
    def test_faults_of_the_ledger_are_told_and_the_rest_counted(self):
        counts = {"GET asked": 10, "answered": 9, "faults": 3}
        self.assertEqual(tokens.faults({"counts": counts, "faults": ["a"]}), ["a", "and 2 more"])

    def test_a_run_without_answers_shows_nothing_and_fails(self):
        self.assertEqual(len(tokens.faults({"counts": {}, "faults": []})), 1)
        self.assertEqual(len(tokens.faults({"counts": {"GET asked": 10, "answered": 4}, "faults": []})), 1)
        self.assertEqual(tokens.faults({"counts": {"GET asked": 10, "answered": 9}, "faults": []}), [])


class ReportTest(unittest.TestCase):
    def test_a_run_replaces_its_own_sections_and_keeps_the_others(self):
        first = report.merged("", {"soak": "## soak\n\none\n", "tokens": "## tokens\n\ntwo\n"})
        second = report.merged(first, {"tokens": "## tokens\n\nthree\n"})
        self.assertIn("one", second)
        self.assertIn("three", second)
        self.assertNotIn("two", second)
        self.assertEqual(report.merged(second, {}), second)

    def test_the_verdict_names_engine_and_fault(self):
        self.assertEqual(report.verdict([{"engine": "epoll", "faults": ["a leak"]}]), "epoll: a leak.")
        self.assertEqual(report.verdict([{"engine": "epoll", "faults": []}]), "all as it should be.")

    def test_counts_are_added_by_name(self):
        self.assertEqual(added([{"a": 1, "b": 2}, {"b": 3}]), {"a": 1, "b": 5})


if __name__ == "__main__":
    unittest.main()
