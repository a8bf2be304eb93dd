"""What a reply must define, one package per contract."""
