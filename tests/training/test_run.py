"""A whole training as one call: what the command does, without the command."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli

from mnist_cli.data.loading import load_data
from mnist_cli.errors import SettingsError, TrainingStoppedError, UnfinishedError
from mnist_cli.evaluation import evaluate
from mnist_cli.model import Model
from mnist_cli.recipe import Recipe
from mnist_cli.training.checkpoint import Checkpoint
from mnist_cli.training.history import Epoch
from mnist_cli.training.run import Run, run

RECIPE = Recipe(hidden=12, epochs=3, validation=100, digit_width=14)
OPTIONS = ("--hidden", 12, "--epochs", 3, "--validation", 100, "--digit-width", 14)


def test_it_writes_the_file_that_the_command_writes(
    cli: Cli, small_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run(RECIPE, "mnist", small_dir, out="run.npz")
    assert capfd.readouterr() == ("", "")
    done = cli("train", "--data-dir", small_dir, *OPTIONS, "--out", "command.npz")
    assert done.exit_code == 0, done.stderr
    assert Path("run.npz").read_bytes() == Path("command.npz").read_bytes()
    assert result.out == Path("run.npz")
    assert result.test
    assert f"test accuracy  {result.test.accuracy:.2%}" in done.stdout
    assert 0 < result.train_seconds < result.seconds


def test_it_takes_a_data_set_that_is_loaded_and_paths_as_texts(
    small_dir: Path, tmp_path: Path
) -> None:
    data = load_data("mnist", str(small_dir))
    told: list[Epoch] = []
    loaded = run(RECIPE, data, out=str(tmp_path / "m.npz"), watchers=[told.append])
    assert told == loaded.history
    assert loaded.test
    assert loaded.test.accuracy == evaluate(loaded.model, data.test).accuracy
    assert loaded.model.metadata["data"] == data.sums
    named = run(RECIPE, "mnist", str(small_dir))
    assert named.out is None
    np.testing.assert_array_equal(named.model.W1, loaded.model.W1)


def test_it_can_be_sent_to_another_process(small_dir: Path, tmp_path: Path) -> None:
    recipes = [replace(RECIPE, seed=seed) for seed in (0, 1)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        jobs = [
            pool.submit(run, recipe, "mnist", small_dir, out=tmp_path / f"{recipe.seed}.npz")
            for recipe in recipes
        ]
        results = [job.result() for job in jobs]
    for recipe, result in zip(recipes, results, strict=True):
        here = run(recipe, "mnist", small_dir)
        assert result.model.W2.tobytes() == here.model.W2.tobytes()
        assert result.model.recipe == recipe
        assert result.test
        assert here.test
        assert result.test.accuracy == here.test.accuracy
        assert result.out
        np.testing.assert_array_equal(Model.load(result.out).W1, here.model.W1)


def test_it_needs_no_command_line(small_dir: Path) -> None:
    code = (
        "import sys; from mnist_cli import Recipe, run\n"
        "run(Recipe(hidden=2, epochs=1), 'mnist', sys.argv[1])\n"
        "assert not {'click', 'tqdm', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(small_dir)], check=True)


def stopped(recipe: Recipe, folder: Path, checkpoint: Path, after: int) -> None:
    """Run until so many epochs are done."""
    epochs: list[Epoch] = []
    with pytest.raises(TrainingStoppedError, match=f"epoch {after + 1} of {recipe.epochs}"):
        run(
            recipe,
            "mnist",
            folder,
            checkpoint=checkpoint,
            checkpoint_every=1000,
            watchers=[epochs.append],
            should_stop=lambda: len(epochs) == after,
        )


def test_a_stopped_run_keeps_its_checkpoint_and_ends_alike_when_it_is_resumed(
    small_dir: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "c"
    stopped(RECIPE, small_dir, checkpoint, after=2)
    assert len(Checkpoint.load(checkpoint).history) == 2
    with pytest.raises(UnfinishedError, match="has 2 of 3 epochs of an interrupted training"):
        run(RECIPE, "mnist", small_dir, checkpoint=checkpoint)
    run(None, "mnist", small_dir, resume=str(checkpoint), out=tmp_path / "resumed.npz")
    run(RECIPE, "mnist", small_dir, out=tmp_path / "whole.npz")
    assert (tmp_path / "resumed.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_a_run_that_is_stopped_after_its_last_epoch_has_a_whole_checkpoint_and_no_model(
    small_dir: Path, tmp_path: Path
) -> None:
    checkpoint, out = tmp_path / "c", tmp_path / "m.npz"
    told: list[Epoch] = []

    def is_done() -> bool:
        return len(told) == RECIPE.epochs

    with pytest.raises(TrainingStoppedError, match="after the last epoch"):
        run(
            *(RECIPE, "mnist", small_dir),
            out=out,
            checkpoint=checkpoint,
            watchers=[told.append],
            should_stop=is_done,
        )
    assert not out.exists()
    assert len(Checkpoint.load(checkpoint).history) == RECIPE.epochs
    run(None, "mnist", small_dir, resume=checkpoint, out=out)
    whole = run(RECIPE, "mnist", small_dir)
    np.testing.assert_array_equal(Model.load(out).W1, whole.model.W1)


def test_epochs_may_be_raised_when_resuming_and_nothing_else(
    small_dir: Path, tmp_path: Path
) -> None:
    checkpoint, out = tmp_path / "c", tmp_path / "m.npz"
    first = run(RECIPE, "mnist", small_dir, checkpoint=checkpoint, out=out)
    longer = replace(RECIPE, epochs=5)
    resumed = run(longer, "mnist", small_dir, resume=checkpoint, out=out)
    assert [epoch.epoch for epoch in resumed.history] == [1, 2, 3, 4, 5]
    assert resumed.history[:3] == first.history
    assert resumed.model.recipe == longer
    assert Model.load(out).metadata["raised_from"] == [3]
    # The schedule is as long as the epochs: what had come down rises again.
    rates = [epoch.learning_rate or 0.0 for epoch in resumed.history]
    assert rates[3] > 10 * rates[2]
    assert "raised_from" not in first.model.metadata
    for changed, sentence in (
        (replace(longer, epochs=4), "`epochs` is 5 there and not 4"),
        (replace(longer, seed=1), "`seed` is 0 there and not 1"),
        (replace(longer, hidden=13, epochs=9), "`hidden` is 12 there and not 13: leave"),
    ):
        with pytest.raises(SettingsError, match=sentence):
            run(changed, "mnist", small_dir, resume=checkpoint)


def test_training_starts_from_the_weights_of_a_model(small_dir: Path, tmp_path: Path) -> None:
    first = run(RECIPE, "mnist", small_dir, out=tmp_path / "first.npz")
    still = replace(RECIPE, epochs=1, learning_rate=1e-30, weight_decay=0.0)
    second = run(still, "mnist", small_dir, start=tmp_path / "first.npz")
    np.testing.assert_array_equal(second.model.network.parameters, first.model.network.parameters)
    assert len(second.model.metadata["start"]) == 64
    again = run(still, "mnist", small_dir, start=first.model)
    assert again.model.metadata == second.model.metadata
    with pytest.raises(SettingsError, match="`hidden` is 13, but the model to start from has 12"):
        run(replace(RECIPE, hidden=13), "mnist", small_dir, start=first.model)
    with pytest.raises(SettingsError, match="`resume` and `start` cannot be used together"):
        run(RECIPE, "mnist", small_dir, start=first.model, resume=tmp_path / "c")


def test_a_run_from_a_model_is_resumed_as_such(small_dir: Path, tmp_path: Path) -> None:
    first = run(RECIPE, "mnist", small_dir).model
    whole = run(RECIPE, "mnist", small_dir, start=first, checkpoint=tmp_path / "c")
    resumed = run(None, "mnist", small_dir, resume=tmp_path / "c")
    assert resumed.model.metadata == whole.model.metadata
    assert "start" in resumed.model.metadata


def make(folder: Path, out: Path, recipe: Recipe = RECIPE, **how: object) -> Run:
    return run(recipe, "mnist", folder, out=out, **how)  # type: ignore[arg-type]


class TestWritingOver:
    def test_the_same_recipe_and_data_may_be_trained_again(
        self, small_dir: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "m.npz"
        for _ in range(2):
            make(small_dir, out)
        os.symlink(out, tmp_path / "link.npz")
        make(small_dir, tmp_path / "link.npz")
        assert (tmp_path / "link.npz").is_symlink()

    @pytest.mark.parametrize(
        ("changed", "sentence"),
        [
            ({"seed": 1}, r"another recipe \(`seed` is 0 there and not 1\): name another `out`"),
            ({"epochs": 4}, "`epochs` is 3 there and not 4"),
            ({"augment": "affine"}, "`augment` is none there and not affine"),
        ],
        ids=str,
    )
    def test_a_model_of_another_recipe_is_kept(
        self, changed: dict[str, object], sentence: str, small_dir: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "m.npz"
        make(small_dir, out)
        before = out.read_bytes()
        other = Recipe.from_dict(RECIPE.to_dict() | changed)
        with pytest.raises(SettingsError, match=sentence):
            make(small_dir, out, other)
        assert out.read_bytes() == before
        make(small_dir, out, other, force=True)
        assert Model.load(out).recipe == other

    def test_a_model_of_other_data_is_kept(self, small_dir: Path, tmp_path: Path) -> None:
        out = tmp_path / "m.npz"
        make(small_dir, out)
        data = load_data("mnist", small_dir)
        for other, what in (
            (replace(data, sums={"other": "sum"}), "another data:"),
            (replace(data, name="synthetic"), "another data set:"),
        ):
            with pytest.raises(SettingsError, match=what):
                run(RECIPE, other, out=out)

    @pytest.mark.parametrize("kind", ["text", "checkpoint", "arrays", "broken"])
    def test_what_is_no_model_is_kept(self, kind: str, small_dir: Path, tmp_path: Path) -> None:
        out = tmp_path / "m.npz"
        if kind == "text":
            out.write_text("a thesis")
        elif kind == "checkpoint":
            run(RECIPE, "mnist", small_dir, checkpoint=out)
        else:
            make(small_dir, out, format="arrays" if kind == "arrays" else "model")
        if kind == "broken":
            out.write_bytes(out.read_bytes()[:-100])
        before = out.read_bytes()
        with pytest.raises(SettingsError, match="replace it with `force`"):
            make(small_dir, out)
        assert out.read_bytes() == before
        make(small_dir, out, force=True)
        assert Model.load(out).recipe == RECIPE

    def test_a_model_that_training_starts_from_may_be_replaced_by_it(
        self, small_dir: Path, tmp_path: Path
    ) -> None:
        out, other = tmp_path / "m.npz", tmp_path / "other.npz"
        make(small_dir, out)
        make(small_dir, other)
        with pytest.raises(SettingsError, match="a model of another start"):
            make(small_dir, other, start=out)
        shorter = replace(RECIPE, epochs=1)
        make(small_dir, out, shorter, start=out)
        assert Model.load(out).recipe == shorter

    def test_two_files_of_one_name_are_refused(self, small_dir: Path, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="`checkpoint` and `out` are both"):
            make(small_dir, tmp_path / "m", checkpoint=tmp_path / "." / "m")

    def test_nothing_is_loaded_or_trained_first(self, small_dir: Path, tmp_path: Path) -> None:
        out = tmp_path / "m.npz"
        out.write_text("a thesis")
        begun: list[object] = []
        with pytest.raises(SettingsError):
            make(small_dir, out, on_begin=lambda *what: begun.append(what))
        assert begun == []


def test_what_makes_no_sense_is_refused_before_anything_is_trained(small_dir: Path) -> None:
    never: list[Epoch] = []
    common: dict[str, Any] = {"data_dir": small_dir, "watchers": [never.append]}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"format": "onnx"}, "`format` is 'onnx', but must be one of model, arrays"),
        ({"checkpoint_every": 0}, "`checkpoint_every` is 0, but must be at least 1"),
        ({"checkpoint_every": True}, "`checkpoint_every` is True, but must be a whole number"),
        ({"checkpoint_every": 1.5}, "`checkpoint_every` is 1.5, but must be a whole number"),
        ({"source": "minst"}, "`dataset` is 'minst', but must be one of mnist, synthetic"),
    ]
    for how, sentence in wrong:
        with pytest.raises(SettingsError, match=sentence):
            run(RECIPE, **(common | how))
    assert never == []


def test_a_result_can_be_pickled(small_dir: Path) -> None:
    result = run(RECIPE, "mnist", small_dir)
    sent = pickle.dumps(result)
    assert len(sent) < 1.2 * result.model.network.parameters.nbytes
    again: Run = pickle.loads(sent)
    assert again.history == result.history
    assert again.test
    assert result.test
    assert again.test.errors == result.test.errors
    pickle.dumps(partial(run, RECIPE, "mnist", small_dir, out="m.npz", start=result.model))
