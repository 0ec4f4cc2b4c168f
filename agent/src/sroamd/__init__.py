"""sroamd: roaming between Wi-Fi access points without a controller."""

__version__ = "0.1.0"
