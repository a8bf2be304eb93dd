"""Teacher conversations that write skills and cases, prove cases, and improve skills. No pytest in it."""
