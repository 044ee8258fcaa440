"""Choice: every step of the ladder, on machines that are given by their files and by what was measured there."""

from dataclasses import replace

import pytest

from lsp_server.engine.card import ModelError
from lsp_server.models.accelerators import Accelerator
from lsp_server.models.advice import offer
from lsp_server.models.catalogue import Model, load_catalogue
from lsp_server.models.choice import LADDER, SYMBOLS, Known, advice, choose, expected, explain, minutes, pick_variant
from lsp_server.models.hardware import GB, Probe, look
from lsp_server.models.pull import wanted
from lsp_server.models.runtime import _disagreements
from tests.models import machines
from tests.models.machines import desktop, raspberry_pi_5, with_files

CATALOGUE = load_catalogue()


def known(**changes):
    return replace(Known(CATALOGUE, frozenset({("minilm-l6", "bundled")}), base=400.0), **changes)


def picked(probe, **changes):
    verdict = choose(look(probe), known(**changes)).picked
    return verdict.tier.number, verdict.model.id, verdict.variant.name, verdict.device


def with_card(probe, memory, vendor="nvidia"):
    return replace(probe, nvidia=lambda: [Accelerator(vendor, "a card", int(memory * GB))])


# ---- the ladder


def test_every_step_is_in_the_catalogue():
    for tier in LADDER:
        model = CATALOGUE.find(tier.model)
        assert isinstance(model, Model)
        assert tier.number in model.tiers, f"the catalogue does not put {tier.model} on tier {tier.number}"
        if tier.variant:
            assert model.get(tier.variant)
    assert [tier.number for tier in LADDER] == sorted((tier.number for tier in LADDER), reverse=True)
    assert {tier.number for tier in LADDER} == set(range(8))


def test_tier_0_a_board_with_half_a_gigabyte(tmp_path):
    assert picked(raspberry_pi_5(tmp_path, memory=0.5))[:2] == (0, "potion-code-16m-v2")


def test_tier_1_a_raspberry_pi_of_2_gb(tmp_path):
    assert picked(raspberry_pi_5(tmp_path, memory=2)) == (1, "minilm-l6", "bundled", "cpu")


def test_tier_1_two_cores_whatever_the_memory(tmp_path):
    assert picked(desktop(tmp_path, 2, 64)) == (1, "minilm-l6", "bundled", "cpu")


def test_tier_1_in_a_container(tmp_path):
    limit = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": str(2 * GB)}
    assert picked(with_files(desktop(tmp_path, 16, 64), limit))[1] == "minilm-l6"


def test_tier_2_a_raspberry_pi_of_4_gb_takes_the_form_for_arm(tmp_path):
    assert picked(raspberry_pi_5(tmp_path, memory=4)) == (2, "granite-97m-r2", "q8", "cpu")


def test_tier_2_a_laptop(tmp_path):
    assert picked(desktop(tmp_path, 4, 7.6)) == (2, "granite-97m-r2", "uint8", "cpu")


def test_tier_3_six_cores(tmp_path):
    assert picked(desktop(tmp_path, 6, 15.5)) == (3, "gte-modernbert", "int8", "cpu")


def test_tier_3_without_vnni_takes_no_8_bits_that_overflow(tmp_path):
    probe = desktop(tmp_path, 6, 15.5, flags=machines.HASWELL_FLAGS)
    assert picked(probe, base=1000.0) == (3, "gte-modernbert", "q4", "cpu")


def test_tier_4_eight_cores_quick_enough(tmp_path):
    assert picked(desktop(tmp_path, 8, 31), base=2000.0) == (4, "embeddinggemma-2", "q4", "cpu")


def test_tier_4_apple(tmp_path):
    probe = Probe(
        tmp_path,
        "darwin",
        "arm64",
        usable_cpus=lambda: 8,
        features=lambda: {"ASIMDDP": True},
        memory=lambda: (16 * GB, 9 * GB),
        physical=lambda: 8,
        plugged=lambda: True,
        sysctl=lambda name: "Apple M4",
    )
    assert picked(probe, devices=("webgpu", "cpu")) == (4, "embeddinggemma-2", "q4", "webgpu")
    assert picked(probe)[:2] == (3, "gte-modernbert")


