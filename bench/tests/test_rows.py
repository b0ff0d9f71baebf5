"""The rows of bench/run: ratios within a round, targets, what is read from other programs, and the report as a whole."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import contenders, loads, options
from rows import NAMES, ROWS, calls, chosen, cores, document, figures, row as rows_row, swaps
from rows.main import _rotated


def case(*rounds):
    return {"name": "any", "rounds": list(rounds)}


def load_figures(cpu=10.0, **others):
    return {"requests_per_s": 1000.0, "p50_us": 1000, "p99_us": 2000, "p999_us": 3000, "cpu_us_per_request": cpu,
            "user_us_per_request": cpu / 4, "system_us_per_request": cpu * 3 / 4, "busiest_thread_us_per_request": cpu,
            "core_share": 0.5, "core_share_of_others": 0.0, "core_share_stolen": 0.0, "threads_ended": 0, "errors": 0,
            "resident": 3 * 2**20, "memory": {"rss": 3 * 2**20, "pss": 0, "anonymous": 2**20, "private_dirty": 2**20},
            **others}


class FiguresTest(unittest.TestCase):
    def test_the_best_peer_is_chosen_in_each_round(self):
        rounds = case({"ringway-epoll": {"p99": 2.0}, "nginx": {"p99": 4.0}, "haproxy": {"p99": 1.0}},
                      {"ringway-epoll": {"p99": 2.0}, "nginx": {"p99": 2.0}, "haproxy": {"p99": 8.0}})
        target = figures.against_best("p99", "at most", 1.0, rounds, "p99")
        self.assertEqual(target.measured["ringway-epoll"], figures.Spread(1.5, 1.0, 2.0))
        self.assertIsNone(target.measured["ringway-io_uring"])

    def test_a_round_in_which_one_of_both_failed_has_no_ratio(self):
        rounds = case({"ringway-epoll": {"cpu": 3.0}, "relay": {"failed": "x"}}, {"relay": {"cpu": 2.0}},
                      {"ringway-epoll": {"cpu": 3.0}, "relay": {"cpu": 2.0}})
        self.assertEqual(figures.ratios(rounds, "ringway-epoll", "cpu", ["relay"]), [1.5])

    def test_two_cases_are_compared_round_by_round(self):
        many = case({"ringway-epoll": {"cpu": 3.0}}, {"ringway-epoll": {"cpu": 8.0}}, {"ringway-epoll": {"cpu": 1.0}})
        few = case({"ringway-epoll": {"cpu": 2.0}}, {"ringway-epoll": {"cpu": 4.0}})
        self.assertEqual(figures.ratios_between(many, few, "ringway-epoll", "cpu"), [1.5, 2.0])

    def test_the_sense_of_a_target_decides_at_its_bound(self):
        for sense, at_the_bound, above in [("at most", True, False), ("below", False, False), ("at least", True, True),
                                           ("above", False, True)]:
            with self.subTest(sense=sense):
                spreads = {"ringway-epoll": figures.Spread.of([1.0]), "ringway-io_uring": figures.Spread.of([1.1])}
                target = figures.Target("any", sense, 1.0, spreads)
                self.assertEqual([target.met(name) for name in contenders.RINGWAYS], [at_the_bound, above])

    def test_one_error_in_one_round_is_a_miss_and_so_is_a_failure(self):
        for rounds, met in [(case({"ringway-epoll": {"errors": 0}}, {"ringway-epoll": {"errors": 0}}), True),
                            (case({"ringway-epoll": {"errors": 0}}, {"ringway-epoll": {"errors": 1}}), False),
                            (case({"ringway-epoll": {"errors": 0}}, {"ringway-epoll": {"failed": "x"}}), False),
                            (case({}), None)]:
            self.assertEqual(figures.no_error("errors", rounds).met("ringway-epoll"), met)


class MetTest(unittest.TestCase):
    def test_a_target_is_met_when_both_engines_meet_it(self):
        for epoll, io_uring, word in [([0.5], [0.6], "yes"), ([0.5], [2.0], "only on epoll"), ([2.0], [0.5], "only on io_uring"),
                                      ([2.0], [2.0], "**no**"), ([], [], "not measured"), ([], [0.5], "yes")]:
            spreads = {"ringway-epoll": figures.Spread.of(epoll), "ringway-io_uring": figures.Spread.of(io_uring)}
            self.assertEqual(document.met(figures.Target("any", "at most", 1.0, spreads)), word)


class ReadingTest(unittest.TestCase):
    def test_what_perf_counts(self):
        text = "# started\n\n109,,raw_syscalls:sys_enter,979781,100.00,,\n7,,syscalls:sys_enter_sendto,1,100.00,,\n" \
               "<not counted>,,syscalls:sys_enter_futex,0,100.00,,\n"
        self.assertEqual(calls.read_perf(text), {"total": 109, "sendto": 7})

    def test_what_strace_counts_with_and_without_errors(self):
        text = "% time     seconds  usecs/call     calls    errors syscall\n------ ----------- ----------- --------- --------- ---\n" \
               " 60.00    0.000358           3       109        14 recvfrom\n 40.00    0.000100           2        91           sendto\n" \
               "------ ----------- ----------- --------- --------- ---\n100.00    0.000458           3       200        14 total\n"
        self.assertEqual(calls.read_strace(text), {"recvfrom": 109, "sendto": 91, "total": 200})

    def test_the_last_line_on_publications_counts(self):
        self.assertEqual(swaps.rate_told("PUBLISHED 900 SECONDS 1.000\nPUBLISHED 2000 SECONDS 2.000\n"), 1000.0)

    def test_publications_cost_what_the_data_plane_did_not(self):
        self.assertEqual(swaps.publication_us(load_figures(15.0, busiest_thread_us_per_request=10.0), 500.0), 10.0)

    def test_the_load_tester_s_failures_are_errors_and_a_missing_percentile_is_the_slowest(self):
        latency = {"p50_us": 10.0, "p99_us": 20.0, "p999_us": None, "max_us": 25.0}
        said = {"latency": latency, "requests": {"answered": 90, "refused": 3, "failed": 7}, "answers_per_second": 9.0,
                "failures": [], "verdicts": []}
        read = loads.tester_figures(said)
        self.assertEqual(sum(read[kind] for kind in loads.ERROR_KINDS), 10)
        self.assertEqual(read["p999_us"], 25.0)

    def test_without_any_answer_the_load_says_why(self):
        with self.assertRaisesRegex(loads.LoadFailed, "refused"):
            loads.tester_figures({"latency": None, "failures": [{"kind": "refused"}]})


class SpreadOverCoresTest(unittest.TestCase):
    def test_chance_alone(self):
        # Of two connections both are on one core every other time: 1 or 1/2. Of four: 16 ways, of them 2, 8 and 6.
        self.assertEqual(cores.expected_share(2), 0.75)
        self.assertEqual(cores.expected_share(4), (2 * 4 + 8 * 3 + 6 * 2) / 16 / 4)


class OrderTest(unittest.TestCase):
    def test_everybody_is_first_once(self):
        self.assertEqual([_rotated([1, 2, 3], number) for number in range(4)], [[1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2, 3]])


class OptionsTest(unittest.TestCase):
    def setUp(self):
        import os
        core = str(min(os.sched_getaffinity(0)))
        self.cores = ["--proxy-core", core, "--load-core", core]

    def test_rows_are_chosen_by_name_in_their_own_order(self):
        given = options.parse(["--only-rows", "open,small", *self.cores], NAMES)
        self.assertEqual([row.name for row in chosen(given)], ["small", "open"])

    def test_all_rows_unless_a_closed_loop_is_asked_for(self):
        self.assertEqual(chosen(options.parse(self.cores, NAMES)), ROWS)
        asked = options.parse(["--connections", "8,16", *self.cores], NAMES)
        self.assertEqual([case.facts for row in chosen(asked) for case in row.cases(asked)],
                         [{"connections": 8, "body": 128}, {"connections": 16, "body": 128}])

    def test_the_whole_stays_below_25_minutes(self):
        given = options.parse(self.cores, NAMES)
        seconds = sum(rows_row.seconds_of(row, given, contenders.ALL) for row in ROWS)
        self.assertLess(seconds, 25 * 60)


class DocumentTest(unittest.TestCase):
    def run_of(self, figures_of):
        import os
        core = str(min(os.sched_getaffinity(0)))
        given = options.parse(["--proxy-core", core, "--load-core", core], NAMES)
        rows = [{"name": row.name, "title": row.title, "prepared": {}, "cases": [
            {"name": each.name, **each.facts, "prepared": {"counter": "perf stat", "rate": 7, "capacities": {"nginx": 10.0}},
             "rounds": [figures_of(row)] * 2} for each in row.cases(given)]} for row in ROWS]
        machine = {"date": "2026-01-01", "commit": "abc", "cpu": "any", "cores": 2, "memory_gib": 1, "kernel": "6", "versions": {}}
        run = {"machine": machine, "command": "bench/run", "rounds": 2, "seconds": 1.0, "warmup_seconds": 1.0, "keys": 1,
               "proxy_core": 0, "load_core": 1, "warnings": [], "skipped": [], "rows": rows}
        return run | {"charts": document.charts(run)}

    def test_every_row_has_its_tables_targets_and_charts(self):
        everything = load_figures(idle_bytes=900.0, served_bytes=2000.0, busiest_share=0.7, all_on_one=0.1, published_per_s=1000.0,
                                  publication_us=9.0, total_per_request=4.0, per_request={"sendto": 2.0})
        run = self.run_of(lambda row: {name: everything for name in row.contenders})
        text = document.markdown(run, "charts")
        for row in ROWS:
            self.assertIn(f"## {row.title}", text)
        self.assertNotIn("not measured", text)
        self.assertIn("| 64 connections: CPU time per request over the relay's | at most 1.15 | **1.00** | **1.00** | yes |", text)
        self.assertIn("| 64 connections: CPU time per request over nginx's | at most 0.80 | **1.00** | **1.00** | **no** |", text)
        self.assertGreaterEqual(len(run["charts"]), 8)
        for chart in run["charts"]:
            self.assertIn(f"charts/{chart['stem']}.svg", text)
            for group in chart["groups"]:
                self.assertEqual(len(group["values"]), len(chart["legend"]), chart["stem"])

    def test_a_run_in_which_all_failed_is_still_told(self):
        run = self.run_of(lambda row: {name: {"failed": "no port"} for name in row.contenders})
        text = document.markdown(run)
        self.assertIn("not measured", text)
        self.assertIn("nginx failed in 2 of 2 rounds: no port", text)
        self.assertIn("nginx failed: no port", text)


if __name__ == "__main__":
    unittest.main()
