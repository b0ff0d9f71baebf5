"""The arithmetic from raw rounds to the tables, and the reading of /proc."""

import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import accounting, contenders, options, report


def figures(cpu, **others):
    return {
        "requests_per_s": 1000.0, "p50_us": 1000, "p99_us": 2000, "cpu_us_per_request": cpu,
        "user_us_per_request": cpu / 4, "system_us_per_request": cpu * 3 / 4, "core_share": 0.5,
        "core_share_of_others": 0.0, "core_share_stolen": 0.0, "threads_ended": 0, "errors": 0,
        "memory": {"rss": 3 * 2**20, "pss": 0, "anonymous": 2 * 2**20, "private_dirty": 2**20}, **others,
    }


class ReportTest(unittest.TestCase):
    def test_ratio_is_taken_within_the_round_before_the_median(self):
        # The machine was twice as slow in the second round: the ratio of the medians would say 1.5.
        rounds = [{"nginx": figures(12.0), "relay": figures(10.0)},
                  {"nginx": figures(24.0), "relay": figures(20.0)},
                  {"nginx": figures(15.0), "relay": figures(10.0)}]
        row = report.summarise(rounds)[0]
        self.assertEqual(row["ratios"], [1.2, 1.2, 1.5])
        self.assertEqual(row["cpu_us_per_request"], 15.0)

    def test_a_round_without_the_relay_has_no_ratio(self):
        rounds = [{"nginx": figures(12.0), "relay": {"failed": "x"}}, {"nginx": figures(12.0)}]
        self.assertEqual(report.ratios_to_relay("nginx", rounds), [])

    def test_a_failed_contender_keeps_its_row_and_its_reason(self):
        rounds = [{"nginx": {"failed": "no\nport"}, "relay": figures(10.0)}] * 2
        table = "\n".join(report.table({"rounds": rounds}))
        self.assertIn("| nginx | failed |", table)
        self.assertIn("nginx failed in 2 of 2 rounds: no port", table)

    def test_what_others_took_of_the_core_is_told(self):
        rounds = [{"relay": figures(10.0, core_share_of_others=share)} for share in (0.01, 0.3, 0.06)]
        table = "\n".join(report.table({"rounds": rounds}))
        self.assertIn("others had up to 30% of relay's core, in 2 of 3 rounds", table)

    def test_errors_are_summed_over_the_rounds(self):
        rounds = [{"relay": figures(10.0, errors=count)} for count in (1, 0, 4)]
        self.assertEqual(report.summarise(rounds)[0]["errors"], 5)


class AccountingTest(unittest.TestCase):
    def test_cpu_time_counts_the_children_and_splits_user_from_system(self):
        burn = "for _ in range(10 ** 10): pass"
        parent = subprocess.Popen(["sh", "-c", f"{sys.executable} -c '{burn}'; exit"], start_new_session=True)
        self.addCleanup(parent.wait)
        self.addCleanup(os.killpg, parent.pid, 9)
        deadline = time.monotonic() + 20
        while len(tree := accounting.process_tree(parent.pid)) < 2 or accounting.CpuTime.read(tree).user_ticks < 5:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        first = accounting.CpuTime.read(tree)
        time.sleep(0.5)
        used = accounting.CpuTime.read(tree).since(first)
        self.assertGreater(used["total_s"], 0.05)
        self.assertGreater(used["user_s"], used["total_s"] * 0.5)
        self.assertAlmostEqual(used["user_s"] + used["system_s"], used["total_s"])
        self.assertGreater(accounting.memory(tree)["anonymous"], 2**20)


class OptionsTest(unittest.TestCase):
    def test_ringway_names_both_engines(self):
        for text, expected in [("ringway", ("ringway-epoll", "ringway-io_uring")), ("relay", ("relay",)),
                               ("nginx,nginx,relay", ("nginx", "relay")),
                               (",".join(contenders.NAMES), contenders.NAMES)]:
            with self.subTest(text=text):
                core = str(min(os.sched_getaffinity(0)))
                given = options.parse(["--only", text, "--proxy-core", core, "--load-core", core])
                self.assertEqual(given.contenders, expected)


if __name__ == "__main__":
    unittest.main()