def test_tier_5_a_card_that_onnx_runtime_opens(tmp_path):
    probe = with_card(desktop(tmp_path, 4, 15.5), 8)
    assert picked(probe, devices=("cuda", "cpu")) == (5, "embeddinggemma-2", "fp32", "cuda")
    assert picked(probe)[1] == "granite-97m-r2"  # the card is there, the package is not


def test_tier_5_amd(tmp_path):
    files = machines.with_files(
        desktop(tmp_path, 8, 31),
        {
            "sys/class/drm/card0/device/vendor": "0x1002",
            "sys/class/drm/card0/device/mem_info_vram_total": str(16 * GB),
        },
    )
    assert picked(files, devices=("migraphx", "cpu")) == (5, "embeddinggemma-2", "fp32", "migraphx")


def test_a_small_card_is_none(tmp_path):
    assert picked(with_card(desktop(tmp_path, 4, 15.5), 2), devices=("cuda", "cpu"))[1] == "granite-97m-r2"


def test_a_card_that_does_not_say_its_memory(tmp_path):
    choice = choose(look(with_card(desktop(tmp_path, 4, 15.5), 0)), known(devices=("cuda", "cpu")))
    assert "does not say how much it has" in next(each.why for each in choice.considered if each.tier.number == 5)


@pytest.mark.parametrize("id", ["qwen3-embedding-0.6b", "qwen3-embedding-4b"])
def test_tiers_6_and_7_are_for_those_who_fetched_them(tmp_path, id):
    probe = with_card(desktop(tmp_path, 16, 62), 23)
    there = frozenset({(id, "fp32")})
    assert picked(probe, devices=("cuda", "cpu"))[:2] == (5, "embeddinggemma-2")
    assert picked(probe, devices=("cuda", "cpu"), installed=there)[1] == id


# ---- time


def test_what_would_take_too_long_is_not_picked(tmp_path):
    """Six cores, but slow ones: what gte-modernbert would need by its size is told, and the next step is taken."""
    choice = choose(look(desktop(tmp_path, 6, 15.5)), known(base=250.0))
    assert choice.picked.model.id == "granite-97m-r2"
    refused = next(verdict for verdict in choice.considered if verdict.model.id == "gte-modernbert")
    assert "would need about 13 minutes for a first index of 10,000 symbols" in refused.why


def test_a_large_project_takes_a_lower_step(tmp_path):
    probe = desktop(tmp_path, 6, 15.5)
    assert picked(probe)[1] == "gte-modernbert"
    assert picked(probe, symbols=60_000)[1] == "minilm-l6"


def test_an_installed_candidate_is_measured(tmp_path):
    asked = []

    def measure(id, variant, device):
        asked.append((id, variant, device))
        return 3.0 if id == "gte-modernbert" else 80.0

    there = frozenset({("gte-modernbert", "int8"), ("granite-97m-r2", "uint8")})
    choice = choose(look(desktop(tmp_path, 6, 15.5)), known(installed=there, measure=measure))
    assert asked == [("gte-modernbert", "int8", "cpu"), ("granite-97m-r2", "uint8", "cpu")]
    assert choice.picked.model.id == "granite-97m-r2"
    assert choice.picked.measured
    assert choice.picked.texts_per_second == 80
    assert choice.picked.why == "measured: about 2 minutes for a first index of 10,000 symbols"


def test_an_installed_candidate_that_does_not_work_gives_way(tmp_path):
    def measure(id, variant, device):
        if id == "gte-modernbert":
            raise ModelError("It finds 3 of 8 functions.")
        return 80.0

    there = frozenset({("gte-modernbert", "int8"), ("granite-97m-r2", "uint8")})
    choice = choose(look(desktop(tmp_path, 6, 15.5)), known(installed=there, measure=measure))
    assert choice.picked.model.id == "granite-97m-r2"
    refused = next(verdict for verdict in choice.considered if verdict.model.id == "gte-modernbert")
    assert refused.why == "it is installed and does not work here. It finds 3 of 8 functions."


