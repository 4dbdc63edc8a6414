"""Django: where the coins are kept, and how people and programs see them."""

__version__ = "0.1.0"
