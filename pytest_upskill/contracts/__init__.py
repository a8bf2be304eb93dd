"""What a reply must define, one package per contract; ``base`` has the protocols that a contract implements."""