def test_nothing_measured_nothing_promised(tmp_path):
    choice = choose(look(desktop(tmp_path, 6, 15.5)), known(base=0.0))
    assert choice.picked.model.id == "gte-modernbert"
    assert "its speed is not known" in choice.picked.why


def test_little_free_memory(tmp_path):
    probe = desktop(tmp_path, 6, 15.5, free=0.15)
    choice = choose(look(probe), known())
    assert choice.picked.model.id == "minilm-l6"
    refused = next(verdict for verdict in choice.considered if verdict.model.id == "gte-modernbert")
    assert refused.why == "needs 229 MB of free memory, there are 154 MB"


def test_an_old_runtime(tmp_path):
    """Intel Macs stay at 1.23.2."""
    probe = desktop(tmp_path, 8, 31)
    assert picked(probe, base=2000.0, runtime="1.24.0")[1] == "embeddinggemma-2"
    assert picked(probe, base=2000.0, runtime="1.23.2")[1] == "gte-modernbert"
    choice = choose(look(probe), known(base=2000.0, runtime="1.23.2"))
    refused = next(verdict for verdict in choice.considered if verdict.model.id == "embeddinggemma-2")
    assert refused.why == "needs ONNX Runtime 1.24, 1.23.2 is installed"


# ---- what commands are told, and who is offered what


def test_what_is_advised_is_what_comes(tmp_path):
    """A card wants exact weights, while the id alone means the form for a processor."""
    machine = look(with_card(desktop(tmp_path, 16, 62), 23))
    for devices in (("cuda", "cpu"), ("cpu",)):
        for verdict in choose(machine, known(devices=devices, base=2000.0)).considered:
            if not verdict.model.bundled:
                assert wanted(CATALOGUE, verdict.name, machine) == (verdict.model, verdict.variant)
    choice = choose(machine, known(devices=("cuda", "cpu")))
    assert advice(choice).endswith("models pull embeddinggemma-2:fp32") and offer(choice).endswith("gemma-2:fp32")
    there = known(devices=("cuda", "cpu"), installed=frozenset({("embeddinggemma-2", "fp32")}))
    assert advice(choose(machine, there)).endswith("meaning-ls index --model embeddinggemma-2:fp32")


@pytest.mark.parametrize(
    ("used", "better"),
    [("minilm-l6", True), ("potion-code-16m-v2", True), ("granite-97m-r2", False), ("gte-modernbert", False),
     ("embeddinggemma-2", False), ("coderankembed", False), ("mine", False), ("minilm-l6+mine", False)],
)  # fmt: skip
def test_only_what_stands_higher_is_better(tmp_path, used, better):
    choice = choose(look(desktop(tmp_path, 4, 7.6)), known())
    assert choice.picked.model.id == "granite-97m-r2"
    assert choice.better_than(used) == (choice.picked if better else None)


# ---- words


def test_the_explanation(tmp_path):
    choice = choose(look(with_card(desktop(tmp_path, 4, 7.6), 8)), known())
    text = "\n".join(explain(choice))
    assert text.startswith("This machine: 4 cores (12th Gen Intel(R) Core(TM), avx2 vnni); 7.6 GB of memory, ")
    assert "The bundled model embeds 400 texts a second here." in text
    assert " -> 2  granite-97m-r2 (uint8): yes, expected: about 2 minutes for a first index" in text
    assert text.endswith(
        "Picked: granite-97m-r2 (98 MB, Apache-2.0). To have it: meaning-ls models pull granite-97m-r2"
    )
    assert "on request only" not in text
    assert len(choice.considered) == len(LADDER)


def test_on_battery_it_is_said(tmp_path):
    supply = {"sys/class/power_supply/BAT0/type": "Battery", "sys/class/power_supply/BAT0/status": "Discharging"}
    choice = choose(look(with_files(desktop(tmp_path, 4, 7.6), supply)), known())
    assert "the machine is on battery" in choice.picked.why


