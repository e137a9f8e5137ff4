"""``packshot-edit``: edit packshots, and pictures that the generator makes.

packshot-edit background shoe.jpg grey --shadow 0.4 --out shoe_grey.png
packshot-edit inpaint bag.jpg --mask sticker.png --out bag_clean.png
packshot-edit interpolate watches --from 1 --to 7 --steps 8 --out path.png
packshot-edit variations watches --seed 7 --count 8 --strength 0.4 --out around.png
packshot-edit project shoe.jpg casual_shoes --out shoe.json --picture seen.png
packshot-edit variations --of shoe.json --change colour --out recoloured.png

Every command prints what it did as JSON. Pictures go into PNG, JPEG or WebP files by their suffix.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

try:
    import numpy as np
    import typer
    from rich.console import Console

    from packshot.generation.backgrounds import parse_backdrop, replace_background
    from packshot.generation.inpainting import inpaint, navier_stokes, telea
    from packshot.generation.picture_files import (
        COMPOSITE,
        output_format,
        read_mask,
        read_photo,
        write_picture,
    )
except ModuleNotFoundError as error:
    raise ImportError(f"packshot-edit needs {error.name}: pip install 'packshot[edit]'") from error

from packshot.errors import PackshotError
from packshot.generation.latent_commands import interpolate, project, tell, variations

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # \b: the examples keep their lines.
    help=(__doc__ or "").replace("\n\npackshot-edit", "\n\n\b\npackshot-edit", 1),
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(interpolate)
app.command()(variations)
app.command()(project)

INPAINT_WEIGHTS = Path("weights/inpaint.safetensors")


class FillMethod(str, Enum):
    """How a hole is filled."""

    best = "best"
    network = "network"
    telea = "telea"
    navier_stokes = "navier-stokes"


@app.command()
def background(
    photo: Annotated[Path, typer.Argument(help="A product photo on a plain background.")],
    style: Annotated[
        str,
        typer.Argument(
            help="white, grey, a colour (#f0e8d8), or a gradient from the top (#fff:#ccc)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Picture file; PNG keeps every pixel of the product.")],
    shadow: Annotated[
        float, typer.Option(help="Strength of a soft shadow under the product, 0-1.")
    ] = 0.0,
    keep_light: Annotated[
        bool, typer.Option(help="Keep the light and shadows of the old background.")
    ] = False,
    mask: Annotated[
        Path | None,
        typer.Option(help="White where the product is. [default: what stands out is found]"),
    ] = None,
    see_through: Annotated[
        bool, typer.Option(help="What the product encloses may be background: handles of bags.")
    ] = False,
    rim: Annotated[
        int,
        typer.Option(
            min=0,
            help="Blend this many pixels inside the product's edge: no light fringe on dark"
            " backgrounds. 0 keeps every pixel of the product.",
        ),
    ] = 0,
    save_mask: Annotated[Path | None, typer.Option(help="Also write the mask, as PNG.")] = None,
) -> None:
    """Replace the background of a photo; the product's pixels stay as they are."""
    backdrop = parse_backdrop(style, shadow=shadow, keep_light=keep_light)
    output_format(out)
    read = read_photo(photo)
    given = None if mask is None else read_mask(mask)
    restyled = replace_background(
        read.pixels, backdrop, mask=given, see_through=see_through, rim_px=rim
    )
    written = [write_picture(restyled.picture_hwc_u8, out, read.rights)]
    if save_mask is not None:
        shown = restyled.mask[:, :, None].repeat(3, axis=2) * np.uint8(255)
        written.append(write_picture(shown, save_mask, read.rights))
    tell(
        written=written,
        product_share=round(float(restyled.mask.mean()), 4),
        blended_pixels=int(restyled.rim.sum()),
    )


@app.command(name="inpaint")
def inpaint_command(
    photo: Annotated[Path, typer.Argument(help="A product photo.")],
    mask: Annotated[Path, typer.Option(help="White where the photo is to be filled.")],
    out: Annotated[Path, typer.Option(help="Picture file.")],
    method: Annotated[
        FillMethod,
        typer.Option(help="best: the network where its weights are, else Navier-Stokes."),
    ] = FillMethod.best,
    weights: Annotated[Path, typer.Option(help="Of the inpainting network.")] = INPAINT_WEIGHTS,
) -> None:
    """Fill what a mask covers: a price sticker, a hanger. All other pixels stay as they are."""
    output_format(out)
    read, hole = read_photo(photo), read_mask(mask)
    if method is FillMethod.best:
        method = FillMethod.network if weights.is_file() else FillMethod.navier_stokes
    if method is FillMethod.network:
        from packshot.models.weights import load_inpaint_net

        network = load_inpaint_net(weights)
        from packshot.generation.networks import inpaint_function

        filled = inpaint(read.pixels, hole, inpaint_function(network))
        rights = read.made_by(COMPOSITE)
    else:
        fill = telea if method is FillMethod.telea else navier_stokes
        filled, rights = fill(read.pixels, hole), read.rights
    tell(
        written=[write_picture(filled, out, rights)],
        method=method.value,
        filled_share=round(float(hole.mean()), 4),
    )


def main() -> None:
    """Entry point of ``packshot-edit``."""
    try:
        app()
    except (PackshotError, ImportError) as error:
        Console(stderr=True).print(f"packshot-edit: {error}", style="red", markup=False)
        raise SystemExit(2) from error
