"""The rendered cameras, which the demo plays."""

from tests.demo_scene.conftest import media

__all__ = ["media"]