def test_advice_for_what_is_there(tmp_path):
    machine = look(desktop(tmp_path, 4, 7.6))
    there = known(installed=frozenset({("granite-97m-r2", "uint8")}))
    assert advice(choose(machine, there)).endswith("meaning-ls index --model granite-97m-r2")
    assert "comes with the program" in advice(choose(look(desktop(tmp_path, 2, 4)), known()))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "about 1 s"), (30, "about 30 s"), (70, "about a minute"), (250, "about 4 minutes"), (7300, "about 2 hours")],
)
def test_times_for_people(seconds, text):
    assert minutes(seconds) == text


def test_speed_is_expected_by_size(tmp_path):
    machine = look(desktop(tmp_path, 4, 16))
    rates = {}
    for model in CATALOGUE.model:
        if variant := pick_variant(model, machine, "cpu"):
            rates[model.id] = expected(model, variant, "cpu", 400.0)
            assert not variant.forbidden
            assert variant.arithmetic != "fp16"
    assert rates["minilm-l6"] == 400
    assert rates["potion-code-16m-v2"] > rates["minilm-l6"] > rates["granite-97m-r2"] > rates["gte-modernbert"] > 0
    assert rates["gte-modernbert"] > rates["embeddinggemma-2"] > rates["qwen3-embedding-0.6b"]
    assert SYMBOLS / rates["qwen3-embedding-4b"] > 3600


def test_forbidden_providers_get_no_variant(tmp_path):
    machine = look(desktop(tmp_path, 4, 16))
    gemma = CATALOGUE.find("embeddinggemma-2")
    assert pick_variant(gemma, machine, "openvino") is None
    assert pick_variant(gemma, machine, "cuda").name == "fp32"


# ---- packages and hardware that disagree

ONE = {"onnxruntime": "1.31.1"}
GPU = {"onnxruntime-gpu": "1.31.1"}


def said(probe, bases, there, opened):
    return " ".join(_disagreements(look(probe), bases, [*there, "cpu"], [*opened, "cpu"]))


def test_all_is_well(tmp_path):
    assert said(desktop(tmp_path, 4, 16), ONE, [], []) == ""
    assert said(with_card(desktop(tmp_path, 4, 16), 8), GPU, ["cuda"], ["cuda"]) == ""


def test_two_runtimes(tmp_path):
    text = said(desktop(tmp_path, 4, 16), {**ONE, **GPU}, [], [])
    assert "onnxruntime 1.31.1 and onnxruntime-gpu 1.31.1 are installed over each other" in text
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in text


def test_a_card_that_nobody_uses(tmp_path):
    text = said(with_card(desktop(tmp_path, 4, 16), 8), ONE, [], [])
    assert text.startswith("There is a card, and the installed ONNX Runtime computes on the processor alone.")
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'" in text


def test_a_package_without_its_hardware(tmp_path):
    text = said(desktop(tmp_path, 4, 16), GPU, ["cuda"], [])
    assert "onnxruntime-gpu is installed and needs an NVIDIA card; there is no graphics here" in text
    text = said(with_card(desktop(tmp_path, 4, 16), 8, "amd"), GPU, ["cuda"], [])
    assert "there is only AMD graphics here" in text


def test_hardware_and_package_without_libraries(tmp_path):
    text = said(with_card(desktop(tmp_path, 4, 16), 8), GPU, ["cuda"], [])
    assert "is installed and does not start" in text
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'" in text


def test_a_mac_is_offered_the_plugin(tmp_path):
    probe = Probe(
        tmp_path,
        "darwin",
        "arm64",
        usable_cpus=lambda: 8,
        features=dict,
        memory=lambda: (16 * GB, 9 * GB),
        physical=lambda: 8,
        plugged=lambda: True,
        sysctl=lambda name: "Apple M4",
    )
    assert "pip install 'meaning-ls[webgpu]'" in said(probe, ONE, [], [])
