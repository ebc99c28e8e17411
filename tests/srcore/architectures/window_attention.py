"""A SwinIR-like layer: attention within windows of 8 pixels, so that sides must be multiples of 8."""

from torch import nn

WINDOW = 8


class WindowAttention(nn.Module):
    def __init__(self, channels=12):
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.attention = nn.MultiheadAttention(channels, 2, batch_first=True)
        self.up = nn.Sequential(nn.Conv2d(channels, 48, 3, padding=1), nn.PixelShuffle(4))

    def forward(self, x):
        features = self.head(x)
        count, channels, height, width = features.shape
        rows, columns = height // WINDOW, width // WINDOW
        windows = features.view(count, channels, rows, WINDOW, columns, WINDOW).permute(0, 2, 4, 3, 5, 1)
        tokens = windows.reshape(-1, WINDOW * WINDOW, channels)
        seen = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        seen = seen.view(count, rows, columns, WINDOW, WINDOW, channels).permute(0, 5, 1, 3, 2, 4)
        return self.up(features + seen.reshape(features.shape))


def build():
    return WindowAttention()
