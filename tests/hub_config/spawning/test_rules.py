"""What may be asked for, and what that asks of the ledger."""

from __future__ import annotations

import pytest
from spawning_support import MODULE, image

from hub_config.offers.modules import Module
from hub_config.spawning import rules

MODULE_05 = Module.model_validate(MODULE)


@pytest.mark.parametrize(
    ("button", "options"),
    [
        ("module/05_x/gpu", {"module": "05_x", "gpu": True, "language": "en"}),
        ("module/05_x/cpu", {"module": "05_x", "gpu": False, "language": "en"}),
        ("image/base/0", {"image": "base", "gpus": 0, "language": "en"}),
        ("image/base/1", {"image": "base", "gpus": 1, "language": "en"}),
    ],
)
def test_a_button_stands_for_options_that_mean_the_same(button, options):
    read = rules.read_form({"start": [button], "_xsrf": ["token"]})
    assert read == options
    assert rules.read_options(read).as_options() == options


@pytest.mark.parametrize("button", ["", "module", "module/05", "image/base/2", "kernel/base/0"])
def test_a_button_that_no_page_has_starts_nothing(button):
    with pytest.raises(rules.NothingChosen):
        rules.read_form({"start": [button]})


def test_a_form_with_a_field_of_its_own_is_refused():
    with pytest.raises(rules.UnknownOption, match="no option 'image'"):
        rules.read_form({"start": ["image/base/0"], "image": ["evil/image"]})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"module": "05_x", "mounts": ["/"]}, "no option 'mounts'"),
        ({"module": "05_x", "gpus": 1}, "no option 'gpus'. Did you mean 'gpu'?"),
        ({"image": "base", "cmd": ["sh"]}, "no option 'cmd'"),
        ({"imag": "base"}, "no option 'imag'. Did you mean 'image'?"),
        ({"image": "base", "module": "05_x"}, "Both a module and an image"),
        ({"image": "base", "gpus": 8}, "'gpus' cannot be 8. It can be: 0, 1."),
        ({"image": "base", "gpus": True}, "'gpus' cannot be True"),
        ({"module": "05_x", "gpu": "yes"}, "'gpu' cannot be 'yes'"),
        ({"image": "base", "language": "de"}, "'language' cannot be 'de'. It can be: en, zh_CN."),
        ({"image": ["base"]}, "'image' cannot be"),
        ({"module": ""}, "'module' cannot be ''"),
    ],
)
def test_options_that_nobody_offers_are_refused_by_name(options, words):
    with pytest.raises(rules.UnknownOption) as refusal:
        rules.read_options(options)
    assert words in str(refusal.value)


def test_empty_options_choose_nothing():
    with pytest.raises(rules.NothingChosen):
        rules.read_options({})


def test_a_module_brings_its_sizes_and_its_minutes():
    order = rules.order_module(
        rules.Choice(module="05_classification", gpu=True), MODULE_05, image("t")
    )
    assert (order.gpus, order.cpus, order.memory_mb, order.minutes) == (1, 0.5, 256, 45)


def test_a_module_without_sizes_takes_those_of_its_image():
    bare = MODULE_05.model_copy(update={"cpus": None, "memory_gb": None})
    order = rules.order_module(rules.Choice(module=bare.id), bare, image("t", cpus=3, memory_gb=5))
    assert (order.cpus, order.memory_mb) == (3, 5120)


def test_a_module_is_started_on_the_processor_only_where_it_allows_it():
    choice = rules.Choice(module=MODULE_05.id, gpu=False)
    assert rules.order_module(choice, MODULE_05, image("t")).gpus == 0
    strict = MODULE_05.model_copy(update={"cpu_ok": False})
    with pytest.raises(rules.NeedsGpu):
        rules.order_module(choice, strict, image("t"))


@pytest.mark.parametrize(
    ("language", "url"),
    [
        ("en", "/lab/tree/05_classification/lesson.ipynb"),
        ("zh_CN", "/lab/tree/05_classification/lesson.zh.ipynb"),
    ],
)
def test_jupyterlab_opens_on_the_notebook_of_the_chosen_language(language, url):
    choice = rules.Choice(module=MODULE_05.id, gpu=True, language=language)
    assert rules.order_module(choice, MODULE_05, image("t")).default_url == url


def test_an_environment_opens_on_the_launcher():
    assert rules.order_image(rules.Choice(image="tiny"), image("t")).default_url == "/lab"


def test_the_lease_asks_for_what_the_order_says_and_any_group_may_give_it():
    order = rules.order_module(rules.Choice(module=MODULE_05.id, gpu=True), MODULE_05, image("t"))
    request = rules.lease_request(order, "mei", "", ["g1", "g2"])
    assert request.groups == ("g1", "g2")
    assert (request.gpu_count, request.minutes, request.module_version) == (1, 45, "1.0.0")
