"""A pytest plugin for acceptance criteria and faults on Kubernetes; what it knows of a service, the tests tell it."""
