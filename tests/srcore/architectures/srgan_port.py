"""An SRGAN port as many have it: BatchNorm, tanh at the end, pictures in -1 to 1, which build() converts."""

from torch import nn


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.PReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        return x + self.layers(x)


class Generator(nn.Module):
    def __init__(self, channels=16, blocks=2):
        super().__init__()
        self.entry = nn.Sequential(nn.Conv2d(3, channels, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(Residual(channels) for _ in range(blocks)))
        self.exit = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        up = [nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
        again = [nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
        self.up = nn.Sequential(*up, *again, nn.Conv2d(channels, 3, 9, padding=4))

    def forward(self, x):
        entered = self.entry(x)
        return self.up(entered + self.exit(self.blocks(entered))).tanh()


class Converted(Generator):
    def forward(self, x):
        return (super().forward(2 * x - 1) + 1) / 2


def build():
    return Converted()
