"""Every request and command that asks something, answered by a real server with the real model."""

import asyncio
import os

import psutil
import pytest

from .editor import SECONDS, Refused

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


def text_of(root, location, field="range"):
    """Give the text that a location of an ASCII file names."""
    path = root / location["uri"].rpartition("/my%20sh%C3%B6p/")[2]
    lines = path.read_text().splitlines(keepends=True)
    start, end = location[field]["start"], location[field]["end"]
    if start["line"] == end["line"]:
        return lines[start["line"]][start["character"] : end["character"]]
    middle = lines[start["line"] + 1 : end["line"]]
    return lines[start["line"]][start["character"] :] + "".join(middle) + lines[end["line"]][: end["character"]]


# ---- workspace/semanticSymbol


async def test_code_is_found_by_what_it_does(shop, shared_project):
    result = await shop.search("load configuration from disk")
    best = result["symbols"][0]
    assert best["name"] == "read_settings"
    assert best["kind"] == 6
    assert best["containerName"].endswith("SettingsReader")
    assert best["languageId"] == "python"
    assert best["preview"] == "def read_settings(self, path)"
    assert best["detail"] == "Load the configuration from a file on disk."
    assert best["match"] in ("meaning", "words", "name", "mixed")
    assert text_of(shared_project, best["location"]).startswith("def read_settings(self, path):\n")
    assert text_of(shared_project, {"uri": best["location"]["uri"], "range": best["selectionRange"]}) == "read_settings"
    assert result["index"]["state"] == "ready"
    assert result["index"]["mode"] == "hybrid"
    assert result["index"]["model"] == "minilm-l6"
    assert result["index"]["embedded"] == result["index"]["symbols"] > 0
    assert isinstance(result["confident"], bool)
    scores = [row["score"] for row in result["symbols"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


async def test_words_come_first_to_a_client_that_takes_partial_results(shop):
    since = len(shop.heard)
    result = await shop.search("customer message", partialResultToken="words")
    partial = [params for params in shop.of("$/progress", since) if params["token"] == "words"]
    assert len(partial) == 1
    assert {row["name"] for row in partial[0]["value"]["symbols"]} >= {"send_mail", "deliver_newsletter"}
    assert {row["name"] for row in result["symbols"]} >= {"send_mail", "deliver_newsletter"}


async def test_work_that_the_client_wants_to_see_begins_and_ends(shop):
    since = len(shop.heard)
    await shop.search("tax", workDoneToken=7)
    kinds = [params["value"]["kind"] for params in shop.of("$/progress", since) if params["token"] == 7]
    assert kinds == ["begin", "end"]


@pytest.mark.parametrize(
    ("filters", "test"),
    [
        ({"limit": 2}, lambda rows: len(rows) == 2),
        ({"limit": 2.0}, lambda rows: len(rows) == 2),
        ({"kinds": [12]}, lambda rows: rows and all(row["kind"] == 12 for row in rows)),
        ({"languages": ["javascript"]}, lambda rows: rows and all(row["languageId"] == "javascript" for row in rows)),
        ({"include": ["docs/**"]}, lambda rows: rows and all("/docs/" in row["location"]["uri"] for row in rows)),
        ({"exclude": ["src/**"]}, lambda rows: rows and not any("/src/" in row["location"]["uri"] for row in rows)),
        ({"kinds": None, "languages": [], "limit": None, "unknown": 1}, lambda rows: rows),
    ],
)
async def test_filters_leave_what_they_should(shop, filters, test):
    assert test((await shop.search("send a message to customers", **filters))["symbols"])


@pytest.mark.parametrize(
    "filters",
    [
        {"languages": ["cobol"]},
        {"kinds": [25]},
        {"include": ["nowhere/**"]},
        {"exclude": ["**"]},
        {"folders": ["file:///nowhere"]},
        {"include": ["["]},
    ],
)
async def test_a_filter_that_matches_nothing_gives_nothing(shop, filters):
    assert (await shop.search("message", **filters))["symbols"] == []


async def test_only_the_named_folders_are_asked(shop, shared_project):
    spelled_otherwise = shared_project.as_uri().replace("my%20", "m%79%20") + "/"
    assert "send_mail" in await shop.names("deliver a message", folders=[spelled_otherwise])


@pytest.mark.parametrize(
    ("query", "test"),
    [
        ("kind:function message", lambda rows: all(row["kind"] == 12 for row in rows)),
        ("lang:javascript money", lambda rows: all(row["languageId"] == "javascript" for row in rows)),
        ("path:src/mail.py message", lambda rows: all(row["location"]["uri"].endswith("mail.py") for row in rows)),
        ("-path:src/** shop", lambda rows: not any("/src/" in row["location"]["uri"] for row in rows)),
        ("in:src message", lambda rows: all("/src/" in row["location"]["uri"] for row in rows)),
        ("name:gross* money", lambda rows: [row["name"] for row in rows] == ["grossPrice"]),
        ("kind:function", lambda rows: len(rows) > 3),
        ('message "every customer"', lambda rows: [row["name"] for row in rows] == ["deliver_newsletter"]),
        ("", lambda rows: len(rows) > 5),
        ("nonsense:token customers", lambda rows: len(rows) > 1),
    ],
)
async def test_tokens_in_the_query_are_filters(shop, query, test):
    rows = (await shop.search(query))["symbols"]
    assert rows
    assert test(rows)


async def test_only_open_files_are_asked_when_the_query_says_so(shop, shared_project):
    assert (await shop.search("open: price"))["symbols"] == []
    shop.open(shared_project / "src/prices.js")
    rows = (await shop.search("open: price"))["symbols"]
    assert rows
    assert all(row["location"]["uri"].endswith("prices.js") for row in rows)
    shop.notify("textDocument/didClose", {"textDocument": {"uri": (shared_project / "src/prices.js").as_uri()}})
    assert (await shop.search("open: price"))["symbols"] == []


async def test_where_the_user_is_never_filters(shop, shared_project):
    here = {"uri": (shared_project / "src/prices.js").as_uri()}
    assert "send_mail" in await shop.names("deliver a message", textDocument=here)
    assert "send_mail" in await shop.names("deliver a message", textDocument={"uri": "untitled:Untitled-1"})


# ---- workspace/similarSymbol


async def test_similar_code_is_found_and_the_selection_left_out(shop, shared_project):
    at = {"line": 1, "character": 8}
    params = {
        "textDocument": {"uri": (shared_project / "src/mail.py").as_uri()},
        "range": {"start": at, "end": at},
        "limit": 3,
    }
    names = [row["name"] for row in (await shop.request("workspace/similarSymbol", params))["symbols"]]
    assert names[0] == "deliver_newsletter"
    assert "send_mail" not in names
    assert len(names) <= 3


@pytest.mark.parametrize("uri", ["src/missing.py", "../elsewhere.py"])
async def test_nothing_is_similar_to_what_is_not_indexed_and_the_status_says_why(shop, shared_project, uri):
    at = {"line": 0, "character": 0}
    params = {"textDocument": {"uri": (shared_project / uri).as_uri()}, "range": {"start": at, "end": at}}
    result = await shop.request("workspace/similarSymbol", params)
    assert result["symbols"] == []
    assert result["index"]["message"]


# ---- workspace/semanticIndex


async def test_the_index_is_described(shop, shared_project):
    (folder,) = (await shop.request("workspace/semanticIndex"))["folders"]
    assert folder["uri"] == shared_project.as_uri()
    assert folder["state"] == "ready"
    assert folder["filesDone"] == folder["filesTotal"] == 5
    assert folder["bytes"] > 0
    assert folder["lastUpdate"] > 1.7e9
    assert folder["skipped"] == []
    assert folder["skippedTotal"] == 0


# ---- workspace/symbol


async def test_a_name_is_answered_by_names(shop, shared_project):
    rows = await shop.request("workspace/symbol", {"query": "read_settings"})
    assert rows[0]["name"] == "read_settings"
    assert set(rows[0]["location"]) == {"uri", "range"}
    assert rows[0]["score"] >= rows[-1]["score"]
    for part, name in (("grPr", "grossPrice"), ("SettingsR", "SettingsReader")):
        assert (await shop.request("workspace/symbol", {"query": part}))[0]["name"] == name


async def test_a_jump_leads_to_the_name(shop, shared_project):
    """Not to the comment above it, with which the whole symbol begins."""
    for query in ("grossPrice", "round money to whole cents"):
        row = (await shop.request("workspace/symbol", {"query": query}))[0]
        assert text_of(shared_project, row["location"]) == row["name"]


async def test_words_are_answered_by_meaning(shop):
    rows = await shop.request("workspace/symbol", {"query": "load configuration from disk"})
    assert rows[0]["name"] == "read_settings"
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("query", ["xyzzy_plugh", "%" * 50, "%$#", "::", "x" * 10_000, "\ud800"])
async def test_a_query_without_matches_gives_an_empty_list(shop, query):
    assert await shop.request("workspace/symbol", {"query": query}) == []


async def test_an_empty_query_lists_symbols(shop):
    assert await shop.request("workspace/symbol", {"query": ""})


# ---- code action and commands


def action_params(root, **context):
    at = {"start": {"line": 1, "character": 2}, "end": {"line": 1, "character": 2}}
    uri = (root / "src/mail.py").as_uri()
    return {"textDocument": {"uri": uri}, "range": at, "context": {"diagnostics": [], **context}}


async def test_similar_code_is_offered_and_shown(shop, shared_project):
    (action,) = await shop.request("textDocument/codeAction", action_params(shared_project, triggerKind=1))
    assert action["title"] == "Find similar code"
    since = len(shop.heard)
    result = await shop.command(action["command"]["command"], *action["command"]["arguments"])
    (shown,) = shop.of("window/showDocument", since)
    assert shown["uri"] == result["symbols"][0]["location"]["uri"]
    assert shown["selection"] == result["symbols"][0]["selectionRange"]


@pytest.mark.parametrize("context", [{"triggerKind": 2}, {"only": ["quickfix"]}])
async def test_no_bulb_is_lit_for_it(shop, shared_project, context):
    assert await shop.request("textDocument/codeAction", action_params(shared_project, **context)) == []


async def test_it_is_not_offered_outside_the_folders(shop, shared_project):
    assert await shop.request("textDocument/codeAction", action_params(shared_project.parent)) == []


async def test_find(shop):
    assert (await shop.command("meaning-ls.find", "load configuration"))["symbols"][0]["name"] == "read_settings"
    rows = (await shop.command("meaning-ls.find", "message", {"limit": 1}))["symbols"]
    assert len(rows) == 1


async def test_find_and_show(shop):
    since = len(shop.heard)
    location = await shop.command("meaning-ls.findAndShow", "load configuration")
    (shown,) = shop.of("window/showDocument", since)
    assert shown["uri"] == location["uri"]
    assert shown["takeFocus"] is True
    assert await shop.command("meaning-ls.findAndShow", "kind:macro anything") is None


async def test_similar(shop, shared_project):
    uri = (shared_project / "src/mail.py").as_uri()
    place = {"line": 1, "character": 2}
    for location in (
        {"uri": uri, "range": {"start": place, "end": place}},
        {"textDocument": {"uri": uri}, "position": place},
    ):
        since = len(shop.heard)
        result = await shop.command("meaning-ls.similar", location, {"limit": 1})
        assert [row["name"] for row in result["symbols"]] == ["deliver_newsletter"]
        assert shop.of("window/showDocument", since) == []


async def test_status(shop):
    assert await shop.command("meaning-ls.status") == await shop.request("workspace/semanticIndex")


async def test_explain(shop, shared_project):
    uri = (shared_project / "src/settings.py").as_uri()
    place = {"line": 7, "character": 0}
    location = {"uri": uri, "range": {"start": place, "end": place}}
    reasons = await shop.command("meaning-ls.explain", "load configuration", location)
    assert reasons["name"] == "read_settings"
    assert reasons["place"] == 1


async def test_why(shop, shared_project):
    assert "indexed" in await shop.command("meaning-ls.why", (shared_project / "src/mail.py").as_uri())
    with pytest.raises(Refused, match="no open folder"):
        await shop.command("meaning-ls.why", "file:///etc/hosts")


# ---- bad input

SIMILAR = "workspace/similarSymbol"
SEARCH = "workspace/semanticSymbol"


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        (SEARCH, None, "params"),
        (SEARCH, [], "params"),
        (SEARCH, {}, "query"),
        (SEARCH, {"query": 5}, "query"),
        (SEARCH, {"query": "x" * 100_000}, "query"),
        (SEARCH, {"query": "x", "limit": 0}, "limit"),
        (SEARCH, {"query": "x", "limit": 201}, "limit"),
        (SEARCH, {"query": "x", "limit": "ten"}, "limit"),
        (SEARCH, {"query": "x", "limit": True}, "limit"),
        (SEARCH, {"query": "x", "limit": 1.5}, "limit"),
        (SEARCH, {"query": "x", "kinds": 12}, "kinds"),
        (SEARCH, {"query": "x", "kinds": [12, 99]}, r"kinds\[1\]: must be a whole number from 1 to 26"),
        (SEARCH, {"query": "x", "languages": "python"}, "languages"),
        (SEARCH, {"query": "x", "include": [1]}, r"include\[0\]"),
        (SEARCH, {"query": "x", "exclude": {}}, "exclude"),
        (SEARCH, {"query": "x", "include": ["a"] * 60, "exclude": ["b"] * 60}, "include and exclude: .* 120 globs"),
        (SEARCH, {"query": "x", "include": ["*a" * 65_000]}, "include and exclude: .* 130,000 characters"),
        (SEARCH, {"query": "path:a " * 101}, "query: its filters hold 101 globs; at most 100 are read"),
        (SEARCH, {"query": "name:a* " * 60 + "-path:b " * 60}, "query: its filters hold 120 globs"),
        (SEARCH, {"query": "x", "folders": [None]}, r"folders\[0\]"),
        (SEARCH, {"query": "x", "textDocument": "a"}, "textDocument"),
        (SEARCH, {"query": "x", "textDocument": {}}, r"textDocument\.uri"),
        (SEARCH, {"query": "x", "partialResultToken": []}, "partialResultToken"),
        (SIMILAR, {"range": {}}, "textDocument"),
        (SIMILAR, {"textDocument": {"uri": "file:///a"}}, "range"),
        (SIMILAR, {"textDocument": {"uri": "file:///a"}, "range": {"start": {}}}, r"range\.start\.line"),
        (
            SIMILAR,
            {"textDocument": {"uri": "a"}, "range": {"start": {"line": -1, "character": 0}, "end": {}}},
            r"range\.start\.line",
        ),
        ("workspace/symbol", {}, "query"),
        ("workspace/symbol", {"query": "x" * 100_000}, "query: is 100,000 characters"),
        ("workspace/symbol", None, "params"),
        ("textDocument/codeAction", {"textDocument": {}}, r"textDocument\.uri"),
        ("workspace/executeCommand", {}, "command"),
        ("workspace/executeCommand", {"command": "nonsense"}, "nonsense"),
        ("workspace/executeCommand", {"command": "meaning-ls.find"}, "query"),
        ("workspace/executeCommand", {"command": "meaning-ls.find", "arguments": ["", {"limit": 0}]}, r"s\.limit"),
        ("workspace/executeCommand", {"command": "meaning-ls.similar", "arguments": ["here"]}, "location"),
        ("workspace/executeCommand", {"command": "meaning-ls.explain", "arguments": ["x"]}, "location"),
        ("workspace/executeCommand", {"command": "meaning-ls.why", "arguments": [3]}, "uri"),
        ("workspace/executeCommand", {"command": "meaning-ls.reindex", "arguments": ["file:///nowhere"]}, "folder"),
    ],
)
async def test_malformed_params_are_refused_by_the_name_of_the_field(shop, method, params, field):
    with pytest.raises(Refused, match=field) as refused:
        await shop.request(method, params)
    assert refused.value.code == -32602
    assert refused.value.data is None
    assert "Traceback" not in refused.value.message


