"""Contains all the data models used in inputs/outputs"""

from .account import Account

__all__ = ("Account",)
