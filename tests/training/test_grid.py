"""What is varied: lists, ranges, and all combinations of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_cli.errors import SettingsError
from mnist_cli.recipe import SETTINGS, Recipe
from mnist_cli.training.grid import plan, read_vary


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("seed=0..6", "seed", [0, 1, 2, 3, 4, 5, 6]),
        ("seed=3..3", "seed", [3]),
        ("digit-width=20,24,27", "digit_width", [20, 24, 27]),
        ("digit_width=0,20..24+2", "digit_width", [0, 20, 22, 24]),
        ("lr=0.05..0.8*2", "learning_rate", [0.05, 0.1, 0.2, 0.4, 0.8]),
        ("learning-rate=1e-3..1*10", "learning_rate", [0.001, 0.01, 0.1, 1.0]),
        ("dropout=0..0.3+0.1", "dropout", [0.0, 0.1, 0.2, 0.3]),
        ("hidden=32..108*1.5", "hidden", [32, 48, 72, 108]),
        ("deskew=true,false", "deskew", [True, False]),
        ("augment=none, elastic", "augment", ["none", "elastic"]),
        ("seed=1,1,0..1", "seed", [1, 0]),
    ],
)
def test_lists_and_ranges_are_read_with_both_their_ends(
    text: str, name: str, values: list[Any]
) -> None:
    read = read_vary([text])
    assert read == {name: values}
    assert [type(value) for value in read[name]] == [SETTINGS[name].kind] * len(values)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["hiden=1"], "`vary` has 'hiden', which is not a setting: did you mean hidden?"),
        (["zzz=x"], "`vary` has 'zzz', which is not a setting: there are hidden, epochs,"),
        (["seed"], "`vary` seed says no values: give some, as in seed=0..4."),
        (["seed="], "says no values"),
        (["seed=0,,1"], "`vary` gives `seed` , but it must be a whole number."),
        (["seed=0", "seed=1"], "`vary` has `seed` twice"),
        (["seed=0.5"], "`vary` gives `seed` 0.5, but it must be a whole number."),
        (["dropout=0..2+1"], "`vary` gives `dropout` 1, but it must be at least 0 and below 1."),
        (["lr=nan"], "must be a number that is finite"),
        (["lr=0.1..0.5"], "`vary` lr=0.1..0.5 needs a step, as in 0.1..0.5+0.1"),
        (["lr=0.05..0.7*2"], "does not come to 0.7, but to 0.4 and then 0.8"),
        (["seed=0..9+2"], "does not come to 9, but to 8 and then 10"),
        (["seed=5..2"], "does not go upwards"),
        (["seed=0..6*2"], "does not go upwards"),
        (["lr=0.1..0.2*1"], "does not go upwards"),
        (["lr=0.1..0.2+0"], "does not go upwards"),
        (["seed=0..x"], "`vary` gives `seed` 'x', which is not a number."),
        (["lr=1e999999999..2*2"], "which is not a number"),
        (["seed=0..1e200"], "has too many values"),
        (["lr=1e-200..1e200*1.0000001"], "has too many values"),
        (["hidden=32..72*1.5,7*2"], "`vary` gives `hidden` 7*2, but it must be a whole number."),
        (["hidden=3..6.75*1.5"], "`vary` gives `hidden` 4.5, but it must be a whole number."),
        (["optimizer=a..b"], "must be one of sgd, adam"),
        (["deskew=yes"], "must be true or false"),
    ],
)
def test_what_is_no_value_is_refused_by_name(texts: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        read_vary(texts)


@given(st.text(st.sampled_from("0123456789.,.+*e-=x"), max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    for key in ("seed", "lr", "hidden"):
        try:
            read = read_vary([f"{key}={text}"])
        except SettingsError:
            continue
        plan({}, read)


def test_the_grid_has_all_combinations_and_their_names_say_which() -> None:
    planned = plan({"epochs": 3}, read_vary(["lr=0.1,0.2", "deskew=true,false"]))
    assert [each.name for each in planned] == [
        *("lr=0.1,deskew=true", "lr=0.1,deskew=false"),
        *("lr=0.2,deskew=true", "lr=0.2,deskew=false"),
    ]
    assert planned[0].varied == {"learning_rate": 0.1, "deskew": True}
    assert planned[0].recipe == Recipe(epochs=3, learning_rate=0.1, deskew=True)
    for each in planned:
        pairs = re.findall(r"([a-z-]+=[^,]+)", each.name)
        assert {name: [value] for name, value in each.varied.items()} == read_vary(pairs)


def test_a_learning_rate_that_is_not_given_is_that_of_each_optimizer() -> None:
    planned = plan({"learning_rate": None}, read_vary(["optimizer=sgd,adam"]))
    assert [each.recipe.learning_rate for each in planned] == [0.3, 0.004]


def test_more_random_runs_contain_fewer_and_another_seed_draws_others() -> None:
    vary = read_vary(["seed=0..9", "hidden=1..9", "lr=0.1..100*10"])
    few, more, others = (
        [each.name for each in plan({}, vary, count, seed)]
        for count, seed in ((5, 0), (20, 0), (5, 1))
    )
    assert len(few) == 5
    assert set(few) < set(more)
    assert set(few) != set(others)
    every = [each.name for each in plan({}, vary)]
    assert more == [name for name in every if name in more]
    assert [each.name for each in plan({}, vary, 10**6)] == every


@pytest.mark.parametrize(
    ("settings", "texts", "random", "sentence"),
    [
        ({}, [], None, "Nothing is varied"),
        ({}, ["seed=0..999", "hidden=1..999"], None, "That is 999,000 runs of a grid of 999,000"),
        ({}, ["seed=0..99999", "hidden=1..999"], 5, "of a grid of 99,900,000"),
        ({}, ["rotation=5,8"], None, "To vary `rotation` has no effect without `augment` affine"),
        ({"augment": "affine"}, ["displacement=1,2"], None, "without `augment` elastic."),
        ({}, ["patience=1,2"], None, "`patience` 1 needs images to judge by"),
        ({}, ["validation=0,100"], None, "`validation` is 0 for some runs and not for others"),
    ],
)
def test_a_grid_that_cannot_be_or_would_do_nothing_is_refused(
    settings: dict[str, Any], texts: list[str], random: int | None, sentence: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        plan(settings, read_vary(texts), random)


def test_a_setting_with_an_effect_in_some_runs_may_be_varied() -> None:
    assert len(plan({}, read_vary(["augment=none,affine", "rotation=5,8"]))) == 4


def test_a_name_that_no_folder_can_have_is_refused() -> None:
    vary = {name: [said.default or 1.0] for name, said in SETTINGS.items() if name != "patience"}
    vary["augment"] = ["elastic"]
    with pytest.raises(SettingsError, match="vary fewer settings"):
        plan({}, vary)
