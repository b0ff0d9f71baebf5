"""What bench/preview makes of a preview and of whom keys belonged to before and after."""

import importlib.machinery
import importlib.util
import unittest
from pathlib import Path

LOADER = importlib.machinery.SourceFileLoader("preview", str(Path(__file__).resolve().parents[1] / "preview"))
preview = importlib.util.module_from_spec(importlib.util.spec_from_loader("preview", LOADER))
LOADER.exec_module(preview)


def compared(share, moved, to="b"):
    """1,000 keys of replica a, of which so many moved, beside a preview of this share from a to b."""
    before = {str(key): "a" for key in range(1_000)}
    after = before | {str(key): to for key in range(moved)}
    shares = {"moved": share, "moves": [{"from": "a", "to": "b", "share": share}] if share else []}
    return preview.Comparison(shares, before, after, {"a", "b"})


class TheComparison(unittest.TestCase):
    def test_lets_pass_what_drawing_keys_explains(self):
        for moved in (200, 151, 249):
            self.assertEqual(list(compared(0.2, moved).faults()), [], moved)

    def test_finds_a_share_that_drawing_keys_does_not_explain(self):
        for moved in (0, 148, 252, 1_000):
            self.assertEqual(len(list(compared(0.2, moved).faults())), 1, moved)

    def test_allows_no_key_where_none_or_all_should_move(self):
        self.assertEqual(list(compared(0.0, 0).faults()), [])
        self.assertEqual(list(compared(1.0, 1_000).faults()), [])
        self.assertTrue(list(compared(0.0, 1).faults()))
        self.assertTrue(list(compared(1.0, 999).faults()))

    def test_finds_keys_that_went_where_none_should(self):
        faults = list(compared(0.2, 200, to="c").faults())
        self.assertEqual(faults, ["200 keys moved from a to c, and none should have"])

    def test_counts_keys_that_moved_between_those_that_stayed(self):
        self.assertEqual(compared(0.2, 200).between_those_that_stayed(), 200)
        self.assertEqual(compared(0.2, 200, to="c").between_those_that_stayed(), 0)


if __name__ == "__main__":
    unittest.main()
