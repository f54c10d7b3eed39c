"""From other people's layers to one face, `script.Pooling`."""

from .adapter import Adapter, Options, Profile, adapt, load

__all__ = ["Adapter", "Options", "Profile", "adapt", "load"]
