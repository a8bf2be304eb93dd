"""What a reply must define, with one package per contract. ``base`` has the protocols that a contract implements."""
