"""The contract ``kernel-builder``: a whole project in the layout of Hugging Face's kernel-builder."""
