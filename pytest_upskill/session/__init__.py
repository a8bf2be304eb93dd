"""The pytest side: options, collection, hooks, live progress, exit status. The only package that knows pytest."""
