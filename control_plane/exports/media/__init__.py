"""Writes MP4 files from stored footage as they are read; knows neither models nor stores."""
