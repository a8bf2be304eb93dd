"""The contract ``function``: a Python function from tensors to tensors."""
