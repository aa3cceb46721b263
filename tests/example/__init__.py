"""The plugin, installed elsewhere, on a service of another kind."""
