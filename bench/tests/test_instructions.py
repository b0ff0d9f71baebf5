"""What bench/instructions makes of figures and of those that are committed."""

import importlib.machinery
import importlib.util
import json
import sys
import tempfile
import unittest
from pathlib import Path

# Beside the script no bytecode is left: it has no suffix that git ignores.
sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("instructions", str(Path(__file__).resolve().parents[1] / "instructions"))
instructions = importlib.util.module_from_spec(importlib.util.spec_from_loader("instructions", LOADER))
LOADER.exec_module(instructions)


class TheCheck(unittest.TestCase):
    def faults(self, figures, committed, complete=True):
        return list(instructions.faults(figures, committed, complete))

    def test_allows_five_per_cent_more_and_anything_less(self):
        for figure in (1.0, 100.0, 105.0):
            self.assertEqual(self.faults({"a": figure}, {"a": 100.0}), [], figure)

    def test_finds_what_rose_further(self):
        found = self.faults({"a": 105.1, "b": 7.0}, {"a": 100.0, "b": 7.0})
        self.assertEqual(found, ["a: 105.1 instructions, 5.1% more than the committed 100.0"])

    def test_finds_a_kernel_that_began_to_cost_anything(self):
        self.assertEqual(self.faults({"a": 0.0}, {"a": 0.0}), [])
        self.assertEqual(len(self.faults({"a": 1.0}, {"a": 0.0})), 1)

    def test_finds_kernels_without_figures_and_figures_without_kernels(self):
        self.assertEqual(len(self.faults({"new": 1.0}, {})), 1)
        self.assertEqual(len(self.faults({}, {"gone": 1.0})), 1)
        self.assertEqual(self.faults({}, {"not asked for": 1.0}, complete=False), [])


class TheCommittedFigures(unittest.TestCase):
    def test_are_kept_apart_by_circumstances(self):
        with tempfile.TemporaryDirectory() as folder:
            where = Path(folder) / "figures.json"
            instructions.save(where, "one compiler", {"a": 1.0, "b": 2.0})
            instructions.save(where, "another compiler", {"a": 3.0})
            instructions.save(where, "one compiler", {"b": 4.0})
            expected = {"one compiler": {"a": 1.0, "b": 4.0}, "another compiler": {"a": 3.0}}
            self.assertEqual(json.loads(where.read_text()), expected)

    def test_stand_beside_the_new_ones(self):
        lines = instructions.table({"a": 110.0, "b": 5.0}, {"a": 100.0}).splitlines()
        self.assertEqual(lines[1].split(), ["a", "110.0", "100.0", "+10.0%"])
        self.assertEqual(lines[2].split(), ["b", "5.0", "-", "-"])


if __name__ == "__main__":
    unittest.main()
