"""Tests of the commands behind make and of the images' recipe; nothing here needs an engine."""
