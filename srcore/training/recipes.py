"""What each network is trained with. A dataclass a recipe; every deviation from its paper is named."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from srcore.errors import SrcoreError

Content = Literal["mse", "vgg22", "vgg54"]
Optimiser = Literal["adam", "soap"]


class UnknownRecipe(SrcoreError, ValueError):
    """No recipe of that name; the message lists the known ones."""


class Rate(NamedTuple):
    """A piece of the learning-rate schedule: until this fraction of the plan it goes geometrically, first to last."""

    until: float
    first: float
    last: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a method's generator is trained.

    `updates` is the plan; the schedule follows the fraction of the plan done, so another number of updates scales
    it. Crops are `lr_size` LR pixels a side and 4 times that in HR. The loss is the content loss (mean squared error
    on pixels, or on VGG features divided by 12.75), plus `adversarial` times -log D(G), plus `total_variation` times
    the sum of absolute differences between neighbours, plus `low_frequency` times the mean squared error between the
    pictures' 4x4 block means, plus `grid` times the energy of their difference at periods of 2 and 4 pixels, where a
    generator that enlarges by pixel shuffles finds the cheapest texture. `start` names the method whose weights are
    the beginning.

    With `frozen_norm` the generator's batch normalisation keeps the statistics it began with, as at test: those of a
    few small crops shift the colours. With a `shift` of n pixels, VGG and the discriminator see a window n pixels
    smaller than the crop, which begins at a random one of n x n places: else their pooling lies at the same phase of
    the LR grid each time. In the first `warm_up` updates only the discriminator moves. `average` is the decay of a
    running average of the generator's weights, which is then what is validated and shipped.
    """

    name: str
    updates: int
    rates: tuple[Rate, ...]
    batch: int = 16
    lr_size: int = 24
    content: Content = "mse"
    adversarial: float = 0.0
    total_variation: float = 0.0
    optimiser: Optimiser = "adam"  # of the generator; a discriminator has Adam
    weight_decay: float = 0.0  # Adam's
    low_frequency: float = 0.0
    grid: float = 0.0
    frozen_norm: bool = False
    shift: int = 0  # HR pixels, a multiple of 16 (the pooling of VGG and the discriminator)
    warm_up: int = 0  # updates
    average: float = 0.0  # decay an update; 0: no average is kept
    half: bool = True  # bfloat16 on a GPU; networks with few channels gain nothing from it
    start: str | None = None
    paper: str
    deviations: tuple[str, ...]

    def rate(self, fraction: float) -> float:
        """The learning rate after this fraction (0 to 1) of the plan."""
        begin = 0.0
        for piece in self.rates:
            if fraction < piece.until:
                return float(piece.first * (piece.last / piece.first) ** ((fraction - begin) / (piece.until - begin)))
            begin = piece.until
        return self.rates[-1].last


def _constant(*rates: float) -> tuple[Rate, ...]:
    """Equal parts of the plan at these rates."""
    return tuple(Rate((i + 1) / len(rates), rate, rate) for i, rate in enumerate(rates))


_LEDIG = "Ledig et al., CVPR 2017, section 3.2"
_COMMON = (
    "training photographs: those given, not 350,000 of ImageNet",
    "crops are turned and mirrored at random",
    "HR crops are cut after their LR image was made, so that LR has no border effects",
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="srcnn",
            updates=16_000,
            rates=(Rate(1.0, 3e-3, 1e-5),),
            batch=64,
            lr_size=9,
            optimiser="soap",
            half=False,
            paper="Dong et al., ECCV 2014, sections 3.3 and 4.1",
            deviations=(
                *_COMMON,
                "SOAP, not gradient descent with momentum; with Adam it was 0.7 dB lower after 32,000 updates",
                "the learning rate falls from 3e-3 to 1e-5 geometrically, the last layer's too, which was a tenth",
                "crops of 36 HR pixels, a multiple of 4, not 33",
                "16,000 updates of 64 crops; the paper trains to convergence",
            ),
        ),
        Recipe(
            name="espcn",
            updates=80_000,
            rates=(Rate(1.0, 3e-3, 1e-5),),
            lr_size=17,
            optimiser="soap",
            half=False,
            paper="Shi et al., CVPR 2016, section 3.2",
            deviations=(
                *_COMMON,
                "SOAP, which is after 8,000 updates beyond where Adam is after 200,000",
                "the learning rate falls from 3e-3 to 1e-5 geometrically, where the paper lowers it by the loss",
                "80,000 updates of 16 crops; the paper stops after 100 epochs without progress",
            ),
        ),
        Recipe(
            name="drcn",
            updates=50_000,
            rates=(Rate(0.01, 1e-6, 1e-4), Rate(1.0, 1e-4, 1e-4)),
            batch=64,
            lr_size=11,
            weight_decay=1e-4,
            paper="Kim et al., CVPR 2016, section 5",
            deviations=(
                *_COMMON,
                "Adam at 1e-4, not momentum 0.9 at 0.01 divided by 10 when the loss stalls",
                "over the first hundredth of the plan it rises from 1e-6: at 1e-4 the loss leaps up a hundredfold",
                "crops of 44 HR pixels, a multiple of 4, not 41",
                "alpha, the weight of the intermediate losses, falls from 1 to 0 in a straight line",
                "50,000 updates",
            ),
        ),
        Recipe(name="srresnet-mse", updates=1_000_000, rates=_constant(1e-4), paper=_LEDIG, deviations=_COMMON),
        Recipe(
            name="srresnet-vgg22",
            updates=200_000,
            rates=_constant(1e-4, 1e-5),
            content="vgg22",
            total_variation=2e-8,
            start="srresnet-mse",
            paper=_LEDIG,
            deviations=(*_COMMON, "starts from srresnet-mse; 100,000 updates at 1e-4, then 100,000 at 1e-5"),
        ),
        *(
            Recipe(
                name=f"srgan-{content}",
                updates=200_000,
                rates=_constant(1e-4, 1e-5),
                content=content,
                adversarial=1e-3,
                start="srresnet-mse",
                paper=_LEDIG,
                deviations=_COMMON,
            )
            for content in ("mse", "vgg22", "vgg54")
        ),
    )
}


