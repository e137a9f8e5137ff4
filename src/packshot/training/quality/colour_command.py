"""``packshot-train colour``: teach the quality network's branch for colour."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from packshot.models.weights import load_quality_net, save_weights, weights_metadata
from packshot.training.progress import StageProgress
from packshot.training.quality.colour_branch import ColourRecipe, learn_colour
from packshot.training.quality.photos import clean_photos, split_biq2021
from packshot.training.quality.versions import version_features
from packshot.training.report_file import write_json
from packshot.training.run_folder import RECIPE_NAME, refuse_other_recipe

console = Console(stderr=True)


def colour(
    data: Annotated[
        Path, typer.Option(help="Folder with biq2021/, studio/, bsds/ and seller_photos/.")
    ],
    init: Annotated[Path, typer.Option(help="Weights of the quality network to start from.")],
    run: Annotated[
        Path, typer.Option(help="Run folder: features of the photos, log, resulting weights.")
    ] = Path("runs/quality-colour"),
    threads: Annotated[int, typer.Option(help="CPU threads of the network.")] = 2,
) -> None:
    """Teach the quality network to see colour that was lost; the score stays as it is.

    Computes features of versions of 1,600 photos (half an hour on two cores; goes on where it was
    stopped), then learns from them for a minute. Writes quality.safetensors into the run folder.
    """
    torch.set_num_threads(threads)
    recipe = ColourRecipe()
    # The features are those of the weights, too.
    began = {
        "name": "colour",
        "init": hashlib.sha256(init.read_bytes()).hexdigest(),
        **vars(recipe),
    }
    refuse_other_recipe(run, began)
    write_json(run / RECIPE_NAME, began)
    network = load_quality_net(init).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    split = split_biq2021(data / "biq2021")
    with StageProgress(console) as progress:
        features = version_features(
            network,
            clean_photos(data, split.train),
            recipe.versions,
            run / "versions",
            report=lambda done, photos: progress.advance("photos", done, photos),
        )
        learned = learn_colour(
            network,
            features,
            recipe,
            log=run / "log.csv",
            report=lambda step, steps, loss: progress.advance(
                "colour", step, steps, f"loss {loss:.3f}"
            ),
        )
    weights = run / "quality.safetensors"
    save_weights(learned, weights, metadata={**weights_metadata(init), "colour": str(recipe.seed)})
    console.print(f"weights in {weights}", markup=False)
