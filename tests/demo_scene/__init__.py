"""Tests of the rendered cameras: their pictures, their streams and their timing."""