async def test_an_unknown_method_is_refused(shop):
    with pytest.raises(Refused, match="workspace/telepathy") as refused:
        await shop.request("workspace/telepathy", {})
    assert refused.value.code == -32601
    shop.notify("workspace/telepathy", {})
    shop.notify("textDocument/didSave", {"textDocument": 5})
    assert await shop.names("message")


@pytest.mark.parametrize(
    "query", ["\x00", "\ud83d", "😀" * 100, "a\u2028b\f", '"', '"""', "kind:", "-path:", "*", "' OR 1=1 --"]
)
async def test_any_text_is_a_question(shop, query):
    assert isinstance((await shop.search(query))["symbols"], list)


async def test_a_cancelled_request_is_answered_once_as_cancelled(shop):
    asked = [shop.ask(SEARCH, {"query": f"message number {i}"}) for i in range(20)]
    for number, _ in asked:
        shop.notify("$/cancelRequest", {"id": number})
    answers = await asyncio.gather(*(future for _, future in asked), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert refused
    assert {answer.code for answer in refused} == {-32800}
    assert shop.strays == []


async def test_questions_at_the_same_time_are_all_answered(shop):
    queries = ["load configuration", "newsletter to all", "value added tax", "round money"] * 10
    results = await asyncio.gather(*(shop.names(query, limit=1) for query in queries))
    assert results == [["read_settings"], ["deliver_newsletter"], ["grossPrice"], ["roundToCents"]] * 10


# ---- the doctor


async def test_doctor_tells_in_markdown_while_questions_are_answered(shop, shared_project):
    _, report = shop.ask("workspace/executeCommand", {"command": "meaning-ls.doctor", "arguments": []})
    assert "send_mail" in await shop.names("deliver a message")
    assert not report.done(), "a question does not wait for it"
    text = await asyncio.wait_for(report, SECONDS)
    assert text.startswith("# meaning-ls doctor\n")
    assert "**self-test**" in text
    assert "## " in text
    assert "shöp" in text
    assert "are found by their own words" in text
    one = await shop.command("meaning-ls.doctor", shared_project.as_uri())
    assert "**index**" in one


async def test_doctor_is_for_folders_that_are_open(shop, tmp_path):
    with pytest.raises(Refused, match="folder: is not open"):
        await shop.command("meaning-ls.doctor", tmp_path.as_uri())


@pytest.mark.skipif(os.name == "nt", reason="a process that stands still is ended all the same, but waits to be seen")
async def test_a_cancelled_doctor_leaves_no_process(shop):
    """The doctor is made to stand still, so that it can end by being ended alone."""
    number, report = shop.ask("workspace/executeCommand", {"command": "meaning-ls.doctor", "arguments": []})
    server, doctors = psutil.Process(shop.process.pid), []
    while not doctors:
        await shop.names("deliver a message")
        doctors = [child for child in server.children() if "doctor.apart" in " ".join(child.cmdline())]
    doctors[0].suspend()
    shop.notify("$/cancelRequest", {"id": number})
    with pytest.raises(Refused) as refused:
        await asyncio.wait_for(report, SECONDS)
    assert refused.value.code == -32800
    while doctors[0].is_running() and doctors[0].status() != psutil.STATUS_ZOMBIE:
        await shop.names("deliver a message")
