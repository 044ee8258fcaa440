"""What is to be looked at is looked at, whatever happens meanwhile."""

from lsp_server.agenda import MANY_PATHS, Agenda, Job


def test_changes_go_out_together_and_once():
    agenda = Agenda()
    agenda.add(["a", "b"])
    agenda.add(["b", "c"])
    assert agenda.is_waiting
    assert agenda.take() == [Job(("a", "b", "c"))]
    assert not agenda.is_waiting
    assert agenda.take() == []


def test_changes_come_before_everything():
    agenda = Agenda()
    agenda.add_all(["open.py"])
    agenda.add(["saved.py"])
    assert agenda.take() == [Job(("saved.py",)), Job(("open.py",), whole=True)]


def test_a_second_look_at_everything_waits_for_the_first():
    agenda = Agenda()
    agenda.add_all()
    (first,) = agenda.take()
    agenda.running[1] = first
    agenda.add_all()
    assert agenda.take() == []
    assert agenda.is_waiting
    agenda.running.clear()
    assert agenda.take() == [Job((), whole=True)]


def test_many_changes_are_a_look_at_everything():
    agenda = Agenda()
    agenda.add(f"{number}.py" for number in range(MANY_PATHS + 1))
    (job,) = agenda.take()
    assert job.whole
    assert job.paths[0] == "0.py"


def test_the_root_is_everything():
    agenda = Agenda()
    agenda.add(["a.py", ""])
    assert agenda.take() == [Job(("a.py",), whole=True)]


def test_what_was_left_undone_is_done_later():
    agenda = Agenda()
    agenda.add(["a"])
    agenda.add_all(["b"])
    for job in agenda.take():
        agenda.give_back(job)
    assert agenda.take() == [Job(("a",)), Job(("b",), whole=True)]


def test_jobs_in_the_words_of_the_indexer():
    assert Job(("a",)).command() == {"paths": ("a",)}
    assert Job(("a",), whole=True).command() == {"update": ("a",)}
