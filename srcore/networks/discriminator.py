"""SRGAN's discriminator: Ledig et al., CVPR 2017, section 3.1.1 and figure 4."""

from torch import Tensor, nn


class Discriminator(nn.Module):
    """RGB (N, 3, size, size) in [-1, 1] -> (N, 1) logits: above 0 the picture is taken for a real one."""

    def __init__(self, size: int = 96) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, padding=1), nn.LeakyReLU(0.2)]
        channels = 64
        for width, stride in ((64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2)):
            layers += [
                nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(width, track_running_stats=False),  # never used outside training
                nn.LeakyReLU(0.2),
            ]
            channels = width
        self.features = nn.Sequential(*layers)  # (N, 512, size/16, size/16)
        side = -(-size // 16)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(512 * side * side, 1024), nn.LeakyReLU(0.2), nn.Linear(1024, 1)
        )

    def forward(self, picture: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(picture))
        return logits