class _Weights(NamedTuple):
    adversarial: float
    low_frequency: float
    grid: float


# Beside each content loss as large as it is: phi_2,2's is some 600 times phi_5,4's, the pixels' a fiftieth of that.
_SHORT: Mapping[Content, _Weights] = {
    "vgg54": _Weights(adversarial=3e-3, low_frequency=50.0, grid=200.0),
    "vgg22": _Weights(adversarial=2.0, low_frequency=30_000.0, grid=120_000.0),
    "mse": _Weights(adversarial=1e-3, low_frequency=1.0, grid=2.0),
}


def averaged(recipe: Recipe, decay: float) -> Recipe:
    """The recipe with a running average of the generator's weights, which its deviations then name, or another one."""
    others = tuple(said for said in recipe.deviations if not said.startswith(_AVERAGED))
    return replace(recipe, average=decay, deviations=(*others, f"{_AVERAGED}, decay {decay:g} an update"))


_AVERAGED = "what is shipped is a running average of the generator's weights"


def short(recipe: Recipe) -> Recipe:
    """A perceptual recipe for the few thousand updates that CPU cores make; what it changes is in its deviations.

    Raises UnknownRecipe for a recipe of the pixels alone: it has no need of it.
    """
    if recipe.content == "mse" and not recipe.adversarial:
        others = ", ".join(name for name, other in RECIPES.items() if other.content != "mse" or other.adversarial)
        raise UnknownRecipe(f"{recipe.name} has no short form, being of pixels alone; those that have: {others}")
    weights = _SHORT[recipe.content]
    if recipe.adversarial:
        who, warm_up = "VGG and the discriminator see", 100
        games = [f"the adversarial weight is {weights.adversarial:g}, not {recipe.adversarial:g}"]
        games = games if weights.adversarial != recipe.adversarial else []
        games.append(f"in the first {warm_up} updates only the discriminator moves")
    else:
        who, warm_up, games = "VGG sees", 0, []
    changed = replace(
        recipe,
        updates=2_500,
        rates=(Rate(1.0, 7e-5, 1e-5),),
        batch=8,
        adversarial=weights.adversarial if recipe.adversarial else 0.0,
        low_frequency=weights.low_frequency,
        grid=weights.grid,
        frozen_norm=True,
        shift=16,
        warm_up=warm_up,
        deviations=(
            *recipe.deviations,
            "2,500 updates of 8 crops at 7e-5 falling to 1e-5 geometrically, not 200,000 of 16 at 1e-4 and 1e-5",
            *games,
            f"{weights.low_frequency:,g} times the mean squared error between 4x4 block means is added, which holds "
            "the colours",
            f"{weights.grid:,g} times the energy of SR - HR at periods of 2 and 4 pixels is added, against a grid",
            "the generator's batch normalisation keeps the statistics it began with",
            f"{who} 80x80 of the 96x96 pixels, from a random place of 16x16: else the phase of their pooling draws a "
            "grid of four pixels",
        ),
    )
    return averaged(changed, 0.995)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises UnknownRecipe."""
    if name not in RECIPES:
        raise UnknownRecipe(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    return RECIPES[name]
