"""Every image, made from package registries, for machines that reach no container registry."""
