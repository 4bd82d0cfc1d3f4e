"""Tests of the demonstration: its pictures, its cameras and how it runs the product."""
