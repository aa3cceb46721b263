"""Requests byte by byte, as no HTTP library sends them: how they are made, and what their answers have to be."""
