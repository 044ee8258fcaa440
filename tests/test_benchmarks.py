"""The benchmarks' own arithmetic: means, errors, floors, rows, and that the helpers say what they measure."""

import json
import math
import os
from pathlib import Path

from benchmarks import common
from benchmarks.quality import figures
from benchmarks.quality.bench import Scored
from benchmarks.speed import memory, rows


def scored(name: str, repo: str, value: float, *, hard: bool = False) -> Scored:
    return Scored(
        name, repo, f"question {name}", "semantic", hard, {"semble": value, "file": value, "hit1": 0, "hit10": 1}
    )


def test_mean_of_repos_counts_each_repository_once():
    sample = [scored("a", "x", 1.0), scored("b", "x", 0.0), scored("c", "y", 1.0)]
    assert figures.mean_of_repos(sample, "semble") == 0.75
    assert math.isnan(figures.mean_of_repos([], "semble"))


def test_standard_error_comes_from_inside_the_repositories():
    apart = [scored("a", "x", 0.2), scored("b", "x", 0.2), scored("c", "y", 0.9), scored("d", "y", 0.9)]
    assert figures.standard_error(apart, "semble") == 0.0
    assert math.isnan(figures.standard_error(apart[:1], "semble"))


def test_floors_tell_only_what_was_measured():
    summaries = {"root": figures.summary([scored("a", "x", 0.9), scored("b", "x", 0.5, hard=True)])}
    assert figures.floor_rows(summaries) == [("root all", 0.7, 0.84, False), ("root hard", 0.5, 0.79, False)]


def test_differences_are_paired_and_skip_what_is_missing():
    now = [scored("a", "x", 0.9), scored("b", "x", 0.5), scored("new", "x", 0.1)]
    changed = figures.differences(now, {"a": [0.4, 0.9], "b": [0.5, 0.5]})
    assert [(row.id, round(row.values["semble"], 3), round(row.values["file"], 3)) for row in changed] == [
        ("a", 0.5, 0.0),
        ("b", 0.0, 0.0),
    ]
    text = figures.difference_text("root", changed)
    assert "2 questions in both runs" in text
    assert "question a" in text
    assert "question b" not in text


def test_percentile_is_a_value_of_the_sample():
    assert common.percentile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert common.percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert common.percentile([7.0], 0.95) == 7.0


def test_rows_know_whether_their_target_is_met():
    assert rows.at_most("time", 5.9, (6.0, "ms")).ok
    assert not rows.at_least("recall", 0.97, (0.98, "")).ok
    assert rows.told("size", 1e9, "MB").ok
    report = rows.report([rows.at_most("time", 7.0, (6.0, "ms"), "slow")])
    assert "NOT OK" in report
    assert "<= 6 ms" in report


def test_results_are_json_with_one_line_per_entry(tmp_path: Path):
    path = tmp_path / "folder" / "results.json"
    results: dict[str, object] = {"setting": {"a": 1}, "rows": [{"x": 1}, {"x": 2}], "empty": {}, "plain": "text"}
    common.write_results(path, results)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == results
    assert '  {"x": 2}' in text.splitlines()


def test_memory_of_this_very_process():
    now = memory.sample(os.getpid())
    assert now.parts
    assert 1 < now.rss < 100_000
