"""MAS: a secure multi-agent runtime."""

__version__ = "0.1.0"
