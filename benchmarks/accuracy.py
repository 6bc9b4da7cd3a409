"""How accurate a recipe is, over several seeds.

    python benchmarks/accuracy.py --data-dir DIR                    # the test set, 5 seeds
    python benchmarks/accuracy.py --data-dir DIR --validation       # to choose a recipe by
    python benchmarks/accuracy.py --data-dir DIR --validation --lr 0.2 --weight-decay 0.001
    python benchmarks/accuracy.py --data-dir DIR --config simard2003-elastic --seeds 3

With ``--validation`` the last 10,000 training images are held out and measured on, and the test
set is not touched: that is what a recipe is chosen by. Without, each seed's network is trained on
all 60,000 images and measured on the test set, once.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from mnist_cli.data.folder import default_data_dir
from mnist_cli.data.loading import load_split
from mnist_cli.evaluation import evaluate
from mnist_cli.recipe import SETTINGS, Recipe
from mnist_cli.training.loop import train

HELD_OUT = 10_000
OPTIONS = {
    name: setting
    for name, setting in SETTINGS.items()
    if name not in ("seed", "validation", "patience")
}


def main() -> None:
    """Train once for each seed, and print every accuracy, their mean and their deviation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=default_data_dir())
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--config", help="what the settings are that no option gives")
    for name, setting in OPTIONS.items():
        option = f"--{setting.key}"
        if setting.kind is bool:
            parser.add_argument(option, dest=name, action=argparse.BooleanOptionalAction)
        else:
            parser.add_argument(option, dest=name, type=setting.kind)
    arguments = vars(parser.parse_args())
    settings = {}
    if arguments["config"]:
        settings = Recipe.from_toml(arguments["config"]).to_dict()
        settings = {name: value for name, value in settings.items() if name in OPTIONS}
    settings |= {name: arguments[name] for name in OPTIONS if arguments[name] is not None}
    print(Recipe(**settings))

    learn = load_split("mnist", "train", arguments["data_dir"])
    if arguments["validation"]:
        learn, judge = learn.hold_out(HELD_OUT)
    else:
        judge = load_split("mnist", "test", arguments["data_dir"])
    accuracies = []
    for seed in range(arguments["seeds"]):
        recipe = Recipe(seed=seed, **settings)
        result = train(recipe, learn)
        judged = evaluate(result.model, judge)
        accuracies.append(judged.accuracy)
        seconds = sum(epoch.seconds or 0.0 for epoch in result.history)
        print(
            f"seed {seed}  {judged.accuracy:.2%}  {judged.errors} errors  loss {judged.loss:.4f}  "
            f"{seconds:.1f} s",
            flush=True,
        )
    print(f"mean {statistics.mean(accuracies):.3%}", end="")
    if len(accuracies) > 1:
        print(f"  standard deviation {statistics.stdev(accuracies):.3%}", end="")
    print()


if __name__ == "__main__":
    main()
