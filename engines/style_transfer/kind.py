"""What a style transfer takes. No torch here."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from annotated_types import MaxLen, MinLen
from pydantic import Field, ValidationInfo, field_validator

from engines.kind import N_, Figure, Kind, Known, Params, Picture
from engines.style_transfer import arithmetic


class StyleTransferParams(Params):
    """Parameters of ``style_transfer``; titles and descriptions are shown to people."""

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "draft": {"size": 256, "iterations": 120},
        "standard": {"size": 512, "iterations": 150},
        "fine": {"size": 1024, "iterations": 200},
    }

    content: Picture = Field(
        title=N_("Photo"), description=N_("The picture whose shapes are kept.")
    )
    styles: Annotated[list[Picture], MinLen(1), MaxLen(4)] = Field(
        title=N_("Paintings"), description=N_("One to four pictures whose hand is taken on.")
    )
    weights: Annotated[list[Annotated[float, Field(gt=0, le=1000)]], MaxLen(4)] = Field(
        default_factory=list,
        title=N_("Weights of the paintings"),
        description=N_("How much each painting counts; all alike when left empty."),
    )
    preset: Literal["draft", "standard", "fine"] = Field(
        "standard",
        title=N_("Preset"),
        description=N_("Fills in size and effort where you leave them open."),
        json_schema_extra={"x-group": "main"},
    )
    size: int = Field(
        512,
        ge=64,
        le=2048,
        title=N_("Size"),
        description=N_("Long side of the result, in pixels."),
        json_schema_extra={"x-group": "main"},
    )
    content_weight: float = Field(
        1.0,
        ge=0,
        le=100,
        title=N_("Hold on to the photo"),
        description=N_("Higher keeps more of the photo's shapes, lower gives way to strokes."),
        json_schema_extra={"x-group": "main"},
    )
    style_scale: float = Field(
        1.0,
        ge=0.25,
        le=2.0,
        title=N_("Size of the strokes"),
        description=N_(
            "How large the paintings are read, relative to the result: larger gives larger strokes."
        ),
    )
    preserve_colours: bool = Field(
        False,
        title=N_("Keep the photo's colours"),
        description=N_("Takes on the hand of the paintings, but not their colours."),
    )
    start_size: int = Field(
        128,
        ge=64,
        le=512,
        title=N_("Size of the first sketch"),
        description=N_(
            "Long side, in pixels, at which work begins: smaller lets the strokes change larger"
            " shapes."
        ),
    )
    iterations: int = Field(
        150,
        ge=1,
        le=1000,
        title=N_("Steps on the first sketch"),
        description=N_("More steps come nearer to the paintings; each finer size takes fewer."),
    )
    statistic: Literal["wasserstein", "gram"] = Field(
        "wasserstein",
        title=N_("Measure of the hand"),
        description=N_(
            "How the paintings' hand is compared: wasserstein gives even strokes, gram is the"
            " measure of the first paper."
        ),
    )
    features: Literal["auto", "vgg16", "vgg19"] = Field(
        "auto",
        title=N_("Feature network"),
        description=N_("The network that looks at the pictures; auto takes the best one here."),
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title=N_("Seed"),
        description=N_("The same seed gives the same picture."),
    )

    def arithmetic(self, known: Known) -> float:
        """See :mod:`.arithmetic`."""
        paintings = [known.pictures.get(style) for style in self.styles]
        return arithmetic.transfer(self.model_dump(), known.pictures.get(self.content), paintings)

    @field_validator("weights")
    @classmethod
    def _one_weight_each(cls, weights: list[float], known: ValidationInfo) -> list[float]:
        styles = known.data.get("styles")
        if weights and styles is not None and len(weights) != len(styles):
            raise ValueError(f"give one weight for each of the {len(styles)} paintings, or none")
        return weights


STYLE_TRANSFER = Kind(
    name="style_transfer",
    title=N_("Style transfer"),
    summary=N_("A photo takes on the hand of one to four paintings."),
    params=StyleTransferParams,
    engine="engines.style_transfer.engine:StyleTransfer",
    state_version=1,
    stall_seconds=120.0,
    pieces=True,
    # docs/bench.md: 0.52 and 0.57 of a processor's product.
    speed=0.5,
    figures={
        "loss": Figure(
            N_("Loss"),
            N_("How far the picture is from what is asked, all parts together; it should fall."),
        ),
        "content": Figure(
            N_("Distance to the photo"),
            N_("How much of what the photo shows is lost. It may rise while the hand takes hold."),
        ),
        "style": Figure(
            N_("Distance to the paintings"),
            N_("How far its colours and strokes are from the paintings'; lower is closer."),
        ),
    },
)
