"""Indexer: when the process that writes an index has done enough."""

from contextlib import closing

import pytest
from support import BagEncoder, write_workspace

from lsp_server import indexer
from lsp_server.engine.index import Index, Options

CODE = "//- a.py\n" + "".join(f"def number_{at}():\n    return {at}\n\n\n" for at in range(6))


@pytest.mark.parametrize(("large", "done"), [(3, [1]), (1_000, [1, 2])])
def test_a_large_pass_is_the_last_of_its_process(tmp_path, monkeypatch, large, done):
    monkeypatch.setattr(indexer, "LARGE", large)
    root = tmp_path / "workspace"
    root.mkdir()
    write_workspace(root, CODE)
    jobs, ended = indexer.Jobs(), []

    def say(report):
        if "end" in report:
            assert report["end"] == "done"
            ended.append(report["job"])
            if report["job"] == 2:
                jobs.close()

    for number in (1, 2):
        jobs.add(indexer.Job(number, whole=True, paths=()))
    with closing(Index(root, Options(cache_dir=str(tmp_path / "cache"), threads=1), BagEncoder())) as index:
        indexer.work(index, jobs, say)
        assert ended == done
        index.catch_up()
        assert index.status().embedded == index.status().symbols == 7
