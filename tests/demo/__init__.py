"""Tests of the demo: how it runs the product."""
