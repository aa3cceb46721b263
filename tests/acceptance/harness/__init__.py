"""The plugin: what knows no service."""
