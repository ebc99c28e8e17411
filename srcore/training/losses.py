"""The losses of SRGAN (Ledig et al., CVPR 2017, section 2.2) and of DRCN; each is a mean over the batch."""

from torch import Tensor
from torch.nn import functional

from srcore.scale import SCALE

VGG_SCALE = 12.75
"""VGG features are divided by this, which makes the loss 0.006 times the plain one (section 3.2)."""


def mean_squared_error(sr: Tensor, hr: Tensor) -> Tensor:
    """Equation 4, in float32."""
    return functional.mse_loss(sr.float(), hr.float())


def content_of_features(sr: Tensor, hr: Tensor) -> Tensor:
    """Equation 5 on two feature maps, rescaled: their mean squared error over 12.75 squared."""
    return mean_squared_error(sr, hr) / VGG_SCALE**2


def low_frequencies(sr: Tensor, hr: Tensor) -> Tensor:
    """The mean squared error between the means of the pictures' 4x4 blocks: what an LR pixel says of them. Ours."""
    return mean_squared_error(functional.avg_pool2d(sr.float(), SCALE), functional.avg_pool2d(hr.float(), SCALE))


def grid_energy(sr: Tensor, hr: Tensor) -> Tensor:
    """The energy of SR - HR at periods of 2 and 4 pixels, of which a grid has much; (N, C, S, S), 16 divides S. Ours.

    The pixels of a 16x16 window that lie at the same place of a 4x4 block are averaged. What is left of the 16 averages
    beside their own mean repeats every four pixels; of texture that does not, a sixteenth of the energy is left.
    """
    difference = functional.pixel_unshuffle(sr.float() - hr.float(), SCALE)  # (N, 16 C, S/4, S/4)
    phases = functional.avg_pool2d(difference, SCALE).contiguous()
    phases = phases.view(len(sr), -1, SCALE**2, *phases.shape[2:])  # (N, C, 16, S/16, S/16)
    energy: Tensor = (phases - phases.mean(2, keepdim=True)).square().mean()
    return energy


def adversarial(fake_logits: Tensor) -> Tensor:
    """Equation 6: -log D(G(LR)), from logits."""
    return functional.softplus(-fake_logits.float()).mean()


def discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Equation 2, to be lowered: -log D(HR) - log(1 - D(G(LR)))."""
    return functional.softplus(-real_logits.float()).mean() + functional.softplus(fake_logits.float()).mean()


def total_variation(sr: Tensor) -> Tensor:
    """The sum over a picture (N, C, H, W) of the absolute differences between neighbours; mean over the batch."""
    sr = sr.float()
    rows = (sr[:, :, 1:] - sr[:, :, :-1]).abs().sum()
    columns = (sr[:, :, :, 1:] - sr[:, :, :, :-1]).abs().sum()
    return (rows + columns) / sr.shape[0]


def recursive_supervision(each: Tensor, final: Tensor, hr: Tensor, alpha: Tensor | float) -> Tensor:
    """DRCN, equation 12: alpha times the mean over the recursions (R, N, 1, H, W), 1 - alpha times the output's."""
    intermediate = ((each.float() - hr.float()) ** 2).mean()
    return alpha * intermediate + (1 - alpha) * mean_squared_error(final, hr)
